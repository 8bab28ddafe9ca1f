"""Writing a shard: images, alt texts and one row per candidate, in img2dataset's layout.

    write(commit, corpus, "00000", rows, fetch, settings, tell)

`fetch` is given the row numbers whose images are wanted (the first row of each image) and yields (row number,
Fetched) in any order. The tar and the table are in candidate order all the same, so that every run writes the same
bytes. An image with several captions is stored once, under the key of its first row; `image_key` of the other rows
points there.

What comes before its turn is decoded at once and held, above HELD_BYTES in a temporary file: one slow host must not
cost a shard's worth of memory.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..corpus import Corpus
from ..images.decode import Refused
from ..images.prepare import ImageSettings, prepare
from ..io import table
from ..io.tar import ShardWriter
from .base import Tell, UnitCommit

HELD_BYTES = 64_000_000
DOWNLOAD, RESIZE = "failed_to_download", "failed_to_resize"
DESCRIBED = ("width", "height", "original_width", "original_height", "exif", "sha256", "md5")
Row = dict[str, Any]
Members = dict[str, bytes]
Fetch = Callable[[list[int]], Iterable[tuple[int, "Fetched"]]]


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """What came for one image: a body, or a reason why there is none."""

    body: bytes = b""
    reason: str | None = None
    message: str = ""
    final_url: str | None = None
    http_status: int | None = None
    content_type: str | None = None
    optout: list[str] | None = None


def write(
    commit: UnitCommit, corpus: Corpus, shard: str, rows: list[Row], fetch: Fetch, settings: ImageSettings, tell: Tell
) -> None:
    """Fetch, check and store one shard; commits it."""
    first: dict[bytes, int] = {}
    for number, row in enumerate(rows):
        first.setdefault(row["image_id"], number)
    captions = Counter(row["image_id"] for row in rows)
    wanted = list(first.values())
    outcomes: dict[int, Row] = {}
    seen = kept = written = 0
    with commit:
        with commit.file(f"{shard}.tar") as sink, _Early(commit.folder) as early:
            writer = ShardWriter(sink)
            for number, fetched in fetch(wanted):
                row = rows[number]
                outcomes[number], members = _outcome(corpus.key(shard, number), row, fetched, settings)
                early.put(number, members)
                seen += captions[row["image_id"]]
                kept += captions[row["image_id"]] if members else 0
                while written < len(wanted) and wanted[written] in outcomes:
                    members = early.take(wanted[written])
                    if members:
                        writer.add(corpus.key(shard, wanted[written]), members)
                    written += 1
                tell(seen, kept)
            writer.close()
        listed = list(rows_of(corpus, shard, rows, first, outcomes))
        table.write(commit, f"{shard}.parquet", table.columns(listed, "shards"), "shards")
        commit.finish(**counts_of(listed))


class _Early:
    """Members of samples that wait for their turn: a few in memory, more in a file that nobody else sees."""

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.SpooledTemporaryFile(HELD_BYTES, dir=os.fspath(folder))  # noqa: SIM115 - closed by __exit__
        self._places: dict[int, dict[str, tuple[int, int]]] = {}

    def __enter__(self) -> _Early:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def put(self, number: int, members: Members) -> None:
        at = self._file.seek(0, os.SEEK_END)
        places = {}
        for extension, body in members.items():
            self._file.write(body)
            places[extension] = (at, len(body))
            at += len(body)
        self._places[number] = places

    def take(self, number: int) -> Members:
        found = {}
        for extension, (at, length) in self._places.pop(number).items():
            self._file.seek(at)
            found[extension] = self._file.read(length)
        if not self._places:
            self._file.seek(0)
            self._file.truncate()
        return found


def _outcome(key: str, row: Row, fetched: Fetched, settings: ImageSettings) -> tuple[Row, Members]:
    """The row of an image, and its members in the tar: none where there is no image."""
    outcome: Row = {
        "url": row["url"],
        "caption": row["alt_text"],
        "key": key,
        "status": "success",
        "error_message": None,
        "uid": row["uid"].hex(),
        "image_id": row["image_id"].hex(),
        "image_key": key,
        "reason": None,
        "final_url": fetched.final_url,
        "http_status": fetched.http_status,
        "content_type": fetched.content_type,
        "page_url": row["page_url"],
        "optout": fetched.optout,
    }
    if fetched.reason is not None:
        return failed(outcome, DOWNLOAD, fetched.reason, fetched.message), {}
    outcome["original_bytes"] = len(fetched.body)
    made = prepare(fetched.body, settings)
    if isinstance(made, Refused):
        return failed(outcome, RESIZE, made.reason, made.message), {}
    outcome |= {name: getattr(made, name) for name in DESCRIBED}
    about = json.dumps({name: value for name, value in outcome.items() if value is not None}, ensure_ascii=True)
    caption = row["alt_text"].encode("utf-8", "surrogatepass")
    return outcome, {made.extension: made.body, "txt": caption, "json": about.encode()}


def failed(outcome: Row, status: str, reason: str, message: str) -> Row:
    """The row of an image that could not be had."""
    said = f"{reason}: {message}" if message else reason
    return outcome | {"status": status, "reason": reason, "error_message": said, "image_key": None}


def rows_of(
    corpus: Corpus, shard: str, rows: list[Row], first: dict[bytes, int], outcomes: dict[int, Row]
) -> Iterator[Row]:
    """One row per candidate: its image's outcome with its own words."""
    for number, row in enumerate(rows):
        outcome = outcomes[first[row["image_id"]]]
        own = {"caption": row["alt_text"], "uid": row["uid"].hex(), "page_url": row["page_url"]}
        yield outcome | own | {"key": corpus.key(shard, number)}


def counts_of(listed: list[Row]) -> dict[str, Any]:
    """What the stats of a shard say of its rows."""
    statuses = Counter(row["status"] for row in listed)
    reasons = Counter(_status(row) for row in listed)
    return {
        "seen": len(listed),
        "kept": statuses["success"],
        "rejected": Counter(row["reason"] for row in listed if row["reason"] is not None),
        "count": len(listed),
        "successes": statuses["success"],
        DOWNLOAD: statuses[DOWNLOAD],
        RESIZE: statuses[RESIZE],
        "status_dict": dict(sorted(reasons.items())),
    }


def _status(row: Row) -> str:
    """`success`, or a reason; of an answer that was not to be had with its HTTP status."""
    if row["reason"] == "http_error":
        return f"http_error {row['http_status']}"
    return row["reason"] or "success"
