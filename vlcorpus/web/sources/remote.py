"""Remote files whole: over http and https, and from whatever fsspec knows (s3://, gs:// …).

    reach = Reach(manners)
    read("https://data.commoncrawl.org/crawl-data/CC-MAIN-2024-22/wat.paths.gz", 10_000_000, reach)       its bytes
    stat("https://example.org/a.warc.gz", reach)                                  Stat(size=…, tag='"5e1c…"')
    identity(file, network=reach)                                                 names its content, without reading it
    with spooled(file, Path("mycorpus/spool"), network=reach) as path: ...        a local file, gone afterwards

Busy servers (403, 429, 5xx) and broken lines are met with patience (tries.py); every problem in the end is a
SourceError that names the address without its secrets. Cost: about 1 s of CPU a GB, and the disk space of the files
being read. Not for: parts of files.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from vlcorpus.errors import SourceError
from vlcorpus.io.places import protocol, shown
from vlcorpus.net.response import Manners
from vlcorpus.web.sources.file_out import FileOut
from vlcorpus.web.sources.naming import SourceFile, local
from vlcorpus.web.sources.tries import Attempts, Patience, Stat, persist

MAX_BYTES = 100_000_000_000


@dataclass(frozen=True)
class Reach:
    """How remote files are reached. manners: whose name is said, what addresses may be connected to, and the seed of
    the waits; its own retries are for pages, not for files. sleep: how to wait."""

    manners: Manners
    patience: Patience = field(default_factory=Patience)
    sleep: Callable[[float], None] = field(default=time.sleep, compare=False)


def stat(location: str, reach: Reach) -> Stat:
    """What is told about a file without reading it. SourceError."""
    if protocol(location) in ("http", "https"):
        from vlcorpus.web.sources import http_file

        with http_file.Look(location, reach.manners, reach.patience) as look:
            _persist(location, look, reach)
            return look.found
    from vlcorpus.web.sources import storage

    told = storage.Look(location)
    _persist(location, told, reach)
    return told.found


def read(location: str, most: int, reach: Reach) -> bytes:
    """The bytes of a file of at most `most`. SourceError."""
    into = io.BytesIO()
    _copy(location, FileOut(location, into, most), reach)
    return into.getvalue()


def identity(file: SourceFile, *, network: Reach) -> str:
    """What names the content of a file: 32 hex characters of a local one's bytes (read whole), the name of a Common
    Crawl file, else what the server says of size and version. Where it says neither, only the address counts."""
    if file.settled:
        return f"cc:{file.name}"
    if (path := local(file)) is not None:
        try:
            with open(path, "rb") as opened:
                return hashlib.file_digest(opened, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
        except OSError as error:
            raise SourceError(f"{path} cannot be read: {error.strerror}", "give a file that you may read") from error
    told = stat(file.location, network)
    parts = (str(told.size), told.tag) if told.tag else (str(told.size), shown(file.location))
    return "told:" + hashlib.blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


@contextlib.contextmanager
def spooled(file: SourceFile, folder: Path, *, network: Reach, most: int = MAX_BYTES) -> Iterator[Path]:
    """A path to read the file at: where it lies if that is here, else a copy in `folder`, which is removed afterwards.

    The folder is made if it is missing, and then removed too. The name of the copy depends on the file alone: what a
    killed run left is overwritten by the next. So one file is to be read by one reader of a folder at a time.
    """
    if (path := local(file)) is not None:
        if not path.is_file():
            raise SourceError(f"{path} does not exist", "was it moved?")
        yield path
        return
    hashed = hashlib.blake2b(file.location.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    copy = folder / f"spool-{hashed}"
    is_ours = not folder.exists() or copy.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        copy.unlink(missing_ok=True)
        into = open(copy, "xb", buffering=0)  # noqa: SIM115
    except OSError as error:
        raise SourceError(
            f"nothing can be stored in {folder}: {error.strerror}", "make room, or give a folder"
        ) from error
    try:
        with into:
            _copy(file.location, FileOut(file.location, into, most, folder), network)
        yield copy
    finally:
        copy.unlink(missing_ok=True)
        if is_ours:
            with contextlib.suppress(OSError):  # somebody else's files are in it
                folder.rmdir()


def _copy(location: str, out: FileOut, reach: Reach) -> None:
    if protocol(location) in ("http", "https"):
        from vlcorpus.web.sources import http_file

        with http_file.Download(location, out, reach.manners, reach.patience) as download:
            _persist(location, download, reach)
        return
    from vlcorpus.web.sources import storage

    _persist(location, storage.Copy(location, out), reach)


def _persist(location: str, work: Attempts, reach: Reach) -> None:
    persist(location, work, reach.patience, seed=reach.manners.seed, sleep=reach.sleep)
