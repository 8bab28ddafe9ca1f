"""Reading what a corpus holds: pairs with their images, whole or as a decision and a split choose.

    for pair in stored(corpus, "00000"): pair.uid, pair.caption, pair.body
    for pair in chosen(corpus, Choice(decision="similarity-0.28", split="train")): pair.weight, …

Rows of one image stand together, so its bytes are read once; those of pairs that are not taken are not read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..corpus import Corpus, Layer
from ..errors import CorpusError
from ..io import attempt, table, tar
from .choice import Choice
from .rows import binary
from .subsets import Chosen

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

__all__ = [
    "IMAGES", "Choice", "Chosen", "Pair", "chosen", "column", "digests", "groups", "halves", "numbers", "pairs",
    "stored", "whole", "with_image", "words",
]  # fmt: skip

IMAGES = ("jpg", "png", "webp", "gif", "avif", "bmp", "tiff", "jp2")


@dataclass(frozen=True)
class Pair:
    """One pair that has an image. `row` is its row of shards/NNNNN.parquet; `body` the stored image's bytes; `weight`
    how often the decision that chose it wants it taken, 1 where none did."""

    shard: str
    uid: bytes
    key: str
    image_key: str
    caption: str
    body: bytes
    extension: str
    row: Mapping[str, Any]
    weight: float = 1.0


def stored(corpus: Corpus, shard: str, wanted: Container[int] | None = None) -> Iterator[Pair]:
    """The pairs of a shard whose image is there, in order. CorpusError where table and tar disagree.

    wanted: numbers of those that are, counted among them; None: all.
    """
    shards = corpus.layer("shards")
    path = shards.path(f"{shard}.tar")
    places = {entry.key: entry for entry in tar.scan(path) if entry.extension in IMAGES}
    last, body, number = "", b"", -1
    with open(path, "rb") as file:
        for row in table.rows(shards.path(f"{shard}.parquet"), "shards"):
            if row["status"] != "success":
                continue
            number += 1
            if wanted is not None and number not in wanted:
                continue
            key = row["image_key"]
            if key not in places:
                raise CorpusError(f"{path} has no image {key}", f"run `vlcorpus verify {corpus.place}`")
            entry = places[key]
            if key != last:
                file.seek(entry.offset)
                last, body = key, file.read(entry.length)
            uid = bytes.fromhex(row["uid"])
            yield Pair(shard, uid, row["key"], key, row["caption"], body, entry.extension, row)


def with_image(corpus: Corpus, shard: str, columns: tuple[str, ...] = ("uid",)) -> list[dict[str, Any]]:
    """Rows of a shard's table whose image is there, in order, without reading any image."""
    path = corpus.layer("shards").path(f"{shard}.parquet")
    rows = table.read(path, "shards", only=[*dict.fromkeys((*columns, "status"))]).to_pylist()
    return [row for row in rows if row["status"] == "success"]


def pairs(corpus: Corpus, shard: str, columns: tuple[str, ...]) -> pa.Table:
    """The same as columns, each in one piece. Stopped where the process is asked to end: what goes over all shards
    begins no further one."""
    import pyarrow.compute as pc

    attempt.end_if_asked()
    path = corpus.layer("shards").path(f"{shard}.parquet")
    found = table.read(path, "shards", only=[*dict.fromkeys((*columns, "status"))])
    return found.filter(pc.equal(found.column("status"), "success")).combine_chunks()


def words(texts: pa.ChunkedArray | pa.Array) -> npt.NDArray[np.uint64]:
    """Texts of 32 hex characters as two numbers each, whose order is that of the bytes: uint64 (N, 2)."""
    import numpy as np

    raw = bytes.fromhex("".join(texts.to_pylist()))
    return np.frombuffer(raw, ">u8").astype(np.uint64).reshape(len(texts), 2)


def halves(uids: pa.ChunkedArray | pa.Array) -> npt.NDArray[np.uint64]:
    """The same of a column of 16 bytes each."""
    import numpy as np
    import pyarrow as pa

    found = [np.zeros((0, 2), np.uint64)]
    for chunk in uids.chunks if isinstance(uids, pa.ChunkedArray) else [uids]:
        if len(chunk):
            raw = np.frombuffer(chunk.buffers()[1], ">u8")[2 * chunk.offset : 2 * (chunk.offset + len(chunk))]
            found.append(raw.astype(np.uint64).reshape(-1, 2))
    return np.concatenate(found)


def whole(halves_N2: npt.NDArray[np.uint64]) -> pa.Array:
    """A column of 16 bytes each again."""
    import numpy as np
    import pyarrow as pa

    raw = np.ascontiguousarray(halves_N2.astype(">u8"))
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(raw), [None, pa.py_buffer(raw)])


