"""Embeddings that came with a list: which vectors there are in a folder, and of which pairs they are.

    found = look(Path("laion-embeddings"))          found.dimension 512, found.files (VectorFile(...), ...)
    for part in described(found.files[0]): ...      a table: url, alt_text, reason, uid, path; row for row
    image, text = found.files[0].arrays()           memory-mapped where they lie there as they are

| layout | table | vectors |
|---|---|---|
| clip-retrieval, LAION | metadata/metadata_N.parquet | img_emb/img_emb_N.npy, text_emb/text_emb_N.npy |
| DataComp | NAME.parquet | NAME.npz beside it, with X_img and X_txt for each model X, as b32 |

Row r of the table describes row r of both arrays, so their counts must be equal, and the dimension that of all others.
Folders are looked through to any depth; links to folders are not followed.

Cost: the headers of all arrays and footers of all tables, 0.1 ms a file. Not for vectors of one side only.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from vlcorpus.errors import SourceError, UsageError, nearest
from vlcorpus.web.folders.arrays import Place, array, members, shape
from vlcorpus.web.lists import values as list_values
from vlcorpus.web.lists.columns import TEXT_NAMES, UID_NAMES, Columns, find_columns
from vlcorpus.web.lists.files import open_parquet, parquet_batches, row_groups
from vlcorpus.web.lists.parts import part_of
from vlcorpus.web.lists.rows import EMPTY_URL

MOST_FILES = 1_000_000
PATH_NAMES = ("image_path",)
_BATCH = 65_536
_ARRAY = re.compile(r"(?:.*_)?(img|image|txt|text)_emb_?([0-9]{1,12})\.npy")
_TABLE = re.compile(r"(?:.*_)?metadata_?([0-9]{1,12})\.parquet")
_MEMBER = re.compile(r"(.+)_(img|image|txt|text)\.npy")
_SIDES = {"img": "image", "image": "image", "txt": "text", "text": "text"}
DESCRIBED = pa.schema([(name, pa.string()) for name in ("url", "alt_text", "reason", "uid", "path")])


@dataclass(frozen=True, slots=True)
class VectorFile:
    """One table, and the arrays whose rows it describes. name: of the table, below its folder."""

    name: str
    table: Path
    image: Place
    text: Place
    rows: int

    def arrays(self) -> tuple[Any, Any]:
        """The vectors of images and texts, (rows, dimension) each. SourceError where they changed since `look`."""
        found = array(self.image), array(self.text)
        for place, rows in zip((self.image, self.text), found, strict=True):
            if len(rows) != self.rows:
                raise SourceError(f"{place} has changed: {len(rows)} rows and not {self.rows}", "begin again")
        return found


@dataclass(frozen=True, slots=True)
class Vectors:
    """What a folder holds, in the order of names and numbers."""

    files: tuple[VectorFile, ...]
    dimension: int


def look(folder: Path, arrays: str | None = None) -> Vectors:
    """The vectors in a folder. arrays: the X of X_img and X_txt in .npz files; may be left out where there is one.

    Raises SourceError for what is no such folder, is not whole, or whose counts or dimensions differ, and UsageError
    where arrays are to be chosen.
    """
    names = _files(folder)
    packed = [each for each in names if each.suffix == ".npz"]
    files = _beside(folder, packed, arrays) if packed else _numbered(folder, names, arrays)
    if not files:
        alone = any(each.suffix == ".npy" for each in names)
        what = "has arrays, but none called img_emb_N.npy" if alone else "holds no embeddings"
        raise SourceError(
            f"{folder} {what}",
            "embeddings are img_emb_0.npy, text_emb_0.npy and metadata_0.parquet, or NAME.npz beside NAME.parquet",
        )
    dimension = 0
    for each in files:
        for place in (each.image, each.text):
            rows, wide = shape(place)
            if rows != each.rows:
                raise SourceError(
                    f"{place} has {rows} rows, and {each.table} describes {each.rows}", "fetch both again"
                )
            dimension = dimension or wide
            if wide != dimension:
                raise SourceError(
                    f"{place} has {wide} numbers a row, and {files[0].image} has {dimension}",
                    "images and texts must be of one model; give the folder of one",
                )
    return Vectors(tuple(files), dimension)


def described(file: VectorFile) -> Iterator[pa.Table]:
    """The rows of a table, DESCRIBED, in order. url, alt_text and reason are as import reads them from a list; uid is
    the table's own identifier, path the key of the image's sample. Null is what the table does not say."""
    names, kinds = open_parquet(file.table)
    columns: Columns | None
    try:
        columns = find_columns(file.table, names, kinds, None, None, ())
    except UsageError:  # no URLs, or no texts: then its identifiers must do
        columns = None
    lower = {name.lower(): name for name in reversed(names)}
    uid, path, text = (_first(lower, known) for known in (UID_NAMES, PATH_NAMES, TEXT_NAMES))
    wanted = tuple(dict.fromkeys(name for name in (uid, path, text) if name is not None))
    if columns is not None:
        wanted = tuple(dict.fromkeys((columns.url, *([columns.text] if columns.text else []), *wanted)))
        columns = Columns(wanted, columns.url, columns.text, uid, ())
    if not wanted:
        raise SourceError(
            f"{file.table} names no pairs: it has neither URLs nor identifiers",
            f"it needs url and caption, uid, or image_path; its columns are {', '.join(names[:20])}",
        )
    start = 0
    for batch in parquet_batches(file.table, wanted, size=_BATCH):
        if columns is not None:
            pairs = part_of(batch, columns, name=file.name, first=start).pairs
            url, alt_text, reason = (pairs.column(name) for name in ("url", "alt_text", "reason"))
        else:
            url, reason = pa.nulls(len(batch), pa.string()), pa.repeat(pa.scalar(EMPTY_URL), len(batch))
            found = list_values.words(batch.column(text)) if text is not None else None
            alt_text = pa.nulls(len(batch), pa.string()) if found is None else pc.fill_null(found, "")
        ids = (_names(batch, name) for name in (uid, path))
        yield pa.Table.from_arrays([url, alt_text, reason, *ids], schema=DESCRIBED)
        start += len(batch)


def _first(lower: dict[str, str], known: tuple[str, ...]) -> str | None:
    return next((lower[name] for name in known if name in lower), None)


def _names(batch: pa.RecordBatch, column: str | None) -> pa.Array:
    return pa.nulls(len(batch), pa.string()) if column is None else list_values.names(batch.column(column))


def _files(folder: Path) -> list[Path]:
    """What could be a table or an array, sorted by folder and name."""
    if not folder.is_dir():
        raise SourceError(f"no folder of embeddings at {folder}", "name the folder that holds img_emb, or .npz files")
    found: list[Path] = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        found += [Path(place, name) for name in sorted(names) if name.endswith((".npy", ".npz", ".parquet"))]
        if len(found) > MOST_FILES:
            raise SourceError(f"{folder} has over {MOST_FILES} files", "give one of the folders in it")
    return found


def _beside(folder: Path, packed: list[Path], arrays: str | None) -> list[VectorFile]:
    """DataComp's: an .npz file beside each table."""
    found = []
    for path in packed:
        sides: dict[str, dict[str, Place]] = {}
        for member in members(path):
            parts = _MEMBER.fullmatch(member)
            if parts:
                sides.setdefault(parts[1], {})[_SIDES[parts[2]]] = Place(path, member)
        known = sorted(name for name, both in sides.items() if len(both) == 2)
        if not known:
            raise SourceError(f"{path} has no two arrays X_img and X_txt", "move it away if it holds no embeddings")
        if arrays is None and len(known) > 1:
            raise UsageError(f"{path} has embeddings of {', '.join(known)}", f"choose one, as --arrays {known[0]}")
        name = known[0] if arrays is None else arrays
        if name not in known:
            raise UsageError(f"{path} has no {name}_img and {name}_txt", nearest(name, known))
        found.append(_file(folder, path.with_suffix(".parquet"), sides[name]))
    return found


