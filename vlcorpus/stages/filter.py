"""filter: decisions about every pair; nothing is copied, nothing is lost.

    vlcorpus filter CORPUS --min-sim 0.28
    vlcorpus filter CORPUS --top-fraction 0.3 --where 'short_side >= 200 and aspect <= 3'
    vlcorpus filter CORPUS --top-fraction 0.3 --by language --cap 1000
    vlcorpus filter CORPUS --near flowers --target-rows 100000         the nearest to a folder of pictures
    vlcorpus filter CORPUS --random-like similarity-top-0.3 --decision random      a control of the same size
    vlcorpus filter CORPUS --of candidates --min-sim 0.28      by the list's own similarity, before anything is fetched

What it needs runs first, through the same plan. A decision's all_stats.json holds its predicates with the cuts that
they came to, the model behind each column, and how many rows have each fail mask; decisions/<name>/NNNNN.parquet says
of every pair which predicates it fails. Predicates stand in this order: --where (each `and` apart), --min-sim,
--top-fraction, --draw, --random-*, --cap, --target-rows.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import expression
from ..corpus import Corpus, Layer
from ..errors import CorpusError, UsageError
from ..spec import digest, setting
from . import columns, deciding, judging, models, scorers
from .base import ALL, Stage, Tell, Work
from .before import before_of, refuse_other_settings

if TYPE_CHECKING:
    from ..scores.predicates import Predicate, Resolved, Weights
    from ..scores.resolve import Found
    from .columns import Catalogue
    from .deciding import Deciding, Tally

NORMSIM = "normsim"


@dataclass(frozen=True, kw_only=True)
class Filter(Stage):
    """Decide which pairs to keep."""

    name = "filter"
    makes = "decisions"

    min_sim: float | None = setting(None, help="Keep similarity (or --score) at or above this.", least=-1, most=1)
    top_fraction: float | None = setting(
        None, help="Keep this share of the pairs with the highest score; ties by uid.", least=0, most=1
    )
    where: tuple[str, ...] = setting((), help="Keep where this expression holds, as 'short_side >= 200'; repeat it.")
    score: str = setting("similarity", help="The score: a column's name, or an expression that gives a number.")
    by: str | None = setting(
        None, help="Group by this column or expression: fractions, caps and soft caps are of each group."
    )
    cap_by: str | None = setting(None, help="Group of --cap and --soft-cap, where it is not that of --by.")
    cap: int | None = setting(
        None, help="Keep at most so many of each group: the highest by score, or drawn where no score decides.", least=1
    )
    target_rows: int | None = setting(
        None, help="Keep so many in all, those with the highest score that pass everything else.", least=0
    )
    near: str | None = setting(
        None, help="Folder of pictures, .npy or corpus: the score is normsim, the nearness to it.", path=True
    )
    draw: str | None = setting(None, help="Draw each pair with this column's value as its probability.")
    random_like: str | None = setting(None, help="Keep as many pairs as this decision, drawn by hash.")
    random_fraction: float | None = setting(None, help="Keep this share of the pairs, drawn by hash.", least=0, most=1)
    seed: int = setting(0, help="Seed of random draws.", least=0)
    weight: str | None = setting(
        None, help="How often a kept pair counts: a column or expression; pairs at 0 or without a value are dropped."
    )
    soft_cap: int | None = setting(
        None, help="A group of more kept pairs weighs as no more than so many; none is dropped.", least=1
    )
    of: str = setting(
        "images",
        help="What is decided on: pairs with images, or candidates, fetched or not.",
        choices=columns.OF,
    )
    model: str | None = setting(None, help="Whose similarity; the scored one if not given.", result=False, path=True)
    made_for: tuple[str, ...] = setting(
        (), help="MODEL, or COLUMN=MODEL, that the thresholds were made for: scores of another are refused."
    )
    any_model: bool = setting(False, help="Apply thresholds to scores of another model nevertheless.")
    ties: str = setting(
        "uid",
        help="At the cut of a top fraction: take by uid to the exact number, or keep all, as DataComp does.",
        choices=("uid", "keep"),
    )
    missing: str = setting(
        "drop", help="What to do with pairs whose value is missing.", choices=("drop", "keep", "error")
    )
    frozen: bool = setting(False, help="Keep the cuts of last time, although the corpus has grown.")
    decision: str | None = setting(None, help="Name of the decision; made from the settings if not given.")

    def decision_name(self) -> str:
        if self.decision is not None:
            return self.decision
        score = self._score.replace(".", "-") if expression.is_column(self._score) else "score"
        told = {
            name: getattr(self, name) for name in ("where", "cap", "weight", "soft_cap", "near", "draw", "by", "cap_by")
        } | {"score": None if expression.is_column(self._score) else self._score}
        parts = []
        if self.min_sim is not None:
            parts.append(f"{score}-{self.min_sim:g}")
        if self.top_fraction is not None:
            parts.append(f"{score}-top-{self.top_fraction:g}")
        if self.random_like is not None:
            parts.append(f"random-like-{self.random_like}-{self.seed}")
        if self.random_fraction is not None:
            parts.append(f"random-{self.random_fraction:g}-{self.seed}")
        if self.target_rows is not None:
            parts.append(f"{score}-best-{self.target_rows}")
        more = {name: list(value) if isinstance(value, tuple) else value for name, value in told.items() if value}
        if more:
            parts.append(f"where-{digest(more)[:8]}")
        return ("candidates-" if self.of == "candidates" else "") + ("-and-".join(parts) or ALL)

    @property
    def _cap_by(self) -> str | None:
        return self.cap_by or self.by

    @property
    def _score(self) -> str:
        return f"{NORMSIM}_{self._near_name}" if self.near is not None else self.score

    @property
    def _near_name(self) -> str:
        """What the nearness is called: by the last name of where it lies, so that several stand beside each other."""
        last = os.path.basename(os.path.normpath(str(self.near))).lower().removesuffix(".npy")
        return re.sub(r"[^a-z0-9]+", "_", last).strip("_")[:40] or "here"

    def made(self) -> str:
        return f"decisions/{self.decision_name()}"

    def wanted(self) -> tuple[str, ...]:
        decided_on = ("candidates",) if self.of == "candidates" else ("shards",)
        like = (f"decisions/{self.random_like}",) if self.random_like is not None else ()
        return (*decided_on, *self._scores(), *like)

    def _scores(self) -> tuple[str, ...]:
        """Layers of scores whose columns are named."""
        layers = (columns.layer_that_makes(name, self.of) for name in self.names())
        return tuple(dict.fromkeys(layer for layer in layers if layer is not None))

    def uses(self) -> tuple[str, ...]:
        return ("scores",)

    def supplier(self, name: str) -> Stage | None:
        if self.near is None or name != scorers.layer_of(NORMSIM, self._near_name):
            return None
        from .score import Score

        return Score(score=NORMSIM, named=self._near_name, near=self.near, model=self.model)

    def names(self) -> tuple[str, ...]:
        """Every column that is named."""
        texts = [*self.where]
        if any(each is not None for each in (self.min_sim, self.top_fraction, self.target_rows, self.near)) or self.cap:
            texts += [self._score] if self._scored() else []
        texts += [each for each in (self.by, self.cap_by, self.draw, self.weight) if each is not None]
        return tuple(dict.fromkeys(name for text in texts for name in expression.names(text)))

    def _scored(self) -> bool:
        """Whether the score decides anything."""
        by_score = (self.min_sim, self.top_fraction, self.target_rows, self.near)
        return any(each is not None for each in by_score) or (self.cap is not None and self.score != "similarity")

    def inputs(self, corpus: Corpus, unit: str) -> dict[str, str]:
        known = self.catalogue(corpus)
        layers = dict.fromkeys([*known.layers(self.names()), *self.wanted()])
        return {name: corpus.layer(name).digest_all() for name in layers}

    def catalogue(self, corpus: Corpus) -> Catalogue:
        return columns.catalogue(corpus, self.of, coming=self._scores())

    def check(self, corpus: Corpus) -> None:
        if (self.cap or self.soft_cap) and self._cap_by is None:
            raise UsageError("a cap is of each group", "say which: --by language")
        if self.cap_by is not None and not (self.cap or self.soft_cap):
            raise UsageError("--cap-by groups nothing", "add --cap or --soft-cap, or leave it away")
        capped = (self.cap or self.soft_cap) and self.cap_by is None
        if self.by is not None and not (capped or self.top_fraction is not None):
            raise UsageError("--by groups nothing", "add --top-fraction, --cap or --soft-cap, or leave it away")
        if self.near is not None and self.score != "similarity":
            raise UsageError("with --near the score is normsim", "leave --score away")
        self.deciding(corpus, self._like(corpus, known_later=True))
        refuse_other_settings(self, corpus, self.layer(corpus), but=("frozen",))

    def deciding(self, corpus: Corpus, like: int | None) -> Deciding:
        """The predicates, every name and type checked. UsageError for what cannot be."""
        known = self.catalogue(corpus)
        return deciding.Deciding(corpus, known, self.predicates(like), self.weights(), self.missing)

    def open(self, corpus: Corpus) -> Work:
        def judge(unit: str, tell: Tell) -> None:
            inputs, before = self.inputs(corpus, unit), before_of(self.layer(corpus))
            judging.judge_all(self, corpus, self.open_deciding(corpus), inputs, before, tell)

        return judge

    def look(self, corpus: Corpus, part: judging.Part) -> Found:
        return judging.look(self, corpus, part)

    def judge(self, corpus: Corpus, part: judging.Part) -> list[tuple[Tally, int]]:
        return judging.judge(self, corpus, part)

    def open_deciding(self, corpus: Corpus) -> Deciding:
        """The predicates over today's corpus. UsageError where scores are of another model than is meant."""
        own = self.opened_deciding(corpus)
        layer = self.layer(corpus)
        self._check_models(corpus, own, layer, before_of(layer))
        return own

    def opened_deciding(self, corpus: Corpus) -> Deciding:
        """The same, of scores that were looked at already."""
        return self.deciding(corpus, self._like(corpus))

    def resolved(self, corpus: Corpus, own: Deciding, shards: Sequence[str] | None = None) -> Resolved:
        """The cuts: those of last time where they are frozen, else those of the corpus, or of some of its shards."""
        before = before_of(self.layer(corpus)) if self.frozen else None
        return deciding.kept_cuts(before) if before else own.resolve(shards)

    def predicates(self, like: int | None) -> list[Predicate]:
        """In their order. like: rows of a random choice that is like another decision."""
        from ..scores import predicates as p

        found: list[Predicate] = [p.Where(part) for text in self.where for part in expression.conjuncts(text)]
        if self.weight is not None:
            found.append(p.Where(expression.written(f"({self.weight}) > 0")))
        if self.min_sim is not None:
            found.append(p.AtLeast(self._score, self.min_sim))
        if self.top_fraction is not None:
            found.append(p.TopFraction(self._score, self.top_fraction, self.ties, self.by))  # type: ignore[arg-type]
        if self.draw is not None:
            found.append(p.Drawn(self.draw, self.seed))
        if like is not None:
            found.append(p.RandomRows(rows=like, seed=self.seed))
        if self.random_fraction is not None:
            found.append(p.RandomRows(fraction=self.random_fraction, seed=self.seed))
        if self.cap is not None and self._cap_by is not None:
            found.append(p.Cap(self.cap, self._cap_by, self._score if self._scored() else None, self.seed))
        if self.target_rows is not None:
            found.append(p.TopRows(self._score, self.target_rows))
        return found

    def weights(self) -> Weights:
        from ..scores.predicates import Weights

        return Weights(self.weight, self.soft_cap, self._cap_by if self.soft_cap is not None else None)

    def _like(self, corpus: Corpus, *, known_later: bool = False) -> int | None:
        """How many pairs the decision keeps that a random one is to be like."""
        if self.random_like is None:
            return None
        stats = corpus.layer(f"decisions/{self.random_like}").stats(ALL)
        if stats is None and not known_later:
            raise CorpusError(f"no decision {self.random_like} in {corpus.place}", "make it first")
        return int(stats["kept"]) if stats is not None else 0

    def _check_models(self, corpus: Corpus, own: Deciding, layer: Layer, before: Mapping[str, Any] | None) -> None:
        """UsageError where scores are of another model than is meant, than thresholds were made for, or than before."""
        found = own.models()
        similarity = found.get("similarity")
        if self.model is not None and similarity is not None and self.of == "images":
            meant = models.embedded(corpus, self.model).folder.name
            if meant != similarity:
                raise UsageError(
                    f"the similarities are those of {similarity}, not of {meant}",
                    f"score again: `vlcorpus score {corpus.place} similarity --model {self.model}`",
                )
        if not self.any_model:
            deciding.refuse_other_models(self.made_for, self._score, found)
        earlier = (before or {}).get("models") or {}
        for column, model in earlier.items():
            if column in found and found[column] != model:
                raise UsageError(
                    f"{layer.name} was decided by the {column} of {model}, and now it is that of {found[column]}",
                    f"thresholds of one model mean nothing to another: choose another name, or remove {layer.place}",
                )
