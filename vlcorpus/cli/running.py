"""Doing stages from the command line: open, lock, plan, show, execute, sum up."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..corpus import FILE, Corpus
from ..pipeline.plan import Plan, make_plan
from ..stages.base import Stage
from . import output

if TYPE_CHECKING:
    from ..pipeline.run import Event

REDRAW_SECONDS = 0.2
PLAIN_SECONDS = 10.0


def do(
    path: Path,
    stages: Sequence[Stage],
    *,
    workers: int | None,
    dry_run: bool,
    as_json: bool,
    shard_rows: int | None = None,
    quiet: bool = False,
) -> Corpus:
    """Plan and run stages over the corpus at `path`, creating it where the first stage may.

    shard_rows: of a corpus to be made, where the first stage does not name them. Nothing is created before the whole
    plan stands.
    """
    from ..pipeline.executor import LocalExecutor
    from ..pipeline.run import run

    own_rows: int | None = getattr(stages[0], "shard_rows", None)
    rows = shard_rows if own_rows is None else own_rows
    creates = stages[0].creates
    corpus = Corpus.foreseen(path, shard_rows=rows) if creates else Corpus.open(path)
    if dry_run:
        show_plan(make_plan(corpus, stages), as_json=as_json)
        return corpus
    if creates and not (path / FILE).exists():
        make_plan(corpus, stages)
        corpus = Corpus.create(path, shard_rows=rows)
    with corpus.lock(command_line()):
        plan = make_plan(corpus, stages)
        for stage in plan.added:
            output.note(f"{stages[-1].name} needs {stage.made()}: {stage.name} runs first")
        progress = Progress(plan, quiet=quiet or as_json)
        try:
            with LocalExecutor(workers or default_workers()) as executor:
                for event in run(plan, executor, log=corpus.log(stages[-1].name)):
                    progress.show(event)
            progress.end()
        finally:
            if as_json:
                output.say_json(progress.summary())
    return corpus


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


class Progress:
    """Counts of a run as they come in: one line redrawn on a terminal, plain lines elsewhere."""

    def __init__(self, plan: Plan, *, quiet: bool) -> None:
        self._quiet = quiet
        self._tty = output.is_tty()
        self._start = self._last = time.monotonic()
        self._under_way: dict[tuple[str, str], tuple[int, int]] = {}
        self._shown = False
        self._order = list(dict.fromkeys(step.stage.made() for step in plan.steps))
        self._stage = {step.stage.made(): step.stage.name for step in plan.steps}
        self._units: dict[str, Counter[str]] = {made: Counter() for made in self._order}
        self._seen: Counter[str] = Counter()
        self._kept: Counter[str] = Counter()
        self._rejected: dict[str, Counter[str]] = {made: Counter() for made in self._order}

    def show(self, event: Event) -> None:
        place = (event.layer, event.unit)
        if event.kind == "progress":
            self._under_way[place] = (event.seen, event.kept)
        elif event.kind == "committed":
            self._under_way.pop(place, None)
            self._units[event.layer]["made"] += 1
            self._seen[event.layer] += event.seen
            self._kept[event.layer] += event.kept
            self._rejected[event.layer] += Counter(event.rejected)
        elif event.kind == "unchanged":
            self._units[event.layer]["unchanged"] += 1
        elif event.kind in {"failed", "lost"}:
            self._under_way.pop(place, None)
            self._units[event.layer][event.kind] += 1
            self._line(f"{event.stage} {event.unit}: {output.clean(event.message)}")
            if event.trace:
                output.note(event.trace.rstrip())
        elif event.kind == "whole":
            self._whole(event)
            return
        self._redraw(event)

    def _whole(self, event: Event) -> None:
        units = self._units[event.layer]
        if not units["made"]:
            what = f"unchanged ({units['unchanged']} done before)" if units["unchanged"] else "nothing to do"
            self._line(f"{event.stage}: {what}")
            return
        seen, kept = self._seen[event.layer], self._kept[event.layer]
        lost = ", ".join(f"{reason} {output.count(n)}" for reason, n in self._rejected[event.layer].most_common(4))
        left = f", {output.count(seen - kept)} not ({lost})" if seen != kept else ""
        self._line(f"{event.stage}: {output.count(kept)} of {output.count(seen)} kept{left}")

    def _redraw(self, event: Event) -> None:
        now = time.monotonic()
        if self._quiet or now - self._last < (REDRAW_SECONDS if self._tty else PLAIN_SECONDS):
            return
        self._last = now
        seen = sum(each[0] for each in self._under_way.values()) + sum(self._seen.values())
        rate = seen / (now - self._start)
        rows = f"{event.stage} {event.unit}  {output.count(seen)} rows  {rate:.0f} rows/s  {now - self._start:.0f} s"
        if self._tty:
            sys.stderr.write(f"\r\x1b[K{rows}")
            sys.stderr.flush()
            self._shown = True
        else:
            output.note(rows)

    def _line(self, text: str) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            self._shown = False
        if not self._quiet:
            output.note(text)

    def end(self) -> None:
        self._line(f"done in {time.monotonic() - self._start:.1f} s")

    def summary(self) -> list[dict[str, object]]:
        return [
            {
                "stage": self._stage[made],
                "makes": made,
                "units": dict(self._units[made]),
                "seen": self._seen[made],
                "kept": self._kept[made],
                "rejected": dict(self._rejected[made]),
            }
            for made in self._order
        ]
