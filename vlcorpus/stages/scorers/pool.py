"""The stored embeddings of a whole corpus, for scores that need every shard at once.

    pool = Pool(corpus, layer, ("00000", "00001"), texts=True)
    pool.uids                (N, 16) uint8, of all shards one after the other
    pool.good                (N,) which rows have vectors that have a direction
    image, text = pool.gather(rows)          (B, D) float16 of any rows, in the order asked for
    for shard, uids, part in pool.parts(): ...      the rows of each shard, as a slice of the N

Held are 17 bytes a row; of the vectors nothing but what is gathered. A shard's files are open only while it is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ...corpus import Corpus, Layer
from ...errors import CorpusError
from .embedded import embedded_rows

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from ...io.vectors import Vectors


class Pool:
    """Reads every shard once. texts: whether the texts' vectors matter, too. CorpusError where dimensions differ."""

    def __init__(self, corpus: Corpus, embeddings: Layer, shards: Sequence[str], *, texts: bool) -> None:
        import numpy as np

        from ...scores.directions import good_rows

        self._corpus, self._embeddings, self._shards = corpus, embeddings, tuple(shards)
        self._sides = ("img", "text") if texts else ("img",)
        uids: list[npt.NDArray[np.uint8]] = []
        good: list[npt.NDArray[np.bool_]] = []
        self.dimension = 0
        for shard in self._shards:
            rows = embedded_rows(corpus, embeddings, shard)
            self._check_dimension(shard, rows.image_ND, rows.text_ND)
            uids.append(np.frombuffer(b"".join(rows.uids.to_pylist()), np.uint8).reshape(-1, 16))
            good.append(good_rows(rows.image_ND))
            if texts:
                good[-1] &= good_rows(rows.text_ND)
        self.uids = np.concatenate([np.zeros((0, 16), np.uint8), *uids])
        self.good = np.concatenate([np.zeros(0, bool), *good])
        self._starts = np.cumsum([0, *map(len, uids)])

    def gather(self, rows: npt.NDArray[np.int64]) -> tuple[Vectors, ...]:
        """The vectors of these rows, images and, if texts matter, texts: (B, D) float16 each."""
        import numpy as np

        from ...io import vectors

        made: tuple[Vectors, ...] = tuple(np.empty((len(rows), self.dimension), np.float16) for _ in self._sides)
        ordered = np.argsort(rows, kind="stable")  # read forwards
        ends = np.searchsorted(rows[ordered], self._starts)
        for number, shard in enumerate(self._shards):
            own = ordered[ends[number] : ends[number + 1]]
            if not len(own):
                continue
            for side, into in zip(self._sides, made, strict=True):
                stored = vectors.read(self._embeddings.path(f"{side}_emb/{side}_emb_{shard}.npy"))
                into[own] = stored[rows[own] - self._starts[number]]
        return made

    def parts(self) -> Iterator[tuple[str, pa.Array, slice]]:
        """Each shard, its uids (binary16), and where its rows are among all."""
        import pyarrow as pa

        for number, shard in enumerate(self._shards):
            part = slice(int(self._starts[number]), int(self._starts[number + 1]))
            named = self.uids[part]
            uids = pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(named), [None, pa.py_buffer(named)])
            yield shard, uids, part

    def _check_dimension(self, shard: str, *sides: Vectors) -> None:
        for each in sides:
            if self.dimension and each.shape[1] != self.dimension:
                raise CorpusError(
                    f"{self._embeddings.name} {shard} has vectors of {each.shape[1]} numbers, others {self.dimension}",
                    f"run `vlcorpus verify {self._corpus.place}`",
                )
            self.dimension = each.shape[1]
