"""What img2dataset left of a shard, as one outcome for each row that was asked for.

    for number, outcome in outcomes_of({0: "https://example.com/a.jpg", 7: ...}, settings, out): ...

Images come from the samples of the tar, up to where it is damaged; errors from the table, if it can be read. Both carry
the row number. A row that is in neither, or in the table as a success without an image, is "lost_by_engine". An image
is looked at by its header and its end: most are img2dataset's own files, but bytes that it does not touch are a success
to it whatever they are. Of an image that it decoded and wrote anew nobody can tell whether it had been cut (some
releases of OpenCV decode what is there).

Cost: 0.15 ms an image. Not for a folder that a person's img2dataset wrote: that is `web.folders.img2dataset`.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SourceError
from ..images.decode import Header, Refused, header
from ..images.prepare import EXTENSIONS, ImageSettings
from ..images.sniff import ends_early
from ..io import tar
from ..web.folders.img2dataset import reason_of
from ..web.lists.files import parquet_rows
from .engine_img2dataset_run import ROW, SHARD
from .outcome import DOWNLOAD, RESIZE, SUCCESS, Outcome, failed

if TYPE_CHECKING:
    from .engine_img2dataset import Img2DatasetSettings

LOST = "lost_by_engine"

_MOST_MESSAGE = 500  # characters
_MOST_EXIF = 100_000
_SHA256 = re.compile(r"[0-9a-f]{64}")


def outcomes_of(urls: dict[int, str], settings: Img2DatasetSettings, out: Path) -> Iterator[tuple[int, Outcome]]:
    """(row number, outcome) of each URL, once each: first the images, then the errors, then what was lost."""
    left = set(urls)
    for number, outcome in chain(_images(out / f"{SHARD}.tar", settings), _errors(out / f"{SHARD}.parquet")):
        if number in left:
            left.remove(number)
            yield number, outcome
    for number in sorted(left):
        yield number, without(DOWNLOAD, LOST, "img2dataset left neither an image nor an error")


def without(status: str, reason: str, message: str) -> Outcome:
    """The outcome of a row that has no image, for a reason that img2dataset did not give."""
    return Outcome(row=failed({}, status, reason, message))


def _images(path: Path, settings: Img2DatasetSettings) -> Iterator[tuple[int, Outcome]]:
    with contextlib.suppress(SourceError):  # what stands before the damage counts, the rest is lost
        for sample in tar.read_samples(path):
            told = _told(sample.members.get("json"))
            body = sample.members.get(settings.encode_format)
            if told is not None and body is not None:
                yield told[ROW], _judged(told, body, settings)


def _told(text: bytes | None) -> dict[str, Any] | None:
    """The row in a sample's own words, if it has a number and is a success."""
    try:
        told = json.loads(text or b"")
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict) or told.get("status") != SUCCESS or type(told.get(ROW)) is not int:
        return None
    return told


def _judged(told: dict[str, Any], body: bytes, settings: Img2DatasetSettings) -> Outcome:
    head: Header | Refused = header(body)
    if isinstance(head, Header) and (refused := _refusal(body, head, settings)) is not None:
        head = refused
    if isinstance(head, Refused):
        return without(RESIZE, head.reason, head.message)
    sizes = told.get("original_width"), told.get("original_height")
    if settings.keeps_bytes:
        sizes = head.width, head.height
    exif, sha256 = told.get("exif"), told.get("sha256")
    row = {
        "status": SUCCESS,
        "error_message": None,
        "reason": None,
        "width": head.width,
        "height": head.height,
        "original_width": _pixels(sizes[0]),
        "original_height": _pixels(sizes[1]),
        "exif": exif[:_MOST_EXIF] if isinstance(exif, str) and exif != "{}" else None,
        "sha256": sha256 if isinstance(sha256, str) and _SHA256.fullmatch(sha256) else None,
    }
    return Outcome(row=row, members={EXTENSIONS[head.format]: body})


def _refusal(body: bytes, head: Header, settings: Img2DatasetSettings) -> Refused | None:
    """What the corpus does not take although img2dataset does."""
    if ends_early(body, head.format):
        return Refused("truncated_image", "the end of the file is missing")
    if not settings.keeps_bytes:
        return None
    # Then it did not look at the sizes.
    limits = ImageSettings(
        image_size=None,
        min_image_size=settings.min_image_size,
        max_image_area=settings.max_image_area,
        max_aspect_ratio=settings.max_aspect_ratio,
    )
    return limits.check(head)


def _pixels(value: object) -> int | None:
    return value if type(value) is int and 0 < value < 2**31 else None


def _errors(path: Path) -> Iterator[tuple[int, Outcome]]:
    """The rows of the table that are no success; none where it is not whole."""
    with contextlib.suppress(SourceError):
        for told in parquet_rows(path, (ROW, "status", "error_message")):
            if told["status"] in (DOWNLOAD, RESIZE):
                message = (told["error_message"] or "")[:_MOST_MESSAGE]
                reason, http_status = reason_of(told["status"], message)
                row = {
                    "status": told["status"],
                    "reason": reason,
                    "error_message": message,
                    "http_status": http_status,
                }
                yield told[ROW], Outcome(row=row)
