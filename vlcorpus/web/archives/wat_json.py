"""The JSON of a WAT record, as far as it is wanted.

    read = reader(WholeHead, TitledImage, Anchor)
    found = read(b'{"Container":{...},"Envelope":{...}}')      Found, or None where the record is about no HTML page
    found.links                             [TitledImage(url="a.jpg", alt="a cat", title=None), Other5(), ...]

A record is decoded straight into these classes; of links, only what the asked-for classes name is kept. A record that
does not fit (a link with a number for a URL, an element nobody has heard of) is decoded again loosely, and what does
not fit is left out, so that one bad link costs itself. Raises BadRecord for what is no JSON, and for a page without a
URL or a container.

Cost: 1 GB/s of JSON. The names of links are those that ia-web-commons writes (ExtractingParseObserver).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from itertools import product
from typing import Any, Generic, TypeVar, Union

import msgspec
from msgspec import Struct

IMAGE = "IMG@/src"
ANCHOR = "A@/href"
_SOURCES = "APPLET AUDIO EMBED FRAME IFRAME IMG INPUT SCRIPT SOURCE TRACK VIDEO"
# Every element may have these.
_ANYWHERE = (
    "A AMP-IMG AREA ARTICLE ASIDE BLOCKQUOTE BODY BUTTON CENTER DIV DL EM FIGCAPTION FIGURE FONT FOOTER FORM H1 H2 H3"
    " H4 H5 H6 HEADER HTML I IFRAME IMG INPUT LABEL LI LINK MAIN META NAV NOSCRIPT OBJECT OL OPTION P PRE SCRIPT"
    " SECTION SELECT SPAN STRONG STYLE SVG TABLE TBODY TD TEXTAREA TH THEAD TIME TR UL VIDEO"
)
_PATHS = (
    ANCHOR,
    *(f"{element}@/src" for element in _SOURCES.split() if element != "IMG"),
    *(f"{element}@/cite" for element in ("Q", "BLOCKQUOTE", "DEL", "INS")),
    *(f"{element}@/{name}" for element, name in product(_ANYWHERE.split(), ("background", "data-href", "data-uri"))),
    *(f"{element}@/onclick" for element in ("DIV", "INPUT")),
    *(f"{element}@/formaction" for element in ("BUTTON", "INPUT")),
    *(f"OBJECT@/{name}" for name in ("codebase", "cdata", "data")),
    *(f"APPLET@/{name}" for name in ("codebase", "cdata")),
    "AREA@/href", "FORM@/action", "IMG@/longdesc", "MENUITEM@/icon", "STYLE/#text", "VIDEO@/poster",
)  # fmt: skip


class BadRecord(ValueError):
    """The record says nothing that can be used. url: of the page, if it says that."""

    def __init__(self, url: str = "") -> None:
        super().__init__("bad WAT record")
        self.url = url


class DoesNotFit(ValueError):
    """Part of the record is not what its reader knows."""


class Image(Struct, tag_field="path", tag=IMAGE, gc=False):
    url: str | None = None
    alt: str | None = None


class TitledImage(Struct, tag_field="path", tag=IMAGE, gc=False):
    url: str | None = None
    alt: str | None = None
    title: str | None = None


class Anchor(Struct, tag_field="path", tag=ANCHOR, gc=False):
    url: str = ""
    rel: str | None = None


class Idle:
    """A relation that does not speak of a licence. Which it is nobody asks."""


_IDLE = Idle()


class IdleAnchor(Struct, tag_field="path", tag=ANCHOR, gc=False):
    """An anchor of which only its relation is looked at. What may speak of a licence does not fit."""

    rel: Idle = _IDLE


class Link(Struct, gc=False):
    """Any link, where all are wanted."""

    path: str | None = None
    url: str | None = None
    alt: str | None = None


class Meta(Struct, gc=False, rename={"equivalent": "http-equiv"}):
    name: str | None = None
    property: str | None = None
    equivalent: str | None = None
    content: str | None = None


class HeadLink(Struct, gc=False):
    url: str | None = None
    rel: str | None = None


class BareHead(Struct, gc=False, rename="pascal"):
    base: str | None = None


class Head(Struct, gc=False, rename="pascal"):
    base: str | None = None
    metas: list[Meta] = []


class WholeHead(Struct, gc=False, rename="pascal"):
    base: str | None = None
    metas: list[Meta] = []
    title: str | None = None
    link: list[HeadLink] = []


H = TypeVar("H", BareHead, Head, WholeHead)
L = TypeVar("L")
_NONE = msgspec.Raw(b"{}")
S = TypeVar("S", bound=Struct)


class Html(Struct, Generic[H, L], gc=False, rename="pascal"):
    head: H | None = None
    links: list[L] = []


class Message(Struct, gc=False, rename="pascal"):
    status: str | int | None = None


class Response(Struct, Generic[H, L], gc=False, rename={"message": "Response-Message", "html": "HTML-Metadata"}):
    html: Html[H, L] | None = None
    message: Message | None = None
    # Few want them, so they are decoded apart.
    headers: msgspec.Raw = msgspec.field(name="Headers", default=_NONE)


class Payload(Struct, Generic[H, L], gc=False, rename={"response": "HTTP-Response-Metadata"}):
    response: Response[H, L] | None = None


class Fields(Struct, gc=False, rename={"url": "WARC-Target-URI", "date": "WARC-Date"}):
    url: str | None = None
    date: str = ""


class Envelope(
    Struct, Generic[H, L], gc=False, rename={"payload": "Payload-Metadata", "fields": "WARC-Header-Metadata"}
):
    payload: Payload[H, L] | None = None
    fields: Fields | None = None


class Container(Struct, gc=False, rename="pascal"):
    filename: str | None = None
    offset: str | int | None = None


class Record(Struct, Generic[H, L], gc=False, rename="pascal"):
    envelope: Envelope[H, L]
    container: Container | None = None


class Found(Struct, Generic[H, L], gc=False):
    """A page: what a record of one must have, out of its wrappings. offset: of the page's record in its WARC file."""

    url: str
    date: str
    warc_file: str
    warc_offset: int | None
    status: int | None
    headers: msgspec.Raw
    head: H
    links: list[L]
    anchors: list[Anchor] = []  # of the links, if they were asked for


