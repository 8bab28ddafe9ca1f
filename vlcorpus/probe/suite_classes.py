"""Class names and prompt templates: in the suite, or in files as CLIP_benchmark has them.

    classes: [car, dog]                        # or label: [names]
    classes: classnames.txt                    # one a line, in the order of the labels' numbers
    classes: en_classnames.json                # {"eurosat": ["annual crop land", ...]}: `dataset:`, or the task's name
    templates: en_zeroshot_classification_templates.json        # {"eurosat": ["a photo of {c}."]}, or
                                                                # {"eurosat": {"forest": ["trees from above", ...]}}

A name that several classes share stands for the first alone; the others are labelled `name (4)` by their number, and
keep their prompts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vlcorpus.errors import SourceError, nearest
from vlcorpus.probe.suite_words import found, small, text, texts

DEFAULT_TEMPLATES = ("a photo of a {}.", "a {}", "{}")

Classes = dict[str, tuple[str, ...]]
Prompts = dict[str, tuple[str, ...]]


def classes(given: Any, names: Sequence[str], places: Sequence[Path], where: str) -> tuple[Classes, list[Path]]:
    """(label to its names in prompts, files read). `names`: under which a JSON file may have them."""
    if isinstance(given, str) and given.endswith((".txt", ".json")):
        path = found(given, places, f"classes of {where}")
        return _labelled(_listed(path, names), f"{path}"), [path]
    if isinstance(given, list):
        given = {text(name, f"a class of {where}"): [name] for name in given}
    if not isinstance(given, dict) or len(given) < 2:
        raise SourceError(f"{where} has no two classes", "give `classes:` as a list, or as label: [names]")
    return {
        text(label, f"a class of {where}"): texts(each, f"class {label!r} of {where}") for label, each in given.items()
    }, []


def labelled(names: Sequence[str]) -> Classes:
    """Names by number as labels that differ, each with its name."""
    made: Classes = {}
    for number, name in enumerate(names):
        made[name if name not in made else f"{name} ({number})"] = (name,)
    return made


def templates(
    given: Any, names: Sequence[str], places: Sequence[Path], known: Classes, where: str
) -> tuple[tuple[str, ...], Prompts, list[Path]]:
    """(templates, prompts of single classes instead, files read)."""
    read: list[Path] = []
    if isinstance(given, str) and given.endswith((".txt", ".json")):
        path = found(given, places, f"templates of {where}")
        read, given = [path], _listed(path, names)
    if isinstance(given, Mapping):
        return (), _own_prompts(given, known, where), read
    listed = texts(given, f"templates of {where}")
    for template in listed:
        if "{}" not in template and "{c}" not in template:
            raise SourceError(f"template {template!r} of {where} has no place for the class", "put {} where it goes")
    return listed, {}, read


def filled(names: Sequence[str], with_templates: Sequence[str]) -> list[str]:
    """The prompts of one class. The class goes where a template says `{}` or `{c}`; nothing else is interpreted."""
    return [template.replace("{c}", name).replace("{}", name) for name in names for template in with_templates]


def lines(path: Path) -> list[str]:
    """The lines of a text file, without white space at their ends."""
    return [line.strip() for line in small(path).splitlines()]


def _labelled(names: Any, where: str) -> Classes:
    if not isinstance(names, list) or len(names) < 2:
        raise SourceError(f"{where} has no two classes", "give a list of names")
    return labelled([text(name, where) for name in names])


def _listed(path: Path, names: Sequence[str]) -> Any:
    if path.suffix == ".txt":
        return lines(path)
    try:
        stored = json.loads(small(path))
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{path} cannot be read: {error}", "give JSON as CLIP_benchmark has it") from error
    if not isinstance(stored, dict):
        return stored
    for name in names:
        if name in stored:
            return stored[name]
    raise SourceError(f"{path} has nothing for {names[0]!r}", f"set `dataset:`; {nearest(names[0], map(str, stored))}")


def _own_prompts(given: Mapping[Any, Any], known: Classes, where: str) -> Prompts:
    prompts: Prompts = {}
    for label, names in known.items():
        own = given.get(names[0], given.get(label))
        if own is None:
            raise SourceError(
                f"templates of {where} have no prompts for {names[0]!r}", nearest(names[0], map(str, given))
            )
        prompts[label] = texts(own, f"prompts of {names[0]!r} in {where}")
    return prompts
