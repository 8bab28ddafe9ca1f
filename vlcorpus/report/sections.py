"""Sections of a report as HTML: one function for each kind of section in `vlcorpus.report.model`."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable

from vlcorpus.report import charts
from vlcorpus.report.axes import number, share
from vlcorpus.report.bands import drawn_bands
from vlcorpus.report.drawing import NARROW, SMALL, WIDE, key
from vlcorpus.report.markup import Html, element, join
from vlcorpus.report.measured import Bands, Changes, Checks, Prose
from vlcorpus.report.model import (
    Column,
    Commands,
    Crosstab,
    Curves,
    Forest,
    Funnel,
    FunnelStep,
    Group,
    Histogram,
    Matrix,
    Pictures,
    Provenance,
    Rates,
    Section,
    Table,
)
from vlcorpus.report.side import pictures
from vlcorpus.report.tables import breakable, changes, grid, head, matrix, numbers, rates, table

TONE_WORDS = {"good": "better", "bad": "worse", "unsure": "no difference shown"}


def section_body(section: Section) -> Html:
    """What stands between a section's title and its note."""
    match section:
        case Funnel():
            return _funnel(section)
        case Crosstab():
            return _crosstab(section)
        case Histogram():
            return _histogram(section)
        case Pictures():
            return pictures(section)
        case Rates():
            return rates(section)
        case Matrix():
            return matrix(section)
        case Curves():
            return _curves(section)
        case Forest():
            return _forest(section)
        case Table():
            return table(section.title, section.columns, section.rows, visible=False, held=section.held)
        case Commands():
            return _commands(section)
        case Provenance():
            return _provenance(section)
        case Checks():
            return _checks(section)
        case Changes():
            return changes(section)
        case Bands():
            return _bands(section)
        case Prose():
            return _prose(section)
        case Group():
            return _group(section)


def _funnel(section: Funnel) -> Html:
    """Each step of each stage by itself: shares are of what came into it."""
    known = any(step.truth is not None for step in section.steps)
    heads = [head("Step"), head("Reason"), head("Rows", "n"), head("Share", "n share"), head("", "bar")]
    if known:
        heads += [head("Planted", "n"), head("Agrees", "n")]
    rows: list[Html] = []
    for (stage, name), steps in itertools.groupby(section.steps, key=lambda step: (step.stage, step.step)):
        listed = list(steps)
        total = sum(step.count for step in listed)
        for place, step in enumerate(listed):
            cells = []
            if place == 0:
                group = join(stage, element("small", name))
                cells.append(element("th", group, class_="stage", scope="rowgroup", rowspan=len(listed)))
            cells += [
                element("th", breakable(step.reason), scope="row"),
                element("td", number(step.count), class_="n"),
                element("td", share(step.count, total), class_="n share"),
                element("td", _bar(step.count, max(total, 1)), class_="bar"),
            ]
            if known:
                cells += _agreement(step)
            rows.append(element("tr", *cells, class_="kept" if step.kept else None))
    words = "Every row, by what became of it" + (", beside what was planted" if known else "")
    return grid(words, heads, rows)


def _agreement(step: FunnelStep) -> list[Html]:
    if step.truth is None:
        return [element("td", "", class_="n"), element("td", "")]
    off = step.count - step.truth
    sign = element("span", "✓", class_="yes", aria_hidden="true") if off == 0 else element("span", "✗", class_="no")
    words = element("span", "agrees", class_="hidden") if off == 0 else Html(f" {number(off, signed=True)}")
    return [element("td", number(step.truth), class_="n"), element("td", join(sign, words), class_="n")]


def _bar(count: int, total: int) -> Html:
    width = f"{max(100 * count / total, 0.8 if count else 0):.1f}%"
    return element("svg", element("rect", width=width, height="100%", rx=1.5), aria_hidden="true")


