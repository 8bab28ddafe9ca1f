"""crawl: pages and WARC files become candidates.

    vlcorpus crawl CORPUS https://example.com/ --max-pages 500
    vlcorpus crawl CORPUS CC-MAIN-*.warc.gz

Live crawls go breadth-first from the seeds over links to the same hosts. They obey robots.txt, honour opt-outs, and
are deterministic: pages are taken in the order in which their links were found, whatever answers first. A killed
crawl goes on after the last committed chunk of pages without asking for them again: what was visited is enough to
know what follows.
"""

from __future__ import annotations

import glob
import itertools
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import spec
from ..corpus import Corpus, Layer
from ..errors import SourceError, UsageError
from ..spec import setting
from .base import Tell, UnitCommit, Work, count
from .content import digest_of
from .network import Network, written

if TYPE_CHECKING:
    from ..net.optout import Evidence
    from ..web.html import Page
    from ..web.live import Visit
    from ..web.warc import WarcPage

Row = dict[str, Any]
Chunk = tuple[list[Row], list[Row]]  # rows of pages, rows of pairs
WARC_CHUNK = 1_000  # pages a part


@dataclass(frozen=True, kw_only=True)
class Crawl(Network):
    """Find images and their words on live pages and in WARC files."""

    name = "crawl"
    makes = "candidates"
    creates = True

    sources: tuple[str, ...] = setting(
        help="Seed URLs (http, https), or WARC files (.warc, .warc.gz; globs work).", positional=True, path=True
    )
    max_pages: int = setting(10_000, help="Pages of a live crawl.", least=1)
    max_depth: int = setting(32, help="Links followed from a seed.", unit="links", least=0)
    chunk: int = setting(64, help="Pages between two commits of a live crawl.", least=1, most=10_000)
    shard_rows: int | None = setting(
        None, help="Rows of a shard; fixed when the corpus is created.", least=1, most=1_000_000, result=False
    )

    def layer(self, corpus: Corpus) -> Layer:
        return corpus.layer(f"sources/{self._source_name()}")

    def inputs(self, corpus: Corpus, unit: str) -> dict[str, str]:
        from . import candidates

        return self._contents() | {"candidates": candidates.digest(corpus, self._source_name())}

    def check(self, corpus: Corpus) -> None:
        from ..net.url import requestable
        from ..web import warc

        self.check_network()
        if not self.sources:
            raise UsageError("nothing to crawl (crawl: sources)", "name seed URLs or WARC files")
        for path in self._files():
            warc.pages(path)
        for seed in self._seeds():
            _, reason = requestable(seed)
            if reason is not None:
                raise UsageError(f"{seed!r} cannot be crawled: {reason}", "seeds are http and https URLs")

    def _seeds(self) -> list[str]:
        return [source for source in self.sources if "://" in source]

    def _files(self) -> list[Path]:
        """The WARC files, globs resolved, in order. SourceError for what is not there."""
        found: list[Path] = []
        for source in self.sources:
            if "://" in source:
                continue
            matching = sorted(glob.glob(source)) if glob.has_magic(source) else [source]
            if not matching or not all(Path(each).is_file() for each in matching):
                raise SourceError(f"no WARC file at {source}", "seeds begin with http:// or https://; files must exist")
            found += [Path(each) for each in matching]
        return found

    def _source_name(self) -> str:
        return f"crawl-{spec.fingerprint(self, self._contents())[:8]}"

    def _contents(self) -> dict[str, str]:
        """Number, name and digest of each WARC file; where it lies does not matter."""
        return {f"{number}/{path.name}": digest_of(path) for number, path in enumerate(self._files())}

    def open(self, corpus: Corpus) -> Work:
        from . import candidates

        def crawl(unit: str, tell: Tell) -> None:
            source = self._source_name()
            layer = corpus.layer(f"sources/{source}")
            parts = _Parts(self, corpus, layer, tell)
            for path in self._files():
                for chunk in self._from_warc(path, parts):
                    parts.write(*chunk)
            if self._seeds():
                for chunk in self._from_web(parts):
                    parts.write(*chunk)
            if not layer.units():
                parts.write([], [])
            seen, kept, rejected = candidates.cut(self, corpus, source, kind="crawl", tell=tell)
            with self.commit(corpus, unit) as commit:
                commit.finish(seen=seen, kept=kept, rejected=rejected, pages=dict(sorted(parts.pages.items())))

        return crawl

    def _from_warc(self, path: Path, parts: _Parts) -> Iterator[Chunk]:
        """Chunks of one file; pages of chunks that are committed already are not parsed again."""
        from ..web import warc

        found = warc.pages(path)
        for first in found:
            chunk = itertools.chain((first,), itertools.islice(found, WARC_CHUNK - 1))
            if parts.has_next():
                deque(chunk, maxlen=0)
                parts.skip()
            else:
                yield self._chunk(chunk)

    def _chunk(self, stored: Iterable[WarcPage]) -> Chunk:
        from ..web import html

        pages: list[Row] = []
        pairs: list[Row] = []
        for found in stored:
            page = None
            if found.reason is None:
                page = html.extract(found.body, url=found.url, headers=found.headers)
            reason = found.reason or (self._refusal(page.optout) if page else None)
            own = list(self._rows(page, reason))
            pages.append(
                {
                    "url": found.url,
                    "depth": 0,
                    "status": found.status,
                    "reason": reason,
                    "pairs": len(own),
                    "links": None,
                    "fetched_at": _time(found.date),
                }
            )
            pairs += own
        return pages, pairs

    def _from_web(self, parts: _Parts) -> Iterator[Chunk]:
        from ..net.fetch import Fetcher
        from ..web import html, live
        from ..web.frontier import Frontier

        frontier = Frontier(self._seeds(), max_pages=self.max_pages, max_depth=self.max_depth)
        frontier.replay(parts.visited())
        most = min(self.max_bytes, live.PAGE_LIMITS.max_bytes)
        limits = replace(live.PAGE_LIMITS, max_bytes=most, total_seconds=self.timeout)
        with ExitStack() as stack:
            robots = delay = None
            if (asked := self.robots()) is not None:
                robots, delay = asked[0], asked[0].crawl_delay
                stack.enter_context(asked[1])
            fetcher = Fetcher(self.manners(), limits, live.ACCEPT, live.refuse_other_types, delay=delay)
            stack.enter_context(fetcher)
            for visits in live.visit_chunks(
                frontier, fetcher, robots, html.extract, chunk=self.chunk, refuse=self._refusal
            ):
                if not parts.pages and not any(visit.page or visit.links for visit in visits):
                    raise _nowhere(visits)
                now = datetime.now(UTC)
                pages: list[Row] = []
                pairs: list[Row] = []
                for visit in visits:
                    own = list(self._rows(visit.page, visit.reason))
                    pages.append(
                        {
                            "url": visit.url,
                            "depth": visit.depth,
                            "status": visit.status,
                            "reason": visit.reason,
                            "pairs": len(own),
                            "links": list(visit.links),
                            "fetched_at": now,
                        }
                    )
                    pairs += own
                yield pages, pairs

    def _refusal(self, evidence: tuple[Evidence, ...]) -> str | None:
        from ..net import optout

        return optout.denied(evidence) if self.optout == "drop" else None

    def _rows(self, page: Page | None, reason: str | None) -> Iterator[Row]:
        """The page's pairs; on a page that opts out each is rejected for that."""
        if page is None:
            return
        evidence = written(page.optout)
        for pair in page.pairs:
            yield {
                "url": pair.url,
                "alt_text": pair.alt_text,
                "page_url": page.url,
                "page_title": page.title or None,
                "context": pair.context or None,
                "page_language": page.language or None,
                "licence": page.licence,
                "optout": evidence,
                "reason": reason or pair.reason,
            }