def _idle(kind: type, said: object) -> Idle:
    if kind is not Idle or not isinstance(said, str) or "icense" in said:
        raise ValueError
    return _IDLE


@functools.cache
def reader(head: type[H], *wanted: type[Struct], strict: bool = False) -> Callable[[bytes], Found[H, Any] | None]:
    """wanted: classes of links. Link alone for all of them; else links of other kinds come as empty objects.

    strict: what does not fit is not read loosely, but raises DoesNotFit.
    """
    decoder: msgspec.json.Decoder[Record[H, Any]]
    if wanted == (Link,):
        decoder = msgspec.json.Decoder(Record[head, Link])  # type: ignore[valid-type]
    else:
        known = {kind.__struct_config__.tag for kind in wanted}
        rest: list[type[Struct]] = [
            msgspec.defstruct(f"Other{number}", [], tag_field="path", tag=path, gc=False)
            for number, path in enumerate(path for path in dict.fromkeys((IMAGE, *_PATHS)) if path not in known)
        ]
        kinds: Any = Union.__getitem__((*wanted, *rest))  # a number of types that is known here only
        decoder = msgspec.json.Decoder(Record[head, kinds], dec_hook=_idle)  # type: ignore[valid-type]
    decode = decoder.decode

    def read(body: bytes) -> Found[H, Any] | None:
        try:
            record = decode(body)
        except msgspec.ValidationError:
            if strict:
                raise DoesNotFit from None
            record = _loosely(body, head, wanted)
        except (msgspec.DecodeError, ValueError, RecursionError):
            raise BadRecord from None
        payload = record.envelope.payload
        response = payload.response if payload is not None else None
        html = response.html if response is not None else None
        if response is None or html is None:
            return None
        return _page(record, response, html, head)

    return read


