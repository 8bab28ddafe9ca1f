"""Who is compared with whom, and what has to be trained and measured before.

    field(compare, corpus).entries          all arms, the baseline first, then a random subset and a mismatched control
    field(compare, corpus).before           (Filter, TrainProbe, TrainProbe, …, Evaluate)

An arm that is no probe yet is trained as the probe <arm>.<recipe>; names that stand for two things are refused. Nothing
here reads a pair.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .. import spec
from ..corpus import Corpus, Layer
from ..errors import UsageError, VlcorpusError
from . import evaluate, places, registry
from .base import ALL, Stage
from .contest_arm import MISMATCHED, NONE, RANDOM, Entry, entry, own_place
from .evaluate import Evaluate
from .filter import Filter
from .train_probe import TrainProbe

if TYPE_CHECKING:
    from .compare import Compare

DEFAULT_RECIPE = "micro"
_ASKED = ("architecture", "image_size", "captions", "steps", "batch_size")
_SOURCE = ("on", "decision", "duplicates", "split", "control")
_OTHER_NAME = "train one of them under a name of its own, `vlcorpus train-probe CORPUS NAME`, and name that"


@dataclass(frozen=True)
class Field:
    """All arms, the baseline first. before: what is to be done first."""

    entries: tuple[Entry, ...]
    probes: Mapping[str, str]
    """Arm to the name under which it is measured"""
    suite: str
    before: tuple[Stage, ...]
    no_random: str | None
    """Why there is no random subset of equal size; None where there is, or none is wanted"""

    @property
    def compared(self) -> tuple[Entry, ...]:
        return tuple(each for each in self.entries if each.control != MISMATCHED)


def field(stage: Compare, corpus: Corpus) -> Field:
    """Who is compared with whom. UsageError for a name that stands for nothing, or for two things."""
    suite, measures = measuring(stage, corpus)
    measured = evaluate.measured(corpus, suite)
    texts = stage.arms or tuple(each for each in measured if not _is_control(corpus, each))
    named = [entry(corpus, text, measured=measured, stage=stage) for text in texts]
    entries = _with_baseline(stage, corpus, named, measured)
    _refuse_namesakes(entries)
    before: list[Stage] = []
    random, no_random = _random(stage, corpus, entries)
    if random is not None:
        before.append(random[1])
        entries.append(random[0])
    if stage.control:
        entries.append(_mismatched(corpus, entries[0]))
    recipe = stage.recipe or _own(corpus, entries, "recipe") or DEFAULT_RECIPE
    parts = _parts(stage, corpus, entries, recipe)
    probes = {each.name: each.probe(recipe) for each in entries}
    training = [_training(stage, each, probes[each.name], recipe, parts) for each in entries if each.pairs is not None]
    for each in training:
        _refuse_other_source(corpus, each)
    missing = [probe for probe in probes.values() if probe not in measured]
    # A suite that is known by its name alone was measured before, or an earlier step of the plan measures with it.
    if training or (measures is not None and (missing or os.path.exists(stage.suite or ""))):
        before += [*training, _measuring(corpus, suite, measures, [*probes.values()], missing)]
    return Field(tuple(entries), probes, suite, tuple(before), no_random)


def _with_baseline(stage: Compare, corpus: Corpus, named: Iterable[Entry], measured: Sequence[str]) -> list[Entry]:
    """The arms, each once, with the baseline in front: an arm's name, or a text that means one."""
    arms = list({each.kept: each for each in named}.values())
    if not arms and stage.baseline is None:
        raise UsageError("nothing to compare", "name two arms: probes, decisions, exports or other corpora")
    if stage.baseline is None:
        return arms
    first = next((each for each in arms if each.name == stage.baseline), None)
    first = first or entry(corpus, stage.baseline, measured=measured, stage=stage)
    return [first, *(each for each in arms if each.kept != first.kept)]


def _refuse_namesakes(entries: Sequence[Entry]) -> None:
    seen: dict[str, Entry] = {}
    for each in entries:
        other = seen.setdefault(each.name, each)
        if other is not each:
            raise UsageError(f"two arms are called {each.name}: {other.source} and {each.source}", _OTHER_NAME)


