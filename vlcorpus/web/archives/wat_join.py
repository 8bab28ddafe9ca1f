"""Image URLs as a WAT holds them, made absolute.

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
from typing import Literal
from urllib.parse import urljoin

from vlcorpus.net.url import requestable

NO_SOURCE = "no_source"
INLINE_IMAGE = "inline_image"
SVG = "svg"
MAX_URL = 2_000  # characters of a rejected URL that is reported

SPACE = " \t\r\n\f"
_DATA = re.compile(r"\s*data:", re.IGNORECASE)
_ABSOLUTE = re.compile(r"https?://", re.IGNORECASE)
_SVG = re.compile(r"[^?#]*\.svgz?(?:[?#]|$)", re.IGNORECASE | re.DOTALL)

# Without what urljoin or a browser treats apart: control characters, backslashes, parameters, fragments, schemes, dot
# segments, half characters. No character can be taken in two ways, so none is looked at more than once or twice.
_NEVER = r"\x00-\x1f\x7f\\\ud800-\udfff"
_DOTS = r"(?!\.{1,2}(?:[/?]|$))"
_SEGMENT = rf"{_DOTS}[^{_NEVER}/?#;]+"
_FIRST = rf"(?! ){_DOTS}[^{_NEVER}/?#;:]+"
_QUERY = rf"(?:\?[^{_NEVER}#]+)?"
_HOST = r"[a-z0-9\-]{1,62}(?:\.[a-z0-9\-]{1,62}){1,5}"
# By number: below the base's origin, its folder, its scheme.
_RELATIVE = re.compile(
    rf"(?:(/{_SEGMENT}(?:/+{_SEGMENT})*/*{_QUERY})|({_FIRST}(?:/{_SEGMENT})*/?{_QUERY})"
    rf"|(//{_HOST}(?:/[^{_NEVER}?#;]*{_QUERY})?))(?<! )"
)
# A base of which the same can be told without parsing: its origin, its scheme, and its folder if it has one.
_PLAIN = r"[!-\"$-\-0-:<->@-\[\]-~][!-\"$-.0-:<->@-\[\]-~]*"
_BASE = re.compile(rf"((https?:)//{_HOST}(?::\d{{1,5}})?)(?:(/(?:{_PLAIN}/)*)[!-\"$-.0->@-\[\]-~]*)?(?:[?#][!-~]*)?")
# What `requestable` takes as it is or repairs; and the host is followed by what begins a path.
_TAKEN = re.compile(rf"https?://{_HOST}(?:/[^\x00-\x1f\x7f\ud800-\udfff]*)?(?<! )")
# A character may become twelve when it is escaped, and `requestable` takes 8192.
_MAX_TAKEN, _MAX_BASE = 500, 1_000
# What `requestable` gives as it is.
_CLEAN = re.compile(
    r"https?://(?:[a-z0-9][a-z0-9\-]{0,61}\.){1,6}[a-z]{2,24}(?:/(?!\.|%2)[A-Za-z0-9%:@!$&'()*+,;=~\-._|\[\]]*)+"
    r"(?:\?[A-Za-z0-9/%:@!$&()*+,;=~\-._|\[\]?{}`^]*)?"
)

# By the number of a kind of _RELATIVE; "" as the first, for they are counted from one.
Before = tuple[str, str, str, str]


class Base:
    """What the relative URLs of one page are joined to."""

    __slots__ = ("_before", "url")

    def __init__(self, url: str) -> None:
        """url: absolute; of `judge`, one that `requestable` gave."""
        self.url = url
        self._before: Before | Literal[False] | None = False

    @property
    def before(self) -> Before | None:
        """What urljoin puts before a URL of each kind, whatever the URL; None if that cannot be said."""
        if self._before is False:
            parts = _BASE.fullmatch(self.url)
            if parts is not None:
                self._before = ("", parts[1], parts[1] + (parts[3] or "/"), parts[2])
            else:
                self._before = _probed(self.url)
        return self._before

    def join(self, found: str) -> str:
        """What urljoin(url, found) gives. Raises ValueError where it does."""
        if not found:
            return self.url
        url = self._simply(found)
        return urljoin(self.url, found) if url is None else url

    def _simply(self, found: str) -> str | None:
        """The same, where it is simple."""
        if len(found) > _MAX_TAKEN or len(self.url) > _MAX_BASE:
            return None
        beside = found[:2] == "./"
        if beside:
            found = found[2:]
        plain = _RELATIVE.fullmatch(found)
        if plain is None or (beside and plain.lastindex != 2):
            return None
        before = self.before
        return None if before is None else before[plain.lastindex or 0] + found

    def judge(self, found: str) -> tuple[str, str | None]:
        """(absolute URL, None) or (URL or what was found, reason)."""
        url, reason = self.absolute(found)
        return (url, SVG) if reason is None and is_drawing(url) else (url, reason)

    def absolute(self, found: str) -> tuple[str, str | None]:
        """The same, whatever the image is of."""
        if found[:5] == "data:":
            return _inline(found)
        if found[:4] == "http" and len(found) <= _MAX_TAKEN and _TAKEN.fullmatch(found) is not None:
            return found, None
        joined = self._simply(found)
        return self._repaired(found) if joined is None else (joined, None)

    def _repaired(self, found: str) -> tuple[str, str | None]:
        if not found.strip(SPACE):
            return "", NO_SOURCE
        if _DATA.match(found):
            return _inline(found)
        clean, reason = requestable(found, self.url)
        if reason is not None:
            return found[:MAX_URL], reason
        found = found.strip(SPACE)
        if _ABSOLUTE.match(found):
            url = found
        elif "\\" in found:  # browsers, and so `requestable`, read these otherwise than urljoin, which may raise
            url = clean
        else:
            url = urljoin(self.url, found)
            url = url if url[-1:] not in SPACE else clean
        return url, None


def clean(url: str) -> str:
    """What `requestable` gives for the URL of a page, "" where it refuses."""
    return url if len(url) <= MAX_URL and _CLEAN.fullmatch(url) is not None else requestable(url)[0]


def is_drawing(url: str) -> bool:
    """Whether the path is that of a vector image."""
    return "svg" in url.lower() and _SVG.match(url) is not None


def _inline(found: str) -> tuple[str, str]:
    return found[: min(found.find(",") + 1 or 100, 100)].strip(SPACE), INLINE_IMAGE


def _probed(base: str) -> Before | None:
    try:
        rooted, below, hosted = (urljoin(base, probe) for probe in ("/x", "x", "//h.x/x"))
    except ValueError:
        return None
    if not (rooted.endswith("/x") and below.endswith("x") and hosted.endswith("//h.x/x")):
        return None
    return "", rooted[:-2], below[:-1], hosted[:-7]
