"""Building an index, or adding to the one that is there.

    run(Index(), corpus, corpus.layer("embeddings/ViT-B-32.openai.1a2b3c4d"), "all", tell)

What is written hangs on the settings, the embeddings and, where it is added to, the index before; never on the number
of workers, on time, or on where an earlier run was killed (index_growing.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import spec
from ..corpus import Corpus, Layer
from ..errors import CorpusError
from ..io import vectors
from ..knn import choose, quantised, tune
from ..knn.searcher import Searcher
from . import index_about, index_adopt, index_growing
from .base import Tell, UnitCommit
from .index_about import ADOPTED, EXACT, SIDES, About, Segment, Side

if TYPE_CHECKING:
    from .index import Index
    from .index_growing import Before

MOST_DEAD = 0.2  # of the ids, before all is built again
K = 10
_WORD = {"image": "img", "text": "text"}


@dataclass(frozen=True)
class Embedded:
    """The embeddings of one model, memory-mapped: digests by shard, in order, and the rows of both sides."""

    source: Layer
    digests: Mapping[str, str]
    rows: Mapping[str, Sequence[vectors.Vectors]]

    @classmethod
    def of(cls, source: Layer) -> Embedded:
        shards = source.units()
        if not shards:
            raise CorpusError(f"{source.name} has no shard", "run `vlcorpus embed` first")
        rows = {
            side: [vectors.read(source.path(f"{word}_emb/{word}_emb_{shard}.npy")) for shard in shards]
            for side, word in _WORD.items()
        }
        if list(map(np.shape, rows["image"])) != list(map(np.shape, rows["text"])):
            raise CorpusError(f"{source.name} has other rows of images than of texts", "run `vlcorpus verify`")
        return cls(source, {shard: source.digest(shard) for shard in shards}, rows)

    @cached_property
    def sizes(self) -> list[int]:
        return [len(each) for each in self.rows["image"]]

    @property
    def total(self) -> int:
        return sum(self.sizes)

    @property
    def dimension(self) -> int:
        return int(self.rows["image"][0].shape[1])

    def segments(self, shards: Sequence[str] | None = None) -> tuple[Segment, ...]:
        sizes = dict(zip(self.digests, self.sizes, strict=True))
        return tuple(Segment(shard, self.digests[shard], sizes[shard]) for shard in shards or self.digests)


@dataclass(frozen=True)
class _Made:
    """One side. index is None where every stored row is read; fresh: it has to be written; path: of one to copy."""

    kind: str
    index: Any = None
    fresh: bool = False
    path: Path | None = None


def run(stage: Index, corpus: Corpus, source: Layer, unit: str, tell: Tell) -> None:
    """Make the index of some embeddings, and commit it."""
    embedded = Embedded.of(source)
    layer, inputs = stage.layer(corpus), stage.inputs(corpus, unit)
    # Files that were taken over are no part of the settings: the index keeps them when it is added to.
    plain = replace(stage, adopt=None, adopt_text=None, rebuild=False)
    fingerprint = spec.fingerprint(plain, plain.name, plain.version, inputs)
    before = None if stage.rebuild or stage.adopted else index_growing.earlier(layer, fingerprint)
    grown = None if before is None else _grown(stage, embedded, layer, before)
    if before is None or grown is None:
        index_growing.discard(layer)
        before, segments = None, embedded.segments()
    else:
        segments = grown
        index_growing.begin(layer, fingerprint, before)
    adopted = index_adopt.checked(stage.adopted, embedded.rows, list(embedded.digests), stage.seed)
    kind, why = _choice(stage, embedded, before)
    total = embedded.total
    with UnitCommit(plain, corpus, layer, unit, inputs) as commit:
        sides: dict[str, Side] = {}
        latency: dict[str, Any] = {}
        for number, side in enumerate(SIDES):
            if side in adopted:
                made = _Made(ADOPTED, adopted[side].index, path=adopted[side].path)
            elif before is not None:
                made = _added(embedded, side, layer, before, segments)
            else:
                made = _built(stage, embedded, side, kind)
            size = _write(commit, layer, f"{side}.index", made)
            sides[side], latency[side] = _measured(stage, embedded, side, made, size, segments)
            del made
            tell(2 * total, (number + 1) * total)
        about = About(
            model=source.folder.name, dimension=embedded.dimension, rows=total, segments=segments,
            kind=sides["image"].kind, why=why, seed=stage.seed, target=stage.recall, image=sides["image"],
            text=sides["text"],
        )  # fmt: skip
        text = index_about.written(about, latency)
        commit.write(index_about.FILE, index_about.dumped(text))
        commit.outputs[index_about.FILE]["digest"] = index_about.digest(text)
        more: dict[str, Any] = {"model": source.folder.name}
        taken = {side: each.sha256 for side, each in adopted.items()} or (before.adopted if before is not None else {})
        commit.finish(seen=total, kept=total, **more | ({"adopted": taken} if taken else {}))
    index_growing.discard(layer)


def _grown(stage: Index, embedded: Embedded, layer: Layer, before: Before) -> tuple[Segment, ...] | None:
    """The segments of an index that is added to; None where it has to be built anew."""
    about, given = before.about, spec.values_of(stage, result_only=True)
    if any(before.settings.get(name) != given[name] for name in given if name != "recall"):
        return None
    if (about.model, about.dimension) != (embedded.source.folder.name, embedded.dimension):
        return None
    if about.kind == EXACT:  # nothing would be kept, and with more rows another kind may be better
        return None
    today = {segment.shard: segment for segment in embedded.segments()}
    kept = [
        segment if segment.dead or today.get(segment.shard) == segment else replace(segment, dead=True)
        for segment in about.segments
    ]
    there = {segment.shard for segment in kept if not segment.dead}
    new = [segment for shard, segment in today.items() if shard not in there]
    found = (*kept, *new)
    if sum(segment.rows for segment in found if segment.dead) > MOST_DEAD * sum(segment.rows for segment in found):
        return None
    for side in SIDES:
        file = about.side(side).file
        if file is None:
            continue
        if layer.path(file).is_dir():
            if new:  # an on-disk index of somebody else's cannot be added to
                return None
        elif index_growing.state(layer, before, file) is None:
            return None
    return found


def _choice(stage: Index, embedded: Embedded, before: Before | None) -> tuple[str, str]:
    """The kind, and in words why."""
    if before is not None:
        return before.about.kind, before.about.why
    if not embedded.total:
        return EXACT, "as there are no rows"
    if stage.kind != "auto":
        return stage.kind, "as asked for"
    found = choose.choose(
        embedded.total, embedded.dimension, memory=stage.memory_bytes, latency=stage.latency, cores=stage.cores
    )
    return found.kind, f"taken over; else {found.why}" if "image" in stage.adopted else found.why


def _built(stage: Index, embedded: Embedded, side: str, kind: str) -> _Made:
    if kind == EXACT:
        return _Made(EXACT)
    return _Made(kind, quantised.build(embedded.rows[side], kind, seed=stage.seed), fresh=True)  # type: ignore[arg-type]


def _added(embedded: Embedded, side: str, layer: Layer, before: Before, segments: Sequence[Segment]) -> _Made:
    """The index before, with the rows of the segments that came since behind its own."""
    own = before.about.side(side)
    if own.file is None:
        return _Made(EXACT)
    path = layer.path(own.file)
    ids = sum(segment.rows for segment in segments)
    new = segments[len(before.about.segments) :]
    if not path.is_dir() and index_growing.state(layer, before, own.file) == "after":
        return _Made(own.kind, quantised.read(path, dimension=embedded.dimension, vectors=ids))
    if not new:
        return _Made(own.kind, quantised.read(path, dimension=embedded.dimension, vectors=own.vectors))
    index = quantised.read(path, dimension=embedded.dimension, vectors=own.vectors, mapped=False)
    rows = dict(zip(embedded.digests, embedded.rows[side], strict=True))
    quantised.append(index, [rows[segment.shard] for segment in new])
    return _Made(own.kind, index, fresh=True)


def _write(commit: UnitCommit, layer: Layer, name: str, made: _Made) -> int:
    """Write one side's file, or list the one that stays. Returns its bytes, 0 where there is none."""
    path = layer.path(name)
    if made.index is None or made.path is not None or made.fresh:
        _clear(path, folder=made.index is None or made.path is None or not made.path.is_dir())
    if made.index is None:
        layer.remove(name)
    elif made.path is not None:
        for each in index_adopt.files_of(made.path):
            commit.link(f"{name}/{each.name}" if made.path.is_dir() else name, each, copied=True)
    elif made.fresh:
        import faiss

        with commit.file(name) as sink:
            faiss.write_index(made.index, faiss.PyCallbackIOWriter(sink.write))  # type: ignore[attr-defined]
    else:
        for each in index_adopt.files_of(path):
            own = f"{name}/{each.name}" if path.is_dir() else name
            commit.link(own, each)
    return sum(each["bytes"] for listed, each in commit.outputs.items() if listed.partition("/")[0] == name)


