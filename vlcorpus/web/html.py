"""The pairs and links of one HTML page.

    page = extract(b'<h1>Cats</h1><img src=a.jpg alt="a cat"><a href=b.html>b</a>', url="https://example.com/x/")
    page.pairs      (Pair(url="https://example.com/x/a.jpg", alt_text="a cat", position=0, context="Cats", ...),)
    page.links      ("https://example.com/x/b.html",)

Every <img> gives one Pair, kept (`reason` None) or rejected with one of REASONS: seen == kept + rejected. The image is
named by `src`; where that leads nowhere (missing, data:, another scheme, an SVG), by the first that does of the
attributes that lazy-loading scripts use, the largest of srcset and <picture>, and the <noscript> that follows.

Bounds: MAX_BYTES of HTML, MAX_IMAGES, MAX_LINKS, MAX_TEXT characters of a text, any depth of markup (see nesting.py).
Nothing on a page raises. Cost: 1.2 ms for a page of 150 kB, half of it parsing. Not for: pages that are drawn by
scripts, CSS backgrounds, og:image and JSON-LD, which describe the page and not an image on it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urljoin

from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from vlcorpus.net import optout
from vlcorpus.net.optout import Evidence
from vlcorpus.net.url import BAD_SCHEME, BAD_URL, origin, requestable
from vlcorpus.web.charset import decode
from vlcorpus.web.context import Contexts
from vlcorpus.web.nesting import shallow
from vlcorpus.web.srcset import largest

EMPTY_ALT = "empty_alt"  # no alt attribute, or a blank one
NO_SOURCE = "no_source"  # the element names no image
INLINE_IMAGE = "inline_image"  # a data: URL
SVG = "svg"  # a path that ends in .svg or .svgz
TEXT_TOO_LONG = "text_too_long"  # more than MAX_TEXT characters; alt_text is their beginning
REASONS = (EMPTY_ALT, NO_SOURCE, INLINE_IMAGE, BAD_SCHEME, BAD_URL, SVG, TEXT_TOO_LONG)

MAX_BYTES = 5_000_000
MAX_IMAGES = 10_000
MAX_LINKS = 10_000
MAX_TEXT = 10_000
MAX_URL = 2_000  # characters of a link; and of a rejected image URL that is reported

# Most used first.
LAZY = (
    "data-src", "data-original", "data-lazy-src", "data-lazy", "data-img-src", "data-actualsrc", "data-echo",
    "data-hi-res-src", "data-full-src",
)  # fmt: skip
LAZY_SETS = ("data-srcset", "data-lazy-srcset")

_SPACE = " \t\r\n\f"
_BLANKS = re.compile(r"\s+")
_DATA = re.compile(r"\s*data:", re.IGNORECASE)
_SVG = re.compile(r"[^?#]*\.svgz?(?:[?#]|$)", re.IGNORECASE | re.DOTALL)
_ABSOLUTE = re.compile(r"https?://", re.IGNORECASE)
# Lazy attributes also hold "true", JSON and class names.
_NAMES_A_FILE = re.compile(r"[^\s{}\[\]\"<>]*[./][^\s{}\[\]\"<>]*")
# Joins to an origin or a folder without any repair.
_PLAIN_PATH = re.compile(r"/?(?:[A-Za-z0-9_\-]+(?:\.[A-Za-z0-9_\-]+)*/)*[A-Za-z0-9_\-]+(?:\.[A-Za-z0-9_\-]+)*/?")
_CREATIVE_COMMONS = re.compile(
    r"\s*(?:https?:)?//(?:www\.)?creativecommons\.org/(?:licenses|publicdomain)/", re.IGNORECASE
)

# Directives that are no wish to be left out.
_PERMISSIVE = frozenset(
    ("all", "index", "follow", "archive", "snippet", "max-snippet", "max-image-preview", "max-video-preview")
)

Attributes = dict[str, str | None]


@dataclass(frozen=True, slots=True)
class Pair:
    """One image element.

    url: absolute, otherwise as found; for rejected ones what was found, cut. alt_text: as found. position: among the
    page's image elements. context: the figure's caption, else words beside the image, else the heading above, at most
    200 characters.
    """

    url: str
    alt_text: str
    position: int
    context: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """What one page gives.

    url: the normalised URL of the answer. base: what relative URLs were joined to. links: absolute and normalised,
    each once, in document order, without those that say nofollow; none if the page says so. licence: URL of the last
    rel=license or Creative Commons link. optout: evidence in headers and metas, without what only permits.
    """

    url: str
    title: str
    language: str
    base: str
    pairs: tuple[Pair, ...]
    links: tuple[str, ...]
    optout: tuple[Evidence, ...]
    licence: str | None

    @property
    def seen(self) -> int:
        """Image elements looked at."""
        return len(self.pairs)


def extract(
    body: bytes,
    *,
    url: str,
    headers: Sequence[tuple[str, str]] = (),
    token: str = "vlcorpus",
    max_bytes: int = MAX_BYTES,
) -> Page:
    """Read a page.

    body: decoded from transfer and content encodings. url: of the answer, after redirects, absolute. headers: of the
    answer, (name, value) with lower-case names. token: the name by which opt-outs may address this crawler.
    """
    url = requestable(url)[0] or url
    text = decode(body[:max_bytes], next((value for name, value in headers if name == "content-type"), None))
    try:
        tree = LexborHTMLParser(shallow(text))
    except SelectolaxError:  # the parser gave up
        tree = LexborHTMLParser("")
    metas = _metas(tree)
    base = _base(tree, url)
    join = _Join(base)
    root = tree.css_first("html")
    attributes = root.attributes if root is not None else {}
    found = (*optout.evidence(headers, token), *optout.evidence(metas, token))
    follow = not any(one.signal in ("nofollow", "none") for one in found)
    links, licence = _links(tree, join)
    return Page(
        url=url,
        title=_title(tree),
        language=(attributes.get("lang") or attributes.get("xml:lang") or "").strip()[:35],
        base=base,
        pairs=_pairs(tree, join),
        links=links if follow else (),
        optout=tuple(one for one in found if one.signal not in _PERMISSIVE),
        licence=licence,
    )


class _Join:
    """Joins the URLs of one page to its base."""

    def __init__(self, base: str) -> None:
        self.base = base
        self._root = origin(base)
        path = base.partition("?")[0].partition("#")[0]
        folder = path[: path.rfind("/") + 1]
        self._folder = folder if len(folder) > len(self._root) and "/." not in folder else None

    def image(self, found: str) -> tuple[str, str | None]:
        """(absolute URL, None) or (what was found, reason)."""
        if _DATA.match(found):
            return found[: min(found.find(",") + 1 or 100, 100)].strip(_SPACE), INLINE_IMAGE
        url = self._plain(found)
        if url is None:
            _, reason = requestable(found, self.base)
            if reason is not None:
                return found[:MAX_URL], reason
            found = found.strip(_SPACE)
            url = found if _ABSOLUTE.match(found) else urljoin(self.base, found)
        return url, SVG if _SVG.match(url) else None

    def link(self, found: str) -> str | None:
        """The normalised URL, None for what is no link to follow."""
        url = self._plain(found)
        if url is None:
            url, reason = requestable(found, self.base)
            if reason is not None:
                return None
        return url if len(url) <= MAX_URL else None

    def _plain(self, found: str) -> str | None:
        if len(found) > 1024 or not _PLAIN_PATH.fullmatch(found):
            return None
        if found.startswith("/"):
            return self._root + found
        return self._folder + found if self._folder else None


def _pairs(tree: LexborHTMLParser, join: _Join) -> tuple[Pair, ...]:
    contexts = Contexts(tree)
    pairs: list[Pair] = []
    for position, node in enumerate(contexts.images(MAX_IMAGES)):
        attributes = node.attributes
        alt = attributes.get("alt") or ""
        url, reason = _source(node, attributes, join)
        if not alt or alt.isspace():
            reason = EMPTY_ALT
        elif reason is None and len(alt) > MAX_TEXT:
            reason = TEXT_TOO_LONG
        context = contexts.near(node) if reason is None else ""
        pairs.append(Pair(url, alt[:MAX_TEXT], position, context, reason))
    return tuple(pairs)


def _source(node: LexborNode, attributes: Attributes, join: _Join) -> tuple[str, str | None]:
    """The image's URL. Where no attribute leads to one, the reason is that of the first."""
    first: tuple[str, str | None] | None = None
    src = attributes.get("src")
    if src and not src.isspace():
        first = join.image(src)
        if first[1] is None:
            return first
    for found in _others(node, attributes):
        url, reason = join.image(found)
        if reason is None:
            return url, None
        first = first or (url, reason)
    return first or ("", NO_SOURCE)


