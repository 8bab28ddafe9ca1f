"""What the parts of a reduction hand on to each other: arrays in hidden files of the layer that it makes.

    with Relay(layer, "1a2b3c4d") as relay:
        relay.put(("rows", 3, 17), keys, places)            in one part
        keys, places = relay.take(("rows", 3, 17))          in another, perhaps on another machine

    for first, shards in stretches(corpus.layer("shards")): ...     consecutive shards of about PART_ROWS rows
    divided(rows, number_of_bucket, 256)                            the rows of each bucket, in their order

A part that is done twice writes the same bytes. Nothing outlives the reduction: the files are removed when it ends,
and those of a killed run when it begins. Cost: a file a name, 30 microseconds and its bytes on a local disk; reductions
divide rows so that there are a thousand parts at most. Not for results: those are committed.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ..corpus import Layer
from ..errors import CorpusError
from ..io.commit import TEMPORARY, explained

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

FOLDER = TEMPORARY + "parts"
PART_ROWS = 1 << 18
MOST_PARTS = 1_024
BUCKET_ROWS = 1 << 20
Name = tuple[str | int, ...]


class Relay:
    """run: sets the files of one run apart from those of another; letters and digits. The one that does the whole uses
    it as a context manager; its parts only put and take."""

    def __init__(self, layer: Layer, run: str) -> None:
        self._layer = layer.below(FOLDER)
        self._run = run[:16]

    def __enter__(self) -> Self:
        self._clear()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clear()

    def put(self, name: Name, *arrays: npt.NDArray[Any]) -> None:
        """Write arrays under a name."""
        import io

        import numpy as np

        with io.BytesIO() as sink:
            for array in arrays:
                np.save(sink, array, allow_pickle=False)
            self._write(self._file(name), sink.getbuffer())

    def take(self, name: Name, *, again: bool = False) -> list[npt.NDArray[Any]]:
        """The arrays under a name. again: others here will take them, too. CorpusError where they are gone or
        damaged."""
        import numpy as np

        path = self._layer.recall(self._file(name))
        found = []
        try:
            size = path.stat().st_size
            with open(path, "rb") as file:
                while file.tell() < size:
                    found.append(np.load(file, allow_pickle=False))
        except (OSError, ValueError, EOFError) as error:
            raise CorpusError(f"cannot read {path}, which this run wrote", "run the same command again") from error
        if self._layer.remote and not again:
            path.unlink(missing_ok=True)
        return found

    def gathered(self, names: Sequence[Name]) -> list[npt.NDArray[Any]]:
        """The arrays under several names, the first one of each behind each other, and so on."""
        import numpy as np

        parts = [self.take(name) for name in names]
        return [np.concatenate(each) for each in zip(*parts, strict=True)]

    def _file(self, name: Name) -> str:
        return "-".join(map(str, (self._run, *name)))

    def _write(self, name: str, payload: bytes | memoryview) -> None:
        folder = self._layer.making
        with explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
            temporary = folder / f"{TEMPORARY}{uuid.uuid4().hex}"
            try:
                with open(temporary, "wb") as file:
                    file.write(payload)
                os.replace(temporary, folder / name)
            finally:
                temporary.unlink(missing_ok=True)
        self._layer.keep(name)
        if self._layer.remote:  # others will fetch it: a machine need not hold what all its parts have put
            (folder / name).unlink(missing_ok=True)

    def _clear(self) -> None:
        """Remove what this or an earlier run put."""
        for name in self._layer.kept(""):
            self._layer.forget(name)
        shutil.rmtree(self._layer.making, ignore_errors=True)


def stretches(layer: Layer, shards: Sequence[str]) -> list[tuple[int, tuple[str, ...]]]:
    """Consecutive shards of some PART_ROWS rows, MOST_PARTS at most, each with the number of its first shard."""
    sizes = [int((layer.stats(shard) or {}).get("kept", 0)) for shard in shards]
    most = part_rows(sum(sizes))
    found: list[tuple[int, tuple[str, ...]]] = []
    start = rows = 0
    for number, size in enumerate(sizes):
        if number > start and rows + size > most:
            found.append((start, tuple(shards[start:number])))
            start, rows = number, 0
        rows += size
    return [*found, (start, tuple(shards[start:]))] if shards else found


def part_rows(rows: int) -> int:
    """How many of so many rows a part has."""
    return max(PART_ROWS, -(-rows // MOST_PARTS))


def bucket_count(rows: int) -> int:
    """How many buckets so many rows are divided into: by their number alone."""
    return max(1, -(-rows // BUCKET_ROWS))


def buckets_of(keys: npt.NDArray[np.uint64], count: int) -> npt.NDArray[np.int64]:
    """The bucket of each key, uint64 (N,), by its hash: int64 (N,) from 0 to below `count`."""
    import numpy as np

    from ..draws import mixed

    if count == 1:
        return np.zeros(len(keys), np.int64)
    return (mixed(keys) % np.uint64(count)).astype(np.int64)


def divided(rows: npt.NDArray[Any], which: npt.NDArray[np.int64], count: int) -> list[npt.NDArray[Any]]:
    """The rows of each bucket, in the order in which they stand."""
    import numpy as np

    if count == 1:
        return [rows]
    ordered = rows[np.argsort(which, kind="stable")]
    return np.split(ordered, np.cumsum(np.bincount(which, minlength=count))[:-1])
