"""The words of one shard's candidates, and scores that look at nothing else.

uids, texts = alt_texts(corpus, "00000")         binary16 and string, a row for each candidate
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ...corpus import Corpus
from ..base import Tell
from .base import OneShard, Scored, Scorer

if TYPE_CHECKING:
    import pyarrow as pa

    from ..score import Score


class OfTexts(Scorer):
    """A score whose columns are a function of the texts alone."""

    of = "candidates"
    follows = "candidates"

    @abstractmethod
    def measure(self) -> Callable[[pa.StringArray], Mapping[str, Any]]:
        """The engine: texts (N,) to columns (N,)."""

    def open(self, stage: Score, corpus: Corpus) -> OneShard:
        measure = self.measure()

        def columns(unit: str, tell: Tell) -> Scored:
            uids, texts = alt_texts(corpus, unit)
            found = measure(texts)
            tell(len(texts), len(texts))
            return Scored({"uid": uids, **found})

        return columns


def alt_texts(corpus: Corpus, unit: str) -> tuple[pa.Array, pa.StringArray]:
    """uid and alt_text of each candidate. What is not Unicode in a text is U+FFFD."""
    from ...expression.kernels import readable
    from ...io import table

    read = table.read(corpus.layer("candidates").path(f"{unit}.parquet"), "candidates", only=["uid", "alt_text"])
    read = read.combine_chunks()
    return joined(read.column("uid")), readable(joined(read.column("alt_text")))


def joined(column: pa.ChunkedArray) -> pa.Array:
    """A column as one array."""
    import pyarrow as pa

    found = column.combine_chunks()
    return pa.concat_arrays(found.chunks) if isinstance(found, pa.ChunkedArray) else found
