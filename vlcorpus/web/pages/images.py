"""The image elements of a page, as pairs.

    pairs(Sweep(tree), Join("https://example.com/"))
    [Pair(url="https://example.com/a.jpg", alt_text="a cat", text_source="alt", image_source="src", position=0, ...)]

Each <img> gives one pair, kept or rejected with a reason. Its words: the alt attribute, else the title attribute, else
the caption of the figure. Its image: see shown.py.

Cost: 15 microseconds an image with words, 2 without.
"""

from __future__ import annotations

import functools

from selectolax.lexbor import LexborNode

from vlcorpus.web.found import Pair
from vlcorpus.web.pages.context import Contexts
from vlcorpus.web.pages.join import Join
from vlcorpus.web.pages.shown import shown, side, stand_ins
from vlcorpus.web.pages.sweep import Image, Sweep, tag_id

EMPTY_ALT = "empty_alt"  # no words: no alt, title or caption, or blank ones
TEXT_TOO_LONG = "text_too_long"  # more than MAX_TEXT characters; alt_text is their beginning

MAX_TEXT = 10_000

_LEVELS = 6  # elements around an image that are looked at


def pairs(swept: Sweep, join: Join) -> list[Pair]:
    """One pair an image element, in document order."""
    contexts = Contexts()
    shared = stand_ins(attributes for _, attributes, _ in swept.images)
    return [
        _pair(image, position, swept.captions, contexts, join, shared) for position, image in enumerate(swept.images)
    ]


def _pair(
    image: Image,
    position: int,
    captions: dict[int, LexborNode],
    contexts: Contexts,
    join: Join,
    shared: frozenset[str],
) -> Pair:
    node, attributes, heading = image
    alt, title = attributes.get("alt"), attributes.get("title")
    if title and title.isspace():
        title = None
    link, caption, in_picture = None, None, False
    if captions or (alt and not alt.isspace()) or title:
        link, caption, in_picture = _around(node, captions)
    figcaption = (contexts.words(caption, MAX_TEXT) or None) if caption is not None else None
    text, text_source = (
        (alt, "alt") if alt and not alt.isspace() else (title, "title") if title else (figcaption, "figcaption")
    )
    if not text:
        src = attributes.get("src") or ""
        url, _ = join.image(src) if src and not src.isspace() else ("", None)
        return Pair(url, alt or "", reason=EMPTY_ALT, position=position)
    found = shown(node, attributes, join, shared, in_picture)
    reason = found.reason or (TEXT_TOO_LONG if len(text) > MAX_TEXT else None)
    if reason is not None:
        return Pair(found.url, text[:MAX_TEXT], text_source, found.source, reason, position)
    return Pair(
        found.url,
        text,
        text_source,
        found.source,
        None,
        position,
        title[:MAX_TEXT] if title else None,
        figcaption,
        contexts.near(node, heading) or None,
        join.link(link) if link else None,
        side(width) if (width := attributes.get("width")) else None,
        side(height) if (height := attributes.get("height")) else None,
        found.width,
    )


def _around(node: LexborNode, captions: dict[int, LexborNode]) -> tuple[str | None, LexborNode | None, bool]:
    """(target of the link around the image, caption of its figure, whether it stands in a <picture>)."""
    anchor, picture, body = _tags()
    link: str | None = None
    caption: LexborNode | None = None
    in_picture = False
    around = node.parent
    for level in range(_LEVELS):
        if around is None:
            break
        tag = around.tag_id
        if tag == body:
            break
        if tag == anchor:
            if link is None:
                link = around.attributes.get("href")
            if not captions:
                break
        elif tag == picture and level == 0:
            in_picture = True
        if captions and caption is None:
            caption = captions.get(around.mem_id)
        around = around.parent
    return link, caption, in_picture


@functools.cache
def _tags() -> tuple[int, int, int]:
    return tag_id("a"), tag_id("picture"), tag_id("body")
