"""All that a WAT holds about the images of a page.

    profile = Full("vlcorpus")
    profile.add(found, 8123, 2210)     a row an <img>, kept or with its reason, and one an og:image or twitter:image

An <img> has its alt text, else its title. What describes the page (og, twitter) has its own image:alt, else the page's
og:description, og:title or description, in that order, no position, and is left out where an <img> says the same.
Reasons are those of html.py, so are base, title, language, canonical URL, licence and opt-outs; a WAT has no srcset, no
lazy attributes, no figures, no sizes and no words around the image.

Cost: 9 us a row, of which reading and decoding are 4. Not for: answers that are no success, which give none.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vlcorpus.net.url import BAD_SCHEME, BAD_URL, requestable
from vlcorpus.web.archives import wat_json
from vlcorpus.web.archives.wat_join import INLINE_IMAGE, NO_SOURCE, SVG, Base
from vlcorpus.web.archives.wat_json import Anchor, Found, HeadLink, TitledImage, WholeHead
from vlcorpus.web.archives.wat_rows import About, Rows
from vlcorpus.web.archives.wat_said import Named, named, optouts

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

EMPTY_ALT = "empty_alt"
TEXT_TOO_LONG = "text_too_long"
HTTP_ERROR = "http_error"
BAD_WARC_RECORD = "bad_warc_record"

MAX_IMAGES = 10_000
MAX_TEXT = 10_000
MAX_URL = 2_000
MAX_DESCRIBING = 100  # og:image and twitter:image of one page

_COMMONS = re.compile(r"\s*(?:https?:)?//(?:www\.)?creativecommons\.org/(?:licenses|publicdomain)/", re.IGNORECASE)
_KINDS = ("og", "twitter")
_SOURCE = {
    "og:image": "og", "og:image:url": "og", "og:image:secure_url": "og",
    "twitter:image": "twitter", "twitter:image:src": "twitter",
}  # fmt: skip
_PAGE_WORDS = ("og:description", "og:title", "description")
_LANGUAGE = ("html@/lang", "html@/xml:lang")
_TOLD = frozenset((*_SOURCE, "og:image:alt", "twitter:image:alt", *_PAGE_WORDS, *_LANGUAGE))
_IDLE = frozenset((
    "EditURI", "alternate", "amphtml", "apple-touch-icon", "apple-touch-icon-precomposed", "dns-prefetch",
    "https://api.w.org/", "icon", "image_src", "manifest", "mask-icon", "next", "pingback", "preconnect", "prefetch",
    "preload", "prev", "profile", "publisher", "search", "shortcut icon", "shortlink", "stylesheet", "wlwmanifest",
))  # fmt: skip
_REASONS = (EMPTY_ALT, NO_SOURCE, INLINE_IMAGE, BAD_SCHEME, BAD_URL, SVG, TEXT_TOO_LONG)
_NUMBERS = {reason: number for number, reason in enumerate(_REASONS)}
_HTTP = ("http://", "https://")
# For Arrow: part of what Base.judge takes as it is.
_PLAIN = r"^https?://[a-z0-9\-]{1,62}(?:\.[a-z0-9\-]{1,62}){1,3}(?:/[!-~]*)?$"
_NOWHERE = Base("http://nowhere.invalid/")  # what absolute URLs are joined to


class Full:
    """Rows are gathered as the record has them; what is the same for most of them is worked out for all at once."""

    def __init__(self, token: str) -> None:
        self.read = wat_json.reader(WholeHead, TitledImage, Anchor)
        self.rejected: Counter[str] = Counter()
        self._token = token
        self._renew()

    def _renew(self) -> None:
        # The columns that most rows differ in, as found; and of the few, by row number, what is known already.
        self.rows = Rows(("url", "alt_text", "title"), {})
        self._urls, self._texts, self._titles = self.rows.columns.values()
        self._reasons: dict[int, str] = {}
        self._describing: dict[int, str] = {}
        self._spans: list[int] = []

    def add(self, found: Found[Any, Any], offset: int, length: int | None) -> tuple[int, str | None]:
        url, _ = requestable(found.url)
        if not url:
            return 0, BAD_WARC_RECORD
        if found.status is not None and not 200 <= found.status <= 299:
            return 0, HTTP_ERROR
        head = found.head
        base = Base(_based(head.base, url))
        metas = named(head)
        told = [(low, content) for name, content in metas if (low := name.strip().lower()) in _TOLD]
        # Most links are of no interest: what is looked at first is cheap.
        wanted = [
            link
            for link in found.links
            if link.__class__ is TitledImage
            or (link.__class__ is Anchor and ("ommons.org/" in link.url or (link.rel and "icense" in link.rel)))
        ]
        anchors = [link for link in wanted if link.__class__ is Anchor]
        before = len(self._urls)
        self._add_images([link for link in wanted if link.__class__ is TitledImage] if anchors else wanted, base)
        self._add_describing(told, base, before)
        seen = len(self._urls) - before
        if seen:
            self._spans.append(seen)
            told_links = [link for link in head.link if link.rel not in _IDLE]
            licence, scope = _licence(told_links, anchors, base)
            about = About(
                url,
                found.date,
                offset,
                length,
                found.warc_file,
                found.warc_offset,
                optouts(found, self._token, metas),
                " ".join((head.title or "")[: 4 * MAX_URL].split())[:1000] or None,
                _language(told),
                _canonical(told_links, base),
                licence,
                scope,
            )
            self.rows.close(about)
        return seen, None

    def _add_images(self, images: list[Any], base: Base) -> None:
        images = images[:MAX_IMAGES]
        start = len(self._urls)
        self._texts += [image.alt for image in images]
        self._titles += [image.title for image in images]
        self._urls += [image.url for image in images]
        # Of absolute ones, all of a table are judged together; of those without words, none.
        for row, image in enumerate(images, start):
            alt, title = image.alt, image.title
            if (alt and not alt.isspace()) or (title and not title.isspace()):
                url = image.url
                if url is None:
                    self._reasons[row] = BAD_URL
                elif not url.startswith(_HTTP):
                    self._urls[row], reason = base.judge(url)
                    if reason is not None:
                        self._reasons[row] = reason

    def _add_describing(self, told: Named, base: Base, start: int) -> None:
        """Rows of og:image and twitter:image, each URL with its words once. start: the page's first row."""
        said: dict[str, str] = {}
        images: list[tuple[str, str, list[str]]] = []
        for name, content in told:
            kind = _SOURCE.get(name)
            if kind is not None and len(images) < MAX_DESCRIBING:
                images.append((kind, content, []))
            elif name.endswith(":image:alt"):
                # Structured properties belong to the image before them.
                before = [words for each, _, words in images if name.startswith(each)]
                if before:
                    before[-1].append(content)
                else:
                    said.setdefault(name, content)
            else:
                said.setdefault(name, content)
        if not images:
            return
        words = next((said[name] for name in _PAGE_WORDS if said.get(name, "").strip()), "")
        there: set[tuple[str, str]] = set()
        end = len(self._urls)
        for kind, found, own in images:
            text = next((each for each in (*own, said.get(f"{kind}:image:alt", ""), words) if each.strip()), "")
            url, reason = base.judge(found)
            if (url, text) in there or (reason is None and text and self._is_there(url, text, start, end, base)):
                continue
            there.add((url, text))
            self._describing[len(self._urls)] = kind
            if reason is not None:
                self._reasons[len(self._urls)] = reason
            self._urls.append(url)
            self._texts.append(text)
            self._titles.append(None)

    def _is_there(self, url: str, text: str, start: int, end: int, base: Base) -> bool:
        """Whether an <img> of these rows is of this URL and has these words."""
        texts, titles = self._texts[start:end], self._titles[start:end]
        if text not in texts and text not in titles:
            return False
        return any(
            (alt if alt and not alt.isspace() else title) == text and base.judge(found)[0] == url
            for found, alt, title in zip(self._urls[start:end], texts, titles, strict=True)
            if found is not None
        )

    def flush(self, file: str) -> pa.Table:
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        rows, reasons, describing, spans = self.rows, self._reasons, self._describing, self._spans
        urls, alts, titles = self._urls, pa.array(self._texts, pa.string()), pa.array(self._titles, pa.string())
        chosen = pa.array(
            [
                alt if alt and not alt.isspace() else title if title and not title.isspace() else None
                for alt, title in zip(self._texts, self._titles, strict=True)
            ],
            pa.string(),
        )
        self._renew()
        worded = pc.is_valid(chosen).to_numpy(zero_copy_only=False)
        why = np.full(len(urls), -1, np.int8)
        for row, reason in reasons.items():
            why[row] = _NUMBERS[reason]
        url = pa.array(urls, pa.string())
        mended = False
        for row in np.flatnonzero(worded & (why < 0) & _doubtful(url)).tolist():
            known, refused = _NOWHERE.judge(urls[row])
            if refused is not None:
                why[row] = _NUMBERS[refused]
            if known != urls[row]:
                urls[row], mended = known, True
        url = pc.coalesce(pa.array(urls, pa.string()) if mended else url, "")
        text = pc.coalesce(chosen, alts, "")
        too_long = pc.greater(pc.utf8_length(text), MAX_TEXT).to_numpy(zero_copy_only=False)
        why[too_long & (why < 0)] = _NUMBERS[TEXT_TOO_LONG]
        why[~worded] = _NUMBERS[EMPTY_ALT]

        text_source = 1 - pc.fill_null(pc.equal(chosen, alts), False).to_numpy(zero_copy_only=False).astype(np.int8)
        image_source = np.zeros(len(urls), np.int8)
        for row, kind in describing.items():
            text_source[row] = 2 + _KINDS.index(kind)
            image_source[row] = 1 + _KINDS.index(kind)
        first = np.repeat(np.cumsum(spans, dtype=np.int64) - np.array(spans, np.int64), spans)
        late = {
            "url": pc.if_else(pa.array(why < 0), url, _cut(url, MAX_URL)),
            "alt_text": _cut(text, MAX_TEXT),
            "title": _cut(titles, MAX_TEXT),
            "text_source": _named(text_source, ("alt", "title", *_KINDS), worded),
            "image_source": _named(image_source, ("src", *_KINDS)),
            "reason": _named(why, _REASONS, why >= 0),
            "position": pa.array((np.arange(len(urls)) - first).astype(np.int32), mask=image_source > 0),
        }
        return rows.table("wat", file, late)


