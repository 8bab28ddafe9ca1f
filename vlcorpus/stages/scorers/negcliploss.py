"""negcliploss: the cosine of a pair, less how near both are to all others (Wang et al. 2024, arXiv 2405.19547).

A batch's rows come from everywhere, so the embeddings are gone through for many batches at a time, shard by shard: held
are HELD_ROWS rows in fp16 (1 GB of 512 numbers) and, of every row, 60 bytes. A round costs one passage through the
embeddings for each HELD_ROWS rows of the corpus.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ...corpus import Corpus
from ...errors import UsageError
from ..base import Tell
from .base import AllShards, Scored, Scorer
from .pool import Pool

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ..score import Score

HELD_ROWS = 1 << 19


class NegCLIPLoss(Scorer):
    """Cosine of image and text, less their nearness to random batches."""

    follows = "embeddings"
    whole = True
    reads = ("model", "device", "batches", "batch_size", "temperature")
    libraries = ("torch", "numpy")

    def check(self, stage: Score, corpus: Corpus) -> None:
        if stage.batch_size is not None and stage.batch_size < 2:
            raise UsageError("a batch of one pair has nothing to compare it with", "give more: --batch-size 8192")

    def open(self, stage: Score, corpus: Corpus) -> AllShards:
        import numpy as np
        import pyarrow as pa

        from ...scores.directions import place
        from ...scores.negcliploss import BATCH_ROWS, TEMPERATURE, in_batch, rounds

        embeddings = stage.followed(corpus)
        temperature = TEMPERATURE if stage.temperature is None else stage.temperature
        place(stage.device)  # refused before any work

        def columns(shards: Sequence[str], tell: Tell) -> Iterator[tuple[str, Scored]]:
            pool = Pool(corpus, embeddings, shards, texts=True)
            usable = np.flatnonzero(pool.good)
            total = np.zeros(len(usable))
            done, longest = 0, 0
            batch_rows = stage.batch_size or BATCH_ROWS
            drawn = rounds(pool.uids[usable], batches=stage.batches, batch_rows=batch_rows, seed=stage.seed)
            for batch in (
                batch for round_ in drawn for held in _held(round_) for batch in _gathered(pool, usable, held)
            ):
                rows, image, text = batch
                total[rows] += in_batch(image, text, temperature=temperature, device=stage.device)
                longest = max(longest, len(rows))
                done += len(rows)
                tell(done // stage.batches, done // stage.batches)
            values = np.full(len(pool.uids), np.nan, dtype=np.float32)
            values[usable] = total / stage.batches
            about = {"batches": stage.batches, "batch_rows": longest, "temperature": temperature}
            for shard, uids, part in pool.parts():
                value = pa.array(values[part], pa.float32(), mask=np.isnan(values[part]))
                yield shard, Scored({"uid": uids, "negcliploss": value}, about)

        return columns


Batch = tuple["npt.NDArray[np.int64]", "npt.NDArray[np.float16]", "npt.NDArray[np.float16]"]


def _held(batches: Sequence[npt.NDArray[np.int64]]) -> Iterator[list[npt.NDArray[np.int64]]]:
    """As many batches at a time as are gathered in one passage."""
    held: list[npt.NDArray[np.int64]] = []
    rows = 0
    for batch in batches:
        if held and rows + len(batch) > HELD_ROWS:
            yield held
            held, rows = [], 0
        held.append(batch)
        rows += len(batch)
    if held:
        yield held


def _gathered(pool: Pool, usable: npt.NDArray[np.int64], batches: Sequence[npt.NDArray[np.int64]]) -> Iterator[Batch]:
    """The rows of each batch among the usable ones, and their vectors."""
    import numpy as np

    image, text = pool.gather(usable[np.concatenate(batches)])
    start = 0
    for rows in batches:
        part = slice(start, start + len(rows))
        start += len(rows)
        if len(rows):
            yield rows, image[part], text[part]
