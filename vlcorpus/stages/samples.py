"""Reading what a corpus holds: pairs with their images, whole or as a decision and a split choose.

    for pair in stored(corpus, "00000"): pair.uid, pair.caption, pair.body
    for pair in chosen(corpus, Choice(decision="similarity-0.28", split="train")): ...

Rows of one image stand together, so its bytes are read once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..corpus import Corpus
from ..errors import CorpusError
from ..io import table, tar

IMAGES = ("jpg", "png", "webp", "gif", "avif", "bmp", "tiff", "jp2")


@dataclass(frozen=True)
class Pair:
    """One pair that has an image. `row` is its row of shards/NNNNN.parquet; `body` the stored image's bytes."""

    shard: str
    uid: bytes
    key: str
    image_key: str
    caption: str
    body: bytes
    extension: str
    row: Mapping[str, Any]


def stored(corpus: Corpus, shard: str) -> Iterator[Pair]:
    """The pairs of a shard whose image is there, in order. CorpusError where table and tar disagree."""
    shards = corpus.layer("shards")
    path = shards.path(f"{shard}.tar")
    places = {entry.key: entry for entry in tar.scan(path) if entry.extension in IMAGES}
    last, body = "", b""
    with open(path, "rb") as file:
        for row in table.rows(shards.path(f"{shard}.parquet"), "shards"):
            if row["status"] != "success":
                continue
            key = row["image_key"]
            if key not in places:
                raise CorpusError(f"{path} has no image {key}", f"run `vlcorpus verify {corpus.path}`")
            entry = places[key]
            if key != last:
                file.seek(entry.offset)
                last, body = key, file.read(entry.length)
            uid = bytes.fromhex(row["uid"])
            yield Pair(shard, uid, row["key"], key, row["caption"], body, entry.extension, row)


def with_image(corpus: Corpus, shard: str, columns: tuple[str, ...] = ("uid",)) -> list[dict[str, Any]]:
    """Rows of a shard's table whose image is there, in order, without reading any image."""
    path = corpus.layer("shards").path(f"{shard}.parquet")
    rows = table.read(path, "shards", only=[*dict.fromkeys((*columns, "status"))]).to_pylist()
    return [row for row in rows if row["status"] == "success"]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which pairs: what a decision keeps, one keeper a duplicate group, and the splits. None: no restriction."""

    decision: str | None = None
    duplicates: str | None = None
    split: str | None = None


class Chosen:
    """A choice, looked up: every pair with an image gets a verdict and a split.

    The keeper of a duplicate group is its first kept pair in corpus order; groups know nothing of decisions. Pairs of
    one image are never each other's duplicates here: they are several captions of one picture.
    """

    def __init__(self, corpus: Corpus, choice: Choice) -> None:
        self._corpus = corpus
        self._choice = choice
        self._groups = groups(corpus, choice.duplicates) if choice.duplicates else {}
        self._keepers: dict[bytes, str] = {}

    def rows(self, shard: str) -> Iterator[tuple[dict[str, Any], str | None, str]]:
        """(row of the shard's table, reason why it is not taken or None, its split), in order."""
        corpus, choice = self._corpus, self._choice
        rows = with_image(corpus, shard, ("uid", "image_id"))
        uids = [bytes.fromhex(row["uid"]) for row in rows]
        keeps: list[bool] = [True] * len(rows)
        splits: list[str] = ["all"] * len(rows)
        if choice.decision:
            keeps = column(corpus, f"decisions/{choice.decision}", shard, "decisions", "keep", uids)
        if choice.split:
            splits = column(corpus, f"splits/{choice.split}", shard, "splits", "split", uids)
        for row, uid, keep, split in zip(rows, uids, keeps, splits, strict=True):
            yield row, self._reason(row, uid, keep), split

    def _reason(self, row: dict[str, Any], uid: bytes, keep: bool) -> str | None:
        if not keep:
            return "not_kept"
        group = self._groups.get(uid)
        if group is not None and self._keepers.setdefault(group, row["image_id"]) != row["image_id"]:
            return "other_keeper"
        return None


def chosen(corpus: Corpus, choice: Choice, *, split: str | None = None) -> Iterator[Pair]:
    """The pairs that a choice takes, with their images, in corpus order."""
    verdicts = Chosen(corpus, choice)
    for shard in corpus.layer("shards").units():
        taken = {
            row["uid"] for row, reason, belongs in verdicts.rows(shard) if reason is None and split in (None, belongs)
        }
        if taken:
            yield from (pair for pair in stored(corpus, shard) if pair.row["uid"] in taken)


def groups(corpus: Corpus, name: str) -> dict[bytes, bytes]:
    """uid -> group, for pairs that have near-duplicates."""
    layer = corpus.layer(f"duplicates/{name}")
    found = table.read(layer.path("groups.parquet"), "duplicates", only=["uid", "group"])
    return dict(zip(found.column("uid").to_pylist(), found.column("group").to_pylist(), strict=True))


def column(corpus: Corpus, layer: str, shard: str, name: str, column: str, uids: Sequence[bytes]) -> list[Any]:
    """A column of a layer's table `name` for the pairs of a shard, which must be its rows in this order."""
    place = corpus.layer(layer)
    if place.stats(shard) is None:
        raise CorpusError(f"{layer} has no shard {shard}", f"the corpus has grown: make {layer} again")
    found = table.read(place.path(f"{shard}.parquet"), name, only=["uid", column])
    if found.column("uid").to_pylist() != list(uids):
        raise CorpusError(f"{layer} is not of the pairs of shard {shard}", f"the shard is new: make {layer} again")
    values: list[Any] = found.column(column).to_pylist()
    return values
