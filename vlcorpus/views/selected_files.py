"""A selection as a file that is made while it is sent: uids, a table, lines of JSON, or a WebDataset shard.

    for block in written(collection, selection, "uids"):  0123456789abcdef0123456789abcdef\\n…
    written(collection, selection, "jsonl")               {"key": "000000017", "uid": "0123…", "caption": "…", …}\\n…
    written(collection, selection, "parquet")             uid, key, url, caption, similarity, … and every score
    written(collection, selection, "webdataset")          000000000.jpg .txt .json …: a tar laid out as `export` does

`similarity` is that of image and text where it was scored, as in every export; `query_similarity` that to the query, of
a selection that has one. Names in the tar are generated; images are as stored. The same selection gives the same bytes.
What was taken down by the time its block is made is left out.

Cost: memory of one block (4,096 rows, or one image); 10 us a row, 0.1 ms a sample of a tar.
"""

from __future__ import annotations

import errno
import json
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import CorpusError, UsageError, VlcorpusError
from .collection import Collection, Pair
from .corpus_collection import CorpusCollection
from .layers import is_there
from .selection import Selection, uids_of

if TYPE_CHECKING:
    import pyarrow as pa

UIDS, PARQUET, JSONL, WEBDATASET = FORMATS = ("uids", "parquet", "jsonl", "webdataset")
ENDINGS = {UIDS: ".txt", PARQUET: ".parquet", JSONL: ".jsonl", WEBDATASET: ".tar"}
BLOCK = 4_096
_CHUNK = 1 << 18
_MOST_COLUMNS = 64
_UID = re.compile(r"[0-9A-Za-z_.:-]{1,128}")
_OWN = ("uid", "key", "url", "caption", "width", "height", "query_similarity")


def written(collection: Collection, selection: Selection, format: str) -> Iterator[bytes]:
    """The file, in chunks of a quarter megabyte or more. Errors that can be known before the first byte are raised by
    this call: UsageError for a format that the collection cannot give."""
    if format not in FORMATS:
        raise UsageError(f"no format {format!r}", f"one of {', '.join(FORMATS)}")
    if format == WEBDATASET:
        if not isinstance(collection, CorpusCollection):
            raise UsageError(f"there are no stored images in {collection.name}", "export uids, parquet or jsonl")
        return _chunked(_tar(collection, selection))
    if format == UIDS and "uid" not in collection.columns() and not isinstance(collection, CorpusCollection):
        raise UsageError(f"the tables of {collection.name} have no uids", "export jsonl, which names keys")
    made = {UIDS: _uids, JSONL: _lines, PARQUET: _parquet}[format]
    return _chunked(made(collection, selection))


def estimate(collection: Collection, selection: Selection, format: str) -> int | None:
    """Bytes that the file will have, about; None where nothing tells."""
    if format == UIDS:
        return 33 * len(selection)
    if format != WEBDATASET or not isinstance(collection, CorpusCollection):
        return None
    counts = np.diff(np.searchsorted(selection.rows_M, collection.starts))
    layer, total = collection.corpus.layer("shards"), 0.0
    for number in np.flatnonzero(counts).tolist():
        rows = int(collection.starts[number + 1] - collection.starts[number])
        size = layer.size(f"{collection.shards[number]}.tar")
        if size is None:
            raise CorpusError(
                f"cannot read shards/{collection.shards[number]}.tar: {os.strerror(errno.ENOENT)}",
                "run `vlcorpus verify` on the corpus",
            )
        total += size / rows * int(counts[number])
    return int(total)


def _uids(collection: Collection, selection: Selection) -> Iterator[bytes]:
    for pairs, _ in _blocks(collection, selection, ()):
        for pair in pairs:
            if pair.uid is None or not _UID.fullmatch(pair.uid):
                raise VlcorpusError(f"row {pair.row} of {collection.name} has no uid", "export jsonl, which names keys")
        yield "".join(f"{pair.uid}\n" for pair in pairs).encode()


def _lines(collection: Collection, selection: Selection) -> Iterator[bytes]:
    names = tuple(_further(collection))
    for pairs, similarity in _blocks(collection, selection, names):
        rows = (_about(pair, near) for pair, near in zip(pairs, similarity, strict=True))
        yield "".join(json.dumps(_plain(row), allow_nan=False) + "\n" for row in rows).encode()


def _parquet(collection: Collection, selection: Selection) -> Iterator[bytes]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    further = _further(collection)
    own = [pa.field(name, pa.string()) for name in ("uid", "key", "url", "caption")]
    sizes = [pa.field(name, pa.int64()) for name in ("width", "height")]
    wanted = pa.schema(
        [*own, *sizes, pa.field("query_similarity", pa.float32()), *(pa.field(*each) for each in further.items())]
    )
    sink = _Sink()
    with pq.ParquetWriter(pa.PythonFile(sink, mode="w"), wanted, compression="zstd") as writer:
        for pairs, similarity in _blocks(collection, selection, tuple(further)):
            rows = [_about(pair, near) for pair, near in zip(pairs, similarity, strict=True)]
            writer.write_table(pa.Table.from_pylist(rows, schema=wanted))
            yield sink.taken()
    yield sink.taken()


