"""The different texts of a column, so that each is looked at once.

    texts, rows = distinct(pa.array(["a cat", None, "a cat"]))
    texts                                ["a cat"]
    rows                                 [0, null, 0]: an answer a text, taken by these, is an answer a row

Captions repeat: of real pages' alternative texts a third do. Cost: about 0.2 microseconds a row.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from vlcorpus.web.lists.lines import readable


def distinct(texts: pa.Array | pa.ChunkedArray | Sequence[str | None]) -> tuple[list[str], pa.Int32Array]:
    """texts: any text column, null where there is none; what is not Unicode becomes U+FFFD. Nothing is raised for what
    a text holds."""
    encoded = _column(texts).dictionary_encode()
    return _strings(encoded.dictionary), encoded.indices


def _column(texts: pa.Array | pa.ChunkedArray | Sequence[str | None]) -> pa.Array:
    """As one array of strings."""
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    if isinstance(texts, pa.DictionaryArray):
        texts = texts.dictionary_decode()
    if isinstance(texts, pa.Array):
        return texts if texts.type in (pa.string(), pa.large_string()) else texts.cast(pa.string(), safe=False)
    try:
        return pa.array(texts, pa.string())
    except UnicodeEncodeError:
        return pa.array([text if text is None else readable(text) for text in texts], pa.string())


def _strings(column: pa.Array) -> list[str]:
    """What the array holds."""
    try:
        texts: list[str] = column.to_pylist()
    except UnicodeDecodeError:
        # Not cast from a slice: an array's bytes outside it may be anything.
        texts = [value.as_buffer().to_pybytes().decode("utf-8", "replace") for value in column]
    return texts
