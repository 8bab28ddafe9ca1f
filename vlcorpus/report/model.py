"""What a report says: plain frozen dataclasses, given to `vlcorpus.report.page.render`.

    Report(
        title="demo",
        verdict=Verdict("filtered beats raw by 21.9 pp [17.7, 26.1], 3 of 3 seeds", "good"),
        summary=(Fact("pairs kept", "6,120", "of 10,000"),),
        sections=(
            Funnel("What became of each pair", steps),
            Histogram("Similarity", edges, (Series("all", counts),), (Mark(0.28),)),
        ),
    )

Sections are shown in the order given, each under its title, with a note where there is one. All strings may come from
the web. Numbers are shown as they are: the caller decides what a share, a unit and a good value are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vlcorpus.report.measured import Bands, Changes, Checks, Prose

Tone = Literal["good", "bad", "unsure"]


@dataclass(frozen=True)
class Verdict:
    """The one line to take away, and whether it is good news, bad news, or nothing was shown."""

    words: str
    tone: Tone = "unsure"


@dataclass(frozen=True)
class Fact:
    """A number of the summary, already written out ("6,120"), with what it is and a few words beside it."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class FunnelStep:
    """`count` pairs met `reason` in `step` of `stage`; `truth` is how many were planted, where that is known."""

    stage: str
    step: str
    reason: str
    count: int
    truth: int | None = None
    kept: bool = False


@dataclass(frozen=True)
class Funnel:
    """What became of the pairs: one line for each reason, in the order of the stages."""

    title: str
    steps: tuple[FunnelStep, ...]
    note: str = ""


@dataclass(frozen=True)
class Crosstab:
    """Counts by two closed sets, as kind of caption noise and verdict: `rows` are (kind, one count for each column).

    `good` names the columns that the kind should fall in, for each row, where that is known: they are marked.
    """

    title: str
    corner: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[int, ...]], ...]
    good: tuple[str | None, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Series:
    """A named series of counts, one for each bin."""

    name: str
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Mark:
    """A cut, and the side of it that is kept: "above" or "below"."""

    value: float
    keeps: str = "above"


@dataclass(frozen=True)
class Histogram:
    """Counts between `edges` (one more than counts), of one series or several that share the bins (true and noise)."""

    title: str
    edges: tuple[float, ...]
    series: tuple[Series, ...]
    marks: tuple[Mark, ...] = ()
    x_label: str = "similarity"
    note: str = ""


@dataclass(frozen=True)
class Picture:
    """A JPEG's bytes (None, or not a JPEG: a blank with words), its caption, its score."""

    jpeg: bytes | None
    caption: str
    value: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Pictures:
    """Pairs on both sides of a threshold, each list nearest the threshold first. value: what their score is called;
    pictured: False where there are only captions to show."""

    title: str
    kept: tuple[Picture, ...]
    dropped: tuple[Picture, ...]
    kept_title: str = "Just kept"
    dropped_title: str = "Just dropped"
    note: str = ""
    value: str = "similarity"
    pictured: bool = True


@dataclass(frozen=True)
class Rate:
    """`kept` of `rows` rows, with the interval of their share (0 to 1). faint: of what has no name of its own."""

    name: str
    rows: int
    kept: int
    low: float
    high: float
    faint: bool = False


@dataclass(frozen=True)
class Rates:
    """Shares of groups on one line from 0 to 1, with `share`, that of all rows, drawn through them. head: what they are
    the groups of."""

    title: str
    head: str
    rates: tuple[Rate, ...]
    share: float
    note: str = ""


@dataclass(frozen=True)
class Matrix:
    """A number from -1 to 1 for every two of `names`, darker the further from 0; None is a dash. beside: one more
    number for each name, from 0 to 1, under the head `beside_name`."""

    title: str
    names: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    beside: tuple[float | None, ...] | None = None
    beside_name: str = ""
    digits: int = 2
    note: str = ""


@dataclass(frozen=True)
class Run:
    """One seed's curve: `values[i]` after `samples[i]` samples, ascending."""

    seed: int
    samples: tuple[float, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class Arm:
    """One corpus under comparison, and a run for each seed."""

    name: str
    runs: tuple[Run, ...]


@dataclass(frozen=True)
class Curves:
    """Learning curves of several arms: each seed faint, the mean strong. At most 6 arms are told apart."""

    title: str
    arms: tuple[Arm, ...]
    x_label: str = "samples seen"
    y_label: str = "accuracy"
    note: str = ""


@dataclass(frozen=True)
class Difference:
    """A paired difference with its interval, whose ends are NaN where there is none. It is shown as better or worse
    where the interval excludes 0, or as `tone` says where a stricter test decided."""

    metric: str
    value: float
    low: float
    high: float
    higher_is_better: bool = True
    note: str = ""
    tone: Tone | None = None


@dataclass(frozen=True)
class Forest:
    """Differences of several metrics on one axis, all in `unit`, written with `digits` decimals. reach: what the axis
    holds at least, for several on the same one; keyed: it says what its marks mean."""

    title: str
    differences: tuple[Difference, ...]
    unit: str = "pp"
    digits: int = 1
    note: str = ""
    reach: tuple[float, float] | None = None
    keyed: bool = True


@dataclass(frozen=True)
class Column:
    """A table's column. Floats are written with `digits` decimals; `signed` ones with + or − and a word-free mark.
    wide: of whole sentences; right: texts that are numbers."""

    name: str
    digits: int = 3
    signed: bool = False
    wide: bool = False
    right: bool = False


@dataclass(frozen=True)
class Marked:
    """A cell already written out, with its reading: a mark and a colour, and a word for the ear. aside: said smaller,
    below it."""

    words: str
    tone: Tone | None = None
    aside: str = ""


Cell = str | int | float | Marked | None


@dataclass(frozen=True)
class Table:
    """Any table (per attribute, per language, costs). The first column names the row; held: it stays in sight while
    the others scroll."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    held: bool = False


@dataclass(frozen=True)
class Command:
    """What to type to repeat one step."""

    step: str
    command: str


@dataclass(frozen=True)
class Commands:
    title: str
    commands: tuple[Command, ...]
    note: str = ""


@dataclass(frozen=True)
class Provenance:
    """Versions, settings, digests: name and value."""

    title: str
    facts: tuple[tuple[str, str], ...]
    note: str = ""


@dataclass(frozen=True)
class Group:
    """Sections under one title, each below a smaller one. Those from `open_first` on are folded away, but for paper.
    side_by_side: small charts, as many in a line as fit."""

    title: str
    parts: tuple[Section, ...]
    note: str = ""
    open_first: int = 1_000
    side_by_side: bool = False


Section = (
    Funnel
    | Crosstab
    | Histogram
    | Pictures
    | Rates
    | Matrix
    | Curves
    | Forest
    | Table
    | Commands
    | Provenance
    | Checks
    | Changes
    | Bands
    | Prose
    | Group
)


@dataclass(frozen=True)
class Report:
    """notices: sentences that stand by the verdict, of what should be looked at before anything else."""

    title: str
    verdict: Verdict
    summary: tuple[Fact, ...] = ()
    sections: tuple[Section, ...] = ()
    subtitle: str = ""
    notices: tuple[str, ...] = ()
