"""Dry runs: of a download, what it will take; of a filter, what it would decide."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from ..pipeline.plan import Plan
from . import output, running, shape


def foretell(plan: Plan, *, sample: int | None, workers: int, as_json: bool) -> None:
    """The plan, and what its download will take."""
    from ..stages.download import Download
    from ..views.forecast import NOTHING, Range, forecast

    stage = plan.steps[-1].stage
    assert isinstance(stage, Download)
    if any(each.todo or each.stale for each in plan.outlook()[:-1]):  # what there is to fetch is not known yet
        running.show_plan(plan, as_json=as_json)
        return
    found = forecast(plan.corpus, stage, sample=sample, workers=workers)
    if as_json:
        output.say_json({"plan": [vars(each) for each in plan.outlook()], "forecast": asdict(found)})
        return
    running.show_plan(plan, as_json=False)

    def told(name: str, values: Range | None, words: Callable[[float], str]) -> tuple[str, str, str]:
        if values is None:
            return name, "not known", ""
        interval = f"{words(values.low)} to {words(values.high)}" if values.low < values.high else ""
        return name, words(values.middle), interval

    basis = f"by {found.basis}" + (f" of {output.count(found.of)}" if found.of else "")
    lines = [
        ("rows", output.count(found.rows), ""),
        ("images to fetch", output.count(found.images), ""),
        told("images stored", found.successes, lambda value: output.count(round(value))),
        told("bytes fetched", found.fetched, output.size),
        told("bytes on disk", found.stored, output.size),
        told(f"time with {workers} workers", found.seconds, duration),
    ]
    output.table(("", basis, "95 % interval"), lines, numbers=(1,))
    if found.reasons:
        output.note("not stored: " + ", ".join(f"{name} {output.count(n)}" for name, n in found.reasons.items()))
    if found.basis == NOTHING:
        output.note(
            "nothing was downloaded with these settings yet: add --sample 200 to fetch some and foretell by them"
        )


def foretell_decision(plan: Plan, *, as_json: bool) -> None:
    """The plan, what a sample says of the decision, and then the decision itself, unwritten."""
    from ..stages.filter import Filter
    from ..views import predeciding
    from .funnelling import print_funnel

    corpus, stage = plan.corpus, plan.steps[-1].stage
    assert isinstance(stage, Filter)
    if any(each.todo or each.stale or each.later for each in plan.outlook()[:-1]):  # scores are not there yet
        running.show_plan(plan, as_json=as_json)
        return
    if not as_json:
        running.show_plan(plan, as_json=False)
    guess = predeciding.by_sample(corpus, stage)
    if guess is not None and not as_json:
        low, middle, high = (f"{100 * each:.2f}" for each in (guess.kept.low, guess.kept.middle, guess.kept.high))
        of = f"{guess.shards} of {output.count(guess.of)} shards, {output.count(guess.rows)} rows"
        output.say()
        output.say(f"by a sample ({of}): {middle} % kept, 95 % interval {low} to {high}")
    found = predeciding.exact(corpus, stage)
    if as_json:
        output.say_json(
            {"plan": [vars(each) for each in plan.outlook()], "sample": shape.plain(guess), "exact": shape.plain(found)}
        )
        return
    output.say()
    output.say("exactly, and nothing is written:")
    print_funnel(found.funnel)
    if found.changed is not None:
        output.say(f"{output.count(found.changed)} rows have another verdict in the decision that is there")


def duration(seconds: float) -> str:
    for unit, length in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} s"
