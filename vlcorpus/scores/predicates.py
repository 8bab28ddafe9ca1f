"""What a decision can ask of a pair.

    Where("width >= 256")                    a condition of vlcorpus.expression
    AtLeast("similarity", 0.28)              a threshold
    TopFraction("similarity", 0.3)           the highest 30 % of those that have one; by="language": of each language
    TopRows("similarity", 100_000_000)       so many in all, of those that pass what stands before
    Cap(1_000, by="domain(url)")             so many of each group, of those that pass what stands before
    RandomRows(fraction=0.1, seed=0)         drawn by uid
    Drawn("metaclip_probability", seed=0)    drawn by uid, each with its own probability

A `column` is a column's name or any expression that gives a number; a `by` any that gives a value to group by.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from vlcorpus.errors import UsageError, nearest

MAX_PREDICATES = 64
Ties = Literal["uid", "keep"]


@dataclass(frozen=True)
class Where:
    """The expression holds."""

    expression: str

    def __str__(self) -> str:
        return self.expression


@dataclass(frozen=True)
class AtLeast:
    """The column's value is `threshold` or more."""

    column: str
    threshold: float

    def __post_init__(self) -> None:
        if not isinstance(self.threshold, int | float) or math.isnan(self.threshold):
            raise UsageError(f"a threshold must be a number, not {self.threshold!r}")

    def __str__(self) -> str:
        return f"{self.column} >= {self.threshold:g}"


@dataclass(frozen=True)
class TopFraction:
    """The column's value is in the highest `fraction` of the rows that have one, whatever else becomes of them; with
    `by`, of those of its group.

    With `ties` "uid", exactly floor(fraction * n) of n rows: of rows with the score at the cut, those with the
    smallest uids. With "keep", DataComp's rule: every row that scores at least as high as row int(fraction * n),
    counted from 0 downwards.
    """

    column: str
    fraction: float
    ties: Ties = "uid"
    by: str | None = None

    def __post_init__(self) -> None:
        _share(self.fraction)

    def __str__(self) -> str:
        return f"{self.column} in the top {self.fraction:g}" + (f" of its {self.by}" if self.by else "")


@dataclass(frozen=True)
class TopRows:
    """One of the `rows` rows with the highest value, of those that pass every predicate before it; ties by uid."""

    column: str
    rows: int

    def __post_init__(self) -> None:
        _count(self.rows)

    def __str__(self) -> str:
        return f"{self.column} in the top {self.rows:,} rows"


@dataclass(frozen=True)
class Cap:
    """One of the `rows` rows of its group with the highest value, of those that pass every predicate before it; ties,
    and without a column the choice, by a draw of uid and seed."""

    rows: int
    by: str
    column: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        _count(self.rows)

    def __str__(self) -> str:
        return f"at most {self.rows:,} of each {self.by}" + (f", the highest {self.column}" if self.column else "")


@dataclass(frozen=True)
class RandomRows:
    """Rows drawn by the hash of their uid and `seed`: the same rows in any order and any shard.

    `fraction` draws each row with that probability, and a drawn row stays drawn as the corpus grows. `rows` draws
    exactly that many (all, where there are fewer) of the rows resolved with.
    """

    rows: int | None = None
    fraction: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if (self.rows is None) == (self.fraction is None):
            raise UsageError("a random choice needs a number of rows or a fraction, and not both")
        if self.fraction is not None:
            _share(self.fraction)
        if self.rows is not None:
            _count(self.rows)

    def __str__(self) -> str:
        share = f"{self.rows:,} rows" if self.rows is not None else f"a share of {self.fraction:g}"
        return f"drawn by uid: {share}, seed {self.seed}"


@dataclass(frozen=True)
class Drawn:
    """Drawn by the hash of its uid and `seed`, with the column's value as the probability (0 or less: never)."""

    column: str
    seed: int = 0

    def __str__(self) -> str:
        return f"drawn with probability {self.column}, seed {self.seed}"


