"""WAT files made by hand, or from pages as Common Crawl's extractor would make them.

    write(path, [stored(page("http://a.example/", [image("a.jpg", "a cat")]))])     one record, gzipped
    write(path, crawled([("http://a.example/", [], "<img src=a.jpg alt='a cat'>")]))  warcinfo, request, page, metadata

Shapes, names and the order of keys are those of ia-web-commons 1.1.10 (Common Crawl, 2024); every number is a string,
a header that comes twice is a list, an anchor comes when it closes, data: URLs are cut behind the comma.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from fastwarc.stream_io import Lz4Writer, ZstdWriter
from selectolax.lexbor import LexborHTMLParser, LexborNode

DATE = "2026-01-01T00:00:00Z"
WARC = "CC-MAIN-20260101000000-20260101030000-00000.warc.gz"
Json = dict[str, Any]

_ANCHOR_TEXT = 128
_DATA_URL = 128
# Element -> the attributes that are links of their own.
_PLAIN = {
    "applet": ("codebase", "cdata"), "button": ("formaction",), "embed": ("src",), "video": ("src", "poster"),
    "audio": ("src",), "track": ("src",), "source": ("src",), "frame": ("src",), "iframe": ("src",),
    "input": ("src", "formaction"), "menuitem": ("icon",), "object": ("codebase", "cdata", "data"), "q": ("cite",),
    "blockquote": ("cite",), "del": ("cite",), "ins": ("cite",),
}  # fmt: skip
# Element -> the attribute that is a link, and those that go with it.
_WITH = {
    "img": ("src", ("alt", "title")),
    "area": ("href", ("rel",)),
    "form": ("action", ("target", "method")),
    "a": ("href", ("target", "alt", "title", "rel", "hreflang", "type")),
    "link": ("href", ("rel", "type")),
    "script": ("src", ("type",)),
}
_CSS_URL = re.compile(r"url\s*\(\s*([^)\s]{1,8000}?)\s*\)")


def image(url: str, alt: str | None = None, title: str | None = None) -> Json:
    """The link of an <img>."""
    return _some(path="IMG@/src", url=url, alt=alt, title=title)


def anchor(url: str, **more: str) -> Json:
    return {"path": "A@/href", "url": url, **more}


def page(
    url: str,
    links: Sequence[object] = (),
    head: Json | None = None,
    headers: Iterable[tuple[str, str]] = (("Content-Type", "text/html"),),
    status: int | str = 200,
    date: str = DATE,
    warc: str = WARC,
    offset: int = 0,
) -> Json:
    """The JSON of an answer that is HTML."""
    html: Json = {}
    if head is not None:
        html["Head"] = head
    html["Links"] = list(links)
    answer = {
        "Response-Message": {"Version": "HTTP/1.1", "Status": str(status), "Reason": "OK"},
        "Headers-Length": "300",
        "Headers": _headers(headers),
        "HTML-Metadata": html,
        "Entity-Length": "20000",
        "Entity-Digest": "sha1:3I42H3S6NNFQ2MSVX7XZKYAYSCX5QBYJ",
        "Entity-Trailing-Slop-Length": "0",
    }
    return _enveloped(url, "response", {"HTTP-Response-Metadata": answer}, date, warc, offset)


def request(url: str, date: str = DATE, warc: str = WARC, offset: int = 0) -> Json:
    asked = {
        "Request-Message": {"Method": "GET", "Path": "/", "Version": "HTTP/1.1"},
        "Headers-Length": "263",
        "Headers": {
            "User-Agent": "bot/2.0 (https://bot.example/)",
            "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "Accept-Language": "en-US,en;q=0.5",
            "Accept-Encoding": "br,gzip",
            "Host": "a.example",
            "Connection": "Keep-Alive",
        },
        "Entity-Length": "0",
        "Entity-Digest": "sha1:3I42H3S6NNFQ2MSVX7XZKYAYSCX5QBYJ",
        "Entity-Trailing-Slop-Length": "0",
    }
    return _enveloped(url, "request", {"HTTP-Request-Metadata": asked}, date, warc, offset)


def metadata(url: str, date: str = DATE, warc: str = WARC, offset: int = 0) -> Json:
    told = {
        "Metadata-Records": [{"Name": "fetchTimeMs", "Value": "245"}, {"Name": "charset-detected", "Value": "UTF-8"}]
    }
    return _enveloped(url, "metadata", {"WARC-Metadata-Metadata": told}, date, warc, offset)


def stored(
    record: Json | bytes, url: str | None = None, date: str = "2026-01-03T00:00:00Z", length: int | None = None
) -> bytes:
    """A WARC record of JSON, or of bytes that should be. length: what Content-Length says, if not the truth."""
    block = (
        record if isinstance(record, bytes) else json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()
    )
    if url is None:
        url = _target(record) if isinstance(record, dict) else "http://a.example/"
    fields = (
        f"WARC/1.0\r\nWARC-Type: metadata\r\nWARC-Target-URI: {url}\r\nWARC-Date: {date}\r\n"
        f"WARC-Record-ID: <urn:uuid:{zlib.crc32(block):012d}>\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(block) if length is None else length}\r\n"
    )
    return fields.encode() + b"\r\n" + block + b"\r\n\r\n"


def warcinfo() -> bytes:
    block = b"Software-Info: test\r\nformat: WARC File Format 1.0\r\n\r\n"
    file = WARC.replace(".warc.", ".warc.wat.")
    fields = f"WARC/1.0\r\nWARC-Type: warcinfo\r\nWARC-Date: {DATE}\r\nWARC-Filename: {file}\r\n"
    return (
        f"{fields}Content-Type: application/warc-fields\r\nContent-Length: {len(block)}\r\n\r\n".encode()
        + block
        + b"\r\n\r\n"
    )


def crawled(pages: Iterable[tuple[str, Iterable[tuple[str, str]], str]]) -> Iterator[bytes]:
    """The records of a WAT about pages (url, headers, html): three each, behind a warcinfo."""
    yield warcinfo()
    for number, (url, headers, html) in enumerate(pages):
        head, links = read(html)
        yield stored(request(url, offset=100_000 * number))
        yield stored(page(url, links, head, headers, offset=100_000 * number + 600))
        yield stored(metadata(url, offset=100_000 * number + 90_000))


def write(path: Path, records: Iterable[bytes]) -> Path:
    """As the path's suffix says: .gz has one member a record, .zst and .lz4 are one stream."""
    if path.suffix in (".zst", ".lz4"):
        raw = io.BytesIO()
        writer = ZstdWriter(raw) if path.suffix == ".zst" else Lz4Writer(raw)
        for one in records:
            writer.write(one)
        writer.close()
        path.write_bytes(raw.getvalue())
    else:
        with path.open("wb") as file:
            for one in records:
                file.write(gzip.compress(one, 6, mtime=0) if path.suffix == ".gz" else one)
    return path


