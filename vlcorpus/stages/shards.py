"""Writing a shard: images, alt texts and one row per candidate, in img2dataset's layout.

    write(commit, corpus, "00000", rows, make, tell)

`make` is given the row numbers whose images are wanted (the first row of each image) and yields (row number, Outcome)
in any order. The tar and the table are in candidate order all the same, so that every run writes the same bytes. An
image with several captions is stored once, under the key of its first row; `image_key` of the other rows points there.

What was made is in the unit's journal at once (io/journal.py): a run that is killed goes on from there, and what comes
before its turn waits there, not in memory.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .. import schema
from ..corpus import Corpus
from ..io import table
from ..io.tar import ShardWriter
from . import unfinished
from .base import Tell, UnitCommit
from .outcome import DOWNLOAD, RESIZE, SUCCESS, Fetched, Members, Outcome, Row, failed, outcome

if TYPE_CHECKING:
    from ..images.prepare import ImageSettings
    from ..io.journal import Journal

Fetch = Callable[[list[int]], Iterable[tuple[int, Fetched]]]
Make = Callable[[list[int], "Journal"], Iterable[tuple[int, Outcome]]]

TOP_HOSTS = 10


def write(
    commit: UnitCommit,
    corpus: Corpus,
    shard: str,
    rows: list[Row],
    make: Make,
    tell: Tell,
    *,
    refused: Mapping[int, tuple[str, str]] | None = None,
    known: Iterable[tuple[int, Outcome]] = (),
) -> None:
    """Make, check and store one shard; commits it.

    refused: rows that are not wanted, with (reason, message). known: outcomes that need not be made again; they are
    in the journal before the old shard is given up.
    """
    refused = refused or {}
    first: dict[bytes, int] = {}
    for number, row in enumerate(rows):
        if number not in refused:
            first.setdefault(row["image_id"], number)
    wanted = list(first.values())
    with unfinished.journal(corpus.layer("shards"), shard, commit.fingerprint) as journal:
        for number, found in known:
            if number not in journal.done:
                journal.add(number, found.row, found.members)
        if journal.done:
            journal.sync()
        progress = _Progress(rows, refused, tell)
        with commit:
            with commit.file(f"{shard}.tar") as sink:
                writer = _InOrder(ShardWriter(sink), wanted, journal, rows, lambda number: corpus.key(shard, number))
                for number in journal.done:
                    progress.note(number, journal.done[number])
                writer.go_on()
                for number, found in make([each for each in wanted if each not in journal.done], journal):
                    journal.add(number, found.row, found.members)
                    progress.note(number, found.row)
                    writer.go_on(number, found.members)
                writer.close()
            listed = list(rows_of(corpus, shard, rows, first, journal.done, refused))
            table.write(commit, f"{shard}.parquet", table.columns(listed, "shards"), "shards")
            commit.finish(**counts_of(listed))
        journal.remove()


def made(fetch: Fetch, settings: ImageSettings) -> Make:
    """Outcomes of bodies, by images.prepare in this process."""
    from ..images.prepare import prepare

    def make(wanted: list[int], journal: Journal) -> Iterator[tuple[int, Outcome]]:
        for number, fetched in fetch(wanted):
            yield number, outcome(fetched, settings, prepare=prepare)

    return make


class _Progress:
    """Counts of a shard as its images come in, for `tell`."""

    def __init__(self, rows: list[Row], refused: Mapping[int, tuple[str, str]], tell: Tell) -> None:
        self._rows, self._tell = rows, tell
        self._captions = Counter(row["image_id"] for number, row in enumerate(rows) if number not in refused)
        self._seen, self._kept = len(refused), 0
        self._reasons: Counter[str] = Counter(reason for reason, _ in refused.values())
        self._hosts: Counter[str] = Counter()

    def note(self, number: int, row: Row) -> None:
        captions = self._captions[self._rows[number]["image_id"]]
        self._seen += captions
        if row["status"] == SUCCESS:
            self._kept += captions
        else:
            self._reasons[_status(row)] += captions
            if row["status"] == DOWNLOAD:
                self._hosts[_host(self._rows[number]["url"])] += captions
        self._tell(self._seen, self._kept, self._about)

    def _about(self) -> dict[str, dict[str, int]]:
        return {"reasons": dict(self._reasons.most_common(5)), "hosts": dict(self._hosts.most_common(3))}


class _InOrder:
    """Writes samples in candidate order, each as soon as all before it are known."""

    def __init__(
        self, writer: ShardWriter, wanted: list[int], journal: Journal, rows: list[Row], key: Callable[[int], str]
    ) -> None:
        self._writer, self._wanted, self._journal, self._rows, self._key = writer, wanted, journal, rows, key
        self._next = 0

    def go_on(self, number: int = -1, members: Members | None = None) -> None:
        """number, members: what came last, which need not be read back if it is its turn."""
        while self._next < len(self._wanted) and (turn := self._wanted[self._next]) in self._journal.done:
            own = members if turn == number and members is not None else self._journal.members(turn)
            if own:
                key = self._key(turn)
                about = sample(self._rows[turn], key, self._journal.done[turn])
                self._writer.add(key, {**own, **about})
            self._next += 1

    def close(self) -> None:
        self._writer.close()


def sample(row: Row, key: str, found: Row) -> Members:
    """What stands beside an image in the tar: its first row's words, and what is known of it."""
    about = json.loads(row["additional"]) if row.get("additional") else {}
    own = _row(row, key, found, key)
    names = (name for name in schema.table("shards").names if name != "additional")
    about |= {name: own[name] for name in names if own.get(name) is not None}
    caption = row["alt_text"].encode("utf-8", "surrogatepass")
    return {"txt": caption, "json": json.dumps(about, ensure_ascii=True).encode()}


