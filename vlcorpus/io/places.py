"""Places that fsspec knows: s3://, gs://, hf://, abfs://, memory:// …

    filesystem, path = opened("s3://commoncrawl/crawl-data/CC-MAIN-2024-22/wat.paths.gz")
    protocol("S3://bucket/a")                                 "s3"
    shown("https://me:secret@example.org/a.warc.gz?key=1")    "https://example.org/a.warc.gz"

`shown` is what may stand in messages and tables: user names, passwords, queries (signatures of presigned addresses) and
fragments stay out of it. Credentials, endpoints and proxies are those that the store's own library finds (environment,
configuration files). http addresses are not opened here, and for the same reason addresses that wrap others
(`simplecache::https://…`, zip://) are refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..errors import SourceError, UsageError, nearest

_AUTHORITY = re.compile(r"[^:@]*(?::\d*)?|\[[0-9A-Fa-f:.]*\](?::\d*)?")
# They open other addresses, or are none of a file.
_WRAPPERS = frozenset(
    (
        "async_wrapper", "asyncwrapper", "blockcache", "cached", "dask", "data", "dir", "filecache", "generic", "git",
        "http", "https", "jlab", "jupyter", "libarchive", "reference", "simplecache", "tar", "zip",
    )
)  # fmt: skip
# What names the content of a file, best first; the last are times.
_TAGS = (
    "ETag", "etag", "md5Hash", "md5", "sha256", "blob_id", "content_hash", "crc32c", "checksum", "generation",
    "LastModified", "last_modified", "updated", "mtime", "modified", "created",
)  # fmt: skip
_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs"}


def protocol(location: str) -> str:
    """The lower-case protocol of an address, "" of a path."""
    before, mark, _ = location.partition("://")
    return before.lower() if mark else ""


def shown(location: str) -> str:
    """A location without what may be secret; a path as it is."""
    before, mark, rest = location.partition("://")
    if not mark:
        return location
    authority, slash, path = re.split(r"[?#]", rest, maxsplit=1)[0].partition("/")
    authority = authority.rpartition("@")[2]
    # A password with a slash in it would end up in the path.
    if not _AUTHORITY.fullmatch(authority):
        return f"{before}://…"
    return f"{before}://{authority}{slash}{path}"


def opened(location: str, **options: Any) -> tuple[Any, str]:
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
        filesystem, path = fsspec.core.url_to_fs(location, **options)
    except Exception as error:  # what a store's library makes of its configuration
        raise SourceError(f"{shown(location)} cannot be opened: {brief(error, location)}", advice(error)) from error
    return filesystem, path


def tag_of(told: Mapping[str, Any]) -> str:
    """What a store tells of a file that names its content, or at least changes with it; "" where it tells nothing."""
    return next((f"{key} {told[key]}" for key in _TAGS if told.get(key) is not None), "")


def is_lasting(error: Exception) -> bool:
    """Whether another try would end the same way."""
    return (
        isinstance(error, (FileNotFoundError, PermissionError, IsADirectoryError, ImportError, ValueError, TypeError))
        or "Credentials" in type(error).__name__
    )


def advice(error: Exception) -> str:
    if isinstance(error, (FileNotFoundError, IsADirectoryError)):
        return "is the address right? it must name a file"
    if isinstance(error, PermissionError) or "Credentials" in type(error).__name__:
        return "the store wants credentials, as its own tools do; Common Crawl's files need none over https"
    return "look at the store's endpoint, region and credentials"


def brief(error: Exception, location: str) -> str:
    """One line of an error, without the secrets of the address."""
    text, rest = str(error), location.partition("://")[2]
    for secret, instead in ((rest, shown(location).partition("://")[2]), (rest.rpartition("@")[0], "…")):
        text = text.replace(secret, instead) if secret else text
    said = text.strip().splitlines()
    return f"{type(error).__name__}: {said[0][:300]}" if said else type(error).__name__
