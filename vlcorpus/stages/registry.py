"""The stages by name, and who makes a layer that is missing.

stage("filter")                    -> the class Filter
maker(corpus, "embeddings", asker) -> Embed(...), as the corpus recorded it, or with defaults and the asker's model
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

from .. import spec
from ..corpus import Corpus
from ..errors import UsageError, nearest
from .base import Stage

# In the order of the walk. Modules are named after their verb.
_STAGES = {
    "crawl": "crawl:Crawl",
    "import": "import_:Import",
    "download": "download:Download",
    "embed": "embed:Embed",
    "score": "score:Score",
    "filter": "filter:Filter",
    "dedup": "dedup:Dedup",
    "split": "split:Split",
    "export": "export:Export",
    "index": "index:Index",
    "train-probe": "train_probe:TrainProbe",
    "evaluate": "evaluate:Evaluate",
    "compare": "compare:Compare",
    "report": "report:WriteReport",
}

# Which stage makes a layer, by the first part of the layer's name.
_MAKERS = {
    "shards": "download",
    "embeddings": "embed",
    "scores": "score",
    "duplicates": "dedup",
    "splits": "split",
}

_HINTS = {
    "candidates": "give it pairs first: `vlcorpus crawl CORPUS URL` or `vlcorpus import CORPUS LIST`",
    "decisions": "decide first: `vlcorpus filter CORPUS --min-sim 0.28`",
    "probes": "train it first: `vlcorpus train-probe CORPUS`",
    "evaluations": "measure first: `vlcorpus evaluate CORPUS --suite SUITE.yaml`",
    "comparisons": "compare first: `vlcorpus compare CORPUS`",
    "out:": "write it first: `vlcorpus export CORPUS OUT`",
}


def names() -> tuple[str, ...]:
    return tuple(_STAGES)


@cache
def stage(name: str) -> type[Stage]:
    """The stage class called `name`."""
    if name not in _STAGES:
        raise UsageError(f"no stage {name!r}", nearest(name, _STAGES))
    module, _, cls = _STAGES[name].partition(":")
    found: type[Stage] = getattr(import_module(f".{module}", __package__), cls)
    return found


def maker(corpus: Corpus, layer: str, asker: Stage) -> Stage | None:
    """A stage that makes `layer`: as the corpus recorded it when it was made before, else with defaults.

    None where the layer is not made by one obvious stage (candidates, decisions, probes …).
    """
    head, _, tail = layer.partition("/")
    if head not in _MAKERS:
        return None
    cls = stage(_MAKERS[head])
    recorded = _recorded(corpus, layer, cls)
    if recorded is not None:
        return recorded
    values: dict[str, Any] = {}
    wanted = {each.name for each in spec.settings_of(cls)}
    if "model" in wanted and getattr(asker, "model", None):
        values["model"] = asker.model  # type: ignore[attr-defined]
    if head == "scores":
        values["score"] = tail or "similarity"
    elif tail and "name" in wanted:
        values["name"] = tail
    return spec.build(cls, values, where=cls.name)


def _recorded(corpus: Corpus, layer: str, cls: type[Stage]) -> Stage | None:
    candidates = [layer] if "/" in layer else [layer, *(f"{layer}/{name}" for name in corpus.layers(layer))]
    found = []
    for name in candidates:
        place = corpus.layer(name)
        for unit in (*reversed(place.units()), "all"):
            stats = place.stats(unit)
            if stats is not None and stats.get("stage") == cls.name:
                found.append(spec.build(cls, stats["settings"], where=f"{name}/{unit}"))
                break
    return found[0] if len(found) == 1 else None


def how_to_make(layer: str) -> str:
    for head, hint in _HINTS.items():
        if layer.startswith(head):
            return hint
    return "see `vlcorpus status`"
