"""The scores, one file each: what each reads, and what it says of a pair.

scorer("similarity")        -> the Scorer of that name, imported when it is asked for
kinds()                     -> every name, in the order of the documentation
kind_of("scores/similarity-l14")                 -> "similarity": a layer that was named says what it is, too

A kind's columns are declared in schemas/score-<kind>.json.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module

from ...errors import UsageError, nearest
from .base import Scorer

# Of an image and its words, of the image, of the words, of other scores.
_SCORERS = {
    "similarity": "similarity:Similarity",
    "negcliploss": "negcliploss:NegCLIPLoss",
    "normsim": "normsim:NormSim",
    "clusters": "clusters:Clusters",
    "nearest": "nearest:Nearest",
    "query": "query:Query",
    "fused": "fused:Fused",
    "flipped": "flipped:Flipped",
    "phash": "phash:PHash",
    "aesthetic": "aesthetic:Aesthetic",
    "nsfw": "nsfw:Nsfw",
    "head": "head:OwnHead",
    "text": "text:Text",
    "language": "language:Language",
    "pii": "pii:PII",
    "entities": "entities:Entities",
    "metaclip": "metaclip:MetaCLIP",
}

LIST = "list"  # what an imported list said: scores/list is import's


def kinds() -> tuple[str, ...]:
    return tuple(_SCORERS)


@cache
def scorer(kind: str) -> Scorer:
    """The scorer of a kind. UsageError with the nearest name where there is none."""
    if kind not in _SCORERS:
        raise UsageError(f"no score is called {kind!r}", nearest(kind, _SCORERS))
    module, _, name = _SCORERS[kind].partition(":")
    found: Scorer = getattr(import_module(f".{module}", __package__), name)()
    return found


def layer_of(kind: str, named: str | None) -> str:
    """The layer of a score: scores/similarity, or scores/similarity-l14 where it was named l14."""
    return f"scores/{kind}" + (f"-{named}" if named else "")


def kind_of(layer: str) -> str:
    """The kind of a layer of scores, given with or without `scores/`."""
    return layer.removeprefix("scores/").partition("-")[0]


def table_of(layer: str) -> str:
    """The declared table of a layer of scores."""
    return f"score-{kind_of(layer)}"
