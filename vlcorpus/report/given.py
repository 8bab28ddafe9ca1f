"""Values of a JSON file as they can be relied on: anything that is not what it should be is nothing.

real(0.5), real(float("nan")), real("0.5"), real(True)      -> 0.5, None, None, None
texts(["a", 1]), texts("a"), texts(None)                    -> ("a", "1"), (), ()
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any


def real(value: Any) -> float | None:
    """A finite number, or None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def whole(value: Any) -> int | None:
    """A finite number as a count, or None."""
    known = real(value)
    return None if known is None else round(known)


def text(value: Any) -> str:
    """A string; of None an empty one."""
    return "" if value is None else str(value)


def texts(value: Any) -> tuple[str, ...]:
    """Strings of a list; of anything else none."""
    return tuple(text(one) for one in value) if isinstance(value, Iterable) and not isinstance(value, str) else ()


def mapping(value: Any) -> Mapping[str, Any]:
    """A mapping; of anything else an empty one."""
    return value if isinstance(value, Mapping) else {}


def mappings(value: Any) -> list[Mapping[str, Any]]:
    """Those of a list that are mappings."""
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list | tuple) else []
