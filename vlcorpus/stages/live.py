"""The live part of a crawl: chunks of pages, each committed with its WARC file, from which a killed crawl goes on.

    crawl_live(stage, corpus, 0, tell)          writes parts 00000, … of sources/<source>/; what ended it

A part is warc/NNNNN.warc.gz (what came over the wire), pages/NNNNN.parquet (one row a visit, enough to know what
follows) and pairs/NNNNN.parquet. Pages of committed parts are not asked for again; those of the chunk that was under
way are, and robots.txt is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..corpus import Corpus, Layer
from ..errors import SourceError, UsageError, nearest
from ..io import table
from ..net import optout
from ..net.robots import Robots
from ..web.archives.warc_file import WarcFile
from ..web.found import Batch
from ..web.live.crawl import Done, Earlier, Fetchers, LiveCrawl, Visit
from ..web.live.fetchers import PAGE_LIMITS
from ..web.live.frontier import Frontier
from ..web.pages import html
from .base import Tell, UnitCommit, count
from .choosing import Choice
from .network import TOKEN
from .reading import Reader

if TYPE_CHECKING:
    from .crawl import Crawl

_HINTS = {
    "robots_unreachable": "is the address right? one that is not public needs --allow-private NETWORK",
    "private_address": "an address that is not public needs --allow-private NETWORK, as 127.0.0.0/8",
    "robots_denied": "robots.txt says no; ask the site's owner",
}


_PAGES = (None, "optout", "not_modified")  # reasons of what is a page, not a list of them


class _Ended(Exception):
    """There is nothing left to visit: what was begun of the next part is dropped."""


def check(stage: Crawl, corpus: Corpus) -> None:
    """Refuse what no live crawl can do, before any request."""
    _frontier(stage)
    if stage.sitemaps and not stage.obey_robots:
        raise UsageError("--sitemaps are named by robots.txt, which is not asked with --no-obey-robots")
    if stage.earlier is not None and not corpus.layer(f"sources/{stage.earlier}").names("pages/*"):
        known = [name for name in corpus.layers("sources") if name.startswith("crawl-")]
        raise UsageError(f"no earlier crawl {stage.earlier!r} in {corpus.place}", nearest(stage.earlier, known))


def crawl_live(stage: Crawl, corpus: Corpus, first: int, tell: Tell) -> str | None:
    """Visit what is left to visit; the parts are numbered from `first` on. Returns the cap that ended it, or None."""
    parts = _Parts(stage, corpus, first, tell)
    frontier = _frontier(stage)
    frontier.replay(parts.visited())
    limits = replace(PAGE_LIMITS, max_bytes=min(stage.max_bytes, PAGE_LIMITS.max_bytes), total_seconds=stage.timeout)
    reader = Reader(TOKEN, drops=stage.optout == "drop")
    with ExitStack() as opened:
        fetchers = opened.enter_context(Fetchers(stage.manners(), delay=stage.delay, limits=limits))
        robots = None
        if stage.obey_robots:
            robots = Robots(fetchers.robots.fetch, TOKEN, seen=reader.sites.learn)
            fetchers.crawl_delay = robots.crawl_delay
        crawl = LiveCrawl(
            frontier,
            fetchers,
            robots,
            html.extract,
            sites=reader.sites if stage.obey_robots else None,
            refuse=optout.denied if stage.optout == "drop" else None,
            earlier=_earlier(stage, corpus),
            max_seconds=stage.max_seconds,
        )
        try:
            while True:
                parts.visit(crawl, reader)
        except _Ended:
            return crawl.ended


def _frontier(stage: Crawl) -> Frontier:
    return Frontier(
        stage.found.seeds,
        use_sitemaps=stage.sitemaps,
        max_pages=stage.max_pages,
        max_pages_per_host=stage.max_pages_per_host,
        max_bytes=stage.max_total_bytes,
        max_depth=stage.max_depth,
        scope=stage.scope,
        include=stage.include,
        exclude=stage.exclude,
        strip_tracking=stage.strip_tracking,
    )


class _Parts:
    """The committed parts of a live crawl."""

    def __init__(self, stage: Crawl, corpus: Corpus, first: int, tell: Tell) -> None:
        self._stage, self._corpus, self._tell = stage, corpus, tell
        self._layer: Layer = stage.layer(corpus)
        self._next = first
        self._begun = False
        self._seen = self._kept = 0
        self._choose = Choice(optout=stage.optout, match=stage.match, language=stage.language, where=stage.where)

    def visited(self) -> Iterator[Done]:
        """The visits of the committed parts, in order."""
        while (stats := self._layer.stats(f"{self._next:05d}")) is not None:
            path = self._layer.path(f"pages/{self._next:05d}.parquet")
            for row in table.rows(path, "pages", only=["url", "depth", "reason", "links", "size"]):
                yield Done(row["url"], row["depth"], row["reason"], row["links"] or (), row["size"] or 0)
            self._count(stats)

    def visit(self, crawl: LiveCrawl, reader: Reader) -> None:
        """Visit a chunk of pages and commit it as the next part. Raises _Ended if there is none."""
        unit = f"{self._next:05d}"
        inputs = {"source": self._layer.name, "part": unit}
        file = f"warc/{unit}.warc.gz"
        with UnitCommit(self._stage, self._corpus, self._layer, unit, inputs) as commit:
            if self._stage.store:
                with commit.file(file) as sink:
                    visits = self._visits(crawl, WarcFile(sink, about=self._about()))
                # The dates in it are of the day; what was found is not.
                found = [(visit.url, visit.status, visit.reason, visit.digest) for visit in visits]
                commit.outputs[file]["digest"] = hashlib.sha256(json.dumps(found).encode()).hexdigest()
                name = f"{self._layer.name.rpartition('/')[2]}/{file}"
            else:
                visits, name = self._visits(crawl, None), ""
            batch = Batch()
            for visit in visits:
                for part in reader.apart(visit.page) if visit.page is not None else ():
                    batch.add(part, visit.origin(name) if name else visit.origin("")._replace(offset=None, length=None))
            pairs, dropped = self._choose(batch.table())
            table.write(commit, f"pairs/{unit}.parquet", pairs, "extracted")
            table.write(commit, f"pages/{unit}.parquet", table.columns(map(_row, visits), "pages"), "pages")
            refused = count(pairs.column("reason").to_pylist())
            outcomes = count([visit.reason or "visited" for visit in visits])
            stats = commit.finish(
                seen=len(pairs) + dropped.total(),
                kept=len(pairs) - refused.total(),
                rejected=refused + dropped,
                dropped=dict(sorted(dropped.items())),
                pages=dict(sorted(outcomes.items())),
            )
        self._count(stats)

    def _visits(self, crawl: LiveCrawl, warc: WarcFile | None) -> tuple[Visit, ...]:
        visits = crawl.visit(self._stage.chunk, warc)
        if not visits:
            raise _Ended
        if not self._begun and not any(visit.page or visit.links for visit in visits):
            raise _nowhere(visits)
        return visits

    def _about(self) -> dict[str, str]:
        """Of the WARC file."""
        return {
            "software": f"{TOKEN}/{__version__}",
            "http-header-user-agent": self._stage.user_agent(),
            "robots": "obey" if self._stage.obey_robots else "ignore",
        }

    def _count(self, stats: dict[str, Any]) -> None:
        self._begun = True
        self._next += 1
        self._seen += stats["seen"]
        self._kept += stats["kept"]
        self._tell(self._seen, self._kept)


def _row(visit: Visit) -> dict[str, Any]:
    """A visit as a row of `pages`."""
    return {
        "url": visit.url,
        "depth": visit.depth,
        "status": visit.status,
        "reason": visit.reason,
        "pairs": len(visit.page.pairs) if visit.page is not None else 0,
        "links": list(visit.links),
        "fetched_at": visit.fetched_at,
        "etag": visit.etag,
        "last_modified": visit.last_modified,
        "size": visit.size,
        "digest": visit.digest,
        "record_offset": visit.offset,
        "record_length": visit.length,
    }


def _earlier(stage: Crawl, corpus: Corpus) -> Callable[[str], Earlier | None] | None:
    """What an earlier crawl knows of a page."""
    if stage.earlier is None:
        return None
    layer = corpus.layer(f"sources/{stage.earlier}")
    known: dict[str, Earlier] = {}
    for part in (unit for unit in layer.units() if unit.isdigit()):
        only = ["url", "reason", "etag", "last_modified", "links", "digest"]
        for row in table.rows(layer.path(f"pages/{part}.parquet"), "pages", only=only):
            if row["reason"] in _PAGES and (row["etag"] or row["last_modified"]):
                known[row["url"]] = Earlier(row["etag"], row["last_modified"], row["links"] or (), row["digest"])
    return known.get


def _nowhere(visits: Sequence[Visit]) -> SourceError:
    """No seed could be visited: said before anything is committed, so that the next try asks again."""
    listed = ", ".join(f"{visit.url}: {visit.reason}" for visit in visits[:3])
    hint = _HINTS.get(visits[0].reason or "", "open it in a browser: is it there, and is it a page?")
    return SourceError(f"no seed could be visited ({listed})", hint)
