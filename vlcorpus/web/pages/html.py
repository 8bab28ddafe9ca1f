"""The pairs, links and facts of one HTML page.

    page = extract(b'<h1>Cats</h1><img src=a.jpg alt="a cat"><a href=b.html>b</a>', url="https://example.com/x/")
    page.pairs      (Pair(url="https://example.com/x/a.jpg", alt_text="a cat", position=0, context="Cats", ...),)
    page.links      ("https://example.com/x/b.html",)

Every <img> gives one Pair (images.py), then come those by which the page describes itself: og:image, twitter:image and
JSON-LD (describes.py). Each is kept (`reason` None) or rejected with one of REASONS: seen == kept + rejected.

Bounds: MAX_BYTES of HTML, MAX_IMAGES, MAX_LINKS and the like (sweep.py), MAX_TEXT characters of a text, any depth of
markup (nesting.py). Nothing on a page raises. Cost: three times that of parsing it, 0.95 ms for 150 kB; 1.1 ms with
links. Not for: pages that are drawn by scripts, CSS backgrounds, video posters.
"""

from __future__ import annotations

from collections.abc import Sequence

from selectolax.lexbor import LexborDocumentOptions, LexborHTMLParser, SelectolaxError

from vlcorpus.net import optout
from vlcorpus.net.url import BAD_SCHEME, BAD_URL, requestable
from vlcorpus.web.found import Page, Pair
from vlcorpus.web.pages import jsonld
from vlcorpus.web.pages.charset import utf8
from vlcorpus.web.pages.describes import described
from vlcorpus.web.pages.images import EMPTY_ALT, MAX_TEXT, TEXT_TOO_LONG, pairs
from vlcorpus.web.pages.join import INLINE_IMAGE, MAX_URL, SPACE, SVG, Join
from vlcorpus.web.pages.licence import METAS
from vlcorpus.web.pages.nesting import shallow
from vlcorpus.web.pages.shown import NO_SOURCE
from vlcorpus.web.pages.sweep import MAX_IMAGES, MAX_LINKS, Sweep

__all__ = [
    "EMPTY_ALT", "INLINE_IMAGE", "MAX_BYTES", "MAX_IMAGES", "MAX_LINKS", "MAX_TEXT", "MAX_URL", "NO_SOURCE", "REASONS",
    "SVG", "TEXT_TOO_LONG", "Page", "Pair", "extract",
]  # fmt: skip

REASONS = (EMPTY_ALT, NO_SOURCE, INLINE_IMAGE, BAD_SCHEME, BAD_URL, SVG, TEXT_TOO_LONG)

MAX_BYTES = 5_000_000

_MAX_TITLE = 1_000
# What a page would show of its chosen options is no markup of its own, and would be copied again and again.
_AS_WRITTEN = int(LexborDocumentOptions.WO_EVENTS)
# Directives that are no wish to be left out.
_PERMISSIVE = frozenset(
    ("all", "index", "follow", "archive", "snippet", "max-snippet", "max-image-preview", "max-video-preview")
)


def extract(
    body: bytes,
    *,
    url: str,
    headers: Sequence[tuple[str, str]] = (),
    token: str = "vlcorpus",
    max_bytes: int = MAX_BYTES,
    links: bool = True,
) -> Page:
    """Read a page.

    body: decoded from transfer and content encodings. url: of the answer, after redirects, absolute. headers: of the
    answer, (name, value) with lower-case names. token: the name by which opt-outs may address this crawler. links:
    whether Page.links are wanted; without them, all else is the same and costs a sixth less.
    """
    url = requestable(url)[0] or url
    page = utf8(body[:max_bytes], next((value for name, value in headers if name == "content-type"), None))
    try:
        tree = LexborHTMLParser(shallow(page), options=_AS_WRITTEN)
    except SelectolaxError:  # the parser gave up
        tree = LexborHTMLParser("")
    swept = Sweep(tree, links)
    base = (requestable(swept.base, url)[0] if swept.base and swept.base.strip(SPACE) else "") or url
    join = Join(base)
    found = (*optout.evidence(headers, token), *optout.evidence(swept.metas, token, meta=True))
    follow = not any(one.signal in ("nofollow", "none") for one in found)
    described_here = jsonld.read(swept.blocks)
    licence, scope = _licence(swept, described_here.licences, join)
    elements = pairs(swept, join)
    return Page(
        url=url,
        title=_title(swept),
        language=swept.language,
        base=base,
        pairs=(*elements, *described(swept.metas, described_here.images, join, elements)),
        links=join.links(swept.hrefs) if links and follow else (),
        optout=tuple(one for one in found if one.signal not in _PERMISSIVE),
        licence=licence,
        licence_scope=scope,
        canonical=join.link(swept.canonical) if swept.canonical else None,
    )


def _licence(swept: Sweep, described_licences: Sequence[str], join: Join) -> tuple[str | None, str | None]:
    for name, content in swept.metas:
        if name in METAS:
            swept.licences.say(content, "meta")
    for value in reversed(described_licences):  # the page's own stands first
        swept.licences.say(value, "jsonld")
    return swept.licences.chosen(join)


def _title(swept: Sweep) -> str:
    if swept.title is None:
        return ""
    return " ".join(swept.title.text()[: 4 * MAX_URL].split())[:_MAX_TITLE]
