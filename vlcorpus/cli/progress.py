"""Progress of a run: one line redrawn on a terminal, plain lines elsewhere, a sum for each stage as it becomes whole.

download  3/7 units  2,345 rows  480 rows/s  95.7 % kept (http_error 61, optout 30)  about 9 s left
download: 6,600 of 6,900 kept, 300 not (http_error 120, optout 60, …)
embed: 6,600 of 6,600 kept; 812 images/s, loader-bound (device waited 4.1 s, loader waited 0.0 s)

Where several machines did the work, a table at the end says what each of them did.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

from ..pipeline.plan import Plan
from ..pipeline.run import Event
from ..stages.base import Stage
from . import output
from .shape import shorten, width

REDRAW_SECONDS = 0.2
PLAIN_SECONDS = 10.0
TOP_REASONS = 4
TOP_HOSTS = 2


@dataclass
class _Node:
    """What one machine did of a step, or of all."""

    units: int = 0
    rows: int = 0
    lost: int = 0
    first: float = field(default_factory=time.monotonic)
    last: float = field(default_factory=time.monotonic)

    def add(self, event: Event, since: float) -> None:
        self.first, self.last = min(self.first, since), time.monotonic()
        if event.kind == "committed":
            self.units, self.rows = self.units + 1, self.rows + event.seen
        self.lost += event.kind == "lost"

    def rate(self) -> float:
        """Rows a second, since the step began."""
        return self.rows / max(self.last - self.first, 1e-3)


@dataclass
class _Step:
    """What is known of one step. known: its units, of this part. Rows under way are counted until their unit is
    committed."""

    stage: Stage
    known: int = 0
    made: int = 0
    unchanged: int = 0
    failed: int = 0
    seen: int = 0
    kept: int = 0
    began: float | None = None
    rejected: Counter[str] = field(default_factory=Counter)
    under_way: dict[str, tuple[int, int]] = field(default_factory=dict)
    about: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)  # of units under way
    waits: Counter[str] = field(default_factory=Counter)  # of units that are done: images, and who waited, in ms
    nodes: dict[str, _Node] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The stage, and which of several: `train-probe filtered`."""
        _, slash, tail = self.stage.made().rpartition("/")
        return f"{self.stage.name} {tail}" if slash else self.stage.name

    def rows(self) -> tuple[int, int]:
        seen, kept = (sum(each[place] for each in self.under_way.values()) for place in (0, 1))
        return self.seen + seen, self.kept + kept

    def reasons(self) -> str:
        found = sum((Counter(each.get("reasons", {})) for each in self.about.values()), self.rejected)
        return ", ".join(f"{reason} {output.count(n)}" for reason, n in found.most_common(TOP_REASONS))

    def hosts(self) -> str:
        found = sum((Counter(each.get("hosts", {})) for each in self.about.values()), Counter[str]())
        return ", ".join(f"{host} {output.count(n)}" for host, n in found.most_common(TOP_HOSTS))

    def encoding(self, took: float) -> str:
        """Images a second, and which of loader and device the other one waits for."""
        waits = sum((Counter(each.get("waits", {})) for each in self.about.values()), self.waits)
        if not waits["images"]:
            return ""
        bound = "loader" if waits["device"] > waits["loader"] else "device"
        return f"{waits['images'] / max(took, 1e-9):,.0f} images/s, {bound}-bound"

    def ended(self, unit: str) -> None:
        self.under_way.pop(unit, None)
        self.about.pop(unit, None)