def digests(texts: pa.ChunkedArray) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """SHA-256 in hex as four numbers each: uint64 (n, 4), and the rows that have one: int64 (n,)."""
    import numpy as np

    listed = texts.to_pylist()
    there = [row for row, text in enumerate(listed) if text]
    found = [listed[row] for row in there]
    raw = bytes.fromhex("".join(found)) if set(map(len, found)) <= {64} else b"".join(map(_digest, found))
    return np.frombuffer(raw, ">u8").astype(np.uint64).reshape(len(there), 4), np.array(there, np.int64)


def _digest(text: str) -> bytes:
    found = bytes.fromhex(text)
    return found if len(found) == 32 else hashlib.sha256(found).digest()  # of a length of its own: another name for it


def chosen(corpus: Corpus, choice: Choice, *, split: str | None = None) -> Iterator[Pair]:
    """The pairs that a choice takes, with their images, in corpus order, each once whatever its weight."""
    verdicts = Chosen(corpus, choice)
    for shard in verdicts.shards():
        found = verdicts.verdicts(shard)
        taken = found.taken_N if split is None else found.of(split)
        if taken.any():
            weights = found.weights_N[taken].tolist()
            uids = map(bytes, found.uids_N16[taken])
            pairs = stored(corpus, shard, set(taken.nonzero()[0].tolist()))
            for pair, weight, uid in zip(pairs, weights, uids, strict=True):
                yield same(corpus, replace(pair, weight=weight), uid)


def same(corpus: Corpus, pair: Pair, uid: bytes) -> Pair:
    """The pair, which is the one of that uid; CorpusError where candidates and shards disagree."""
    if pair.uid != uid:
        raise CorpusError(
            f"shards/{pair.shard} is not of the candidates of {pair.shard}", f"run `vlcorpus verify {corpus.place}`"
        )
    return pair


def groups(corpus: Corpus, name: str) -> dict[bytes, bytes]:
    """uid -> group, for pairs that have near-duplicates."""
    layer = corpus.layer(f"duplicates/{name}")
    found = table.read(layer.path("groups.parquet"), "duplicates", only=["uid", "group"])
    return dict(zip(found.column("uid").to_pylist(), found.column("group").to_pylist(), strict=True))


def numbers(
    corpus: Corpus, layer: str, shard: str, name: str, column: str, uids: pa.ChunkedArray | pa.Array
) -> pa.Array:
    """`column` below as an array. uids: in hex, as shards/ has them."""
    place = corpus.layer(layer)
    _there(place, shard)
    found = table.read(place.path(f"{shard}.parquet"), name, only=["uid", column])
    every = uids.combine_chunks() if hasattr(uids, "combine_chunks") else uids
    if binary(every).equals(found.column("uid").combine_chunks()):
        return found.column(column).combine_chunks()
    import pyarrow as pa

    listed = [bytes.fromhex(uid) for uid in every.to_pylist()]
    values = _placed(corpus, layer, shard, listed, found.column("uid").to_pylist(), found.column(column).to_pylist())
    return pa.array(values, found.schema.field(column).type)


def column(corpus: Corpus, layer: str, shard: str, name: str, column: str, uids: Sequence[bytes]) -> list[Any]:
    """A column of a layer's table `name` for the pairs of a shard: these in order are its rows, or, where it has a row
    for every candidate of the shard, some of them. CorpusError otherwise."""
    place = corpus.layer(layer)
    _there(place, shard)
    found = table.read(place.path(f"{shard}.parquet"), name, only=["uid", column])
    values: list[Any] = found.column(column).to_pylist()
    has = found.column("uid").to_pylist()
    return values if has == list(uids) else _placed(corpus, layer, shard, uids, has, values)


def _there(layer: Layer, shard: str) -> None:
    if layer.stats(shard) is None:
        raise CorpusError(f"{layer.name} has no shard {shard}", f"the corpus has grown: make {layer.name} again")


def _placed(
    corpus: Corpus, layer: str, shard: str, uids: Sequence[bytes], has: list[bytes], values: list[Any]
) -> list[Any]:
    """Of values for every candidate of a shard, those of these pairs."""
    every = table.read(corpus.layer("candidates").path(f"{shard}.parquet"), "candidates", only=["uid"])
    known = dict(zip(has, values, strict=True))
    if has != every.column("uid").to_pylist() or not all(uid in known for uid in uids):
        raise CorpusError(f"{layer} is not of the pairs of shard {shard}", f"the shard is new: make {layer} again")
    return [known[uid] for uid in uids]
