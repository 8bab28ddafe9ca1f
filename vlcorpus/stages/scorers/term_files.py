"""Lists of terms as a person gives them: one a line, or a JSON list.

read_terms(Path("classes.txt"))        [("dog", "n02084071"), ("hot dog", "hot dog")]      term, and its id or itself
read_entries(Path("metadata.json"))    ["entity", "physical entity", ...]                  as they are written
digest(Path("lists"))                  names the content of a file, or of a folder's lists

Text files are UTF-8, gzip or not; empty lines and those that start with # are no terms. At most MAX_TERMS of MAX_LENGTH
characters, MAX_TOTAL in all; SourceError names the line that cannot be.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from ...errors import SourceError

MAX_TERMS = 2_000_000
MAX_LENGTH = 256  # MetaCLIP's bound
MAX_TOTAL = 32_000_000
MAX_READ = 4 * MAX_TOTAL

Term = TypeVar("Term")

ENDINGS = (".txt", ".txt.gz", ".json")


def read_terms(path: Path) -> list[tuple[str, str]]:
    """(term, name) of each line `term` or `term TAB id`."""
    found = []
    for line in _checked(path, _lines(path)):
        term, _, name = line.partition("\t")
        term, name = term.strip(), name.strip()
        if term:
            found.append((term, name or term))
    return _some(path, found)


def read_entries(path: Path) -> list[str]:
    """The different entries, in their order: of a JSON list as they are, of a text file without white space around."""
    lines = _json(path) if path.name.endswith(".json") else _lines(path)
    return _some(path, list(dict.fromkeys(entry for entry in _checked(path, lines) if entry.strip())))


def lists_in(folder: Path) -> dict[str, Path]:
    """The lists of a folder by language code: en.txt, de.txt.gz, zh.json, any.txt. SourceError where it has none."""
    try:
        files = sorted(each for each in folder.iterdir() if each.is_file() and not each.name.startswith("."))
    except OSError as error:
        raise SourceError(f"{folder} cannot be read: {error.strerror or error}") from error
    found: dict[str, Path] = {}
    for file in files:
        for ending in ENDINGS:
            if file.name.endswith(ending):
                code = file.name.removesuffix(ending).lower()
                if code in found:
                    raise SourceError(f"{found[code]} and {file} are both lists of {code}", "leave one of them")
                found[code] = file
    if not found:
        raise SourceError(f"{folder} has no list of terms", "name its files by language: en.txt, de.txt, any.txt")
    return found


def digest(path: Path) -> str:
    """sha256 of a file, or of the lists of a folder with their codes."""
    hashed = hashlib.sha256()
    files = {"": path} if not path.is_dir() else lists_in(path)
    for code, file in files.items():
        try:
            with open(file, "rb") as opened:
                hashed.update(f"{code} {hashlib.file_digest(opened, 'sha256').hexdigest()}\n".encode())
        except OSError as error:
            raise SourceError(f"{file} cannot be read: {error.strerror or error}") from error
    return hashed.hexdigest()


def _lines(path: Path) -> Iterator[str]:
    from ...web.lists.files import open_text
    from ...web.lists.lines import lines

    read = 0
    with open_text(path) as file:
        for line in lines(file):
            if line is None:
                raise SourceError(f"{path} has a line that is too long to be a term", "write one term a line")
            read += len(line)
            if read > MAX_READ:
                raise SourceError(f"{path} has more than {MAX_READ:,} characters", "divide the list")
            yield "" if line.startswith("#") else line.strip()


def _json(path: Path) -> Iterator[str]:
    try:
        if path.stat().st_size > 4 * MAX_READ:
            raise SourceError(f"{path} has more than {4 * MAX_READ:,} bytes", "divide the list")
        listed = json.loads(path.read_bytes())
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{path} is no JSON: {str(error)[:100]}", "write a list of texts") from error
    if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
        raise SourceError(f"{path} is no list of texts", 'write a JSON list: ["dog", "cat"]')
    yield from listed


def _checked(path: Path, lines: Iterator[str]) -> Iterator[str]:
    """The lines that have something, refused where they cannot be terms."""
    count = total = 0
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        try:
            line.encode()
        except UnicodeEncodeError:
            raise SourceError(f"term {number} of {path} is not in UTF-8", "convert it to UTF-8 first") from None
        if len(line) > MAX_LENGTH:
            raise SourceError(f"term {number} of {path} has more than {MAX_LENGTH} characters", "write one term a line")
        count, total = count + 1, total + len(line)
        if count > MAX_TERMS or total > MAX_TOTAL:
            raise SourceError(f"{path} has more than {MAX_TERMS:,} terms, or {MAX_TOTAL:,} letters", "divide the list")
        yield line


def _some(path: Path, terms: list[Term]) -> list[Term]:
    if not terms:
        raise SourceError(f"{path} has no term", "write one term a line; lines that start with # are comments")
    return terms
