"""Identities in bulk: the columns uid, image_id and text_id of a whole table.

    with_identities(pairs)          rows of schemas/extracted.json whose `reason` is null get all three
    text_ids(alt_texts)             uint64 each
    as_words(column)                a column of 16 bytes each as uint64 (n, 2), for searching

uid and image_id are those of vlcorpus.identity, to the bit. text_id names words rather than spellings of them: blake2b
with 64 bits over the UTF-8 of `" ".join(text.casefold().split())`, read as a little-endian number. Two different texts
of a million share one with a chance of 3e-8; it counts, and never decides what is a duplicate.

Cost: 1.1 microseconds a row for all three, a third of it for text_id; texts that are not plain ASCII add 0.4.
Not for single pairs: identity.uid.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

STEP_ROWS = 2_048
STEP_BYTES = 64 << 20
_UID = hashlib.blake2b(digest_size=16, person=b"vlcorpus.uid")
_IMAGE = hashlib.blake2b(digest_size=16, person=b"vlcorpus.image")
_TEXT = hashlib.blake2b(digest_size=8, person=b"vlcorpus.text")
EMPTY_TEXT = int.from_bytes(_TEXT.digest(), "little")  # the text_id of no words

Mask = npt.NDArray[np.bool_]
Words = npt.NDArray[np.uint64]


def with_identities(table: pa.Table, *, texts: bool = True) -> pa.Table:
    """The table with uid, image_id and text_id filled where reason is null, and null elsewhere. texts: without, all of
    text_id is null, which saves a third.

    Needs the columns url, alt_text, image_hash and reason; an alt_text of null is the empty text. ValueError where a
    row without reason has neither url nor image_hash.
    """
    uid: list[pa.Array] = []
    image: list[pa.Array] = []
    text: list[pa.Array] = []
    for start, stop in _steps(table):
        found = [_plain(table.column(name), start, stop) for name in ("url", "alt_text", "image_hash", "reason")]
        good = np.asarray(found[3].is_null())
        url, alt_text, image_hash = found[:3] if good.all() else [each.filter(pa.array(good)) for each in found[:3]]
        alt_text = _bytes(alt_text)
        uid.append(_spread(_uids(url, alt_text, image_hash), good))
        image.append(_spread(_image_ids(url, image_hash), good))
        text.append(_spread(_text_ids(alt_text), good) if texts else pa.nulls(len(good), pa.uint64()))
    for name, kind, pieces in (
        ("uid", pa.binary(16), uid),
        ("image_id", pa.binary(16), image),
        ("text_id", pa.uint64(), text),
    ):
        column = pa.chunked_array(pieces, type=kind)
        place = table.schema.get_field_index(name)
        if place < 0:
            table = table.append_column(name, column)
        else:
            table = table.set_column(place, table.schema.field(place), column)
    return table


def text_ids(texts: pa.ChunkedArray) -> Words:
    """The text_id of each text: uint64 (n,). Null counts as the empty text."""
    found = [np.empty(0, np.uint64)]
    for chunk in texts.chunks:
        for start in range(0, len(chunk), STEP_ROWS):
            found.append(_text_ids(_bytes(chunk.slice(start, STEP_ROWS))))
    return np.concatenate(found)


def as_words(column: pa.ChunkedArray | pa.Array) -> Words:
    """A column of 16 bytes each, without nulls, as two little-endian numbers each: uint64 (n, 2)."""
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    found = [np.empty((0, 2), np.uint64)]
    for chunk in chunks:
        if chunk.null_count:
            raise ValueError("an identity is null")
        whole = np.frombuffer(chunk.buffers()[1], np.uint64).reshape(-1, 2) if len(chunk) else found[0]
        found.append(whole[chunk.offset : chunk.offset + len(chunk)])
    return found[1] if len(found) == 2 else np.concatenate(found)


def _steps(table: pa.Table) -> list[tuple[int, int]]:
    """Row ranges of few enough bytes that joining texts cannot overflow; a table without rows has one, empty."""
    rows = max(1, min(STEP_ROWS, len(table) * STEP_BYTES // max(1, table.select(["url", "alt_text"]).nbytes)))
    return [(start, min(start + rows, len(table))) for start in range(0, max(1, len(table)), rows)]


def _plain(column: pa.ChunkedArray, start: int, stop: int) -> pa.Array:
    """Rows of a column in one piece that starts at 0."""
    piece = column.slice(start, stop - start).combine_chunks()
    return piece if isinstance(piece, pa.Array) else pa.concat_arrays(piece.chunks)


def _bytes(texts: pa.Array) -> pa.Array:
    return pc.fill_null(texts, "").cast(pa.binary())


def _uids(url: pa.Array, alt_text: pa.Array, image_hash: pa.Array) -> Words:
    name = url.cast(pa.binary())
    if name.null_count:
        name = pc.if_else(url.is_valid(), name, _hex(image_hash))
        if name.null_count:
            raise ValueError("a pair without reason has neither url nor image_hash")
    whole = pc.binary_join_element_wise(_lengths(name), name, _lengths(alt_text), alt_text, b"")
    return np.frombuffer(_hashed(_UID, whole), np.uint64).reshape(-1, 2)


def _image_ids(url: pa.Array, image_hash: pa.Array) -> Words:
    name = url.cast(pa.binary())
    whole = pc.binary_join_element_wise(_lengths(name), name, b"")  # null where the url is
    named = np.frombuffer(_hashed(_IMAGE, whole.drop_null()), np.uint64).reshape(-1, 2)
    if not url.null_count:
        return named
    found = np.empty((len(url), 2), np.uint64)
    has_url = np.asarray(url.is_valid())
    found[has_url] = named
    found[~has_url] = as_words(image_hash.filter(url.is_null()))
    return found


def _text_ids(texts: pa.Array) -> Words:
    """Of texts as bytes. What is plain ASCII with single spaces is lowered at once, the rest text by text."""
    lowered = pc.ascii_lower(texts.cast(pa.string(), safe=False)).cast(pa.binary())
    words = lowered.to_pylist()
    for row in np.flatnonzero(_unusual(lowered)).tolist():
        words[row] = " ".join(texts[row].as_py().decode("utf-8", "replace").casefold().split()).encode()
    return np.frombuffer(_joined(_TEXT, words), np.uint64)


def _unusual(texts: pa.Array) -> Mask:
    """Where lower case alone does not give the normal form: other than printable ASCII, or space beside space or at
    an end."""
    found = np.zeros(len(texts), bool)
    if not len(texts):
        return found
    _, bounds, values = texts.buffers()
    edge = np.frombuffer(bounds, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    if edge[-1] == edge[0]:
        return found
    letters = np.frombuffer(values, np.uint8)[edge[0] : edge[-1]]
    edge = edge - edge[0]
    space = letters == 32
    odd = (letters < 32) | (letters > 126)
    odd[1:] |= space[1:] & space[:-1]
    found[np.searchsorted(edge, np.flatnonzero(odd), side="right") - 1] = True
    full = edge[1:] > edge[:-1]
    found[full] |= space[edge[:-1][full]] | space[edge[1:][full] - 1]
    return found


def _lengths(values: pa.Array) -> pa.Array:
    """The length of each value as 8 bytes; null where it is null."""
    lengths = pc.fill_null(pc.binary_length(values), 0).cast(pa.int64()).to_numpy(zero_copy_only=False)
    plain = pa.FixedSizeBinaryArray.from_buffers(pa.binary(8), len(values), [None, pa.py_buffer(lengths.tobytes())])
    return plain.cast(pa.binary())


def _hex(values: pa.Array) -> pa.Array:
    """16 bytes each as 32 hex letters."""
    filled = pc.fill_null(values, pa.scalar(bytes(16), pa.binary(16)))
    letters = as_words(filled).tobytes().hex().encode()
    plain = pa.FixedSizeBinaryArray.from_buffers(pa.binary(32), len(values), [None, pa.py_buffer(letters)])
    return pc.if_else(values.is_valid(), plain.cast(pa.binary()), pa.scalar(None, pa.binary()))


def _hashed(start: hashlib.blake2b, values: pa.Array) -> bytes:
    return _joined(start, values.to_pylist())


def _joined(start: hashlib.blake2b, values: list[bytes]) -> bytes:
    """The digests of the values, one after the other. A copy of the started state is cheaper than a new one."""
    copy = start.copy
    found: list[bytes] = []
    add = found.append
    for value in values:
        state = copy()
        state.update(value)
        add(state.digest())
    return b"".join(found)


def _spread(values: Words, good: Mask) -> pa.Array:
    """Values of the good rows, in order, as a column in which the others are null."""
    kind = pa.uint64() if values.ndim == 1 else pa.binary(16)
    valid = None
    if not good.all():
        whole = np.zeros((len(good), *values.shape[1:]), np.uint64)
        whole[good] = values
        values, valid = whole, pa.py_buffer(np.packbits(good, bitorder="little").tobytes())
    return pa.Array.from_buffers(kind, len(good), [valid, pa.py_buffer(np.ascontiguousarray(values))])
