"""What the names of files and addresses say, and how they are shown.

    says("CC-MAIN-0.warc.wat.gz")                             "wat"
    says("https://example.org/a.warc.gz")                     "warc"
    says("wat.paths.gz")                                      "list"
    shown("https://me:secret@example.org/a.warc.gz?key=1")    "https://example.org/a.warc.gz"

`shown` is what may stand in messages and tables: user names, passwords, queries (signatures of presigned addresses) and
fragments stay out of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from vlcorpus.errors import SourceError
from vlcorpus.io.places import protocol

_STORED = re.compile(r"\.(warc|wat|wet|arc)(?:\.(?:gz|zst|zstd|lz4))?\Z", re.IGNORECASE)
_LIST = re.compile(r"\.(?:txt|paths)(?:\.gz)?\Z", re.IGNORECASE)
_LONGEST_ENDING = 16
_NO_PAGES = {
    "wet": "WET files hold plain text, without images; give the WARC or WAT file of the same name",
    "arc": "ARC files are not read; convert them to WARC first",
}


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to extract from.

    name: what tables call it: of a Common Crawl file the path under the base URL, of a local one its name (in a named
    folder: the path below it), else the address without what may be secret. location: absolute path or address.
    kind: "wat" or "warc" as the name says, "" if only its content can tell. settled: what lies under this name never
    changes, wherever it is fetched from.
    """

    name: str
    location: str = field(repr=False)
    kind: str
    settled: bool = False


def says(name: str) -> str:
    """warc, wat, wet, arc or list; "" for any other ending. An address is judged without query and fragment."""
    if "://" in name:
        name = re.split(r"[?#]", name, maxsplit=1)[0]
    ending = name.rpartition("/")[2][-_LONGEST_ENDING:]
    if _LIST.search(ending):
        return "list"
    found = _STORED.search(ending)
    return found[1].lower() if found else ""


def kind(name: str, where: str) -> str:
    """wat, warc or "". SourceError, naming `where`, for what is known to hold no pages."""
    found = says(name)
    if found in _NO_PAGES:
        raise SourceError(f"{where} holds no pages that could be read", _NO_PAGES[found])
    return found if found in ("wat", "warc") else ""


def local(file: SourceFile) -> Path | None:
    """The path of a file on this machine, None for what has to be fetched."""
    return None if protocol(file.location) else Path(file.location)


def text(name: str) -> str:
    """A file's name as Unicode: bytes that are not UTF-8 are written as \\xNN."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
