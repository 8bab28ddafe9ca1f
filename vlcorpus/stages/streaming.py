"""The pairs of a corpus for a person's own training loop: shuffled, and dealt to ranks and workers.

    samples = Samples(corpus, Choice(decision="similarity-0.28"), seed=0)
    for epoch in range(10):
        samples.set_epoch(epoch)
        for pair in samples: pair.caption, pair.body

One order, whoever reads: shards in a shuffled order, and the pairs of each shuffled, both a function of seed and epoch
alone (corpus order without a seed). Rank r of R takes places r, r + R, ... of it, worker w of W of those w, w + W, ...:
disjoint, and together everything. Which ranks and workers there are is said, or found: RANK and WORLD_SIZE as torchrun
sets them, and the worker inside of a torch DataLoader.

Costs a look at each shard's table before the first pair, and per pair one read of the tar. Not the fastest way to see
small pictures many times: `train-probe` packs them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..corpus import Corpus
from ..errors import CorpusError, UsageError
from . import probe_captions
from .choice import Choice
from .subsets import Chosen

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .samples import Pair

_SHUFFLE = int.from_bytes(b"stream")


class Samples:
    """`len` is what this rank gives in an epoch, all its workers together; `total` is of all ranks. Pickles."""

    def __init__(
        self,
        corpus: Corpus,
        choice: Choice = Choice(),  # noqa: B008
        *,
        part: str | None = None,
        captions: Sequence[str] = (),
        seed: int | None = None,
        epoch: int = 0,
        rank: int | None = None,
        world: int | None = None,
        worker: int | None = None,
        workers: int | None = None,
    ) -> None:
        """UsageError for captions that mean nothing, or a rank or worker that cannot be. part: a split's name. seed: of
        the order and the captions; None: corpus order, and captions as of seed 0."""
        self.corpus, self.choice, self.part = corpus, choice, part
        self.captions = probe_captions.parse(captions)
        self.seed, self.epoch = seed, epoch
        self._rank = _dealt("rank", rank, "world", world)
        self._worker = _dealt("worker", worker, "workers", workers)
        self._taken: dict[str, NDArray[np.int64]] | None = None

    @property
    def total(self) -> int:
        return sum(map(len, self._chosen().values()))

    def __len__(self) -> int:
        rank, world = self._ranks()
        return len(range(rank, self.total, world))

    def set_epoch(self, epoch: int) -> None:
        """Shuffle and draw anew: before each epoch, on all ranks alike."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[Pair]:
        rank, world = self._ranks()
        worker, workers = self._workers()
        place, every = rank + world * worker, world * workers
        before = 0
        for shard, numbers in self._order():
            own = numbers[(place - before) % every :: every]
            before += len(numbers)
            if len(own):
                yield from self._pairs(shard, own)

    def torch(self) -> Any:
        """The same as a torch IterableDataset; what this is already where torch was loaded before."""
        from .streaming_torch import TorchSamples

        return TorchSamples.of(self)

    def _chosen(self) -> dict[str, NDArray[np.int64]]:
        """The pairs that are taken of each shard, as numbers among those with images."""
        import numpy as np

        if self._taken is None:
            for layer in self.captions.layers():
                probe_captions.files_of(self.corpus, layer)
            chosen = Chosen(self.corpus, self.choice)
            self._taken = {}
            for shard in chosen.shards():
                found = chosen.verdicts(shard)
                taken = found.taken_N if self.part is None else found.of(self.part)
                if taken.any():
                    self._taken[shard] = np.flatnonzero(taken)
        return self._taken

    def _order(self) -> Iterator[tuple[str, NDArray[np.int64]]]:
        import numpy as np

        chosen = self._chosen()
        if self.seed is None:
            yield from chosen.items()
            return
        names = list(chosen)
        for place in np.random.default_rng([_SHUFFLE, self.seed, self.epoch]).permutation(len(names)).tolist():
            drawn = np.random.default_rng([_SHUFFLE, self.seed, self.epoch, 1 + place])
            yield names[place], drawn.permutation(chosen[names[place]])

    def _pairs(self, shard: str, numbers: NDArray[np.int64]) -> Iterator[Pair]:
        """The pairs of a shard in the order asked for."""
        from ..io import table, tar
        from .samples import IMAGES, Pair

        shards = self.corpus.layer("shards")
        path = shards.path(f"{shard}.tar")
        rows = [row for row in table.rows(shards.path(f"{shard}.parquet"), "shards") if row["status"] == "success"]
        uids_N16, weights_N = self._verdicts(shard)
        if bytes.fromhex("".join(row["uid"] for row in rows)) != uids_N16.tobytes():
            raise CorpusError(
                f"shards/{shard} is not of the candidates of {shard}", f"run `vlcorpus verify {self.corpus.place}`"
            )
        entries = {entry.key: entry for entry in tar.scan(path) if entry.extension in IMAGES}
        layers = [probe_captions.of_rows(self.corpus, shard, name, rows) for name in self.captions.names]
        layer_N = probe_captions.chosen_layer(self.captions, uids_N16, self.seed or 0, self.epoch)
        with open(path, "rb") as file:
            for number in numbers.tolist():
                row = rows[number]
                if row["image_key"] not in entries:
                    raise CorpusError(
                        f"{path} has no image {row['image_key']}", f"run `vlcorpus verify {self.corpus.place}`"
                    )
                entry = entries[row["image_key"]]
                file.seek(entry.offset)
                pair = Pair(
                    shard,
                    bytes(uids_N16[number]),
                    row["key"],
                    row["image_key"],
                    row["caption"],
                    file.read(entry.length),
                    entry.extension,
                    row,
                    float(weights_N[number]),
                )
                if self.captions.names != (probe_captions.OWN,):
                    texts = (layers[layer_N[number]][number], *(layer[number] for layer in layers))
                    pair = replace(pair, caption=next((text for text in texts if text is not None), ""))
                yield pair

    def _verdicts(self, shard: str) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        # Without groups: who is taken is known, and they want shards once and in order.
        found = Chosen(self.corpus, replace(self.choice, duplicates=None)).verdicts(shard)
        return found.uids_N16, found.weights_N

    def _ranks(self) -> tuple[int, int]:
        if self._rank is not None:
            return self._rank
        found = [os.environ.get(name) for name in ("RANK", "WORLD_SIZE")]
        if None in found:
            return 0, 1
        try:
            rank, world = (int(text or "") for text in found)
        except ValueError:
            raise UsageError(f"RANK and WORLD_SIZE are {found}", "give rank and world yourself") from None
        return _dealt("RANK", rank, "WORLD_SIZE", world) or (0, 1)

    def _workers(self) -> tuple[int, int]:
        if self._worker is not None:
            return self._worker
        loaded = sys.modules.get("torch.utils.data")
        about = loaded.get_worker_info() if loaded is not None else None
        return (0, 1) if about is None else (about.id, about.num_workers)


def _dealt(name: str, one: int | None, of: str, count: int | None) -> tuple[int, int] | None:
    """(number, how many), None where neither is said."""
    if one is None and count is None:
        return None
    if one is None or count is None or not 0 <= one < count:
        raise UsageError(f"{name} is {one} and {of} is {count}", f"give both, {name} from 0 to below {of}")
    return one, count