def _crosstab(section: Crosstab) -> Html:
    heads = [head(section.corner), *(head(name, "heat") for name in section.columns), head("all", "n")]
    rows = []
    for place, (name, counts) in enumerate(section.rows):
        total = sum(counts)
        wanted = section.good[place] if place < len(section.good) else None
        cells = [element("th", name, scope="row")]
        for column, count in zip(section.columns, counts, strict=True):
            level = 0 if not total or not count else 1 + min(3, 4 * count // (total + 1))
            marks = f"heat h{level}" + (" wanted" if column == wanted else "")
            cells.append(element("td", number(count), element("small", share(count, total)), class_=marks))
        rows.append(element("tr", *cells, element("td", number(total), class_="n")))
    words = "Pairs, and their share of the row" + ("; framed: where the row belongs" if any(section.good) else "")
    return grid(words, heads, rows)


def _histogram(section: Histogram) -> Html:
    legend = _legend((series.name for series in section.series), line=False) if len(section.series) > 1 else Html("")
    columns = (Column("from", 3), Column("to", 3), *(Column(series.name) for series in section.series))
    rows = [
        (low, high, *(series.counts[place] for series in section.series))
        for place, (low, high) in enumerate(itertools.pairwise(section.edges))
        if any(series.counts[place] for series in section.series)
    ]
    both = join(charts.histogram(section, WIDE), charts.histogram(section, NARROW))
    return join(element("figure", legend, both), numbers(section.title, columns, rows))


def _curves(section: Curves) -> Html:
    both = join(charts.curves(section, WIDE), charts.curves(section, NARROW))
    columns = (Column("arm"), Column("seed"), Column(section.x_label, 0), Column(section.y_label, 4))
    rows = [
        (arm.name, str(run.seed), run.samples[-1], run.values[-1])
        for arm in section.arms
        for run in arm.runs
        if run.samples
    ]
    legend = _legend((arm.name for arm in section.arms), line=True)
    return join(element("figure", legend, both), numbers(f"{section.title}: the last point of each run", columns, rows))


def _forest(section: Forest) -> Html:
    both = join(charts.forest(section, WIDE), charts.forest(section, NARROW))
    tones = [charts.difference_tone(difference) for difference in section.differences]
    marks = (("▲", "good"), ("▼", "bad"), ("○", "unsure"))
    legend = element("ul", *(element("li", f"{mark} {TONE_WORDS[tone]}") for mark, tone in marks), class_="legend")
    columns = (
        Column("metric"),
        Column(f"difference, {section.unit}", section.digits, signed=True),
        Column("low", section.digits),
        Column("high", section.digits),
        Column("reading"),
    )
    rows = [
        (
            one.metric,
            *(None if math.isnan(end) else end for end in (one.value, one.low, one.high)),
            TONE_WORDS[tone] + (f"; {one.note}" if one.note else ""),
        )
        for one, tone in zip(section.differences, tones, strict=True)
    ]
    figure = element("figure", legend if section.keyed else Html(""), both)
    return join(figure, numbers(section.title, columns, rows))


def _commands(section: Commands) -> Html:
    return element(
        "ol",
        *(
            element(
                "li",
                element("p", one.step, class_="step"),
                element("pre", element("code", *_lines(one.command)), tabindex=0),
            )
            for one in section.commands
        ),
        class_="steps",
    )


def _lines(command: str) -> list[str]:
    """A command's own line breaks stay breaks; any other control character is written out."""
    lines: list[str] = []
    for line in command.split("\n"):
        lines += [Html("\n"), line] if lines else [line]
    return lines


def _provenance(section: Provenance) -> Html:
    rows = [
        element(
            "tr", element("th", name, scope="row"), element("td", element("span", value, class_="mono"), class_="text")
        )
        for name, value in section.facts
    ]
    return grid("What made these numbers", [head("Name"), head("Value")], rows)


STATES = {"failed": ("✗", "no"), "warning": ("!", "no"), "not done": ("–", "faint"), "good": ("✓", "yes")}


def _checks(section: Checks) -> Html:
    """A line a check. Its state is a word too, not a mark alone."""
    lines = []
    for check in section.checks:
        sign, tone = STATES[check.state]
        state = element(
            "span", element("span", sign, class_="sign", aria_hidden="true"), f" {check.state}", class_=tone
        )
        name = element("span", element("bdi", check.name), class_="name")
        of = element("bdi", check.of, class_="faint") if check.of else Html("")
        says = element("div", name, " " if check.of else "", of, element("p", check.words))
        lines.append(element("li", state, says, class_=check.state.replace(" ", "-")))
    return element("ul", *lines, class_="checks")


def _bands(section: Bands) -> Html:
    """The chart, and its numbers below it; a small chart is drawn once, for any page."""
    widths = (SMALL,) if section.small else (WIDE, NARROW)
    drawn = join(*(drawn_bands(section, width).inline() for width in widths))
    columns = (
        Column(""),
        Column(section.x_label, 2),
        *(Column(name, section.digits + 1) for name in (section.y_label, "low", "high")),
    )
    rows = [(band.name, point.x, point.mean, point.low, point.high) for band in section.bands for point in band.points]
    legend = (
        _legend((band.name for band in section.bands), line=True)
        if len(section.bands) > 1 and not section.small
        else Html("")
    )
    figure = element("figure", legend, drawn, class_="small" if section.small else None)
    return join(figure, numbers(section.title, columns, rows))


def _prose(section: Prose) -> Html:
    paragraphs = (element("p", words) for words in section.paragraphs)
    return element("div", *paragraphs, class_="prose quoted" if section.quoted else "prose")


def _group(section: Group) -> Html:
    """A part is folded away by a summary that holds its title, so that the outline stays whole."""
    made = []
    for place, part in enumerate(section.parts):
        note = element("p", part.note, class_="note") if part.note else Html("")
        inside = join(note, section_body(part))
        if place < section.open_first:
            made.append(element("div", element("h3", element("bdi", part.title)), inside, class_="part"))
        else:
            title = element("summary", element("h3", element("bdi", part.title)))
            made.append(element("details", title, inside, class_="fold"))
    return element("div", *made, class_="beside-each-other") if section.side_by_side else join(*made)


def _legend(names: Iterable[str], *, line: bool) -> Html:
    entries = (element("li", key(place, line=line), element("bdi", name)) for place, name in enumerate(names))
    return element("ul", *entries, class_="legend")
