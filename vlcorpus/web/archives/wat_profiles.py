"""What to take from the pages of a WAT: three sets of rules behind one method.

    profile = Compat()
    profile.add(found, 8123, 2210)     rows of one page go to profile.rows; gives the number of images looked at
    profile.flush("a.wat.gz")     the rows as a table; profile.rejected counts those that gave none

Compat takes what cc2dataset 1.5.0 takes for images, row for row: an <img> with an alt attribute that is not empty, its
URL joined as urljoin does, if http:// or https:// in lower case begins it. `given_uid` is its uid, md5 of alt and URL.

It gives no opt-out evidence: cc2dataset looks for none.

Laion takes what the worker of LAION-5B took (crawlingathome, ccpp.py, 2022): see there. The third is in wat_full.py.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from hashlib import blake2b, md5
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urljoin, urlsplit

from vlcorpus.net.url import BAD_SCHEME, BAD_URL
from vlcorpus.web.archives import wat_json
from vlcorpus.web.archives.wat_join import INLINE_IMAGE, SVG, Base
from vlcorpus.web.archives.wat_json import BareHead, Found, Head, Image, Link
from vlcorpus.web.archives.wat_rows import About, Rows
from vlcorpus.web.archives.wat_said import named, optouts

if TYPE_CHECKING:
    import pyarrow as pa

EMPTY_ALT = "empty_alt"
TEXT_TOO_SHORT = "text_too_short"
BLOCKED_FORMAT = "blocked_format"
DUPLICATE_URL = "duplicate_url"

_HTTP = ("http://", "https://")


class Profile(Protocol):
    """read: the JSON of a record. rows: gathered so far. rejected: rows that were counted and not stored, by reason."""

    read: Callable[[bytes], Found[Any, Any] | None]
    rows: Rows
    rejected: Counter[str]

    def add(self, found: Found[Any, Any], offset: int, length: int | None) -> tuple[int, str | None]:
        """(images looked at, why the page gives none)."""

    def flush(self, file: str) -> pa.Table:
        """The rows since the last call."""


class Compat:
    def __init__(self) -> None:
        self.read = wat_json.reader(wat_json.BareHead, Image)
        self.rejected: Counter[str] = Counter()
        self._renew()

    def _renew(self) -> None:
        self.rows = Rows(("url", "alt_text"), {"text_source": "alt", "image_source": "src"})
        self._urls, self._texts = self.rows.columns["url"], self.rows.columns["alt_text"]

    def add(self, found: Found[Any, Any], offset: int, length: int | None) -> tuple[int, str | None]:
        images = [link for link in found.links if link.__class__ is Image]
        urls, texts = self._urls, self._texts
        base: Base | None = None
        before = len(urls)
        empty = 0
        for image in images:
            text = image.alt
            if not text:
                empty += 1
                continue
            url = image.url
            if url is None:
                self.rejected[BAD_URL] += 1
                continue
            if not url.startswith(_HTTP):
                if url.startswith("data:"):
                    self.rejected[INLINE_IMAGE] += 1
                    continue
                if base is None:
                    base = Base(_base(found))
                try:
                    url = base.join(url)
                except ValueError:
                    pass
                if not url.startswith(_HTTP):
                    self.rejected[BAD_SCHEME] += 1
                    continue
            urls.append(url)
            texts.append(text)
        if empty:
            self.rejected[EMPTY_ALT] += empty
        if len(urls) > before:
            self.rows.close(_about(found, offset, length))
        return len(images), None

    def flush(self, file: str) -> pa.Table:
        table = self.rows.table("wat", file)
        self._renew()
        uids = _uids(table.column("alt_text"), table.column("url"))
        return table.set_column(table.schema.get_field_index("given_uid"), table.field("given_uid"), uids)


def _uids(first: pa.ChunkedArray, second: pa.ChunkedArray) -> pa.Array:
    """Hex md5 of the one text behind the other, for each row."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    together = pc.binary_join_element_wise(first, second, "").combine_chunks()
    _, offsets, text = together.buffers()
    ends = np.frombuffer(offsets, np.int32).tolist()
    whole = text.to_pybytes()
    digests = [md5(whole[start:end]).digest() for start, end in pairwise(ends)]
    starts = np.arange(0, 32 * len(digests) + 1, 32, dtype=np.int32)
    return pa.StringArray.from_buffers(
        len(digests), pa.py_buffer(starts), pa.py_buffer(b"".join(digests).hex().encode())
    )


def _about(found: Found[Any, Any], offset: int, length: int | None, optout: list[str] | None = None) -> About:
    return About(found.url, found.date, offset, length, found.warc_file, found.warc_offset, optout)


def _base(found: Found[BareHead, Any] | Found[Head, Any]) -> str:
    """The page's URL, joined with what its <base> says."""
    if found.head.base is None:
        return found.url
    try:
        return urljoin(found.url, found.head.base)
    except ValueError:
        return found.url


