"""Small corpora drawn from a large one, to measure stages on.

    drawn = draw(corpus, 500, seed=0, images=True)          which rows, by the hash of each row's image
    scratch(drawn.part(0.1), Path("/tmp/x/tenth"))          a corpus of their candidates, and of their images if taken
    carry(drawn, "scores/list", scratch)                    a layer that the recipe reads and does not make

The draw hangs on `image_id` and seed alone. At most MOST_SHARDS shards are looked at, themselves drawn by the hash of
their names, so that a corpus of a million shards is sampled as quickly as one of thirty. Rows of one image stay
together. The corpus is only read. Cost: 10 microseconds for each row of the shards that are looked at.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ...corpus import Corpus
from ...errors import CorpusError
from ...stages.base import UnitCommit
from ...stages.import_ import Import

MOST_SHARDS = 24
MOST_FETCHED = 4
"""Of shards whose images would have to come from an object store, whole."""
UNITS = 2
"""Shards of a scratch corpus: two, so that what a reduction shares out shard by shard is shared out there, too."""
_OF_PAIRS = frozenset(
    ("url", "caption", "key", "uid", "image_id", "image_key", "page_url", "url_md5", "additional")
)  # columns of shards/ that are the pair's; the others are its image's
Row = dict[str, Any]


@dataclass(frozen=True)
class Drawn:
    """rows: (shard, row numbers in order) of the sample, `ranks` the place of each row's image in the draw. shards, of:
    looked at, of so many. hosts: different ones in a shard, and rows, both summed over the shards looked at. images:
    different ones among the rows looked at. top: (host, rows) that most images are on."""

    corpus: Corpus
    images: bool
    rows: tuple[tuple[str, tuple[int, ...]], ...]
    ranks: Mapping[tuple[str, int], int]
    shards: int
    of: int
    looked: int
    hosts: int
    different: int
    top: tuple[str, int]

    @property
    def count(self) -> int:
        return sum(len(numbers) for _, numbers in self.rows)

    def part(self, share: float) -> Drawn:
        """The first of the draw: a smaller sample of the same kind."""
        wanted = max(1, round(share * self.count))
        first = set(sorted(self.ranks, key=lambda place: (self.ranks[place], place))[:wanted])
        rows = ((unit, tuple(number for number in numbers if (unit, number) in first)) for unit, numbers in self.rows)
        return replace(self, rows=tuple((unit, numbers) for unit, numbers in rows if numbers))


def draw(corpus: Corpus, wanted: int, *, seed: int, images: bool) -> Drawn:
    """About `wanted` candidates. images: of those whose shard has been downloaded; their images are taken along."""
    import numpy as np

    from ...draws import drawn, halves
    from ...io import table

    units = corpus.layer("shards" if images else "candidates").units()
    if not units:
        raise CorpusError(
            f"{corpus.place} has no candidates to measure on", "import or crawl some thousand first: see docs/scale.md"
        )
    layer = corpus.layer("candidates")
    most = MOST_FETCHED if images and layer.remote else MOST_SHARDS
    chosen = sorted(units, key=lambda unit: hashlib.blake2b(f"{seed}:{unit}".encode()).digest())[:most]
    found: list[tuple[int, str, int]] = []
    looked = hosts = 0
    different: set[bytes] = set()
    counted: Counter[str] = Counter()
    for unit in sorted(chosen):
        rows = table.read(layer.path(f"{unit}.parquet"), "candidates", only=["image_id", "url"])
        names = rows.column("image_id").to_pylist()
        if not names:
            continue
        images_ND = np.frombuffer(b"".join(names), np.uint8).reshape(-1, 16)
        draws = drawn(*halves(images_ND), seed)
        found += [(int(value), unit, number) for number, value in enumerate(draws)]
        here = Counter(_host(url) for url in rows.column("url").to_pylist())
        here.pop("", None)
        looked, hosts = looked + len(names), hosts + len(here)
        different.update(names)
        counted.update(here)
    found.sort()
    ranks: dict[tuple[str, int], int] = {}
    last = -1
    for value, unit, number in found:
        if len(ranks) >= wanted and value != last:
            break
        ranks[unit, number] = last = value
    if not ranks:
        raise CorpusError(f"{corpus.place} has no rows to measure on", "import or crawl some thousand first")
    numbers: dict[str, list[int]] = {}
    for unit, number in sorted(ranks):
        numbers.setdefault(unit, []).append(number)
    top = counted.most_common(1)[0] if counted else ("", 0)
    return Drawn(
        corpus=corpus,
        images=images,
        rows=tuple((unit, tuple(listed)) for unit, listed in numbers.items()),
        ranks=ranks,
        shards=len(chosen),
        of=len(units),
        looked=looked,
        hosts=hosts,
        different=len(different),
        top=top,
    )


def _host(url: str | None) -> str:
    try:
        return urlsplit(url or "").hostname or ""
    except ValueError:
        return ""


def scratch(drawn: Drawn, folder: Path) -> Corpus:
    """A new corpus in `folder` that holds the sample."""
    import pyarrow as pa

    from ...io import table

    corpus = Corpus.create(folder, shard_rows=max(drawn.corpus.shard_rows, drawn.count), seed=drawn.corpus.seed)
    stage = Import(source="sample")
    layer = drawn.corpus.layer("candidates")
    tables = [
        table.read(layer.path(f"{unit}.parquet"), "candidates").take(pa.array(numbers)) for unit, numbers in drawn.rows
    ]
    whole = pa.concat_tables(tables)
    for unit, start, end in _units(drawn.count):
        with UnitCommit(stage, corpus, corpus.layer("candidates"), unit, {}) as commit:
            table.write(commit, f"{unit}.parquet", table.owned(whole.slice(start, end - start)), "candidates")
            commit.finish(seen=end - start, kept=end - start, source="sample", source_kind="list", slice=int(unit))
    if drawn.images:
        _take_images(drawn, corpus, stage, whole.to_pylist())
    return corpus


def _units(count: int) -> Iterator[tuple[str, int, int]]:
    """(unit, first row, row after its last) of a scratch corpus."""
    size = -(-count // UNITS)
    for number in range(UNITS):
        if number * size < count:
            yield f"{number:05d}", number * size, min(count, (number + 1) * size)


def _take_images(drawn: Drawn, corpus: Corpus, stage: Import, rows: list[Row]) -> None:
    """Shards of the sample: what is said of each image, and the bytes that are stored of it."""
    from ...io.journal import Journal
    from ...stages import shards
    from ...stages.outcome import Outcome

    outcomes = list(_outcomes(drawn))
    for unit, start, end in _units(len(rows)):

        def make(
            wanted: Sequence[int], journal: Journal, own: Sequence[Outcome] = outcomes[start:end]
        ) -> Iterator[tuple[int, Outcome]]:
            yield from ((number, own[number]) for number in wanted)

        commit = UnitCommit(stage, corpus, corpus.layer("shards"), unit, {})
        shards.write(commit, corpus, unit, rows[start:end], make, _quiet)


def _outcomes(drawn: Drawn) -> Iterator[Any]:
    from ...io import table, tar
    from ...stages.outcome import Outcome
    from ...stages.samples import IMAGES

    layer = drawn.corpus.layer("shards")
    for unit, numbers in drawn.rows:
        rows = table.read(layer.path(f"{unit}.parquet"), "shards").to_pylist()
        path = layer.path(f"{unit}.tar")
        places = {entry.key: entry for entry in tar.scan(path) if entry.extension in IMAGES}
        for number in numbers:
            row = rows[number]
            about = {name: value for name, value in row.items() if name not in _OF_PAIRS}
            entry = places.get(row["image_key"]) if row["status"] == "success" else None
            body = {} if entry is None else {entry.extension: tar.read_at(path, entry.offset, entry.length)}
            yield Outcome(row=about, members=body)


def carry(drawn: Drawn, name: str, corpus: Corpus) -> None:
    """Bring a layer of tables by uid into a scratch corpus, with the rows of the sample alone."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from ...io import table
    from ...io.commit import Commit

    source, target = drawn.corpus.layer(name), corpus.layer(name)
    found: list[pa.Table] = []
    stats: dict[str, Any] = {}
    for unit, _ in drawn.rows:
        about = source.stats(unit)
        if about is None or not (path := source.path(f"{unit}.parquet")).is_file():
            raise CorpusError(
                f"{name} is not there for shard {unit} of {drawn.corpus.place}", "make it whole: see `vlcorpus status`"
            )
        stats = about
        found.append(pq.read_table(path))
    rows = pa.concat_tables(found)
    for unit in corpus.layer("candidates").units():
        own = table.read(corpus.layer("candidates").path(f"{unit}.parquet"), "candidates", only=["uid"])
        chosen = rows.filter(pc.is_in(rows.column("uid"), own.column("uid").combine_chunks()))
        with Commit(target.folder, target.marker(unit)) as commit:
            with commit.file(f"{unit}.parquet") as sink:
                pq.write_table(chosen, sink)
            commit.done(stats | {"unit": unit, "seen": len(chosen), "kept": len(chosen), "rejected": {}})
    if (whole := source.stats("all")) is not None:
        with Commit(target.folder, target.marker("all")) as commit:
            commit.done(whole)


def _quiet(*progress: object) -> None:
    """Nobody is told: the sample is small."""
