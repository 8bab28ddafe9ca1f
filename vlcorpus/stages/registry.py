"""The stages by name, and who makes a layer that is missing.

stage("filter")                    -> the class Filter
maker(corpus, "embeddings", asker) -> Embed(...), as the corpus recorded it, or with defaults and the asker's model
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib import import_module
from typing import Any

from .. import spec
from ..corpus import Corpus
from ..errors import UsageError, VlcorpusError, nearest
from . import scorers
from .base import Stage

# In the order of the walk. Modules are named after their verb.
_STAGES = {
    "crawl": "crawl:Crawl",
    "import": "import_:Import",
    "download": "download:Download",
    "import-embeddings": "import_embeddings:ImportEmbeddings",
    "embed": "embed:Embed",
    "score": "score:Score",
    "filter": "filter:Filter",
    "dedup": "dedup:Dedup",
    "takedown": "takedown:Takedown",
    "split": "split:Split",
    "export": "export:Export",
    "index": "index:Index",
    "train-probe": "train_probe:TrainProbe",
    "evaluate": "evaluate:Evaluate",
    "compare": "compare:Compare",
    "sweep": "sweep:Sweep",
    "report": "report:WriteReport",
}

# What other stages put in front of themselves; no commands of their own.
_INNER = {
    "extract": "extract:Extract",
    "read": "import_lists:ReadLists",
}

# Which stage makes a layer, by the first part of the layer's name.
_MAKERS = {
    "shards": "download",
    "embeddings": "embed",
    "scores": "score",
    "duplicates": "dedup",
    "splits": "split",
    "takedowns": "takedown",
}

# Which other stage may have made it.
_OTHERS = {"embeddings": "import-embeddings"}

# Settings that stages had, which said nothing of the result.
_GONE = ("shard_range",)

_HINTS = {
    "candidates": "give it pairs first: `vlcorpus crawl CORPUS URL` or `vlcorpus import CORPUS LIST`",
    "scores": "make it first: `vlcorpus score CORPUS SCORE --named NAME`, or another SCORE",
    "decisions": "decide first: `vlcorpus filter CORPUS --min-sim 0.28`",
    "duplicates": "make it first: `vlcorpus dedup CORPUS --duplicates NAME`",
    "splits": "make it first: `vlcorpus split CORPUS --split NAME`",
    "takedowns": "make it first: `vlcorpus takedown CORPUS LIST --named NAME`",
    "probes": "train it first: `vlcorpus train-probe CORPUS`",
    "evaluations": "measure first: `vlcorpus evaluate CORPUS SUITE.yaml`",
    "comparisons": "compare first: `vlcorpus compare CORPUS`",
    "sweeps": "sweep first: `vlcorpus sweep CORPUS --suite SUITE.yaml`",
    "out:": "write it first: `vlcorpus export CORPUS OUT`",
}


def names() -> tuple[str, ...]:
    return tuple(_STAGES)


@cache
def stage(name: str) -> type[Stage]:
    """The stage class called `name`."""
    place = _STAGES.get(name) or _INNER.get(name)
    if place is None:
        raise UsageError(f"no stage {name!r}", nearest(name, _STAGES))
    module, _, cls = place.partition(":")
    found: type[Stage] = getattr(import_module(f".{module}", __package__), cls)
    return found


def maker(corpus: Corpus, layer: str, asker: Stage) -> Stage | None:
    """A stage that makes `layer`: as the corpus recorded it when it was made before, else with defaults.

    None where the layer is not made by one obvious stage (candidates, decisions, probes …), or has a name that only
    a person can have meant (splits/mine).
    """
    head, _, tail = layer.partition("/")
    if head not in _MAKERS:
        return None
    cls = stage(_MAKERS[head])
    model: str | None = getattr(asker, "model", None)
    made_before = _made_before(corpus, _embeddings(corpus, model) if head == "embeddings" else layer, cls)
    if made_before is not None:
        return made_before if head != "scores" or _can_be_made(corpus, made_before) else None
    values: dict[str, Any] = {"named": tail} if head == "takedowns" else {}
    if head == "scores":
        if tail not in scorers.kinds() or scorers.scorer(tail).needed:
            return None
        values["score"] = tail
        if "model" in scorers.scorer(tail).reads:
            values["model"] = model
    if head == "embeddings":
        values["model"] = model
    made = spec.build(cls, values, where=cls.name)
    return made if made.made() == layer else None


def _can_be_made(corpus: Corpus, made_before: Stage) -> bool:
    """Whether what a score read from outside (weights, a head, lists) is still there; else it is used as it is."""
    try:
        made_before.check(corpus)
    except VlcorpusError:
        return False
    return True


def recorded(corpus: Corpus, stats: Mapping[str, Any]) -> Stage:
    """The stage that made a unit, from the unit's stats. UsageError where this vlcorpus does not know it."""
    cls = stage(str(stats["stage"]))
    kept = {name: value for name, value in stats["settings"].items() if name not in _GONE}
    return spec.build(cls, spec.opened_values(cls, kept, corpus.root), where=cls.name)


def _embeddings(corpus: Corpus, model: str | None) -> str:
    """The layer of embeddings that is meant; `embeddings` alone where it is not there yet."""
    from . import models

    if model is not None and model.startswith(models.PROBE) and not models.is_probe(corpus, model):
        return "embeddings"  # this plan may train it
    if model is None and not corpus.layers("embeddings"):
        return "embeddings"
    return models.embedded(corpus, model).name


def _made_before(corpus: Corpus, layer: str, cls: type[Stage]) -> Stage | None:
    place = corpus.layer(layer)
    makers = {cls.name, _OTHERS.get(layer.partition("/")[0], cls.name)}
    for unit in (*reversed(place.units()), "all"):
        stats = place.stats(unit)
        if stats is not None and stats.get("stage") in makers:
            made = recorded(corpus, stats)
            if cls.name == "score" and stats["source"].startswith("embeddings/"):  # the same, though there are more now
                made = replace(made, model=made.model or stats["source"].partition("/")[2])  # type: ignore[call-arg, attr-defined]
            return made
    return None


def how_to_make(layer: str) -> str:
    """What to type for a layer that is missing and that nothing makes by itself."""
    kind, _, named = layer.removeprefix("scores/").partition("-")
    if layer.startswith("scores/") and kind in scorers.kinds():
        needed = [name for name in scorers.scorer(kind).needed if name != "named"]
        given = [f"--{name.replace('_', '-')} {name.upper()}" for name in needed]
        words = ["vlcorpus score CORPUS", kind, *([f"--named {named}"] if named else []), *given]
        return f"make it first: `{' '.join(words)}`"
    for head, hint in _HINTS.items():
        if layer.startswith(head):
            return hint
    return "see `vlcorpus status`"
