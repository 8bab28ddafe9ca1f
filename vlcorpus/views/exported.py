"""What an export holds of the corpus's pairs: uids, however they are written down.

exported("out", uid, given_uid)                where a pair stands: [Exported("out", "train", "train/00000.tar", …)]
entries(layer, "00000", format)                uids of a shard of an export as (N, 16) bytes, in its order
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..corpus import Layer
from ..stages.export_formats import UIDS, URLS, format_of, holder, table_of
from ..stages.export_lists import GIVEN
from .layers import ALL, export_layers, stats_or_none

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True)
class Exported:
    """Where a pair stands in an export: the file or folder below `folder`, and the sample's key or the row there."""

    folder: str
    split: str
    tar: str
    key: str


def exported(out: str | Path, uid: bytes, given_uid: str | None) -> Iterator[Exported]:
    """Every place of a pair. given_uid: that of its candidate. CorpusError where there is no export."""
    top, *splits = export_layers(out)
    kind = uid_kind(top)
    for layer in splits:
        for shard in layer.units():
            format = format_of(layer.stats(shard))
            held = f"{layer.folder.name}/{holder(shard, format)}"
            for key in _keys(layer, shard, format, uid, given_uid if kind == GIVEN else None):
                yield Exported(str(out), layer.folder.name, held, key)


def uid_kind(top: Layer) -> str | None:
    """Which uids a list of uids has: own, given; None of other exports."""
    said = (stats_or_none(top, ALL) or {}).get("uids")
    return said if isinstance(said, str) else None


def _keys(layer: Layer, shard: str, format: str, uid: bytes, given_uid: str | None) -> Iterator[str]:
    from ..io import table

    if format == UIDS:
        yield from _places(layer.path(holder(shard, format)), uid, given_uid)
        return
    names = ["uid"] if format == URLS else ["uid", "key"]
    rows = table.read(layer.path(f"{shard}.parquet"), table_of(layer.stats(shard)), only=names)
    for place, each in enumerate(rows.column("uid").to_pylist()):
        if each == uid.hex():
            yield f"row {place}" if format == URLS else rows.column("key")[place].as_py()


def _places(path: Path, uid: bytes, given_uid: str | None) -> Iterator[str]:
    """The entries of a subset file that are this uid."""
    import numpy as np
    import pyarrow as pa

    from ..io import subset

    wanted = np.frombuffer(uid, np.uint8)[None]
    if given_uid is not None:
        wanted, good = subset.from_hex(pa.array([given_uid], pa.string()))
        if not good[0]:
            return
    (high,), (low,) = subset.halves(wanted)
    rows = subset.read(path)
    place = bisect_left(rows["f0"], high)  # not numpy's search, which would read all of it
    while place < len(rows) and rows["f0"][place] == high:
        if rows["f1"][place] == low:
            yield f"entry {place}"
        place += 1


def entries(layer: Layer, shard: str, format: str) -> npt.NDArray[np.uint8]:
    """The uids of a shard of an export, in its order. CorpusError where its file cannot be read, or says no uids."""
    import numpy as np

    from ..errors import CorpusError
    from ..io import subset, table

    if format == UIDS:
        rows = subset.read(layer.path(holder(shard, format)))
        both = np.stack([rows["f0"], rows["f1"]], axis=1).astype(">u8")
        return both.view(np.uint8).reshape(-1, 16)
    path = layer.path(f"{shard}.parquet")
    texts = table.read(path, table_of(stats_or_none(layer, shard)), only=["uid"]).column("uid").combine_chunks()
    uids, good = subset.from_hex(texts)
    if not good.all():
        raise CorpusError(f"{path} names {texts[int(np.flatnonzero(~good)[0])].as_py()[:64]!r}, which is no uid")
    return uids
