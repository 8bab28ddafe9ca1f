"""A head of one's own: any code that gives a number for each picture, or for each pair of embeddings.

    class Watermark:                                  what a plug-in is: a factory that says what its heads read
        reads = "pixels"
        def __init__(self, weights, device): ...      weights: Path or None; device: "cpu", "cuda", ...
        def __call__(self, images): ...               list of (H, W, 3) uint8 sRGB -> (N,) numbers

    judge = Judge(Watermark(Path("watermark.pt"), "cpu"), "watermark")
    judge([rgb, rgb, rgb])      (3,) float32, NaN where the head gave no finite number or failed
    judge.failed                pictures at which the head raised, found by trying its batch one by one

A class is a factory as it stands; a function is one that returns a callable and has the attribute, as
`make.reads = "embeddings"`. A head on embeddings is called with two float32 arrays of unit rows, (N, D) of images and
(N, D) of texts.

This runs the person's own code in our process, with all that it may do. One picture at which it raises is one without
a number; results of another shape or kind than N numbers are an error that names the head.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from vlcorpus.errors import SourceError

Float32s = npt.NDArray[np.float32]
Column = Float32s | list[npt.NDArray[np.uint8]]
Reads = Literal["embeddings", "pixels"]
READS: tuple[Reads, ...] = ("embeddings", "pixels")
LEAST_ROWS = 10
"""A head that fails at every row of a shard with at least so many is broken, and no row's fault."""
_FOLDERS = re.compile(r"(?<![\w.])/(?:[^\s/'\"]+/)+")


class OnEmbeddings(Protocol):
    def __call__(self, image_ND: Float32s, text_ND: Float32s, /) -> npt.ArrayLike: ...


class OnPixels(Protocol):
    def __call__(self, images: list[npt.NDArray[np.uint8]], /) -> npt.ArrayLike: ...


class Factory(Protocol):
    """What `--head` names."""

    reads: Reads

    def __call__(self, weights: Path | None, device: str, /) -> OnEmbeddings | OnPixels: ...


class Judge:
    """Calls a head batch by batch and counts what it failed at."""

    def __init__(self, head: Callable[..., Any], name: str) -> None:
        self._head = head
        self._name = name
        self.rows = 0
        self.failed = 0
        self.first_error: str | None = None

    def __call__(self, *columns: Column) -> Float32s:
        """The numbers of one batch, float32 (N,). `columns` are what the head reads, N rows each.

        SourceError where the head gives anything but N numbers.
        """
        count = len(columns[0])
        self.rows += count
        if not count:
            return np.zeros(0, np.float32)
        try:
            found = self._head(*columns)
        except Exception as error:
            if count > 1:
                return np.concatenate(
                    [self._one(*(column[row : row + 1] for column in columns)) for row in range(count)]
                )
            return self._failure(error)
        return self._numbers(found, count)

    def check(self) -> None:
        """SourceError where the head failed at every one of enough rows."""
        if self.failed == self.rows >= LEAST_ROWS:
            raise SourceError(
                f"head {self._name} failed at all of {self.rows} rows: {self.first_error}", "mend the head"
            )

    def _one(self, *columns: Column) -> Float32s:
        try:
            found = self._head(*columns)
        except Exception as error:
            return self._failure(error)
        return self._numbers(found, 1)

    def _failure(self, error: Exception) -> Float32s:
        self.failed += 1
        if self.first_error is None:
            self.first_error = said(error)
        return np.full(1, np.nan, np.float32)

    def _numbers(self, found: Any, count: int) -> Float32s:
        if hasattr(found, "detach"):  # a tensor, wherever it is
            found = found.detach().float().cpu()
        try:
            values = np.asarray(found)
        except (TypeError, ValueError) as error:
            raise self._wrong(f"gave what is no array of numbers: {said(error)}", count) from error
        if values.dtype.kind not in "fiub":
            raise self._wrong(f"gave values of type {values.dtype}", count)
        if values.shape != (count,):
            raise self._wrong(f"gave an array of shape {values.shape} for {count} rows", count)
        with np.errstate(over="ignore"):
            numbers = values.astype(np.float32)
        numbers[~np.isfinite(numbers)] = np.nan
        return numbers

    def _wrong(self, what: str, count: int) -> SourceError:
        return SourceError(
            f"head {self._name} {what}", f"return one number for each row, shape ({count},); nan where there is none"
        )


def said(error: BaseException) -> str:
    """An error in one line of at most 200 characters: nothing that a terminal obeys, and no folders of this machine."""
    words = " ".join(str(error).split())
    text = f"{type(error).__name__}: {words}" if words else type(error).__name__
    text = _FOLDERS.sub("", text)
    return "".join(sign if sign.isprintable() else f"\\u{ord(sign):04x}" for sign in text)[:200]
