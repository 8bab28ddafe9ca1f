"""The words of one shard's candidates.

uids, texts = alt_texts(corpus, "00000")         binary16 and string, a row for each candidate
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...corpus import Corpus

if TYPE_CHECKING:
    import pyarrow as pa


def alt_texts(corpus: Corpus, unit: str) -> tuple[pa.Array, pa.StringArray]:
    """uid and alt_text of each candidate. What is not Unicode in a text is U+FFFD."""
    from ...io import table

    read = table.read(corpus.layer("candidates").path(f"{unit}.parquet"), "candidates", only=["uid", "alt_text"])
    read = read.combine_chunks()
    return joined(read.column("uid")), readable(joined(read.column("alt_text")))


def joined(column: pa.ChunkedArray) -> pa.Array:
    """A column as one array."""
    import pyarrow as pa

    found = column.combine_chunks()
    return pa.concat_arrays(found.chunks) if isinstance(found, pa.ChunkedArray) else found


def readable(texts: pa.StringArray) -> pa.StringArray:
    """The same texts in UTF-8: what a foreign hand wrote into a file need not be."""
    import pyarrow as pa

    try:
        texts.validate(full=True)
    except pa.ArrowInvalid:
        parts = (part.as_buffer().to_pybytes().decode("utf-8", "replace") if part.is_valid else None for part in texts)
        return pa.array(parts, pa.string())
    return texts
