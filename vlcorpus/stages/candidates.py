"""Cutting what a source brought into candidate shards.

    cut(stage, corpus, source, kind="list", tell=tell)

A source's extracted pairs, in order: rows of one image are brought together behind its first row, and rows that are not
kept get a reason:

- `duplicate_pair`: the pair was seen before, in this source or among the candidates of the corpus' other sources;
- `in_earlier_corpus`: it is among the candidates of a corpus in `against`;
- `too_many_texts`: its image has `max_texts_per_image` pairs before it;
- `too_many_images`: its words (text_id; no words at all are not counted) have `max_images_per_text` images before it.

Before it: in the order of the source, and candidates of the corpus' other sources come first. Duplicates do not count;
a row that is too many for its image does not count for its words, but one that is too many for its words counts for
its image.

Then the rows are cut, rejected ones included, into slices of at most `shard_rows`. Where the cuts fall depends on the
source alone, whatever else is in the corpus, so a cut that was killed goes on where it stopped, and a later source
continues the numbering. Every row ends up in candidates/NNNNN.parquet or candidates/rejected/NNNNN.parquet.

Costs 2 microseconds a row, of which half is writing, and 0.1 a row that is there already. Memory: 0.3 GB, and `memory`
if it is needed. What does not fit goes to a folder of its own in the corpus, which is removed afterwards: some 50 bytes
for each row of the source and each that is there already, and the rows that move to an earlier shard.
"""

from __future__ import annotations

import itertools
import shutil
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .. import schema, spec
from ..corpus import Corpus, Layer
from ..io import table
from ..io.commit import TEMPORARY, explained
from ..placement.duplicates import REASONS, Search
from ..placement.gather import Gathered, gather
from ..placement.keys import Mask, Words, as_words, text_ids
from ..placement.parts import Parts
from ..placement.slices import cut as cut_slices
from .base import Stage, Tell, UnitCommit, count
from .places import opened

MEMORY = 2 << 30
_WRITERS, _WRITTEN_ROWS = 4, 200_000
_WORK = TEMPORARY + "cut-"
T = TypeVar("T")
R = TypeVar("R")
_VARIED = ("uid", "image_id", "url", "alt_text", "context", "link_url", "given_uid", "additional", "offset")


