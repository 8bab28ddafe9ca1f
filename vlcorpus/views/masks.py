"""Which rows a filter keeps, part by part: what `and` joins is computed once, and kept for other filters that say it.

    masks = Masks(one, check)                    one('width >= 256') -> bool (N,)
    masks.of('width >= 256 and language == "en"')      asks `one` for two conditions, once each

A row is kept where the whole expression is true, and that is where every part is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt

from .. import expression
from .kept import Kept

MOST_BYTES = 256 << 20

Mask = npt.NDArray[np.bool_]


class Masks:
    """check: raises for what is no expression, with the place in the whole of it, before anything is computed."""

    def __init__(self, one: Callable[[str], Mask], check: Callable[[str], object]) -> None:
        self._one, self._check = one, check
        self._kept: Kept[Mask] = Kept(MOST_BYTES, lambda mask: mask.nbytes)

    def of(self, where: str) -> Mask:
        """bool (N,), the caller's own. UsageError for what is no expression."""
        self._check(where)
        first, *others = expression.conjuncts(where)
        whole = self._kept.get(first, partial(self._one, first)).copy()
        for part in others:
            whole &= self._kept.get(part, partial(self._one, part))
        return whole
