"""What the extractors give: pages, and the pairs found on them.

    batch = Batch()
    batch.add(page, origin)              a page of html.extract or wat.records, and where it was stored
    batch.table()                        one row a pair, columns of schemas/extracted.json

`Pair` is a tuple, not a class with a constructor: a page has 20 of them, and there are a thousand pages a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from vlcorpus.net.optout import Evidence

if TYPE_CHECKING:
    import pyarrow as pa

# Where a pair's words stood, best first.
TEXT_SOURCES = ("alt", "title", "figcaption", "og", "twitter", "jsonld")
# What named the image.
IMAGE_SOURCES = ("src", "srcset", "picture", "lazy", "noscript", "og", "twitter", "jsonld")


class Pair(NamedTuple):
    """One image and its words.

    url: absolute, otherwise as found; of rejected ones what was found, cut. alt_text: the pair's words as found, from
    where `text_source` says. position: among the page's image elements, from 0; None for what describes the page (og,
    twitter, jsonld). title, figcaption: as found, whichever of them is the text. context: words near the image. link:
    absolute URL of the link around it. width, height: as the page declares them, pixels. srcset_width: of the chosen
    candidate, pixels. reason: None, or why it is no candidate.
    """

    url: str
    alt_text: str
    text_source: str | None = None
    image_source: str | None = None
    reason: str | None = None
    position: int | None = None
    title: str | None = None
    figcaption: str | None = None
    context: str | None = None
    link_url: str | None = None
    width: int | None = None
    height: int | None = None
    srcset_width: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """What one page gives.

    url: the normalised URL of the answer. base: what relative URLs were joined to. canonical: the page's own name for
    itself, absolute. links: absolute and normalised, each once, in document order, without those that say nofollow;
    none if the page says so. licence: URL of the last rel=license or Creative Commons link; licence_scope: where it
    was found (link, anchor, meta, jsonld). optout: evidence in headers and metas, without what only permits.
    """

    url: str
    title: str
    language: str
    base: str
    pairs: tuple[Pair, ...]
    links: tuple[str, ...]
    optout: tuple[Evidence, ...]
    licence: str | None
    licence_scope: str | None = None
    canonical: str | None = None

    @property
    def seen(self) -> int:
        """Pairs looked at."""
        return len(self.pairs)


class Origin(NamedTuple):
    """Where a page was stored. kind: warc, wat or live. file: its name, without folders of this machine. offset,
    length: of the record in the (compressed) file, bytes. date: WARC-Date as written. warc_file, warc_offset: the
    page's own place, where the record is about another file's (WAT)."""

    kind: str
    file: str
    offset: int | None = None
    length: int | None = None
    date: str = ""
    warc_file: str | None = None
    warc_offset: int | None = None


def written(evidence: Sequence[Evidence]) -> list[str] | None:
    """Opt-out evidence as tables hold it: signal|source|value each; None where there is none."""
    return [f"{each.signal}|{each.source}|{each.value}" for each in evidence] or None


class Batch:
    """Pages and their pairs, gathered to become columns."""

    def __init__(self) -> None:
        self._pages: list[tuple[Page, Origin, str | None]] = []
        self._pairs: list[Pair] = []
        self._counts: list[int] = []

    def __len__(self) -> int:
        """Pairs gathered."""
        return len(self._pairs)

    def add(self, page: Page, origin: Origin, reason: str | None = None) -> None:
        """reason: why every pair of the page is refused, if it is."""
        if page.pairs:
            self._pages.append((page, origin, reason))
            self._pairs += page.pairs
            self._counts.append(len(page.pairs))

    def table(self) -> pa.Table:
        """One row a pair, in the order added."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        from vlcorpus import schema

        wanted = schema.table("extracted").arrow()
        page_of = pa.array(np.repeat(np.arange(len(self._pages)), self._counts))
        found: dict[str, pa.Array] = {}
        for name, values in zip(Pair._fields, zip(*self._pairs, strict=True) if self._pairs else (), strict=False):
            found[name] = pa.array(values, type=wanted.field(name).type)
        pages: dict[str, list[object]] = {
            "page_url": [page.url for page, _, _ in self._pages],
            "page_title": [page.title or None for page, _, _ in self._pages],
            "page_language": [page.language or None for page, _, _ in self._pages],
            "page_canonical": [page.canonical for page, _, _ in self._pages],
            "licence": [page.licence for page, _, _ in self._pages],
            "licence_scope": [page.licence_scope for page, _, _ in self._pages],
            "optout": [written(page.optout) for page, _, _ in self._pages],
            "found_at": [time_of(origin.date) for _, origin, _ in self._pages],
            "source_kind": [origin.kind for _, origin, _ in self._pages],
            "source_file": [origin.file for _, origin, _ in self._pages],
            "record_offset": [origin.offset for _, origin, _ in self._pages],
            "record_length": [origin.length for _, origin, _ in self._pages],
            "warc_file": [origin.warc_file for _, origin, _ in self._pages],
            "warc_offset": [origin.warc_offset for _, origin, _ in self._pages],
        }
        for column, listed in pages.items():
            found[column] = pa.array(listed, type=wanted.field(column).type).take(page_of)
        refused = pa.array([reason for _, _, reason in self._pages], type=pa.string()).take(page_of)
        if "reason" in found:
            found["reason"] = pc.coalesce(refused, found["reason"])
        arrays = [found.get(field.name) for field in wanted]
        size = len(self._pairs)
        return pa.Table.from_arrays(
            [
                pa.nulls(size, field.type) if array is None else array
                for array, field in zip(arrays, wanted, strict=True)
            ],
            schema=wanted,
        )


def time_of(said: str) -> datetime | None:
    """A WARC-Date in UTC; None where it is not one."""
    try:
        found = datetime.fromisoformat(said)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
