"""What img2dataset wrote (output_format webdataset): 00000.tar and 00000.parquet, one row for each URL, fetched or not.

    for shard in shard_files(folder): ...        ShardFile(name="00000", tar=..., table=...)
    for part in parts(folder): ...               its rows as a list's, in the order of their keys, one part a shard
    Taken(shard).row(7)                          what the tool says of row 7, and where its image lies in the tar

img2dataset writes rows as their downloads end; their keys are the order of its list. A row that says success and has no
image in the tar is a failure; samples that no row names are counted. Of two rows with one key the first has the image.

Cost: 3 microseconds a row, one seek a member of each tar. Not for: what is inside the images; output_format files,
parquet, tfrecord.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from vlcorpus.errors import SourceError
from vlcorpus.io import tar
from vlcorpus.web.lists import rows as lists
from vlcorpus.web.lists import values as list_values
from vlcorpus.web.lists.columns import TEXT_NAMES, Columns
from vlcorpus.web.lists.files import open_parquet, parquet_batches, row_groups
from vlcorpus.web.lists.parts import Part, part_of

MOST_ROWS = 5_000_000  # of one shard
MOST_EXIF = 100_000  # characters
IMAGES = ("jpg", "jpeg", "png", "webp", "gif", "avif", "bmp", "tiff", "jp2")
DOWNLOAD, RESIZE = "failed_to_download", "failed_to_resize"
UNREADABLE, UNKNOWN = "unreadable", "unknown_failure"

_TOLD = (
    "key",
    "status",
    "error_message",
    "width",
    "height",
    "original_width",
    "original_height",
    "exif",
    "sha256",
    "md5",
)
_HTTP = re.compile(r"HTTP Error ([1-5][0-9]{2})\b")
# What urllib and img2dataset say, and what we call it; the first that is found in a message.
_DOWNLOADS = (
    (r"disallowed by X-Robots-Tag", "optout"),
    (r"HTTP Error", "http_error"),
    (r"redirect error that would lead to an infinite loop", "too_many_redirects"),
    (
        r"Name or service not known|nodename nor servname|name resolution|No address associated|getaddrinfo",
        "dns_failure",
    ),
    (r"timed out|timeout", "timeout"),
    (r"SSL|TLS|certificate|CERTIFICATE", "tls_failure"),
    (r"Connection refused|No route to host|unreachable|Cannot assign requested", "connect_failure"),
    (r"Connection reset|closed connection|Broken pipe|Connection aborted", "connection_reset"),
    (r"IncompleteRead", "truncated_body"),
    (r"unknown url type", "bad_scheme"),
    (r"no host given|control characters|nonnumeric port|Invalid URL|Invalid IPv6|label empty or too long", "bad_url"),
    (r"BadStatusLine|LineTooLong|got more than", "bad_response"),
)
_RESIZES = (
    (r"image too small", "image_too_small"),
    (r"image area too large", "image_area_too_large"),
    (r"aspect ratio too large", "aspect_ratio_too_large"),
)


@dataclass(frozen=True, slots=True)
class ShardFile:
    name: str
    tar: Path
    table: Path


@dataclass(frozen=True, slots=True)
class Left:
    """What the tool left of one row. entry: its image in the tar, None where there is none; then `status`, `reason` and
    `message` say why. Sizes in pixels, None where the table does not say; hashes in hex, of the fetched bytes."""

    key: str
    entry: tar.Entry | None
    status: str
    reason: str | None
    message: str
    http_status: int | None
    width: int | None
    height: int | None
    original_width: int | None
    original_height: int | None
    exif: str | None
    sha256: str | None
    md5: str | None


def shard_files(folder: Path) -> list[ShardFile]:
    """The shards of a folder, by number; none where it is no output of img2dataset."""
    try:
        names = sorted(each.stem for each in folder.iterdir() if each.suffix == ".parquet" and each.stem.isdecimal())
    except OSError:
        return []
    found = [ShardFile(name, folder / f"{name}.tar", folder / f"{name}.parquet") for name in names]
    return sorted((each for each in found if each.tar.is_file()), key=lambda each: (int(each.name), each.name))


def check(folder: Path) -> None:
    """Raises SourceError where a shard is not whole."""
    stems = {
        end: {each.stem for each in folder.glob(f"*.{end}") if each.stem.isdecimal()} for end in ("tar", "parquet")
    }
    for end, other in (("tar", "parquet"), ("parquet", "tar")):
        for name in sorted(stems[end] - stems[other]):
            raise SourceError(
                f"{folder / name}.{end} has no {name}.{other} beside it",
                "let img2dataset finish it (the same command again), or move it away",
            )
    for shard in shard_files(folder):
        _columns(shard)


def parts(folder: Path) -> Iterator[Part]:
    """The rows of each shard as a list's, those that could not be fetched among them. SourceError for a damaged one."""
    for shard in shard_files(folder):
        columns = _columns(shard)
        listed, order = _sorted(shard, columns)
        made = part_of(listed, columns, name=shard.table.name, first=0)
        place = made.pairs.schema.get_field_index("record_offset")
        pairs = made.pairs.set_column(place, made.pairs.schema.field(place), pa.array(order))
        stray = _index(shard).keys() - set(_texts(listed, _name(listed, "key")))
        yield Part(pairs, made.scores, {"unclaimed": len(stray)})


