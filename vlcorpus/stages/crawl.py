"""crawl: WAT and WARC files, and live pages, become candidates.

    vlcorpus crawl CORPUS https://example.com/ --contact me@example.com --max-pages 500
    vlcorpus crawl CORPUS 'CC-MAIN-*.warc.gz'
    vlcorpus crawl CORPUS cc:CC-MAIN-2024-22 --files 8 --seed 1 --match birds.txt

Files are extracted one by one, by as many workers as there are (extract.py). Live crawls go breadth-first from their
seeds (live.py). Then the rows of both are brought into one order, without duplicates, and cut into candidate shards
(candidates.py).
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from .. import spec
from ..corpus import MOST_DIGITS, Corpus, Layer
from ..errors import SourceError, UsageError
from ..spec import setting
from . import places
from .base import Stage, Tell, UnitCommit, Work
from .content import digest_of
from .network import Network

if TYPE_CHECKING:
    from ..web.sources.resolve import Resolved, SourceFile

COMMON_CRAWL = "https://data.commoncrawl.org"

_CONTACT = re.compile(r"(?:mailto:)?[^\s@<>()]+@[^\s@<>()]+\.[^\s@<>()]+|https?://[^\s<>()]+")


@dataclass(frozen=True, kw_only=True)
class Crawl(Network):
    """Find images and their words in WAT and WARC files and on live pages."""

    name = "crawl"
    makes = "candidates"
    creates = True
    version = 2

    sources: tuple[str, ...] = setting(
        help="WAT or WARC files (paths, globs, URLs, lists of them), cc:CC-MAIN-YYYY-WW, or seeds: pages, sitemaps.",
        positional=True,
        path=True,
    )
    profile: str = setting(
        "full",
        help="What counts as a pair in WAT files: all there is, LAION's rules, or exactly cc2dataset's.",
        choices=("full", "laion", "compat"),
        panel="Choosing",
    )
    keep_relative: bool = setting(
        True, help="Join relative image URLs; LAION's own rules (profile laion) lost them.", panel="Choosing"
    )
    match: str | None = setting(
        None, help="File of terms, one a line: keep only pairs whose words contain one.", path=True, panel="Choosing"
    )
    where: str | None = setting(
        None, help="Keep only pairs for which this holds, as 'width >= 256 and language == \"en\"'.", panel="Choosing"
    )
    language: str = setting(
        "pycld2",
        help="What tells the language of the words; cld3 is what LAION used.",
        choices=("pycld2", "cld3", "fasttext", "none"),
        panel="Choosing",
    )
    max_texts_per_image: int | None = setting(
        None, help="Pairs of one image, the first ones.", least=1, panel="Choosing"
    )
    max_images_per_text: int | None = setting(
        None, help="Pairs with the same words, the first ones.", least=1, panel="Choosing"
    )
    against: tuple[str, ...] = setting(
        (), help="Earlier corpora: what is in them is not taken again.", path=True, panel="Choosing"
    )
    files: int | None = setting(
        None, help="Files of a Common Crawl, drawn without replacement; none takes all.", least=1, panel="Common Crawl"
    )
    seed: int = setting(0, help="Of that draw.", least=0, panel="Common Crawl")
    kind: str = setting("wat", help="Files of a Common Crawl.", choices=("wat", "warc"), panel="Common Crawl")
    base_url: str = setting(COMMON_CRAWL, help="Where they are fetched from.", panel="Common Crawl")
    max_pages: int = setting(10_000, help="Pages of a live crawl.", least=1, panel="Live crawl")
    max_pages_per_host: int | None = setting(None, help="Pages of one host.", least=1, panel="Live crawl")
    max_depth: int = setting(32, help="Links followed from a seed.", unit="links", least=0, panel="Live crawl")
    max_total_bytes: int | None = setting(
        None, help="Bodies fetched in all.", unit="bytes", least=1, panel="Live crawl"
    )
    max_seconds: float | None = setting(
        None,
        help="Stop asking after this time; the same command goes on from there.",
        unit="s",
        least=0,
        result=False,
        panel="Live crawl",
    )
    scope: str = setting(
        "host",
        help="Where links are followed: hosts of the seeds, also those below them, or the seeds' folders.",
        choices=("host", "domain", "prefix"),
        panel="Live crawl",
    )
    include: tuple[str, ...] = setting((), help="Regular expressions; a link must contain one.", panel="Live crawl")
    exclude: tuple[str, ...] = setting((), help="Regular expressions; a link must contain none.", panel="Live crawl")
    sitemaps: bool = setting(False, help="Also begin with the sitemaps that robots.txt names.", panel="Live crawl")
    strip_tracking: bool = setting(True, help="Take utm_source and its like out of links.", panel="Live crawl")
    delay: float = setting(
        1.0,
        help="Least time between two requests to a host; a longer Crawl-delay wins.",
        unit="s",
        least=0,
        most=3600,
        result=False,
        panel="Live crawl",
    )
    earlier: str | None = setting(
        None,
        help="An earlier crawl (a name under sources/): pages are asked for only if they changed since.",
        panel="Live crawl",
    )
    store: bool = setting(True, help="Keep what was fetched, as WARC files in the corpus.", panel="Live crawl")
    chunk: int = setting(
        64, help="Pages between two commits of a live crawl.", least=1, most=10_000, panel="Live crawl"
    )
    shard_rows: int | None = setting(
        None, help="Rows of a shard; fixed when the corpus is created.", least=1, most=1_000_000, result=False
    )
    shard_digits: int | None = setting(
        None,
        help="Digits of shard numbers, 5 if not given (a billion pairs of 10,000 a shard); fixed as the rows are.",
        least=1,
        most=MOST_DIGITS,
        result=False,
    )

    def located(self) -> Stage:
        self.check_network()
        if not self.sources:
            raise UsageError("nothing to crawl (crawl: sources)", "name WARC or WAT files, a cc: crawl, or seed URLs")
        if self.files is None and any(source.startswith("cc:") for source in self.sources):
            raise UsageError(
                "a whole Common Crawl has some 90,000 files (crawl: files)", "say how many to draw, as --files 8"
            )
        found = replace(self)  # what an earlier look found is forgotten
        assert found.found is not None
        return found

    @cached_property
    def found(self) -> Resolved:
        """The files and seeds that `sources` name, looked up once and sent along to the workers."""
        from ..web.sources import resolve as sources

        return sources.resolve(
            self.sources, files=self.files, seed=self.seed, kind=self.kind, base_url=self.base_url, network=self.reach()
        )

    @cached_property
    def contents(self) -> dict[str, str]:
        """Number, name and digest of each file; where it lies does not matter."""
        from ..web.sources import resolve as sources

        named = {}
        for number, file in enumerate(self.found.files):
            path = sources.local(file)
            digest = digest_of(path) if path is not None else sources.identity(file, network=self.reach())
            named[f"{number}/{file.name}"] = digest
        return named

    @cached_property
    def choosing(self) -> dict[str, str]:
        """Digests of what else decides on rows."""
        found = {}
        if self.match is not None:
            found["match"] = digest_of(places.fetched(self.match, "--match", places.A_FILE))
        for path in self.against:
            found[f"against/{places.name(path)}"] = places.opened(path).layer("candidates").digest_all()
        return found

    @cached_property
    def source(self) -> str:
        """The name of this crawl under sources/."""
        return f"crawl-{spec.fingerprint(self, self.contents, self.choosing)[:8]}"

    def layer(self, corpus: Corpus) -> Layer:
        return corpus.layer(f"sources/{self.source}")

    def wanted(self) -> tuple[str, ...]:
        return (f"sources/{self.source}",) if self.found.files else ()

    def notes(self) -> tuple[str, ...]:
        return self.found.notes

    def supplier(self, name: str) -> Stage | None:
        from .extract import Extract

        if name != f"sources/{self.source}":
            return None
        made = Extract(**{each.name: getattr(self, each.name) for each in spec.settings_of(type(self))})
        made.__dict__.update(found=self.found, contents=self.contents, choosing=self.choosing, source=self.source)
        return made

    def inputs(self, corpus: Corpus, unit: str) -> dict[str, str]:
        from . import candidates

        return self.contents | self.choosing | {"candidates": candidates.digest(corpus, self.source)}

    def check(self, corpus: Corpus) -> None:
        from .choosing import Choice

        if self.found.seeds and (self.contact is None or not _CONTACT.fullmatch(self.contact)):
            said = "none is given" if self.contact is None else f"{self.contact!r} is neither"
            raise UsageError(
                f"a live crawl needs a contact for site owners, a web or mail address; {said} (crawl: contact)",
                "add --contact https://example.org/crawler or --contact me@example.org",
            )
        if self.found.seeds:
            from . import live

            live.check(self, corpus)
        Choice(optout=self.optout, match=self.match, language=self.language, where=self.where)
        for file in self.found.files:
            self.check_file(file)

    def check_file(self, file: SourceFile) -> None:
        """Refuse a local file that is not what its name says, before any work."""
        from ..web.archives import warc, wat
        from ..web.sources import resolve as sources

        path = sources.local(file)
        if path is None:
            return
        if file.kind == "wat" or (not file.kind and wat.is_wat(path)):
            return
        if self.profile != "full":
            raise UsageError(
                f"profile {self.profile} is for WAT files, and {file.name} is not one", "leave --profile away"
            )
        warc.pages(path)

    def open(self, corpus: Corpus) -> Work:
        from . import candidates

        def crawl(unit: str, tell: Tell) -> None:
            from .live import crawl_live

            layer = self.layer(corpus)
            ended = crawl_live(self, corpus, len(self.found.files), tell) if self.found.seeds else None
            dropped: Counter[str] = Counter()
            pages: Counter[str] = Counter()
            for part in layer.units():
                stats = layer.stats(part) or {}
                dropped += Counter(stats.get("dropped", {}))
                pages += Counter(stats.get("pages", {}))
            seen, kept, rejected = candidates.cut(
                self,
                corpus,
                self.source,
                kind="crawl",
                tell=tell,
                max_texts_per_image=self.max_texts_per_image,
                max_images_per_text=self.max_images_per_text,
                against=self.against,
            )
            # A crawl that ran out of time is not done: the same command goes on.
            inputs = self.inputs(corpus, unit) | ({"ended": ended} if ended == "max_seconds" else {})
            with UnitCommit(self, corpus, layer, unit, inputs) as commit:
                commit.finish(
                    seen=seen + dropped.total(),
                    kept=kept,
                    rejected=rejected + dropped,
                    dropped=dict(sorted(dropped.items())),
                    pages=dict(sorted(pages.items())),
                    ended=ended,
                )

        return crawl


__all__ = ["Crawl", "SourceError"]
