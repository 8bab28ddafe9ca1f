"""The places of several arms, shared where they are not told apart.

    >>> ranked({"raw": .31, "kept": .54, "random": .30}, {("kept", "raw"): .001, ("kept", "random"): .001, …}, sure=.05)
    (Place('kept', 1, .54, ('raw', 'random')), Place('raw', 2, .31, ()), Place('random', 2, .30, ()))

Every pair of arms is tested, and the p values are corrected for all of the pairs. A place ends only where every arm
above is told apart from every arm below; so a better place is always a difference that was shown. `better_than` says
more: an arm may be better than one with which it shares a place, through a third that is told from neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vlcorpus.probe.holm import adjusted


@dataclass(frozen=True)
class Place:
    arm: str
    place: int
    """1 is the best; after two arms that share it comes 3"""
    mean: float
    better_than: tuple[str, ...]


def ranked(
    means: Mapping[str, float],
    p_values: Mapping[tuple[str, str], float | None],
    *,
    sure: float,
    lower_is_better: bool = False,
) -> tuple[Place, ...]:
    """means: of each arm, over the seeds. p_values: of each pair of arms, in either order, uncorrected; None where
    nothing can be said. sure: the level, as 0.05."""
    corrected = dict(zip(p_values, adjusted(list(p_values.values())), strict=True))
    apart = {frozenset(pair) for pair, p in corrected.items() if p is not None and p <= sure}
    order = sorted(means, key=lambda arm: means[arm] if lower_is_better else -means[arm])
    found: list[Place] = []
    place = 1
    for number, arm in enumerate(order):
        below = order[number:]
        if all(frozenset((one, other)) in apart for one in order[:number] for other in below):
            place = number + 1
        better = tuple(other for other in order[number + 1 :] if frozenset((arm, other)) in apart)
        found.append(Place(arm, place, means[arm], better))
    return tuple(found)
