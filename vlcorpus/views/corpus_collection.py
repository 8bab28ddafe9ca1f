"""A corpus as a collection to be searched: the pairs with images, by the embeddings of one model.

    collection = CorpusCollection(Corpus.open(Path("birds")), model=None)
    collection.mask('short_side >= 256 and similarity >= 0.28')       any column of stages.columns
    collection.picture(17)                                             from shards/NNNNN.tar, by (shard, row)

Opening compares, for each shard, the stats of its embeddings, the headers of both arrays, the footer of the table, and
what the embeddings say of the shard that they were made of. Row r of a shard's embeddings is its r-th pair with an
image; columns of other layers are brought to them by uid, wherever they stand in another order.

Cost: opening 3 ms a shard; a filter, 6 ms for 10,000 rows the first time; a picture, its shard's headers once.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .. import expression
from ..corpus import Corpus
from ..errors import CorpusError, SourceError, UsageError, VlcorpusError
from ..io import table, tar, vectors
from ..stages import columns, queries
from ..stages.rows import binary
from ..stages.samples import IMAGES
from .collection import SIDES, WORD, Pair, Side
from .embedded import AGAIN, checked, embeddings
from .grouped import Grouped
from .kept import Kept
from .layers import ALL, stats_or_none
from .masks import Masks

if TYPE_CHECKING:
    import pyarrow as pa

    from ..expression.build import Predicate
    from ..io.vectors import Vectors
    from ..knn.query import Term
    from ..knn.searcher import Searcher

Mask = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

KEPT_UIDS = 64 << 20
KEPT_TABLES = 256 << 20  # all of a million pairs
KEPT_MEMBERS = 400_000  # of tars
LARGEST_PICTURE = 100_000_000  # bytes
_ABOUT = ("key", "caption", "url", "uid", "width", "height", "image_path")
_OWN = frozenset(("key", "caption", "url", "uid", "width", "height"))


class CorpusCollection:
    """See views.collection.Collection. corpus: None is what a folder of embeddings has."""

    sides = SIDES
    has_pictures = True

    def __init__(self, corpus: Corpus, *, model: str | None = None) -> None:
        self.corpus = corpus
        self.name = corpus.name
        self.layer = embeddings(corpus, model)
        self.model = self.layer.folder.name
        self.shards = self.layer.units()
        if not self.shards:
            raise CorpusError(f"no {self.layer.name} in {corpus.place}", f"make them: `vlcorpus embed {corpus.place}`")
        sizes = [checked(corpus, self.layer, shard) for shard in self.shards]
        if len({dimension for _, dimension in sizes}) > 1:
            raise CorpusError(f"the shards of {self.layer.name} have vectors of different lengths", AGAIN)
        self.dimension = sizes[0][1]
        self.starts: Ints = np.cumsum([0, *(rows for rows, _ in sizes)], dtype=np.int64)
        self.rows = int(self.starts[-1])
        self.notes: list[str] = []
        self._note_lost()
        self._encoder = queries.Encoder(corpus, self.layer, model)
        self._known = columns.catalogue(corpus)
        self._lock = threading.RLock()
        self._searchers: dict[Side, Searcher] = {}
        self._masks = Masks(self._mask, self._compiled)
        self._abouts: Kept[pa.Table] = Kept(KEPT_TABLES, lambda rows: int(rows.nbytes))
        self._uid_columns: Kept[pa.Array] = Kept(KEPT_UIDS, lambda uids: 16 * len(uids))
        self._places: Kept[Ints | None] = Kept(len(self.shards))
        self._tars: Kept[dict[str, tuple[int, int]]] = Kept(KEPT_MEMBERS, len)

    @property
    def can_encode(self) -> bool:
        return self._encoder.named

    def _note_lost(self) -> None:
        """Notes of what the embeddings do not have yet, and of takedowns that have not seen today's pairs."""
        from ..stages.takedowns import stale

        missing = sorted(set(self.corpus.layer("shards").units()) - set(self.shards))
        if missing:
            self.notes.append(
                f"{len(missing)} shards are not embedded yet, and cannot be found: `vlcorpus embed {self.corpus.place}`"
            )
        for name in stale(self.corpus):
            self.notes.append(
                f"takedowns/{name} has not seen all pairs: `vlcorpus takedown {self.corpus.place} --named {name}`"
            )

    def searcher(self, side: Side = "image") -> Searcher:
        if side not in SIDES:
            raise UsageError(f"there is no side {side!r}", "known: image, text")
        with self._lock:
            if side not in self._searchers:
                self._searchers[side] = self._opened(side)
            return self._searchers[side]

    def _opened(self, side: Side) -> Searcher:
        from ..knn.searcher import Searcher
        from ..stages.index_opened import opened

        index, note = opened(self.corpus, self.layer, side)
        rows = self._vectors(side)
        try:
            found = Searcher(rows, index, removed=self._removed)
        except SourceError as error:
            note = f"the index cannot be used ({error.message}), so every row was read"
            found = Searcher(rows, None, removed=self._removed)
        if note and note not in self.notes:
            self.notes.append(note)
        return found

    def _vectors(self, side: Side) -> list[Vectors]:
        word = WORD[side]
        return [vectors.read(self.layer.path(f"{word}_emb/{word}_emb_{shard}.npy")) for shard in self.shards]

    def removed(self) -> Mask | None:
        return self._removed

    @cached_property
    def _removed(self) -> Mask | None:
        import pyarrow.compute as pc

        from ..stages.takedowns import taken_down

        found: Mask | None = None
        for number, shard in enumerate(self.shards):
            gone = taken_down(self.corpus, shard)
            if len(gone):
                found = np.zeros(self.rows, bool) if found is None else found
                here = pc.is_in(self._uids(shard), value_set=gone).to_numpy(zero_copy_only=False)
                found[self.starts[number] : self.starts[number + 1]] = here
        return found

    def _uids(self, shard: str) -> pa.Array:
        """uids of a shard's embeddings: binary16."""
        path = self.layer.path(f"metadata/metadata_{shard}.parquet")

        def read() -> pa.Array:
            return binary(table.read(path, "embeddings-metadata", only=["uid"]).column("uid").combine_chunks())

        return self._uid_columns.get(shard, read)

    def place(self, row: int) -> tuple[int, int]:
        """Number of the shard of a row, and its row there. UsageError where there is no such row."""
        if not 0 <= row < self.rows:
            raise UsageError(f"there is no row {row}", f"rows are 0 to {self.rows - 1}")
        number = int(np.searchsorted(self.starts, row, side="right")) - 1
        return number, row - int(self.starts[number])

    def pairs(self, rows: Sequence[int], columns: Sequence[str] = ()) -> list[Pair]:
        more = [name for name in dict.fromkeys(columns) if name not in _OWN]
        for name in more:
            self._known.origin(name)
        by_shard: dict[int, list[tuple[int, int]]] = {}
        for row in rows:
            number, place = self.place(int(row))
            by_shard.setdefault(number, []).append((int(row), place))
        found: dict[int, Pair] = {}
        for number, wanted in by_shard.items():
            shard, places = self.shards[number], [place for _, place in wanted]
            about = self._about(shard, places)
            further = self._columns(shard, more).take(places).select(more).to_pylist() if more else [{}] * len(places)
            for (row, place), own, others in zip(wanted, about, further, strict=True):
                del own["image_path"]
                found[row] = Pair(row=row, shard=shard, place=place, more=others, **own)
        return [found[int(row)] for row in rows]

    def _about(self, shard: str, places: Sequence[int]) -> list[dict[str, Any]]:
        """Rows of the table beside the vectors, in the order asked."""
        wanted = np.asarray(places, np.int64)
        found: list[dict[str, Any]] = [{}] * len(places)
        for start in np.unique(wanted - wanted % table.ROW_GROUP).tolist():
            here = np.flatnonzero(wanted // table.ROW_GROUP == start // table.ROW_GROUP)
            rows = self._abouts.get((shard, start), partial(self._group, shard, start))
            for place, row in zip(here.tolist(), rows.take(wanted[here] - start).to_pylist(), strict=True):
                found[place] = row
        return found

    def _group(self, shard: str, start: int) -> pa.Table:
        """As many rows of the table beside the vectors as are kept together, from one on."""
        import pyarrow as pa

        path, stop = self.layer.path(f"metadata/metadata_{shard}.parquet"), start + table.ROW_GROUP
        pieces = table.pieces(
            path, "embeddings-metadata", only=list(_ABOUT), wanted=lambda first, end: first < stop and end > start
        )
        parts = [rows.slice(max(0, start - first), stop - max(start, first)) for first, rows in pieces]
        return pa.concat_tables(parts).combine_chunks()

    def _columns(self, shard: str, names: Sequence[str]) -> pa.Table:
        """Columns of the catalogue for the rows of a shard's embeddings."""
        found = self._known.read(shard, names)
        places = self._places.get(shard, lambda: self._brought(shard, found.column("uid").combine_chunks()))
        return found if places is None else found.take(places)

    def _brought(self, shard: str, theirs: pa.Array) -> Ints | None:
        """Where each row of a shard's embeddings stands among the shard's pairs with images; None: in their order."""
        import pyarrow.compute as pc

        own = self._uids(shard)
        if own.equals(theirs):
            return None
        places = pc.index_in(own, value_set=theirs)
        if places.null_count:
            raise CorpusError(
                f"{self.layer.name} {shard} has pairs that shards/{shard} has not",
                f"embed again: `vlcorpus embed {self.corpus.place}`",
            )
        found: Ints = places.to_numpy().astype(np.int64)
        return found

    def columns(self) -> dict[str, str]:
        return dict(self._known.types)

    def mask(self, where: str) -> Mask:
        return self._masks.of(where)

    def _compiled(self, where: str) -> Predicate:
        return expression.compile(where, self._known.types, self._known.how)

    def _mask(self, part: str) -> Mask:
        """One condition, over all shards."""
        wanted = self._compiled(part)
        found = np.empty(self.rows, bool)
        for number, shard in enumerate(self.shards):
            here = wanted.mask(self._columns(shard, wanted.columns).combine_chunks())
            found[self.starts[number] : self.starts[number + 1]] = here.to_numpy(zero_copy_only=False)
        return found

    def row_of(self, uid: str) -> int:
        wanted = _whole_uid(uid)
        if wanted is not None:
            import pyarrow.compute as pc

            for number, shard in enumerate(self.shards):
                place = pc.index(self._uids(shard), wanted).as_py()
                if place >= 0:
                    return int(self.starts[number] + place)
        shard, place = queries.row_of(self.corpus, self.layer, uid)
        return int(self.starts[self.shards.index(shard)] + place)

    def groups(self, rows: Sequence[int]) -> Ints:
        known, uids = self._grouped, []
        if known is None:
            return np.full(len(rows), -1, np.int64)
        for row in rows:
            number, place = self.place(int(row))
            uids.append(self._uids(self.shards[number])[place].as_py())
        return known.of(uids)

    @cached_property
    def _grouped(self) -> Grouped | None:
        """The stored near-duplicate groups: those called default, or the only ones."""
        names = self.corpus.layers("duplicates")
        name = "default" if "default" in names else names[0] if len(names) == 1 else None
        layer = self.corpus.layer(f"duplicates/{name}")
        if name is None or stats_or_none(layer, ALL) is None:
            return None
        return Grouped(layer.path("groups.parquet"))

    def picture(self, row: int) -> bytes | None:
        if self._removed is not None and self._removed[row]:
            return None
        number, place = self.place(row)
        shard = self.shards[number]
        path = self.corpus.layer("shards").path(f"{shard}.tar")

        def scanned() -> dict[str, tuple[int, int]]:
            return {each.key: (each.offset, each.length) for each in tar.scan(path) if each.extension in IMAGES}

        found = self._tars.get(shard, scanned).get(self._about(shard, [place])[0]["image_path"])
        if found is None or found[1] > LARGEST_PICTURE:
            return None
        return tar.read_at(path, *found)

    def encode(self, term: Term) -> npt.NDArray[np.float32]:
        if term.kind == "uid":
            row = self.row_of(term.value)
            if self._removed is not None and self._removed[row]:
                raise VlcorpusError(f"{term.value} was taken down", "ask with another pair")
            number, place = self.place(row)
            stored = vectors.read(self.layer.path(f"img_emb/img_emb_{self.shards[number]}.npy"))
            return queries.unit(stored[place], f"the image of {term.value}")
        return self._encoder.vector(term)

    def encode_picture(self, body: bytes) -> npt.NDArray[np.float32]:
        return self._encoder.picture(body)


def _whole_uid(text: str) -> bytes | None:
    try:
        found = bytes.fromhex(text.strip())
    except ValueError:
        return None
    return found if len(found) == 16 else None
