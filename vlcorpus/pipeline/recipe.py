"""Recipes: a YAML list of stages, with the names and keys of the subcommands.

    about: What this recipe is for.
    stages:
      - import: {source: urls.parquet}
      - download: {image_size: 512}
      - filter: {min_sim: 0.28}

In texts `{corpus}` stands for the corpus folder, `{beside}` for the folder it lies in, `{recipe}` for that of the
recipe. Errors name file, stage and key. --set > VLCORPUS_<STAGE>_<KEY> > recipe > default.

    judging(load(find("laion400m"), corpus=Path("birds"), flags={"min_sim": "0.28"}))      what `filter --recipe` does

are a recipe's stages that judge (embed, score, filter), in its order; flags are keys of its filter, before --set.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import assets, spec
from ..errors import RecipeError, UsageError, nearest
from ..io.plain_yaml import PlainYamlError, parse
from ..stages import places, registry
from ..stages.base import Stage
from ..stages.score import Score

LARGEST = 100_000  # bytes
KEYS = ("about", "shard_rows", "stages")
JUDGING = ("embed", "score", "filter")
FILTER = "filter"
_ELSEWHERE = ("VLCORPUS_DOWNLOAD_SHARD_RANGE",)  # of the command, not of the stage
_WORD = re.compile(r"\{([a-z]+)\}")


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
    if path.exists() and name not in assets.recipes():
        raise UsageError(f"{name} is no file", "name a recipe file, or one that ships: see `vlcorpus recipes`")
    known = assets.recipes()
    stem = path.stem if path.suffix in {".yaml", ".yml"} else name
    if stem in known and str(path.parent) in {".", "pipelines"}:
        return known[stem]
    raise UsageError(f"no recipe {name}", nearest(stem, known))


def load(
    path: Path, *, corpus: Path | str, overrides: Sequence[str] = (), flags: Mapping[str, Any] | None = None
) -> Recipe:
    """Read and check a whole recipe before anything runs.

    corpus: the path of its folder, or the address of one in a store.
    overrides: texts `stage.key=value` (YAML values) for every stage of that name, or `stage[2].key=value` for the
    second one. flags: keys of its filter. Raises RecipeError naming file, stage and key.
    """
    text = _read(path)
    for key in text:
        if key not in KEYS:
            raise RecipeError(f"{path}: unknown key {key!r}", nearest(str(key), KEYS))
    if not isinstance(text.get("stages"), list) or not text["stages"]:
        raise RecipeError(f"{path} has no list `stages`", "see `vlcorpus recipes --show demo` for an example")
    if not isinstance(text.get("about", ""), str):
        raise RecipeError(f"{path}: about is no text", "say in a sentence what the recipe is for")
    given = _overrides(overrides)
    if flags:
        _check_one_filter(path, text["stages"])
        typed = spec.checked(registry.stage(FILTER), flags, where=FILTER)
        given[FILTER, 1] = given.get((FILTER, 1), {}) | typed
    unused = set(given)
    words = {"corpus": str(corpus), "beside": str(_beside(corpus)), "recipe": str(path.parent)}
    counts: dict[str, int] = {}
    stages = []
    for number, entry in enumerate(text["stages"], start=1):
        name, keys = _entry(path, number, entry)
        counts[name] = counts.get(name, 0) + 1
        places = [place for place in ((name, 0), (name, counts[name])) if place in given]
        unused.difference_update(places)
        typed = {key: value for place in places for key, value in given[place].items()}
        where = f"{path}, stage {number} {name}"
        cls = registry.stage(name)
        try:
            values = spec.checked(cls, {key: _fill(value, words, where) for key, value in keys.items()}, where=where)
            values |= from_environment(name, but=typed)
            values |= spec.checked(cls, typed, where=f"--set {name}")
            stages.append(spec.build(cls, values, where=where))
        except UsageError as error:
            raise RecipeError(error.message, error.hint) from error
    for name, number in sorted(unused):
        label = name if not number else f"{name}[{number}]"
        raise RecipeError(f"--set {label}: {path} has no such stage", nearest(name, counts))
    return Recipe(path, text.get("about", ""), _shard_rows(path, text), tuple(stages))


def judging(recipe: Recipe) -> tuple[Stage, ...]:
    """The stages of a recipe that judge pairs, without those that bring, place, export or measure them.

    A recipe that decides on candidates is not given embeddings and scores of images: its candidates may have none.
    Raises RecipeError for a recipe that decides nothing, or on candidates and images.
    """
    kinds = {getattr(stage, "of", "images") for stage in recipe.stages if stage.name == FILTER}
    if not kinds:
        raise RecipeError(f"{recipe.path} decides nothing: it has no filter", "see `vlcorpus recipes`")
    if len(kinds) > 1:
        raise RecipeError(f"{recipe.path} decides on candidates and on images", "decide on one: --set filter.of=images")
    return tuple(
        stage for stage in recipe.stages if stage.name in JUDGING and (kinds == {"images"} or _of_words(stage))
    )


def _of_words(stage: Stage) -> bool:
    """Whether a stage that judges needs no image."""
    return stage.name == FILTER or (isinstance(stage, Score) and stage.scorer.of == "candidates")


def _check_one_filter(path: Path, stages: Sequence[Any]) -> None:
    names = [next(iter(each), None) if isinstance(each, dict) else each for each in stages]
    if names.count(FILTER) != 1:
        said = "no filter" if FILTER not in names else f"{names.count(FILTER)} filters"
        raise RecipeError(f"{path} has {said}", "say which one is meant: --set filter[1].min_sim=0.3")


def _read(path: Path) -> dict[Any, Any]:
    try:
        with open(path, "rb") as file:
            raw = file.read(LARGEST + 1)
    except OSError as error:
        raise RecipeError(f"cannot read {path}: {error.strerror}", "see `vlcorpus recipes`") from error
    if len(raw) > LARGEST:
        raise RecipeError(f"{path} is too large for a recipe", "a recipe is a short YAML list of stages")
    try:
        text = parse(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path} is no text in UTF-8", "name a YAML file") from error
    except PlainYamlError as error:
        raise RecipeError(f"{path}, {error}", "see `vlcorpus recipes --show demo` for an example") from error
    if not isinstance(text, dict):
        raise RecipeError(f"{path} has no list `stages`", "see `vlcorpus recipes --show demo` for an example")
    return text


def _shard_rows(path: Path, text: Mapping[Any, Any]) -> int | None:
    setting = next(each for each in spec.settings_of(registry.stage("import")) if each.name == "shard_rows")
    try:
        found: int | None = spec.check(setting, text.get("shard_rows"), where=str(path))
    except UsageError as error:
        raise RecipeError(error.message, error.hint) from error
    return found


def _beside(corpus: Path | str) -> Path | str:
    """The folder that the corpus lies in, without looking at the disk."""
    if isinstance(corpus, str):
        return places.parent(corpus)
    return corpus / ".." if corpus.name in {"", ".."} else corpus.parent


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


def _fill(value: Any, words: Mapping[str, str], where: str) -> Any:
    if isinstance(value, str):
        for word in _WORD.findall(value):
            if word not in words:
                raise UsageError(f"no word {{{word}}} ({where})", nearest(word, words))
        return _WORD.sub(lambda found: words[found[1]], value)
    if isinstance(value, list):
        return [_fill(each, words, where) for each in value]
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
            parsed = parse(value)
        except PlainYamlError:
            parsed = value
        found.setdefault((name, int(digits) if digits else 0), {})[key.replace("-", "_")] = parsed
    return found


def from_environment(name: str, *, but: Collection[str] = ()) -> dict[str, Any]:
    """Settings of a stage from VLCORPUS_<STAGE>_<KEY>, but for some keys; lists are separated by spaces, an empty
    variable says nothing. Raises UsageError naming the variable.
    """
    cls = registry.stage(name)
    prefix = "VLCORPUS_" + name.upper().replace("-", "_") + "_"
    known = {prefix + each.name.upper(): each for each in spec.settings_of(cls)}
    found: dict[str, Any] = {}
    for variable, text in sorted(os.environ.items()):
        if not variable.startswith(prefix) or not text:
            continue
        if variable in _ELSEWHERE:
            continue
        if variable not in known:
            raise UsageError(f"unknown environment variable {variable}", nearest(variable, known))
        each = known[variable]
        if each.name not in but:
            found[each.name] = spec.check(each, text.split() if each.many else text, where=f"environment, {variable}")
    return found
