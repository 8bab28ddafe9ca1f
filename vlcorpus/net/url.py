"""The URL to request for a URL as found on a page.

    requestable("../a b.jpg", "https://example.com/x/y.html")     ("https://example.com/a%20b.jpg", None)
    requestable("https://bücher.example/é.png#top")               ("https://xn--bcher-kva.example/%C3%A9.png", None)
    requestable("data:image/png;base64,AAAA")                     ("", "bad_scheme")
    requestable("http://user:secret@example.com/")                ("", "bad_url")

What browsers repair is repaired (white space at the ends, backslashes, spaces, non-ASCII, dot segments, upper-case
hosts, default ports, fragments); what could be meant to confuse is refused (control characters, user names, ports of
other services). The text as found is kept elsewhere: this is only what goes on the wire. Whether a host may be
connected to is not decided here but in address.py, on the address of the connection.

Cost: about 5 microseconds a URL.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from urllib.parse import quote, unquote, urljoin

import idna

BAD_URL = "bad_url"
BAD_SCHEME = "bad_scheme"

MAX_CHARACTERS = 8192

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
_HTTP = re.compile(r"https?:", re.IGNORECASE)
_PARTS = re.compile(r"(https?)://([^/?#]*)([^?#]*)(?:\?([^#]*))?(?:#.*)?", re.IGNORECASE | re.DOTALL)
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f]")
# The common case, which needs no repair.
_PLAIN = re.compile(
    r"https?://(?:[a-z0-9][a-z0-9\-]{0,61}\.){1,6}[a-z]{2,24}(?:/(?!\.|%2[eE])[A-Za-z0-9_~%+,=\-]+(?:\.[A-Za-z0-9_~%+,=\-]+)*)+"
)
_LABEL = re.compile(r"[a-z0-9_\-]{1,63}")
_DOTS = {".": ".", "%2e": ".", "..": "..", ".%2e": "..", "%2e.": "..", "%2e%2e": ".."}
_DEFAULT_PORT = {"http": "80", "https": "443"}
_PATH_SAFE = "/%:@!$&'()*+,;=~-._|[]"
_QUERY_SAFE = "/%:@!$&()*+,;=~-._|[]?{}`^\\"

# Ports of other well-known services, to which an HTTP request could be taken for something else (the list that browsers
# use: WHATWG Fetch, "bad port").
_OTHER_SERVICES = frozenset(
    map(
        str,
        (
            0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104,
            109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515,
            526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049,
            3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
        ),
    )
)  # fmt: skip


def requestable(url: str, base: str | None = None) -> tuple[str, str | None]:
    """(the URL to request, None), or ("", reason) with reason "bad_url" or "bad_scheme".

    url: as found; relative ones need `base`, an absolute URL. The result is ASCII, has no fragment, no user name, no
    dot segment, always a path, a lower-case scheme and host, and no default port. Never raises for a str.
    """
    if len(url) <= 2048 and _PLAIN.fullmatch(url):
        return url, None
    # A scheme is looked for first: inline images can be megabytes long.
    found = url[:256].lstrip(" \t\r\n\f")
    scheme = _SCHEME.match(found)
    if scheme and not _HTTP.match(found):
        return "", BAD_SCHEME
    if len(url) > MAX_CHARACTERS:
        return "", BAD_URL
    url = url.strip(" \t\r\n\f")
    if _FORBIDDEN.search(url):
        return "", BAD_URL
    url = _forward(url)
    parts = _PARTS.fullmatch(url)
    if parts is None and base is not None:
        try:
            url = urljoin(base, url)
        except ValueError:
            return "", BAD_URL
        parts = _PARTS.fullmatch(url)
    if parts is None:
        other = _SCHEME.match(url)
        return "", BAD_SCHEME if other and not _HTTP.match(url) else BAD_URL
    protocol, netloc, path, query = parts.groups()
    protocol = protocol.lower()
    authority = _authority(protocol, netloc)
    if authority is None:
        return "", BAD_URL
    try:
        path = quote(_without_dots(path), safe=_PATH_SAFE)
        clean = f"{protocol}://{authority}{path}"
        if query is not None:
            clean += "?" + quote(query, safe=_QUERY_SAFE)
    except UnicodeEncodeError:  # a lone surrogate
        return "", BAD_URL
    return (clean, None) if len(clean) <= MAX_CHARACTERS else ("", BAD_URL)


def origin(url: str) -> str:
    """`https://example.com:8443` of a URL that `requestable` gave."""
    return url[: _after_authority(url)]


def host(url: str) -> str:
    """`example.com` of a URL that `requestable` gave; an IPv6 address comes without its brackets."""
    authority = origin(url).partition("://")[2]
    if authority.startswith("["):
        return authority[1:].partition("]")[0]
    return authority.partition(":")[0]


def target(url: str) -> str:
    """`example.com:443`, as curl's --resolve wants it, of a URL that `requestable` gave; the host is not IPv6."""
    protocol, _, authority = origin(url).partition("://")
    return authority if ":" in authority else f"{authority}:{_DEFAULT_PORT[protocol]}"


