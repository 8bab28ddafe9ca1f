"""Writing a shard: images, alt texts and one row per candidate, in img2dataset's layout.

    write(commit, corpus, "00000", rows, fetch, settings, tell)

`fetch` is given the row numbers whose images are wanted (the first row of each image) and yields (row number,
Fetched) in any order. The tar and the table are in candidate order all the same, so that every run writes the same
bytes. An image with several captions is stored once, under the key of its first row; `image_key` of the other rows
points there.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ..corpus import Corpus
from ..images.decode import Refused
from ..images.prepare import ImageSettings, Prepared, prepare
from ..io import table
from ..io.tar import ShardWriter
from .base import Tell, UnitCommit

DOWNLOAD, RESIZE = "failed_to_download", "failed_to_resize"
Row = dict[str, Any]
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


def image_settings(*, image_size: int | None, **more: Any) -> ImageSettings:
    return ImageSettings(image_size=image_size, **more)


def write(
    commit: UnitCommit, corpus: Corpus, shard: str, rows: list[Row], fetch: Fetch, settings: ImageSettings, tell: Tell
) -> None:
    """Fetch, check and store one shard; commits it."""
    first: dict[bytes, int] = {}
    for number, row in enumerate(rows):
        first.setdefault(row["image_id"], number)
    captions = Counter(row["image_id"] for row in rows)
    stored: dict[int, Row] = {}
    seen = kept = 0
    with commit:
        with commit.file(f"{shard}.tar") as sink:
            writer = ShardWriter(sink)
            for number, fetched in _in_order(fetch(list(first.values())), list(first.values())):
                row = rows[number]
                outcome = _outcome(corpus.key(shard, number), row, fetched, settings)
                body, extension = outcome.pop("body"), outcome.pop("extension")
                if body is not None:
                    writer.add(outcome["key"], _members(outcome, body, extension))
                    kept += captions[row["image_id"]]
                seen += captions[row["image_id"]]
                stored[number] = outcome
                tell(seen, kept)
            writer.close()
        listed = list(_rows(corpus, shard, rows, first, stored))
        table.write(commit, f"{shard}.parquet", table.columns(listed, "shards"), "shards")
        commit.finish(**_counts(listed))


def _in_order(arrivals: Iterable[tuple[int, Fetched]], order: list[int]) -> Iterator[tuple[int, Fetched]]:
    """Arrivals in the given order; what comes early is held until its turn."""
    held: dict[int, Fetched] = {}
    following = iter(order)
    wanted = next(following, None)
    for number, fetched in arrivals:
        held[number] = fetched
        while wanted is not None and wanted in held:
            yield wanted, held.pop(wanted)
            wanted = next(following, None)


def _outcome(key: str, row: Row, fetched: Fetched, settings: ImageSettings) -> Row:
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
        "body": None,
        "extension": None,
    }
    if fetched.reason is not None:
        return _failed(outcome, DOWNLOAD, fetched.reason, fetched.message)
    outcome["original_bytes"] = len(fetched.body)
    made = prepare(fetched.body, settings)
    if isinstance(made, Refused):
        return _failed(outcome, RESIZE, made.reason, made.message)
    return outcome | _described(made)


def _described(made: Prepared) -> Row:
    names = ("body", "extension", "width", "height", "original_width", "original_height", "exif", "sha256", "md5")
    return {name: getattr(made, name) for name in names}


def _failed(outcome: Row, status: str, reason: str, message: str) -> Row:
    said = f"{reason}: {message}" if message else reason
    return outcome | {"status": status, "reason": reason, "error_message": said, "image_key": None}


def _members(outcome: Row, body: bytes, extension: str) -> dict[str, bytes]:
    about = json.dumps({name: value for name, value in outcome.items() if value is not None}, ensure_ascii=True)
    caption = outcome["caption"].encode("utf-8", "surrogatepass")
    return {extension: body, "txt": caption, "json": about.encode()}


def _rows(
    corpus: Corpus, shard: str, rows: list[Row], first: dict[bytes, int], stored: dict[int, Row]
) -> Iterator[Row]:
    """One row per candidate: its image's outcome with its own words."""
    for number, row in enumerate(rows):
        outcome = stored[first[row["image_id"]]]
        own = {"caption": row["alt_text"], "uid": row["uid"].hex(), "page_url": row["page_url"]}
        yield outcome | own | {"key": corpus.key(shard, number)}


def _counts(listed: list[Row]) -> dict[str, Any]:
    statuses = Counter(row["status"] for row in listed)
    messages = Counter(row["error_message"] or "success" for row in listed)
    return {
        "seen": len(listed),
        "kept": statuses["success"],
        "rejected": Counter(row["reason"] for row in listed if row["reason"] is not None),
        "count": len(listed),
        "successes": statuses["success"],
        DOWNLOAD: statuses[DOWNLOAD],
        RESIZE: statuses[RESIZE],
        "status_dict": dict(sorted(messages.items())),
    }