def _others(node: LexborNode, attributes: Attributes) -> list[str]:
    """What may name the image beside src, best first."""
    found = [value.strip(_SPACE) for name in LAZY if (value := attributes.get(name))]
    found = [value for value in found if _DATA.match(value) or _NAMES_A_FILE.fullmatch(value)]
    sets = [value for name in (*LAZY_SETS, "srcset") if (value := attributes.get(name))]
    parent = node.parent
    if parent is not None and parent.tag == "picture":
        for source in parent.iter():
            if source.tag == "source":
                sets += [value for name in ("srcset", *LAZY_SETS) if (value := source.attributes.get(name))]
    best = largest(value for value in sets if not _DATA.match(value))
    if best is not None:
        found.append(best)
    fallback = _noscript(node) or (_noscript(parent) if parent is not None and parent.tag == "picture" else None)
    if fallback is not None:
        found.append(fallback)
    return found


def _noscript(node: LexborNode) -> str | None:
    """The src of the image in a <noscript> right after the element."""
    after = node.next
    while after is not None and not after.is_element_node:
        if after.is_text_node and (after.text_content or "").strip():
            return None
        after = after.next
    if after is None or after.tag != "noscript":
        return None
    image = after.css_first("img")
    return image.attributes.get("src") if image is not None else None


