"""Finding one pair: by uid, by the beginning of a uid, or by key.

    find(corpus, "0123456789abcdef0123456789abcdef")     -> Found(uid, shard="00003", row=17)
    find(corpus, "0123456789")                           the same, where no other uid begins so
    find(corpus, "000030017")                            the row of that key

The uid column of candidates/ is read shard by shard, 16 bytes a pair; the tables of refused pairs are read last. Where
an earlier version wrote them without uids, these are computed again from URL and text.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from .. import identity
from ..corpus import Corpus
from ..errors import CorpusError, UsageError, VlcorpusError
from ..io import table

LEAST_PREFIX = 6
_MOST_NAMED = 5


@dataclass(frozen=True)
class Found:
    """A candidate: row `row` of candidates/<shard>.parquet and of shards/<shard>.parquet."""

    uid: bytes
    shard: str
    row: int


@dataclass(frozen=True)
class Refused:
    """A pair that did not become a candidate: its row of candidates/rejected/<shard>.parquet."""

    uid: bytes
    shard: str
    values: dict[str, Any]


def find(corpus: Corpus, text: str) -> Found | Refused:
    """The pair that `text` names. Raises VlcorpusError where there is none, or several."""
    text = text.strip().lower()
    by_key = _by_key(corpus, text)
    if by_key is not None:
        return by_key
    if not re.fullmatch(r"[0-9a-f]{1,32}", text):
        raise UsageError(f"{text!r} is neither a uid nor a key", "a uid has 32 hex characters; a key only digits")
    if len(text) < LEAST_PREFIX:
        raise UsageError(f"{text!r} is too short", f"give at least {LEAST_PREFIX} characters of the uid")
    found: list[Found | Refused] = list(_candidates(corpus, text))
    if not found:
        # A pair may be refused again and again (as on every page of a site): it is one pair all the same.
        found = list({each.uid: each for each in _refused(corpus, text)}.values())
    if not found:
        raise VlcorpusError(
            f"no pair {text} in {corpus.place}",
            "uids stand in the uid column of shards/*.parquet: `vlcorpus inspect " + corpus.place + "/shards`",
        )
    if len(found) > 1:
        named = ", ".join(each.uid.hex() for each in found[:_MOST_NAMED])
        more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
        raise UsageError(f"{len(found)} uids begin with {text}", f"give more of it: {named}{more}")
    return found[0]


def places(corpus: Corpus, uids: Collection[bytes]) -> dict[bytes, Found]:
    """Where each of some uids stands; those that are nowhere are left out."""
    wanted = set(uids)
    found: dict[bytes, Found] = {}
    for shard, column in _columns(corpus):
        if len(found) == len(wanted):
            break
        for row, uid in enumerate(column):
            if uid in wanted:
                found[uid] = Found(uid, shard, row)
    return found


def _by_key(corpus: Corpus, text: str) -> Found | None:
    """The row that a key names: digits of the shard, then of the row."""
    if not text.isascii() or not text.isdigit() or len(text) != len(corpus.key("0" * corpus.digits, 0)):
        return None
    shard, row = text[: corpus.digits], int(text[corpus.digits :])
    layer = corpus.layer("candidates")
    if layer.stats(shard) is None:
        return None
    column = table.read(layer.path(f"{shard}.parquet"), "candidates", only=["uid"]).column("uid")
    return Found(column[row].as_py(), shard, row) if row < len(column) else None


def _candidates(corpus: Corpus, prefix: str) -> Iterator[Found]:
    first, last = (bytes.fromhex(prefix.ljust(32, digit)) for digit in "0f")
    for shard, column in _columns(corpus):
        for row, uid in enumerate(column):
            if first <= uid <= last:
                yield Found(uid, shard, row)


def _columns(corpus: Corpus) -> Iterator[tuple[str, list[bytes]]]:
    layer = corpus.layer("candidates")
    for shard in layer.units():
        read = table.read(layer.path(f"{shard}.parquet"), "candidates", only=["uid"])
        yield shard, read.column("uid").to_pylist()


def _refused(corpus: Corpus, prefix: str) -> Iterator[Refused]:
    layer = corpus.layer("candidates")
    for shard in layer.units():
        try:
            rows = table.rows(layer.path(f"rejected/{shard}.parquet"), "candidates-rejected")
            for row in rows:
                uid = row["uid"]
                if uid is None:
                    if row["url"] is None:
                        continue  # an image without URL is named by its bytes, which are gone
                    uid = identity.uid(row["url"], row["alt_text"] or "")
                if uid.hex().startswith(prefix):
                    yield Refused(uid, shard, row)
        except CorpusError:
            continue  # `verify` tells of damaged tables; here they must not hide the pair
