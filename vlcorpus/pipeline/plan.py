"""A plan: stages in order, with what each waits for and what of it is done, stale or to do.

plan = make_plan(corpus, [Filter(min_sim=0.28)])
plan.added              the stages that had to be put in front, because what they make is not whole yet
plan.outlook()          per stage: units done, stale, to do, as far as the corpus shows before it runs
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

from ..corpus import Corpus
from ..errors import UsageError
from ..stages import registry
from ..stages.base import Stage
from .ranks import Part, shared


@dataclass(frozen=True)
class Step:
    """One stage of a plan. followed: number of the step whose units it follows; upstream: steps to be whole first."""

    stage: Stage
    followed: int | None = None
    upstream: tuple[int, ...] = ()
    added: bool = False


@dataclass(frozen=True)
class Outlook:
    """How much of a step is done. `later` says that more units may come from the steps before it."""

    stage: str
    makes: str
    done: int
    stale: int
    todo: int
    later: bool
    added: bool


@dataclass(frozen=True)
class Plan:
    """part: which of several parts of the corpus this plan is for; None where it is for all of it."""

    corpus: Corpus
    steps: tuple[Step, ...]
    part: Part | None = None

    @property
    def added(self) -> tuple[Stage, ...]:
        return tuple(step.stage for step in self.steps if step.added)

    def outlook(self) -> list[Outlook]:
        found: list[Outlook] = []
        for step in self.steps:
            before = [found[number] for number in (*step.upstream, *_some(step.followed))]
            open_before = [each for each in before if each.todo or each.stale or each.later]
            blocked = any(found[number] in open_before for number in step.upstream)
            counts = {"done": 0, "stale": 0, "todo": 0}
            followed = None if step.followed is None else found[step.followed]
            if not blocked and (followed is None or followed.done or followed.stale):
                for unit in self._own(step.stage):
                    counts[state(step.stage, self.corpus, unit)] += 1
            elif blocked and step.stage.follows is None:
                counts["todo"] = step.stage.foreseen()
            later = bool(open_before) and (blocked or step.followed is not None) and step.stage.follows is not None
            found.append(
                Outlook(
                    stage=step.stage.name,
                    makes=step.stage.made(),
                    done=counts["done"],
                    stale=counts["stale"],
                    todo=counts["todo"],
                    later=later,
                    added=step.added,
                )
            )
        return found

    def _own(self, stage: Stage) -> Iterable[str]:
        units = stage.units(self.corpus)
        return units if self.part is None or not shared(stage) else filter(self.part.has, units)


def _some(number: int | None) -> tuple[int, ...]:
    return () if number is None else (number,)


def state(stage: Stage, corpus: Corpus, unit: str) -> str:
    """`done`, `stale` (made with other settings or inputs) or `todo`."""
    stats = stage.layer(corpus).stats(unit)
    if stats is None:
        return "todo"
    if stage.again(corpus, unit):
        return "stale"
    if stage.settled(corpus, unit):
        return "done"
    return "done" if stats.get("fingerprint") == stage.fingerprint(corpus, unit) else "stale"


def make_plan(corpus: Corpus, stages: Sequence[Stage], *, part: Part | None = None) -> Plan:
    """Order stages by what they need; put in front what is missing and can be made with known settings. Parts of one
    corpus have the same steps: a step is left out only where nothing of it is to do in any part.

    Raises UsageError naming the stage and the layer where something is missing that nothing can make.
    """
    steps: list[Step] = []
    for stage in stages:
        for each in stage.before(_foreseen(corpus, steps)):
            _put_in_front(corpus, steps, each)
        _append(corpus, steps, stage, added=False, pending=())
    return Plan(corpus, tuple(steps), part)


@dataclass(frozen=True)
class _Foreseen(Corpus):
    """The corpus as the steps of a plan will leave it: it names the layers that they bring."""

    coming: tuple[str, ...] = ()

    def layers(self, below: str) -> tuple[str, ...]:
        parts = (name.split("/") for name in self.coming)
        return tuple(sorted({*super().layers(below), *(part[1] for part in parts if part[0] == below and part[1:])}))


def _foreseen(corpus: Corpus, steps: Sequence[Step]) -> Corpus:
    coming = tuple(name for step in steps for name in step.stage.brings())
    return _Foreseen(**{each.name: getattr(corpus, each.name) for each in fields(Corpus)}, coming=coming)


def _put_in_front(corpus: Corpus, steps: list[Step], stage: Stage) -> None:
    """Append a stage that another stands for, but not where the plan has it, or nothing of it is to do."""
    if any(step.stage == stage for step in steps):
        return
    trial = list(steps)
    _append(corpus, trial, stage, added=True, pending=())
    if _open(corpus, trial, len(steps)):
        steps[:] = trial


def _open(corpus: Corpus, steps: Sequence[Step], start: int) -> bool:
    """Whether there is anything to do in the steps from a number on."""
    new = Plan(corpus, tuple(steps)).outlook()[start:]
    return any(each.todo or each.stale or each.later for each in new)


def _append(corpus: Corpus, steps: list[Step], stage: Stage, *, added: bool, pending: tuple[str, ...]) -> None:
    stage = stage.located()
    followed = _maker(corpus, steps, stage, stage.follows, pending) if stage.follows else None
    upstream = []
    if followed is not None and steps[followed].stage.follows is None:
        upstream.append(followed)  # a reduction brings all its shards at once
        followed = None
    for name in (*stage.wanted(), *stage.heeds(corpus)):
        number = _maker(corpus, steps, stage, name, pending)
        if number is not None:
            upstream.append(number)
    reads = [stage.follows] if stage.follows else []
    reads += [*stage.wanted(), *stage.heeds(corpus), *stage.uses(), *stage.brings()]
    # Every step that brings what this one reads or adds to goes before it: no result may depend on who is faster.
    upstream += [number for number, step in enumerate(steps) if number != followed and _concerns(step, reads)]
    stage.check(corpus)
    steps.append(Step(stage, followed, tuple(sorted(set(upstream))), added))


def _concerns(step: Step, names: Sequence[str]) -> bool:
    return any(covers(made, name) for made in step.stage.brings() for name in names)


def _maker(corpus: Corpus, steps: list[Step], stage: Stage, name: str, pending: tuple[str, ...]) -> int | None:
    """Number of the step that makes the layer `name`, put in front if need be; None where the corpus has it whole."""
    for number in reversed(range(len(steps))):
        if any(covers(made, name) for made in steps[number].stage.brings()):
            return number
    if name in pending:
        return None
    own = stage.supplier(name)
    maker = own or registry.maker(corpus, name, stage)
    if maker is None:
        if corpus.layer(name).there():
            return None
        lacking = f"{name}, which {corpus.place} does not have"
        if name.startswith("out:"):
            lacking = f"the folder {name.removeprefix('out:')}, which is not there"
        raise UsageError(f"{stage.name} needs {lacking}", registry.how_to_make(name))
    trial = list(steps)
    _append(corpus, trial, maker, added=own is None, pending=(*pending, name))
    if _open(corpus, trial, len(steps)):
        steps[:] = trial
        return len(steps) - 1
    return None


def covers(made: str, wanted: str) -> bool:
    """Whether a stage that makes `made` brings (a part of) the layer `wanted`: `embeddings` covers `embeddings/x`."""
    return made == wanted or made.startswith(wanted + "/") or wanted.startswith(made + "/")
