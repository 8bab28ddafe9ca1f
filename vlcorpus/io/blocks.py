"""Rows of arrays that take long to compute, kept as they come, so that a kill costs the block under way.

    with Blocks(Journal(folder, "00000", fingerprint="9f3c…")) as blocks:
        blocks.of("image")              [(64, 512) float16, ...]: what an earlier run came to
        blocks.add("image", rows)       (64, 512), any floating type; kept as float16
        blocks.remove()                 after the commit

Blocks of one side are in the order of `add`. Cost: 2 bytes a number, once more on the disk until the commit, and some
0.1 ms a block. Not for what float16 cannot hold: only what is stored as float16 in the end.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

from .journal import Journal


class Blocks:
    """A context manager, as its journal is."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._blocks: dict[str, list[NDArray[np.float16]]] = {}

    def __enter__(self) -> Self:
        done = self._journal.__enter__().done
        for number in range(len(done)):
            about = done.get(number)
            if about is None:
                break
            payload = self._journal.members(number)["f2"]
            rows = np.frombuffer(payload, np.float16).reshape(about["shape"])
            self._blocks.setdefault(about["side"], []).append(rows)
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        self._journal.__exit__(kind, *exception)

    def of(self, side: str) -> list[NDArray[np.float16]]:
        """The blocks of a side, in order."""
        return list(self._blocks.get(side, ()))

    def add(self, side: str, rows: NDArray[np.floating]) -> None:
        half = rows.astype(np.float16)
        self._journal.add(len(self._journal.done), {"side": side, "shape": half.shape}, {"f2": half.tobytes()})

    def remove(self) -> None:
        self._journal.remove()
