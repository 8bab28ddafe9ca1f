"""What stands under a name already: the stats of an earlier run, of one that was interrupted, and their settings.

before_of(layer)                          stats of the whole, or of a shard where a redo was interrupted
refuse_other_settings(stage, corpus, layer)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..corpus import Corpus, Layer
from ..errors import UsageError
from ..spec import kept_values, settings_of
from .base import ALL, Stage


def before_of(layer: Layer) -> dict[str, Any] | None:
    """The decision's stats; where a redo of it was interrupted, those of a shard that it did not come to."""
    found = (layer.stats(unit) for unit in (ALL, *reversed(layer.units())))
    return next((stats for stats in found if stats is not None), None)


def begun_of(layer: Layer, shards: Sequence[str], inputs: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Stats of the shards that an interrupted run of this very decision came to: no news, they know what was before."""
    if layer.stats(ALL) is not None:
        return {}
    found = {shard: layer.stats(shard) for shard in shards}
    return {shard: stats for shard, stats in found.items() if stats and stats["inputs"] == inputs | {"shard": shard}}


def refuse_other_settings(stage: Stage, corpus: Corpus, layer: Layer, *, but: Sequence[str] = ()) -> None:
    """A name stands for its settings: UsageError where the same name was made, or begun, with others."""
    stats = before_of(layer)
    if stats is None:
        return
    kept = kept_values(stage, corpus.root)
    own = {each.name: kept[each.name] for each in settings_of(type(stage)) if each.result}
    differing = [name for name, value in own.items() if name not in but and stats["settings"].get(name, value) != value]
    if differing:
        name = differing[0]
        raise UsageError(
            f"{layer.name} exists with {name} {stats['settings'][name]}, not {own[name]}",
            f"choose another name, or remove {corpus.place}/{layer.name}",
        )
