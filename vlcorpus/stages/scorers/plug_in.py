"""Finding a head of the person's own.

    plug_in("my_heads.watermark:Watermark")     -> PlugIn(factory, reads="pixels", version, source_hash, ...)
    plug_in("watermark")                        the same, where an installed package has an entry point of that name

An entry point stands in the package's pyproject.toml:

    [project.entry-points."vlcorpus.heads"]
    watermark = "my_heads.watermark:Watermark"

The module is imported, and the factory is not called. Modules are found as Python finds them; the current folder is not
added. What is not marked with `reads` is refused before it is called, so that the settings that a stranger's corpus has
on record cannot run a function that was never meant as a head.
"""

from __future__ import annotations

import hashlib
import inspect
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ...errors import UsageError, nearest

if TYPE_CHECKING:
    from ...scores.own_head import Factory, Reads

GROUP = "vlcorpus.heads"


@dataclass(frozen=True)
class PlugIn:
    """A head's factory, and what tells one state of it from another. version: of its package, or of its module."""

    name: str
    factory: Factory
    reads: Reads
    version: str | None
    source_hash: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(f"{self.source_hash} {self.version}".encode()).hexdigest()


@lru_cache(maxsize=16)
def plug_in(reference: str) -> PlugIn:
    """UsageError where there is none of that name, it cannot be imported, or it does not say what it reads."""
    from ...scores.own_head import READS, said

    place, version = (reference, None) if ":" in reference else _entry_point(reference)
    name, _, path = place.partition(":")
    if not all(part.isidentifier() for part in [*name.split("."), *path.split(".")]):
        raise UsageError(f"{place!r} names no head", "give package.module:function, or an installed name")
    try:
        module = import_module(name)
    except Exception as error:  # the person's code, or none
        hint = f"is it there for this Python? `PYTHONPATH=. vlcorpus score ...` finds {name}.py in the current folder"
        raise UsageError(
            f"{name} cannot be imported: {said(error)}", hint if isinstance(error, ModuleNotFoundError) else "mend it"
        ) from error
    factory: Any = module
    for part in path.split("."):
        if not hasattr(factory, part):
            raise UsageError(f"{place!r}: no {part} there", nearest(part, _public(factory)))
        factory = getattr(factory, part)
    reads = getattr(factory, "reads", None)
    if reads not in READS or not callable(factory):
        raise UsageError(
            f"{place!r} is not a factory that says what its heads read",
            'give it the attribute reads = "embeddings" or reads = "pixels"; see docs/scores-heads.md',
        )
    own = getattr(module, "__version__", None)
    return PlugIn(
        reference, factory, reads, version or (str(own)[:100] if own is not None else None), _source_hash(module)
    )


def _entry_point(name: str) -> tuple[str, str | None]:
    """`module:function` and the package's version."""
    from importlib.metadata import entry_points

    every = entry_points(group=GROUP)
    found = {each.value: each for each in every if each.name == name}
    if not found:
        known = sorted({each.name for each in every})
        raise UsageError(
            f"no installed head is called {name!r}",
            nearest(name, known) if known else "give package.module:function; no package that has heads is installed",
        )
    if len(found) > 1:
        raise UsageError(f"several installed heads are called {name!r}", "choose one: " + ", ".join(sorted(found)))
    ((value, point),) = found.items()
    return "".join(value.partition("[")[0].split()), point.dist.version if point.dist is not None else None


def _source_hash(module: Any) -> str:
    """sha256 of the module's file."""
    try:
        path = inspect.getsourcefile(module) or inspect.getfile(module)
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, TypeError) as error:
        raise UsageError(f"{module.__name__} has no file", "put the head into a module of its own") from error


def _public(place: Any) -> list[str]:
    return [name for name in dir(place) if not name.startswith("_")]
