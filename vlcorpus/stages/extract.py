"""extract: one WAT or WARC file becomes the rows of one part of a crawl's source.

What `crawl` puts in front of itself, one unit a file, so that several workers read several files. A unit reads its
file once, through the extractor (web.archives and web.pages), the choice (choosing.py) and the identities, and commits
sources/<source>/pairs/NNNNN.parquet and pages/NNNNN.parquet. A remote file is spooled beside them and removed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..corpus import Corpus
from ..io.commit import TEMPORARY
from .base import Stage, Tell, Work, count
from .crawl import Crawl
from .network import TOKEN

if TYPE_CHECKING:
    import pyarrow as pa

    from ..web.sources.resolve import SourceFile

WARC_ROWS = 20_000  # pairs gathered before they become columns


@dataclass(frozen=True, kw_only=True)
class Extract(Crawl):
    """Extract the pairs of WAT and WARC files."""

    name = "extract"
    makes = "sources"
    creates = False

    def made(self) -> str:
        return f"sources/{self.source}"

    def wanted(self) -> tuple[str, ...]:
        return ()

    def located(self) -> Stage:
        return self

    def notes(self) -> tuple[str, ...]:
        return ()

    def supplier(self, name: str) -> Stage | None:
        return None

    def units(self, corpus: Corpus) -> Sequence[str]:
        return [f"{number:05d}" for number in range(len(self.found.files))]

    def inputs(self, corpus: Corpus, unit: str) -> dict[str, str]:
        name = f"{int(unit)}/{self.found.files[int(unit)].name}"
        return {name: self.contents[name]} | self.choosing

    def check(self, corpus: Corpus) -> None:
        """The crawl that this is a part of was checked."""

    def open(self, corpus: Corpus) -> Work:
        from ..io import table
        from ..io.growing import Growing
        from ..web.sources import resolve as sources
        from .choosing import Choice

        choose = Choice(optout=self.optout, match=self.match, language=self.language, where=self.where)

        def extract(unit: str, tell: Tell) -> None:
            file = self.found.files[int(unit)]
            layer = self.layer(corpus)
            with self.commit(corpus, unit) as commit:
                spool = layer.path(f"{TEMPORARY}spool-{unit}")
                rejected: Counter[str] = Counter()
                dropped: Counter[str] = Counter()
                outcomes: Counter[str] = Counter()
                with (
                    sources.spooled(file, spool, network=self.reach()) as path,
                    Growing(commit, f"pairs/{unit}.parquet", "extracted") as pairs,
                    Growing(commit, f"pages/{unit}.parquet", "pages") as pages,
                ):
                    for found, visited, counted in self._read(path, file):
                        stored, left = choose(found)
                        pairs.add(stored)
                        reasons = count(stored.column("reason").to_pylist())
                        rejected += reasons + counted + left
                        dropped += counted + left
                        pages.add(table.columns(visited, "pages"))
                        outcomes += Counter(row["reason"] or "visited" for row in visited)
                        tell(pairs.rows + dropped.total(), pairs.rows - (rejected - dropped).total())
                commit.finish(
                    seen=pairs.rows + dropped.total(),
                    kept=pairs.rows - (rejected - dropped).total(),
                    rejected=rejected,
                    dropped=dict(sorted(dropped.items())),
                    pages=dict(sorted(outcomes.items())),
                )

        return extract

    def _read(self, path: Path, file: SourceFile) -> Iterator[tuple[pa.Table, list[dict[str, Any]], Counter[str]]]:
        """(pairs, pages, rows that were counted only), piece by piece."""
        from ..web.archives import wat

        if file.kind == "wat" or (not file.kind and wat.is_wat(path)):
            yield from self._from_wat(path, file)
        else:
            yield from self._from_warc(path, file)

    def _from_wat(self, path: Path, file: SourceFile) -> Iterator[tuple[pa.Table, list[dict[str, Any]], Counter[str]]]:
        from ..web.archives import wat
        from ..web.found import time_of

        for read in wat.batches(
            path, profile=self.profile, token=TOKEN, keep_relative=self.keep_relative, file=file.name
        ):
            pages = [
                {
                    "url": page.url,
                    "depth": 0,
                    "status": page.status,
                    "reason": page.reason,
                    "pairs": page.pairs,
                    "fetched_at": time_of(page.date),
                    "record_offset": page.offset,
                    "record_length": page.length,
                }
                for page in read.pages
            ]
            yield read.table, pages, read.rejected

    def _from_warc(self, path: Path, file: SourceFile) -> Iterator[tuple[pa.Table, list[dict[str, Any]], Counter[str]]]:
        from ..web.archives import warc
        from ..web.found import Batch, Origin, time_of
        from .reading import Reader

        reader = Reader(TOKEN, drops=self.optout == "drop")
        batch = Batch()
        pages: list[dict[str, Any]] = []
        for stored in warc.pages(path):
            if stored.site_file:
                reader.learn(stored)
                continue
            page, reason = reader.read(stored)
            if page is not None:
                origin = Origin("warc", file.name, stored.offset, stored.length, stored.date)
                for part in reader.apart(page):
                    batch.add(part, origin)
            pages.append(
                {
                    "url": stored.url,
                    "depth": 0,
                    "status": stored.status,
                    "reason": reason,
                    "pairs": len(page.pairs) if page is not None else 0,
                    "fetched_at": time_of(stored.date),
                    "record_offset": stored.offset,
                    "record_length": stored.length,
                }
            )
            if len(batch) >= WARC_ROWS:
                yield batch.table(), pages, Counter()
                batch, pages = Batch(), []
        yield batch.table(), pages, Counter()
