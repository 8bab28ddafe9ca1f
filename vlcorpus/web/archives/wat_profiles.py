"""What to take from the pages of a WAT: three sets of rules behind one method.

    profile = Compat(Rows("a.wat.gz"), "vlcorpus", evidence=True)
    profile.add(found, 8123, 2210)     gathers the rows of one page; gives the number of images looked at
    profile.flush()     the rows as a table; profile.rejected counts those that gave none

Compat takes what cc2dataset 1.5.0 takes for images, row for row: an <img> with an alt attribute that is not empty, its
URL joined as urljoin does, if http:// or https:// in lower case begins it. `given_uid` is its uid, md5 of alt and URL.

cc2dataset looks for no opt-outs. Evidence of them comes with the rows if it is asked for, and costs a tenth more.

Laion takes what the worker of LAION-5B took (crawlingathome, ccpp.py, 2022): see there. The third is in wat_full.py.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urljoin, urlsplit

from vlcorpus.net.url import BAD_SCHEME, BAD_URL
from vlcorpus.web.archives import wat_json
from vlcorpus.web.archives.wat_addresses import HTTP, join_all
from vlcorpus.web.archives.wat_join import INLINE_IMAGE, SVG, Base
from vlcorpus.web.archives.wat_json import BareHead, Found, Head, Image, Link
from vlcorpus.web.archives.wat_rows import STEP, About, Rows, strings
from vlcorpus.web.archives.wat_said import metas, optouts

try:
    from _md5 import md5  # as hashlib's, which takes longer to begin
except ImportError:
    from hashlib import md5

if TYPE_CHECKING:
    import pyarrow as pa

EMPTY_ALT = "empty_alt"
TEXT_TOO_SHORT = "text_too_short"
BLOCKED_FORMAT = "blocked_format"
DUPLICATE_URL = "duplicate_url"


class Profile(Protocol):
    """read: the JSON of a record. rejected: rows that were counted and not stored, by reason."""

    rejected: Counter[str]

    @property
    def read(self) -> Callable[[bytes], Found[Any, Any] | None]: ...

    def __len__(self) -> int:
        """Rows gathered, of which some may be refused yet."""

    def add(self, found: Found[Any, Any], offset: int, length: int | None) -> tuple[int, str | None]:
        """(images looked at, why the page gives none)."""

    def flush(self) -> pa.Table:
        """The rows since the last call."""


class Compat:
    """Images are gathered as the record has them. Most URLs are absolute, and cost nothing more."""

    def __init__(self, rows: Rows, token: str, *, evidence: bool) -> None:
        self.read = wat_json.reader(Head if evidence else BareHead, Image)
        self.rejected: Counter[str] = Counter()
        self._rows, self._token, self._evidence = rows, token, evidence
        # Of the rows that wait, and of their pages: URL, and what the base says.
        self._images: list[Image] = []
        self._bases: list[tuple[str, str | None]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, found: Found[Any, Any], offset: int, length: int | None) -> tuple[int, str | None]:
        images = [link for link in found.links if type(link) is Image]
        taken = [image for image in images if image.alt]
        if taken:
            head = found.head
            said = optouts(found.headers, metas(head, self._token)[1], self._token) if self._evidence else None
            self._images += taken
            self._bases.append((found.url, head.base))
            self._rows.close(_about(found, offset, length, said), len(taken))
            if self._rows.waiting >= STEP:
                self._settle()
        self.rejected[EMPTY_ALT] += len(images) - len(taken)
        return len(images), None

    def _settle(self) -> None:
        page_of = self._rows.pages()
        urls: list[Any] = [image.url for image in self._images]
        texts: list[Any] = [image.alt for image in self._images]
        _, reasons = join_all(urls, page_of, lambda page: Base(_base(*self._bases[page])), _joined)
        if reasons:
            self.rejected.update(reasons.values())
            taken = [row for row in range(len(urls)) if row not in reasons]
            urls, texts, page_of = [urls[row] for row in taken], [texts[row] for row in taken], page_of[taken]
        columns = {
            "url": strings(urls),
            "alt_text": strings(texts),
            "given_uid": _uids(texts, urls),
            "text_source": "alt",
            "image_source": "src",
        }
        self._rows.settle(page_of, columns)
        self._images, self._bases = [], []

    def flush(self) -> pa.Table:
        self._settle()
        return self._rows.flush()


def _joined(base: Base, url: str | None) -> tuple[str | None, str | None]:
    """(absolute URL, None) or (None, reason)."""
    if url is None:
        return None, BAD_URL
    if url.startswith("data:"):
        return None, INLINE_IMAGE
    try:
        url = base.join(url)
    except ValueError:
        pass
    return (url, None) if url.startswith(HTTP) else (None, BAD_SCHEME)


def _uids(texts: list[str], urls: list[str]) -> pa.Array:
    """Hex md5 of the text and the URL behind it, for each row."""
    import numpy as np
    import pyarrow as pa

    digests = "".join([md5((text + url).encode()).hexdigest() for text, url in zip(texts, urls, strict=True)])
    starts = np.arange(0, len(digests) + 1, 32, dtype=np.int32)
    return pa.StringArray.from_buffers(len(urls), pa.py_buffer(starts), pa.py_buffer(digests.encode()))


def _about(found: Found[Any, Any], offset: int, length: int | None, optout: list[str] | None) -> About:
    return (
        found.url,
        found.date,
        offset,
        length,
        found.warc_file,
        found.warc_offset,
        optout,
        None,
        None,
        None,
        None,
        None,
    )


def _base(url: str, said: str | None) -> str:
    """The page's URL, joined with what its <base> says."""
    if said is None:
        return url
    try:
        return urljoin(url, said)
    except ValueError:
        return url


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
_LAION_COLUMNS = ("url", "alt_text", "given_uid", "image_source", "position", "licence", "licence_scope")
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

    def __init__(self, rows: Rows, token: str, *, keep_relative: bool) -> None:
        from ftfy import fix_text

        self.read = wat_json.reader(wat_json.Head, Link)
        self.rejected: Counter[str] = Counter()
        self._rows, self._token, self._keep_relative, self._fix = rows, token, keep_relative, fix_text
        self._seen: set[bytes] = set()
        self._found: list[tuple[str | int | None, ...]] = []  # the rows that wait

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, found: Found[Any, Any], offset: int, length: int | None) -> tuple[int, str | None]:
        licence: str | None = None
        base = Base(_base(found.url, found.head.base)) if self._keep_relative else None
        seen = images = 0
        before = len(self._found)
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
            self._found.append((url, text, uid, *place, licence, "anchor" if licence else None))
        if len(self._found) > before:
            said = optouts(found.headers, metas(found.head, self._token)[1], self._token)
            self._rows.close(_about(found, offset, length, said), len(self._found) - before)
            if self._rows.waiting >= STEP:
                self._settle()
        return seen, None

    def _settle(self) -> None:
        import pyarrow as pa

        columns: dict[str, pa.Array | str] = {"text_source": "alt"}
        for name, values in zip(_LAION_COLUMNS, zip(*self._found, strict=True), strict=False):
            columns[name] = pa.array(values, pa.int32()) if name == "position" else strings(values)
        self._rows.settle(self._rows.pages(), columns)
        self._found = []

    def flush(self) -> pa.Table:
        self._settle()
        return self._rows.flush()

    def _address(self, url: str | None, base: Base | None) -> tuple[str, str | None]:
        if url is None:
            return "", BAD_URL
        url = url[:_MOST_URL].replace("\n", "")
        if base is not None and not url.startswith(HTTP):
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
