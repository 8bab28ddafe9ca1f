"""What came of one image: from a fetched body to the columns and the bytes that a shard holds of it.

    fetched = Fetched(body=b"...", http_status=200)
    outcome(fetched, settings)       Outcome(row={"status": "success", "width": 512, ...}, members={"jpg": b"..."})
    outcome(Fetched(reason="http_error", http_status=404), settings).row["status"]       "failed_to_download"

A row has what is said of the image alone. Its words, its key and its uid belong to the pairs that show it: shards.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..images.blocklist import Blocklist
    from ..images.decode import Refused
    from ..images.prepare import ImageSettings, Prepared

DOWNLOAD, RESIZE, SUCCESS = "failed_to_download", "failed_to_resize", "success"
BLOCKED = "blocked"
HASH_MISMATCH = "hash_mismatch"
DESCRIBED = ("width", "height", "original_width", "original_height", "exif", "sha256", "md5")

Row = dict[str, Any]
Members = dict[str, bytes]
Prepare = Callable[[bytes, "ImageSettings", Any], "Prepared | Refused"]


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """What came for one image: a body, or a reason why there is none."""

    body: bytes = b""
    reason: str | None = None
    message: str = ""
    final_url: str | None = None
    http_status: int | None = None
    content_type: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    optout: list[str] | None = None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """row: columns of schemas/shards.json. members: extension -> bytes of the image, {} where there is none."""

    row: Row
    members: Members = field(default_factory=dict)


def outcome(
    fetched: Fetched,
    settings: ImageSettings,
    *,
    prepare: Prepare,
    blocklist: Blocklist | None = None,
    expected: tuple[str, str] | None = None,
    boxes: Any = None,
) -> Outcome:
    """prepare: as images.prepare.prepare. blocklist: what it holds is not even decoded, and its hash not told.
    expected: (hash, hex digest) that the bytes must have. boxes: parts to blur."""
    from ..images.decode import Refused

    row: Row = {
        "status": SUCCESS,
        "error_message": None,
        "reason": None,
        "final_url": fetched.final_url,
        "http_status": fetched.http_status,
        "content_type": fetched.content_type,
        "etag": fetched.etag,
        "last_modified": fetched.last_modified,
        "optout": fetched.optout,
    }
    if fetched.reason is not None:
        return Outcome(row=failed(row, DOWNLOAD, fetched.reason, fetched.message))
    if blocklist is not None and blocklist.holds(fetched.body):
        return Outcome(row=failed(row | {"etag": None}, DOWNLOAD, BLOCKED, "its hash is on a blocklist"))
    row["original_bytes"] = len(fetched.body)
    if expected is not None:
        kind, wanted = expected
        if hashlib.new(kind, fetched.body, usedforsecurity=False).hexdigest() != wanted.lower():
            return Outcome(row=failed(row, DOWNLOAD, HASH_MISMATCH, f"its {kind} is another"))
    made = prepare(fetched.body, settings, boxes)
    if isinstance(made, Refused):
        return Outcome(row=failed(row, RESIZE, made.reason, made.message))
    if blocklist is not None and blocklist.resembles(made.body):
        return Outcome(row=failed(row | {"etag": None}, DOWNLOAD, BLOCKED, "it resembles what is on a blocklist"))
    row |= {name: getattr(made, name) for name in DESCRIBED}
    return Outcome(row=row, members={made.extension: made.body})


def failed(row: Row, status: str, reason: str, message: str) -> Row:
    """The row of an image that could not be had."""
    said = f"{reason}: {message}" if message else reason
    return row | {"status": status, "reason": reason, "error_message": said}
