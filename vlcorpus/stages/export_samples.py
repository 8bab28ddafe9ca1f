"""The formats of an export that hold images: the chosen pairs with their bytes, split by split and shard by shard.

    chosen = choose(corpus, Choice(decision="top"), tell, repeat=True, seed=0)
    chosen.parts["train"][0]           Part(shard="00000", numbers_T=[0, 3, 4], copies_T=[1, 1, 2], …)
    jobs = Jobs("train", chosen.parts["train"], inputs, digits=5, shard_rows=10_000, endings=(), resumes=False)
    write(stage, corpus, layer.below("train"), jobs[0], format="webdataset", shard_rows=10_000)

A pair of weight 1.7 is written once, and once more with probability 0.7: copies of a pair stand together, and the key
of each but the first ends in -1, -2, … .
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, islice
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from ..corpus import Corpus, Layer
from . import export_formats as formats
from .base import Stage, UnitCommit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .choice import Choice
    from .samples import Pair
    from .subsets import Chosen

SIMILARITY = "scores/similarity"  # written beside each pair, where it was scored
NOT_DRAWN = "not_drawn"


class Part(NamedTuple):
    """The T pairs of a shard that stand in a split: their numbers among those with images (int32), how often each is
    written (int32), its weight (float32), its uid (uint8, T x 16). 28 bytes a pair, for they are all held at once."""

    shard: str
    numbers_T: NDArray[np.int32]
    copies_T: NDArray[np.int32]
    weights_T: NDArray[np.float32]
    uids_T16: NDArray[np.uint8]

    @property
    def samples(self) -> int:
        return int(self.copies_T.sum())


@dataclass(frozen=True)
class Taken:
    """Parts by split, in corpus order, and the pairs that are in none by reason."""

    parts: dict[str, list[Part]]
    left: Counter[str]
    pairs: int

    def samples(self, split: str) -> int:
        return sum(part.samples for part in self.parts.get(split, ()))


class Written(NamedTuple):
    """A sample to come: the pair, its weight, and how many samples of it stand before."""

    pair: Pair
    weight: float
    copy: int


def choose(corpus: Corpus, choice: Choice, *, repeat: bool, seed: int) -> Taken:
    """Which pairs with images a choice takes, and how often."""
    import numpy as np

    from .subsets import Chosen, copies

    chosen: Chosen = Chosen(corpus, choice)
    parts: dict[str, list[Part]] = {}
    left: Counter[str] = Counter()
    pairs = 0
    for shard in chosen.shards():
        found = chosen.verdicts(shard)
        left += found.left()
        times = copies(found.weights_N, found.uids_N16, seed) if repeat else np.ones(len(found.why_N), np.int64)
        undrawn = found.taken_N & (times == 0)
        left[NOT_DRAWN] += int(undrawn.sum())
        for split in found.splits:
            numbers = np.flatnonzero(found.of(split) & (times > 0))
            if len(numbers):
                counts = (numbers.astype(np.int32), times[numbers].astype(np.int32))
                part = Part(shard, *counts, found.weights_N[numbers], found.uids_N16[numbers])
                parts.setdefault(split, []).append(part)
                pairs += len(numbers)
    return Taken(parts, left, pairs)


class Job(NamedTuple):
    """A shard to write: `samples` samples from the `first` of these parts on, of which `before` stand before them."""

    split: str
    shard: str
    parts: Sequence[Part]
    first: int
    samples: int
    inputs: Mapping[str, str]
    endings: Sequence[str]
    resumes: bool


class Jobs(Sequence[Job]):
    """The shards of a split, each made up when it is asked for. resumes: whether the export was begun before: shards
    that are as they are to be, stay."""

    def __init__(
        self,
        split: str,
        parts: Sequence[Part],
        inputs: Mapping[str, str],
        *,
        digits: int,
        shard_rows: int,
        endings: Sequence[str],
        resumes: bool,
    ) -> None:
        self._split, self._parts, self._inputs = split, parts, inputs
        self._digits, self._rows, self._endings, self._resumes = digits, shard_rows, endings, resumes
        self._ends = list(accumulate(part.samples for part in parts))

    def __len__(self) -> int:
        return -(-self._ends[-1] // self._rows) if self._ends else 0

    def samples(self, number: int) -> int:
        """How many a shard has."""
        return min(self._rows, self._ends[-1] - number * self._rows)

    @overload
    def __getitem__(self, number: int) -> Job: ...

    @overload
    def __getitem__(self, number: slice) -> list[Job]: ...

    def __getitem__(self, number: int | slice) -> Job | list[Job]:
        if isinstance(number, slice):
            return [self[each] for each in range(*number.indices(len(self)))]
        if not 0 <= number < len(self):
            raise IndexError(number)
        start = number * self._rows
        count = self.samples(number)
        parts: list[Part] = []
        first = 0
        for place in range(bisect_right(self._ends, start), bisect_left(self._ends, start + count) + 1):
            before = self._ends[place] - self._parts[place].samples
            part, skipped = _between(self._parts[place], start - before, start + count - before)
            first = first if parts else skipped
            parts.append(part)
        shard = f"{number:0{self._digits}d}"
        return Job(self._split, shard, parts, first, count, self._inputs, self._endings, self._resumes)


def _between(part: Part, start: int, end: int) -> tuple[Part, int]:
    """The pairs of a part that its samples from start to end are of, and how many samples of the first stand before."""
    import numpy as np

    ends_T = np.cumsum(part.copies_T)
    low = int(np.searchsorted(ends_T, max(start, 0), "right"))
    high = int(np.searchsorted(ends_T, min(end, int(ends_T[-1])), "left")) + 1
    skipped = max(start, 0) - (int(ends_T[low - 1]) if low else 0)
    own = slice(low, high)
    return Part(part.shard, part.numbers_T[own], part.copies_T[own], part.weights_T[own], part.uids_T16[own]), skipped


def write(stage: Stage, corpus: Corpus, folder: Layer, job: Job, *, format: str, shard_rows: int) -> str:
    """Write a shard. Returns the file or folder that holds its samples."""
    about = {**job.inputs, "split": job.split, "shard": job.shard}
    commit = UnitCommit(stage, corpus, folder, job.shard, about)
    there = folder.stats(job.shard) if job.resumes else None
    if there is None or there["fingerprint"] != commit.fingerprint:
        with commit:
            coming = islice(_written(corpus, job.parts, job.first), job.samples)
            samples = _samples(coming, job.shard, shard_rows, similarity_of(corpus))
            found = formats.write(commit, folder, job.shard, samples, format=format, endings=job.endings)
            commit.finish(seen=job.samples, kept=job.samples, endings=found)
    return formats.holder(job.shard, format)


def endings_of(corpus: Corpus, taken: Taken) -> tuple[str, ...]:
    """The endings of all images that are taken, from the heads of the tars alone."""
    from ..io import tar
    from .samples import IMAGES, with_image

    numbers: dict[str, set[int]] = {}
    for part in chain.from_iterable(taken.parts.values()):
        numbers.setdefault(part.shard, set()).update(part.numbers_T.tolist())
    found: set[str] = set()
    for shard, chosen in numbers.items():
        rows = with_image(corpus, shard, ("image_key",))
        keys = {row["image_key"] for number, row in enumerate(rows) if number in chosen}
        entries = tar.scan(corpus.layer("shards").path(f"{shard}.tar"))
        found |= {each.extension for each in entries if each.extension in IMAGES and each.key in keys}
    return tuple(sorted(found))


def _written(corpus: Corpus, parts: Sequence[Part], first: int) -> Iterator[Written]:
    """The samples of a split from the first on, shard by shard, in order."""
    from .samples import same, stored

    for part in parts:
        pairs = stored(corpus, part.shard, set(part.numbers_T.tolist()))
        columns = (part.copies_T.tolist(), part.weights_T.tolist(), map(bytes, part.uids_T16))
        for pair, copies, weight, uid in zip(pairs, *columns, strict=True):
            for copy in range(copies):
                if first:
                    first -= 1
                    continue
                yield Written(same(corpus, pair, uid), weight, copy)


def _samples(
    coming: Iterator[Written], shard: str, rows: int, similarity: Callable[[Pair], float | None]
) -> Iterator[formats.Sample]:
    """Pairs as the samples of a shard."""
    for place, (pair, weight, copy) in enumerate(coming):
        about = about_of(pair, formats.key_of(shard, place, rows, copy), similarity(pair), weight)
        yield formats.Sample(about, pair.extension, members_of(pair, about))


def similarity_of(corpus: Corpus) -> Callable[[Pair], float | None]:
    """The similarity of a pair, where it was scored."""
    from ..io import table

    layer = corpus.layer(SIMILARITY)
    known: dict[str, dict[bytes, float | None]] = {}

    def similarity(pair: Pair) -> float | None:
        if pair.shard not in known:
            known.clear()
            known[pair.shard] = {}
            if layer.stats(pair.shard) is not None:
                found = table.read(layer.path(f"{pair.shard}.parquet"), "score-similarity")
                columns = (found.column("uid").to_pylist(), found.column("similarity").to_pylist())
                known[pair.shard] = dict(zip(*columns, strict=True))
        return known[pair.shard].get(pair.uid)

    return similarity


def about_of(pair: Pair, key: str, similarity: float | None, weight: float) -> dict[str, Any]:
    """The row of a sample, as schemas/exports.json has it."""
    row = pair.row
    return {
        "key": key,
        "caption": pair.caption,
        "url": row["url"],
        "uid": row["uid"],
        "width": row["width"],
        "height": row["height"],
        "similarity": similarity,
        "weight": None if weight == 1 else weight,
        "sha256": row["sha256"],
        "additional": row["additional"],
    }


def members_of(pair: Pair, about: dict[str, Any]) -> dict[str, bytes]:
    """The files of a sample by ending: its image as stored, its words, and its row as JSON without what is null."""
    told = json.loads(about["additional"]) if about["additional"] is not None else {}
    told |= {name: value for name, value in about.items() if value is not None and name != "additional"}
    text = json.dumps(told, ensure_ascii=True)
    return {
        pair.extension: pair.body,
        "txt": pair.caption.encode("utf-8", "surrogatepass"),
        "json": text.encode(),
    }
