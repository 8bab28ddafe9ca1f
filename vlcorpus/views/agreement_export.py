"""Whether an export agrees with itself and with the corpus that it came from.

    agreement_export(ledger, corpus, "out")

Every tar or folder of files holds the keys, texts and uids of its table, in order, and an image of each; a table that
holds the images has one in each row; uids are sorted, and that of a URL and its text is the one beside them; sizes.json
counts them; every pair is one of the corpus, as often as its weight says, kept by the decision and in the split that
the export names (exported_pairs.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .. import identity, schema
from ..corpus import Corpus, Layer, read_json
from ..errors import CorpusError, VlcorpusError
from ..io import subset, table, tar
from ..stages import export_formats as formats
from ..stages import places
from ..stages.export_formats import FILES, PARQUET, TABLE, WEBDATASET, format_of, holder
from ..stages.export_lists import OWN
from ..stages.samples import IMAGES
from .agreement import uid_in
from .exported import entries, uid_kind
from .finding import Ledger
from .layers import ALL, export_layers, stats_or_none

_FIX = "write the export again: the same `vlcorpus export` command"


def agreement_export(ledger: Ledger, corpus: Corpus, out: str) -> None:
    """Compare an export with its corpus; findings and counts go to the ledger."""
    from ..stages.subsets import CANDIDATES, WITH_IMAGES
    from .exported_pairs import Pairs, compare

    top, *splits = export_layers(out)
    called = places.last(out)
    whole = stats_or_none(top, ALL)
    if whole is None:
        ledger.wrong(f"{called}/all_stats.json", "is not there: the export was not finished", _FIX)
    listed: dict[str, list[Any]] = {}
    written = set()
    for layer in splits:
        sizes = {}
        for shard in layer.units():
            where = f"{called}/{layer.folder.name}/{shard}"
            ledger.at(where)
            format = format_of(stats_or_none(layer, shard))
            held = holder(shard, format)
            try:
                uids = entries(layer, shard, format)
                sizes[held] = len(uids)
                _shard(ledger, layer, shard, format, f"{called}/{layer.folder.name}/{held}")
            except VlcorpusError:
                continue  # told when the file was read on its own
            written.add(format)
            listed.setdefault(layer.folder.name, []).append(uids)
        with ledger.trying(f"{called}/{layer.folder.name}/sizes.json", _FIX):
            found = read_json(layer.path("sizes.json"))
            ledger.agree(f"{called}/{layer.folder.name}/sizes.json", "samples", found, sizes, _FIX)
    if whole is not None:
        pairs = Pairs(
            called,
            whole.get("settings", {}),
            CANDIDATES if written & set(formats.LISTS) else WITH_IMAGES,
            uid_kind(top) or OWN,
            repeated=formats.URLS not in written,
        )
        kept = compare(ledger, corpus, pairs, listed)
        ledger.agree(f"{called}/all_stats.json", "rows kept", kept, whole.get("kept"), _FIX)


def _shard(ledger: Ledger, layer: Layer, shard: str, format: str, where: str) -> None:
    """What a shard's file holds, on its own."""
    if format == formats.UIDS:
        if not subset.ordered(subset.read(layer.path(holder(shard, format)))):
            ledger.wrong(where, "its uids are not in order", _FIX)
    elif format == formats.URLS:
        _urls(ledger, layer, shard, where)
    else:
        rows = table.read(layer.path(f"{shard}.parquet"), TABLE, only=schema.table(TABLE).names).to_pylist()
        _held(ledger, layer, shard, rows, format, where)


def _urls(ledger: Ledger, layer: Layer, shard: str, where: str) -> None:
    """Each uid names URL and words."""
    rows = table.read(layer.path(f"{shard}.parquet"), formats.URL_TABLE, only=["url", "caption", "uid"]).to_pylist()
    for place, row in enumerate(rows):
        if identity.uid(row["url"], row["caption"]).hex() != row["uid"]:
            ledger.wrong(where, f"URL or words of row {place} are not those of its uid {row['uid']}", _FIX)
            return


def _held(ledger: Ledger, layer: Layer, shard: str, rows: list[dict[str, Any]], format: str, where: str) -> None:
    """What holds a shard's images against its rows."""
    if format == PARQUET:
        with ledger.trying(where, _FIX):
            without = [rows[place]["key"] for place, count in enumerate(_images(layer, shard)) if count != 1]
            if without:
                ledger.wrong(where, f"{len(without)} rows have not one image, first {without[0]}", _FIX)
        return
    count = 0
    try:
        for sample in (_files if format == FILES else _tar)(layer, shard):
            row = rows[count] if count < len(rows) else {}
            if sample.key != row.get("key"):
                ledger.wrong(where, f"sample {count} is {sample.key}, and its table says {row.get('key')}", _FIX)
                return
            text = row["caption"].encode("utf-8", "surrogatepass")
            if sample.members.get("txt") != text or uid_in(sample.members.get("json", b"")) != row["uid"]:
                ledger.wrong(where, f"text or uid of {sample.key} is not that of its table", _FIX)
                return
            if sum(ending in IMAGES for ending in sample.members) != 1:
                ledger.wrong(where, f"{sample.key} has not one image", _FIX)
                return
            count += 1
    except VlcorpusError:
        return  # told when the file was read on its own
    ledger.agree(where, "samples", count, len(rows), _FIX)


def _tar(layer: Layer, shard: str) -> Iterator[tar.Sample]:
    return tar.read_samples(layer.path(holder(shard, WEBDATASET)))


def _files(layer: Layer, shard: str) -> Iterator[tar.Sample]:
    """The samples that a commit lists, in order, their images unread. CorpusError where a text or JSON is missing."""
    names: dict[str, list[str]] = {}
    for name in sorted((layer.stats(shard) or {"outputs": {}})["outputs"]):
        folder, _, member = name.rpartition("/")
        if folder == holder(shard, FILES):
            key, _, ending = member.partition(".")
            names.setdefault(key, []).append(ending)
    for key, endings in names.items():
        members = {ending: b"" if ending in IMAGES else _read(layer, f"{shard}/{key}.{ending}") for ending in endings}
        yield tar.Sample(key, members, 0)


def _read(layer: Layer, name: str) -> bytes:
    try:
        return layer.path(name).read_bytes()
    except OSError as error:
        raise CorpusError(f"cannot read {layer.path(name)}: {error.strerror}", _FIX) from error


def _images(layer: Layer, shard: str) -> Iterator[int]:
    """How many images each row of a table holds."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = layer.path(holder(shard, PARQUET))
    try:
        with pq.ParquetFile(path, memory_map=True) as file:
            images = [name for name in file.schema_arrow.names if name in IMAGES]
            for batch in file.iter_batches(100, columns=images, use_threads=False):
                valid = [np.asarray(column.is_valid()) for column in batch.columns]
                yield from np.sum(valid, axis=0).tolist() if valid else [0] * len(batch)
    except (OSError, pa.ArrowException) as error:
        raise CorpusError(f"cannot read {path}: {error}", _FIX) from error
