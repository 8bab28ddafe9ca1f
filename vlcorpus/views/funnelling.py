"""What a decision did, predicate by predicate, and how two decisions differ.

    told = funnel(corpus, "similarity-0.28")     told.steps[0].marginal    rows that fail it, whatever else they fail
    found = compare(corpus, "a", "b")            found.jaccard, found.only_first[0].caption

A funnel is read from the decision's stats, where the rows of each fail mask are counted: no row is read again. Two
decisions are compared shard by shard over the pairs that both decided on; the samples are those with the smallest hash
of uid and seed, the same each time. Cost of comparing: 60 ns a row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..corpus import Corpus
from ..errors import CorpusError
from ..stages.base import ALL
from .judging import says

SAMPLES = 10


@dataclass(frozen=True)
class Step:
    """One predicate: `entering` and `rejected` in order, `marginal` of all rows, `alone`: rows that fail nothing else
    (its exclusive rejections, and what leaving it out would gain), `missing`: rows without a value."""

    says: str
    entering: int
    rejected: int
    marginal: int
    alone: int
    kept_without: int
    missing: int
    threshold: float | int | None
    groups: int
    model: str | None


@dataclass(frozen=True)
class Funnel:
    decision: str
    of: str
    seen: int
    kept: int
    weight: float
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Sample:
    """A pair that only one of two decisions keeps; `fails`: what the other one holds against it."""

    uid: str
    shard: str
    caption: str
    fails: tuple[str, ...]


@dataclass(frozen=True)
class Compared:
    """Rows by what both decisions say of them. of: `images`, or `candidates` where both are of candidates."""

    first: str
    second: str
    of: str
    both: int
    only_first: int
    only_second: int
    neither: int
    sample_first: tuple[Sample, ...] = ()
    sample_second: tuple[Sample, ...] = ()
    jaccard: float | None = field(default=None)


def funnel(corpus: Corpus, decision: str) -> Funnel:
    """The funnel of a decision. CorpusError where it is not whole or was made by an earlier version."""
    stats = stats_of(corpus, decision)
    if "masks" not in stats:
        raise CorpusError(
            f"decision {decision} was made by an earlier version, which counted no masks",
            "make it again, by the command that made it, under another name",
        )
    return funnel_of(decision, stats)


def funnel_of(decision: str, stats: Mapping[str, Any]) -> Funnel:
    """The same of what a decision's stats hold, or would hold: of, seen, kept, weight, predicates, masks, missing."""
    import numpy as np

    from ..scores import funnel as counted

    predicates = stats["predicates"]
    masks = np.array([mask for mask, _ in stats["masks"]], np.uint64)
    rows = np.array([count for _, count in stats["masks"]], np.int64)
    steps = counted.funnel(masks, len(predicates), rows)
    return Funnel(
        decision=decision,
        of=stats["of"],
        seen=stats["seen"],
        kept=stats["kept"],
        weight=stats["weight"],
        steps=tuple(
            Step(
                says=says(stored),
                entering=step.entering,
                rejected=step.rejected,
                marginal=step.marginal,
                alone=step.alone,
                kept_without=step.kept_without,
                missing=missing,
                threshold=(stored["cut"] or stored).get("threshold"),
                groups=len((stored["cut"] or {}).get("groups", ())),
                model=stored.get("model"),
            )
            for stored, step, missing in zip(predicates, steps, stats["missing"], strict=True)
        ),
    )


def stats_of(corpus: Corpus, decision: str) -> dict[str, Any]:
    """The stats of a whole decision; CorpusError, with what there is, where there is none."""
    corpus.find("decisions", decision, flag="its name", make=f"vlcorpus filter {corpus.place} --min-sim 0.28")
    stats = corpus.layer(f"decisions/{decision}").stats(ALL)
    if stats is None:
        raise CorpusError(f"decision {decision} is not whole", "run the same `vlcorpus filter` again: it resumes")
    return stats


def compare(corpus: Corpus, first: str, second: str, *, samples: int = SAMPLES, seed: int = 0) -> Compared:
    """Two decisions, side by side. CorpusError where they are of other pairs."""
    import numpy as np

    from ..scores.prepared import draws, halves

    told = [stats_of(corpus, name) for name in (first, second)]
    of = "candidates" if all(each.get("of") == "candidates" for each in told) else "images"
    counts = np.zeros(4, np.int64)
    drawn: tuple[list[Any], list[Any]] = ([], [])
    for shard, uids, masks in _side_by_side(corpus, (first, second), of):
        keeps = [each == 0 for each in masks]
        counts += np.bincount(keeps[0].astype(np.int64) * 2 + keeps[1], minlength=4)
        for side in (0, 1):
            only = np.flatnonzero(keeps[side] & ~keeps[1 - side])
            chance = draws(halves(uids, only), seed)
            first_few = only[np.argsort(chance, kind="stable")[:samples]]
            found, other = uids.take(first_few).to_pylist(), masks[1 - side][first_few].tolist()
            numbers = np.sort(chance)[:samples].tolist()
            rows = zip(numbers, found, [shard] * len(found), other, strict=True)
            drawn[side][:] = sorted([*drawn[side], *rows])[:samples]
    neither, only_second, only_first, both = counts.tolist()
    union = both + only_first + only_second
    sides = [
        tuple(_sample(corpus, each, told[1 - side]["predicates"]) for each in drawn[side]) for side in (0, 1)
    ]  # fmt: skip
    share = both / union if union else None
    return Compared(first, second, of, both, only_first, only_second, neither, sides[0], sides[1], share)


def _side_by_side(corpus: Corpus, names: tuple[str, str], of: str) -> Iterator[tuple[str, Any, list[Any]]]:
    """(shard, uids, fail masks of both) over the pairs that both decided on."""
    from ..io import table
    from ..stages.columns import catalogue

    layers = [corpus.layer(f"decisions/{name}") for name in names]
    known = catalogue(corpus, of)
    for shard in known.shards():
        uids = known.read(shard, ()).column("uid").combine_chunks()
        masks = []
        for layer in layers:
            if layer.stats(shard) is None:
                raise CorpusError(f"{layer.name} has no shard {shard}", "the corpus has grown: make the decision again")
            found = table.read(layer.path(f"{shard}.parquet"), "decisions", only=["uid", "fail_mask"])
            masks.append(_aligned(found, uids, layer.name, shard))
        yield shard, uids, masks


def _aligned(found: Any, uids: Any, layer: str, shard: str) -> Any:
    """The fail masks of these pairs."""
    import pyarrow.compute as pc

    own = found.column("uid").combine_chunks()
    masks = found.column("fail_mask").to_numpy()
    if own.equals(uids):
        return masks
    place = pc.index_in(uids, value_set=own)
    if place.null_count:
        raise CorpusError(f"{layer} is not of the pairs of shard {shard}", "the shard is new: make the decision again")
    return masks[place.to_numpy()]


def _sample(corpus: Corpus, drawn: tuple[int, bytes, str, int], predicates: list[dict[str, Any]]) -> Sample:
    from ..io import table

    _, uid, shard, mask = drawn
    rows = table.read(corpus.layer("candidates").path(f"{shard}.parquet"), "candidates", only=["uid", "alt_text"])
    place = rows.column("uid").to_pylist().index(uid)
    fails = tuple(says(each) for bit, each in enumerate(predicates) if mask >> bit & 1)
    return Sample(uid.hex(), shard, rows.column("alt_text")[place].as_py(), fails)
