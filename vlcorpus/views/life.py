"""One pair's whole life: found, fetched, stored, embedded, scored, decided on, grouped, split, exported.

    told = life(corpus, find(corpus, "0123456789ab"))
    told.decisions[0].judgements[0]      rule="similarity in the top 0.3", value=0.21, threshold=0.31, passed=False

Every step that the corpus has is told with the values that it stored; a step that it does not have is None or empty.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import expression
from ..corpus import Corpus
from ..errors import CorpusError
from ..io import table
from ..stages import scorers
from ..stages.columns import catalogue
from ..stages.takedowns import named_by
from .exported import Exported, exported
from .find import Found, Refused, places
from .judging import Judgement, judgement
from .layers import ALL, stats_or_none
from .origin import page_of


@dataclass(frozen=True)
class Stored:
    """Where the image lies: `offset` and `length` in bytes of each member's payload in the tar."""

    tar: str
    key: str
    members: dict[str, tuple[int, int]]


@dataclass(frozen=True)
class Embedded:
    """Row `row` of the shard's arrays. Norms are of the stored fp16 rows; NaN where the model failed."""

    model: str
    dimension: int
    row: int
    image_norm: float
    text_norm: float


@dataclass(frozen=True)
class Decided:
    decision: str
    keep: bool
    weight: float
    judgements: tuple[Judgement, ...]


@dataclass(frozen=True)
class Member:
    """image_id: members of one image are several captions of it, and no duplicates of each other."""

    uid: str
    key: str
    kind: str
    image_id: str


@dataclass(frozen=True)
class Grouped:
    """The pair's group. keepers: the uid whose image stands for the group, for each decision, and "all" without one."""

    duplicates: str
    group: str
    members: tuple[Member, ...]
    keepers: dict[str, str | None]


@dataclass(frozen=True)
class Life:
    """uid, key and shard; `found` is its row as a candidate; `rejected` says why it is none; `page` and `fetched` are
    its rows in those tables. scores: by column; those that came with a list as `list.similarity`. taken_down: the value
    that names it, by takedown."""

    uid: str
    shard: str
    key: str | None
    found: dict[str, Any]
    rejected: str | None = None
    page: dict[str, Any] | None = None
    fetched: dict[str, Any] | None = None
    stored: Stored | None = None
    embedded: tuple[Embedded, ...] = ()
    scores: dict[str, Any] = field(default_factory=dict)
    decisions: tuple[Decided, ...] = ()
    groups: tuple[Grouped, ...] = ()
    splits: dict[str, str] = field(default_factory=dict)
    exports: tuple[Exported, ...] = ()
    taken_down: dict[str, str] = field(default_factory=dict)


def life(corpus: Corpus, place: Found | Refused, *, export: str | Path | None = None) -> Life:
    """Everything that the corpus, and an export where one is named, knows of a pair. CorpusError for damaged files."""
    if isinstance(place, Refused):
        values = _plain({name: value for name, value in place.values.items() if name != "reason"})
        return Life(place.uid.hex(), place.shard, None, values, str(place.values["reason"]))
    candidates = corpus.layer("candidates").path(f"{place.shard}.parquet")
    found = table.read(candidates, "candidates").slice(place.row, 1).to_pylist()[0]
    page = page_of(corpus, found)
    fetched = _fetched(corpus, place)
    row = _image_row(corpus, place) if fetched is not None and fetched["status"] == "success" else None
    scores = _scores(corpus, place)
    return Life(
        uid=place.uid.hex(),
        shard=place.shard,
        key=corpus.key(place.shard, place.row),
        found=_plain(found),
        page=page,
        fetched=fetched,
        stored=_stored(corpus, place.shard, str(fetched["image_key"])) if fetched and row is not None else None,
        embedded=tuple(_embedded(corpus, place, row)) if row is not None else (),
        scores=scores,
        decisions=tuple(_decisions(corpus, place, scores)),
        groups=tuple(_groups(corpus, place)),
        splits=_splits(corpus, place),
        exports=tuple(exported(export, place.uid, found["given_uid"])) if export is not None else (),
        taken_down=named_by(corpus, place.uid),
    )


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in row.items()}


def _fetched(corpus: Corpus, place: Found) -> dict[str, Any] | None:
    layer = corpus.layer("shards")
    if layer.stats(place.shard) is None:
        return None
    rows = table.read(layer.path(f"{place.shard}.parquet"), "shards")
    row: dict[str, Any] = rows.slice(place.row, 1).to_pylist()[0] if place.row < len(rows) else {}
    if row.get("uid") != place.uid.hex():
        raise CorpusError(
            f"row {place.row} of shards/{place.shard}.parquet is not that candidate",
            f"run `vlcorpus verify {corpus.place}`",
        )
    return row


def _image_row(corpus: Corpus, place: Found) -> int:
    """Number of the pair among those of its shard that have an image."""
    path = corpus.layer("shards").path(f"{place.shard}.parquet")
    statuses = table.read(path, "shards", only=["status"]).column("status").to_pylist()
    return sum(status == "success" for status in statuses[: place.row])


def _stored(corpus: Corpus, shard: str, key: str) -> Stored:
    from ..io import tar

    name = f"{shard}.tar"
    members = {
        each.extension: (each.offset, each.length)
        for each in tar.scan(corpus.layer("shards").path(name))
        if each.key == key
    }
    return Stored(f"shards/{name}", key, members)


