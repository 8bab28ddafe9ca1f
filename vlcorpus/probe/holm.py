"""Holm's correction for looking at many things at once.

    >>> adjusted([0.01, 0.04, 0.03, None])
    [0.03, 0.06, 0.06, None]

Whatever is then below 0.05: the chance that any of it is luck is 0.05 at most, however the tests hang together (Holm
1979). None stands for a test that was not made; it does not count.
"""

from __future__ import annotations

from collections.abc import Sequence


def adjusted(p_values: Sequence[float | None]) -> list[float | None]:
    """Each p value, corrected for all of them; in the order given."""
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    found: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, place) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * p))
        found[place] = largest
    return found
