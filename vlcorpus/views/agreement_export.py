"""Whether an export agrees with itself and with the corpus that it came from.

    agreement_export(ledger, corpus, Path("out"))

Every tar holds the keys, texts and uids of its table, in order; sizes.json counts them; every pair is one of the
corpus, kept by the decision and in the split that the export names.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..corpus import Corpus, Layer, read_json
from ..errors import VlcorpusError
from ..io import table, tar
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
                rows = table.read(layer.path(f"{shard}.parquet"), "exports").to_pylist()
            except VlcorpusError:
                continue
            sizes[f"{shard}.tar"] = len(rows)
            _tar(ledger, layer, shard, rows, f"{where}.tar")
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


def _tar(ledger: Ledger, layer: Layer, shard: str, rows: list[dict[str, Any]], where: str) -> None:
    count = 0
    try:
        for sample in tar.read_samples(layer.path(f"{shard}.tar")):
            row = rows[count] if count < len(rows) else {}
            if sample.key != row.get("key"):
                ledger.wrong(where, f"sample {count} is {sample.key}, and its table says {row.get('key')}", _FIX)
                return
            text = row["caption"].encode("utf-8", "surrogatepass")
            if sample.members.get("txt") != text or uid_in(sample.members.get("json", b"")) != row["uid"]:
                ledger.wrong(where, f"text or uid of {sample.key} is not that of its table", _FIX)
                return
            count += 1
    except VlcorpusError:
        return  # told when the file was read on its own
    ledger.agree(where, "samples", count, len(rows), _FIX)


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