def _clear(path: Path, *, folder: bool) -> None:
    """Make room for a file where there is a folder, or the other way round."""
    if folder and path.is_dir():
        for each in index_adopt.files_of(path):
            each.unlink()
        path.rmdir()
    elif not folder and path.is_file():
        path.unlink()


def _release(rows: Sequence[vectors.Vectors]) -> None:
    """Let go of the pages of memory-mapped rows: they are in the system's cache, and need not count as ours."""
    import mmap

    for each in rows:
        mapped = getattr(each, "_mmap", None)
        if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
            mapped.madvise(mmap.MADV_DONTNEED)


def _measured(
    stage: Index, embedded: Embedded, side: str, made: _Made, size: int, segments: Sequence[Segment]
) -> tuple[Side, dict[str, Any]]:
    """What index.json says of one side, and its latencies."""
    rows = embedded.rows[side]
    row_of_id = index_about.row_of_id(segments, list(embedded.digests), embedded.sizes)

    def searcher(parameters: Mapping[str, int]) -> Searcher:
        index = None if made.index is None else quantised.OpenIndex(made.index, made.kind, parameters, row_of_id)
        return Searcher(rows, index)

    _release(rows)
    asked = tune.queries(side, embedded.rows["image"], embedded.rows["text"], seed=stage.seed)
    for each in embedded.rows.values():
        _release(each)
    found = tune.tune(searcher, asked, target=stage.recall, k=K, seed=stage.seed)
    _release(rows)
    return (
        Side(
            kind=made.kind,
            file=None if made.index is None else f"{side}.index",
            vectors=0 if made.index is None else int(made.index.ntotal),
            bytes=size,
            factory="" if made.index is None else type(quantised.core(made.index)).__name__.removeprefix("Index"),
            parameters=dict(found.parameters),
            recalls={kind: asdict(each) for kind, each in found.recalls.items()},
            sweep=found.sweep,
        ),
        {**found.latency_ms},
    )
