"""Cutting what a source brought into candidate shards.

    cut(stage, corpus, source, kind="list", tell=tell)

A source's extracted pairs, in order, get their identities; rows of one image are brought together behind its first
row; the row of a pair that was seen before is rejected as `duplicate_pair`. Then the rows are cut, rejected ones
included, into slices of at most `shard_rows`. Where the cuts fall depends on the source alone, whatever else is in the
corpus, so a cut that was killed goes on where it stopped, and a later source continues the numbering. Every row ends up
in candidates/NNNNN.parquet or candidates/rejected/NNNNN.parquet.

Costs about 10 microseconds and 1 kB of memory per row; the uids of earlier sources stay in memory (100 B each).
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any

from .. import identity, spec
from ..corpus import Corpus, Layer
from ..io import table
from .base import Stage, Tell, UnitCommit, count

Row = dict[str, Any]


def cut(stage: Stage, corpus: Corpus, source: str, *, kind: str, tell: Tell) -> tuple[int, int, Counter[str]]:
    """Write the candidate shards of `source`. Returns rows seen, kept, and rejected by reason."""
    candidates = corpus.layer("candidates")
    parts = corpus.layer(f"sources/{source}")
    inputs = {parts.name: spec.digest([parts.digest(part) for part in parts.units()])}
    own, known = _earlier(candidates, source)
    free = _free_names(corpus, candidates)
    seen = kept = 0
    rejected: Counter[str] = Counter()
    for number, rows in enumerate(_slices(corpus, source, known)):
        refused = count([row["reason"] for row in rows])
        seen += len(rows)
        kept += len(rows) - refused.total()
        rejected += refused
        shard = own[number] if number in own else next(free)
        commit = UnitCommit(stage, corpus, candidates, shard, inputs | {"slice": str(number)})
        stats = candidates.stats(shard)
        if stats is None or stats["fingerprint"] != commit.fingerprint:
            _write(commit, rows, refused, source=source, source_kind=kind, slice=number)
        tell(seen, kept)
    return seen, kept, rejected


def digest(corpus: Corpus, source: str) -> str:
    """Names the candidate shards of `source` as they are: where one is gone, what brought it has work to do."""
    layer = corpus.layer("candidates")
    own, _ = _earlier(layer, source, with_uids=False)
    return spec.digest([(number, layer.digest(shard)) for number, shard in sorted(own.items())])


def _earlier(candidates: Layer, source: str, *, with_uids: bool = True) -> tuple[dict[int, str], set[bytes]]:
    """The shards that this source has already (slice number -> shard), and the uids of all other sources."""
    own: dict[int, str] = {}
    known: set[bytes] = set()
    for shard in candidates.units():
        stats = candidates.stats(shard)
        if stats is None:
            continue
        if stats["source"] == source:
            own[int(stats["slice"])] = shard
        elif with_uids:
            uids = table.read(candidates.path(f"{shard}.parquet"), "candidates", only=["uid"])
            known.update(uids.column("uid").to_pylist())
    return own, known


def _free_names(corpus: Corpus, candidates: Layer) -> Iterator[str]:
    """Names of shards that are not there, lowest first: one that was lost gets its name back."""
    taken = set(candidates.units())
    return (name for name in map(corpus.shard_name, itertools.count()) if name not in taken)


def _slices(corpus: Corpus, source: str, known: set[bytes]) -> Iterator[list[Row]]:
    """The source's rows, images together, in slices of at most shard_rows."""
    waiting: list[Row] = []
    for image in _images(corpus, source, known):
        for start in range(0, len(image), corpus.shard_rows):
            part = image[start : start + corpus.shard_rows]
            if waiting and len(waiting) + len(part) > corpus.shard_rows:
                yield waiting
                waiting = []
            waiting = waiting + part if waiting else part
    if waiting:
        yield waiting


def _images(corpus: Corpus, source: str, known: set[bytes]) -> Iterator[list[Row]]:
    """Groups of rows of one image, duplicates included, in the order of their first rows; what names no image that can
    be had stands alone."""
    groups: dict[object, list[Row]] = {}
    brought: set[bytes] = set()
    offset = 0
    pairs = corpus.layer(f"sources/{source}")
    for part in pairs.units():
        for row in table.rows(pairs.path(f"pairs/{part}.parquet"), "extracted"):
            row |= {"source": source, "offset": offset}
            place: object = offset
            if row["reason"] is None:
                _identify(row)
                if row["uid"] in known or row["uid"] in brought:
                    row["reason"] = "duplicate_pair"
                brought.add(row["uid"])
                place = row["image_id"]
            groups.setdefault(place, []).append(row)
            offset += 1
    yield from groups.values()


def _identify(row: Row) -> None:
    alt_text = row["alt_text"] or ""
    if row["url"] is None:
        row["image_id"] = row["image_hash"]
        row["uid"] = identity.uid(row["image_hash"].hex(), alt_text)
    else:
        row["image_id"] = identity.image_id(row["url"])
        row["uid"] = identity.uid(row["url"], alt_text)


def _write(commit: UnitCommit, rows: list[Row], refused: Counter[str], **about: Any) -> None:
    good = [row for row in rows if row["reason"] is None]
    bad = [row for row in rows if row["reason"] is not None]
    with commit:
        table.write(commit, f"{commit.unit}.parquet", table.columns(good, "candidates"), "candidates")
        name = f"rejected/{commit.unit}.parquet"
        table.write(commit, name, table.columns(bad, "candidates-rejected"), "candidates-rejected")
        commit.finish(seen=len(rows), kept=len(good), rejected=refused, **about)
