"""What one predicate of a decision said of one pair, in words.

judgement(stored, {"similarity": 0.21}, failed=True)
            -> Judgement("similarity in the top 0.3", "similarity", value=0.21, threshold=0.31, passed=False)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Judgement:
    """What one predicate said. threshold: the cut it came to; None where there is none (a random draw)."""

    rule: str
    column: str | None
    value: Any
    threshold: Any
    passed: bool


def judgement(stored: dict[str, Any], scores: dict[str, Any], *, failed: bool) -> Judgement:
    """What a predicate, as scores.decide.Resolved.as_json stores it, said of a pair with these scores."""
    kind, column, cut = stored["predicate"], stored.get("column"), stored.get("cut")
    threshold = cut["threshold"] if cut else stored.get("threshold", stored.get("values"))
    rules = {
        "AtLeast": f"{column} at least {stored.get('threshold')}",
        "AtMost": f"{column} at most {stored.get('threshold')}",
        "OneOf": f"{column} one of {', '.join(map(str, stored.get('values') or ()))}",
        "TopFraction": f"{column} in the top {stored.get('fraction')}",
        "RandomRows": _draw(stored),
    }
    if kind == "RandomRows":
        return Judgement(rules[kind], None, None, None, not failed)
    return Judgement(rules.get(kind, str(kind)), column, scores.get(str(column)), threshold, not failed)


def _draw(stored: dict[str, Any]) -> str:
    rows, fraction = stored.get("rows"), stored.get("fraction")
    share = f"{rows} pairs" if rows is not None else f"a share of {fraction}"
    return f"drawn by uid: {share}, seed {stored.get('seed')}"
