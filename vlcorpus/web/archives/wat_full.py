"""All that a WAT holds about the images of a page.

    profile = Full(Rows("a.wat.gz"), "vlcorpus")
    profile.add(found, 8123, 2210)     a row an <img> with words, and one an og:image or twitter:image
    profile.flush()                    the rows as a table, with their reasons
    profile.rejected                   Counter({"empty_alt": 14, "inline_image": 2})

An <img> has its alt text, else its title. What describes the page (og, twitter) has no position: see wat_page.py. Half
of all images have no words, and what stands inline or nowhere cannot be fetched: those are counted, and not stored.
What has words and is refused for its address or for their length is a row with a reason. Reasons are those of html.py,
so are base, title, language, canonical URL, licence and opt-outs; a WAT has no srcset, no lazy attributes, no figures,
no sizes and no words around the image.

Cost: 11 us a row, of which reading and decoding are 7. Not for: answers that are no success, which give none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vlcorpus.net.url import BAD_SCHEME, BAD_URL
from vlcorpus.web.archives import wat_json, wat_page
from vlcorpus.web.archives.wat_addresses import judge_all
from vlcorpus.web.archives.wat_join import INLINE_IMAGE, MAX_URL, NO_SOURCE, SVG, Base, clean
from vlcorpus.web.archives.wat_json import Anchor, DoesNotFit, Found, IdleAnchor, TitledImage, WholeHead
from vlcorpus.web.archives.wat_rows import STEP, Rows, strings
from vlcorpus.web.archives.wat_said import metas, optouts

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from vlcorpus.web.archives.wat_rows import Numbers

    Reasons = np.ndarray[Any, np.dtype[np.int8]]

EMPTY_ALT = "empty_alt"
TEXT_TOO_LONG = "text_too_long"
HTTP_ERROR = "http_error"
BAD_WARC_RECORD = "bad_warc_record"

MAX_IMAGES = 10_000
MAX_TEXT = 10_000

_KINDS = ("og", "twitter")
_COUNTED = (NO_SOURCE, INLINE_IMAGE)
_REASONS = (*_COUNTED, BAD_SCHEME, BAD_URL, SVG, TEXT_TOO_LONG)
_NUMBERS = {reason: number for number, reason in enumerate(_REASONS)}


class Full:
    """Rows are gathered as the record has them; what is the same for most of them is worked out for all at once."""

    def __init__(self, rows: Rows, token: str) -> None:
        self.rejected: Counter[str] = Counter()
        self._rows, self._token = rows, token
        self._read = wat_json.reader(WholeHead, TitledImage, IdleAnchor, strict=True)
        self._read_anchors = wat_json.reader(WholeHead, TitledImage, Anchor)
        self._renew()

    def _renew(self) -> None:
        # Of the rows that wait, and of their pages.
        self._images: list[TitledImage] = []
        self._positions: list[int] = []
        self._describing: dict[int, str] = {}  # row -> kind
        self._reasons: dict[int, str] = {}  # row -> reason, where it is known before the others'
        self._bases: list[Base] = []

    def __len__(self) -> int:
        return len(self._rows)

    def read(self, body: bytes) -> Found[Any, Any] | None:
        """Addresses of anchors are decoded where one of them may be a licence: a tenth of all pages has such."""
        if b"creativecommons.org" not in body:
            try:
                return self._read(body)
            except DoesNotFit:
                pass
        found = self._read_anchors(body)
        if found is not None:
            found.anchors = [link for link in found.links if type(link) is Anchor]
        return found

    def add(self, found: Found[Any, Any], offset: int, length: int | None) -> tuple[int, str | None]:
        url = clean(found.url)
        if not url:
            return 0, BAD_WARC_RECORD
        if found.status is not None and not 200 <= found.status <= 299:
            return 0, HTTP_ERROR
        head = found.head
        base = wat_page.based(head, url)
        describing, told = metas(head, self._token)
        before = len(self._images)
        seen = self._add_images([link for link in found.links if type(link) is TitledImage])
        seen += self._add_described(wat_page.described(describing, self._images[before:], base))
        rows = len(self._images) - before
        if rows:
            related = wat_page.related(head)
            about = (
                url,
                found.date,
                offset,
                length,
                found.warc_file,
                found.warc_offset,
                optouts(found.headers, told, self._token),
                wat_page.title(head),
                wat_page.language(describing),
                wat_page.canonical(related, base),
                *wat_page.licence(related, found.anchors, base),
            )
            self._bases.append(base)
            self._rows.close(about, rows)
            if self._rows.waiting >= STEP:
                self._settle()
        return seen, None

    def _add_images(self, images: list[TitledImage]) -> int:
        """Gathers those with words. Gives the number of all."""
        del images[MAX_IMAGES:]
        worded = [
            number
            for number, image in enumerate(images)
            if ((alt := image.alt) and not alt.isspace()) or ((title := image.title) and not title.isspace())
        ]
        # What is certainly counted needs not become a row first.
        placed = [number for number in worded if (url := images[number].url) is None or (url and url[:5] != "data:")]
        self._positions += placed
        self._images += [images[number] for number in placed]
        rejected = self.rejected
        rejected[EMPTY_ALT] += len(images) - len(worded)
        if len(placed) < len(worded):
            nowhere = sum(images[number].url == "" for number in worded)
            rejected[NO_SOURCE] += nowhere
            rejected[INLINE_IMAGE] += len(worded) - len(placed) - nowhere
        return len(images)

    def _add_described(self, images: Sequence[wat_page.Described]) -> int:
        for url, words, kind, reason in images:
            if not words:
                self.rejected[EMPTY_ALT] += 1
                continue
            row = len(self._images)
            self._describing[row] = kind
            if reason is not None:
                self._reasons[row] = reason
            self._positions.append(-1)
            self._images.append(TitledImage(url, words))
        return len(images)

    def _settle(self) -> None:
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        images = self._images
        page_of = self._rows.pages()
        url, why = self._addresses(page_of)
        alts, titles = [image.alt for image in images], [image.title for image in images]
        texts = [alt if alt and not alt.isspace() else title for alt, title in zip(alts, titles, strict=True)]
        text_source = np.array([text is not alt for text, alt in zip(texts, alts, strict=True)], np.int8)
        image_source = np.zeros(len(images), np.int8)
        for row, kind in self._describing.items():
            image_source[row] = 1 + _KINDS.index(kind)
            text_source[row] = 1 + image_source[row]
        text = strings(texts)
        if (pc.max(pc.binary_length(text)).as_py() or 0) > MAX_TEXT:
            why[_true(pc.greater(pc.utf8_length(text), MAX_TEXT)) & (why < 0)] = _NUMBERS[TEXT_TOO_LONG]
            text = pc.utf8_slice_codeunits(text, 0, MAX_TEXT)
        columns = {
            "url": _cut_refused(url, why),
            "alt_text": text,
            "title": _cut(strings(titles), MAX_TEXT),
            "text_source": _named(text_source, ("alt", "title", *_KINDS)),
            "image_source": _named(image_source, ("src", *_KINDS)),
            "reason": _named(why, _REASONS, why >= 0),
            "position": pa.array(np.array(self._positions, np.int32), mask=image_source > 0),
        }
        counted = (why >= 0) & (why < len(_COUNTED))
        if counted.any():
            for reason in _COUNTED:
                self.rejected[reason] += int((why == _NUMBERS[reason]).sum())
            rows = pa.array(~counted)
            columns = {name: column.filter(rows) for name, column in columns.items()}
            page_of = page_of[~counted]
        self._rows.settle(page_of, columns)
        self._renew()

    def flush(self) -> pa.Table:
        self._settle()
        return self._rows.flush()

    def _addresses(self, page_of: Numbers) -> tuple[pa.Array, Reasons]:
        """The absolute URL of each row, and the number of the reason against it, -1 where there is none."""
        import numpy as np

        urls = [image.url for image in self._images]
        url, reasons = judge_all(urls, page_of, self._bases.__getitem__, self._reasons)
        why = np.full(len(urls), -1, np.int8)
        for row, reason in reasons.items():
            why[row] = _NUMBERS[reason]
        return url, why


def _true(found: pa.Array) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Where it is true, and not null."""
    import numpy as np
    import pyarrow.compute as pc

    return np.asarray(pc.fill_null(found, False))


def _cut_refused(url: pa.Array, why: Reasons) -> pa.Array:
    """Those that may be candidates stay as long as they are."""
    import pyarrow as pa
    import pyarrow.compute as pc

    short = _cut(url, MAX_URL)
    return url if short is url else pc.if_else(pa.array(why < 0), url, short)


def _cut(texts: pa.Array, most: int) -> pa.Array:
    import pyarrow.compute as pc

    if (pc.max(pc.binary_length(texts)).as_py() or 0) <= most:
        return texts
    return pc.utf8_slice_codeunits(texts, 0, most)


def _named(
    numbers: Reasons, names: Sequence[str], known: np.ndarray[Any, np.dtype[np.bool_]] | None = None
) -> pa.Array:
    """The names of numbers, null where it is not known."""
    import pyarrow as pa

    chosen = pa.array(numbers, mask=None if known is None else ~known)
    return pa.array(names, pa.string()).take(chosen)