def _after_authority(url: str) -> int:
    start = url.find("://") + 3
    ends = [at for at in (url.find(mark, start) for mark in "/?#") if at >= 0]
    return min(ends, default=len(url))


def _forward(url: str) -> str:
    """Backslashes before the query become slashes, as in browsers."""
    if "\\" not in url:
        return url
    cut = min((at for at in (url.find("?"), url.find("#")) if at >= 0), default=len(url))
    return url[:cut].replace("\\", "/") + url[cut:]


@functools.lru_cache(maxsize=16384)
def _authority(protocol: str, netloc: str) -> str | None:
    if not netloc or "@" in netloc:
        return None
    if netloc.startswith("["):
        literal, bracket, rest = netloc[1:].partition("]")
        if not bracket or "%" in literal or (rest and not rest.startswith(":")):
            return None
        try:
            name = f"[{ipaddress.IPv6Address(literal).compressed}]"
        except ValueError:
            return None
        port = rest[1:]
    else:
        name, colon, port = netloc.rpartition(":")
        if not colon:
            name, port = netloc, ""
        ascii_name = _ascii_host(name)
        if ascii_name is None:
            return None
        name = ascii_name
    if port:
        if not (port.isascii() and port.isdigit()) or len(port) > 5 or int(port) > 65535:
            return None
        port = str(int(port))
        if port in _OTHER_SERVICES:
            return None
        if port != _DEFAULT_PORT[protocol]:
            name = f"{name}:{port}"
    return name


def _ascii_host(name: str) -> str | None:
    try:
        if "%" in name:
            name = unquote(name, errors="strict")
        if not name.isascii():
            name = _punycode(name)
    except UnicodeError:
        return None
    name = name.lower()
    stem = name[:-1] if name.endswith(".") else name
    if not stem or len(stem) > 253 or not all(_LABEL.fullmatch(label) for label in stem.split(".")):
        return None
    return name


def _punycode(name: str) -> str:
    try:
        return idna.encode(name, uts46=True).decode("ascii")
    except idna.IDNAError:
        # The older rules still let through emoji names, which exist.
        return name.encode("idna").decode("ascii")


def _without_dots(path: str) -> str:
    """RFC 3986, 5.2.4, with `%2e` read as a dot, as browsers do."""
    if "/." not in path and "/%2" not in path:
        return path or "/"
    kept: list[str] = []
    segments = path.split("/")[1:]
    for at, segment in enumerate(segments):
        dots = _DOTS.get(segment.lower())
        if dots is None:
            kept.append(segment)
            continue
        if dots == ".." and kept:
            kept.pop()
        if at == len(segments) - 1:
            kept.append("")
    return "/" + "/".join(kept)
