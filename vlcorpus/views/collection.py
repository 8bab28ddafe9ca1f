"""What can be searched: the pairs of a corpus by the embeddings of one model, or a folder of clip-retrieval's.

    collection = open_collection(Path("birds"))                  or "laion-embeddings", which holds img_emb/
    collection.rows, collection.dimension, collection.sides      1000000, 512, ("image", "text")
    collection.searcher("image").top(query_D, 10)                Found(scores, rows)
    collection.pairs([17, 4])                                    [Pair(row=17, key="000000017", ...), ...]
    collection.mask('width >= 256 and language == "en"')         bool (N,)

A row is a number: the rows of all shards, in order. Opening reads headers, footers and stats, no rows: 0.3 s for 100
shards of a corpus. What disagrees in counts, sizes or digests is refused there. Everything may be asked from several
threads; what is read often is kept, within bounds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from ..stages import places

if TYPE_CHECKING:
    from ..knn.query import Term
    from ..knn.searcher import Searcher

Side = Literal["image", "text"]
SIDES: tuple[Side, ...] = ("image", "text")
WORD = {"image": "img", "text": "text"}  # in the names of files


@dataclass(frozen=True)
class Pair:
    """A row, for people. place: its row within the shard; uid: 32 hex characters, None where the folder has none;
    key: the name of its image; more: the further columns that were asked for."""

    row: int
    shard: str
    place: int
    uid: str | None
    key: str
    caption: str
    url: str | None
    width: int | None
    height: int | None
    more: Mapping[str, Any] = field(default_factory=dict)


class Collection(Protocol):
    """notes: what a person should know, as why an index was not asked. starts: number of the first row of each shard,
    and the number of rows: int64 (S + 1,)."""

    @property
    def name(self) -> str: ...

    @property
    def model(self) -> str: ...

    @property
    def dimension(self) -> int: ...

    @property
    def rows(self) -> int: ...

    @property
    def shards(self) -> tuple[str, ...]: ...

    @property
    def starts(self) -> npt.NDArray[np.int64]: ...

    @property
    def sides(self) -> tuple[Side, ...]: ...

    @property
    def notes(self) -> list[str]: ...

    @property
    def can_encode(self) -> bool:
        """Whether it is known what encodes texts and images; nothing is loaded to say so."""
        ...

    @property
    def has_pictures(self) -> bool:
        """Whether there are stored images."""
        ...

    def searcher(self, side: Side = "image") -> Searcher:
        """What answers queries about a side; opened once. UsageError for a side that is not there."""
        ...

    def removed(self) -> npt.NDArray[np.bool_] | None:
        """Which rows were taken down, bool (N,); None where none was."""
        ...

    def pairs(self, rows: Sequence[int], columns: Sequence[str] = ()) -> list[Pair]:
        """The pairs of some rows, in the order asked; columns: names of `columns()`, for `more`."""
        ...

    def mask(self, where: str) -> npt.NDArray[np.bool_]:
        """Which rows an expression keeps: bool (N,). UsageError for what is no expression over `columns()`."""
        ...

    def columns(self) -> dict[str, str]:
        """Name and type of every column that an expression may name."""
        ...

    def row_of(self, uid: str) -> int:
        """The row of a uid. UsageError for what is no uid, VlcorpusError where there is no such pair."""
        ...

    def groups(self, rows: Sequence[int]) -> npt.NDArray[np.int64]:
        """The stored near-duplicate group of each row, -1 where there is none: int64 (M,)."""
        ...

    def picture(self, row: int) -> bytes | None:
        """The stored image, None where there is none or it was taken down."""
        ...

    def encode(self, term: Term) -> npt.NDArray[np.float32]:
        """The unit vector of a term, without its weight: float32 (D,)."""
        ...

    def encode_picture(self, body: bytes) -> npt.NDArray[np.float32]:
        """The unit vector of an image's bytes: float32 (D,). SourceError for what is no image."""
        ...


def open_collection(place: str | Path, *, model: str | None = None) -> Collection:
    """The corpus at a path or an address with the embeddings of a model (the scored one, or the only one, if not
    given), or the folder of embeddings there. CorpusError where there is neither, or where its counts or digests
    disagree."""
    text = str(place)
    if not places.is_url(text) and not places.is_corpus(text):
        from . import foreign

        if foreign.is_folder(Path(text)):
            return foreign.FolderCollection(Path(text), model=model)
    from .corpus_collection import CorpusCollection

    return CorpusCollection(places.opened(text), model=model)
