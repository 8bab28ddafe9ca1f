"""Doing stages from the command line: open, lock, plan, show, execute, sum up."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..corpus import FILE, Corpus
from ..pipeline.plan import Plan, make_plan
from ..stages.base import ALL, Stage
from . import output
from .progress import Progress


def do(
    path: Path,
    stages: Sequence[Stage],
    *,
    workers: int | None,
    dry_run: bool,
    as_json: bool,
    shard_rows: int | None = None,
    advise: bool = True,
    sample: int | None = None,
) -> Corpus:
    """Plan and run stages over the corpus at `path`, creating it where the first stage may.

    shard_rows: of a corpus to be made, where the first stage does not name them. Nothing is created before the whole
    plan stands. advise: end with the command that the corpus wants next. sample: images that a dry run fetches.
    """
    from ..pipeline.executor import LocalExecutor
    from ..pipeline.run import run
    from ..pipeline.together import Together, follow, follows, leads
    from ..stages.compare import Compare
    from .comparing import show as show_comparison

    if follows(stages):  # torchrun's first process plans, tells and commits
        corpus = Corpus.open(path)
        if not dry_run:
            follow(corpus)
        return corpus
    comparison = stages[0] if len(stages) == 1 and isinstance(stages[0], Compare) else None
    own_rows: int | None = getattr(stages[0], "shard_rows", None)
    rows = shard_rows if own_rows is None else own_rows
    creates = stages[0].creates
    corpus = Corpus.foreseen(path, shard_rows=rows) if creates else Corpus.open(path)
    if dry_run:
        plan = make_plan(corpus, stages)
        if stages[-1].name == "download" and not creates:
            from .foretelling import foretell

            foretell(plan, sample=sample, workers=workers or default_workers(), as_json=as_json)
        elif stages[-1].name == "filter":
            from .foretelling import foretell_decision

            foretell_decision(plan, as_json=as_json)
        else:
            show_plan(plan, as_json=as_json)
        return corpus
    if creates and not (path / FILE).exists():
        make_plan(corpus, stages)
        corpus = Corpus.create(path, shard_rows=rows)
    with corpus.lock(command_line(), part=getattr(stages[0], "shard_range", None)):
        plan = make_plan(corpus, stages)
        for stage in plan.added:
            output.note(f"{stages[-1].name} needs {stage.made()}: {stage.name} runs first")
        for step in plan.steps:
            for words in step.stage.notes():
                output.note(words)
        progress = Progress(plan, quiet=as_json)
        try:
            with Together() if leads(stages) else LocalExecutor(workers or default_workers()) as executor:
                for event in run(plan, executor, log=corpus.log(stages[-1].name)):
                    progress.show(event)
            progress.end()
        finally:
            if as_json and comparison is None:
                output.say_json(progress.summary())
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


def default_workers() -> int:
    """As many as this process may use cores."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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