def cut(
    stage: Stage,
    corpus: Corpus,
    source: str,
    *,
    kind: str,
    tell: Tell,
    max_texts_per_image: int | None = None,
    max_images_per_text: int | None = None,
    against: Sequence[str] = (),
    memory: int = MEMORY,
) -> tuple[int, int, Counter[str]]:
    """Write the candidate shards of `source`. Returns rows seen, kept, and rejected by reason.

    max_texts_per_image, max_images_per_text: None sets no limit. against: corpora whose pairs are not wanted again.
    memory: bytes, about; it does not change what is written. What was committed stays as it is when other sources, or
    the corpora in `against`, have grown since.
    """
    candidates = corpus.layer("candidates")
    layer = corpus.layer(f"sources/{source}")
    names = sorted((unit for unit in layer.units() if unit.isdigit()), key=int)
    inputs = {layer.name: spec.digest([layer.digest(part) for part in names])}
    own = _own(candidates, source)
    free = _free_names(corpus, candidates)
    total = _Total(tell)

    def commit(number: int, shard: str) -> UnitCommit:
        return UnitCommit(stage, corpus, candidates, shard, inputs | {"slice": str(number)})

    folder = corpus.path / f"{_WORK}{source}"
    _sweep(corpus)
    try:
        with explained(folder):
            paths = [layer.path(f"pairs/{name}.parquet") for name in names]
            parts = Parts(paths, texts=max_images_per_text is not None)
            with Search(
                folder,
                rows=parts.rows,
                memory=memory,
                max_texts_per_image=max_texts_per_image,
                max_images_per_text=max_images_per_text,
            ) as search:
                _known(search, corpus, source, against, with_texts=max_images_per_text is not None)
                for each in parts.identities():
                    search.add(*each)
                places = search.places()
            slices = cut_slices(rows=parts.rows, size=corpus.shard_rows, places=places)
            todo: dict[int, str] = {}
            for number in range(len(slices)):
                shard = own[number] if number in own else next(free)
                stats = candidates.stats(shard)
                if stats is not None and stats["fingerprint"] == commit(number, shard).fingerprint:
                    total.add(stats)
                else:
                    todo[number] = shard

            def write(found: Gathered) -> dict[str, Any]:
                return _write(commit(found.number, todo[found.number]), found, source=source, source_kind=kind)

            each_slice = gather(parts, slices, places, wanted=list(todo), folder=folder, memory=memory // 2)
            for stats in in_order(write, each_slice, threads=writers(corpus.shard_rows)):
                total.add(stats)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return total.seen, total.kept, total.rejected


def digest(corpus: Corpus, source: str) -> str:
    """Names the candidate shards of `source` as they are: where one is gone, what brought it has work to do."""
    layer = corpus.layer("candidates")
    return spec.digest([(number, layer.digest(shard)) for number, shard in sorted(_own(layer, source).items())])


class _Total:
    """Rows of all slices so far."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self.seen = self.kept = 0
        self.rejected: Counter[str] = Counter()

    def add(self, stats: dict[str, Any]) -> None:
        self.seen += stats["seen"]
        self.kept += stats["kept"]
        self.rejected += Counter(stats["rejected"])
        self._tell(self.seen, self.kept)


def _own(candidates: Layer, source: str) -> dict[int, str]:
    """The shards that a source has already: slice number -> shard."""
    found = ((shard, candidates.stats(shard)) for shard in candidates.units())
    return {int(stats["slice"]): shard for shard, stats in found if stats is not None and stats["source"] == source}


def _free_names(corpus: Corpus, candidates: Layer) -> Iterator[str]:
    """Names of shards that are not there, lowest first: one that was lost gets its name back."""
    taken = set(candidates.units())
    return (name for name in map(corpus.shard_name, itertools.count()) if name not in taken)


def _sweep(corpus: Corpus) -> None:
    """Remove what cuts that were killed left behind."""
    for left in corpus.path.glob(f"{_WORK}*"):
        shutil.rmtree(left, ignore_errors=True)


def _known(search: Search, corpus: Corpus, source: str, against: Sequence[str], *, with_texts: bool) -> None:
    """Tell the search of the candidates of other sources, then of other corpora."""
    own = set(_own(corpus.layer("candidates"), source).values())
    only = ("uid", "image_id", "alt_text") if with_texts else ("uid", "image_id")
    for image, uid, text in _candidates(corpus, only, without=own):
        search.known(image, uid, text, here=True)
    for path in against:
        for image, uid, _ in _candidates(opened(path), ("uid", "image_id")):
            search.known(image, uid, here=False)


def _candidates(
    corpus: Corpus, only: Sequence[str], *, without: Sequence[str] | set[str] = ()
) -> Iterator[tuple[Words, Words, Words | None]]:
    layer = corpus.layer("candidates")
    for shard in layer.units():
        if shard in without:
            continue
        for _, rows in table.pieces(layer.path(f"{shard}.parquet"), "candidates", only=only):
            text = text_ids(rows.column("alt_text")) if "alt_text" in only else None
            yield as_words(rows.column("image_id")), as_words(rows.column("uid")), text


def writers(rows: int) -> int:
    """How many shards of so many rows are written at once: a commit mostly waits for the disk."""
    return max(1, min(_WRITERS, _WRITTEN_ROWS // rows))


def in_order(write: Callable[[T], R], given: Iterator[T], *, threads: int) -> Iterator[R]:
    """What `write` returns for each, in order; `threads` of them are under way at once, and as many wait."""
    if threads == 1:
        yield from map(write, given)
        return
    with ThreadPoolExecutor(threads) as pool:
        under_way: deque[Future[R]] = deque()
        try:
            for each in given:
                under_way.append(pool.submit(write, each))
                if len(under_way) >= 2 * threads:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            for left in under_way:
                left.cancel()


def _write(commit: UnitCommit, found: Gathered, **about: Any) -> dict[str, Any]:
    said = found.table.column("reason").take(pa.array(found.order)).combine_chunks()
    good = np.asarray(said.is_null()) & (found.why == 0)
    kept = _columns(found, good, about["source"], "candidates")
    more = pa.array(REASONS).take(pa.array(found.why[~good]))
    reasons = pc.coalesce(said.filter(pa.array(~good)), more)
    lost = _columns(found, ~good, about["source"], "candidates-rejected", reason=reasons)
    with commit:
        table.write(commit, f"{commit.unit}.parquet", kept, "candidates", varied=_VARIED)
        table.write(commit, f"rejected/{commit.unit}.parquet", lost, "candidates-rejected", varied=_VARIED)
        rejected = count(reasons.to_pylist())
        return commit.finish(seen=len(good), kept=len(kept), rejected=rejected, **about, slice=found.number)


def _columns(found: Gathered, chosen: Mask, source: str, name: str, **made: pa.Array) -> pa.Table:
    """Some rows of a slice, in order, with the columns of `name`. They are taken, which gives each null the same bytes
    whatever lay beneath it: digests depend on them."""
    order, wanted = pa.array(found.order[chosen]), schema.table(name).arrow()
    made |= {"source": pa.repeat(source, len(order)), "offset": pa.array(found.offset[chosen])}
    arrays = [made[each.name] if each.name in made else _taken(found.table, each, order) for each in wanted]
    if name == "candidates":
        place = wanted.get_field_index("alt_text")
        arrays[place] = pc.fill_null(arrays[place], "")
    return pa.Table.from_arrays(arrays, schema=wanted)


def _taken(table: pa.Table, field: pa.Field, order: pa.Array) -> pa.Array | pa.ChunkedArray:
    """Rows of a column. Most columns of most sources hold only nulls, which need no taking."""
    column = table.column(field.name)
    return pa.nulls(len(order), field.type) if column.null_count == len(column) else column.take(order)
