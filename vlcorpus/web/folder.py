"""Folders of captioned images.

    for pair in folder_pairs(Path("pictures")):
        pair.name, pair.text, pair.reason            ("a.jpg", "a cat", None)

A caption stands in a text file of the image's name (a.jpg, a.txt) or in a table, metadata.csv or metadata.jsonl as in
Hugging Face's imagefolder, or captions.csv or captions.tsv, with the columns file_name and text. A table speaks for its
folder and those below; a name without a folder may also be that of the only image so called.

Every image file below the folder gives a FolderPair, or several if a table has several captions for it, in the order
of their names; then come the rows of tables that name no image there. What a table says goes before a text file.
Nothing outside the folder is read, whatever a table or a symbolic link says; links to folders are not entered.

Cost: 30 microseconds an image; the names and captions of all tables in memory. Not for: what is inside the images.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlcorpus.errors import SourceError, UsageError
from vlcorpus.web.columns import TEXT_NAMES
from vlcorpus.web.lines import lines, readable, separated
from vlcorpus.web.list_files import open_text

IMAGE_SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif"))
TABLES = ("metadata.csv", "metadata.jsonl", "captions.csv", "captions.tsv")
FILE_NAMES = ("file_name", "filename", "file", "image", "path", "name")

NO_CAPTION = "no_caption"  # no table and no text file has one, or an empty one
UNREADABLE = "unreadable"  # a file that is not there, is empty, may not be read or is no regular file
OUTSIDE_FOLDER = "outside_folder"  # a name or a link leads out of the folder
BAD_ROW = "bad_row"  # a row of a table that has no file name or text
TEXT_TOO_LONG = "text_too_long"  # more than MAX_TEXT characters; text is their beginning
BAD_ENCODING = "bad_encoding"  # a caption or a file name that is not UTF-8
FOLDER_REASONS = (NO_CAPTION, UNREADABLE, OUTSIDE_FOLDER, BAD_ROW, TEXT_TOO_LONG, BAD_ENCODING)

MAX_TEXT = 10_000


@dataclass(frozen=True, slots=True)
class FolderPair:
    """offset: from 0, over the whole folder. path: of the image; only to be opened if reason is None. name: the path
    below the folder with slashes, or what a table says. text: the caption, without white space around it.
    """

    offset: int
    path: Path
    name: str
    text: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of a table. name: below the folder; as written if `reason`."""

    name: str
    text: str | None
    reason: str | None


def folder_pairs(path: Path) -> Iterator[FolderPair]:
    """The images of a folder with their captions.

    Raises SourceError, before the first pair, where there is no such folder, no image in it, or a table cannot be read.
    """
    if "://" in str(path) or ":/" in str(path)[:9]:
        raise UsageError(f"{path} is a URL, not a folder", "download the images first and give their folder")
    if not path.is_dir():
        what = "is not a folder" if path.exists() else "does not exist"
        raise SourceError(f"{path} {what}", "give a folder of images with captions")
    images, tables = _walk(path)
    if not images:
        suffixes = " ".join(sorted(suffix[1:] for suffix in IMAGE_SUFFIXES))
        raise SourceError(f"{path} holds no images", f"images end in {suffixes}")
    known = set(images)
    by_base: dict[str, str | None] = {}
    for name in images:
        base = name.rpartition("/")[2]
        by_base[base] = None if base in by_base else name
    captions: dict[str, list[_Row]] = {}
    for table in tables:
        folder = table[: table.rfind("/") + 1]
        for row in _table(path, table):
            name = row.name if row.reason is None else ""
            if name and name not in known and "/" not in name.removeprefix(folder):
                lower = by_base.get(name.removeprefix(folder)) or ""
                name = lower if lower.startswith(folder) and lower else name
            captions.setdefault(name, []).append(row)
    return _pairs(path, images, captions)


def _walk(root: Path) -> tuple[list[str], list[str]]:
    """The names of images and of tables below `root`, in order."""
    images: list[str] = []
    tables: list[str] = []

    def refuse(error: OSError) -> None:
        raise SourceError(f"{error.filename} cannot be read: {error.strerror}") from error

    for folder, _, files in os.walk(root, followlinks=False, onerror=refuse):
        below = os.path.relpath(folder, root).replace(os.sep, "/")
        prefix = "" if below == "." else f"{below}/"
        images += [prefix + name for name in files if os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES]
        tables += [prefix + name for name in TABLES if name in files]
    return sorted(images), sorted(tables)