def _tar(collection: CorpusCollection, selection: Selection) -> Iterator[bytes]:
    from ..io.tar import ShardWriter
    from ..stages import export_samples
    from ..stages.export_formats import key_of
    from ..stages.samples import same, stored

    corpus = collection.corpus
    shard_name, rows = corpus.shard_name(0), max(len(selection), corpus.shard_rows)
    scored = export_samples.similarity_of(corpus)
    sink = _Sink()
    writer, written = ShardWriter(sink), 0
    for shard, places, similarity in _by_shard(collection, selection):
        numbers, uids = _stored_numbers(collection, shard, places)
        order = np.argsort(numbers, kind="stable")
        pairs = stored(corpus, shard, set(numbers.tolist()))
        for pair, place in zip(pairs, order.tolist(), strict=True):
            pair = same(corpus, pair, uids[place])
            about = export_samples.about_of(pair, key_of(shard_name, written, rows, 0), scored(pair), 1.0)
            if similarity is not None:
                about["query_similarity"] = float(similarity[place])
            writer.add(about["key"], export_samples.members_of(pair, about))
            written += 1
            yield sink.taken()
    writer.close()
    yield sink.taken()


def _stored_numbers(
    collection: CorpusCollection, shard: str, places: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], list[bytes]]:
    """Numbers of some rows of a shard's embeddings among its pairs with images, and their uids."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from ..stages.columns import catalogue

    own = uids_of(collection, shard).take(pa.array(places))
    there = catalogue(collection.corpus).read(shard, ()).column("uid").combine_chunks()
    found = pc.index_in(own, value_set=there)
    if found.null_count:
        raise CorpusError(
            f"embeddings of {shard} are of other pairs than its images", "run `vlcorpus verify` on the corpus"
        )
    return found.to_numpy().astype(np.int64), own.to_pylist()


def _by_shard(
    collection: Collection, selection: Selection
) -> Iterator[tuple[str, npt.NDArray[np.int64], npt.NDArray[np.float32] | None]]:
    """(shard, rows within it, similarities) of what is selected and not taken down by now."""
    for number, shard in enumerate(collection.shards):
        low, high = np.searchsorted(selection.rows_M, collection.starts[number : number + 2])
        places = selection.rows_M[low:high] - collection.starts[number]
        similarity = selection.similarity_M[low:high] if selection.similarity_M is not None else None
        if len(places) and isinstance(collection, CorpusCollection):
            there = _not_taken_down(collection, shard, places)
            places, similarity = places[there], similarity[there] if similarity is not None else None
        if len(places):
            yield shard, places, similarity


def _not_taken_down(collection: CorpusCollection, shard: str, places: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    import pyarrow as pa
    import pyarrow.compute as pc

    from ..stages.takedowns import taken_down

    gone = taken_down(collection.corpus, shard)
    if not len(gone):
        return np.ones(len(places), bool)
    own = uids_of(collection, shard).take(pa.array(places))
    kept: npt.NDArray[np.bool_] = ~pc.is_in(own, value_set=gone).to_numpy(zero_copy_only=False)
    return kept


def _blocks(
    collection: Collection, selection: Selection, columns: Sequence[str]
) -> Iterator[tuple[list[Pair], list[float | None]]]:
    """Pairs, and the similarity of each to the query, in blocks of one shard."""
    starts = dict(zip(collection.shards, collection.starts.tolist(), strict=False))
    for shard, places, similarity in _by_shard(collection, selection):
        for low in range(0, len(places), BLOCK):
            rows = (places[low : low + BLOCK] + starts[shard]).tolist()
            near: list[float | None] = [None] * len(rows)
            if similarity is not None:
                near = similarity[low : low + BLOCK].tolist()
            yield collection.pairs(rows, columns), near


def _about(pair: Pair, near: float | None) -> dict[str, Any]:
    own = {name: getattr(pair, name) for name in _OWN[:-1]}
    return own | {"query_similarity": near} | dict(pair.more)


def _further(collection: Collection) -> dict[str, pa.DataType]:
    """The scores that all shards have, by their short names, or the further columns of a folder."""
    import pyarrow as pa

    if isinstance(collection, CorpusCollection):
        return dict(_scores(collection))
    found = {}
    for name, kind in collection.columns().items():
        try:
            found[name] = pa.type_for_alias(kind)
        except ValueError:  # lists, and whatever else has parts
            continue
    return {name: kind for name, kind in list(found.items())[:_MOST_COLUMNS] if name not in _OWN}


def _scores(collection: CorpusCollection) -> Iterator[tuple[str, pa.DataType]]:
    from .. import schema
    from ..stages.columns import catalogue

    known = catalogue(collection.corpus)
    for name in known.types:
        origin = known.origin(name)
        layer = collection.corpus.layer(origin.layer or "shards")
        if "." in name or name in _OWN or not origin.layer.startswith("scores/"):
            continue
        if all(is_there(layer, shard) for shard in collection.shards):
            yield name, schema.table(origin.table).arrow().field(origin.column).type


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """What JSON has words for: no bytes, no NaN, no times; nothing that is null."""
    found = {}
    for name, value in row.items():
        if isinstance(value, bytes):
            value = value.hex()
        elif isinstance(value, float):
            value = value if math.isfinite(value) else None
        elif not isinstance(value, bool | int | str | list | None):
            value = str(value)
        if value is not None:
            found[name] = value
    return found


class _Sink:
    """A file that is written to and read from."""

    closed = False

    def __init__(self) -> None:
        self._blocks: list[bytes] = []

    def write(self, block: bytes, /) -> int:
        self._blocks.append(bytes(block))
        return len(block)

    def flush(self) -> None: ...

    def close(self) -> None: ...

    def taken(self) -> bytes:
        found = b"".join(self._blocks)
        self._blocks.clear()
        return found


def _chunked(parts: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes in larger pieces."""
    held: list[bytes] = []
    size = 0
    for part in chain(parts, (None,)):
        if part is not None:
            held.append(part)
            size += len(part)
        if held and (part is None or size >= _CHUNK):
            yield b"".join(held)
            held, size = [], 0