def _random(stage: Compare, corpus: Corpus, entries: Sequence[Entry]) -> tuple[tuple[Entry, Filter] | None, str | None]:
    """A random subset as large as an arm that is a subset of the baseline, or why there is none."""
    if not stage.random or any(each.control == RANDOM for each in entries):
        return None, None
    asked = [each for each in entries[1:] if each.pairs is not None]
    if not asked:
        return None, None
    own = [each for each in asked if each.pairs is not None and each.pairs.get("decision") is not None]
    if entries[0].name != ALL or entries[0].pairs is None or not own:
        why = "a random subset of equal size is drawn where the baseline is `all` and an arm a decision of the corpus"
        return None, f"{why}; else make one and name it as an arm"
    if any(each.name == RANDOM for each in entries):
        return None, f"an arm is called {RANDOM}"
    made = [each for each in own if corpus.layer(f"decisions/{_filter(corpus, each).decision_name()}").stats(ALL)]
    sizes = {each.name: _size(corpus, each) for each in own}
    largest = max(own, key=lambda each: sizes[each.name] or 0) if None not in sizes.values() else own[0]
    like = made[0] if made else largest
    drawing = _filter(corpus, like)
    drawn: dict[str, Any] = dict(like.pairs or {}) | {"decision": drawing.decision_name()}
    kept = own_place(corpus, f"decisions/{drawing.decision_name()}")
    return (Entry(RANDOM, kept, f"as many random pairs as {like.name}", drawn, RANDOM, False), drawing), None


def _filter(corpus: Corpus, like: Entry) -> Filter:
    stats = corpus.layer(f"decisions/{like.name}").stats(ALL) or {}
    of = stats.get("of") or stats.get("settings", {}).get("of") or "images"
    return Filter(random_like=like.name, of=str(of))


def _mismatched(corpus: Corpus, baseline: Entry) -> Entry:
    """The baseline's pairs with each other's captions."""
    pairs = dict(baseline.pairs) if baseline.pairs is not None else _recorded(corpus, baseline.name)
    if pairs is None:
        raise UsageError(
            f"it is not known what {baseline.name} was trained on", "leave --control away, or name its pairs as an arm"
        )
    words = f"{baseline.source} with mismatched captions"
    return Entry(
        f"{baseline.name}-{MISMATCHED}", baseline.kept, words, pairs | {"control": MISMATCHED}, MISMATCHED, False
    )


def _recorded(corpus: Corpus, probe: str) -> dict[str, Any] | None:
    """Settings of what trained a probe, but for its name and its seeds."""
    stats = next(_stats(corpus.layer(f"probes/{probe}")), None)
    if stats is None:
        return None
    try:
        made = registry.recorded(corpus, stats)
    except (VlcorpusError, KeyError):
        return None
    return {name: value for name, value in _values(made).items() if name not in ("probe", "seeds")}


def _values(stage: Stage) -> dict[str, Any]:
    return {each.name: getattr(stage, each.name) for each in spec.settings_of(type(stage))}


def _stats(layer: Layer) -> Iterator[dict[str, Any]]:
    return (stats for unit in layer.units() if (stats := layer.stats(unit)) is not None)


def _is_control(corpus: Corpus, probe: str) -> bool:
    stats = next(_stats(corpus.layer(f"probes/{probe}")), None)
    return stats is not None and stats["settings"].get("control", NONE) != NONE


def _own(corpus: Corpus, entries: Sequence[Entry], name: str) -> Any:
    """What the probes among the arms were all trained with; None where there are none, or they differ."""
    probes = [each.name for each in entries if each.pairs is None]
    found = {stats["settings"].get(name) for probe in probes for stats in _stats(corpus.layer(f"probes/{probe}"))}
    return found.pop() if len(found) == 1 else None