Predicate = Where | AtLeast | TopFraction | TopRows | Cap | RandomRows | Drawn
KINDS: dict[str, Callable[..., Predicate]] = {
    kind.__name__: kind for kind in (Where, AtLeast, TopFraction, TopRows, Cap, RandomRows, Drawn)
}
SELECTING = (TopFraction, TopRows, Cap, RandomRows)
"""Kinds whose answer may depend on other rows."""


@dataclass(frozen=True)
class Weights:
    """How often a kept row counts. column: an expression's value, at least 0 (missing: 0). soft_cap: a group of n kept
    rows counts as no more than this many, each as min(1, soft_cap / n). Both: their product."""

    column: str | None = None
    soft_cap: int | None = None
    by: str | None = None

    def __bool__(self) -> bool:
        return self.column is not None or self.soft_cap is not None

    def __post_init__(self) -> None:
        if self.soft_cap is not None:
            _count(self.soft_cap)
            if self.by is None:
                raise UsageError("a soft cap is of each group", "say which: --by language")


@dataclass(frozen=True)
class Cut:
    """Where rows are divided: above `threshold`, or at it with a uid (hex) up to `uid`.

    `threshold` None keeps nothing. `uid` None keeps every row at the threshold.
    """

    threshold: float | int | None
    uid: str | None = None


Cuts = Cut | Mapping[Any, Cut] | None
"""One cut; a cut for each group; none where a row's answer is its own."""


@dataclass(frozen=True)
class Resolved:
    """Predicates with the cuts that make each row's answer its own, and the groups' sizes that soft caps weigh by."""

    predicates: tuple[Predicate, ...]
    cuts: tuple[Cuts, ...]
    weights: Weights = Weights()
    sizes: Mapping[Any, int] | None = None

    def as_json(self) -> list[dict[str, Any]]:
        """For a stats file: [{"predicate": "TopFraction", "column": …, "cut": {"threshold": …, "uid": …}}, …]."""
        return [
            {"predicate": type(predicate).__name__, **asdict(predicate), "cut": cut_as_json(cut)}
            for predicate, cut in zip(self.predicates, self.cuts, strict=True)
        ]

    def weights_as_json(self) -> dict[str, Any] | None:
        if not self.weights:
            return None
        sizes = None if self.sizes is None else [[key, value] for key, value in self.sizes.items()]
        return {**asdict(self.weights), "sizes": sizes}

    @classmethod
    def from_json(cls, stored: Sequence[Mapping[str, Any]], weights: Mapping[str, Any] | None = None) -> Resolved:
        """What `as_json` gave, read back; what else stands there is left."""
        predicates, cuts = [], []
        for one in stored:
            kind = str(one["predicate"])
            if kind not in KINDS:
                raise UsageError(f"unknown predicate {kind!r}", nearest(kind, KINDS))
            fields = KINDS[kind].__dataclass_fields__  # type: ignore[attr-defined]
            predicates.append(KINDS[kind](**{name: one[name] for name in fields if name in one}))
            cuts.append(cut_from_json(one["cut"]))
        if weights is None:
            return cls(tuple(predicates), tuple(cuts))
        sizes = None if weights["sizes"] is None else {key: value for key, value in weights["sizes"]}
        own = Weights(weights["column"], weights["soft_cap"], weights["by"])
        return cls(tuple(predicates), tuple(cuts), own, sizes)


def cut_as_json(cut: Cuts) -> dict[str, Any] | None:
    """Cuts for a JSON file, with every group's."""
    if cut is None or isinstance(cut, Cut):
        return None if cut is None else asdict(cut)
    return {"groups": [[group, each.threshold, each.uid] for group, each in cut.items()]}


def cut_from_json(stored: Mapping[str, Any] | None) -> Cuts:
    """What `cut_as_json` gave, read back."""
    if stored is None:
        return None
    if "groups" in stored:
        return {group: Cut(threshold, uid) for group, threshold, uid in stored["groups"]}
    return Cut(stored["threshold"], stored.get("uid"))


def _share(fraction: float) -> None:
    if not isinstance(fraction, int | float) or not 0 <= fraction <= 1:
        raise UsageError(f"a fraction must lie in 0..1, not {fraction!r}")


def _count(rows: int) -> None:
    if rows < 0:
        raise UsageError(f"{rows} rows cannot be chosen")
