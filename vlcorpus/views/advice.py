"""The command that a corpus wants next.

    advise(corpus, seen)                                   -> "vlcorpus download birds"
    command(corpus, {"stage": "filter", "settings": …})    -> "vlcorpus filter birds --top-fraction 0.3"

What is wrong comes first, then what is begun, then what is stale, then the next step of the walk.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .. import spec
from ..corpus import Corpus
from ..errors import VlcorpusError
from ..stages import registry
from .layers import head

if TYPE_CHECKING:
    from .status import LayerStatus, Status

# The walk: a layer that is wanted, and the command that makes it.
_WALK = (
    ("decisions", "vlcorpus filter {corpus} --top-fraction 0.3"),
    ("duplicates", "vlcorpus dedup {corpus}"),
    ("splits", "vlcorpus split {corpus}"),
    ("probes", "vlcorpus export {corpus} OUT --decision {decision} --duplicates {duplicates} --split {split}"),
    ("evaluations", "vlcorpus evaluate {corpus} SUITE.yaml"),
    ("comparisons", "vlcorpus compare {corpus}"),
    ("reports", "vlcorpus report {corpus}"),
)


def advise(corpus: Corpus, seen: Status) -> str:
    """One command line, with capitals where the reader must choose."""
    where = shlex.quote(corpus.place)
    candidates = seen.layer("candidates")
    if any(each.damaged for each in seen.layers) or seen.imbalances:
        return f"vlcorpus verify {where}"
    if candidates is None or not candidates.units:
        return f"vlcorpus import {where} LIST"
    if not seen.below("shards"):
        decided = seen.below("decisions")  # on candidates: what is wanted, before anything is fetched
        wanted = f" --decision {shlex.quote(decided[0].name.partition('/')[2])}" if len(decided) == 1 else ""
        return f"vlcorpus download {where}{wanted}"
    begun = next((each for each in seen.layers if each.todo and each.units), None)
    if begun is not None:
        return _again(corpus, begun, seen)
    # A report is stale as soon as anything is made; `status` counts it, and it is no step that the walk waits for.
    stale = next((each for each in seen.layers if each.stale and head(each.name) != "reports"), None)
    if stale is not None:
        return _again(corpus, stale, seen)
    names = {"corpus": where} | {
        singular: shlex.quote(each[0].name.partition("/")[2]) if (each := seen.below(plural)) else "NAME"
        for plural, singular in (("decisions", "decision"), ("duplicates", "duplicates"), ("splits", "split"))
    }
    for layer, words in _WALK:
        if not seen.below(layer):
            return words.format(**names)
    return f"vlcorpus verify {where}"


def _again(corpus: Corpus, layer: LayerStatus, seen: Status) -> str:
    """The command that makes the rest of a layer, as it was made before."""
    stats = seen.stale_stats.get(layer.name) or _any_stats(corpus, layer.name)
    if layer.name == "shards" and (stats is None or stats.get("stage") == "import"):
        return f"vlcorpus download {shlex.quote(corpus.place)}"
    made = command(corpus, stats) if stats is not None else None
    return made or f"vlcorpus {_verb(layer.name)} {shlex.quote(corpus.place)}"


def _any_stats(corpus: Corpus, name: str) -> dict[str, Any] | None:
    layer = corpus.layer(name)
    units = layer.units()
    return layer.stats(units[-1]) if units else None


def _verb(layer: str) -> str:
    return {"shards": "download", "embeddings": "embed", "scores": "score", "splits": "split"}.get(
        head(layer), "filter"
    )


def command(corpus: Corpus, stats: Mapping[str, Any]) -> str | None:
    """The command line that made a unit, from its stats: settings other than the defaults. None where it is unknown."""
    try:
        cls = registry.stage(str(stats["stage"]))
        settings = spec.values_of(registry.recorded(corpus, stats))
    except (VlcorpusError, KeyError, TypeError, AttributeError):
        return None
    positional: list[str] = []
    options: list[str] = []
    for each in spec.settings_of(cls):
        value = settings[each.name]
        default = list(each.default) if isinstance(each.default, tuple) else each.default
        if each.positional:
            positional += [str(part) for part in (value if each.many else [value]) if part is not None]
        elif value != default and str(value) != str(default):
            options += _option(each, value)
    words = ["vlcorpus", cls.name, corpus.place, *positional, *options]
    return shlex.join(words)


def _option(each: spec.Setting, value: Any) -> list[str]:
    if each.many:
        return [word for part in value for word in (each.option, str(part))]
    if each.kind is bool:
        return [each.option if value else "--no-" + each.option[2:]]
    return [each.option, "none" if value is None else str(value)]
