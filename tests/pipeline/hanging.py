"""A run whose one unit never ends: `python -m tests.pipeline.hanging CORPUS FD`.

The worker writes its pid to FD (kept open by the worker alone) and then waits for ever.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from vlcorpus.corpus import Corpus
from vlcorpus.pipeline.executor import LocalExecutor
from vlcorpus.pipeline.plan import make_plan
from vlcorpus.pipeline.run import run
from vlcorpus.spec import setting
from vlcorpus.stages.base import Stage, Tell, Work


@dataclass(frozen=True, kw_only=True)
class Hang(Stage):
    name = "hang"
    makes = "nothing"

    fifo: str = setting(help="Where to say who hangs.")

    def open(self, corpus: Corpus) -> Work:
        def hang(unit: str, tell: Tell) -> None:
            fd = os.open(self.fifo, os.O_WRONLY)
            os.write(fd, str(os.getpid()).encode())
            signal.pause()

        return hang


def main() -> None:
    corpus = Corpus.open(Path(sys.argv[1]))
    with LocalExecutor(1) as executor:
        for _ in run(make_plan(corpus, [Hang(fifo=sys.argv[2])]), executor):
            pass


if __name__ == "__main__":
    main()