def _numbered(folder: Path, names: list[Path], arrays: str | None) -> list[VectorFile]:
    """clip-retrieval's and LAION's: arrays and tables of one number, below one folder."""
    if arrays is not None:
        raise UsageError(f"{folder} has no .npz files, so --arrays says nothing", "leave --arrays away")
    found: dict[tuple[Path, int], dict[str, Path]] = {}
    for path in names:
        array, table = _ARRAY.fullmatch(path.name), _TABLE.fullmatch(path.name)
        if array is None and table is None:
            continue
        side = _SIDES[array[1]] if array is not None else "table"
        number = int(array[2] if array is not None else table[1])  # type: ignore[index]
        root = path.parent.parent if path.parent != folder else path.parent
        parts = found.setdefault((root, number), {})
        if side in parts:
            raise SourceError(f"{parts[side]} and {path} are both number {number}", "give the folder of one of them")
        parts[side] = path
    files = []
    for _, parts in sorted(found.items()):
        if parts.keys() == {"table"}:
            continue
        here = next(iter(parts.values()))
        for side, name in (("image", "img_emb"), ("text", "text_emb"), ("table", "metadata")):
            if side not in parts:
                raise SourceError(f"{here} has no {name} of its number", "vectors of images and texts are both needed")
        files.append(_file(folder, parts["table"], {side: Place(parts[side]) for side in ("image", "text")}))
    return files


def _file(folder: Path, table: Path, sides: dict[str, Place]) -> VectorFile:
    if not table.is_file():
        raise SourceError(f"{sides['image'].path} has no {table.name} beside it", "it says whose the vectors are")
    name = table.relative_to(folder).as_posix()
    return VectorFile(name, table, sides["image"], sides["text"], sum(row_groups(table)))