def _links(tree: LexborHTMLParser, join: _Join) -> tuple[tuple[str, ...], str | None]:
    """Links to follow, and the licence."""
    licence: str | None = None
    for node in tree.css("link"):
        attributes = node.attributes
        href = attributes.get("href") or ""
        if "license" in (attributes.get("rel") or "").lower().split() or _CREATIVE_COMMONS.match(href):
            licence = _licence(href, join) or licence
    tried: set[str] = set()
    links: dict[str, None] = {}
    for node in tree.css("a"):
        attributes = node.attributes
        href = attributes.get("href") or ""
        if not href:
            continue
        words = (attributes.get("rel") or "").lower().split()
        if "license" in words or _CREATIVE_COMMONS.match(href):
            licence = _licence(href, join) or licence
        if "nofollow" in words or href in tried or len(links) >= MAX_LINKS:
            continue
        tried.add(href)
        url = join.link(href)
        if url is not None:
            links[url] = None
    return tuple(links), licence


def _licence(href: str, join: _Join) -> str | None:
    url, reason = requestable(href, join.base)
    return url if reason is None and len(url) <= MAX_URL else None


def _metas(tree: LexborHTMLParser) -> list[tuple[str, str]]:
    """(name, content) of each <meta>, the name in lower case."""
    found = []
    for node in tree.css("meta")[:1000]:
        attributes = node.attributes
        name = attributes.get("name") or attributes.get("property") or attributes.get("http-equiv")
        content = attributes.get("content")
        if name and content:
            found.append((name.strip().lower()[:100], content[:MAX_URL]))
    return found


def _base(tree: LexborHTMLParser, url: str) -> str:
    """The first <base href>, if it can be one, else the page's own URL."""
    node = tree.css_first("base[href]")
    href = node.attributes.get("href") if node is not None else None
    return (requestable(href, url)[0] if href and href.strip(_SPACE) else "") or url


def _title(tree: LexborHTMLParser) -> str:
    node = tree.css_first("head > title") or tree.css_first("body title")
    return _BLANKS.sub(" ", node.text()[: 4 * MAX_URL]).strip()[:1000] if node is not None else ""
