"""The pairs of one shard, and their columns from any layer.

    rows = Rows(corpus, "00000", "images")       the pairs with images; "candidates": all of them
    rows.uids                                    binary16, in the order of the shard
    rows.read({"similarity": origin})            {"similarity": its values, a row a pair}

Row r of candidates/ is row r of shards/ and of scores of candidates; scores of images have the rows that have one.
Uids are compared wherever a layer has them: 20 ns a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import schema
from ..corpus import Corpus
from ..errors import CorpusError
from . import scorers

if TYPE_CHECKING:
    import pyarrow as pa

LIST = "scores/list"


@dataclass(frozen=True)
class Origin:
    """Where a column lies. layer: `shards`, `scores/similarity`, or "" of a derived one, which is `computed`; model:
    the slug of what gave it, None where no model did or it is not there yet."""

    layer: str
    table: str
    column: str
    type: str
    model: str | None = None
    computed: str = ""


class Rows:
    """The pairs of one shard, and their columns from any layer."""

    def __init__(self, corpus: Corpus, shard: str, of: str) -> None:

        from ..io import table

        self._corpus, self._shard = corpus, shard
        candidates = corpus.layer("candidates").path(f"{shard}.parquet")
        self.every: pa.Array = table.read(candidates, "candidates", only=["uid"]).column("uid").combine_chunks()
        self._place: pa.Array | None = None
        self.uids = self.every
        if of == "images":
            self._place, self.uids = _with_image(corpus, shard, self.every)

    def read(self, origins: Mapping[str, Origin]) -> dict[str, Any]:
        layers: dict[str, dict[str, Origin]] = {}
        for name, origin in origins.items():
            layers.setdefault(origin.layer, {})[name] = origin
        found: dict[str, Any] = {}
        for layer, wanted in layers.items():
            found |= self._of_layer(layer, wanted)
        return {name: found[name] for name in origins}

    def _of_layer(self, layer: str, wanted: Mapping[str, Origin]) -> dict[str, Any]:
        import pyarrow as pa

        from ..io import table

        name = next(iter(wanted.values())).table
        place = self._corpus.layer(layer)
        if place.stats(self._shard) is None:
            if layer == LIST:  # its source brought no scores
                return {each: pa.nulls(len(self.uids), _type(origin)) for each, origin in wanted.items()}
            raise CorpusError(
                f"{layer} has no shard {self._shard}", f"the corpus has grown: {self._again(layer, 'make it again')}"
            )
        columns = dict.fromkeys(origin.column for origin in wanted.values())
        keyed = layer.startswith("scores/")
        only = [*dict.fromkeys([*(["uid"] if keyed else []), *columns])]
        rows = table.read(place.path(f"{self._shard}.parquet"), name, only=only)
        taken = self._taken(layer, rows, rows.column("uid").combine_chunks() if keyed else None)
        return {each: taken.column(origin.column) for each, origin in wanted.items()}

    def _taken(self, layer: str, rows: pa.Table, uids: pa.Array | None) -> pa.Table:
        """The rows of these pairs, in order."""
        if uids is None:
            if len(rows) != len(self.every):
                raise self._other_rows(layer)
            return rows if self._place is None else rows.take(self._place)
        if uids.equals(self.uids):
            return rows
        if self._place is not None and uids.equals(self.every):
            return rows.take(self._place)
        raise self._other_rows(layer)

    def _other_rows(self, layer: str) -> CorpusError:
        return CorpusError(
            f"{layer} is not of the pairs of shard {self._shard}",
            self._again(layer, "make it again, as the shard is new"),
        )

    def _again(self, layer: str, otherwise: str) -> str:
        kind, _, named = layer.removeprefix("scores/").partition("-")
        if not layer.startswith("scores/") or kind == scorers.LIST:
            return otherwise
        return f"`vlcorpus score {self._corpus.place} {kind}" + (f" --named {named}`" if named else "`")


def _with_image(corpus: Corpus, shard: str, every: pa.Array) -> tuple[pa.Array | None, pa.Array]:
    """Places and uids of the pairs that have an image; places are None where all have one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from ..io import table

    path = corpus.layer("shards").path(f"{shard}.parquet")
    rows = table.read(path, "shards", only=["uid", "status"])
    if len(rows) != len(every) or not binary(rows.column("uid").combine_chunks()).equals(every):
        raise CorpusError(
            f"shards/{shard} is not of the candidates of {shard}", f"run `vlcorpus verify {corpus.place}`"
        )
    good = pc.equal(rows.column("status"), "success").combine_chunks()
    if good.true_count == len(good):
        return None, every
    place = pc.indices_nonzero(good).cast(pa.int64())
    return place, every.take(place)


def binary(uids: pa.Array) -> pa.Array:
    """Texts of 32 hex characters as 16 bytes each; all zero where they are not such texts."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not len(uids):
        return pa.array([], pa.binary(16))
    if pc.min_max(pc.binary_length(uids)).as_py() != {"min": 32, "max": 32}:
        return pa.array([bytes(16)] * len(uids), pa.binary(16))
    start, text = uids.offset * 32, uids.buffers()[2]
    try:
        raw = bytes.fromhex(text[start : start + 32 * len(uids)].to_pybytes().decode("ascii"))
    except (ValueError, UnicodeDecodeError):
        return pa.array([bytes(16)] * len(uids), pa.binary(16))
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(uids), [None, pa.py_buffer(raw)])


def _type(origin: Origin) -> Any:
    return schema.table(origin.table).arrow().field(origin.column).type
