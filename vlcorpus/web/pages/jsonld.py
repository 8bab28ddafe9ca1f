"""The images that a page's JSON-LD describes.

    read(['{"@type": "ImageObject", "contentUrl": "a.jpg", "caption": "a cat", "license": "/terms"}'])
    Described(images=[Image("a.jpg", "a cat", None, None)], licences=["/terms"])

An object whose @type is ImageObject gives its contentUrl (else url) with its caption, description, name or
alternateName. An image, primaryImageOfPage, thumbnail, thumbnailUrl or photo of any other object, written as a URL, an
object without words of its own, an @id of such an object on the page, or a list of those, comes with the other object's
headline, name or alternateName. Words that are not text are none. Licences are those of the objects.

Blocks without any of these words are not even decoded. Broken JSON is tried once more without the comments and CDATA
marks around it, the commas before closing brackets, and strictness about control characters. Bounds: MAX_OBJECTS
objects, MAX_IMAGES images, MAX_LIST elements of a list; whatever the JSON says, nothing raises.

Cost: 40 microseconds for a page's usual 5 kB.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

MAX_OBJECTS = 5_000
MAX_IMAGES = 200
MAX_LIST = 200
MAX_LICENCES = 20

_TELLING = re.compile(r"mage|thumb|photo|icense")
_BEFORE = ("<!--", "//", "/*", "*/", "<![CDATA[")
_AFTER = ("-->", "//", "/*", "*/", "]]>", ";")
_LAST_COMMA = re.compile(r",(\s*[}\]])")
_OWN_WORDS = ("caption", "description", "name", "alternateName")
_THEIR_WORDS = ("headline", "name", "alternateName")
_BEST_FIRST = ("image", "primaryImageOfPage", "thumbnail", "thumbnailUrl", "photo")
_IMAGES = frozenset(_BEST_FIRST)
_MAX_STRING = 20_000

Object = dict[str, Any]


class Image(NamedTuple):
    """url and words as found; width, height: as declared, of any type."""

    url: str
    words: str
    width: Any
    height: Any


class Described(NamedTuple):
    images: list[Image]
    licences: list[str]


def read(blocks: Iterable[str]) -> Described:
    """blocks: texts of <script type="application/ld+json">. In document order, nothing twice."""
    objects: list[Object] = []
    for block in blocks:
        if _TELLING.search(block):
            _gather(_decoded(block), objects)
    named = {each["@id"]: each for each in objects if isinstance(each.get("@id"), str) and _url_of(each)}
    images: dict[Image, None] = {}
    licences: dict[str, None] = {}
    for each in objects:
        if (
            "license" in each
            and len(licences) < MAX_LICENCES
            and (licence := _first_text(each["license"], "@id", "url"))
        ):
            licences[licence] = None
        for image in _images(each, named):
            if len(images) >= MAX_IMAGES:
                return Described(list(images), list(licences))
            images[image] = None
    return Described(list(images), list(licences))


def _decoded(block: str) -> Any:
    try:
        return msgspec.json.decode(block)
    except (ValueError, RecursionError):
        pass
    try:
        return json.loads(_LAST_COMMA.sub(r"\1", _bare(block)), strict=False)
    except (ValueError, RecursionError):
        return None


def _bare(block: str) -> str:
    """Without what was put around it for older browsers."""
    for _ in range(8):
        block = block.strip()
        before = next((mark for mark in _BEFORE if block.startswith(mark)), "")
        after = next((mark for mark in _AFTER if block.endswith(mark)), "")
        if not before and not after:
            break
        block = block[len(before) :].removesuffix(after)
    return block


def _gather(value: Any, objects: list[Object]) -> None:
    """All objects in a value, outer ones first, in document order."""
    left = MAX_OBJECTS
    stack = [value]
    while stack and left > 0 and len(objects) < MAX_OBJECTS:
        left -= 1
        each = stack.pop()
        if isinstance(each, dict):
            objects.append(each)
            inner = [one for one in each.values() if isinstance(one, (dict, list))]
        elif isinstance(each, list):
            inner = [one for one in each[:MAX_OBJECTS] if isinstance(one, (dict, list))]
        else:
            continue
        stack += inner[::-1]


def _images(each: Object, named: dict[str, Object]) -> Iterator[Image]:
    if _is_image(each):
        url, words = _url_of(each), _words(each, _OWN_WORDS)
        if url and words:
            yield Image(url, words, *_sides(each))
        return
    if _IMAGES.isdisjoint(each):
        return
    theirs = _words(each, _THEIR_WORDS)
    if not theirs:
        return
    for key in _BEST_FIRST:
        value = each.get(key)
        for one in value[:MAX_LIST] if isinstance(value, list) else (value,):
            if isinstance(one, str):
                yield Image(one, theirs, None, None)
            elif isinstance(one, dict):
                shown = one
                if not _url_of(one) and isinstance(one.get("@id"), str):
                    shown = named.get(one["@id"], one)
                url = _url_of(shown)
                if url and not (_is_image(shown) and _words(shown, _OWN_WORDS)):
                    yield Image(url, theirs, *_sides(shown))


def _is_image(each: Object) -> bool:
    kind = each.get("@type")
    if isinstance(kind, str):
        return kind.endswith("ImageObject")
    kinds = kind[:10] if isinstance(kind, list) else (kind,)
    return any(isinstance(one, str) and one.endswith("ImageObject") for one in kinds)


def _url_of(each: Object) -> str | None:
    return _first_text(each.get("contentUrl")) or _first_text(each.get("url"))


def _words(each: Object, keys: tuple[str, ...]) -> str | None:
    return next((words for key in keys if (words := _first_text(each.get(key), "@value"))), None)


def _first_text(value: Any, *keys: str) -> str | None:
    """A text; of a list its first element, of an object the text under one of `keys`."""
    if value is None:
        return None
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, dict):
        value = next((value[key] for key in keys if isinstance(value.get(key), str)), None)
    return value if isinstance(value, str) and len(value) <= _MAX_STRING and value.strip() else None


def _sides(each: Object) -> tuple[Any, Any]:
    found = []
    for key in ("width", "height"):
        value = each.get(key)
        if isinstance(value, dict):
            value = value.get("value")
        # Whole numbers and texts can be compared and hashed.
        found.append(value if isinstance(value, (int, str)) else None)
    return found[0], found[1]
