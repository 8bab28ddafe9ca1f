"""Finds recipes, table schemas and suites: inside the installed package, or beside it in a source checkout."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from .errors import VlcorpusError


@cache
def folder(name: str) -> Path:
    """The folder `pipelines`, `schemas` or `suites`."""
    package = Path(__file__).resolve().parent
    for place in (package / f"_{name}", package.parent / name):
        if place.is_dir():
            return place
    raise VlcorpusError(f"the folder {name}/ of vlcorpus is missing", "install vlcorpus again")


def recipes() -> dict[str, Path]:
    """The recipes that ship with vlcorpus, by name."""
    return {path.stem: path for path in sorted(folder("pipelines").glob("*.yaml"))}
