"""fused: the mean of a pair's places in several columns, weighted, from 0 (lowest) to 1 (highest).

    vlcorpus score CORPUS fused --columns similarity negcliploss --shares 2 1

Of a column whose low values are the good ones the share is negative. A pair that lacks one of the columns has none, and
takes no place from others. The corpus is gone through twice; held are the values of the columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ...corpus import Corpus
from ...errors import UsageError
from .. import columns as catalogues
from ..base import Tell
from .base import AllShards, Scored, Scorer

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from ..score import Score

NUMBERS = ("int32", "int64", "uint64", "float32", "float64", "bool")


class Fused(Scorer):
    """Mean of the ranks in several columns."""

    whole = True
    reads = ("shares",)
    needed = ("columns",)
    libraries = ("numpy",)

    def needs(self, stage: Score) -> tuple[str, ...]:
        kinds = (catalogues.kind_that_makes(name) for name in stage.columns)
        return tuple(dict.fromkeys(f"scores/{kind}" for kind in kinds if kind is not None))

    def inputs(self, stage: Score, corpus: Corpus) -> dict[str, str]:
        layers = catalogues.catalogue(corpus).layers(stage.columns)
        return {name: corpus.layer(name).digest_all() for name in layers if name}

    def check(self, stage: Score, corpus: Corpus) -> None:
        if len(set(stage.columns)) != len(stage.columns):
            raise UsageError("a column is named twice", "name each once, and give it a greater share: --shares")
        if stage.shares and len(stage.shares) != len(stage.columns):
            raise UsageError(
                f"{len(stage.columns)} columns and {len(stage.shares)} shares", "give a share for each column"
            )
        if any(share == 0 or abs(share) == float("inf") for share in stage.shares):
            raise UsageError("a share of 0 or without end", "leave the column away, or give it a share above 0")
        known = catalogues.catalogue(corpus, coming=self.needs(stage))
        for name in stage.columns:
            origin = known.origin(name)
            if origin.layer == stage.made():
                raise UsageError(f"{name} is what is to be made", "name other columns, or this score: --named")
            if origin.type not in NUMBERS:
                raise UsageError(f"{name} is {origin.type}, which has no ranks", "name columns of numbers")

    def open(self, stage: Score, corpus: Corpus) -> AllShards:
        import numpy as np
        import pyarrow as pa

        from ...scores.ranks import Ranks, fused

        known = catalogues.catalogue(corpus)
        names = stage.columns
        shares = stage.shares or (1.0,) * len(names)

        def columns(shards: Sequence[str], tell: Tell) -> Iterator[tuple[str, Scored]]:
            parts: list[list[Any]] = []
            for shard in shards:
                values, whole = _values(known.read(shard, names), names)
                parts.append([each[whole] for each in values])
            ranks = [Ranks(np.concatenate(each)) for each in zip(*parts, strict=True)]
            counted = sum(len(each[0]) for each in parts)
            del parts
            about = {"columns": list(names), "shares": list(shares), "ranked": counted}
            for shard in shards:
                rows = known.read(shard, names)
                values, whole = _values(rows, names)
                made = np.full(len(rows), np.nan)
                made[whole] = fused([rank.of(each[whole]) for rank, each in zip(ranks, values, strict=True)], shares)
                value = pa.array(made.astype(np.float32), pa.float32(), mask=~whole)
                yield shard, Scored({"uid": rows.column("uid"), "fused": value}, about)

        return columns


def _values(rows: pa.Table, names: Sequence[str]) -> tuple[list[npt.NDArray[Any]], npt.NDArray[np.bool_]]:
    """The columns' numbers (N,) each, and which rows have all of them; what is missing is 0."""
    import numpy as np
    import pyarrow.compute as pc

    found: list[npt.NDArray[Any]] = []
    whole = np.ones(len(rows), dtype=bool)
    for name in names:
        column = rows.column(name).combine_chunks()
        whole &= column.is_valid().to_numpy(zero_copy_only=False)
        zero = False if str(column.type) == "bool" else 0
        values = pc.fill_null(column, zero).to_numpy(zero_copy_only=False)
        if values.dtype.kind == "f":
            whole &= ~np.isnan(values)
        found.append(values)
    return found, whole