def _row(row: Row, key: str, found: Row, image_key: str | None) -> Row:
    """A row of shards.json: what is said of the pair, and of its image."""
    url = row["url"]
    return {
        "url": url,
        "caption": row["alt_text"],
        "key": key,
        "uid": row["uid"].hex(),
        "image_id": row["image_id"].hex(),
        "image_key": image_key,
        "page_url": row["page_url"],
        "url_md5": None if url is None else hashlib.md5(url.encode("utf-8", "surrogatepass")).hexdigest(),
        "additional": row.get("additional"),
        **found,
    }


def rows_of(
    corpus: Corpus,
    shard: str,
    rows: list[Row],
    first: Mapping[bytes, int],
    outcomes: Mapping[int, Row],
    refused: Mapping[int, tuple[str, str]] | None = None,
) -> Iterator[Row]:
    """One row per candidate: its image's outcome with its own words."""
    refused = refused or {}
    for number, row in enumerate(rows):
        key = corpus.key(shard, number)
        if number in refused:
            yield _row(row, key, failed({}, DOWNLOAD, *refused[number]), None)
            continue
        place = first[row["image_id"]]
        found = outcomes[place]
        yield _row(row, key, found, corpus.key(shard, place) if found["status"] == SUCCESS else None)


def counts_of(listed: list[Row]) -> dict[str, Any]:
    """What the stats of a shard say of its rows."""
    statuses = Counter(row["status"] for row in listed)
    reasons = Counter(_status(row) for row in listed)
    hosts = Counter(
        _host(row["url"])
        for row in listed
        if row["status"] == DOWNLOAD and row["reason"] not in ("not_kept", "blocked")
    )
    return {
        "seen": len(listed),
        "kept": statuses[SUCCESS],
        "rejected": Counter(row["reason"] for row in listed if row["reason"] is not None),
        "count": len(listed),
        "successes": statuses[SUCCESS],
        DOWNLOAD: statuses[DOWNLOAD],
        RESIZE: statuses[RESIZE],
        "status_dict": dict(sorted(reasons.items())),
        "failed_hosts": dict(sorted(hosts.items(), key=lambda each: (-each[1], each[0]))[:TOP_HOSTS]),
        "fetched_bytes": sum(row.get("original_bytes") or 0 for row in listed if row["key"] == row["image_key"]),
    }


def _status(row: Row) -> str:
    """`success`, or a reason; of an answer that was not to be had with its HTTP status."""
    if row["reason"] == "http_error":
        return f"http_error {row['http_status']}"
    return row["reason"] or SUCCESS


def _host(url: str | None) -> str:
    try:
        return urlsplit(url or "").hostname or ""
    except ValueError:
        return ""
