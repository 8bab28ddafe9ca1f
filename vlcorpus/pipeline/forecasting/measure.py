"""Measuring what a recipe takes of a corpus, on a sample and away from the corpus.

    found = measure(corpus, recipe.stages, folder=Path("/tmp/scratch"), sample=500)
    found.measured         a Measured for each stage, in order
    found.left             names of stages whose cost does not hang on the number of candidates

Two scratch corpora are made in `folder`, of a tenth of the sample and of all of it. Each stage is done on both, in the
order of the plan, each time by a worker of its own; the slope between the two is the rate, what remains is start-up.
The corpus is only read. Where it has images they are taken from it, and what a download costs is read in the stats of
its shards; `fetch` has the sample fetched instead. Crawls and imports are not done again: their stats say what they
took.

Cost: the sample twice, and a second for each stage and size. Not for stages that train: those hang on their settings.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...corpus import Corpus, Layer
from ...errors import UsageError, VlcorpusError
from ...stages import models, registry
from ...stages.base import Stage
from ..plan import Plan, Step, covers, make_plan
from ..run import run
from .meter import Cost, Meter
from .recorded import brought, downloaded
from .sample import Drawn, carry, draw, scratch
from .terms import Fit, Growth, Measured, fitted

MEASURED = ("download", "embed", "score", "filter", "dedup", "takedown", "split", "export", "index")
SOURCES = ("crawl", "import", "import-embeddings")
GROWTH: dict[str, Growth] = {"dedup": "n log n"}
SMALL = 0.1
LEAST_BYTES = 1.0

# What the stages' own pages say of reductions, which no small sample shows: seconds for a row.
STATED = {
    "filter": (1e-6, "1 us a row assumed, of which vlcorpus/scores/selection.py states 15 ns a pass"),
    "index": (48e-6, "vlcorpus/stages/index.py: 40 us a row for lists of codes, and 2 s a million rows to measure it"),
    "takedown": (1e-6, "vlcorpus/stages/takedown.py: 1 s a million candidates"),
}
# Reductions whose parts all workers share, and what their pages say of the memory of one. A sample is but one part.
SHARED = {
    "filter": ("vlcorpus/stages/judging.py", 128e6),
    "dedup": ("vlcorpus/stages/grouping.py", 500e6),
    "split": ("vlcorpus/stages/following.py", 300e6),
    "export": ("vlcorpus/stages/export_samples.py", 0.0),
}
MEMBER_BYTES = 150
"""What joining takes in one place for each member of a group of duplicates (grouping.py)."""
CHOSEN_BYTES = 28
"""What an export holds for each pair that it writes (export_samples.py)."""
Say = Callable[[str], None]


@dataclass(frozen=True)
class Found:
    """drawn: the sample. left: stages that were not measured, as their cost hangs on their settings. dimension: of the
    embeddings, 0 if there are none. index: memory in bytes and latency in ms that the recipe's index may take."""

    measured: tuple[Measured, ...]
    drawn: Drawn
    left: tuple[str, ...]
    fetched: bool
    dimension: int = 0
    index: tuple[int, float] | None = None


@dataclass(frozen=True)
class _Done:
    """A stage's turn on one scratch corpus."""

    stage: Stage
    layer: Layer
    costs: tuple[Cost, ...]
    seen: int
    kept: int
    size: int
    files: int
    files_once: int
    fetched: int
    dimension: int
    members: int