def read(html: str) -> tuple[Json, list[Json]]:
    """(Head, Links) of a page."""
    reading = _Reading()
    tree = LexborHTMLParser(html)
    for node, entering in _walk(tree.root):
        reading.enter(node) if entering else reading.leave(node)
    return reading.head, reading.links


class _Reading:
    def __init__(self) -> None:
        self.head: Json = {}
        self.links: list[Json] = []
        self._open: list[tuple[Json, list[str]]] = []

    def enter(self, node: LexborNode) -> None:
        if node.is_text_node:
            for _, words in self._open:
                words.append(node.text_content or "")
            return
        tag, attributes = node.tag or "", node.attributes
        for name in ("background", "data-href", "data-uri"):
            self._add(_link(tag, name, attributes))
        for name in _PLAIN.get(tag, ()):
            self._add(_link(tag, name, attributes))
        link = _link(tag, _WITH[tag][0], attributes, _WITH[tag][1]) if tag in _WITH else None
        match tag:
            case "a":
                self._open.append((link or {}, []))
            case "link":
                self._describe("Link", link)
            case "script":
                self._describe("Scripts", link)
            case "meta":
                told = {
                    name: attributes[name] or ""
                    for name in ("name", "rel", "content", "http-equiv", "property")
                    if name in attributes
                }
                self._describe("Metas", told if len(told) > 1 else None)
            case "html":
                for name in ("lang", "xml:lang"):
                    if name in attributes:
                        self._describe("Metas", {"name": f"HTML@/{name}", "content": attributes[name] or ""})
            case "base" if "href" in attributes:
                self.head["Base"] = attributes["href"] or ""
            case "title" if "Title" not in self.head:
                self.head["Title"] = " ".join(node.text().split())[:_ANCHOR_TEXT]
            case "style":
                for found in _CSS_URL.findall((node.text() or "")[:100_000]):
                    self.links.append({"path": "STYLE/#text", "href": _cut(found.strip("\"'"))})
            case _:
                self._add(link)
        if tag == "img":
            self._add(_link(tag, "longdesc", attributes))

    def leave(self, node: LexborNode) -> None:
        if node.tag == "a" and self._open:
            link, words = self._open.pop()
            if link:
                text = " ".join("".join(words).split())[:_ANCHOR_TEXT]
                self.links.append({**link, "text": text} if text else link)

    def _add(self, link: Json | None) -> None:
        if link is not None:
            self.links.append(link)

    def _describe(self, part: str, told: Json | None) -> None:
        if told is not None:
            self.head.setdefault(part, []).append(told)


