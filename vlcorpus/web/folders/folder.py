"""Folders of captioned images.

    for pair in folder_pairs(Path("pictures")):
        pair.name, pair.text, pair.reason            ("a.jpg", "a cat", None)

A caption stands in a text file of the image's name (a.jpg, a.txt) or in a table, metadata.csv or metadata.jsonl as in
Hugging Face's imagefolder, or captions.csv or captions.tsv, with the columns file_name and text. A table speaks for its
folder and those below; a name without a folder may also be that of the only image so called. COCO's captions_*.json
(coco.py) and Flickr's caption files (flickr.py) are tables, too, and speak for the whole folder. With a template, an
image without a caption has its class as text: folder_pairs(path, template="a photo of a {}") makes "a photo of a big
dog" of big_dog/1.jpg.

Every image file below the folder gives a FolderPair, or several if a table has several captions for it, in the order
of their names; then come the rows of tables that name no image there. What a table says goes before a text file.
Nothing outside the folder is read, whatever a table or a symbolic link says; links to folders are not entered.

Cost: 30 microseconds an image; the names and captions of all tables in memory. Not for: what is inside the images.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vlcorpus.errors import SourceError, UsageError
from vlcorpus.web.folders.tables import (
    BAD_ENCODING,
    BAD_ROW,
    OUTSIDE_FOLDER,
    Places,
    Row,
    is_inside,
    is_table,
    rows_in,
    rows_of,
)
from vlcorpus.web.lists.lines import readable

IMAGE_SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif"))

NO_CAPTION = "no_caption"  # no table and no text file has one, or an empty one
UNREADABLE = "unreadable"  # a file that is not there, is empty, may not be read or is no regular file
TEXT_TOO_LONG = "text_too_long"  # more than MAX_TEXT characters; text is their beginning
FOLDER_REASONS = (NO_CAPTION, UNREADABLE, OUTSIDE_FOLDER, BAD_ROW, TEXT_TOO_LONG, BAD_ENCODING)

MAX_TEXT = 10_000


@dataclass(frozen=True, slots=True)
class FolderPair:
    """offset: from 0, over the whole folder. path: of the image; only to be opened if reason is None. name: the path
    below the folder with slashes, or what a table says. text: the caption, without white space around it. licence: URL,
    where a table names one.
    """

    offset: int
    path: Path
    name: str
    text: str | None
    reason: str | None
    licence: str | None = None


def folder_pairs(path: Path, *, captions: Path | None = None, template: str | None = None) -> Iterator[FolderPair]:
    """The images of a folder with their captions.

    captions: the one table that speaks, wherever it lies. template: text of images that have no caption, with {} for
    the name of their folder.
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
    places = Places(images)
    found: dict[str, list[Row]] = {}
    if captions is not None:
        for row in rows_of(captions, places):
            found.setdefault(row.name if row.reason is None else "", []).append(row)
        return _pairs(path, images, found, template)
    for table in tables:
        for row in rows_in(path, table, places):
            found.setdefault(row.name if row.reason is None else "", []).append(row)
    return _pairs(path, images, found, template)


def captioned(path: Path) -> Iterator[Path]:
    """Every file below a folder that says what its pairs are: images, texts and tables."""
    for each in path.rglob("*"):
        if each.suffix.lower() in IMAGE_SUFFIXES or each.suffix == ".txt" or is_table(each):
            yield each


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
        tables += [prefix + name for name in files if is_table(Path(folder, name))]
    return sorted(images), sorted(tables)


def _pairs(root: Path, images: list[str], captions: dict[str, list[Row]], template: str | None) -> Iterator[FolderPair]:
    real = os.path.realpath(root)
    offset = 0
    for name in images:
        rows = captions.pop(name, None) or [_beside(root, real, name)]
        if template is not None and not rows[0].text and rows[0].reason is None:
            rows = [Row(name, _of_class(name, template), None)]
        bad = _bad_file(root, real, name)
        for row in rows:
            reason = bad or row.reason or _bad_text(row.text)
            text = row.text[:MAX_TEXT] if row.text else row.text
            yield FolderPair(offset, root / name, readable(name), text, reason, row.licence)
            offset += 1
    for row in (row for rows in captions.values() for row in rows):
        text = row.text[:MAX_TEXT] if row.text else row.text
        yield FolderPair(offset, root / "-", row.name, text, row.reason or UNREADABLE)
        offset += 1


def _of_class(name: str, template: str) -> str | None:
    """The text of an image in a class folder; None for one that lies in none."""
    label = " ".join(name.rpartition("/")[0].rpartition("/")[2].replace("_", " ").replace("-", " ").split())
    return template.replace("{}", readable(label)) if label else None


def _bad_file(root: Path, real: str, name: str) -> str | None:
    if readable(name) != name:
        return BAD_ENCODING
    if not is_inside(real, root / name):
        return OUTSIDE_FOLDER
    try:
        status = os.stat(root / name)
    except OSError:
        return UNREADABLE
    is_file = stat.S_ISREG(status.st_mode) and status.st_size > 0 and os.access(root / name, os.R_OK)
    return None if is_file else UNREADABLE


def _bad_text(text: str | None) -> str | None:
    if not text:
        return NO_CAPTION
    return TEXT_TOO_LONG if len(text) > MAX_TEXT else None


def _beside(root: Path, real: str, name: str) -> Row:
    """The caption in the text file beside an image."""
    path = (root / name).with_suffix(".txt")
    try:
        if not is_inside(real, path) or not path.is_file():
            return Row(name, None, None)
        with open(path, "rb") as file:
            content = file.read(4 * MAX_TEXT + 4)
    except OSError:
        return Row(name, None, None)
    try:
        # The last character may be cut by the limit on bytes.
        text = content.decode("utf-8-sig", "strict" if len(content) <= 4 * MAX_TEXT else "ignore")
    except UnicodeDecodeError:
        return Row(name, content.decode("utf-8", "replace").strip(), BAD_ENCODING)
    return Row(name, text.strip(), None)
