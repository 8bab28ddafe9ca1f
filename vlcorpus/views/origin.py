"""Where a pair was found: its page's row, and what its columns say of that, in words.

    page_of(corpus, found)      the row of sources/<source>/pages/ of the page that the pair was found on, or None
    lines(found)                ("words from figcaption, image from srcset, image 3 of its page", …)

A pair knows the file that it was read from and its place there, which name the part of a crawl and the row. What an
earlier version wrote knows neither: then the URLs of all parts are read, one by one, up to the first that has the
page.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from .. import schema
from ..corpus import Corpus, Layer
from ..io import table
from .layers import ALL, is_there, stats_or_none

Row = Mapping[str, Any]


def page_of(corpus: Corpus, found: Row) -> dict[str, Any] | None:
    """The page of a pair, without its links; None where its source did not crawl, or has no such page."""
    layer = corpus.layer(f"sources/{found['source']}")
    if found["page_url"] is None or not layer.names("pages/*"):
        return None
    for part in _parts(layer, found["source_file"]):
        path = layer.path(f"pages/{part}.parquet")
        row = _row(path, found) if path.is_file() else None
        if row is not None:
            return _page(path, row)
    return None


def _page(path: Path, row: int) -> dict[str, Any]:
    """A row of a table of pages, without its links: only its row group is read."""
    names = [name for name in schema.table("pages").names if name != "links"]
    for start, rows in table.pieces(path, "pages", only=names, wanted=lambda first, end: first <= row < end):
        if row < start + len(rows):
            found: dict[str, Any] = rows.slice(row - start, 1).to_pylist()[0]
            return found
    raise IndexError(row)


def _parts(layer: Layer, file: str | None) -> Iterator[str]:
    """The parts of a crawl, that which the file names first."""
    named = _named(layer, file) if file is not None else None
    if named is not None:
        yield named
    yield from (part for part in layer.units() if part != named)


def _named(layer: Layer, file: str) -> str | None:
    """The part that a file is: of a live crawl its own WARC file, else the file of that number in its inputs."""
    path = PurePosixPath(file)
    if path.parts[:2] == (PurePosixPath(layer.name).name, "warc"):
        part = path.name.partition(".")[0]
        return part if is_there(layer, part) else None
    whole = stats_or_none(layer, ALL) or {}
    inputs = whole.get("inputs")
    for name in inputs if isinstance(inputs, dict) else ():
        number, _, rest = str(name).partition("/")
        if rest == file and number.isdecimal():
            part = f"{int(number):05d}"
            return part if is_there(layer, part) else None
    return None


def _row(path: Path, found: Row) -> int | None:
    """Number of the page's row: of several visits of one URL that with the pair's place in the file, else the first."""
    import pyarrow.compute as pc

    rows = [
        start + number
        for start, part in table.pieces(path, "pages", only=["url"])
        for number in pc.indices_nonzero(pc.equal(part.column("url"), found["page_url"])).to_pylist()
    ]
    if len(rows) > 1 and found["record_offset"] is not None:
        places = table.read(path, "pages", only=["record_offset"]).column("record_offset")
        rows = [row for row in rows if places[row].as_py() == found["record_offset"]] or rows
    return rows[0] if rows else None


def lines(found: Row) -> tuple[str, ...]:
    """What a pair's columns say of where it was found; nothing of what they leave open."""
    return tuple(filter(None, (_signals(found), _language(found), _record(found), _warc(found))))


def _signals(found: Row) -> str:
    said = []
    if found.get("text_source"):
        said.append(f"words from {found['text_source']}")
    if found.get("image_source"):
        said.append(f"image from {found['image_source']}")
    if found.get("position") is not None:
        said.append(f"image element {found['position']} of its page, from 0")
    if found.get("width") or found.get("height"):
        said.append(f"declared {found.get('width') or '?'}x{found.get('height') or '?'} px")
    return ", ".join(said)


def _language(found: Row) -> str:
    """Of the words; what the page says of itself is another column."""
    if not found.get("language"):
        return f"language not told, split {found['language_split']}" if found.get("language_split") else ""
    score = f" {found['language_score']:.2f}" if found.get("language_score") is not None else ""
    reliable = {True: ", reliable", False: ", not reliable", None: ""}[found.get("language_reliable")]
    split = f", split {found['language_split']}" if found.get("language_split") else ""
    return f"language {found['language']}{score}{reliable}{split}"


def _record(found: Row) -> str:
    if not found.get("source_file"):
        return ""
    kind = f"{found['source_kind']} " if found.get("source_kind") else ""
    place = found.get("record_offset")
    if place is None:
        return f"in {kind}file {found['source_file']}"
    if found.get("source_kind") == "list":
        return f"in {kind}file {found['source_file']}, row {place}"
    length = f", {found['record_length']} bytes" if found.get("record_length") is not None else ""
    return f"in {kind}file {found['source_file']}, record at byte {place}{length}"


def _warc(found: Row) -> str:
    if not found.get("warc_file"):
        return ""
    place = f", record at byte {found['warc_offset']}" if found.get("warc_offset") is not None else ""
    return f"its page is in WARC file {found['warc_file']}{place}"
