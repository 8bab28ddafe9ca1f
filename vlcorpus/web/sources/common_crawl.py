"""Files of a Common Crawl by the crawl's name.

    name = crawl_name("cc:CC-MAIN-2024-22")
    every = paths(name, kind="wat", base=BASE_URL, network=reach)   90,000 paths, as in the crawl's wat.paths.gz
    eight = drawn(every, 8, seed=1)                                 8 of them, in the list's order
    file_at(BASE_URL, eight[0])                                     a SourceFile; its name is the path

The draw is without replacement and by hash: each path gets blake2b(seed, path), and the smallest are taken. So it
depends on nothing but the seed and the paths (not on their order or Python's version), and a larger draw holds every
smaller one of the same seed: asking for more files later keeps those that are done.

Costs one request, 0.2 to 1 MB. The base may be https://data.commoncrawl.org, s3://commoncrawl, another mirror or a
folder. Not for: finding pages in a crawl's index, or other data sets of Common Crawl (news).
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path

from vlcorpus.errors import SourceError, UsageError
from vlcorpus.io.places import protocol, shown
from vlcorpus.net.url import requestable
from vlcorpus.web.sources import remote, source_lists
from vlcorpus.web.sources.naming import SourceFile, kind, says
from vlcorpus.web.sources.remote import Reach

BASE_URL = "https://data.commoncrawl.org"
PREFIX = "cc:"
FOLDER = "crawl-data/"
KINDS = ("wat", "warc")

_NAME = re.compile(r"CC-MAIN-20[0-9]{2}(?:-[0-9]{2}|-20[0-9]{2})?")
_PATH = re.compile(r"crawl-data(?:/[A-Za-z0-9_=+-][A-Za-z0-9._=+-]*)+")
_HINT = "name a crawl by year and week, as cc:CC-MAIN-2024-22; they are listed at https://commoncrawl.org/get-started"


def crawl_name(source: str) -> str:
    """The crawl that `cc:CC-MAIN-2024-22` names. UsageError, with the likely name, for what names none."""
    name = source.removeprefix(PREFIX)
    if _NAME.fullmatch(name):
        return name
    raise UsageError(f"{source!r} names no Common Crawl", _likely(name) or _HINT)


def base(text: str) -> str:
    """A base URL or folder without the slash at its end. UsageError for what cannot be one."""
    hint = f"examples: {BASE_URL}, s3://commoncrawl, /mnt/mirror"
    if protocol(text) in ("http", "https"):
        url, reason = requestable(text)
        if reason is not None or "?" in url:
            raise UsageError(f"{shown(text)!r} cannot be a base URL: {reason or 'it has a query'}", hint)
        return url.rstrip("/")
    if not text.strip("/") or "\0" in text:
        raise UsageError(f"{text!r} cannot be a base URL", hint)
    if protocol(text) in ("file", "local"):
        text = text.partition("://")[2]
    return text.rstrip("/") if protocol(text) else os.path.abspath(text)


def paths(name: str, *, kind: str, base: str, network: Reach) -> list[str]:
    """All files of a kind ("wat" or "warc"), each once, in the order of the crawl's list. SourceError."""
    where = f"{base}/{FOLDER}{name}/{kind}.paths.gz"
    try:
        content = remote.read(where, source_lists.MAX_PACKED, network) if protocol(where) else Path(where)
        with source_lists.opened(content, shown(where)) as file:
            listed = source_lists.lines(file, shown(where))
            found = dict.fromkeys(_checked(line, number, shown(where)) for number, line in listed)
    except SourceError as error:
        raise SourceError(f"the files of {name} cannot be listed: {error.message}", error.hint or _HINT) from error
    wrong = next((path for path in found if says(path) != kind), None)
    if wrong is not None or not found:
        raise SourceError(f"{shown(where)} lists no {kind} files", f"is {shown(base)} a mirror of Common Crawl?")
    return list(found)


def drawn(paths: Sequence[str], files: int | None, seed: int) -> list[str]:
    """`files` of the paths without replacement, or all of them, in their order."""
    if files is None or files >= len(paths):
        return list(paths)
    ranks = [hashlib.blake2b(f"{seed}\0{path}".encode(), digest_size=16).digest() for path in paths]
    taken = sorted(range(len(paths)), key=ranks.__getitem__)[:files]
    return [paths[at] for at in sorted(taken)]


def file_at(base: str, path: str) -> SourceFile:
    """The file at a path under the base. SourceError for what is no path of a file with pages."""
    path = _checked(path, None, "")
    return SourceFile(path, f"{base}/{path}", kind(path, path), settled=True)


def _checked(path: str, number: int | None, where: str) -> str:
    # No dot segments: joined to a folder, they would lead out of it.
    if not _PATH.fullmatch(path):
        place = f" (line {number} of {where})" if where else ""
        raise SourceError(f"{path[:200]!r} is no path of Common Crawl{place}", f"they look like {FOLDER}CC-MAIN-…/….gz")
    return path


def _likely(name: str) -> str:
    """`did you mean`, for what is nearly a name."""
    found = re.fullmatch(r"\D*(20\d\d)\D?(\d{1,2})", name.strip())
    if found and 1 <= int(found[2]) <= 53:
        return f"did you mean {PREFIX}CC-MAIN-{found[1]}-{int(found[2]):02d}?"
    return ""
