"""Recipes: a YAML list of stages, with the names and keys of the subcommands.

    about: What this recipe is for.
    stages:
      - import: {list: urls.parquet}
      - download: {image_size: 512}
      - filter: {min_sim: 0.28}

In texts `{corpus}` stands for the corpus folder, `{beside}` for the folder it lies in, `{recipe}` for that of the recipe.
Errors name file, stage and key.
Flag > VLCORPUS_<STAGE>_<KEY> > recipe > default.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .. import assets, spec
from ..errors import RecipeError, UsageError, nearest
from ..stages import registry
from ..stages.base import Stage

LARGEST = 1_000_000


@dataclass(frozen=True)
class Recipe:
    path: Path
    about: str
    shard_rows: int | None
    stages: tuple[Stage, ...]


def find(name: str) -> Path:
    """A recipe's file: a path, or the name of one that ships with vlcorpus."""
    path = Path(name)
    if path.is_file():
        return path
    known = assets.recipes()
    stem = path.stem if path.suffix in {".yaml", ".yml"} else name
    if stem in known and str(path.parent) in {".", "pipelines"}:
        return known[stem]
    raise UsageError(f"no recipe {name}", nearest(stem, known))


def load(path: Path, *, corpus: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read and check a whole recipe before anything runs.

    overrides: texts `stage.key=value` (YAML values) for every stage of that name, or `stage[2].key=value` for the
    second one. Raises RecipeError naming file, stage and key.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise RecipeError(f"{path} is too large for a recipe", "a recipe is a short YAML list of stages")
        text = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise RecipeError(f"cannot read {path}: {error.strerror}", "see `vlcorpus recipes`") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        what = " ".join(str(error).split())[:200]
        raise RecipeError(f"{path} is no YAML: {what}", "check its indentation") from error
    if not isinstance(text, dict) or not isinstance(text.get("stages"), list):
        raise RecipeError(f"{path} has no list `stages`", "see `vlcorpus recipes --show demo` for an example")
    for key in text:
        if key not in {"about", "stages", "shard_rows"}:
            raise RecipeError(f"{path}: unknown key {key!r}", nearest(str(key), ("about", "stages", "shard_rows")))
    given = _overrides(overrides)
    unused = set(given)
    words = {"corpus": str(corpus), "beside": str(corpus.parent), "recipe": str(path.parent)}
    counts: dict[str, int] = {}
    stages = []
    for number, entry in enumerate(text["stages"], start=1):
        name, keys = _entry(path, number, entry)
        counts[name] = counts.get(name, 0) + 1
        values = {str(key).replace("-", "_"): _fill(value, words) for key, value in keys.items()}
        values |= from_environment(name)
        for place in ((name, 0), (name, counts[name])):
            values |= given.get(place, {})
            unused.discard(place)
        where = f"{path}, stage {number} {name}"
        try:
            stages.append(spec.build(registry.stage(name), values, where=where))
        except UsageError as error:
            raise RecipeError(error.message, error.hint) from error
    for name, number in sorted(unused):
        label = name if not number else f"{name}[{number}]"
        raise RecipeError(f"--set {label}: {path} has no such stage", nearest(name, counts))
    return Recipe(path, str(text.get("about", "")), text.get("shard_rows"), tuple(stages))


def _entry(path: Path, number: int, entry: Any) -> tuple[str, Mapping[str, Any]]:
    if isinstance(entry, str):
        entry = {entry: {}}
    if not isinstance(entry, dict) or len(entry) != 1:
        raise RecipeError(f"{path}, stage {number}: not `name: {{key: value}}`", "write one stage to an entry")
    name, keys = next(iter(entry.items()))
    if name not in registry.names():
        raise RecipeError(f"{path}, stage {number}: no stage {name!r}", nearest(str(name), registry.names()))
    if keys is None:
        keys = {}
    if not isinstance(keys, dict):
        raise RecipeError(f"{path}, stage {number} {name}: keys are missing", f"see `vlcorpus {name} --help`")
    return name, keys


def _fill(value: Any, words: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for word, meaning in words.items():
            value = value.replace("{" + word + "}", meaning)
        return value
    if isinstance(value, list):
        return [_fill(each, words) for each in value]
    return value


def _overrides(texts: Sequence[str]) -> dict[tuple[str, int], dict[str, Any]]:
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for text in texts:
        place, equals, value = text.partition("=")
        stage, dot, key = place.partition(".")
        name, bracket, number = stage.partition("[")
        digits = number.removesuffix("]")
        if not equals or not dot or not key or (bracket and not digits.isdigit()):
            raise UsageError(f"--set {text!r} is not stage.key=value", "as in `--set filter.min_sim=0.3`")
        try:
            parsed = yaml.safe_load(value)
        except yaml.YAMLError:
            parsed = value
        found.setdefault((name, int(digits) if digits else 0), {})[key.replace("-", "_")] = parsed
    return found


def from_environment(name: str) -> dict[str, Any]:
    """Settings of a stage from VLCORPUS_<STAGE>_<KEY>; lists are separated by spaces."""
    found: dict[str, Any] = {}
    prefix = "VLCORPUS_" + name.upper().replace("-", "_") + "_"
    for each in spec.settings_of(registry.stage(name)):
        text = os.environ.get(prefix + each.name.upper())
        if text is not None:
            found[each.name] = text.split() if each.many else text
    return found
