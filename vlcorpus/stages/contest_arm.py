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
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..corpus import FILE, Corpus
from ..errors import UsageError, nearest
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
        return Entry(name, str(corpus.path / "probes" / name), f"probe {name}")
    if below == ALL:
        return Entry(ALL, str(corpus.path), "every pair with an image", {"decision": None} | given)
    if below == "decisions":
        kept, pairs = str(corpus.path / "decisions" / name), {"decision": name} | given
        return Entry(name, kept, f"decision {name}", pairs, RANDOM if _is_drawn(corpus, name) else NONE)
    found = _elsewhere(corpus, text)
    if found is None:
        raise UsageError(
            f"no arm {text!r}: no probe or decision of {corpus.path}, and no folder",
            nearest(text, {*probes, *decisions, *measured, ALL}),
        )
    return found


def _own_layer(corpus: Corpus, text: str) -> tuple[str | None, str]:
    """(probes or decisions or all, name) of a text that says so."""
    below, _, name = text.partition("/")
    if below in ("probes", "decisions") and name in corpus.layers(below):
        return below, name
    place = Path(os.path.abspath(text))
    own = Path(os.path.abspath(corpus.path))
    if place == own and (own / FILE).exists():
        return ALL, ALL
    if place.parent.parent == own and place.parent.name in ("probes", "decisions"):
        return place.parent.name, place.name
    return None, text


def _elsewhere(corpus: Corpus, text: str) -> Entry | None:
    """Another corpus, or a folder of tars."""
    folder, mark, decision = text.rpartition("#")
    if mark and (Path(folder) / FILE).exists():
        other = Corpus.open(Path(folder))
        if decision not in other.layers("decisions"):
            raise UsageError(f"no decision {decision} in {folder}", nearest(decision, other.layers("decisions")))
        words, place = f"decision {decision} of {_called(Path(folder))}", f"{os.path.abspath(folder)}#{decision}"
        return Entry(f"{_called(Path(folder))}-{decision}", place, words, {"on": (place,)})
    path = Path(text)
    if (path / FILE).exists():
        place = os.path.abspath(path)
        return Entry(_called(path), place, f"every pair of {_called(path)}", {"on": (place,)})
    if not path.is_dir() and (os.sep not in text or text.startswith(("probes/", "decisions/"))):
        return None  # else an earlier step of the plan may write it
    return Entry(_called(path), os.path.normpath(text), f"export {_called(path)}", {"on": (str(_of_tars(path)),)})


def _of_tars(folder: Path) -> Path:
    """The folder with the tars: of an export what is trained on."""
    if any(folder.glob("[!.]*.tar")):
        return folder
    return next((folder / name for name in _TRAIN if (folder / name).is_dir()), folder)


def _called(path: Path) -> str:
    whole = Path(os.path.abspath(path))
    name = whole.parent.name if whole.name in _TRAIN else whole.name
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-") or "arm"


def _is_drawn(corpus: Corpus, decision: str) -> bool:
    """Whether a decision was drawn at random."""
    settings = (corpus.layer(f"decisions/{decision}").stats(ALL) or {}).get("settings", {})
    return settings.get("random_like") is not None or settings.get("random_fraction") is not None
