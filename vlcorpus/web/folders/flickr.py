"""The caption files of Flickr8k and Flickr30k, as they are handed around.

    kind(path)                                     "token", "bars", "commas" or None
    for file, text in captions(path, "token"): …   ("1000268201_693b08cb0e.jpg", "A child in a pink dress …")

    token    NAME#NUMBER <tab> caption             Flickr8k.token.txt, results_20130124.token
    bars     image_name| comment_number| comment   results.csv
    commas   image,caption                         captions.txt

None of them quotes as CSV does, but the last one, where captions hold commas. What is no such line is (None, None).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from vlcorpus.errors import SourceError
from vlcorpus.web.lists.files import open_text
from vlcorpus.web.lists.lines import lines, separated

TOKEN, BARS, COMMAS = "token", "bars", "commas"
# Names of the files, in lower case. Flickr8k's lemmatised captions, beside the real ones, are not among them.
NAMES = {
    "flickr8k.token.txt": TOKEN,
    "results_20130124.token": TOKEN,
    "flickr30k.token.txt": TOKEN,
    "results.csv": BARS,
    "captions.txt": COMMAS,
}
_TOKEN = re.compile(r"([^\t]+)#[0-9]+\t(.*)", re.DOTALL)
_FIRST = {
    TOKEN: re.compile(r"[^\t]+#[0-9]+\t"),
    BARS: re.compile(r"image_name\s*\|"),
    COMMAS: re.compile(r"image,caption\s*$"),
}


def kind(path: Path, *, named: bool = True) -> str | None:
    """What a file is by its name and its first line; by its first line alone where not `named`."""
    expected = NAMES.get(path.name.lower())
    if named and expected is None:
        return None
    try:
        with open(path, "rb") as file:
            first = file.read(2_000).removeprefix(b"\xef\xbb\xbf").split(b"\n")[0].decode("utf-8", "replace").strip()
    except OSError:
        return None
    found = next((each for each, pattern in _FIRST.items() if pattern.match(first)), None)
    return found if not named or found == expected else None


def captions(path: Path, kind: str) -> Iterator[tuple[str | None, str | None]]:
    """(file, text) of each line but a header and empty ones. Raises SourceError where the file cannot be read."""
    with open_text(path) as file:
        found = lines(file)
        if kind == TOKEN:
            yield from (_token(line) for line in found if line is None or line.strip())
            return
        if next(found, None) is None:
            raise SourceError(f"{path} has no first line that can be read", "it begins with the names of its columns")
        if kind == BARS:
            yield from (_bars(line) for line in found if line is None or line.strip())
            return
        for row in separated(found, ","):
            if row is None or len(row) == 1:
                yield None, None
            elif row:
                yield row[0], ",".join(row[1:])


def _token(line: str | None) -> tuple[str | None, str | None]:
    found = _TOKEN.fullmatch(line.rstrip("\r\n")) if line is not None else None
    return (found[1], found[2]) if found else (None, None)


def _bars(line: str | None) -> tuple[str | None, str | None]:
    fields = line.split("|", 2) if line is not None else []
    return (fields[0], fields[2]) if len(fields) == 3 else (None, None)
