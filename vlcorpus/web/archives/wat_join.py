"""Image URLs as a WAT holds them, made absolute, many a microsecond.

    base = Base("https://a.example/x/y.html")
    base.join("img/1.jpg?w=3")        "https://a.example/x/img/1.jpg?w=3", as urllib.parse.urljoin does
    base.judge("data:image/gif;base64,")     ("data:image/gif;base64,", "inline_image")
    base.judge(" ../i mg.jpg")        ("https://a.example/i mg.jpg", None)

Most relative URLs need no repair: letters, no dot segment, no fragment. Those are put behind what urljoin makes of the
base, once a page; all others go the slow way, and the tests hold that both ways say the same.

Cost: 0.5 us a URL, 5 to 15 us one that needs repair.
"""

from __future__ import annotations

import re
from urllib.parse import urljoin

from vlcorpus.net.url import requestable

NO_SOURCE = "no_source"
INLINE_IMAGE = "inline_image"
SVG = "svg"
MAX_URL = 2_000  # characters of a rejected URL that is reported

_SPACE = " \t\r\n\f"
_DATA = re.compile(r"\s*data:", re.IGNORECASE)
_ABSOLUTE = re.compile(r"https?://", re.IGNORECASE)
_SVG = re.compile(r"[^?#]*\.svgz?(?:[?#]|$)", re.IGNORECASE | re.DOTALL)

# Printable ASCII in segments that do not begin with a dot; a query only if it has something in it. Without what urljoin
# or a browser treats apart: white space, backslashes, parameters, fragments, schemes.
_QUERY = r"(?:\?[!-\"$-\[\]-~]{1,500})?"
_SEGMENT = r"[!-\"$-\-0-:<->@-\[\]-~][!-\"$-.0-:<->@-\[\]-~]{0,200}"
_FIRST = r"[!-\"$-\-0-9<->@-\[\]-~][!-\"$-.0-9<->@-\[\]-~]{0,200}"
_HOST = r"[a-z0-9\-]{1,62}(?:\.[a-z0-9\-]{1,62}){1,3}"
# By number: below the base's origin, its folder, its scheme.
_RELATIVE = re.compile(
    rf"((?:/{_SEGMENT}){{1,20}}/?{_QUERY})|({_FIRST}(?:/{_SEGMENT}){{0,20}}/?{_QUERY})"
    rf"|(//{_HOST}(?:/[!-\"$-:<->@-\[\]-~]{{0,1000}}{_QUERY})?)"
)
# A base of which the same can be told without parsing: its origin, its scheme, and its folder if it has one.
_BASE = re.compile(
    rf"((https?:)//{_HOST}(?::\d{{1,5}})?)(?:(/(?:{_SEGMENT}/){{0,30}})[!-\"$-.0->@-\[\]-~]{{0,1000}})?(?:[?#][!-~]{{0,2000}})?"
)
# What `requestable` takes as it is or repairs; and the host is followed by what begins a path.
_TAKEN = re.compile(rf"https?://{_HOST}(?:/[!-~]{{0,2000}})?")


class Base:
    """What the relative URLs of one page are joined to."""

    __slots__ = ("_before", "url")

    def __init__(self, url: str) -> None:
        """url: absolute; of `judge`, one that `requestable` gave."""
        self.url = url
        # What urljoin puts before a path, whatever the path; "" as the first, by which _RELATIVE's groups are counted.
        self._before: tuple[str, str, str, str] | None
        parts = _BASE.fullmatch(url)
        if parts is not None:
            self._before = ("", parts[1], parts[1] + (parts[3] or "/"), parts[2])
        else:
            self._before = _probed(url)

    def join(self, found: str) -> str:
        """What urljoin(url, found) gives. Raises ValueError where it does."""
        if self._before is not None and len(found) <= 1000:
            plain = _RELATIVE.fullmatch(found)
            if plain is not None:
                return self._before[plain.lastindex or 0] + found
        return urljoin(self.url, found)

    def judge(self, found: str) -> tuple[str, str | None]:
        """(absolute URL, None) or (URL or what was found, reason)."""
        if found[:5] == "data:":
            return _inline(found)
        if _TAKEN.fullmatch(found) is not None:
            url = found
        else:
            plain = _RELATIVE.fullmatch(found) if len(found) <= 1000 and len(self.url) <= 1000 else None
            if plain is None or self._before is None:
                return self._repaired(found)
            url = self._before[plain.lastindex or 0] + found
        if "svg" in url.lower() and _SVG.match(url) is not None:
            return url, SVG
        return url, None

    def _repaired(self, found: str) -> tuple[str, str | None]:
        if not found.strip(_SPACE):
            return "", NO_SOURCE
        if _DATA.match(found):
            return _inline(found)
        clean, reason = requestable(found, self.url)
        if reason is not None:
            return found[:MAX_URL], reason
        found = found.strip(_SPACE)
        if _ABSOLUTE.match(found):
            url = found
        elif "\\" in found:  # browsers, and so `requestable`, read these otherwise than urljoin, which may raise
            url = clean
        else:
            url = urljoin(self.url, found)
            url = url if url[-1:] not in _SPACE else clean
        return url, SVG if _SVG.match(url) else None


def _inline(found: str) -> tuple[str, str]:
    return found[: min(found.find(",") + 1 or 100, 100)].strip(_SPACE), INLINE_IMAGE


def _probed(base: str) -> tuple[str, str, str, str] | None:
    try:
        rooted, below, hosted = (urljoin(base, probe) for probe in ("/x", "x", "//h.x/x"))
    except ValueError:
        return None
    if not (rooted.endswith("/x") and below.endswith("x") and hosted.endswith("//h.x/x")):
        return None
    return "", rooted[:-2], below[:-1], hosted[:-7]
