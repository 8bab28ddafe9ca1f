"""Reading lists into the parts of a source: what `import` puts in front of itself, so that several workers read.

A list in parquet is divided into stretches of whole row groups, some SPAN_ROWS rows each; any other list is one
stretch. A unit reads its stretch once, through web.lists.parts and the identities, and commits the part's pairs and,
where the list has scores, its scores: sources/<source>/{pairs,scores}/NNNNN.parquet. What is in a part depends on the
list alone.

    extract(stage, corpus, source, read, tell)      parts of folders and tars, which the import reads itself

Costs 2 microseconds a row of a parquet list, half of which are the two hashes, and the memory of one row group of ours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..corpus import Corpus
from .base import Stage, Tell, UnitCommit, Work
from .import_ import LIST, Import

if TYPE_CHECKING:
    import pyarrow as pa

    from ..web.lists.columns import Columns
    from ..web.lists.parts import Part

SPAN_ROWS = 500_000
_VARIED = ("uid", "image_id", "text_id", "url", "alt_text", "given_uid", "additional", "record_offset")


@dataclass(frozen=True)
class Stretch:
    """Rows of one list that are read on their own. rows: row groups of a parquet list; None is the whole list."""

    path: Path
    name: str
    format: str
    columns: Columns
    rows: range | None

    def __str__(self) -> str:
        return self.name if self.rows is None else f"{self.name} {self.rows.start}-{self.rows.stop}"


@dataclass(frozen=True, kw_only=True)
class ReadLists(Import):
    """Read the pairs of URL lists."""

    name = "read"
    makes = "sources"
    creates = False

    def made(self) -> str:
        return f"sources/{self.source_id}"

    def brings(self) -> tuple[str, ...]:
        return (self.made(),)

    def wanted(self) -> tuple[str, ...]:
        return ()

    def located(self) -> ReadLists:
        return self

    def supplier(self, name: str) -> Stage | None:
        return None

    @cached_property
    def stretches(self) -> list[Stretch]:
        from ..web.lists import rows as lists
        from ..web.lists.parts import spans

        found = []
        for path, name in self.lists:
            format, columns = lists.opened(
                path, self.format, self.url_column, self.text_column, self.save_additional_columns
            )
            found += [Stretch(path, name, format, columns, rows) for rows in spans(path, format, rows=SPAN_ROWS)]
        return found

    def units(self, corpus: Corpus) -> Sequence[str]:
        return [f"{number:05d}" for number in range(len(self.stretches))]

    def inputs(self, corpus: Corpus, unit: str) -> dict[str, str]:
        return {"source": self.source_id, "part": f"{unit} {self.stretches[int(unit)]}"}

    def open(self, corpus: Corpus) -> Work:
        def read(unit: str, tell: Tell) -> None:
            with self.commit(corpus, unit) as commit:
                _read(self.stretches[int(unit)], commit, tell, texts=self.max_images_per_text is not None)

        return read


def reader(stage: Import) -> ReadLists:
    """What reads the lists of an import; what the import looked up already is not looked up again."""
    made = ReadLists(**{each.name: getattr(stage, each.name) for each in fields(stage)})
    made.__dict__.update(kind=LIST, lists=stage.lists, source_id=stage.source_id)
    return made


def read_missing(stage: Import, corpus: Corpus, tell: Tell) -> None:
    """Read the parts that no worker has read before."""
    made = reader(stage)
    layer, work = made.layer(corpus), made.open(corpus)
    for unit in made.units(corpus):
        stats = layer.stats(unit)
        if stats is None or stats["fingerprint"] != made.fingerprint(corpus, unit):
            work(unit, tell)


def _read(stretch: Stretch, commit: UnitCommit, tell: Tell, *, texts: bool) -> None:
    from ..io.growing import Growing
    from ..placement.keys import with_identities
    from ..web.lists.parts import parts

    rejected: Counter[str] = Counter()
    more: Counter[str] = Counter()
    seen = 0
    with ExitStack() as stack:
        pairs = Growing(commit, f"pairs/{commit.unit}.parquet", "extracted", varied=_VARIED, passing=True)
        stack.enter_context(pairs)
        scores: Growing | None = None
        if stretch.columns.scores:
            scores = Growing(commit, f"scores/{commit.unit}.parquet", "extracted-scores", passing=True)
            stack.enter_context(scores)
        for part in parts(stretch.path, stretch.format, stretch.columns, name=stretch.name, span=stretch.rows):
            pairs.add(with_identities(part.pairs, texts=texts))
            if scores is not None and part.scores is not None:
                scores.add(part.scores)
            rejected += _reasons(part.pairs)
            more.update(part.counts)
            seen += len(part.pairs)
            tell(seen, seen - rejected.total())
    commit.finish(seen=seen, kept=seen - rejected.total(), rejected=rejected, **more)


def extract(stage: Stage, corpus: Corpus, source: str, read: Iterator[Part], tell: Tell) -> None:
    """Commit the parts of a source; those that a run committed that was killed are not written again."""
    from ..io import table
    from ..placement.keys import with_identities

    layer = corpus.layer(f"sources/{source}")
    seen = kept = 0
    for number, part in enumerate(read):
        unit = f"{number:05d}"
        commit = UnitCommit(stage, corpus, layer, unit, {"source": source, "part": unit})
        stats = layer.stats(unit)
        if stats is None or stats["fingerprint"] != commit.fingerprint:
            with commit:
                table.write(commit, f"pairs/{unit}.parquet", with_identities(part.pairs), "extracted")
                if part.scores is not None:
                    table.write(commit, f"scores/{unit}.parquet", part.scores, "extracted-scores")
                rejected = _reasons(part.pairs)
                good = len(part.pairs) - sum(rejected.values())
                stats = commit.finish(seen=len(part.pairs), kept=good, rejected=rejected, **part.counts)
        seen, kept = seen + stats["seen"], kept + stats["kept"]
        tell(seen, kept)


def _reasons(pairs: pa.Table) -> Counter[str]:
    counts: list[dict[str, Any]] = pairs.column("reason").drop_null().value_counts().to_pylist()
    return Counter({each["values"]: each["counts"] for each in counts})
