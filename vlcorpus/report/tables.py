"""Tables of a report: any table, rates with their bars, numbers of every two names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from vlcorpus.report import bars, charts
from vlcorpus.report.axes import number, share
from vlcorpus.report.markup import Html, element, join, shown
from vlcorpus.report.measured import Change, Changes
from vlcorpus.report.model import Cell, Column, Marked, Matrix, Rates


def rates(section: Rates) -> Html:
    """A bar from 0 to 1 for each group, with its interval, and the share of all rows drawn through every bar."""
    heads = [head(section.head), head("Rows", "n"), head("Kept", "n"), head("Share", "n"), head("", "bar rate")]
    rows = []
    for one in section.rates:
        low, high = f"{100 * one.low:.1f}", f"{100 * one.high:.1f}"
        said = element("td", share(one.kept, one.rows), element("small", f"{low} – {high}"), class_="n")
        cells = [
            element("th", element("bdi", one.name), scope="row", class_="faint" if one.faint else None),
            element("td", number(one.rows), class_="n"),
            element("td", number(one.kept), class_="n"),
            said,
            element("td", charts.rate(one, section.share), class_="bar rate"),
        ]
        rows.append(element("tr", *cells))
    return grid(f"{section.head}: rows, those kept, and their share in % with its 95 % interval", heads, rows)


def matrix(section: Matrix) -> Html:
    """Columns are headed by the numbers of the rows, so that it fits a phone."""
    heads = [head("", None)]
    if section.beside is not None:
        heads.append(head(section.beside_name, "cell apart"))
    heads += [head(str(place + 1), "cell") for place in range(len(section.names))]
    rows = []
    for place, (name, values) in enumerate(zip(section.names, section.values, strict=True)):
        cells = [element("th", element("span", f"{place + 1} ", class_="faint"), breakable(name), scope="row")]
        if section.beside is not None:
            own = section.beside[place]
            marks = "cell apart" if own is None else "cell apart " + _shade(2 * own - 1)
            cells.append(element("td", _cell_text(own, section.digits), class_=marks.rstrip()))
        for other, value in enumerate(values):
            marks = "cell" if place == other or value is None else "cell " + _shade(value)
            words = "" if place == other else _cell_text(value, section.digits)
            cells.append(element("td", words, class_=marks.rstrip()))
        rows.append(element("tr", *cells))
    return grid("Numbers of the rows head the columns", heads, rows, class_="matrix")


def _shade(value: float) -> str:
    """Class of a cell: p1 to p4 above 0, m1 to m4 below, none near 0."""
    level = min(4, int(abs(value) * 5))
    return f"{'p' if value > 0 else 'm'}{level}" if level else ""


def _cell_text(value: float | None, digits: int) -> str:
    return "–" if value is None else number(value, digits)


MARKS = {"good": ("▲", "better: "), "bad": ("▼", "worse: "), "unsure": ("○", "")}


def table(
    words: str, columns: Sequence[Column], rows: Iterable[Sequence[Cell]], *, visible: bool = True, held: bool = False
) -> Html:
    """Any table. Columns of numbers stand to the right."""
    listed = list(rows)
    numeric = [
        any(isinstance(row[place], int | float) for row in listed)
        and not any(isinstance(row[place], str | Marked) for row in listed)
        for place in range(len(columns))
    ]
    marks = [
        "n" if n or column.right else "wide" if column.wide else "" for column, n in zip(columns, numeric, strict=True)
    ]
    heads = [head(column.name, mark or None) for column, mark in zip(columns, marks, strict=True)]
    body = []
    for row in listed:
        cells = [_cell(column, value, m) for column, value, m in zip(columns[1:], row[1:], marks[1:], strict=True)]
        aside = row[0].aside if isinstance(row[0], Marked) else ""
        below = element("small", aside) if aside else Html("")
        written = _written(columns[0], row[0])
        name = breakable(written, "_./") if held else written
        first = element("th", name, below, scope="row", class_=marks[0] or None)
        body.append(element("tr", first, *cells))
    return grid(words, heads, body, visible=visible, class_="held" if held else None)


def _cell(column: Column, value: Cell, mark: str) -> Html:
    tone = ""
    if isinstance(value, Marked):
        return _marked(value, mark)
    if column.signed and isinstance(value, int | float) and value:
        tone = " yes" if value > 0 else " no"
    return element("td", _written(column, value), class_=("n" if mark == "n" else f"text {mark}".rstrip()) + tone)


def _marked(cell: Marked, mark: str) -> Html:
    aside = element("small", cell.aside) if cell.aside else Html("")
    class_ = "n" if mark == "n" else f"text {mark}".rstrip()
    if cell.tone is None:
        return element("td", cell.words, aside, class_=class_)
    sign, spoken = MARKS[cell.tone]
    before = join(element("span", sign, class_="sign", aria_hidden="true"), element("span", spoken, class_="hidden"))
    return element("td", before, " ", cell.words, aside, class_=f"{class_} toned {cell.tone}")


def _written(column: Column, value: Cell) -> str:
    if value is None:
        return "–"
    if isinstance(value, Marked):
        return value.words
    return value if isinstance(value, str) else number(value, column.digits, signed=column.signed)


def breakable(name: str, at: str = "_") -> Html:
    """A name in snake_case, or with other marks, that may be broken after each where a page is narrow."""
    parts = re.split(rf"(?<=[{re.escape(at)}])", shown(name))
    return join(*(child for part in parts[:-1] for child in (part, Html("<wbr>"))), parts[-1])


def head(name: str, class_: str | None = None) -> Html:
    """The head of a column; of one without a name an empty cell."""
    return element("th", breakable(name), scope="col", class_=class_) if name else element("td", class_=class_)


def grid(
    words: str, heads: Sequence[Html], rows: Sequence[Html], *, visible: bool = True, class_: str | None = None
) -> Html:
    """A table that scrolls sideways by itself. Its caption is for the ear; for the eye it stands above."""
    whole = element(
        "table",
        element("caption", words, class_="hidden"),
        element("thead", element("tr", *heads)),
        element("tbody", *rows),
        class_=class_,
    )
    above = element("p", words, class_="caption", aria_hidden="true") if visible else Html("")
    return join(above, element("div", whole, class_="scroll", role="region", aria_label=words, tabindex=0))


def changes(section: Changes) -> Html:
    """A line a group, with a bar to each side of 0; all bars share one axis."""
    heads = [head(section.head), head(section.count, "n"), head(section.before, "n"), head(section.after, "n")]
    heads += [head(f"difference, {section.unit}", "n"), head("", "bar rate")]
    reach = bars.span([*section.changes, *section.last])
    rows = [_change(one, reach) for one in section.changes]
    if section.gap:
        rows.append(element("tr", element("td", section.gap, colspan=len(heads), class_="gap")))
    rows += [_change(one, reach) for one in section.last]
    words = f"{section.title}: {section.before} and {section.after}, and their difference in {section.unit}"
    return grid(words, heads, rows, visible=False, class_="held")


def _change(one: Change, reach: bars.Span) -> Html:
    told = bars.interval(one.difference, one.low, one.high)
    difference = Marked(told, bars.tone(one)) if one.marked else Marked(told)
    below = element("small", one.below) if one.below else Html("")
    cells = [
        element("th", element("bdi", one.name), below, scope="row"),
        element("td", "–" if one.count is None else number(one.count), class_="n"),
        element("td", _cell_text(one.before, 1), class_="n"),
        element("td", _cell_text(one.after, 1), class_="n"),
        _marked(difference, "n"),
        element("td", bars.bar(one, reach), class_="bar rate change"),
    ]
    return element("tr", *cells)


def numbers(words: str, columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> Html:
    """A chart's numbers, folded away."""
    return element("details", element("summary", "Numbers"), table(words, columns, rows))
