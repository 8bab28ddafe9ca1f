"""Clopper and Pearson's interval of a share, also for numbers of trials and hits that are no whole numbers.

    limits(20.0, 20.0)      (0.8316, 1.0)     20 of 20
    limits(9.5, 31.2)       (0.155, 0.492)    an effective number of trials, as a stratified sample has

An effective number of trials is what Korn and Graubard (Survey Methodology 24, 1998) put into Clopper and Pearson's
interval (Biometrika 26, 1934) for samples that are not simple ones. Exact in [0, 1], never empty, no wider than it must
be at no hits and at all hits. Costs about 0.2 ms; not for millions of intervals.
"""

from __future__ import annotations

import math

CONFIDENCE = 0.95
_HALVINGS = 52
_MOST_TRIALS = 1e6
"""Beyond this many trials the interval is the normal one: they agree in five digits."""
_TINY = 1e-300


def limits(hits: float, trials: float, *, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Lower and upper limit of the share that gave `hits` (0 to trials) of `trials` (above 0, may be infinite: then
    both are the share, so give hits / trials as it is by `at`)."""
    if not 0 <= hits <= trials or trials <= 0 or math.isinf(trials):
        raise ValueError(f"{hits} hits of {trials} trials")
    tail = (1 - confidence) / 2
    misses = trials - hits
    low = 0.0 if hits <= 0 else _quantile(tail, hits, misses + 1)
    high = 1.0 if misses <= 0 else _quantile(1 - tail, hits + 1, misses)
    return low, high


def at(share: float, trials: float, *, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The same of a share (0 to 1) and the trials, which may be infinite: nothing is left to chance then."""
    if math.isinf(trials):
        return share, share
    if trials > _MOST_TRIALS and 0 < share < 1:
        reach = _normal(confidence) * math.sqrt(share * (1 - share) / trials)
        return max(0.0, share - reach), min(1.0, share + reach)
    return limits(share * trials, trials, confidence=confidence)


def _normal(confidence: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf((1 + confidence) / 2)


def _quantile(chance: float, a: float, b: float) -> float:
    """Where Beta(a, b) has that much below it, by halving."""
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if below(middle, a, b) < chance:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def below(x: float, a: float, b: float) -> float:
    """The share of Beta(a, b) below x: the regularised incomplete beta function, by its continued fraction (Abramowitz
    and Stegun 26.5.8, evaluated by Lentz's rule). a, b above 0."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):  # the fraction converges quickly on the other side only
        return 1 - below(1 - x, b, a)
    front = a * math.log(x) + b * math.log1p(-x) - _log_beta(a, b)
    return math.exp(front) / (a * _fraction(x, a, b))


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _fraction(x: float, a: float, b: float) -> float:
    """1 + d1/(1 + d2/(1 + ...)) with 26.5.8's coefficients."""
    whole, up, down = 1.0, 1.0, 0.0
    for step in range(1, 10_000):
        m = step // 2
        if step % 2:
            d = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            d = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        down = 1 / _kept_from_zero(1 + d * down)
        up = _kept_from_zero(1 + d / up)
        whole *= up * down
        if abs(up * down - 1) < 1e-15:
            break
    return whole


def _kept_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