class Progress:
    """Counts of a run as they come in."""

    def __init__(self, plan: Plan, *, quiet: bool) -> None:
        self._quiet = quiet
        self._tty = output.is_tty()
        self._start = self._last = time.monotonic()
        self._drawn = False
        self._failures = 0
        self._nodes: dict[str, _Node] = {}
        self.halted = 0  # units that were asked to end
        self.waits = False  # for other parts of the corpus
        self._steps = {step.stage.made(): _Step(step.stage) for step in plan.steps}

    def show(self, event: Event) -> None:
        step = self._steps[event.layer]
        if event.node:
            for nodes, since in ((step.nodes, step.began), (self._nodes, self._start)):
                nodes.setdefault(event.node, _Node()).add(event, since or self._start)
        self.waits = event.kind == "waiting"
        if event.kind == "planned":
            step.known += event.todo
        elif event.kind == "started":
            step.began = step.began or time.monotonic()
        elif event.kind == "progress":
            step.under_way[event.unit] = (event.seen, event.kept)
            step.about[event.unit] = event.about
        elif event.kind == "committed":
            step.ended(event.unit)
            step.made += 1
            step.seen, step.kept = step.seen + event.seen, step.kept + event.kept
            step.rejected += Counter(event.rejected)
            step.waits += Counter(event.about.get("waits", {}))
        elif event.kind == "unchanged":
            step.unchanged += 1
        elif event.kind == "lost":
            step.ended(event.unit)
            self._line(f"{step.label} {event.unit}: {event.message}")
        elif event.kind == "failed":
            step.ended(event.unit)
            step.failed += 1
            self._failed(step, event)
        elif event.kind == "halted":
            step.ended(event.unit)
            self.halted += 1
        elif event.kind in ("whole", "waiting"):
            self._line(event.message) if event.message else self._whole(step)
            return
        self._redraw(step)

    def _failed(self, step: _Step, event: Event) -> None:
        """The first failure is told once, by the error that ends the run; a bug's trace at once."""
        self._failures += 1
        if self._failures > 1:
            self._line(f"{step.label} {event.unit}: {event.message}")
        if event.trace:
            self._line(event.trace.rstrip())

    def _whole(self, step: _Step) -> None:
        if not step.made:
            told = f"unchanged ({output.count(step.unchanged)} done before)" if step.unchanged else "nothing to do"
            self._line(f"{step.label}: {told}")
            return
        left = f", {output.count(step.seen - step.kept)} not ({step.reasons()})" if step.seen != step.kept else ""
        encoding = step.encoding(time.monotonic() - (step.began or self._start))
        waited = ", ".join(f"{name} waited {step.waits[name] / 1000:.1f} s" for name in ("device", "loader"))
        told = f"; {encoding} ({waited})" if encoding else ""
        self._line(f"{step.label}: {output.count(step.kept)} of {output.count(step.seen)} kept{left}{told}")

    def _redraw(self, step: _Step) -> None:
        now = time.monotonic()
        if self._quiet or now - self._last < (REDRAW_SECONDS if self._tty else PLAIN_SECONDS):
            return
        self._last = now
        if not self._tty:
            output.note(self._words(step, now))
            return
        self._drawn = True
        output.redraw(shorten(self._words(step, now), width() - 1))

    def _words(self, step: _Step, now: float) -> str:
        seen, kept = step.rows()
        took = now - (step.began or self._start)
        parts = [
            step.label,
            f"{step.made}/{max(step.known - step.unchanged, step.made)} units",
            f"{output.count(seen)} rows",
        ]
        parts.append(f"{seen / max(took, 1e-9):,.0f} rows/s")
        if seen:
            reasons = step.reasons()
            parts.append(f"{100 * kept / seen:.1f} % kept" + (f" ({reasons})" if reasons else ""))
            hosts = step.hosts()
            parts += [f"failing: {hosts}"] if hosts else []
            encoding = step.encoding(took)
            parts += [encoding] if encoding else []
        if self._failures:
            parts.append(f"{self._failures} failed")
        if step.made:
            parts.append(f"about {took / step.made * max(0, step.known - step.unchanged - step.made):.0f} s left")
        return "  ".join(parts)

    def _line(self, text: str) -> None:
        if self._drawn:
            output.redraw("")
            self._drawn = False
        if not self._quiet:
            output.note(text)

    def end(self, *, early: bool = False) -> None:
        """early: the run was asked to end, and is not done."""
        if len(self._nodes) > 1:
            self._machines()
        if not early:
            self._line(f"done in {time.monotonic() - self._start:.1f} s")

    def _machines(self) -> None:
        rows = [
            (name, *map(output.count, (each.units, each.rows, round(each.rate()), each.lost)))
            for name, each in sorted(self._nodes.items())
        ]
        lines = [("node", "units", "rows", "rows/s", "lost"), *rows]
        widths = [max(len(line[place]) for line in lines) for place in range(5)]
        for line in lines:
            numbers = (cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))
            self._line("  ".join([line[0].ljust(widths[0]), *numbers]))

    def summary(self) -> list[dict[str, object]]:
        """What was done, for --json; `nodes` where there were several machines."""
        several = len(self._nodes) > 1
        return [
            {
                "stage": step.stage.name,
                "makes": made,
                "units": {name: getattr(step, name) for name in ("made", "unchanged", "failed") if getattr(step, name)},
                "seen": step.seen,
                "kept": step.kept,
                "rejected": dict(step.rejected),
                **({"nodes": [_told(*each) for each in sorted(step.nodes.items())]} if several else {}),
            }
            for made, step in self._steps.items()
        ]


def _told(name: str, node: _Node) -> dict[str, object]:
    rate = round(node.rate(), 1)
    return {"node": name, "units": node.units, "rows": node.rows, "rows_per_second": rate, "lost": node.lost}
