"""Makes six counted operations below a folder, some in a child: `python -m tests.kill.scribble FOLDER`.

In order: the run writes `a`, renames it to `b` and logs an event; a worker writes `c` and fsyncs it; the run removes
`b`. A worker that is killed is replaced once.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from pathlib import Path


def put(path: Path, payload: bytes, *, durable: bool = False) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.write(fd, payload)
    if durable:
        os.fsync(fd)
    os.close(fd)


def work(folder: Path) -> None:
    put(folder / "c", b"0123456789", durable=True)


def main() -> None:
    folder = Path(sys.argv[1])
    (folder / "log").mkdir(exist_ok=True)
    put(folder / "a", b"0123456789")
    os.replace(folder / "a", folder / "b")
    put(folder / "log" / "run.jsonl", b'{"layer": "shards", "kind": "lost"}\n')
    for _ in range(2):
        worker = multiprocessing.get_context("spawn").Process(target=work, args=(folder,))
        worker.start()
        worker.join()
        if worker.exitcode == 0:
            break
    (folder / "b").unlink()


if __name__ == "__main__":
    main()
