"""Files in object stores and other places that fsspec knows: s3://, gs://, hf://, abfs://, memory:// …

    filesystem, path = opened("s3://commoncrawl/crawl-data/CC-MAIN-2024-22/wat.paths.gz")
    stat("s3://bucket/a.warc.gz")                    Stat(size=1_073_741_824, tag="ETag \\"9b2c…\\"")
    Look("s3://bucket/a.warc.gz"), Copy("s3://bucket/a.warc.gz", out)      to be tried until done (tries.py)
    glob("s3://bucket/crawl/*.warc.gz")              ["s3://bucket/crawl/a.warc.gz", …]

Credentials, endpoints and proxies are those that the store's own library finds (environment, configuration files). http
addresses are not opened here but by transfer.py, which checks where it connects to, and for the same reason addresses
that wrap others (`simplecache::https://…`, zip://) are refused.
"""

from __future__ import annotations

from typing import Any

from vlcorpus.errors import SourceError, UsageError, VlcorpusError, nearest
from vlcorpus.web.sources.file_out import FileOut
from vlcorpus.web.sources.naming import protocol, shown
from vlcorpus.web.sources.tries import Failure, Stat

# They open other addresses, or are none of a file.
_WRAPPERS = frozenset(
    (
        "async_wrapper", "asyncwrapper", "blockcache", "cached", "dask", "data", "dir", "filecache", "generic", "git",
        "http", "https", "jlab", "jupyter", "libarchive", "reference", "simplecache", "tar", "zip",
    )
)  # fmt: skip
_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs"}
_BLOCK = 8_388_608
# What names the content of a file, best first; the last are times.
_TAGS = (
    "ETag", "etag", "md5Hash", "md5", "sha256", "blob_id", "content_hash", "crc32c", "checksum", "generation",
    "LastModified", "last_modified", "updated", "mtime", "modified", "created",
)  # fmt: skip


def opened(location: str) -> tuple[Any, str]:
    """(a filesystem, the path in it). UsageError for a protocol that is unknown, refused, or lacks its library."""
    import fsspec

    name = protocol(location)
    if "::" in location or name in _WRAPPERS:
        raise UsageError(f"{shown(location)!r} is an address inside another", "name the file itself, or fetch it first")
    try:
        fsspec.get_filesystem_class(name)
    except ValueError:
        known = sorted({"http", "https", *fsspec.available_protocols()} - (_WRAPPERS - {"http", "https"}))
        raise UsageError(f"{shown(location)!r} has an unknown protocol", nearest(name, known)) from None
    except ImportError as error:
        extra = _EXTRAS.get(name)
        hint = f"pip install 'vlcorpus[{extra}]'" if extra else str(error).splitlines()[0][:200]
        raise UsageError(f"{name}:// needs a library that is not installed", hint) from error
    try:
        filesystem, path = fsspec.core.url_to_fs(location)
    except Exception as error:  # what a store's library makes of its configuration
        raise SourceError(f"{shown(location)} cannot be opened: {_brief(error, location)}", _hint(error)) from error
    return filesystem, path


def _stat(location: str) -> Stat:
    """What is told about a file without reading it. Raises whatever the store's library does."""
    filesystem, path = opened(location)
    told = filesystem.info(path)
    if told.get("type") == "directory":
        raise IsADirectoryError(f"{shown(location)} is a folder")
    size = told.get("size")
    tag = next((f"{key} {told[key]}" for key in _TAGS if told.get(key) is not None), "")
    return Stat(size if isinstance(size, int) else None, tag)


def glob(location: str) -> list[str]:
    """The addresses that a pattern matches, sorted. SourceError."""
    filesystem, path = opened(location)
    try:
        return sorted(filesystem.unstrip_protocol(each) for each in filesystem.glob(path))
    except Exception as error:
        raise SourceError(f"{shown(location)} cannot be listed: {_brief(error, location)}", _hint(error)) from error


class Look:
    """found: what the store tells of a file, without reading it. To be tried until done."""

    at = 0

    def __init__(self, location: str) -> None:
        self._location = location
        self.found = Stat(None, "")

    def attempt(self) -> Failure | None:
        try:
            self.found = _stat(self._location)
        except Exception as error:
            return _failed(error, self._location)
        return None


class Copy:
    """Writes to `out` what is missing there, or all of it if the file may have changed. To be tried until done."""

    def __init__(self, location: str, out: FileOut) -> None:
        self._location, self._out = location, out
        self._stat: Stat | None = None

    @property
    def at(self) -> int:
        return self._out.at

    def attempt(self) -> Failure | None:
        out = self._out
        try:
            filesystem, path = opened(self._location)
            told = _stat(self._location)
            if told != self._stat or not told.tag:
                out.rewind()
                out.expect(told.size)
            self._stat = told
            with filesystem.open(path, "rb", block_size=_BLOCK) as file:
                file.seek(out.at)
                while block := file.read(_BLOCK):
                    out.write(block)
        except Exception as error:
            return _failed(error, self._location)
        if told.size is not None and told.size != out.at:
            said = f"{out.at:,} bytes came of {told.size:,}"
            out.rewind()
            return Failure(said=said, hint="does somebody change the file?")
        return None


def _failed(error: Exception, location: str) -> Failure:
    """What came of a try at a store. Errors that are already said to a person are raised."""
    if isinstance(error, VlcorpusError):
        raise error
    return Failure(said=_brief(error, location), hint=_hint(error), lasting=_is_lasting(error))


def _is_lasting(error: Exception) -> bool:
    """Whether another try would end the same way."""
    return (
        isinstance(error, (FileNotFoundError, PermissionError, IsADirectoryError, ImportError, ValueError, TypeError))
        or "Credentials" in type(error).__name__
    )


def _hint(error: Exception) -> str:
    if isinstance(error, (FileNotFoundError, IsADirectoryError)):
        return "is the address right? it must name a file"
    if isinstance(error, PermissionError) or "Credentials" in type(error).__name__:
        return "the store wants credentials, as its own tools do; Common Crawl's files need none over https"
    return "look at the store's endpoint, region and credentials"


def _brief(error: Exception, location: str) -> str:
    """One line of an error, without the secrets of the address."""
    text, rest = str(error), location.partition("://")[2]
    for secret, instead in ((rest, shown(location).partition("://")[2]), (rest.rpartition("@")[0], "…")):
        text = text.replace(secret, instead) if secret else text
    said = text.strip().splitlines()
    return f"{type(error).__name__}: {said[0][:300]}" if said else type(error).__name__
