"""Where the predicates of a decision divide a column of numbers.

    cuts_of(shown)      (Cut(0, "similarity >= 0.28", "similarity", "above", 0.28),
                         Cut(1, "aspect <= 3", "aspect", "below", 3.0), ...)

A threshold is a cut, a top fraction with what it came to, a cap by score, and a condition that compares numbers with a
number. Conditions on texts and random draws have none.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from ... import expression
from ...errors import UsageError
from ...expression.parse import parse
from ...expression.tree import Between, Compare, Node
from ...expression.tree import Literal as Constant
from .shown import Shown

if TYPE_CHECKING:
    import pyarrow as pa

_SIDES: Mapping[str, Literal["above", "below"]] = {">": "above", ">=": "above", "<": "below", "<=": "below"}
_TURNED = {"above": "below", "below": "above"}


@dataclass(frozen=True)
class Cut:
    """predicate: its number; column: a column or an expression; keeps: the side of it that stays. groups: the cuts of
    each group of `by`, where each has its own (None: nothing of it is kept); then there is no threshold."""

    predicate: int
    says: str
    column: str
    keeps: str
    threshold: float | None
    by: str | None = None
    groups: Mapping[Hashable, float | None] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """The cut by itself: one end of a `between`."""
        if self.threshold is None or " between " not in self.says:
            return self.says
        return f"{self.column} {'from' if self.keeps == 'above' else 'up to'} {self.threshold:g}"

    def thresholds(self, rows: pa.Table, types: Mapping[str, str]) -> float | npt.NDArray[np.float64]:
        """The cut of each row, or that of all; nan where its group has none."""
        if self.by is None:
            return float("nan") if self.threshold is None else self.threshold
        found = expression.compile_value(self.by, types).values(rows).dictionary_encode()
        own = [self.groups.get(name) for name in found.dictionary.to_pylist()]
        every = np.array([np.nan if each is None else each for each in [*own, None]], np.float64)
        places: npt.NDArray[np.float64] = every[
            found.indices.fill_null(len(own)).to_numpy(zero_copy_only=False).astype(np.int64)
        ]
        return places


def cuts_of(shown: Shown) -> tuple[Cut, ...]:
    """In the order of the predicates; only those whose columns are still there."""
    found = [cut for number, each in enumerate(shown.predicates) for cut in _cuts(number, shown.says(each), each)]
    return tuple(cut for cut in found if _readable(cut, shown))


def deciding(shown: Shown, cuts: tuple[Cut, ...], most: int) -> tuple[int, ...]:
    """Numbers of the cuts that decide the most: by the rows that they alone reject, then by all that they reject.
    Those that reject nothing are left out."""
    steps = [shown.funnel[cut.predicate] for cut in cuts]
    order = sorted(range(len(cuts)), key=lambda number: (-steps[number].alone, -steps[number].marginal, number))
    return tuple(sorted([number for number in order if steps[number].marginal][:most]))


def _cuts(number: int, says: str, stored: Mapping[str, Any]) -> Iterator[Cut]:
    kind, cut = stored["predicate"], stored.get("cut")
    if kind == "Where":
        for column, side, threshold in _compared(parse(stored["expression"])):
            yield Cut(number, says, column, side, threshold)
    elif kind == "AtLeast":
        yield Cut(number, says, stored["column"], "above", float(stored["threshold"]))
    elif kind in ("TopFraction", "TopRows", "Cap") and cut is not None and stored.get("column") is not None:
        if "groups" in cut:
            groups = {name: None if at is None else float(at) for name, at, _ in cut["groups"]}
            yield Cut(number, says, stored["column"], "above", None, stored["by"], groups)
        elif cut.get("threshold") is not None:
            yield Cut(number, says, stored["column"], "above", float(cut["threshold"]))


def _compared(node: Node) -> Iterator[tuple[str, str, float]]:
    """What is compared with a number, the side that stays, and the number."""
    if isinstance(node, Compare) and node.operator in _SIDES:
        side = _SIDES[node.operator]
        for text, beside, keeps in ((node.left, node.right, side), (node.right, node.left, _TURNED[side])):
            threshold = _constant(beside)
            if threshold is not None and _constant(text) is None:
                yield str(text), keeps, threshold
    elif isinstance(node, Between):
        for beside, keeps in ((node.low, "above"), (node.high, "below")):
            threshold = _constant(beside)
            if threshold is not None:
                yield str(node.operand), keeps, threshold


def _constant(node: Node) -> float | None:
    value = node.value if isinstance(node, Constant) else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _readable(cut: Cut, shown: Shown) -> bool:
    from ...scores.prepared import Numbers

    try:
        Numbers(cut.column, shown.known.types, None)
        if cut.by is not None:
            expression.compile_value(cut.by, shown.known.types)
    except UsageError:
        return False
    return True
