"""How often a training budget repeats what a decision keeps, and whether the filter is to blame.

    told = repetitions(shown, (12_800_000,), most=10)
    told.section          a table: of each budget, the passes over all rows and over what is kept
    told.notice           one sentence where the filter makes a budget repeat its pairs too often, else ""

passes = budget / kept (by weight): a pair of weight 1 is seen so often. A warning is due only where the rows before the
filter would do (at most `most` passes) and those after it do not: a corpus that is small all the same is none of the
filter's making, and the table says so.

Why 10: in DataComp (Gadre et al. 2023, arXiv 2304.14108, table 3) a budget is as many pairs as the pool has, so what
keeps 1/n of it repeats n times. Its best filter at the medium, large and xlarge scales keeps 10.9 %, 9.2 passes; at
the small scale the same 9.2 passes do worse than the 3.3 of the top 30 % by CLIP score (3.9 against 5.1 % on
ImageNet). Goyal et al. (CVPR 2024, arXiv 2404.07177): good pairs rapidly lose their worth when repeated; after 40
repetitions of LAION's pairs, unfiltered ones train a better model. For text, Muennighoff et al. (NeurIPS 2023, arXiv
2305.16264): up to 4 passes are nearly as good as new, and the worth of more goes to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...report import model
from .shown import Shown

MOST = 10.0
AS_NEW = 4.0
SCALES = {12_800_000: "small", 128_000_000: "medium", 1_280_000_000: "large", 12_800_000_000: "xlarge"}


@dataclass(frozen=True)
class Told:
    section: model.Table
    notice: str


@dataclass(frozen=True)
class Passes:
    """whole, kept: passes over all rows and over what is kept; inf over nothing."""

    budget: int
    whole: float
    kept: float

    @classmethod
    def of(cls, budget: int, rows: float, kept: float) -> Passes:
        return cls(budget, *(budget / each if each else float("inf") for each in (rows, kept)))

    def by_filter(self, most: float) -> bool:
        """Whether it is the filter that makes it too many."""
        return self.kept > most >= self.whole

    def reading(self, most: float) -> str:
        if self.kept <= AS_NEW:
            return "as good as new"
        if self.kept <= most:
            return "worth less each time"
        return "too often: the filter is strict for this" if self.whole <= most else "all rows are too few for this"


def repetitions(shown: Shown, budgets: Sequence[int], most: float = MOST) -> Told:
    rows, kept = shown.seen, shown.weight
    found = [Passes.of(budget, rows, kept) for budget in sorted(set(budgets))]
    lines = tuple((_budget(each.budget), _passes(each.whole), _passes(each.kept), each.reading(most)) for each in found)
    weighed = shown.stats is not None and shown.stats.get("weights") is not None
    what = f"{kept:,.0f} (by weight, of {shown.kept:,} kept)" if weighed else f"{shown.kept:,} kept"
    note = (
        f"Passes of a training run over all {rows:,} rows, and over the {what}. Up to {AS_NEW:g} passes are nearly as "
        f"good as new pairs for text (arXiv 2305.16264); image-text pairs lose their worth with each (arXiv "
        f"2404.07177); DataComp's best filters come to 9 at its larger scales and lose by it at the small one (arXiv "
        f"2304.14108). Above {most:g} is too often."
    )
    if shown.known.of == "candidates":
        note += " These are candidates: of those that cannot be fetched there is nothing to repeat."
    heads = ("pairs seen in training", "passes over all rows", "passes over what is kept", "reading")
    section = model.Table(
        "How often training would repeat a pair",
        tuple(model.Column(head, right=head.startswith("passes")) for head in heads),
        lines,
        note,
    )
    worst = next((each for each in found if each.by_filter(most)), None) if kept else None
    notice = ""
    if worst is not None:
        notice = (
            f"{shown.decision} keeps {shown.kept:,} pairs: training on {_budget(worst.budget)} would repeat each "
            f"{_passes(worst.kept)} times, where all rows would be seen {_passes(worst.whole)} times. Beyond "
            f"{most:g} repetitions a milder filter may train the better model."
        )
    return Told(section, notice)


def _budget(pairs: int) -> str:
    for size, letter in ((10**9, "B"), (10**6, "M")):
        if pairs >= size:
            text = f"{pairs / size:g} {letter}"
            break
    else:
        text = f"{pairs:,}"
    return text + (f" (DataComp {SCALES[pairs]})" if pairs in SCALES else "")


def _passes(times: float) -> str:
    if times == float("inf"):
        return "∞"
    return f"{times:,.0f}" if times >= 100 else f"{times:.1f}" if times >= 1 else f"{times:.2g}"