def measure(
    corpus: Corpus,
    stages: Sequence[Stage],
    *,
    folder: Path,
    sample: int,
    seed: int = 0,
    fetch: bool = False,
    say: Say = lambda words: None,
) -> Found:
    """Do a recipe's stages on a sample. VlcorpusError where one cannot be done."""
    has_images = bool(corpus.layer("shards").units())
    images = has_images and not fetch
    wanted, carried = _completed(corpus, [_freed(corpus, each) for each in stages if each.name in MEASURED], fetch)
    asked = [each for each in wanted if each.name != "download"] if images else wanted
    if not images and not fetch and _fetches(wanted):
        raise UsageError(
            f"{corpus.place} has no images yet, and measuring the download fetches {sample} of them",
            "add --fetch to do so",
        )
    drawn = draw(corpus, sample, seed=seed, images=images)
    parts = (drawn.part(SMALL), drawn)
    turns: list[list[_Done]] = []
    for name, part in zip(("tenth", "whole"), parts, strict=True):
        made = scratch(part, folder / name)
        for layer in carried:
            carry(part, layer, made)
        turns.append(list(_turns(_planned(made, [_moved(each, folder / name) for each in asked]), name, say)))
    found = [*brought(corpus, drawn.count)]
    if images:
        found += downloaded(corpus, drawn)
    found += [
        _measured(small, whole, parts[0].count, drawn.count) for small, whole in zip(turns[0], turns[1], strict=True)
    ]
    index = next((each for each in asked if each.name == "index"), None)
    return Found(
        measured=tuple(found),
        drawn=drawn,
        left=tuple(dict.fromkeys(each.name for each in stages if each.name not in (*MEASURED, *SOURCES))),
        fetched=fetch and _fetches(wanted),
        dimension=max((each.dimension for each in turns[1]), default=0),
        index=(index.memory_bytes, index.latency) if index is not None else None,  # type: ignore[attr-defined]
    )


def _freed(corpus: Corpus, stage: Stage) -> Stage:
    """The stage with models that are named within the corpus named by where they lie."""
    model: str | None = getattr(stage, "model", None)
    if not models.probes(model):
        return stage
    return _with(stage, model=models.reference(corpus, model))


def _moved(stage: Stage, folder: Path) -> Stage:
    """The stage writing into the scratch folder where it would write outside the corpus."""
    out: str | None = getattr(stage, "out", None)
    return stage if out is None else _with(stage, out=str(folder / "out" / (Path(out).name or "out")))


def _with(stage: Stage, **changes: Any) -> Stage:
    return dataclasses.replace(stage, **changes)


def _completed(corpus: Corpus, stages: Sequence[Stage], fetch: bool) -> tuple[list[Stage], list[str]]:
    """The stages with what they need in front, as the corpus was made; and layers that it has and nothing makes."""
    found: list[Stage] = []
    carried: list[str] = []

    def add(stage: Stage) -> None:
        for name in (*((stage.follows,) if stage.follows else ()), *stage.wanted()):
            made = any(covers(each, name) for other in found for each in other.brings())
            if made or name == "candidates" or name in carried:
                continue
            maker = registry.maker(corpus, name, stage)
            if maker is not None:
                add(_freed(corpus, maker))
            elif corpus.layer(name).units():
                carried.append(name)
        if stage not in found:
            found.append(stage)

    for stage in stages:
        add(stage)
    return found, carried


def _fetches(stages: Sequence[Stage]) -> bool:
    return any(each.name == "download" for each in stages)


def _planned(corpus: Corpus, stages: Sequence[Stage]) -> Plan:
    try:
        return make_plan(corpus, stages)
    except VlcorpusError as error:
        refusing = next((each for each in stages if _refuses(each, corpus)), None)
        if refusing is None:
            raise
        raise _told(refusing, error) from error


def _refuses(stage: Stage, corpus: Corpus) -> bool:
    try:
        stage.check(corpus)
        stage.layer(corpus)  # the name of embeddings is their model's
    except VlcorpusError:
        return True
    return False


def _turns(plan: Plan, size: str, say: Say) -> list[_Done]:
    found = []
    for step in plan.steps:
        say(f"measuring {step.stage.name} ({step.stage.made()}, {size} of the sample)")
        found.append(_turn(plan.corpus, step.stage))
    return found


def _turn(corpus: Corpus, stage: Stage) -> _Done:
    try:
        with Meter() as meter:
            for event in run(Plan(corpus, (Step(stage),)), meter):
                if event.kind == "failed":
                    raise VlcorpusError(event.message, event.hint)
    except VlcorpusError as error:
        raise _told(stage, error) from error
    layer = stage.layer(corpus)
    stats = [layer.stats(unit) or {} for unit in stage.units(corpus)]
    names = layer.names("**/*")
    shards = corpus.layer("candidates").units()
    own = sum(any(shard in name.rpartition("/")[2] for shard in shards) for name in names)
    return _Done(
        stage=stage,
        layer=layer,
        costs=tuple(meter.costs),
        seen=sum(each.get("seen", 0) for each in stats),
        kept=sum(each.get("kept", 0) for each in stats),
        size=sum(path.stat().st_size for path in layer.paths(names)),
        files=own,
        files_once=len(names) - own,
        fetched=sum(each.get("fetched_bytes", 0) for each in stats),
        dimension=max((each.get("dimension", 0) for each in stats), default=0),
        members=sum(each.get("members", 0) for each in stats),
    )


