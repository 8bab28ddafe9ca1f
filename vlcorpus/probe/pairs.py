"""What the loop reads: pairs by their row.

    >>> source.images(np.array([0, 7])), source.texts(np.array([0, 7]), np.array([.1, .9]))
    # (2, 3, 32, 32) uint8 and (2, 12) integers; or two arrays of a frozen encoder's float16 features

Any object of these three methods and a name will do. The loop says which rows it wants and never asks for anything
else, so a source may lie on disk, choose among several captions, or be the view of a larger one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vlcorpus.errors import SourceError, UsageError


class Pairs(Protocol):
    @property
    def name(self) -> str:
        """Of the source, in the accounting"""
        ...

    def __len__(self) -> int: ...

    def images(self, rows_B: NDArray[np.int64], /) -> NDArray[Any]:
        """(B, 3, S, S) uint8; or (B, F) float16 features of a frozen encoder"""
        ...

    def texts(self, rows_B: NDArray[np.int64], draw_B: NDArray[np.float64], /) -> NDArray[Any]:
        """(B, L) integers, 0 is padding; or (B, G) float16 features. draw in [0, 1) chooses each row's caption layer"""
        ...


def checked(sources: Pairs | Sequence[Pairs]) -> tuple[Pairs, ...]:
    """The sources as a tuple. Raises SourceError for an empty one, UsageError for two of one name."""
    found: tuple[Pairs, ...] = tuple(sources) if isinstance(sources, Sequence) else (sources,)
    if not found:
        raise SourceError("there is nothing to train on: no source is given", "name at least one")
    names = [source.name for source in found]
    for name, source in zip(names, found, strict=True):
        if not len(source):
            where = f": {name}" if len(found) > 1 else ""
            raise SourceError(
                f"there is nothing to train on: the pack is empty{where}", "keep more rows, or look at what failed"
            )
        if names.count(name) > 1:
            raise UsageError(f"two sources are called {name!r}", "give each its own name")
    return found


def joined(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """One batch of several sources' rows; texts of unequal length are padded with zeros.

    Raises SourceError where pictures or features are of unequal sizes.
    """
    if len(parts) == 1:
        return parts[0]
    shapes = {part.shape[1:] for part in parts}
    if len(shapes) > 1:
        if not all(part.ndim == 2 and np.issubdtype(part.dtype, np.integer) for part in parts):
            raise SourceError(
                f"the sources' rows are of unequal shapes: {sorted(shapes)}", "prepare all of them for one model"
            )
        longest = max(part.shape[1] for part in parts)
        parts = [np.pad(part, ((0, 0), (0, longest - part.shape[1]))) for part in parts]
    return np.concatenate(parts)
