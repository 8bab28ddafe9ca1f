"""What a person names as the sources of a crawl becomes files that can be read, and seeds.

    found = resolve(["a.warc.gz", "cc:CC-MAIN-2024-22", "https://example.org/"], files=8, network=reach)
    found.files          SourceFile(name="a.warc.gz", kind="warc"), …    each file once, in the order named
    found.seeds          ("https://example.org/",)
    found.notes          what a person should be told

| named | is |
|---|---|
| a.warc.gz, a.wat, '*.warc.gz' | files here; of a folder all WARC and WAT files in it and below, sorted |
| files.txt, wat.paths.gz | a list: a path or address a line; `crawl-data/…` is below the base URL, others beside it |
| https://…/a.warc.gz | a file to fetch; `….paths`, `….paths.gz` a list |
| https://… (all others) | a seed of a live crawl: a page, a sitemap |
| s3://…, gs://…, file://… | a file, a pattern or a list in a store |
| cc:CC-MAIN-2024-22 | files of a Common Crawl: `files` of them, drawn by `seed` (common_crawl.py) |

A list that was fetched is a stranger's: it may name http and https addresses and files of its own store, and no file of
this machine. Nothing is opened but lists. Cost: 20 microseconds a file. Not for: lists of images (lists.py).
"""

from __future__ import annotations

import glob
import os
import posixpath
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vlcorpus.errors import SourceError, UsageError
from vlcorpus.io.places import opened, protocol, shown
from vlcorpus.net.url import requestable
from vlcorpus.web.sources import common_crawl, remote, source_lists, storage
from vlcorpus.web.sources.common_crawl import BASE_URL
from vlcorpus.web.sources.naming import SourceFile, kind, local, says, text
from vlcorpus.web.sources.remote import Reach, identity, spooled

__all__ = ["BASE_URL", "Reach", "Resolved", "SourceFile", "identity", "local", "resolve", "spooled"]

_WEB = ("http", "https")
_HERE = ("file", "local")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")
_NOT_FOUND = "seeds begin with http:// or https://; files must exist"


@dataclass(frozen=True, slots=True)
class Resolved:
    """files: each once, in the order named. seeds: addresses of pages, each once, as named. notes: for a person."""

    files: tuple[SourceFile, ...]
    seeds: tuple[str, ...]
    notes: tuple[str, ...] = ()


def resolve(
    sources: Sequence[str],
    *,
    network: Reach,
    files: int | None = None,
    seed: int = 0,
    kind: str = "wat",
    base_url: str = BASE_URL,
) -> Resolved:
    """Look up what `sources` name. UsageError for words that cannot be meant, SourceError for what is not there."""
    if files is not None and files < 1:
        raise UsageError(f"files is {files}", "draw at least 1")
    if kind not in common_crawl.KINDS:
        raise UsageError(f"kind {kind!r} is none of Common Crawl's with images", "kinds: wat, warc")
    gathering = _Gathering(network, common_crawl.base(base_url))
    for source in sources:
        if source.startswith(common_crawl.PREFIX):
            gathering.common_crawl(source, files, seed, kind)
        else:
            gathering.named(source)
    if files is not None and not any(source.startswith(common_crawl.PREFIX) for source in sources):
        gathering.notes.append("--files draws from cc: sources only, and none is named")
    return Resolved(tuple(gathering.files.values()), tuple(gathering.seeds.values()), tuple(gathering.notes))


@dataclass(frozen=True, slots=True)
class _List:
    """folder: what relative paths are joined to. is_here: a file of this machine, which may name others of it."""

    shown: str
    folder: str
    is_here: bool


