"""What a sweep trains and measures: a decision and a probe for every share of the pairs and every recipe.

    for each in arms(sweep): each.probe, each.decision         "sweep-similarity-0.3-nano", "sweep-similarity-0.3"
    stages(sweep)                                              (Filter, Filter, …, TrainProbe, …, Evaluate)
    points(corpus, arms, seeds)                                what came of them, as `probe.swept` takes it

Decisions are named after the score and the share, so that a second sweep, with more shares or another recipe, makes and
trains only what is new, and each of them can be exported as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import expression, spec
from ..corpus import Corpus
from ..errors import CorpusError
from .base import ALL, Stage
from .evaluate import Evaluate
from .filter import Filter
from .train_probe import TrainProbe

if TYPE_CHECKING:
    from ..probe.swept import Point
    from .sweep import Sweep

RANDOM, ORACLE = "random", "oracle"
_TRAINING = ("duplicates", "split", "captions", "architecture", "steps", "batch_size", "device")


@dataclass(frozen=True)
class Arm:
    """by: the score, RANDOM or ORACLE. keep: the share of the pairs; None for an oracle."""

    by: str
    keep: float | None
    recipe: str
    decision: str

    @property
    def probe(self) -> str:
        return f"{self.decision}-{self.recipe}" if self.by != ORACLE else f"sweep-oracle-{self.decision}-{self.recipe}"


def arms(sweep: Sweep) -> tuple[Arm, ...]:
    """Recipe by recipe: the score's from the strictest to all, then those drawn, then the oracle."""
    found = []
    for recipe in dict.fromkeys(sweep.recipes):
        found += [Arm(sweep.by, keep, recipe, decision(sweep, keep)) for keep in shares(sweep)]
        if sweep.random:
            drawn = [keep for keep in shares(sweep) if keep < 1]
            found += [Arm(RANDOM, keep, recipe, f"{decision(sweep, keep)}-random") for keep in drawn]
        if sweep.oracle is not None:
            found.append(Arm(ORACLE, None, recipe, sweep.oracle))
    return tuple(found)


def shares(sweep: Sweep) -> tuple[float, ...]:
    """The shares to keep, the strictest first; 1 is always among them."""
    return tuple(sorted({*sweep.keep, 1.0}))


def score_name(by: str) -> str:
    """The score as a part of names: a column's own, of an expression what its text comes to."""
    return by.replace(".", "-") if expression.is_column(by) else f"score-{spec.digest(by)[:8]}"


def decision(sweep: Sweep, keep: float) -> str:
    return f"sweep-{score_name(sweep.by)}-{keep:.6g}"


def stages(sweep: Sweep) -> tuple[Stage, ...]:
    """What has to be done before the curve can be drawn, in order."""
    own = [
        Filter(top_fraction=keep, score=sweep.by, model=sweep.model, decision=decision(sweep, keep))
        for keep in shares(sweep)
    ]
    every = arms(sweep)
    names = dict.fromkeys(each.decision for each in every if each.by == RANDOM)
    drawn = [Filter(random_like=name.removesuffix("-random"), decision=name) for name in names]
    given = {name: getattr(sweep, name) for name in _TRAINING}
    given = {name: value for name, value in given.items() if value not in (None, ())}
    trained = [
        spec.build(
            TrainProbe,
            {
                "probe": each.probe,
                "decision": each.decision,
                "recipe": each.recipe,
                "seeds": list(sweep.seeds),
                **given,
            },
            where="sweep",
        )
        for each in every
    ]
    measured = Evaluate(
        suite=sweep.suite, root=sweep.root, device=sweep.device, probes=tuple(each.probe for each in every)
    )
    return (*own, *drawn, *trained, measured)


def points(corpus: Corpus, arms: Sequence[Arm], seeds: Sequence[int]) -> list[Point]:
    """The arms with what is known of them. CorpusError where one was not trained."""
    from ..probe.swept import Point

    found = []
    for arm in arms:
        trained = corpus.layer(f"probes/{arm.probe}").stats(f"seed-{seeds[0]}")
        if trained is None:
            raise CorpusError(f"no probe {arm.probe} in {corpus.place}", "run the same `vlcorpus sweep` again")
        found.append(
            Point(
                arm=arm.probe,
                by=arm.by,
                keep=arm.keep,
                recipe=str(trained.get("recipe") or arm.recipe),
                pairs=int(trained.get("pairs") or trained["kept"]),
                samples_seen=int(trained["samples_seen"]),
                repetitions=float(trained["repetitions"]),
                threshold=_threshold(corpus, arm),
            )
        )
    return found


def _threshold(corpus: Corpus, arm: Arm) -> float | None:
    """The lowest score that was kept."""
    stats: dict[str, Any] = corpus.layer(f"decisions/{arm.decision}").stats(ALL) or {}
    cuts = [each.get("cut") for each in stats.get("predicates", ()) if each.get("predicate") == "TopFraction"]
    threshold = cuts[0].get("threshold") if cuts and isinstance(cuts[0], dict) and arm.keep is not None else None
    return float(threshold) if threshold is not None else None