def _pairs(root: Path, images: list[str], captions: dict[str, list[_Row]]) -> Iterator[FolderPair]:
    real = os.path.realpath(root)
    offset = 0
    for name in images:
        rows = captions.pop(name, None) or [_beside(root, real, name)]
        bad = _bad_file(root, real, name)
        for row in rows:
            reason = bad or row.reason or _bad_text(row.text)
            text = row.text[:MAX_TEXT] if row.text else row.text
            yield FolderPair(offset, root / name, readable(name), text, reason)
            offset += 1
    for row in (row for rows in captions.values() for row in rows):
        text = row.text[:MAX_TEXT] if row.text else row.text
        yield FolderPair(offset, root / "-", row.name, text, row.reason or UNREADABLE)
        offset += 1


def _bad_file(root: Path, real: str, name: str) -> str | None:
    if readable(name) != name:
        return BAD_ENCODING
    if not _is_inside(real, root / name):
        return OUTSIDE_FOLDER
    try:
        status = os.stat(root / name)
    except OSError:
        return UNREADABLE
    is_file = stat.S_ISREG(status.st_mode) and status.st_size > 0 and os.access(root / name, os.R_OK)
    return None if is_file else UNREADABLE


def _is_inside(real: str, path: Path) -> bool:
    return os.path.realpath(path).startswith(os.path.join(real, ""))


def _bad_text(text: str | None) -> str | None:
    if not text:
        return NO_CAPTION
    return TEXT_TOO_LONG if len(text) > MAX_TEXT else None


def _beside(root: Path, real: str, name: str) -> _Row:
    """The caption in the text file beside an image."""
    path = (root / name).with_suffix(".txt")
    try:
        if not _is_inside(real, path) or not path.is_file():
            return _Row(name, None, None)
        with open(path, "rb") as file:
            content = file.read(4 * MAX_TEXT + 4)
    except OSError:
        return _Row(name, None, None)
    try:
        # The last character may be cut by the limit on bytes.
        text = content.decode("utf-8-sig", "strict" if len(content) <= 4 * MAX_TEXT else "ignore")
    except UnicodeDecodeError:
        return _Row(name, content.decode("utf-8", "replace").strip(), BAD_ENCODING)
    return _Row(name, text.strip(), None)


def _table(root: Path, name: str) -> Iterator[_Row]:
    """The rows of a table."""
    path = root / name
    if not _is_inside(os.path.realpath(root), path):
        raise SourceError(f"{path} is a link that leads out of the folder", "put the table itself there")
    prefix = name[: name.rfind("/") + 1]
    with open_text(path) as file:
        if name.endswith(".jsonl"):
            for line in lines(file):
                if line is None or line.strip():
                    yield _row(prefix, *_from_json(line))
            return
        found = separated(lines(file), "\t" if name.endswith(".tsv") else ",")
        header = [title.strip().lower() for title in next(found, None) or []]
        file_at = next((header.index(title) for title in FILE_NAMES if title in header), None)
        text_at = next((header.index(title) for title in TEXT_NAMES if title in header), None)
        if file_at is None or text_at is None:
            shown = ", ".join(map(repr, header[:40])) or "none"
            raise SourceError(
                f"{path} does not say which images have which captions; its columns are {shown}",
                "name the columns file_name and text",
            )
        for row in found:
            if row is None or (row and max(file_at, text_at) >= len(row)):
                yield _Row("", None, BAD_ROW)
            elif row:
                yield _row(prefix, row[file_at], row[text_at])


def _from_json(line: str | None) -> tuple[Any, Any]:
    try:
        found = json.loads(line) if line is not None else None
    except (ValueError, RecursionError):
        return None, None
    if not isinstance(found, dict):
        return None, None
    lower = {str(key).lower(): value for key, value in found.items()}
    texts = (lower[name] for name in TEXT_NAMES if name in lower)
    return next((lower[name] for name in FILE_NAMES if name in lower), None), next(texts, None)


def _row(prefix: str, file: object, text: object) -> _Row:
    if not isinstance(file, str) or not file.strip() or not isinstance(text, str | None):
        return _Row("", None, BAD_ROW)
    text = None if text is None else text.strip()
    written = file.strip().replace("\\", "/")
    if readable(written) != written or (text is not None and readable(text) != text):
        return _Row(readable(written), None if text is None else readable(text), BAD_ENCODING)
    place = os.path.normpath(prefix + written)
    if written.startswith("/") or "\0" in written or place.startswith("..") or written[1:2] == ":":
        return _Row(written, text, OUTSIDE_FOLDER)
    return _Row(place.replace(os.sep, "/"), text, None)
