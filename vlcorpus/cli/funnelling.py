"""`vlcorpus funnel CORPUS A [B]`: what a decision did, predicate by predicate; how two decisions differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from . import output, shape

if TYPE_CHECKING:
    from ..views.funnelling import Compared, Funnel, Sample


def funnel(
    corpus: Annotated[str, typer.Argument(metavar="CORPUS", help="Folder of the corpus.", show_default=False)],
    decision: Annotated[str, typer.Argument(metavar="DECISION", help="Name of a decision.", show_default=False)],
    other: Annotated[
        str | None, typer.Argument(metavar="OTHER", help="Another one, to compare with it.", show_default=False)
    ] = None,
    samples: Annotated[int, typer.Option("--samples", min=0, help="Pairs shown that only one of two keeps.")] = 10,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of that draw.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Show what each predicate of a decision did, or how two decisions differ."""
    from ..stages import places
    from ..views import funnelling

    opened = places.opened(corpus)
    if other is None:
        told = funnelling.funnel(opened, decision)
        if json:
            output.say_json(shape.plain(told))
        else:
            print_funnel(told)
        return
    compared = funnelling.compare(opened, decision, other, samples=samples, seed=seed)
    if json:
        output.say_json(shape.plain(compared))
    else:
        _print_compared(compared)


def print_funnel(told: Funnel) -> None:
    """The funnel as a table."""
    share = _share(told.kept, told.seen)
    weight = f", weight {told.weight:,.1f}" if told.weight != told.kept else ""
    what = "pairs with images" if told.of == "images" else "candidates"
    output.say(f"{told.decision}: {output.count(told.kept)} of {output.count(told.seen)} {what} kept ({share}){weight}")
    if not told.steps:
        return
    output.say()
    heads = ("predicate", "entering", "rejected", "of entering", "fail it in all", "of all", "alone", "no value")
    rows = [
        (
            shape.shorten(_worded(step.says, step.threshold, step.groups), 60),
            output.count(step.entering),
            output.count(step.rejected),
            _share(step.rejected, step.entering),
            output.count(step.marginal),
            _share(step.marginal, told.seen),
            output.count(step.alone),
            output.count(step.missing),
        )
        for step in told.steps
    ]
    output.table(heads, rows, numbers=range(1, 8))
    output.say()
    output.say("alone: rows that fail this predicate and no other; without it so many more would be kept")


def _worded(says: str, threshold: float | int | None, groups: int) -> str:
    if groups:
        return f"{says} ({groups} cuts)"
    return f"{says} (from {threshold:.6g})" if isinstance(threshold, float) and ">=" not in says else says


def _print_compared(found: Compared) -> None:
    what = "pairs with images" if found.of == "images" else "candidates"
    heads = ("", f"{found.second} keeps", f"{found.second} drops")
    rows = [
        (f"{found.first} keeps", output.count(found.both), output.count(found.only_first)),
        (f"{found.first} drops", output.count(found.only_second), output.count(found.neither)),
    ]
    output.table(heads, rows, numbers=(1, 2))
    jaccard = "none is kept by either" if found.jaccard is None else f"Jaccard {found.jaccard:.4f}"
    output.say(f"{jaccard}, over {what}")
    for name, other, listed in (
        (found.first, found.second, found.sample_first),
        (found.second, found.first, found.sample_second),
    ):
        if listed:
            output.say()
            output.say(f"only {name} keeps, for example (and what {other} holds against it):")
            for each in listed:
                output.say(_line(each))


def _line(each: Sample) -> str:
    room = max(20, shape.width() - 36)
    return (
        f"  {each.uid}  {shape.shorten(each.caption, room // 2)}  [{shape.shorten('; '.join(each.fails), room // 2)}]"
    )


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"
