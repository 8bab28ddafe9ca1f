"""Whether an export agrees with itself and with the corpus that it came from.

    agreement_export(ledger, corpus, Path("out"))

Every tar or folder of files holds the keys, texts and uids of its table, in order, and an image of each; a table that
holds the images has one in each row; sizes.json counts them; every pair is one of the corpus, kept by the decision and
in the split that the export names.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .. import schema
from ..corpus import Corpus, Layer, read_json
from ..errors import CorpusError, VlcorpusError
from ..io import table, tar
from ..stages.export_formats import FILES, PARQUET, TABLE, WEBDATASET, format_of, holder
from ..stages.samples import IMAGES
from .agreement import uid_in
from .finding import Ledger
from .layers import ALL, export_layers, stats_or_none

_FIX = "write the export again: the same `vlcorpus export` command"


def agreement_export(ledger: Ledger, corpus: Corpus, out: Path) -> None:
    """Compare an export with its corpus; findings and counts go to the ledger."""
    top, *splits = export_layers(out)
    whole = stats_or_none(top, ALL)
    if whole is None:
        ledger.wrong(f"{out.name}/all_stats.json", "is not there: the export was not finished", _FIX)
    uids: dict[str, str] = {}
    for layer in splits:
        sizes = {}
        for shard in layer.units():
            where = f"{out.name}/{layer.folder.name}/{shard}"
            ledger.at(where)
            try:
                rows = table.read(layer.path(f"{shard}.parquet"), TABLE, only=schema.table(TABLE).names).to_pylist()
            except VlcorpusError:
                continue
            format = format_of(stats_or_none(layer, shard))
            held = holder(shard, format)
            sizes[held] = len(rows)
            _held(ledger, layer, shard, rows, format, f"{out.name}/{layer.folder.name}/{held}")
            for row in rows:
                if row["uid"] in uids:
                    ledger.wrong(f"{where}.parquet", f"{row['uid']} is exported twice", _FIX)
                uids[row["uid"]] = layer.folder.name
        with ledger.trying(f"{out.name}/{layer.folder.name}/sizes.json", _FIX):
            found = read_json(layer.path("sizes.json"))
            ledger.agree(f"{out.name}/{layer.folder.name}/sizes.json", "samples", found, sizes, _FIX)
    if whole is not None:
        ledger.agree(f"{out.name}/all_stats.json", "rows kept", len(uids), whole.get("kept"), _FIX)
        _corpus(ledger, corpus, whole.get("settings", {}), uids, out.name)


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


def _corpus(ledger: Ledger, corpus: Corpus, settings: dict[str, Any], uids: dict[str, str], name: str) -> None:
    """Each exported pair: there, kept, and in its split, as the corpus says today."""
    left = dict(uids)
    dropped: list[str] = []
    moved: list[str] = []
    decision, split = settings.get("decision"), settings.get("split")
    decided, divided = f"decisions/{decision}", f"splits/{split}"
    for shard in corpus.layer("shards").units():
        try:
            keeps = _column(corpus, decided, shard, "decisions", "keep") if decision else None
            belongs = _column(corpus, divided, shard, "splits", "split") if split else None
            read = table.read(corpus.layer("shards").path(f"{shard}.parquet"), "shards", only=["uid", "status"])
        except VlcorpusError:
            return  # told when the corpus was checked
        for uid, state in zip(read.column("uid").to_pylist(), read.column("status").to_pylist(), strict=True):
            folder = left.pop(uid, None) if state == "success" else None
            if folder is None:
                continue
            if keeps is not None and not keeps.get(uid):
                dropped.append(uid)
            if belongs is not None and belongs.get(uid) != folder:
                moved.append(uid)
    for chosen, layer in ((decision, decided), (split, divided)):
        if chosen and not corpus.layer(layer).units():
            ledger.note(name, f"was made from {layer}, which the corpus does not have")
    for what, wrong in (
        ("are not in the corpus", sorted(left)),
        (f"are not kept by {decision}", dropped),
        (f"are not in that split of {split}", moved),
    ):
        if wrong:
            ledger.wrong(name, f"{len(wrong)} pairs {what}, first {wrong[0]}", _FIX)


def _column(corpus: Corpus, layer: str, shard: str, name: str, column: str) -> dict[str, Any] | None:
    """uid -> value; None where the layer does not have the shard."""
    place = corpus.layer(layer)
    if place.stats(shard) is None:
        return None
    found = table.read(place.path(f"{shard}.parquet"), name, only=["uid", column])
    uids = [uid.hex() for uid in found.column("uid").to_pylist()]
    return dict(zip(uids, found.column(column).to_pylist(), strict=True))
