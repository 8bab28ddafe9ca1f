"""The images by which a page describes itself: og:image, twitter:image, and JSON-LD.

    described([("og:image", "/a.jpg"), ("og:title", "Cats")], [], join, given=())
    [Pair("https://example.com/a.jpg", "Cats", text_source="og", image_source="og", position=None, ...)]

Words of og:image: og:image:alt where it follows that image, else og:description, else og:title; of twitter:image
likewise. og:image:url is the same as og:image, og:image:secure_url is taken where neither leads anywhere. An image
without words gives no pair; one with words but without a usable URL gives a rejected one. A pair whose URL and words
are among `given`, or came before, is not repeated. At most MAX_DESCRIBED pairs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from vlcorpus.web.found import Pair
from vlcorpus.web.pages import jsonld
from vlcorpus.web.pages.images import MAX_TEXT, TEXT_TOO_LONG
from vlcorpus.web.pages.join import SPACE, Join
from vlcorpus.web.pages.shown import side

MAX_DESCRIBED = 200


class Social(NamedTuple):
    """An image that metas name. urls: best first. kind: og or twitter. width, height: as written."""

    urls: list[str]
    words: str
    kind: str
    width: str | None = None
    height: str | None = None


# What names an image, best first.
_URLS = {
    "og": ("og:image", "og:image:url", "og:image:secure_url"),
    "twitter": ("twitter:image", "twitter:image:src"),
}


def described(
    metas: Sequence[tuple[str, str]], images: Sequence[jsonld.Image], join: Join, given: Iterable[Pair]
) -> list[Pair]:
    """metas: (name, content), names in lower case, in document order. given: the pairs of the page's elements."""
    found: list[Pair] = []
    seen: set[tuple[str, str]] | None = None
    for pair in _all(metas, images, join):
        if seen is None:
            seen = {(each.url, each.alt_text) for each in given if each.reason is None}
        name = (pair.url, pair.alt_text)
        if name not in seen:
            seen.add(name)
            found.append(pair)
            if len(found) == MAX_DESCRIBED:
                break
    return found


def social(metas: Sequence[tuple[str, str]]) -> list[Social]:
    """The og and twitter images that have words. An image begins where the last one already has a URL of that name."""
    groups: list[tuple[str, dict[str, str]]] = []
    last: dict[str, dict[str, str]] = {}
    words: dict[str, str] = {}
    for name, content in metas:
        if name[:3] != "og:" and name[:8] != "twitter:":
            continue
        kind, _, rest = name.partition(":")
        if not content or content.isspace():
            continue
        if rest in ("description", "title"):
            words.setdefault(name, content)
        elif rest.startswith("image"):
            if name in _URLS[kind] and (kind not in last or name in last[kind]):
                last[kind] = {}
                if len(groups) < MAX_DESCRIBED:
                    groups.append((kind, last[kind]))
            if kind in last:
                last[kind].setdefault(name, content)
    found = []
    for kind, group in groups:
        text = group.get(f"{kind}:image:alt") or words.get(f"{kind}:description") or words.get(f"{kind}:title")
        if text:
            urls = [group[name] for name in _URLS[kind] if name in group]
            found.append(Social(urls, text, kind, group.get(f"{kind}:image:width"), group.get(f"{kind}:image:height")))
    return found


def _all(metas: Sequence[tuple[str, str]], images: Sequence[jsonld.Image], join: Join) -> Iterator[Pair]:
    for each in social(metas):
        yield _pair(each.urls, each.words, each.kind, each.width, each.height, join)
    for image in images:
        yield _pair([image.url], image.words, "jsonld", image.width, image.height, join)


def _pair(urls: Sequence[str], words: str, kind: str, width: Any, height: Any, join: Join) -> Pair:
    url, reason = join.image(urls[0].strip(SPACE))
    for other in urls[1:]:
        if reason is None:
            break
        again, refused = join.image(other.strip(SPACE))
        if refused is None:
            url, reason = again, None
    if reason is None and len(words) > MAX_TEXT:
        reason = TEXT_TOO_LONG
    return Pair(url, words[:MAX_TEXT], kind, kind, reason, width=side(_written(width)), height=side(_written(height)))


def _written(value: Any) -> str | None:
    return value if isinstance(value, str) else str(value) if isinstance(value, int) and 0 < value <= 10**6 else None
