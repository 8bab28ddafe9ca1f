"""`vlcorpus inspect PATH`: what a parquet file, a layer or a corpus holds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from . import output, shape

if TYPE_CHECKING:
    from ..views.columns import Column
    from ..views.tables import Inspected, Listed

LONGEST = 60  # columns of a value in a table
LONGEST_ALONE = 400  # of a value on its own line


def inspect(
    path: Annotated[
        str,
        typer.Argument(metavar="PATH", help="Parquet file, folder of a layer, or corpus.", show_default=False),
    ],
    rows: Annotated[int, typer.Option("--rows", min=0, max=1000, help="First rows to show.")] = 5,
    column: Annotated[
        str | None, typer.Option("--column", metavar="NAME", help="Look at this column only.", show_default=False)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Show what a table holds: columns, ranges, common values, first rows."""
    from ..views import tables

    place = tables.here(path)
    if tables.is_listing(place):
        found = tables.listing(place)
        if json:
            output.say_json(shape.plain(found))
        else:
            _print_listing(found)
        if any(each.unreadable for each in found):
            raise typer.Exit(1)
        return
    seen = replace(tables.inspect(place, rows=rows, column=column), path=path)
    if json:
        output.say_json(shape.plain(seen))
    else:
        _print_table(seen)


def _print_listing(found: list[Listed]) -> None:
    room = max(20, shape.width() - 90)
    listed = [
        (
            each.path,
            each.table or "",
            output.count(each.files),
            output.count(each.rows),
            output.size(each.bytes),
            shape.shorten(each.meaning, room),
        )
        for each in found
    ]
    output.table(("folder", "table", "files", "rows", "bytes", "meaning"), listed, numbers=(2, 3, 4))
    for each in found:
        for name in each.unreadable:
            output.say(f"cannot be read: {output.clean(each.path)}/{output.clean(name)}")


def _print_table(seen: Inspected) -> None:
    what = f"table {seen.table}: {seen.meaning}" if seen.table else "no table of vlcorpus"
    output.say(f"{output.clean(seen.path)}: {what}")
    files = f"{output.count(seen.files)} files, " if seen.files > 1 else ""
    output.say(f"{files}{output.count(seen.rows)} rows, {output.size(seen.bytes)}")
    output.say()
    heads = ("column", "type", "nulls", "distinct", "least", "most", "mean", "meaning")
    room = max(20, shape.width() - 100)
    output.table(heads, [_column_row(each, room) for each in seen.columns], numbers=(2, 3, 4, 5, 6))
    common = [each for each in seen.columns if each.common]
    if common:
        output.say()
        output.say("most common")
        room = max(20, shape.width() - max(len(each.name) for each in common) - 4)
        for each in common:
            values = ", ".join(f"{shape.cell(value, 40)} ({output.count(number)})" for value, number in each.common)
            output.say(f"  {output.clean(each.name)}  {shape.shorten(values, room)}")
    if seen.head:
        output.say()
        output.say(f"first {len(seen.head)} rows" if len(seen.head) > 1 else "first row")
        _print_rows(seen)


def _column_row(each: Column, room: int) -> tuple[str, ...]:
    kind = f"{each.type} [{each.unit}]" if each.unit else each.type
    meaning = each.meaning or ("may be null" if each.nullable else "")
    distinct = output.count(each.distinct) if each.distinct is not None else "many" if each.least is not None else ""
    ends = (each.least, each.most)
    if each.shortest is not None and each.least is None and each.shortest != each.longest:
        ends = (f"length {each.shortest}", f"length {each.longest}")
    least, most = ("" if end is None else shape.cell(end, 24) for end in ends)
    nulls = output.count(each.nulls) + (f" ({output.count(each.nan)} NaN)" if each.nan else "")
    mean = "" if each.mean is None else shape.cell(each.mean)
    return (each.name, kind, nulls, distinct, least, most, mean, shape.shorten(meaning, room))


def _print_rows(seen: Inspected) -> None:
    """As a table where the screen is wide enough, else a line a value."""
    heads = [output.clean(each.name) for each in seen.columns]
    rows = [[shape.cell(row[each.name], LONGEST) for each in seen.columns] for row in seen.head]
    widths = [max(len(head), *(len(row[place]) for row in rows)) for place, head in enumerate(heads)]
    if sum(widths) + 2 * len(widths) <= min(shape.width(), 240):
        output.table(heads, rows)
        return
    label = max(map(len, heads))
    room = max(20, min(shape.width() - label - 4, LONGEST_ALONE))
    for number, row in enumerate(seen.head):
        output.say(("\n" if number else "") + f"row {number}")
        for head, each in zip(heads, seen.columns, strict=True):
            output.say(f"  {head:<{label}}  {shape.cell(row[each.name], room)}".rstrip())
