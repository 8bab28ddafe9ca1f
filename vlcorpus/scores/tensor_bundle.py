"""The float32 variables of a TensorFlow checkpoint, read without TensorFlow.

    read_bundle(Path("clip_autokeras_binary_nsfw/variables"))
    -> {"layer_with_weights-1/mean/.ATTRIBUTES/VARIABLE_VALUE": (768,) float32, ...}

A checkpoint is `variables.index`, a table (LevelDB's format, as TensorFlow's tensor_bundle.proto and table_format.txt
describe it) of names with type, shape and place, and `variables.data-00000-of-00001`, the numbers. Nothing is executed:
the graph in saved_model.pb is not read. Variables of other types (counters, tables of texts) are left out.

Read are checkpoints in one piece whose index is not compressed, as TensorFlow writes them. Checksums are not compared:
CRC-32C has no place in Python's library, and a damaged file shows in lengths and shapes or not at all.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vlcorpus.errors import SourceError

INDEX = "variables.index"
DATA = "variables.data-00000-of-00001"
_MAGIC = 0xDB4775248B80FB57
_FOOTER = 48
_FLOAT32 = 1  # DataType of tensorflow/core/framework/types.proto
_MOST_DIMENSIONS = 8
_MOST_INDEX = 64 * 1024 * 1024


def read_bundle(folder: Path) -> dict[str, npt.NDArray[np.float32]]:
    """Name -> array. SourceError where the files are missing, cut, in several pieces or not of this format."""
    index, data = folder / INDEX, folder / DATA
    try:
        if index.stat().st_size > _MOST_INDEX:
            raise SourceError(f"{index} is too large for an index", "is it another file?")
        table, numbers = index.read_bytes(), data.read_bytes()
    except OSError as error:
        raise SourceError(
            f"{folder} has no {INDEX} and {DATA} that can be read", "give a SavedModel's folder with its variables"
        ) from error
    try:
        return dict(_variables(table, numbers))
    except (IndexError, struct.error, ValueError, OverflowError, KeyError, TypeError) as error:
        raise SourceError(f"{index} is no index of a checkpoint, or is damaged", "unpack the model again") from error


def _variables(table: bytes, numbers: bytes) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
    if len(table) < _FOOTER or struct.unpack("<Q", table[-8:])[0] != _MAGIC:
        raise ValueError("no footer")
    footer = table[-_FOOTER:]
    _, place = _handle(footer, 0)  # of the blocks that describe others
    blocks, _ = _handle(footer, place)
    for _, handle in _entries(table, *blocks):
        for key, value in _entries(table, *_handle(handle, 0)[0]):
            entry = _message(value)
            if key and _number(entry, 1) == _FLOAT32:
                yield key.decode("utf-8"), _array(entry, numbers)


def _array(entry: dict[int, list[int | bytes]], numbers: bytes) -> npt.NDArray[np.float32]:
    shape = [_number(_message(each), 1) for each in _bytes(_bytes_message(entry, 2), 2)]
    start, size = _number(entry, 4), _number(entry, 5)
    count = 1
    for length in shape[: _MOST_DIMENSIONS + 1]:
        count *= length
    if _number(entry, 3) or len(shape) > _MOST_DIMENSIONS or count * 4 != size or start + size > len(numbers):
        raise ValueError("another shape, or cut")
    return np.frombuffer(numbers, "<f4", count, start).reshape(shape).astype(np.float32)


def _entries(table: bytes, start: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """The keys and values of a block; a key leaves out what it shares with the one before."""
    block = table[start : start + size]
    if len(block) < 8 or len(block) != size or table[start + size]:  # that byte says how it is compressed
        raise ValueError("a block that is cut or compressed")
    (restarts,) = struct.unpack("<I", block[-4:])
    end = len(block) - 4 - 4 * restarts
    place, key = 0, b""
    while place < end:
        shared, place = _varint(block, place)
        own, place = _varint(block, place)
        length, place = _varint(block, place)
        if shared > len(key) or place + own + length > end:
            raise ValueError("an entry that is cut")
        key = key[:shared] + block[place : place + own]
        yield key, block[place + own : place + own + length]
        place += own + length


def _handle(text: bytes, place: int) -> tuple[tuple[int, int], int]:
    start, place = _varint(text, place)
    size, place = _varint(text, place)
    return (start, size), place


def _message(text: bytes | int) -> dict[int, list[int | bytes]]:
    """The fields of a protocol buffer message by number."""
    if isinstance(text, int):
        raise ValueError("a number where a message is wanted")
    fields: dict[int, list[int | bytes]] = {}
    place = 0
    while place < len(text):
        tag, place = _varint(text, place)
        value: int | bytes
        if tag & 7 == 0:
            value, place = _varint(text, place)
        else:
            length, place = _varint(text, place) if tag & 7 == 2 else ({5: 4, 1: 8}[tag & 7], place)
            if place + length > len(text):
                raise ValueError("a field that is cut")
            value, place = text[place : place + length], place + length
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def _number(fields: dict[int, list[int | bytes]], field: int) -> int:
    value = fields.get(field, [0])[-1]
    if isinstance(value, bytes):
        raise ValueError("a text where a number is wanted")
    return value


def _bytes_message(fields: dict[int, list[int | bytes]], field: int) -> dict[int, list[int | bytes]]:
    return _message(fields[field][-1]) if field in fields else {}


def _bytes(fields: dict[int, list[int | bytes]], field: int) -> list[int | bytes]:
    return fields.get(field, [])


def _varint(text: bytes, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = text[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise ValueError("a number without end")