def _parts(stage: Compare, corpus: Corpus, entries: Sequence[Entry], recipe: str) -> int:
    """Shares that the seeds train on: as asked, as the probes among the arms did, as last time, or what suits."""
    from ..probe.parts import best
    from ..probe.recipes import RECIPES

    if stage.parts != "auto":
        return int(stage.parts)
    if any(each.pairs is None for each in entries):
        return int(_own(corpus, entries, "parts") or 1)
    trained = [
        int(stats["settings"].get("parts", 1))
        for each in entries
        for stats in _stats(corpus.layer(f"probes/{each.probe(recipe)}"))
    ]
    if len(set(trained)) == 1 and trained[0] <= len(stage.seeds):
        return trained[0]
    sizes = [_size(corpus, each) for each in entries]
    known = [size for size in sizes if size is not None]
    if len(known) < len(sizes):
        return min(2, len(stage.seeds))
    samples = (stage.steps or RECIPES[recipe].steps) * (stage.batch_size or RECIPES[recipe].batch_size)
    return best(min(known), samples, len(stage.seeds))


def _size(corpus: Corpus, each: Entry) -> int | None:
    """Pairs of an arm, as far as stats say; None where that is not known yet."""
    pairs = each.pairs or {}
    place = str(pairs["on"][0]) if pairs.get("on") else None
    decision = pairs.get("decision")
    if place is not None:
        folder, _, decision = place.rpartition("#") if "#" in place else (place, "", None)
        if places.is_corpus(folder):
            corpus = places.opened(folder)
        else:
            tars = list(_stats(places.export(place)))
            return sum(int(stats.get("kept", stats.get("successes", 0))) for stats in tars) or None
    if decision is not None:
        stats = corpus.layer(f"decisions/{decision}").stats(ALL)
        return None if stats is None else int(stats["kept"])
    return sum(int(stats["kept"]) for stats in _stats(corpus.layer("shards"))) or None


def _training(stage: Compare, each: Entry, probe: str, recipe: str, parts: int) -> TrainProbe:
    asked = {name: getattr(stage, name) for name in _ASKED if getattr(stage, name)}
    values = {"probe": probe, "recipe": recipe, "seeds": stage.seeds, "parts": parts, "device": stage.device}
    given = {name: value for name, value in {**asked, **values, **(each.pairs or {})}.items() if value is not None}
    return spec.build(TrainProbe, given | {"probe": probe, "seeds": stage.seeds}, where="compare")


def _refuse_other_source(corpus: Corpus, training: TrainProbe) -> None:
    """UsageError where a probe of the name was trained on something else."""
    layer = corpus.layer(training.made())
    stats = next(_stats(layer), None)
    if stats is None:
        return
    now = spec.kept_values(training, corpus.root)
    differing = [name for name in _SOURCE if stats["settings"].get(name, now.get(name)) != now.get(name)]
    if differing:
        name = differing[0]
        raise UsageError(
            f"{layer.name} was trained with {name} {stats['settings'][name]}, not {now.get(name)}",
            f"remove {corpus.place}/{layer.name}, or {_OTHER_NAME}",
        )


def measuring(stage: Compare, corpus: Corpus) -> tuple[str, Evaluate | None]:
    """The suite's name, and what measures with it, as far as that is known."""
    if stage.suite is None:
        name = corpus.find("evaluations", None, flag="--suite", make=f"vlcorpus evaluate {corpus.place} SUITE")
    elif stage.suite in corpus.layers("evaluations"):
        name = stage.suite
    else:
        asked = Evaluate(suite=stage.suite, root=stage.root, device=stage.device)
        asked.check(corpus)
        return asked.suite_name(), asked
    stats = next(_stats(corpus.layer(f"evaluations/{name}")), None)
    try:
        made = registry.recorded(corpus, stats) if stats is not None else None
        if not isinstance(made, Evaluate):
            return name, None
        made = replace(made, root=stage.root or made.root, models=(), device=stage.device)
        made.check(corpus)
    except VlcorpusError:
        return name, None
    return name, made


def _measuring(
    corpus: Corpus, suite: str, measuring: Evaluate | None, probes: Sequence[str], missing: Sequence[str]
) -> Stage:
    if measuring is None:
        first = missing[0] if missing else probes[0]
        raise UsageError(f"{first} was not measured with suite {suite}", "name the suite's file: --suite PATH")
    return replace(measuring, probes=tuple(probe for probe in probes if probe in missing or _is_probe(corpus, probe)))


def _is_probe(corpus: Corpus, name: str) -> bool:
    return name in corpus.layers("probes")
