"""The page URLs of a sitemap, a sitemap index, an RSS or Atom feed, or a text file of URLs, gzipped or not.

    found = read(b"<urlset><url><loc>https://example.com/a</loc></url></urlset>", url="https://example.com/sitemap.xml")
    found        Sitemap(kind="sitemap", pages=("https://example.com/a",), sitemaps=(), reason=None)

    root                      kind       gives
    urlset                    sitemap    pages: url/loc (not image:loc or video:loc)
    sitemapindex              index      sitemaps: sitemap/loc
    rss, RDF                  feed       pages: item/link
    feed                      feed       pages: entry/link of rel alternate
    lines of URLs             text       pages
    anything else             None       nothing

The rules are sitemaps.org's; feeds are as RFC 4287 and the RSS specifications have them. Namespaces are not asked for,
since many files have none or wrong ones. What is broken gives what stands before the break, and a reason.

XML from strangers: expat reads it as a stream; a document type with declarations of its own is refused, so no entity is
ever expanded; nothing is loaded. At most MAX_BYTES after decompression and MAX_URLS are read, MAX_DEPTH elements deep.
Cost: 2 microseconds a URL of a sitemap to parse, and 5 to check. Not for: HTML.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import Literal
from xml.parsers import expat

from vlcorpus.net.inflate import Inflater
from vlcorpus.net.url import requestable

MAX_BYTES = 50 * 1024 * 1024  # sitemaps.org's own limits
MAX_URLS = 50_000
MAX_DEPTH = 32
_MAX_TEXT = 8_192  # characters of a URL
_MAX_LOOKED_AT = 4 * MAX_URLS  # with those that come twice or cannot be requested
_MAX_REPAIRS = 1_000_000

Kind = Literal["sitemap", "index", "feed", "text"]

MALFORMED = "malformed"  # broken XML, or a broken gzip stream
DOCTYPE = "doctype"  # declarations of its own
TOO_LARGE = "too_large"
TOO_MANY = "too_many"
TOO_DEEP = "too_deep"
REASONS = (MALFORMED, DOCTYPE, TOO_LARGE, TOO_MANY, TOO_DEEP)

_ROOTS: dict[str, Kind] = {"urlset": "sitemap", "sitemapindex": "index", "rss": "feed", "RDF": "feed", "feed": "feed"}
# Before the root element there may be declarations, comments and a document type.
_ROOT = re.compile(
    rb"(?:\s++|<\?[^>]{0,4000}\?>|<!--.{0,4000}?-->|<!DOCTYPE[^>\[]{0,1000}(?:\[.{0,4000}?\]\s*)?>){0,50}+"
    rb"<(?:[A-Za-z_][\w.\-]{0,50}:)?(urlset|sitemapindex|rss|RDF|feed)[\s/>]",
    re.DOTALL,
)
_URL_LINE = re.compile(rb"\s*https?://\S+\s*(?:\n|\Z)", re.IGNORECASE)
_SNIFFED = 16_384
# Many write a bare & in URLs, and feeds use names that only HTML has.
_BARE = re.compile(rb"&(?!(?:amp|lt|gt|quot|apos|#[0-9]{1,7}|#x[0-9A-Fa-f]{1,6});)")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_UTF8 = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Sitemap:
    """pages, sitemaps: URLs as `requestable` gives them, each once, in document order. kind: None if it is none.

    reason: None, or one of REASONS where something was left out. refused: URLs that cannot be requested.
    """

    kind: Kind | None
    pages: tuple[str, ...] = ()
    sitemaps: tuple[str, ...] = ()
    reason: str | None = None
    refused: int = 0


class _Enough(Exception):
    """Reading stops here, with this reason."""


def read(body: bytes, *, url: str) -> Sitemap:
    """What `body`, the answer to `url`, lists. Never raises for bytes."""
    body, reason = _plain(body)
    if _ROOT.match(_start(body)):
        return _xml(body, url, reason)
    if _URL_LINE.match(body[:_SNIFFED].removeprefix(_UTF8)):
        return _text(body, url, reason)
    return Sitemap(None, reason=reason)


def _plain(body: bytes) -> tuple[bytes, str | None]:
    reason = None
    if body[:2] == b"\x1f\x8b":
        stream = Inflater("gzip")
        try:
            parts = [stream.feed(body, MAX_BYTES)]
        except zlib.error:
            return _salvaged(body), MALFORMED
        body = parts[0]
        reason = None if stream.whole else MALFORMED
    return (body[:MAX_BYTES], TOO_LARGE) if len(body) > MAX_BYTES else (body, reason)


def _salvaged(body: bytes) -> bytes:
    """What a broken gzip stream holds before the break."""
    stream = zlib.decompressobj(31)
    parts: list[bytes] = []
    room = MAX_BYTES
    try:
        for at in range(0, len(body), 4096):
            parts.append(stream.decompress(body[at : at + 4096], room))
            room -= len(parts[-1])
            if room <= 0:
                break
    except zlib.error:
        pass
    return b"".join(parts)


def _start(body: bytes) -> bytes:
    """The first characters as ASCII, whatever the encoding."""
    start = body[:_SNIFFED]
    if start[:2] in _UTF16:
        return start.decode("utf-16", "ignore").encode("ascii", "replace")
    return start.removeprefix(_UTF8)


def _xml(body: bytes, url: str, reason: str | None) -> Sitemap:
    # White space before the declaration is an error in XML, and common.
    body = body if body[:2] in _UTF16 else body.removeprefix(_UTF8).lstrip()
    found, trouble = _parsed(body, url)
    if trouble == MALFORMED and body[:2] not in _UTF16 and body.count(b"&") <= _MAX_REPAIRS:
        repaired = _repaired(body)
        if repaired != body:
            found, trouble = _parsed(repaired, url)
    return Sitemap(found.kind, tuple(found.pages), tuple(found.sitemaps), trouble or reason, found.refused)


def _parsed(body: bytes, url: str) -> tuple[_Reader, str | None]:
    found = _Reader(url)
    try:
        found.parse(body)
    except _Enough as stop:
        return found, str(stop)
    except (expat.ExpatError, ValueError, LookupError):  # not XML; an encoding that is none
        return found, MALFORMED
    return found, None


def _repaired(body: bytes) -> bytes:
    """With each & that begins no reference of XML written as one, but for CDATA, where it stands for itself."""
    parts: list[bytes] = []
    at = 0
    while (start := body.find(b"<![CDATA[", at)) >= 0 and (end := body.find(b"]]>", start)) >= 0:
        parts += [_BARE.sub(b"&amp;", body[at:start]), body[start:end]]
        at = end
    return b"".join([*parts, _BARE.sub(b"&amp;", body[at:])])


class _Reader:
    """Handlers for expat. The path of open elements, by local name, says what a text or a link is."""

    def __init__(self, url: str) -> None:
        self.kind: Kind | None = None
        self.pages: dict[str, None] = {}
        self.sitemaps: dict[str, None] = {}
        self.refused = 0
        self._url = url
        self._path: list[str] = []
        self._prefixes = {""}
        self._words: list[str] | None = None
        self._size = 0
        self._looked_at = 0

    def parse(self, body: bytes) -> None:
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._on_start
        parser.EndElementHandler = self._on_end
        parser.CharacterDataHandler = self._on_words
        parser.StartDoctypeDeclHandler = self._on_doctype
        parser.EntityDeclHandler = self._on_entity
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        parser.Parse(body, True)

    def _on_doctype(self, name: str, system: str | None, public: str | None, has_declarations: bool) -> None:
        if has_declarations:
            raise _Enough(DOCTYPE)

    def _on_entity(self, *declared: object) -> None:
        raise _Enough(DOCTYPE)

    def _on_start(self, name: str, attributes: dict[str, str]) -> None:
        prefix, _, local = name.rpartition(":")
        if not self._path:
            self.kind = _ROOTS.get(local)
            self._prefixes.add(prefix)
        self._path.append(local)
        if len(self._path) > MAX_DEPTH:
            raise _Enough(TOO_DEEP)
        self._words = None
        above = self._path[-2] if len(self._path) > 1 else ""
        if prefix not in self._prefixes:
            return  # an extension's: image:loc, atom:link in RSS
        if local == "loc" and len(self._path) == 3:
            if (self.kind, above) in (("sitemap", "url"), ("index", "sitemap")):
                self._words, self._size = [], 0
        elif local == "link" and self.kind == "feed":
            if above == "item":
                self._words, self._size = [], 0
            elif above == "entry" and attributes.get("rel", "alternate") == "alternate" and "href" in attributes:
                self._add(attributes["href"])

    def _on_words(self, words: str) -> None:
        if self._words is not None and self._size <= _MAX_TEXT:
            self._words.append(words)
            self._size += len(words)

    def _on_end(self, name: str) -> None:
        self._path.pop()
        if self._words is not None:
            words, self._words = "".join(self._words).strip(), None
            if words:
                self._add(words)

    def _add(self, found: str) -> None:
        into = self.sitemaps if self.kind == "index" else self.pages
        self._looked_at += 1
        if self._looked_at > _MAX_LOOKED_AT:
            raise _Enough(TOO_MANY)
        url, reason = requestable(found[: _MAX_TEXT + 1], self._url)
        if reason is not None:
            self.refused += 1
            return
        if url in into:
            return
        if len(into) == MAX_URLS:
            raise _Enough(TOO_MANY)
        into[url] = None


def _text(body: bytes, url: str, reason: str | None) -> Sitemap:
    pages: dict[str, None] = {}
    refused = 0
    for number, line in enumerate(body.removeprefix(_UTF8).splitlines()):
        if number >= _MAX_LOOKED_AT:
            return Sitemap("text", tuple(pages), (), TOO_MANY, refused)
        if not line.strip():
            continue
        if len(line) > _MAX_TEXT:
            refused += 1
            continue
        found, why = requestable(line.decode("utf-8", "replace").strip())
        if why is not None:
            refused += 1
        elif len(pages) == MAX_URLS and found not in pages:
            return Sitemap("text", tuple(pages), (), TOO_MANY, refused)
        else:
            pages[found] = None
    return Sitemap("text", tuple(pages), (), reason, refused)