def _told(stage: Stage, error: VlcorpusError) -> VlcorpusError:
    """The error of a stage with what to change for it: its model can be another, the sample larger."""
    hint = error.hint or "see `vlcorpus --help`"
    if hasattr(stage, "model"):
        hint += f"; or measure with another model: --set {stage.name}.model=NAME"
    return type(error)(f"{error.message} (measuring {stage.name})", hint)


def _measured(small: _Done, whole: _Done, few: int, many: int) -> Measured:
    stage, costs = whole.stage, whole.costs
    gpu = any(each.device for each in costs)
    reduction = stage.follows is None
    time = _line(small, whole, lambda cost: cost.wall if gpu else cost.processor)
    alone = _line(small, whole, lambda cost: cost.processor - cost.shared) if reduction else Fit(0.0, 0.0)
    size = fitted((few, float(small.size)), (many, float(whole.size)), least=LEAST_BYTES)
    shards = max(1, len(costs) if not reduction else 2)
    per_row, serial, uncounted = time.per_row, alone.per_row, ""
    where, flat = SHARED.get(stage.name, ("", 0.0))
    if where or (alone.short and any(each.shared for each in costs)):
        serial, uncounted = 0.0, f"; workers share its parts{f' ({where})' if where else ''}"
    basis, why = "measured", f"{whole.seen:,} rows of this corpus"
    if time.short and stage.name in STATED and whole.seen:
        stated, page = STATED[stage.name]
        basis, why = "stated", f"{page} (measured: at most {per_row * 1e6:,.3g} us a row, on {whole.seen:,})"
        serial = min(stated, serial * stated / per_row) if per_row else 0.0
        per_row = min(stated, per_row) if per_row else stated
    device = next((each.device for each in costs if each.device), "CPU")
    return Measured(
        stage=stage.name,
        label=_label(whole),
        layer=_layer_name(whole),
        basis=basis,  # type: ignore[arg-type]
        why=why + uncounted,
        sampled=many,
        seen=whole.seen,
        kept=whole.kept,
        per_row=per_row,
        serial_row=serial,
        wall_row=sum(each.wall for each in costs) / whole.seen if whole.seen else None,
        start=(costs[0].start if costs else 0.0) + time.fixed,
        gpu=gpu,
        device=device,
        bytes_row=max(0.0, size.per_row) * many / whole.seen if whole.seen else 0.0,
        bytes_shard=size.fixed / shards if whole.files else 0.0,
        files=-(-whole.files // shards),
        files_once=whole.files_once,
        follows=stage.follows,
        fetched_row=whole.fetched / whole.seen if whole.seen else 0.0,
        memory=max((each.memory for each in costs), default=None),
        reduction=reduction,
        growth=GROWTH.get(stage.name, "n"),
        memory_flat=flat,
        memory_row=_held(whole),
        short=time.short,
        ask=time.ask,
    )


def _held(whole: _Done) -> float:
    """Bytes a row that a reduction holds in one place."""
    if not whole.seen:
        return 0.0
    return (
        CHOSEN_BYTES * whole.kept / whole.seen
        if whole.stage.name == "export"
        else MEMBER_BYTES * whole.members / whole.seen
    )


def _line(small: _Done, whole: _Done, of: Callable[[Cost], float]) -> Fit:
    return fitted((small.seen, sum(map(of, small.costs))), (whole.seen, sum(map(of, whole.costs))))


def _layer_name(done: _Done) -> str:
    outside = done.layer.name.removeprefix("out:")
    return done.layer.name if outside == done.layer.name else f"out:{Path(outside).name}"


def _label(done: _Done) -> str:
    name = _layer_name(done).removeprefix("out:").rpartition("/")[2]
    return done.stage.name if name in (done.stage.name, "shards", "default") else f"{done.stage.name} {name}"