def _embedded(corpus: Corpus, place: Found, row: int) -> list[Embedded]:
    import numpy as np

    from ..io import vectors

    found = []
    for model in corpus.layers("embeddings"):
        layer = corpus.layer(f"embeddings/{model}")
        if layer.stats(place.shard) is None:
            continue
        norms = []
        for side in ("img", "text"):
            rows = vectors.read(layer.path(f"{side}_emb/{side}_emb_{place.shard}.npy"))
            if row >= len(rows):
                raise CorpusError(
                    f"{layer.name} has no row {row} in shard {place.shard}", f"run `vlcorpus verify {corpus.place}`"
                )
            norms.append(float(np.linalg.norm(rows[row].astype(np.float64))))
        found.append(Embedded(model, rows.shape[1], row, *norms))
    return found


def _row(path: Path, name: str, uid: bytes) -> dict[str, Any] | None:
    """The pair's row of a table keyed by uid."""
    rows = table.read(path, name)
    uids = rows.column("uid").to_pylist()
    return rows.slice(uids.index(uid), 1).to_pylist()[0] if uid in uids else None


def _scores(corpus: Corpus, place: Found) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for score in corpus.layers("scores"):
        layer = corpus.layer(f"scores/{score}")
        if layer.stats(place.shard) is None:
            continue
        values = _row(layer.path(f"{place.shard}.parquet"), scorers.table_of(score), place.uid) or {}
        if score == scorers.LIST:  # columns of many lists; this one has a few
            values = {f"{score}.{name}": value for name, value in values.items() if name != "uid" and value is not None}
        found |= {name: value for name, value in values.items() if name != "uid"}
    return found


def _decisions(corpus: Corpus, place: Found, scores: dict[str, Any]) -> list[Decided]:
    found = []
    for name in corpus.layers("decisions"):
        layer = corpus.layer(f"decisions/{name}")
        whole = stats_or_none(layer, ALL)
        if whole is None or layer.stats(place.shard) is None:
            continue
        row = _row(layer.path(f"{place.shard}.parquet"), "decisions", place.uid)
        if row is None:
            continue
        values = scores | _asked(corpus, place, whole)
        judgements = tuple(
            judgement(stored, values, failed=bool(row["fail_mask"] >> bit & 1))
            for bit, stored in enumerate(whole["predicates"])
        )
        found.append(Decided(name, row["keep"], row["weight"], judgements))
    return found


def _asked(corpus: Corpus, place: Found, whole: dict[str, Any]) -> dict[str, Any]:
    """What a decision read of this pair: the values of its columns and of the expressions that it groups or orders by.

    Values are those of today: a layer that was made again since may say something else. What is gone is left out.
    """
    known = catalogue(corpus, whole.get("of", "images"))
    names = list(dict.fromkeys(name for each in whole["predicates"] for name in each.get("columns", ())))
    names = [name for name in names if name in known]
    try:
        rows = known.read(place.shard, names)
    except CorpusError:
        return {}
    uids = rows.column("uid").to_pylist()
    if place.uid not in uids:
        return {}
    row = rows.slice(uids.index(place.uid), 1)
    found = row.select(names).to_pylist()[0] if names else {}
    for text in {each.get(side) for each in whole["predicates"] for side in ("column", "by")} - {None, *found}:
        if set(expression.names(text)) <= set(names):
            found[text] = expression.compile_value(text, row.schema).values(row).to_pylist()[0]
    return found


def _groups(corpus: Corpus, place: Found) -> list[Grouped]:
    found = []
    for name in corpus.layers("duplicates"):
        layer = corpus.layer(f"duplicates/{name}")
        if stats_or_none(layer, ALL) is None:
            continue
        rows = table.read(layer.path("groups.parquet"), "duplicates").to_pylist()
        group = next((row["group"] for row in rows if row["uid"] == place.uid), None)
        if group is None:
            continue
        kinds = {row["uid"]: row["kind"] for row in rows if row["group"] == group}
        ordered = sorted(places(corpus, kinds).values(), key=lambda each: (each.shard, each.row))
        members = tuple(_member(corpus, each, kinds[each.uid]) for each in ordered)
        found.append(Grouped(name, group.hex(), members, _keepers(corpus, ordered)))
    return found


def _member(corpus: Corpus, place: Found, kind: str) -> Member:
    path = corpus.layer("candidates").path(f"{place.shard}.parquet")
    image = table.read(path, "candidates", only=["image_id"]).column("image_id")[place.row].as_py()
    return Member(place.uid.hex(), corpus.key(place.shard, place.row), kind, image.hex())


def _keepers(corpus: Corpus, ordered: list[Found]) -> dict[str, str | None]:
    """The first kept member in corpus order, for each decision: who stands for the group in an export."""
    keepers: dict[str, str | None] = {ALL: ordered[0].uid.hex() if ordered else None}
    for name in corpus.layers("decisions"):
        layer = corpus.layer(f"decisions/{name}")
        keepers[name] = None
        for each in ordered:
            if layer.stats(each.shard) is None:
                continue
            row = _row(layer.path(f"{each.shard}.parquet"), "decisions", each.uid)
            if row is not None and row["keep"]:
                keepers[name] = each.uid.hex()
                break
    return keepers


def _splits(corpus: Corpus, place: Found) -> dict[str, str]:
    found = {}
    for name in corpus.layers("splits"):
        layer = corpus.layer(f"splits/{name}")
        row = None
        if layer.stats(place.shard) is not None:
            row = _row(layer.path(f"{place.shard}.parquet"), "splits", place.uid)
        if row is not None:
            found[name] = row["split"]
    return found
