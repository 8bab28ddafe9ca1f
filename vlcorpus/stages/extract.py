"""extract: one WAT or WARC file becomes the rows of one part of a crawl's source.

What `crawl` puts in front of itself, one unit a file, so that several workers read several files. A unit reads its
file once, through the extractor (web.archives and web.pages), the choice (choosing.py) and the identities, and commits
sources/<source>/pairs/NNNNN.parquet and pages/NNNNN.parquet. A remote file is spooled beside them and removed. What was
found is in a journal, piece by piece (extract_kept.py): a run that is killed goes on at the record behind the last one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..corpus import Corpus
from ..io.commit import TEMPORARY
from . import unfinished
from .base import Stage, Tell, Work, count
from .crawl import Crawl
from .network import TOKEN

if TYPE_CHECKING:
    import pyarrow as pa

    from ..web.sources.resolve import SourceFile
    from .extract_kept import Kept, Piece, SiteFile

WARC_ROWS = 20_000  # pairs gathered before they become columns
WAT_ROWS = 50_000


class _Read(NamedTuple):
    """Pairs of schemas/extracted.json, rows of schemas/pages.json, and the rest as extract_kept.Piece has it."""

    table: pa.Table
    pages: list[dict[str, Any]]
    counted: Counter[str]
    following: int | None
    learnt: list[SiteFile]


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

    def tidy(self, corpus: Corpus, unit: str) -> None:
        unfinished.discard(self.layer(corpus), unit)

    def check(self, corpus: Corpus) -> None:
        """The crawl that this is a part of was checked."""

    def open(self, corpus: Corpus) -> Work:
        from ..io import table
        from ..io.growing import Growing
        from ..web.sources import resolve as sources
        from .choosing import Choice
        from .extract_kept import Kept, Piece

        choose = Choice(optout=self.optout, match=self.match, language=self.language, where=self.where)

        def extract(unit: str, tell: Tell) -> None:
            file = self.found.files[int(unit)]
            layer = self.layer(corpus)
            commit = self.commit(corpus, unit)
            with unfinished.journal(layer, unit, commit.fingerprint) as journal, commit:
                spool = layer.making / f"{TEMPORARY}spool-{unit}"
                rejected: Counter[str] = Counter()
                dropped: Counter[str] = Counter()
                outcomes: Counter[str] = Counter()
                kept = Kept(journal)
                with (
                    Growing(commit, f"pairs/{unit}.parquet", "extracted") as pairs,
                    Growing(commit, f"pages/{unit}.parquet", "pages") as pages,
                ):

                    def take(piece: Piece) -> None:
                        nonlocal rejected, dropped, outcomes
                        pairs.add(piece.stored)
                        reasons = count(piece.stored.column("reason").to_pylist())
                        rejected += reasons + piece.counted + piece.left
                        dropped += piece.counted + piece.left
                        pages.add(piece.pages)
                        outcomes += Counter(reason or "visited" for reason in piece.pages.column("reason").to_pylist())
                        tell(pairs.rows + dropped.total(), pairs.rows - (rejected - dropped).total())

                    for piece in kept.pieces():
                        take(piece)
                    with sources.spooled(file, spool, network=self.reach()) as path:
                        for read in self._read(path, file, kept):
                            stored, left = choose(read.table)
                            visited = table.columns(read.pages, "pages")
                            piece = Piece(stored, visited, read.counted, left, read.following, read.learnt)
                            kept.add(piece)
                            take(piece)
                commit.finish(
                    seen=pairs.rows + dropped.total(),
                    kept=pairs.rows - (rejected - dropped).total(),
                    rejected=rejected,
                    dropped=dict(sorted(dropped.items())),
                    pages=dict(sorted(outcomes.items())),
                )
                journal.remove()

        return extract

    def _read(self, path: Path, file: SourceFile, kept: Kept) -> Iterator[_Read]:
        """What is found behind what is kept, piece by piece."""
        from ..web.archives import wat

        if file.kind == "wat" or (not file.kind and wat.is_wat(path)):
            yield from self._from_wat(path, file, kept)
        else:
            yield from self._from_warc(path, file, kept)

    def _from_wat(self, path: Path, file: SourceFile, kept: Kept) -> Iterator[_Read]:
        from ..web.archives import wat
        from ..web.found import time_of

        batches = wat.batches(
            path,
            profile=self.profile,
            token=TOKEN,
            keep_relative=self.keep_relative,
            rows=WAT_ROWS,
            file=file.name,
            start=kept.following,
        )
        for read in batches:
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
            yield _Read(read.table, pages, read.rejected, read.following, [])

    def _from_warc(self, path: Path, file: SourceFile, kept: Kept) -> Iterator[_Read]:
        from ..web.archives import warc
        from ..web.found import Batch, Origin, time_of
        from .reading import Reader

        reader = Reader(TOKEN, drops=self.optout == "drop")
        for url, status, body in kept.learnt:
            reader.sites.learn(url, status, body)
        batch = Batch()
        pages: list[dict[str, Any]] = []
        learnt: list[SiteFile] = []
        for stored in warc.pages(path, start=kept.following):
            if stored.site_file:
                reader.learn(stored)
                learnt.append((stored.url, stored.status or 0, stored.body))
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
                following = None if stored.length is None else stored.offset + stored.length
                yield _Read(batch.table(), pages, Counter(), following, learnt)
                batch, pages, learnt = Batch(), [], []
        if pages:
            yield _Read(batch.table(), pages, Counter(), path.stat().st_size, learnt)
