"""Histograms of the columns that a decision reads, with its cuts, and how scores agree with each other and with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ...expression.kinds import NUMERIC, kind_of
from ...probe.measures import auc
from ...report import model
from ...report.axes import number
from ...scores.correlation import spearman
from ...scores.prepared import Numbers
from .cuts import Cut
from .shown import Shown
from .survey import Survey

if TYPE_CHECKING:
    import pyarrow as pa

MOST = 12
MOST_GROUPS = 30
SIMILARITY = "similarity"
NOMINAL = ("phash", "cluster", "nearest")
"""Columns of numbers that are names: how large they are says nothing."""


def numeric(shown: Shown) -> tuple[str, ...]:
    """Columns of scores, at most MOST: those that the decision reads, the similarity, then others by name."""
    known = shown.known
    read = [name for each in shown.predicates for name in shown.columns(each)]
    scores = [name for name in known.types if "." not in name and known.origin(name).layer.startswith("scores/")]
    order = dict.fromkeys([*read, *([SIMILARITY] if SIMILARITY in known else []), *sorted(scores)])
    found = [name for name in order if name in known and kind_of(known.types[name]) in NUMERIC]
    return tuple(name for name in found if known.origin(name).column not in NOMINAL)


def drawn(shown: Shown, cuts: Sequence[Cut]) -> tuple[str, ...]:
    """Columns and expressions whose histogram is shown: what the decision reads, and the similarity."""
    read = {name for each in shown.predicates for name in shown.columns(each)}
    plain = [name for name in numeric(shown) if name in read or name == SIMILARITY]
    return tuple(dict.fromkeys([*(cut.column for cut in cuts), *plain]))


def histograms(shown: Shown, found: Survey, cuts: Sequence[Cut], *, but: Sequence[str] = ()) -> list[model.Section]:
    """One for each column, kept and dropped apart, and a table of its cuts where each group has its own."""
    sections: list[model.Section] = []
    alike: list[tuple[model.Cell, ...]] = []
    for text, bins in found.bins.items():
        span = found.spans[text]
        if span.rows and span.low == span.high and text not in but:  # a histogram of one value shows nothing
            alike.append((text, float(span.low), span.rows))
            continue
        own = [cut for cut in cuts if cut.column == text]
        marks = tuple(model.Mark(cut.threshold, cut.keeps) for cut in own if cut.threshold is not None)
        dropped, kept = (tuple(map(int, counts)) for counts in bins.counts)
        parts = (("kept", kept), ("dropped", dropped)) if shown.decision else (("pairs", kept),)
        if text not in but:
            series = tuple(model.Series(name, counts) for name, counts in parts)
            edges = tuple(map(float, bins.edges))
            title = f"Histogram of {text}"
            sections.append(model.Histogram(title, edges, series, marks, text, _note(found, text, own)))
        sections += [_groups(cut, found) for cut in own if cut.groups]
    if alike:
        heads = (model.Column("column"), model.Column("value", digits=4), model.Column("rows"))
        sections.append(model.Table("Columns with one value for all", heads, tuple(alike)))
    return sections


def _note(found: Survey, text: str, cuts: Sequence[Cut]) -> str:
    bins, span = found.bins[text], found.spans[text]
    told = []
    if found.rows > span.rows:
        told.append(f"{found.rows - span.rows:,} of {found.rows:,} rows have no value.")
    if bins.below or bins.above:
        ends = [f"{bins.below:,} below (down to {span.low:g})"] if bins.below else []
        ends += [f"{bins.above:,} above (up to {span.high:g})"] if bins.above else []
        told.append(f"In the outermost bins: {' and '.join(ends)}.")
    for cut in cuts:
        known = [at for at in cut.groups.values() if at is not None]
        if known:
            between = f"from {number(min(known))} to {number(max(known))}" if min(known) < max(known) else ""
            told.append(f"Each {cut.by} has its own cut, {between or 'at ' + number(known[0])}.")
    return " ".join(told)


def _groups(cut: Cut, found: Survey) -> model.Table:
    """The cuts of the groups with the most rows, and what became of their rows."""
    counts = found.counts.get(str(cut.by))
    rates = counts.all() if counts is not None else []
    known = {rate.name: rate for rate in rates}
    names = [name for name in cut.groups if str(name) in known]
    names.sort(key=lambda name: (-known[str(name)].rows, str(name)))
    rest = [name for name in cut.groups if str(name) not in known]
    rows: list[tuple[model.Cell, ...]] = []
    for name in [*names, *rest][:MOST_GROUPS]:
        rate = known.get(str(name))
        share = f"{100 * rate.share:.1f} %" if rate is not None else None
        rows.append((str(name), cut.groups[name], rate.rows if rate else None, rate.kept if rate else None, share))
    more = len(cut.groups) - len(rows)
    note = f"{more:,} smaller groups are not listed." if more > 0 else ""
    heads = (str(cut.by), "cut", "rows", "kept", "kept share")
    columns = tuple(model.Column(name, digits=4, right=name == "kept share") for name in heads)
    return model.Table(f"Cuts of {cut.column} by {cut.by}", columns, tuple(rows), note)


def correlations(
    shown: Shown, names: Sequence[str], sample: pa.Table | None, keep: npt.NDArray[np.bool_]
) -> list[model.Section]:
    """Rank correlations of the scores that vary, and how well each alone tells kept rows from dropped ones."""
    if sample is None:
        return []
    columns = {}
    for name in names:
        values, there = Numbers(name, shown.known.types, None).of(sample)
        column = values.astype(np.float64)
        if there is not None:
            column[~there] = np.nan
        column[~np.isfinite(column)] = np.nan
        known = column[~np.isnan(column)]
        if len(known) > 1 and known.min() < known.max():
            columns[name] = column
    columns = dict(list(columns.items())[:MOST])
    agreement = tuple(_auc(column, keep) for column in columns.values()) if shown.decision else None
    if not columns or (len(columns) < 2 and not any(each is not None for each in agreement or ())):
        return []
    found = spearman(list(columns.values()))
    values_CC = tuple(tuple(None if np.isnan(each) else float(each) for each in row) for row in found.values)
    of = f"all {len(sample):,} rows" if len(sample) == shown.seen else f"{len(sample):,} rows drawn by uid"
    note = f"Spearman's rank correlation, over {of}; each two scores over the rows that have both."
    if agreement is not None:
        note += (
            " Agrees: the chance that a kept row has a higher value than a dropped one (AUC): 1 the decision is this "
            "score, 0.5 it does not care, 0 it is this score turned round."
        )
    return [model.Matrix("How the scores agree", tuple(columns), values_CC, agreement, "agrees", note=note)]


def _auc(column: npt.NDArray[np.float64], keep: npt.NDArray[np.bool_]) -> float | None:
    there = ~np.isnan(column)
    own = keep[there]
    return auc(column[there], own) if own.any() and not own.all() else None
