"""Whether a corpus is whole: every file as its commit says, every table as declared, every layer row for row.

    found = verify(corpus)
    found.findings      ()                         nothing is wrong
    found.checked       {"units": 42, "files": 96, "bytes": 81_231_004, "samples": 9_412, "rows": 58_310}

    verify(corpus, quick=True)                     sizes and counts only: nothing but stats files is read
    verify(corpus, export="out")                   an export, too

Each committed unit: its outputs are there, with the size and the sha256 of the commit; tars hold what webdataset would
read; tables have the declared columns; rows and uids of one shard are the same in every layer; every row that came in
went out. Files that no commit lists are notes.

Cost: 0.7 s a GB for the digests, and 1.2 CPU seconds for all layers of 6,600 pairs (120 MB). Reads only; in a corpus
that is being written to, a finding may be gone a moment later.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import schema
from ..corpus import FILE, Corpus, Layer
from ..errors import CorpusError
from ..io.commit import TEMPORARY
from ..io.journal import PREFIX as JOURNAL
from ..stages import export_formats, places
from .balance import across, imbalance
from .finding import AGAIN, Finding, Ledger, Note
from .layers import export_layers, head, present, stats_or_none, table_of, units

_OWN = {FILE, ".lock"}
_SAID = {"stage": str, "stage_version": int, "unit": str, "fingerprint": str, "settings": dict, "inputs": dict}


@dataclass(frozen=True)
class Verified:
    """What was found, and how much was checked. quick: whether only sizes and counts were."""

    findings: tuple[Finding, ...]
    notes: tuple[Note, ...]
    checked: dict[str, int]
    quick: bool


def verify(
    corpus: Corpus,
    *,
    export: str | Path | None = None,
    quick: bool = False,
    tell: Callable[[str, int], None] | None = None,
) -> Verified:
    """Check a corpus, and an export where one is named. Never stops at the first finding.

    tell: called with the path under work and the number of findings so far.
    """
    ledger = Ledger(tell)
    listed: set[str] = set()
    layers = present(corpus)
    for layer in layers:
        for unit in units(layer):
            _unit(ledger, layer, unit, layer.name, quick=quick, listed=listed)
    for each in across({layer.name: {unit: stats_or_none(layer, unit) for unit in units(layer)} for layer in layers}):
        ledger.wrong(f"{each.layer}/{each.unit}", each.what, "run the command that made it again")
    if not quick:
        from .agreement import agreement

        agreement(ledger, corpus)
    _strays(ledger, corpus.layer(""), listed, "", own=_OWN, folders={"log", "packs"})
    if export is not None:
        _export(ledger, corpus, str(export), quick=quick)
    return Verified(tuple(ledger.findings), tuple(ledger.notes), dict(ledger.checked), quick)


def _export(ledger: Ledger, corpus: Corpus, out: str, *, quick: bool) -> None:
    listed: set[str] = set()
    top, *splits = export_layers(out)
    for layer in (top, *splits):
        below = [places.last(layer.name)] if layer is not top else []
        where = "/".join(each for each in (places.last(out), *below) if each)
        for unit in units(layer):
            _unit(ledger, layer, unit, where, quick=quick, listed=listed)
    if not quick:
        from .agreement_export import agreement_export

        agreement_export(ledger, corpus, out)
    _strays(ledger, top, listed, places.last(out), own={"sizes.json"}, folders=set())


def _unit(ledger: Ledger, layer: Layer, unit: str, folder: str, *, quick: bool, listed: set[str]) -> None:
    """One commit: its stats file, its counts, its outputs. folder: what the layer is called in findings."""
    where = f"{folder}/{layer.marker(unit)}".lstrip("/")
    listed.add(where)
    ledger.at(where)
    ledger.checked["units"] += 1
    try:
        stats = layer.stats(unit)
    except CorpusError as error:
        ledger.wrong(where, error.message, error.hint)
        return
    if stats is None:
        return
    for wrong in (imbalance(stats), _unsaid(layer, unit, stats)):
        if wrong:
            ledger.wrong(where, wrong, AGAIN)
    for name, about in stats["outputs"].items():
        where = f"{folder}/{name}".lstrip("/")
        listed.add(where)
        ledger.checked["files"] += 1
        if _same_bytes(ledger, layer, name, about, where, quick=quick) and not quick:
            _content(ledger, layer, name, layer.path(name), where, stats)


def _unsaid(layer: Layer, unit: str, stats: dict[str, Any]) -> str | None:
    """What a commit ought to say and does not, or None."""
    for name, kind in _SAID.items():
        if not isinstance(stats.get(name), kind):
            return f"does not say its {name}"
    if stats["unit"] != unit:
        return f"is the commit of {stats['unit']!r}"
    if not stats["outputs"] and (unit.isdigit() or head(layer.name) == "probes"):
        return "lists no files"
    return None


def _same_bytes(ledger: Ledger, layer: Layer, name: str, about: Any, where: str, *, quick: bool) -> bool:
    """Whether a file is there with the size and sha256 of its commit; what opens all the same is looked into."""
    if not isinstance(about, dict) or type(about.get("bytes")) is not int or not isinstance(about.get("sha256"), str):
        ledger.wrong(where, "its commit does not say size and sha256", AGAIN)
        return True
    try:
        path = layer.path(name) if not quick or not layer.remote else None
        is_link = path is not None and path.is_symlink()
        size = layer.size(name)
        if size is None or is_link:
            ledger.wrong(where, "is a link" if is_link else "is missing", AGAIN)
            return False
        ledger.checked["bytes"] += size
        if size != about["bytes"]:
            ledger.wrong(where, f"has {size} bytes, and its commit says {about['bytes']}", AGAIN)
        elif not quick and path is not None and _sha256(path) != about["sha256"]:
            ledger.wrong(where, "has other bytes than its commit says (sha256)", AGAIN)
    except OSError as error:
        ledger.wrong(where, f"cannot be read: {error.strerror}", "ask for permission to read it")
        return False
    except CorpusError as error:  # it cannot be fetched
        ledger.wrong(where, error.message, error.hint)
        return False
    return True


def _content(ledger: Ledger, layer: Layer, name: str, path: Path, where: str, stats: dict[str, Any]) -> None:
    """What the file holds, on its own: a tar that can be read to its end, a table with the declared columns."""
    with ledger.trying(where):
        if name.endswith(".tar"):
            from ..io import tar

            for _ in tar.read_samples(path):
                ledger.checked["samples"] += 1
        elif name.endswith(".parquet"):
            from ..io import table

            declared = table_of(layer.name, name)
            if declared == "exports":
                declared = export_formats.table_of(stats)
            if declared is None:
                ledger.note(where, "is a table that vlcorpus does not know")
                return
            only = schema.table(declared).names if declared == "exports" else None  # images may stand behind them
            ledger.checked["rows"] += len(table.read(path, declared, only=only))
        elif name.endswith(".npy"):
            from ..io import subset, vectors

            if layer.name.startswith("out:"):
                ledger.checked["rows"] += len(subset.read(path))
            else:
                vectors.read(path)


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _strays(ledger: Ledger, root: Layer, listed: set[str], called: str, *, own: set[str], folders: set[str]) -> None:
    """Files that no commit lists: nobody reads them, so they are notes."""
    for path in places.everything(root, but=folders):
        name = path.rpartition("/")[2]
        if f"{called}/{path}".lstrip("/") in listed or name in own or name.startswith(".lock-"):
            continue
        what = "no commit lists it"
        if name.startswith((TEMPORARY, JOURNAL)) or name.endswith(".tmp"):
            what = "left by an interrupted run; the same command removes it"
        ledger.note(path, what)
