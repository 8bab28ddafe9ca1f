"""The commands that read a corpus and change nothing: status, show, verify, inspect, schema, recipes, search, audit …

register(app)      adds them to the command line; heavy libraries load inside the commands
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UsageError
from . import output, shape

if TYPE_CHECKING:
    from ..views.status import LayerStatus, Status
    from ..views.verify import Verified

PANEL = "Look"
MOST_NOTES = 20
TELL_SECONDS = 1.0

CorpusPath = Annotated[str, typer.Argument(metavar="CORPUS", help="Folder of the corpus.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def register(app: typer.Typer) -> None:
    """Add the reading commands to the app."""
    from . import auditing, funnelling, inspecting, searching, serving, showing

    for name, command in (
        ("status", status),
        ("show", showing.show),
        ("funnel", funnelling.funnel),
        ("search", searching.search),
        ("serve", serving.serve),
        ("audit", auditing.audit),
        ("inspect", inspecting.inspect),
        ("verify", verify),
        ("schema", schema),
        ("recipes", recipes),
    ):
        app.command(name, rich_help_panel=PANEL)(command)


def status(corpus: CorpusPath, json: Json = False) -> None:
    """Show every layer, whether the rows add up, and the next command."""
    from ..stages import places
    from ..views.status import status as look

    seen = look(places.opened(corpus))
    if json:
        output.say_json(shape.plain(seen))
    else:
        _print_status(seen)
    if seen.imbalances or any(each.damaged for each in seen.layers):
        raise typer.Exit(1)


def _print_status(seen: Status) -> None:
    output.say(
        f"corpus {output.clean(seen.name)}  {output.clean(seen.path)}  {output.count(seen.shard_rows)} rows a shard"
    )
    if seen.layers:
        output.say()
        room = max(20, shape.width() - 96)
        rows = [_layer_row(each, room) for each in seen.layers]
        heads = ("layer", "units", "to do", "stale", "seen", "kept", "bytes", "not kept")
        output.table(heads, rows, numbers=(1, 2, 3, 4, 5, 6))
    output.say()
    for each in seen.layers:
        for unit in each.damaged:
            output.say(f"damaged: the stats file of {output.clean(each.name)}/{output.clean(unit)}")
    for wrong in seen.imbalances:
        output.say(
            f"does not add up: {output.clean(wrong.layer)}/{output.clean(wrong.unit)}: {output.clean(wrong.what)}"
        )
    if seen.layers and not seen.imbalances:
        output.say("rows: every row in is a row out, kept or with a reason")
    if seen.last_run is not None:
        last = seen.last_run
        said = f"last run: {output.clean(last.stage)}, {shape.when(last.ended)} ({output.clean(last.event)})"
        output.say(said + (f": {output.clean(last.message)}" if last.message else ""))
    if seen.holder is not None:
        holder = seen.holder
        output.say(f"in use by pid {holder.pid} on {output.clean(holder.host)}: {output.clean(holder.command)}")
    output.say(f"next: {output.clean(seen.next)}")


def _layer_row(each: LayerStatus, room: int) -> tuple[str, ...]:
    lost = ", ".join(f"{reason} {output.count(number)}" for reason, number in each.rejected.items())
    stale = f"{each.stale}" + (f" ({each.unknown} unknown)" if each.unknown else "")
    return (
        each.name,
        str(each.units),
        str(each.todo),
        stale,
        output.count(each.seen),
        output.count(each.kept),
        output.size(each.bytes),
        shape.shorten(lost, room),
    )


def verify(
    corpus: CorpusPath,
    export: Annotated[
        str | None, typer.Option("--export", metavar="OUT", help="Check this export, too.", show_default=False)
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Sizes and counts only; reads no file's content.")] = False,
    json: Json = False,
) -> None:
    """Check that every file is whole and that all layers agree."""
    from ..stages import places
    from ..views.verify import verify as check

    last = time.monotonic()

    def tell(path: str, findings: int) -> None:
        nonlocal last
        if not json and output.is_tty() and time.monotonic() - last > TELL_SECONDS:
            last = time.monotonic()
            output.note(f"checking {output.clean(path)}; {findings} findings")

    found = check(places.opened(corpus), export=export, quick=quick, tell=tell)
    if json:
        output.say_json(shape.plain(found))
    else:
        _print_verified(found)
    if found.findings:
        raise typer.Exit(1)


def _print_verified(found: Verified) -> None:
    for each in found.findings:
        output.say(f"{output.clean(each.path)}: {output.clean(each.what)}")
        output.say(f"    to do: {output.clean(each.fix)}")
    for note in found.notes[:MOST_NOTES]:
        output.note(f"note: {output.clean(note.path)}: {output.clean(note.what)}")
    if len(found.notes) > MOST_NOTES:
        output.note(f"note: {len(found.notes) - MOST_NOTES} more; --json lists them")
    counts = [
        output.size(number) if name == "bytes" else f"{output.count(number)} {name}"
        for name, number in found.checked.items()
    ]
    how = "sizes and counts of " if found.quick else ""
    what = f"{len(found.findings)} findings" if found.findings else "all well"
    output.say(f"{what}: checked {how}{', '.join(counts) or 'an empty corpus'}")


def schema(
    table: Annotated[
        str | None, typer.Argument(help="A table, or `reasons` for the closed lists of reasons.", show_default=False)
    ] = None,
    stage: Annotated[
        str | None, typer.Option("--stage", help="Show the keys of this stage in a recipe.", show_default=False)
    ] = None,
    json: Json = False,
) -> None:
    """Show the tables of a corpus, a table's columns, the reasons, or a stage's recipe keys."""
    from .. import schema as tables

    if stage is not None:
        if table is not None:
            raise UsageError(f"a table ({table}) and a stage ({stage}) at once", "ask for one of them")
        _print_stage(stage, as_json=json)
    elif table == "reasons":
        if json:
            output.say_json(tables.reasons())
            return
        for number, (kind, meanings) in enumerate(tables.reasons().items()):
            output.say(("\n" if number else "") + kind)
            output.table(("  reason", "meaning"), [(f"  {reason}", text) for reason, text in meanings.items()])
    elif table is not None:
        one = tables.table(table)
        if json:
            output.say_json(shape.plain(one))
            return
        output.say(f"{one.name}  {one.path}  version {one.version}")
        output.say(one.meaning)
        output.say()
        rows = [
            (each.name, each.type, each.unit or "", _marks(each.nullable, each.volatile), each.meaning)
            for each in one.columns
        ]
        output.table(("column", "type", "unit", "", "meaning"), rows)
    elif json:
        output.say_json([{"table": each.name, "path": each.path, "version": each.version, "meaning": each.meaning}
                         for each in tables.tables().values()])  # fmt: skip
    else:
        listed = [(each.name, each.path, each.meaning) for each in tables.tables().values()]
        output.table(("table", "path", "meaning"), listed)


def _marks(nullable: bool, volatile: bool) -> str:
    return ", ".join(mark for mark, on in (("may be null", nullable), ("varies", volatile)) if on)


def _print_stage(stage: str, *, as_json: bool) -> None:
    from ..views.catalogue import keys

    found = keys(stage)
    if as_json:
        output.say_json(found)
        return
    output.say(f"{stage}: {found['description']}")
    output.say()
    rows = []
    for name, about in found["properties"].items():
        kind = about["type"] if isinstance(about["type"], str) else " or ".join(about["type"])
        kind = f"{about['items']['type']}s" if kind == "array" else kind
        default = "required" if name in found["required"] else shape.cell(about["default"])
        rows.append((name, kind, default, about["description"]))
    output.table(("key", "type", "default", "meaning"), rows)


def recipes(
    show: Annotated[
        str | None, typer.Option("--show", metavar="NAME", help="Print the YAML of this recipe.", show_default=False)
    ] = None,
    json: Json = False,
) -> None:
    """List the recipes that ship, or print one."""
    from ..views import catalogue

    if show is not None:
        text = catalogue.recipe_text(show)
        if json:
            output.say_json({"name": show, "yaml": text})
        else:
            output.say(text.rstrip("\n"))
        return
    found = catalogue.recipes()
    if json:
        output.say_json([{"name": each.name, "about": each.about, "stages": list(each.stages)} for each in found])
        return
    rows = [(each.name, each.about) for each in found]
    output.table(("recipe", "about"), rows)
