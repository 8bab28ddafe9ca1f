"""What lies in a corpus for a person to look at: its layers, the tables in them, and which files a path may name.

    [each.layer for each in layers(corpus)]          ["sources/list-1a2b", "candidates", "shards", "scores/phash", …]
    layers(corpus)[2].rejected                       {"http_error": 120, "image_too_small": 60}
    layers(corpus)[2].tables[0].path                 "shards": what `located` and rows.opened take
    located(corpus.path, "decisions/top")            [Path("…/decisions/top/00000.parquet"), …]

A path comes from a stranger: it is relative, has no hidden part, ends below the corpus once every symbolic link is
followed, and names parquet files or their folder. All else is an error that says no more than that nothing is there.

Cost: stats files and footers, 0.1 ms a unit and 0.3 ms a parquet file. `signature` (0.003 ms a unit) says whether a
layer is still what it was when it was last listed.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import schema
from ..corpus import Corpus, Layer
from ..errors import SourceError, UsageError, VlcorpusError
from ..stages.places import is_url
from . import tables
from .balance import number
from .layers import present, stats_or_none, table_of, units
from .status import bytes_of, rows_of
from .tables import Listed

LONGEST_PATH = 1_000
MOST_FILES = 20_000
_HINT = "the tables that there are stand in the list of layers"

Signature = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class Shelf:
    """A layer and its tables. units: committed, damaged ones left out; tables: by path from the corpus."""

    layer: str
    units: int
    damaged: tuple[str, ...]
    seen: int
    kept: int
    rejected: Mapping[str, int]
    bytes: int
    tables: tuple[Listed, ...]


def layers(corpus: Corpus, known: MutableMapping[str, tuple[Signature, Shelf]] | None = None) -> list[Shelf]:
    """The layers of a corpus, in the order of the walk. known: what was listed before, by layer, kept up to date."""
    found = []
    for layer in present(corpus):
        now = signature(layer)
        before = known.get(layer.name) if known is not None else None
        shelf = before[1] if before is not None and before[0] == now else _shelf(corpus, layer)
        if known is not None:
            known[layer.name] = (now, shelf)
        found.append(shelf)
    return found


def folder_tables(root: Path) -> list[Shelf]:
    """The tables of a folder that is no corpus, each as a layer of its own."""
    found = []
    for each in _tables(root, root):
        found.append(Shelf(each.path, each.files, each.unreadable, each.rows, each.rows, {}, each.bytes, (each,)))
    return found


def signature(layer: Layer) -> Signature:
    """Names, times and sizes of the layer's stats files: what is committed anew changes them."""
    if layer.remote:
        read = {unit: stats_or_none(layer, unit) or {} for unit in units(layer)}
        return tuple((unit, _made(stats), layer.size(layer.marker(unit)) or 0) for unit, stats in read.items())
    try:
        stats = [(name, layer.path(name).stat()) for name in layer.names("*.json")]
    except OSError:
        return ()
    return tuple(sorted((name, about.st_mtime_ns, about.st_size) for name, about in stats))


def _made(stats: Mapping[str, Any]) -> int:
    ended = stats.get("end_time")
    return int(ended * 1e9) if isinstance(ended, int | float) else 0


def brought(corpus: Corpus, path: str) -> None:
    """Fetch the tables that a path names, where the corpus lies in an object store."""
    for layer in present(corpus) if is_url(corpus.place) else ():
        below = path.removeprefix(layer.name)
        if path.startswith(layer.name) and below[:1] in ("", "/"):
            inside = below.strip("/")
            wanted = inside if inside.endswith(".parquet") else f"{inside}/*.parquet".lstrip("/")
            layer.paths([name for name in layer.names("**/*") if fnmatch.fnmatchcase(name, wanted)])