def _columns(shard: ShardFile) -> Columns:
    names, _ = open_parquet(shard.table)
    for needed in ("key", "status"):
        if needed not in map(str.lower, names):
            raise SourceError(
                f"{shard.table} has no column {needed!r}, so img2dataset did not write it",
                "move the tars away to import the tables as lists",
            )
    if sum(row_groups(shard.table)) > MOST_ROWS:
        raise SourceError(f"{shard.table} has over {MOST_ROWS} rows", "write smaller shards")
    worded = any(name.lower() in TEXT_NAMES for name in names)
    _, columns = lists.opened(shard.table, "parquet", None, None if worded else "", ())
    # The tool's sizes are those of the stored image: no page and no list declares them.
    more = {ours: theirs for ours, theirs in columns.more.items() if ours not in ("width", "height")}
    own = tuple(name for name in names if name.lower() in _TOLD)
    return replace(columns, more=more, names=tuple(dict.fromkeys((*columns.names, *own))))


def _sorted(shard: ShardFile, columns: Columns) -> tuple[pa.RecordBatch, Any]:
    """All rows in the order of their keys (of the file, where they are no distinct numbers), and their row numbers."""
    table = _whole(shard, columns)
    keys = _texts(table, _name(table, "key"))
    order = np.arange(len(keys))
    if len(set(keys)) == len(keys) and all(key.isascii() and key.isdecimal() and len(key) < 19 for key in keys):
        order = np.argsort(np.array([int(key) for key in keys], np.int64), kind="stable")
    return table.take(pa.array(order)), order


def _whole(shard: ShardFile, columns: Columns) -> pa.RecordBatch:
    batches = list(parquet_batches(shard.table, columns.names, size=65_536))
    if not batches:
        names = dict.fromkeys(columns.names)
        return pa.RecordBatch.from_arrays([pa.array([], pa.string()) for _ in names], names=list(names))
    table = pa.Table.from_batches(batches).combine_chunks()
    return pa.RecordBatch.from_arrays([each.combine_chunks() for each in table.columns], schema=table.schema)


def _name(batch: pa.RecordBatch, wanted: str) -> str | None:
    """The column of that name, in any case."""
    return next((name for name in batch.schema.names if name.lower() == wanted), None)


def _texts(batch: pa.RecordBatch, name: str | None) -> list[str]:
    if name is None:
        return [""] * len(batch)
    return [each or "" for each in list_values.names(batch.column(name)).to_pylist()]


def _index(shard: ShardFile) -> dict[str, dict[str, tar.Entry]]:
    """Members by key and extension. Raises TarDamaged."""
    found: dict[str, dict[str, tar.Entry]] = {}
    for entry in tar.scan(shard.tar):
        found.setdefault(entry.key, {})[entry.extension] = entry
    return found


class Taken:
    """One shard, looked up row by row."""

    def __init__(self, shard: ShardFile) -> None:
        self.shard = shard
        self.members = _index(shard)
        batch = _whole(shard, _columns(shard))
        self._told = {each: _texts(batch, _name(batch, each)) for each in _TOLD}
        self._owner: dict[str, int] = {}
        for number, key in enumerate(self._told["key"]):
            if self._told["status"][number] == "success":
                self._owner.setdefault(key, number)

    def __len__(self) -> int:
        return len(self._told["key"])

    def row(self, number: int) -> Left:
        """What is left of a row of the table, in the file's order."""
        told = {name: values[number] for name, values in self._told.items()}
        entry, status, reason, http_status = None, "success", None, None
        message = told["error_message"][:500]
        if told["status"] == "success":
            entry = self._image(told["key"], number)
            if entry is None:
                status, reason, message = DOWNLOAD, UNREADABLE, "the table says success, and the tar has no image"
        else:
            status = RESIZE if told["status"] == RESIZE else DOWNLOAD
            reason, http_status = reason_of(status, message)
        return Left(
            key=told["key"],
            entry=entry,
            status=status,
            reason=reason,
            message=message,
            http_status=http_status,
            width=_pixels(told["width"]),
            height=_pixels(told["height"]),
            original_width=_pixels(told["original_width"]),
            original_height=_pixels(told["original_height"]),
            exif=told["exif"][:MOST_EXIF] or None,
            sha256=_hex(told["sha256"], 64),
            md5=_hex(told["md5"], 32),
        )

    def _image(self, key: str, number: int) -> tar.Entry | None:
        """The one image of a sample, if this row is the one that has it."""
        if self._owner.get(key) != number:
            return None
        found = [entry for extension, entry in self.members.get(key, {}).items() if extension in IMAGES]
        return found[0] if len(found) == 1 else None


def reason_of(status: str, message: str) -> tuple[str, int | None]:
    """(our reason for the tool's message, the HTTP status that it names)."""
    if status == RESIZE:
        return next((reason for pattern, reason in _RESIZES if re.search(pattern, message)), "decode_error"), None
    found = _HTTP.search(message)
    reason = next((reason for pattern, reason in _DOWNLOADS if re.search(pattern, message)), UNKNOWN)
    return reason, int(found[1]) if found and reason == "http_error" else None


def _pixels(value: str) -> int | None:
    found = list_values.number(value) if value else None
    return int(found) if found is not None and 0 < found < 2**31 and found.is_integer() else None


def _hex(value: str, length: int) -> str | None:
    return value.lower() if re.fullmatch(r"[0-9a-fA-F]+", value) and len(value) == length else None
