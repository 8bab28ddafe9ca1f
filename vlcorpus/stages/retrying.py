"""Which failed rows are worth another try, and what need not be made again.

again = Retried(("transient", "http_error 404"))
again.of("timeout", None)              True
again.of("http_error", 503)            True: what may pass
again.of("http_error", 404)            True: it was named
kept(corpus, "00000", rows, again)     (row number, Outcome) of all images of the shard but those
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .. import schema
from ..corpus import Corpus
from ..errors import UsageError, nearest
from ..io import table, tar
from .outcome import SUCCESS, Outcome, Row
from .samples import IMAGES

TRANSIENT, ANY = "transient", "any"
_MAY_PASS = frozenset(
    (
        "timeout", "too_slow", "connection_reset", "truncated_body", "connect_failure", "dns_failure", "tls_failure",
        "bad_response", "robots_unreachable", "lost_by_engine",
    )
)  # fmt: skip
_STATUS_MAY_PASS = frozenset((408, 425, 429, 500, 502, 503, 504))
_NEVER = frozenset(("not_kept", "bad_url", "bad_scheme"))
# What belongs to the pair and not to its image.
_OF_PAIR = ("url", "caption", "key", "uid", "image_id", "image_key", "page_url", "url_md5", "additional")


@dataclass(frozen=True)
class Retried:
    """names: reasons, `http_error 503` for one status, TRANSIENT for all that may pass, ANY for all."""

    names: tuple[str, ...]

    def check(self) -> None:
        """Raises UsageError for what is no reason."""
        known = {TRANSIENT, ANY, *schema.reasons()["fetch"], *schema.reasons()["image"]} - _NEVER
        for name in self.names:
            word, _, status = name.partition(" ")
            if word not in known or (status and not (word == "http_error" and status.isdecimal())):
                raise UsageError(f"{name!r} is no reason to try again", nearest(word, sorted(known)))

    def of(self, reason: str | None, status: int | None) -> bool:
        if reason is None or reason in _NEVER:
            return False
        if ANY in self.names or reason in self.names or f"{reason} {status}" in self.names:
            return True
        may_pass = status in _STATUS_MAY_PASS if reason == "http_error" else reason in _MAY_PASS
        return may_pass and TRANSIENT in self.names

    def any_of(self, status_dict: Mapping[str, int]) -> bool:
        """status_dict: of a shard's stats."""
        for name in status_dict:
            reason, _, status = name.partition(" ")
            if reason != SUCCESS and self.of(reason, int(status) if status.isdecimal() else None):
                return True
        return False


def kept(corpus: Corpus, shard: str, rows: Sequence[Row], again: Retried) -> Iterator[tuple[int, Outcome]]:
    """What the shard that is there says of each image, by the number of its first row, but for what is tried again."""
    layer = corpus.layer("shards")
    found = table.rows(layer.path(f"{shard}.parquet"), "shards")
    by_uid = {row["uid"].hex(): number for number, row in enumerate(rows)}
    firsts: dict[int, dict[str, Any]] = {}
    for row in found:
        number = by_uid.get(row["uid"])
        if number is not None and (row["image_key"] in (None, row["key"])):
            firsts[number] = row
    path = layer.path(f"{shard}.tar")
    places = {entry.key: entry for entry in tar.scan(path) if entry.extension in IMAGES}
    seen: set[bytes] = set()
    for number, row in sorted(firsts.items()):
        image = rows[number]["image_id"]
        if image in seen or row["reason"] == "not_kept":
            continue
        seen.add(image)
        if again.of(row["reason"], row["http_status"]):
            continue
        own = {name: value for name, value in row.items() if name not in _OF_PAIR}
        if row["status"] != SUCCESS:
            yield number, Outcome(row=own)
        elif row["key"] in places:
            entry = places[row["key"]]
            yield number, Outcome(row=own, members={entry.extension: tar.read_at(path, entry.offset, entry.length)})