_HEADERS = msgspec.json.Decoder(dict[str, str | list[str]])


def headers(found: msgspec.Raw) -> dict[str, str | list[str]]:
    """The headers of a page's answer, as written; a list where one came more than once. found: Found.headers."""
    try:
        return _HEADERS.decode(found)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _loose_headers(found)


def _loose_headers(body: msgspec.Raw) -> dict[str, str | list[str]]:
    found: dict[str, str | list[str]] = {}
    try:
        told = _object(msgspec.json.decode(body))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return found
    for name, value in told.items():
        if isinstance(value, str):
            found[name] = value
        elif isinstance(value, list):
            found[name] = [each for each in value if isinstance(each, str)]
    return found


def _page(record: Record[H, Any], response: Response[H, Any], html: Html[H, Any], head: type[H]) -> Found[H, Any]:
    fields, container, message = record.envelope.fields, record.container, response.message
    if fields is None or not fields.url or container is None or not container.filename:
        raise BadRecord((fields.url if fields is not None else None) or "")
    return Found(
        fields.url,
        fields.date,
        container.filename,
        _number(container.offset),
        _number(message.status) if message is not None else None,
        response.headers,
        html.head or head(),
        html.links,
    )


def _number(said: str | int | None) -> int | None:
    if said is None:
        return None
    try:
        found = int(said)
    except ValueError:
        return None
    return found if 0 <= found < 1 << 63 else None


def _loosely(body: bytes, head: type[H], wanted: tuple[type[Struct], ...]) -> Record[H, Any]:
    """The record without what does not fit. Raises BadRecord where nothing does."""
    try:
        record = msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise BadRecord from None
    envelope = _object(_object(record).get("Envelope"))
    if not envelope:
        raise BadRecord
    fields, container = _object(envelope.get("WARC-Header-Metadata")), _object(record.get("Container"))
    response = _object(_object(envelope.get("Payload-Metadata")).get("HTTP-Response-Metadata"))
    html = response.get("HTML-Metadata")
    return Record(
        Envelope(
            Payload(
                Response(
                    _html(html, head, wanted) if isinstance(html, dict) else None,
                    Message(_of(_object(response.get("Response-Message")).get("Status"), str, int)),
                    msgspec.Raw(msgspec.json.encode(_object(response.get("Headers")))),
                )
            ),
            Fields(_of(fields.get("WARC-Target-URI"), str), _of(fields.get("WARC-Date"), str) or ""),
        ),
        Container(_of(container.get("Filename"), str), _of(container.get("Offset"), str, int)),
    )


def _html(html: dict[str, Any], kind: type[H], wanted: tuple[type[Struct], ...]) -> Html[H, Any]:
    by_path = {each.__struct_config__.tag: each for each in wanted}
    links = []
    for link in _list(html.get("Links")):
        fitting = by_path.get(_of(_object(link).get("path"), str) or "", Link if Link in wanted else None)
        if fitting is not None:
            links.append(_some(fitting, _object(link)))
    told = _object(html.get("Head"))
    head = kind(base=_of(told.get("Base"), str))
    if not isinstance(head, BareHead):
        head.metas = [_some(Meta, each) for each in _list(told.get("Metas")) if isinstance(each, dict)]
    if isinstance(head, WholeHead):
        head.title = _of(told.get("Title"), str)
        head.link = [_some(HeadLink, each) for each in _list(told.get("Link")) if isinstance(each, dict)]
    return Html(head, links)


def _some(kind: type[S], told: dict[str, Any]) -> S:
    names = zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True)
    return kind(**{name: value for name, written in names if (value := _of(told.get(written), str)) is not None})


def _of(value: Any, *kinds: type) -> Any:
    return value if isinstance(value, kinds) and not isinstance(value, bool) else None


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
