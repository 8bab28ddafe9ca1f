"""Scores that came with a list: scores/list, one file for each candidate shard of the source.

    write(stage, corpus, source)

The rows of sources/<source>/scores/ stand beside those of pairs/. A candidate remembers its place in the source
(`offset`), so its scores are taken from there: row r of scores/list/NNNNN.parquet is row r of candidates/NNNNN.parquet,
whether or not it will ever have an image. The stats name the source and, where --scores-model said it, the model.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..corpus import Corpus
from .base import UnitCommit

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from .import_ import Import

HELD_PARTS = 8
NAME = "extracted-scores"


def write(stage: Import, corpus: Corpus, source: str) -> None:
    """Write the scores of every candidate shard of a source; none where it brought no scores."""
    from ..io import table
    from .candidates import in_order, writers

    parts = corpus.layer(f"sources/{source}")
    if not parts.names("scores/*.parquet"):
        return
    layer, made = corpus.layer("candidates"), corpus.layer("scores/list")
    scores = _Scores(corpus, source)
    model = {} if stage.scores_model is None else {"model": stage.scores_model}

    def missing() -> Iterator[tuple[UnitCommit, pa.Table]]:
        for unit in layer.units():
            stats = layer.stats(unit)
            if stats is None or stats["source"] != source:
                continue
            commit = UnitCommit(stage, corpus, made, unit, {"candidates": layer.digest(unit)} | model)
            done = made.stats(unit)
            if done is None or done["fingerprint"] != commit.fingerprint:
                rows = table.read(layer.path(f"{unit}.parquet"), "candidates", only=["uid", "offset"])
                yield commit, _declared(rows, scores.of(rows.column("offset").to_numpy()))

    def write(given: tuple[UnitCommit, pa.Table]) -> None:
        commit, rows = given
        with commit:
            table.write(commit, f"{commit.unit}.parquet", rows, "score-list", varied=("uid",))
            commit.finish(seen=len(rows), kept=len(rows), source=parts.name, model=stage.scores_model, of="candidates")

    for _ in in_order(write, missing(), threads=writers(corpus.shard_rows)):
        pass


class _Scores:
    """The scores of a source by the place of their pair; a few parts are held."""

    def __init__(self, corpus: Corpus, source: str) -> None:
        import numpy as np

        self._layer = corpus.layer(f"sources/{source}")
        self._parts = self._layer.units()
        self._sizes = [int((self._layer.stats(part) or {})["seen"]) for part in self._parts]
        self._starts = np.cumsum([0, *self._sizes])
        self._held: dict[int, pa.Table] = {}

    def of(self, offsets_N: npt.NDArray[np.int64]) -> pa.Table:
        """Row r is that of the pair at offsets_N[r]. Columns without any score are left out."""
        import numpy as np
        import pyarrow as pa

        if not len(offsets_N):
            return pa.table({})
        part_N = np.searchsorted(self._starts, offsets_N, side="right") - 1
        order = np.argsort(part_N, kind="stable")
        parts, firsts = np.unique(part_N[order], return_index=True)
        pieces = [
            self._part(part).take(pa.array(offsets_N[rows] - self._starts[part]))
            for part, rows in zip(parts.tolist(), np.split(order, firsts[1:]), strict=True)
        ]
        if len(pieces) == 1:  # all in their order
            return pieces[0]
        whole = pa.concat_tables(pieces, promote_options="default") if pieces else pa.table({})
        return whole.take(pa.array(np.argsort(order, kind="stable"))) if whole.column_names else whole

    def _part(self, number: int) -> pa.Table:
        """The columns of a part that hold any score; one at least, so that it has its rows."""
        from ..io import table

        if number not in self._held:
            if len(self._held) >= HELD_PARTS:
                self._held.pop(next(iter(self._held)))
            path = self._layer.path(f"scores/{self._parts[number]}.parquet")
            self._held[number] = _scored(table.read(path, NAME) if path.is_file() else None, self._sizes[number])
        return self._held[number]


def _scored(found: pa.Table | None, size: int) -> pa.Table:
    import pyarrow as pa

    from .. import schema
    from ..io import table

    names = schema.table(NAME).names
    if found is not None:
        held = [name for name in names if name not in table.nothing_in(found)]
        if held:
            return found.select(held).combine_chunks()
    kind = schema.table(NAME).arrow().field(0)
    return pa.table({kind.name: pa.nulls(size, kind.type)})


def _declared(rows: pa.Table, found: pa.Table) -> pa.Table:
    import pyarrow as pa

    from .. import schema

    wanted = schema.table("score-list").arrow()
    there = {"uid": rows.column("uid")} | {name: found.column(name) for name in found.column_names}
    columns = [there[each.name] if each.name in there else pa.nulls(len(rows), each.type) for each in wanted]
    return pa.Table.from_arrays(columns, schema=wanted).combine_chunks()
