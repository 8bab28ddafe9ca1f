"""Writing a TensorFlow checkpoint of one piece, as tensor_bundle.proto and LevelDB's table format say.

write_bundle(folder, {"a/kernel": float32 array, "count": int64 array})
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

MAGIC = 0xDB4775248B80FB57
TYPES = {"float32": 1, "float64": 2, "int64": 9}


def varint(value: int) -> bytes:
    text = b""
    while value >= 0x80:
        text += bytes([value & 0x7F | 0x80])
        value >>= 7
    return text + bytes([value])


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    return varint(number << 3) + varint(value)


def entry(values: np.ndarray, offset: int) -> bytes:
    shape = b"".join(field(2, field(1, length)) for length in values.shape)
    text = field(1, TYPES[str(values.dtype)]) + field(2, shape)
    text += (field(4, offset) if offset else b"") + field(5, values.nbytes)
    return text + varint(6 << 3 | 5) + b"\0\0\0\0"  # a checksum


def block(pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Keys share what they begin with, as LevelDB writes them."""
    text, last = b"", b""
    for key, value in pairs:
        shared = next(
            (at for at, (a, b) in enumerate(zip(last, key, strict=False)) if a != b), min(len(last), len(key))
        )
        text += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        last = key
    return text + struct.pack("<II", 0, 1)


def write_bundle(folder: Path, variables: Mapping[str, np.ndarray], *, per_block: int = 3) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    data = b""
    pairs = [(b"", b"\x08\x01\x1a\x02\x08\x01")]  # the header: one piece, a version
    for name in sorted(variables):
        values = np.array(variables[name], order="C")
        pairs.append((name.encode(), entry(values, len(data))))
        data += values.tobytes()
    table, index = b"", []
    for start in range(0, len(pairs), per_block):
        some = pairs[start : start + per_block]
        made = block(some)
        index.append((some[-1][0] + b"~", varint(len(table)) + varint(len(made))))
        table += made + b"\0" + b"\0\0\0\0"  # not compressed, a checksum
    meta, table = (len(table), len(block([]))), table + block([]) + b"\0" * 5
    made = block(index)
    handles = varint(meta[0]) + varint(meta[1]) + varint(len(table)) + varint(len(made))
    table += made + b"\0" * 5 + handles.ljust(40, b"\0") + struct.pack("<Q", MAGIC)
    (folder / "variables.index").write_bytes(table)
    (folder / "variables.data-00000-of-00001").write_bytes(data)
