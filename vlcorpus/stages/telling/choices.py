"""All decisions of a corpus: what each keeps, and how much of it any two share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...corpus import Corpus
from ...io import table
from ...report import model
from ..base import ALL
from .shown import decisions

if TYPE_CHECKING:
    import pyarrow as pa

MOST = 12


def sections(corpus: Corpus, shown: str | None) -> list[model.Section]:
    """Nothing where there are fewer than two."""
    names = decisions(corpus)
    if len(names) < 2:
        return []
    stats: dict[str, Mapping[str, Any]] = {name: corpus.layer(f"decisions/{name}").stats(ALL) or {} for name in names}
    columns = tuple(
        model.Column(name, right=name == "kept share") for name in ("decision", "of", "rows", "kept", "kept share", "")
    )
    rows = tuple(
        (
            name,
            str(each.get("of", "images")),
            int(each["seen"]),
            int(each["kept"]),
            f"{100 * each['kept'] / each['seen']:.1f} %" if each["seen"] else None,
            "shown here" if name == shown else "",
        )
        for name, each in stats.items()
    )
    found: list[model.Section] = [model.Table("All decisions", columns, rows)]
    compared = tuple(sorted(names, key=lambda name: (name != shown, name))[:MOST])
    shares = jaccard(corpus, compared)
    values = tuple(tuple(None if np.isnan(each) else float(each) for each in row) for row in shares)
    note = "Jaccard: the pairs that both keep, of those that either keeps. 1: the same pairs; 0: none in common."
    if len(names) > len(compared):
        note += f" The first {len(compared)} of {len(names)}."
    found.append(model.Matrix("What two decisions have in common", compared, values, digits=3, note=note))
    return found


def jaccard(corpus: Corpus, names: tuple[str, ...]) -> npt.NDArray[np.float64]:
    """(D, D) float64: of the pairs that either keeps, those that both do; nan where neither keeps any.

    Reads each shard of each decision once. Decisions of images and of candidates are compared by uid.
    """
    both = np.zeros((len(names), len(names)), np.int64)
    shards = sorted({shard for name in names for shard in corpus.layer(f"decisions/{name}").units()})
    for shard in shards:
        found = [_kept(corpus, name, shard) for name in names]
        for one in range(len(names)):
            for other in range(one, len(names)):
                both[one, other] += _common(found[one], found[other])
    both = np.maximum(both, both.T)
    alone = both.diagonal()
    either = alone[:, None] + alone[None, :] - both
    shares: npt.NDArray[np.float64] = np.full(both.shape, np.nan)
    np.divide(both, either, out=shares, where=either > 0)
    return shares


Kept = tuple["pa.Array", npt.NDArray[np.bool_]]


def _kept(corpus: Corpus, name: str, shard: str) -> Kept | None:
    """The uids that a decision was asked about, and which of them it keeps; None of shards that it does not know."""
    layer = corpus.layer(f"decisions/{name}")
    if layer.stats(shard) is None:
        return None
    rows = table.read(layer.path(f"{shard}.parquet"), "decisions", only=["uid", "keep"])
    return rows.column("uid").combine_chunks(), rows.column("keep").to_numpy()


def _common(one: Kept | None, other: Kept | None) -> int:
    import pyarrow.compute as pc

    if one is None or other is None:
        return 0
    if one is other:
        return int(one[1].sum())
    if one[0].equals(other[0]):
        return int((one[1] & other[1]).sum())
    mine, theirs = (uids.filter(keep) for uids, keep in (one, other))
    return int(pc.sum(pc.is_in(mine, value_set=theirs)).as_py() or 0)