class _Parts:
    """The committed parts of a crawl's source: what a killed crawl resumes from."""

    def __init__(self, stage: Crawl, corpus: Corpus, layer: Layer, tell: Tell) -> None:
        self._stage, self._corpus, self._layer, self._tell = stage, corpus, layer, tell
        self._next = 0
        self._done = set(layer.units())
        self._seen = self._kept = 0
        self.pages: Counter[str] = Counter()

    def has_next(self) -> bool:
        return f"{self._next:05d}" in self._done

    def skip(self) -> None:
        from ..io import table

        rows = table.read(self._layer.path(f"pages/{self._next:05d}.parquet"), "pages", only=["reason"])
        self._count(rows.column("reason").to_pylist())
        self._next += 1

    def visited(self) -> Iterator[tuple[str, int, Sequence[str]]]:
        """Pages of the committed parts, in order, as (url, depth, links)."""
        from ..io import table

        while self.has_next():
            path = self._layer.path(f"pages/{self._next:05d}.parquet")
            for row in table.rows(path, "pages", only=["url", "depth", "links"]):
                yield row["url"], row["depth"], row["links"] or ()
            self.skip()

    def write(self, pages: list[Row], pairs: list[Row]) -> None:
        from ..io import table

        unit = f"{self._next:05d}"
        source = self._layer.name
        with UnitCommit(self._stage, self._corpus, self._layer, unit, {"source": source, "part": unit}) as commit:
            table.write(commit, f"pages/{unit}.parquet", table.columns(pages, "pages"), "pages")
            table.write(commit, f"pairs/{unit}.parquet", table.columns(pairs, "extracted"), "extracted")
            reasons = count([row["reason"] for row in pairs])
            commit.finish(seen=len(pairs), kept=len(pairs) - reasons.total(), rejected=reasons)
        self._seen += len(pairs)
        self._kept += len(pairs) - reasons.total()
        self._tell(self._seen, self._kept)
        self._count([row["reason"] for row in pages])
        self._next += 1

    def _count(self, reasons: Sequence[str | None]) -> None:
        self.pages += Counter(reason or "visited" for reason in reasons)


def _nowhere(visits: Sequence[Visit]) -> SourceError:
    """No seed could be visited: said before anything is committed, so that the next try asks again."""
    listed = ", ".join(f"{visit.url}: {visit.reason}" for visit in visits[:3])
    hints = {
        "robots_unreachable": "is the address right? one that is not public needs --allow-private NETWORK",
        "private_address": "an address that is not public needs --allow-private NETWORK, as 127.0.0.0/8",
        "robots_denied": "robots.txt says no; ask the site's owner",
    }
    hint = hints.get(visits[0].reason or "", "open it in a browser: is it there, and is it a page?")
    return SourceError(f"no seed could be visited ({listed})", hint)


def _time(said: str) -> datetime | None:
    """A WARC-Date in UTC; None where it is not one."""
    try:
        found = datetime.fromisoformat(said)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