def _walk(root: LexborNode | None) -> Iterator[tuple[LexborNode, bool]]:
    """Each node when it begins (True) and when it ends (False), at any depth."""
    todo: list[tuple[LexborNode, bool]] = [(root, True)] if root is not None else []
    while todo:
        node, entering = todo.pop()
        yield node, entering
        if entering:
            todo.append((node, False))
            todo += [(child, True) for child in reversed(list(node.iter(include_text=True)))]


def _link(tag: str, name: str, attributes: dict[str, str | None], more: Sequence[str] = ()) -> Json | None:
    if name not in attributes:
        return None
    rest = {other: attributes[other] or "" for other in more if other in attributes}
    return {"path": f"{tag.upper()}@/{name}", "url": _cut(attributes[name] or ""), **rest}


def _cut(url: str) -> str:
    if not url.startswith("data:"):
        return url
    return url[: min(url.find(",") + 1 or _DATA_URL, _DATA_URL)]


def _headers(pairs: Iterable[tuple[str, str]]) -> Json:
    found: Json = {}
    for name, value in pairs:
        if name not in found:
            found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    return found


def _enveloped(url: str, kind: str, payload: Json, date: str, warc: str, offset: int) -> Json:
    return {
        "Container": {
            "Filename": warc,
            "Compressed": True,
            "Offset": str(offset),
            "Gzip-Metadata": {
                "Deflate-Length": "423",
                "Header-Length": "10",
                "Footer-Length": "8",
                "Inflated-CRC": "1106529533",
                "Inflated-Length": "626",
            },
        },
        "Envelope": {
            "Payload-Metadata": {
                "Actual-Content-Type": f"application/http; msgtype={kind}",
                **payload,
                "Actual-Content-Length": "265",
                "Trailing-Slop-Length": "4",
                "Block-Digest": "sha1:IE7NEN3QEJHUCYRRGVMHDDW3BEHFRQ6V",
            },
            "Format": "WARC/1.0",
            "WARC-Header-Length": "357",
            "WARC-Header-Metadata": {
                "WARC-Type": kind,
                "WARC-Date": date,
                "WARC-Record-ID": "<urn:uuid:292f457d-203c-42f2-a1b5-69a4dabefd4f>",
                "Content-Length": "265",
                "Content-Type": f"application/http; msgtype={kind}",
                "WARC-Warcinfo-ID": "<urn:uuid:668d88fc-4208-41fc-b327-1aa6cb783331>",
                "WARC-IP-Address": "192.0.2.224",
                "WARC-Target-URI": url,
            },
        },
    }


def _target(record: Json) -> str:
    try:
        return str(record["Envelope"]["WARC-Header-Metadata"]["WARC-Target-URI"])
    except (KeyError, TypeError):
        return "http://a.example/"


def _some(**found: str | None) -> Json:
    return {name: value for name, value in found.items() if value is not None}