def _doubtful(urls: pa.Array) -> Any:
    """Where a URL needs a closer look, as booleans: it may be a vector image, or need repair, or be none."""
    import pyarrow.compute as pc

    plain = pc.and_(pc.match_substring_regex(urls, _PLAIN), pc.less_equal(pc.binary_length(urls), MAX_URL))
    clear = pc.and_not(plain, pc.match_substring(urls, "svg", ignore_case=True))
    return ~pc.fill_null(clear, False).to_numpy(zero_copy_only=False)


def _cut(texts: pa.Array, most: int) -> pa.Array:
    import pyarrow.compute as pc

    if (pc.max(pc.binary_length(texts)).as_py() or 0) <= most:
        return texts
    return pc.utf8_slice_codeunits(texts, 0, most)


def _named(
    numbers: np.ndarray[Any, np.dtype[np.int8]],
    names: Sequence[str],
    known: np.ndarray[Any, np.dtype[np.bool_]] | None = None,
) -> pa.Array:
    """The names of numbers, null where it is not known."""
    import pyarrow as pa

    chosen = pa.array(numbers, mask=None if known is None else ~known)
    return pa.array(names, pa.string()).take(chosen)


def _based(base: str | None, url: str) -> str:
    """What the page's <base> says, if it can be one, else the page's own URL."""
    return (requestable(base, url)[0] if base and base.strip() else "") or url


def _language(told: Named) -> str | None:
    for wanted in _LANGUAGE:
        for name, content in told:
            if name == wanted and content.strip():
                return content.strip()[:35]
    return None


def _canonical(links: list[HeadLink], base: Base) -> str | None:
    for link in links:
        if link.rel and link.url and "canonical" in link.rel.lower().split():
            return _address(link.url, base)
    return None


def _licence(head: list[HeadLink], links: list[Any], base: Base) -> tuple[str | None, str | None]:
    """The last licence of the page's links, and where it stood. What stands in the text wins over the head."""
    licence = scope = None
    for where, some in (("link", head), ("anchor", links)):
        for link in some:
            if link.url and (_COMMONS.match(link.url) or (link.rel and "license" in link.rel.lower().split())):
                url = _address(link.url, base)
                if url is not None:
                    licence, scope = url, where
    return licence, scope


def _address(found: str, base: Base) -> str | None:
    url, reason = base.judge(found)
    return url if reason in (None, SVG) and len(url) <= MAX_URL else None
