"""What one predicate of a decision said of one pair, in words.

judgement(stored, {"similarity": 0.21}, failed=True)
            -> Judgement("similarity in the top 0.3", "similarity", value=0.21, threshold=0.31, passed=False)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..scores.predicates import KINDS, Resolved


@dataclass(frozen=True)
class Judgement:
    """What one predicate said. value: of its column, or of all columns that it reads, by name; threshold: the cut that
    it came to; None where there is none (a condition, a random draw). group: whose cut, where each group has its own.
    """

    rule: str
    column: str | None
    value: Any
    threshold: Any
    passed: bool
    group: Any = None
    model: str | None = None


def judgement(stored: Mapping[str, Any], values: Mapping[str, Any], *, failed: bool) -> Judgement:
    """What a predicate, as a decision's stats store it, said of a pair with these values of its columns.

    values: by column, and by the expressions that stand for a column or a group, where these are known.
    """
    rule, column, by = says(stored), stored.get("column"), stored.get("by")
    names = [name for name in stored.get("columns", ()) if name != column]
    value = values.get(str(column)) if column is not None else None
    if column is None or (value is None and column not in values):
        value = {name: values.get(name) for name in names} or None
        if value is not None and len(value) == 1:
            column, value = next(iter(value.items()))
    group = values.get(str(by)) if by is not None else None
    threshold = _threshold(stored, group)
    return Judgement(rule, column, value, threshold, not failed, group, stored.get("model"))


def says(stored: Mapping[str, Any]) -> str:
    """A stored predicate in words; of a kind that this version does not know, its name and column."""
    if stored.get("says"):
        return str(stored["says"])
    if stored.get("predicate") in KINDS:
        return str(Resolved.from_json([stored]).predicates[0])
    return " ".join(str(stored[name]) for name in ("predicate", "column") if stored.get(name))


def _threshold(stored: Mapping[str, Any], group: Any) -> Any:
    cut = stored.get("cut")
    if cut is None:
        return stored.get("threshold")
    if "groups" in cut:
        return next((threshold for name, threshold, _ in cut["groups"] if name == group), None)
    return cut.get("threshold")
