"""What an index was before it is added to, so that a kill in between changes nothing of the result.

    before = earlier(layer, fingerprint)       Before(about, sha256 of each file), None where it is built anew
    begin(layer, fingerprint, before)          kept in one hidden file until the commit
    state(layer, before, "image.index")        "before", "after" or None: which of both a file is after a kill
    discard(layer)

Adding to an index hangs on what was there, and a commit replaces its files one after the other. A run that finds the
hidden file and no commit knows by their hashes which files are still the old ones; the others are the new ones where
the run that was killed had the same fingerprint.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..corpus import Layer
from ..errors import VlcorpusError
from ..io.commit import write_text
from . import index_about
from .base import ALL
from .index_about import About

_NAME = ".growing.json"


@dataclass(frozen=True)
class Before:
    """An index that can be added to. settings: of the run that made it; adopted: what was
    taken over; same: a killed run of this very fingerprint
    may have put new files in its place; looked: whether files have to be told apart."""

    about: About
    text: dict[str, Any]
    settings: dict[str, Any]
    sha256: dict[str, str]
    adopted: dict[str, str] = field(default_factory=dict)
    looked: bool = False
    same: bool = False


def earlier(layer: Layer, fingerprint: str) -> Before | None:
    """The index as it was committed last, also where a run that adds to it was killed."""
    stats = layer.stats(ALL)
    try:
        if stats is not None:
            text = json.loads(layer.path(index_about.FILE).read_text("utf-8"))
            hashes = {name: str(each["sha256"]) for name, each in stats["outputs"].items()}
            return Before(
                index_about.read(layer), text, dict(stats["settings"]), hashes, dict(stats.get("adopted", {}))
            )
        kept = json.loads(layer.recall(_NAME).read_text("utf-8"))
        about = index_about.parsed(kept["about"])
        same = kept["fingerprint"] == fingerprint
        files, adopted = dict(kept["sha256"]), dict(kept["adopted"])
        return Before(about, kept["about"], dict(kept["settings"]), files, adopted, looked=True, same=same)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, VlcorpusError):
        return None


def begin(layer: Layer, fingerprint: str, before: Before) -> None:
    kept = {
        "fingerprint": fingerprint, "about": before.text, "settings": before.settings, "sha256": before.sha256,
        "adopted": before.adopted,
    }  # fmt: skip
    layer.making.mkdir(parents=True, exist_ok=True)
    write_text(layer.making / _NAME, json.dumps(kept))
    layer.keep(_NAME)


def state(layer: Layer, before: Before, name: str) -> Literal["before", "after"] | None:
    """Which of both a file is; None where it is neither, so that nothing can be added to it."""
    path = layer.path(name)
    if not path.is_file():
        return None
    if not before.looked or _sha256(path) == before.sha256.get(name):
        return "before"
    return "after" if before.same else None


def discard(layer: Layer) -> None:
    layer.forget(_NAME)


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
