"""What a comparison comes to, in words that claim no more than was shown.

    >>> verdict(comparison, {"random": "random"}, repetitions=3.2).words
    'top1: kept better than raw by 4.1 points [2.0, 6.2], 6/6 seeds; and than random by 5.0 points [3.1, 6.9], 6/6 …'

Better and worse are said of the headline, and only where the ranking tells the two arms apart, which is corrected for
all pairs of arms. A random arm is a subset of equal size: it tells choosing from having less. Where seeds saw the very
same pairs many times over, the verdict holds for these pairs, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from vlcorpus.probe.checks import MOST_REPETITIONS
from vlcorpus.probe.compare import AVERAGE, Comparison, Row

Tone = Literal["good", "bad", "unsure"]
RANDOM = "random"
NAMED = 3


@dataclass(frozen=True)
class Verdict:
    words: str
    tone: Tone


def verdict(
    comparison: Comparison,
    control: Mapping[str, str] | None = None,
    *,
    repetitions: float = 0.0,
    parts: int = 1,
    failed: tuple[str, ...] = (),
) -> Verdict:
    """control: what kind of control an arm is, if any. repetitions: how often the arm saw its pairs that saw them most
    often. parts: shares that the seeds trained on. failed: checks that say that the figures cannot be trusted."""
    control = control or {}
    meant = [arm for arm in comparison.arms if arm not in control] or list(comparison.arms)
    rows = [comparison.pairs[arm, comparison.baseline] for arm in meant]
    sentences = [_about(comparison, row, [arm for arm in control if control[arm] == RANDOM]) for row in rows]
    name = "average of the tasks" if comparison.headline == AVERAGE else comparison.headline
    words = f"{name}: {'. '.join(sentences)}."
    sides = [_side(comparison, row) for row in rows]
    tone: Tone = "good" if 1 in sides else "bad" if -1 in sides else "unsure"
    words += _regressions(comparison, meant)
    if parts == 1 and rows[0].lower is not None and repetitions > MOST_REPETITIONS:
        words += (
            f" This is of these very pairs: every seed saw the same ones, up to {repetitions:.0f} times, so the "
            "interval does not tell what other pairs of the same kind would have done."
        )
    if failed:
        words += f" But the figures cannot be trusted: {'; '.join(failed)}."
        tone = "unsure"
    return Verdict(words, tone)


def _about(comparison: Comparison, row: Row, randoms: list[str]) -> str:
    """One arm against the baseline, and against the random arms."""
    side = _side(comparison, row)
    if row.lower is not None and not side and row.improvement | row.regression:
        words = (
            f"{row.arm} {row.signed(row.difference)} against {row.baseline} [{row.number(row.lower)}, "
            f"{row.number(row.upper or 0.0)}], not told apart once all {_pairs(comparison)} pairs of arms are tested"
        )
    else:
        words = row.verdict
    for random in randoms:
        other = comparison.pairs[row.arm, random]
        own = _side(comparison, other)
        if own and own == side:
            words += f"; and than {random} by {other.verdict.partition(' by ')[2]}"
        elif own:
            words += f"; {'better' if own > 0 else 'worse'} than {random} by {other.verdict.partition(' by ')[2]}"
        elif other.lower is not None:
            words += f"; not told from {random}, a random subset of equal size ({other.signed(other.difference)})"
    return words


def _regressions(comparison: Comparison, arms: list[str]) -> str:
    """What got worse beyond luck, beside the headline."""
    rows = [row for row in comparison.rows if row.arm in arms and row.metric != comparison.headline]
    sure = 1 - comparison.confidence
    worse = [row for row in rows if row.regression and row.p_holm is not None and row.p_holm <= sure]
    if not worse:
        return ""
    several = len(arms) > 1
    names = [f"{row.metric} of {row.arm}" if several else row.metric for row in worse]
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return f" Worse, corrected for all {len(comparison.rows):,} rows: {', '.join(names[:NAMED])}{more}."


def _side(comparison: Comparison, row: Row) -> int:
    """1: told to be better, -1: told to be worse, 0: neither."""
    if not comparison.told_apart(row.arm, row.baseline):
        return 0
    return 1 if row.improvement else -1 if row.regression else 0


def _pairs(comparison: Comparison) -> int:
    count = len(comparison.arms) + 1
    return count * (count - 1) // 2
