"""Run stages as the command line does: plan, execute, commit."""

from __future__ import annotations

from collections.abc import Sequence

from vlcorpus.corpus import Corpus
from vlcorpus.pipeline.executor import LocalExecutor
from vlcorpus.pipeline.plan import make_plan
from vlcorpus.pipeline.run import Event, run
from vlcorpus.stages.base import Stage


def do(corpus: Corpus, stages: Sequence[Stage], *, workers: int = 1) -> list[Event]:
    with LocalExecutor(workers) as executor:
        return list(run(make_plan(corpus, stages), executor))
