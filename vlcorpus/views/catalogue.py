"""What vlcorpus itself has to tell: its recipes and the keys of its stages. Tables and reasons are in vlcorpus.schema.

recipes()            -> [Recipe("demo", "The picture world, …", Path(…/demo.yaml)), …]
keys("filter")       -> the JSON Schema of the stage's keys in a recipe
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .. import assets, spec
from ..errors import RecipeError, UsageError, nearest
from ..stages import registry


@dataclass(frozen=True)
class Recipe:
    name: str
    about: str
    stages: tuple[str, ...]
    path: Path


def recipes() -> list[Recipe]:
    """The recipes that ship, by name. RecipeError for one that is no YAML."""
    found = []
    for name, path in assets.recipes().items():
        try:
            text = yaml.safe_load(path.read_text("utf-8"))
            about = " ".join(str(text.get("about", "")).split())
            stages = tuple(each if isinstance(each, str) else str(next(iter(each))) for each in text["stages"])
        except (OSError, ValueError, yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
            raise RecipeError(f"{path} is no recipe: {type(error).__name__}", "install vlcorpus again") from error
        found.append(Recipe(name, about, stages, path))
    return found


def recipe_text(name: str) -> str:
    """The YAML of a recipe that ships, as it stands. UsageError with the nearest name."""
    known = assets.recipes()
    if name not in known:
        raise UsageError(f"no recipe {name!r}", nearest(name, known))
    return known[name].read_text("utf-8")


def keys(stage: str) -> dict[str, Any]:
    """The JSON Schema of a stage's keys in a recipe. UsageError with the nearest name."""
    cls = registry.stage(stage)
    about = (cls.__doc__ or "").strip().splitlines()
    return {"title": stage, "description": about[0] if about else "", **spec.json_schema(cls)}
