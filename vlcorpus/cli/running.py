"""Doing stages from the command line: open, lock, plan, show, execute, sum up.

A run that gets SIGTERM begins nothing more and keeps what is under way as far as it came: it ends within ten seconds.
"""

from __future__ import annotations

import contextlib
import shlex
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..corpus import FILE, Corpus
from ..errors import CorpusError
from ..pipeline.executor import Executor
from ..pipeline.plan import Plan, make_plan
from ..pipeline.run import Stop, run
from ..stages.base import ALL, Stage
from . import output
from .machines import MEMORY, Machines
from .progress import Progress

LAST_SECONDS = 9.0  # from SIGTERM to the end, whatever an executor does
ENDED = "ended; the same command resumes"
_TRIES = 20


def do(
    place: Path | str,
    stages: Sequence[Stage],
    *,
    machines: Machines | None = None,
    dry_run: bool,
    as_json: bool,
    shard_rows: int | None = None,
    advise: bool = True,
    sample: int | None = None,
) -> Corpus:
    """Plan and run stages over the corpus at `place` (a folder, or an address in a store), creating it where the first
    stage may.

    shard_rows: of a corpus to be made, where the first stage does not name them. Nothing is created before the whole
    plan stands. advise: end with the command that the corpus wants next. sample: images that a dry run fetches.
    """
    from ..pipeline.together import follow, follows, leads
    from ..stages.compare import Compare
    from .comparing import show as show_comparison

    machines = machines or Machines()
    machines.check(str(place))
    part = machines.part(stages)
    if follows(stages):  # torchrun's first process plans, tells and commits
        corpus = Corpus.open(place)
        if not dry_run:
            follow(corpus)
        return corpus
    comparison = stages[0] if len(stages) == 1 and isinstance(stages[0], Compare) else None
    own_rows: int | None = getattr(stages[0], "shard_rows", None)
    rows = shard_rows if own_rows is None else own_rows
    digits: int | None = getattr(stages[0], "shard_digits", None)
    creates = stages[0].creates
    if dry_run:
        corpus = Corpus.foreseen(place, shard_rows=rows, digits=digits) if creates else Corpus.open(place)
        plan = make_plan(corpus, stages, part=part)
        if stages[-1].name == "download" and not creates:
            from .foretelling import foretell

            foretell(plan, sample=sample, workers=machines.processes, as_json=as_json)
        elif stages[-1].name == "filter":
            from .foretelling import foretell_decision

            foretell_decision(plan, as_json=as_json)
        else:
            show_plan(plan, as_json=as_json)
        return corpus
    corpus = _created(place, stages, rows, digits, alone=part is None) if creates else Corpus.open(place)
    log_name = stages[-1].name
    if part is not None:
        output.note(f"part {part}" + (f" ({part.told})" if part.told else ""))
        log_name += f"-{part.own}-of-{part.parts}"
    if corpus.place.startswith(MEMORY):
        output.note(f"{corpus.place} is in this command's memory, and gone when it ends")
    with corpus.lock(command_line(), part=None if part is None else str(part)):
        plan = make_plan(corpus, stages, part=part)
        for stage in plan.added:
            output.note(f"{stages[-1].name} needs {stage.made()}: {stage.name} runs first")
        for step in plan.steps:
            for words in step.stage.notes():
                output.note(words)
        progress = Progress(plan, quiet=as_json)
        log = corpus.log(log_name)
        try:
            with _executor(machines, corpus, together=leads(stages)) as executor, _ending(executor) as stop:
                for event in run(plan, executor, log=log, stop=stop, wait=machines.wait):
                    progress.show(event)
            progress.end(early=stop.asked or bool(progress.halted))
        finally:
            if as_json and comparison is None:
                output.say_json(progress.summary())
            corpus.keep_log(log)
    if stop.asked or progress.halted:
        output.note(ENDED)
        sys.exit(128 + signal.SIGTERM)
    if progress.waits:
        output.note("this part has come as far as it can without the others; the same command goes on, and so does")
        output.note("each of theirs; with --wait it goes on by itself")
        return corpus
    if comparison is not None:
        show_comparison(corpus, comparison, as_json=as_json)
    if not as_json:
        for words in moved(corpus, plan):
            output.note(words)
        for step in plan.steps:
            for words in step.stage.told(corpus):
                output.note(words)
    if advise and not as_json:
        from ..views.status import status

        output.note(f"next: {status(corpus).next}")
    return corpus


def _created(
    place: Path | str, stages: Sequence[Stage], rows: int | None, digits: int | None, *, alone: bool
) -> Corpus:
    """The corpus, made where it is not there once the plan stands. Several parts may make it at the same time."""
    for _ in range(1 if alone else _TRIES):
        try:
            corpus = Corpus.foreseen(place, shard_rows=rows, digits=digits)
            if not corpus.layer("").is_file(FILE):
                make_plan(corpus, stages)
            return Corpus.create(place, shard_rows=rows, digits=digits)
        except (CorpusError, FileNotFoundError) as error:
            raced = error
            if alone:
                raise
    raise raced


@contextlib.contextmanager
def _executor(machines: Machines, corpus: Corpus, *, together: bool) -> Iterator[Executor]:
    from ..pipeline.together import Together

    if together:
        with Together() as group:
            yield group
        return
    with contextlib.closing(machines.open(corpus)) as executor:
        yield executor


@contextlib.contextmanager
def _ending(executor: Executor) -> Iterator[Stop]:
    """What SIGTERM asks to end while a run is under way; at once when it comes twice, or when the time is over."""
    stop = Stop()

    def end(number: int, frame: object) -> None:
        if stop.asked:
            sys.exit(128 + signal.SIGTERM)
        stop.ask()
        signal.setitimer(signal.ITIMER_REAL, LAST_SECONDS)
        executor.stop()

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGALRM)}
    try:
        yield stop
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
        stop.close()


def moved(corpus: Corpus, plan: Plan) -> Iterator[str]:
    """Decisions whose cuts moved since the last time, because the corpus grew: from where to where, and how many rows
    have another verdict now."""
    for step in plan.steps:
        stats = step.stage.layer(corpus).stats(ALL) if step.stage.name == "filter" else None
        if stats is None or not stats.get("predicates_before"):
            continue
        cuts = [
            f"{now.get('column') or now.get('by') or 'draw'} {_cut(before)} -> {_cut(now)}"
            for before, now in zip(stats["predicates_before"], stats["predicates"], strict=False)
            if before["cut"] != now["cut"]
        ]
        if cuts or stats["changed"]:
            yield f"{step.stage.made()}: {', '.join(cuts)}; {output.count(stats['changed'])} rows changed their verdict"


def _cut(predicate: dict[str, Any]) -> str:
    cut = predicate["cut"] or predicate
    if "groups" in cut:
        return f"{len(cut['groups'])} cuts"
    threshold = cut.get("threshold")
    return f"{threshold:.4f}" if isinstance(threshold, float) else str(threshold)


def command_line() -> str:
    """What was typed, for the lock's holder and the log."""
    return shlex.join(["vlcorpus", *sys.argv[1:]])


def show_plan(plan: Plan, *, as_json: bool) -> None:
    outlook = plan.outlook()
    if as_json:
        output.say_json([vars(each) for each in outlook])
        return
    rows = [
        (
            each.stage,
            each.makes,
            each.done,
            each.stale,
            f"{each.todo}+" if each.later else each.todo,
            "put in front" if each.added else "",
        )
        for each in outlook
    ]
    output.table(("stage", "makes", "done", "stale", "to do", ""), rows, numbers=(2, 3, 4))
