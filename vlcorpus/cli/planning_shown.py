"""How a forecast is printed: what it rests on, and a table for each size.

say_basis("laion5b", "birds", found, asked, 41.0, given=False)
say_size(projection, asked)
amount(1.5e9, "rows")            "1.5 B"
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from . import output
from .foretelling import duration

if TYPE_CHECKING:
    from ..pipeline.forecasting.measure import Found
    from ..pipeline.forecasting.projection import Amount, Asked, Break, Fleet, Projection

MOST_SAMPLE = 20_000


def say_basis(recipe: str, place: str, found: Found, asked: Asked, took: float, *, given: bool) -> None:
    from ..pipeline.forecasting.terms import SHORT_SECONDS

    drawn = found.drawn
    output.say(
        f"{recipe} on {output.clean(place)}: {output.count(drawn.count)} candidates of {drawn.shards} of "
        f"{output.count(drawn.of)} shards, on {processor()}; measured in {took:.0f} s"
    )
    for machine in asked.machines:
        price = "no price given" if machine.price is None else f"{machine.price:g} an hour"
        said = "" if given else " (assumed: --machine says another)"
        output.say(f"machine: {machine.words()}, {price}{said}")
    if drawn.images:
        output.say("images are the corpus's own; what the download takes is what its stats say (--fetch fetches anew)")
    elif found.fetched:
        output.say("the sample's images were fetched")
    if found.left:
        output.say(f"not here, as it hangs on settings and not on candidates: {', '.join(found.left)}")
    encoded = any(each.stage == "embed" and not each.gpu for each in found.measured)
    if encoded and any(machine.gpus for machine in asked.machines):
        output.note(
            "embed was measured on a processor, and the machine's GPUs stand idle: --set embed.device=cuda where there "
            "is one, or --rate embed=ROWS/gpu"
        )
    short = [each for each in found.measured if each.short and each.basis == "measured"]
    if short:
        ask = max(each.ask for each in short)
        more = f"--sample {ask} says more" if ask <= MOST_SAMPLE else f"even --sample {MOST_SAMPLE} may say no more"
        names = ", ".join(each.label for each in short)
        output.note(
            f"less than {SHORT_SECONDS} s more for ten times the rows, so their rates are bounds: {names}; {more}"
        )


def say_size(found: Projection, asked: Asked) -> None:
    from ..pipeline.forecasting.breaks import worst

    output.say()
    output.say(f"{output.count(found.rows)} candidates")
    for number, each in enumerate(worst(found.breaks, found.rows)):
        output.say(_broken(each, found.rows, first=number == 0))
    rows = [_line(each) for each in found.amounts]
    bounds = [each.of.label for each in found.loads if each.of.short and each.of.basis == "measured"]
    rows += [line for each in found.fleets for line in _fleet(each, asked, bounds)]
    output.table(("", "", "95 % interval", "", "rests on"), rows, numbers=(1,))


def _broken(each: Break, rows: int, *, first: bool) -> str:
    if each.at >= rows:
        return f"  holds; next is {each.name}, beyond {amount(each.at, 'rows')} ({each.computed})"
    lead = "breaks first:" if first else "then:        "
    return f"  {lead} {each.name}, beyond {amount(each.at, 'rows')} ({each.computed}); {each.remedy}"


def _line(each: Amount) -> tuple[str, str, str, str, str]:
    interval = ""
    if each.low is not None and each.high is not None and each.low < each.high:
        interval = f"{amount(each.low, each.unit)} to {amount(each.high, each.unit)}"
    value = "not known" if each.value is None else amount(each.value, each.unit)
    return each.name, value, interval, each.basis, each.why


def _fleet(each: Fleet, asked: Asked, bounds: Sequence[str]) -> Iterator[tuple[str, str, str, str, str]]:
    name = f"machines ({each.machine.name})" if each.machine.name else "machines"
    if each.count is None or each.seconds is None:
        yield name, "none will do", "", "assumed", each.why
        if each.machine_hours is None:
            return
    else:
        why = "as given" if asked.count else f"the fewest for {asked.days:g} days; nothing lost by being many"
        yield name, output.count(each.count), "", "given" if asked.count else "assumed", why
        alone = f"stage after stage, of it {duration(each.alone)} that do not become less by more machines"
        yield "time", duration(each.seconds), "", "assumed", alone
    hours = "without idle time, failures and repeats"
    if bounds:
        hours += f"; bounds, not rates, of {', '.join(bounds)}"
    yield "machine hours", f"{each.machine_hours or 0:,.1f}", "", "assumed", hours
    price = "no price given" if each.cost is None else f"{each.cost:,.2f}"
    rests = (
        "--machine price=..."
        if each.cost is None
        else f"{each.machine.price:g} an hour; storage, requests and traffic not in it"
    )
    yield "cost", price, "", "given" if each.cost is not None else "", rests


def amount(value: float, unit: str) -> str:
    """A number for people: rows and counts by three digits, bytes with their unit."""
    if unit == "bytes":
        return f"{value / 1e15:,.2f} PB" if value >= 1e15 else output.size(value)
    if unit == "bit/s":
        return f"{value / 1e9:.3g} Gbit/s" if value >= 1e8 else f"{value / 1e6:.3g} Mbit/s"
    if unit in ("rows", "count"):
        for letter, power in (("T", 12), ("B", 9), ("M", 6)):
            if value >= 10**power:
                return f"{value / 10**power:.3g} {letter}".replace("e+03", "000")
        return f"{value:,.0f}"
    word = f" {unit}" if unit.endswith("hours") else "/s" if unit == "1/s" else ""
    return (f"{value:,.0f}" if value >= 100 else f"{value:.3g}") + word


def processor() -> str:
    """What this machine calls its processor."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine() or "this machine"