# A URL as Django's URLValidator lets it through, by its rules: a host of letters, digits and hyphens with a top-level
# domain that is not all digits, or localhost, or an IP address; no white space anywhere.
_LETTER = "a-z\u00a1-\uffff"
_LABEL = rf"[{_LETTER}0-9](?:[{_LETTER}0-9\-]{{0,61}}[{_LETTER}0-9])?"
_BYTE = r"(?:0|25[0-5]|2[0-4]\d|1\d?\d?|[1-9]\d?)"
_VALID = re.compile(
    r"https?://(?:[^\s:@/]+(?::[^\s:@/]*)?@)?"
    rf"(?:{_BYTE}(?:\.{_BYTE}){{3}}|\[[0-9a-f:.]+\]|localhost"
    rf"|{_LABEL}(?:\.{_LABEL})*\.(?!-)(?:[{_LETTER}\-]{{2,63}}|xn--[a-z0-9]{{1,59}})(?<!-)\.?)"
    r"(?::\d{1,5})?(?:[/?#]\S*)?",
    re.IGNORECASE,
)
_SPELLED = re.compile(r"([a-z][a-z0-9+.\-]*):", re.IGNORECASE)
_LICENCE = "creativecommons.org/licenses/"
_BLOCKED = ((".svg", SVG), (".gif", BLOCKED_FORMAT), ("data:image", INLINE_IMAGE), ("javascript:", BAD_SCHEME))
_MENDED = 20_000  # characters of an alt text that are looked at; the worker looked at all, and took 2,000
_MOST_URL, _MOST_TEXT, _LEAST_TEXT, _MOST_LICENCE, _MOST_HOST = 2000, 2000, 5, 80, 60


class Laion:
    """LAION's rules, in its order, for every link with an alt attribute, not only of images:

    URL cut at 2000 characters, valid by Django's rules, without ".svg", ".gif", "data:image" or "javascript:" anywhere,
    host of at most 60 characters; words mended with ftfy, in one line, free of what cannot be printed, of 5 characters
    or more, cut at 2000, "|" made a space; the first of one URL in the file. `given_uid` is md5 of URL and words, the
    licence the last Creative Commons URL before the link. Language and the filter over all files come later, elsewhere.

    The worker judged URLs before it made them absolute, and so lost all relative ones; `keep_relative` joins first.
    What it did to backslashes was for its database, and is not done. Memory: 100 bytes a URL of the file.
    """

    def __init__(self, token: str, *, keep_relative: bool) -> None:
        from ftfy import fix_text

        self.read = wat_json.reader(wat_json.Head, Link)
        self.rejected: Counter[str] = Counter()
        self._token, self._keep_relative, self._fix = token, keep_relative, fix_text
        self._seen: set[bytes] = set()
        self._renew()

    def _renew(self) -> None:
        names = ("url", "alt_text", "given_uid", "image_source", "position", "licence", "licence_scope")
        self.rows = Rows(names, {"text_source": "alt"})
        self._columns = tuple(self.rows.columns.values())

    def add(self, found: Found[Any, Any], offset: int, length: int | None) -> tuple[int, str | None]:
        licence: str | None = None
        base = Base(_base(found)) if self._keep_relative else None
        seen = images = 0
        before = len(self.rows)
        for link in found.links:
            url = link.url
            if url is not None and _LICENCE in url:
                licence = url[:_MOST_LICENCE].replace("\n", "")
            is_image = link.path == wat_json.IMAGE
            images += is_image
            if link.alt is None:
                continue
            seen += 1
            url, reason = self._address(url, base)
            text = "" if reason else self._words(link.alt)
            if reason is None and len(text) < _LEAST_TEXT:
                reason = TEXT_TOO_SHORT if text else EMPTY_ALT
            if reason is None:
                mark = blake2b(url.encode(), digest_size=8).digest()
                if mark in self._seen:
                    reason = DUPLICATE_URL
                self._seen.add(mark)
            if reason is not None:
                self.rejected[reason] += 1
                continue
            text = text[:_MOST_TEXT].replace("|", " ")
            uid = md5((url + text).encode(), usedforsecurity=False).hexdigest()
            place = ("src", images - 1) if is_image else (None, None)
            row = (url, text, uid, *place, licence, "anchor" if licence else None)
            for column, value in zip(self._columns, row, strict=True):
                column.append(value)
        if len(self.rows) > before:
            self.rows.close(_about(found, offset, length, optouts(found, self._token, named(found.head))))
        return seen, None

    def flush(self, file: str) -> pa.Table:
        rows = self.rows
        self._renew()
        return rows.table("wat", file)

    def _address(self, url: str | None, base: Base | None) -> tuple[str, str | None]:
        if url is None:
            return "", BAD_URL
        url = url[:_MOST_URL].replace("\n", "")
        if base is not None and not url.startswith(_HTTP):
            try:
                url = base.join(url)
            except ValueError:
                return "", BAD_URL
        if _VALID.fullmatch(url) is None:
            other = _SPELLED.match(url)
            return "", BAD_SCHEME if other and other[1].lower() not in ("http", "https") else BAD_URL
        for part, reason in _BLOCKED:
            if part in url:
                return "", reason
        try:
            host = urlsplit(url).hostname
        except ValueError:
            return "", BAD_URL
        if not host or len(host) > _MOST_HOST:
            return "", BAD_URL
        return url, None

    def _words(self, alt: str) -> str:
        text = self._fix(alt[:_MENDED].replace("\n", " ")).strip()
        return "".join(character for character in text if character.isprintable())
