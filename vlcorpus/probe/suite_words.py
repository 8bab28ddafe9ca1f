"""Checks on what a suite says: texts, lists of texts, keys, and paths that stay where they belong.

    text("car", "a class of task 1")            -> "car"
    texts(["a {}", "{c}!"], "templates of …")   -> ("a {}", "{c}!")
    inside(root, "../a.png", "line 3 of t.csv") -> SourceError
    found("t.csv", [suite_folder, root], …)     -> Path, inside one of the two

Everything raises SourceError that names the place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vlcorpus.errors import SourceError, nearest

LARGEST_LIST = 16 << 20
"""Bytes of a file with class names or templates"""


class Missing(SourceError):
    """What a task needs is not there."""


def text(given: Any, where: str) -> str:
    if not isinstance(given, str) or not given.strip():
        raise SourceError(f"{where}: {given!r} is not a text", "quote it, if YAML takes it for something else")
    return given


def texts(given: Any, where: str) -> tuple[str, ...]:
    given = [given] if isinstance(given, str) else given
    if not isinstance(given, list) or not given:
        raise SourceError(f"{where}: {given!r} is not a list of texts", "quote each text")
    return tuple(text(each, where) for each in given)


def flag(given: Any, where: str) -> bool:
    if not isinstance(given, bool):
        raise SourceError(f"{where}: {given!r} is not true or false", "give one of the two")
    return given


def known_keys(given: Mapping[Any, Any], known: Sequence[str], where: str) -> None:
    for key in given:
        if key not in known:
            raise SourceError(f"{where} has an unknown key {key!r}", nearest(str(key), known))


def inside(root: Path, file: str, where: str) -> None:
    """Refuses a name that leads out of `root`; a link that does is found where the file is opened."""
    parts = Path(file)
    if parts.is_absolute() or ".." in parts.parts or "\0" in file:
        raise SourceError(f"{where} points outside {root}", "set `root:` to the directory of the images")


def found(given: str, places: Sequence[Path], where: str) -> Path:
    """The file or folder of that name in the first of the places that has it, and really inside it.

    Missing where none has it, SourceError where the name or a link leads out.
    """
    for place in places:
        path = place / given
        if path.exists():
            if not path.resolve().is_relative_to(place.resolve()):
                continue
            return path
    if any((place / given).exists() for place in places):
        raise SourceError(f"{where} points outside {places[0]}", "set `root:` to the directory that holds everything")
    raise Missing(f"{places[-1] / given} is not there", f"{where} names it")


def small(path: Path, most: int = LARGEST_LIST) -> str:
    """A text file of a suite, in UTF-8."""
    try:
        if path.stat().st_size > most:
            raise SourceError(f"{path} has more than {most >> 20} MB", "give a list of names")
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} cannot be read: {error}", "give a text file in UTF-8") from error
