"""Whether a committed unit is what its stage would make today.

    Freshness(corpus).of("00000", stats)      -> "fresh", "stale" or "unknown"

The stage is built again from the recorded settings and given today's inputs; the unit is fresh while the fingerprint is
the recorded one. Inputs that lie in the corpus are read from the stats files of their layers. What lies outside (an
imported list, the weights of a model) is taken as recorded: it is part of the name of what was made from it, so a
changed one makes another layer and not a stale one. No model is loaded and nothing is fetched.

Cost: 0.2 ms a unit, and a look at the suite's tables for each evaluation.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .. import spec
from ..corpus import Corpus
from ..errors import VlcorpusError
from ..stages import registry
from ..stages.base import Stage
from .layers import ALL, head, heads, is_there

FRESH, STALE, UNKNOWN = "fresh", "stale", "unknown"

# Names of inputs that are facts of the unit and not digests of something that may change.
_FACTS = {"source", "part", "slice", "shard", "seed", "split", "model"}


class Freshness:
    """Answers for the units of one corpus; remembers the layers' digests, so make a new one to look again."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus
        self._whole: dict[str, str] = {}
        self._units: dict[tuple[str, str], str] = {}
        self._stages: dict[str, Stage] = {}

    def of(self, unit: str, stats: Mapping[str, Any]) -> str:
        """Freshness of a unit with these stats; unknown where its stage or an input cannot be had."""
        try:
            stage = self._stage(stats)
            inputs = self._inputs(stage, unit, stats["inputs"])
            made = spec.fingerprint(stage, stage.name, stage.version, inputs)
            return FRESH if made == stats["fingerprint"] else STALE
        except (VlcorpusError, OSError, LookupError, TypeError, ValueError, AttributeError, AssertionError):
            return UNKNOWN

    def _stage(self, stats: Mapping[str, Any]) -> Stage:
        """The stage that made a unit; the units of a layer mostly share theirs."""
        name = json.dumps([stats["stage"], stats["settings"]])
        if name not in self._stages:
            self._stages[name] = registry.recorded(self._corpus, stats)
        return self._stages[name]

    def _inputs(self, stage: Stage, unit: str, recorded: Mapping[str, str]) -> dict[str, str]:
        """Today's inputs of a unit."""
        if stage.makes == "sources" or (stage.creates and unit == ALL):  # a source's inputs lie outside
            return dict(recorded)
        elsewhere = [name for name in recorded if name not in _FACTS and not self._is_layer(name)]
        # A report takes in whatever layers there are, and takedowns bind what was made before them.
        if elsewhere or stage.name == "report" or stage.heeds(self._corpus):
            return stage.inputs(self._corpus, unit)
        return {name: self._today(name, unit, value) if self._is_layer(name) else value
                for name, value in recorded.items()}  # fmt: skip

    def _is_layer(self, name: str) -> bool:
        return name not in _FACTS and head(name) in heads()

    def _today(self, name: str, unit: str, recorded: str) -> str:
        if head(name) == "sources":  # named by its content
            return recorded
        layer = self._corpus.layer(name)
        if (name, unit) not in self._units:
            self._units[name, unit] = layer.digest(unit) if is_there(layer, unit) else ""
        if self._units[name, unit] == recorded:
            return recorded
        if name not in self._whole:
            self._whole[name] = layer.digest_all()
        return self._whole[name]
