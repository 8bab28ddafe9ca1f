"""One arm: what a person means by its name.

    entry(corpus, "filtered")                a probe of the corpus, or a decision where there is no such probe
    entry(corpus, "all")                     every pair with an image
    entry(corpus, "exports/clean")           a folder of tars, or of an export, whose `train` or `all` is taken
    entry(corpus, "../other#filtered")       what a decision of another corpus keeps

`probes/NAME` and `decisions/NAME` say which of two is meant, and so do their paths, as stats keep them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..corpus import FILE, Corpus
from ..errors import UsageError, nearest
from . import places
from .base import ALL

if TYPE_CHECKING:
    from .compare import Compare

NONE, RANDOM, MISMATCHED = "none", "random", "mismatched"
_TRAIN = ("train", "all")


@dataclass(frozen=True)
class Entry:
    """One arm. pairs: settings of what trains it; None where it is a probe, or a model that was measured."""

    name: str
    kept: str
    """What stats keep of it: a path, so that it is found again from anywhere"""
    source: str
    """In words"""
    pairs: Mapping[str, Any] | None = None
    control: str = NONE
    asked: bool = True
    """Whether a person named it"""

    def counts(self, unit: str, seeds: Sequence[int]) -> bool:
        """Whether a seed is compared: of an arm that is trained here, those asked for; of a probe all that it has."""
        return self.pairs is None or unit in {f"seed-{seed}" for seed in seeds}

    def probe(self, recipe: str) -> str:
        if self.pairs is None:
            return self.name
        drawn = self.pairs["decision"] if self.control == RANDOM else self.name
        return f"{drawn}.{recipe}"


def entry(corpus: Corpus, text: str, *, measured: Sequence[str] = (), stage: Compare | None = None) -> Entry:
    """What a person means by an arm."""
    given = {name: getattr(stage, name) for name in ("duplicates", "split")} if stage is not None else {}
    probes, decisions = corpus.layers("probes"), corpus.layers("decisions")
    below, name = _own_layer(corpus, text)
    if below is None and (text in probes or text in measured):
        below, name = "probes", text
    elif below is None and text == ALL:
        below, name = ALL, ALL
    elif below is None and text in decisions:
        below, name = "decisions", text
    if below == "probes":
        return Entry(name, own_place(corpus, f"probes/{name}"), f"probe {name}")
    if below == ALL:
        return Entry(ALL, own_place(corpus), "every pair with an image", {"decision": None} | given)
    if below == "decisions":
        kept, pairs = own_place(corpus, f"decisions/{name}"), {"decision": name} | given
        return Entry(name, kept, f"decision {name}", pairs, RANDOM if _is_drawn(corpus, name) else NONE)
    found = _elsewhere(corpus, text)
    if found is None:
        raise UsageError(
            f"no arm {text!r}: no probe or decision of {corpus.place}, and no folder",
            nearest(text, {*probes, *decisions, *measured, ALL}),
        )
    return found


def _own_layer(corpus: Corpus, text: str) -> tuple[str | None, str]:
    """(probes or decisions or all, name) of a text that says so."""
    below, _, name = text.partition("/")
    if below in ("probes", "decisions") and name in corpus.layers(below):
        return below, name
    place = places.absolute(text)
    for own in dict.fromkeys((os.path.abspath(corpus.path), places.absolute(corpus.place))):
        if place == own and corpus.file(FILE).exists():
            return ALL, ALL
        below, _, name = place.removeprefix(f"{own}/").partition("/")
        if place.startswith(f"{own}/") and below in ("probes", "decisions") and name and "/" not in name:
            return below, name
    return None, text


def own_place(corpus: Corpus, layer: str = "") -> str:
    """What stats keep of the corpus, or of a layer of it, so that it can move: a path, which they make relative, or in
    a store its name."""
    return str(corpus.root / layer) if corpus.root is not None else layer or ALL


def _elsewhere(corpus: Corpus, text: str) -> Entry | None:
    """Another corpus, or a folder of tars."""
    folder, mark, decision = text.rpartition("#")
    if mark and places.is_corpus(folder):
        other = places.opened(folder)
        if decision not in other.layers("decisions"):
            raise UsageError(f"no decision {decision} in {folder}", nearest(decision, other.layers("decisions")))
        words, place = f"decision {decision} of {_called(folder)}", f"{places.absolute(folder)}#{decision}"
        return Entry(f"{_called(folder)}-{decision}", place, words, {"on": (place,)})
    if places.is_corpus(text):
        place = places.absolute(text)
        return Entry(_called(text), place, f"every pair of {_called(text)}", {"on": (place,)})
    if not os.path.isdir(text) and (os.sep not in text or text.startswith(("probes/", "decisions/"))):
        return None  # else an earlier step of the plan may write it
    kept = text if places.is_url(text) else os.path.normpath(text)
    return Entry(_called(text), kept, f"export {_called(text)}", {"on": (_of_tars(text),)})


def _of_tars(folder: str) -> str:
    """The folder with the tars: of an export what is trained on."""
    layer = places.export(folder)
    if layer.names("*.tar"):
        return places.normal(folder)
    inside = places.folders(layer) if places.is_url(folder) else [name for name in _TRAIN if _is_folder(folder, name)]
    return next((places.below(folder, name) for name in _TRAIN if name in inside), places.normal(folder))


def _is_folder(folder: str, name: str) -> bool:
    return os.path.isdir(os.path.join(folder, name))


def _called(text: str) -> str:
    *_, above, name = ("", *places.parts(places.absolute(text)))
    name = above if name in _TRAIN else name
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-") or "arm"


def _is_drawn(corpus: Corpus, decision: str) -> bool:
    """Whether a decision was drawn at random."""
    settings = (corpus.layer(f"decisions/{decision}").stats(ALL) or {}).get("settings", {})
    return settings.get("random_like") is not None or settings.get("random_fraction") is not None