def located(root: Path, path: str) -> list[Path]:
    """The parquet files that a path below `root` names: one, or those of a folder, sorted.

    Raises UsageError for what is no such path, VlcorpusError where no parquet files are there, SourceError where there
    are too many.
    """
    parts = path.split("/") if path != "." else []
    if len(path) > LONGEST_PATH or "\\" in path or any(not part or part.startswith(".") for part in parts):
        raise UsageError(
            "no path of a table", "it is relative to the corpus, as decisions/NAME or shards/00000.parquet"
        )
    place = root / path
    if not _below(root, place):
        raise VlcorpusError("no table at that path", _HINT)
    if place.is_file():
        if place.suffix != ".parquet":
            raise VlcorpusError("no table at that path", _HINT)
        return [place]
    files = _parquet(place)
    if not files:
        raise VlcorpusError("no table at that path", _HINT)
    if len(files) > MOST_FILES:
        raise SourceError(f"{path} has over {MOST_FILES:,} parquet files", "name one of them")
    if not all(_below(root, file) for file in files):
        raise VlcorpusError("no table at that path", _HINT)
    return files


def _below(root: Path, place: Path) -> bool:
    """Whether a path leads to something below `root`, with every link followed."""
    try:
        return place.resolve(strict=True).is_relative_to(root.resolve(strict=True))
    except (OSError, ValueError, RuntimeError):  # nothing there, no such name, links in a circle
        return False


def _parquet(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            names = [each.name for each in entries if each.name.endswith(".parquet") and each.is_file()]
    except OSError:
        return []
    return [folder / name for name in sorted(names) if not name.startswith(".")]


def _shelf(corpus: Corpus, layer: Layer) -> Shelf:
    read = {unit: stats_or_none(layer, unit) for unit in units(layer)}
    good: dict[str, dict[str, Any]] = {unit: stats for unit, stats in read.items() if stats is not None}
    seen, kept, rejected = rows_of(layer, good)
    return Shelf(
        layer=layer.name,
        units=len(good),
        damaged=tuple(unit for unit, stats in read.items() if stats is None),
        seen=seen,
        kept=kept,
        rejected=rejected,
        bytes=sum(bytes_of(stats) for stats in good.values()),
        tables=tuple(_told(layer, good) if layer.remote else _tables(corpus.path, layer.folder)),
    )


def _told(layer: Layer, good: Mapping[str, Mapping[str, Any]]) -> list[Listed]:
    """The tables of a layer in a store: by what their commits say, where each has a row for all that was seen; others
    are fetched, as only they know their rows."""
    folders: dict[str, dict[str, str]] = {}
    for unit, stats in good.items():
        for name in stats["outputs"]:
            if name.endswith(".parquet"):
                folders.setdefault(name.rpartition("/")[0], {})[name] = unit
    found = []
    for folder, names in sorted(folders.items()):
        several = len(names) > 1 and not all(name.removesuffix(".parquet")[-1:].isdigit() for name in names)
        for some in [[name] for name in sorted(names)] if several else [sorted(names)]:
            path = f"{layer.name}/{some[0] if several else folder}".rstrip("/")
            named = {table_of(layer.name, name) for name in some}
            table = named.pop() if len(named) == 1 else None
            if table is None or not all(each == f"{names[each]}.parquet" for each in some):
                found.append(tables.listed(path, layer.paths(some)))
                continue
            rows = sum(number(good[names[each]], "seen") for each in some)
            held = sum(number(good[names[each]]["outputs"][each], "bytes") for each in some)
            found.append(Listed(path, table, schema.table(table).meaning, len(some), rows, held))
    return found


def _tables(root: Path, folder: Path) -> list[Listed]:
    """The tables below a folder. Files that lead out of `root` are named as unreadable, and not looked at."""
    try:
        groups = tables.groups(folder) if _below(root, folder) else {}
    except (SourceError, OSError):
        return []
    found = []
    for place, files in groups.items():
        path = place.relative_to(root).as_posix()
        inside = [file for file in files[:MOST_FILES] if not file.is_symlink() or _below(root, file)]
        outside = tuple(sorted({file.name for file in files} - {file.name for file in inside}))
        about = tables.listed(path, inside)
        found.append(Listed(**{**vars(about), "files": len(files), "unreadable": (*about.unreadable, *outside)}))
    return found