class _Gathering:
    """Files by what makes them the same, and seeds by the URL they ask for."""

    def __init__(self, network: Reach, base: str) -> None:
        self._network, self._base = network, base
        self.files: dict[str, SourceFile] = {}
        self.seeds: dict[str, str] = {}
        self.notes: list[str] = []

    def common_crawl(self, source: str, files: int | None, seed: int, kind: str) -> None:
        name = common_crawl.crawl_name(source)
        every = common_crawl.paths(name, kind=kind, base=self._base, network=self._network)
        if files is not None and files > len(every):
            self.notes.append(f"{name} has {len(every):,} {kind} files, fewer than {files:,}: all are taken")
        for path in common_crawl.drawn(every, files, seed):
            self._add(common_crawl.file_at(self._base, path))

    def named(self, source: str) -> None:
        """One of the sources, whatever it is."""
        if "\0" in source or not source:
            raise UsageError(f"{source!r} names no file", _NOT_FOUND)
        where = protocol(source)
        if where in _WEB:
            if _is_web_list(source):
                self._fetched_list(_requestable(source))
            else:
                self._web(source)
        elif where and where not in _HERE:
            self._stored(source)
        else:
            self._here(source.partition("://")[2] if where else source)

    # --- files here ---

    def _here(self, source: str) -> None:
        if os.path.isfile(source):
            self._file_or_list(source)
        elif os.path.isdir(source):
            self._folder(source)
        else:
            is_pattern = glob.has_magic(source)
            matching = [each for each in sorted(glob.glob(source, recursive=True)) if os.path.isfile(each)]
            if not is_pattern or not matching:
                raise SourceError(f"no WARC file at {source}", _NOT_FOUND)
            for each in matching:
                self._file_or_list(each)

    def _file_or_list(self, path: str) -> None:
        if says(path) != "list":
            self._file(path, os.path.basename(path))
            return
        origin = _List(path, os.path.dirname(os.path.abspath(path)), is_here=True)
        with source_lists.opened(Path(path), path) as file:
            self._from_list(source_lists.lines(file, path), origin)

    def _file(self, path: str, name: str) -> None:
        self._add(SourceFile(text(name), os.path.abspath(path), kind(path, path)))

    def _folder(self, folder: str) -> None:
        found: list[tuple[str, str]] = []
        left_out = 0
        for below, folders, names in os.walk(folder):
            folders.sort()
            for name in names:
                path = os.path.join(below, name)
                if says(name) in ("wat", "warc") and os.path.isfile(path):
                    found.append((Path(path).relative_to(folder).as_posix(), path))
                elif says(name) in ("wet", "arc"):
                    left_out += 1
        if left_out:
            self.notes.append(f"{folder}: {left_out:,} WET or ARC files are left out")
        if not found:
            raise SourceError(f"no WARC file in {folder}", "names of WARC and WAT files end as in a.warc.gz, a.wat.gz")
        for name, path in sorted(found):
            self._file(path, name)

    # --- files elsewhere ---

    def _web(self, address: str) -> None:
        url = _requestable(address)
        if says(url) in ("", "list"):
            self.seeds.setdefault(url, address)
        else:
            self._add(SourceFile(shown(url), url, kind(url, shown(url))))

    def _stored(self, address: str) -> None:
        if address.endswith("/"):
            raise UsageError(
                f"{shown(address)!r} cannot be crawled: bad_scheme",
                "seeds are http and https URLs; in a store, name files, as s3://bucket/*.warc.gz",
            )
        if not glob.has_magic(address):
            matching = [address]
        elif not (matching := storage.glob(address)):
            raise SourceError(f"no WARC file at {shown(address)}", "does the pattern match the files' names?")
        for each in matching:
            if says(each) == "list":
                self._fetched_list(each)
            else:
                self._stored_file(each)

    def _stored_file(self, address: str) -> None:
        opened(address)  # before any work, because its library may be missing
        self._add(SourceFile(text(shown(address)), address, kind(address, shown(address))))

    def _fetched_list(self, address: str) -> None:
        origin = _List(shown(address), address.rpartition("/")[0], is_here=False)
        content = remote.read(address, source_lists.MAX_PACKED, self._network)
        with source_lists.opened(content, origin.shown) as file:
            self._from_list(source_lists.lines(file, origin.shown), origin, address)

    # --- lines of lists ---

    def _from_list(self, lines: Iterable[tuple[int, str]], origin: _List, address: str = "") -> None:
        for number, line in lines:
            where = f"line {number} of {origin.shown}"
            try:
                if line.startswith(common_crawl.FOLDER):
                    self._add(common_crawl.file_at(self._base, line))
                elif says(line) == "list" and (protocol(line) not in _WEB or _is_web_list(line)):
                    raise SourceError("a list in a list is not followed", "name it by itself")
                elif origin.is_here:
                    self._from_own_list(line, origin)
                else:
                    self._from_strange_list(line, origin, address)
            except (SourceError, UsageError) as error:
                raise SourceError(f"{where}: {error.message}", error.hint) from error

    def _from_own_list(self, line: str, origin: _List) -> None:
        where = protocol(line)
        if where in _WEB:
            self._web(line)
        elif where and where not in _HERE:
            self._stored_file(line)
        else:
            path = os.path.join(origin.folder, line.partition("://")[2] if where else line)
            if not os.path.isfile(path):
                raise SourceError(f"no WARC file at {line}", "relative paths begin at the list's folder")
            self._file(path, os.path.basename(path))

    def _from_strange_list(self, line: str, origin: _List, address: str) -> None:
        where = protocol(address)
        hint = "a fetched list may name http and https addresses and files beside it; keep a copy if you trust it"
        if protocol(line) in _WEB:
            self._web(line)
        elif where in _WEB:
            # Without an ending that says so, it may be a line of an error page.
            url, reason = requestable(line, address)
            if reason is not None or not says(url):
                raise SourceError(f"{line[:200]!r} may not be named by a list from there", hint)
            self._web(url)
        elif protocol(line) == where:
            self._stored_file(line)
        elif _SCHEME.match(line) or line.startswith("/") or ".." in line.split("/") or not says(line):
            raise SourceError(f"{line[:200]!r} may not be named by a list from there", hint)
        else:
            self._stored_file(posixpath.join(origin.folder, line))

    def _add(self, file: SourceFile) -> None:
        same = file.location if protocol(file.location) else os.path.realpath(file.location)
        self.files.setdefault(same, file)


def _is_web_list(address: str) -> bool:
    """Of addresses only .paths are lists: a .txt may well be a sitemap."""
    return re.search(r"\.paths(?:\.gz)?\Z", re.split(r"[?#]", address, maxsplit=1)[0], re.IGNORECASE) is not None


def _requestable(address: str) -> str:
    url, reason = requestable(address)
    if reason is not None:
        raise UsageError(f"{shown(address)!r} cannot be crawled: {reason}", "seeds are http and https URLs")
    return url
