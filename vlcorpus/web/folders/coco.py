"""COCO's captions: one JSON file that names images and has several captions for each.

    for row in captions(Path("annotations/captions_val2017.json")):
        row.file, row.text, row.licence      ("000000179765.jpg", "A black Honda motorcycle …", "http://…/by-nc-sa/2.0/")

Captions come in the order of the file. Each annotation is decoded on its own: a bad one costs one row. A file of more
than MAX_BYTES is refused. Cost: 1.3 microseconds a caption; the whole file in memory, and what it says of images.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from vlcorpus.errors import SourceError
from vlcorpus.web.lists.lines import readable

MAX_BYTES = 1 << 30


class CocoRow(NamedTuple):
    """file, text: None where the annotation names no image of the file, or has no text: no row of the format."""

    file: str | None
    text: str | None
    licence: str | None = None


class _File(msgspec.Struct):
    images: list[msgspec.Raw]
    annotations: list[msgspec.Raw]
    licenses: list[msgspec.Raw] = []


class _Plain(msgspec.Struct):
    images: list[Any]
    annotations: list[Any]
    licenses: list[Any] = []


def is_coco(path: Path) -> bool:
    """Whether a file called *.json begins as COCO's captions may: with an object."""
    try:
        with open(path, "rb") as file:
            return file.read(256).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")
    except OSError:
        return False


def captions(path: Path) -> Iterator[CocoRow]:
    """Raises SourceError, before the first row, where the file is too large or not COCO's."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SourceError(f"{path} has over {MAX_BYTES >> 20} MB", "split it, or write its captions as jsonl")
        body = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from error
    try:
        found = _decoded(body)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise SourceError(
            f"{path} is no file of COCO captions: {str(error)[:160]}",
            'it has "images" and "annotations" with "caption"',
        ) from error
    licences = {_id(each.get("id")): each.get("url") for each in map(_object, found.licenses)}
    images = {
        _id(each.get("id")): each for each in map(_object, found.images) if isinstance(each.get("file_name"), str)
    }
    return _rows(found.annotations, images, licences)


def _decoded(body: bytes) -> _File | _Plain:
    """What one bad escape would make unreadable for the fast decoder goes through the slow one."""
    try:
        return msgspec.json.decode(body, type=_File)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        return msgspec.convert(json.loads(body.decode("utf-8", "surrogateescape")), _Plain)


def _rows(
    annotations: Sequence[object], images: dict[object, dict[str, Any]], licences: dict[object, Any]
) -> Iterator[CocoRow]:
    for raw in annotations:
        each = _object(raw)
        image = images.get(_id(each.get("image_id")), {})
        text = each.get("caption")
        licence = licences.get(_id(image.get("license")))
        yield CocoRow(
            image.get("file_name"),
            text if isinstance(text, str) else None,
            readable(licence) if isinstance(licence, str) and 0 < len(licence) <= 200 else None,
        )


def _id(value: Any) -> object:
    """A number or text that names something; of anything else a name that nothing has."""
    return value if isinstance(value, int | str) and not isinstance(value, bool) else object()


def _object(raw: object) -> dict[str, Any]:
    found = raw
    if isinstance(raw, msgspec.Raw):
        try:
            found = msgspec.json.decode(raw)
        except (msgspec.MsgspecError, RecursionError, ValueError):
            return {}
    return found if isinstance(found, dict) else {}
