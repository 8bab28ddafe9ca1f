"""The formats of an export that hold images: the chosen pairs with their bytes, split by split and shard by shard.

    chosen = choose(corpus, Choice(decision="top"), tell, repeat=True, seed=0)
    chosen.parts["train"][0]           Part(shard="00000", numbers=[0, 3, 4], copies=[1, 1, 2], weights=[1., 1., 1.7])
    write(stage, corpus, layer, "train", chosen.parts["train"], …)

A pair of weight 1.7 is written once, and once more with probability 0.7: copies of a pair stand together, and the key
of each but the first ends in -1, -2, … .
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, NamedTuple

from ..corpus import Corpus, Layer
from ..io.commit import write_json
from . import export_formats as formats
from .base import Stage, Tell, UnitCommit

if TYPE_CHECKING:
    from .choice import Choice
    from .samples import Pair
    from .subsets import Chosen

SIMILARITY = "scores/similarity"  # written beside each pair, where it was scored
NOT_DRAWN = "not_drawn"


class Part(NamedTuple):
    """The T pairs of a shard that stand in a split: their numbers among those with images, how often each is written,
    its weight, its uid."""

    shard: str
    numbers: Sequence[int]
    copies: Sequence[int]
    weights: Sequence[float]
    uids: Sequence[bytes]


@dataclass(frozen=True)
class Taken:
    """Parts by split, in corpus order, and the pairs that are in none by reason."""

    parts: dict[str, list[Part]]
    left: Counter[str]
    pairs: int

    def samples(self, split: str) -> int:
        return sum(sum(part.copies) for part in self.parts.get(split, ()))


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
                uids = [bytes(uid) for uid in found.uids_N16[numbers]]
                told = (times[numbers].tolist(), found.weights_N[numbers].tolist(), uids)
                parts.setdefault(split, []).append(Part(shard, numbers.tolist(), *told))
                pairs += len(numbers)
    return Taken(parts, left, pairs)


def write(
    stage: Stage,
    corpus: Corpus,
    layer: Layer,
    split: str,
    parts: Sequence[Part],
    inputs: Mapping[str, str],
    *,
    format: str,
    shard_rows: int,
    endings: Sequence[str],
    tell: Tell,
    before: int,
) -> dict[str, int]:
    """Write a split's shards. Returns how many samples each file or folder holds."""
    folder = Layer(f"{layer.name}/{split}", layer.folder / split)
    coming = _written(corpus, parts)
    similarity = similarity_of(corpus)
    total = sum(sum(part.copies) for part in parts)
    sizes: dict[str, int] = {}
    for number, start in enumerate(range(0, total, shard_rows)):
        shard = f"{number:0{corpus.digits}d}"
        count = min(shard_rows, total - start)
        with UnitCommit(stage, corpus, folder, shard, {**inputs, "split": split, "shard": shard}) as commit:
            samples = _samples(islice(coming, count), shard, shard_rows, similarity, tell, before + start)
            found = formats.write(commit, shard, samples, format=format, endings=endings)
            commit.finish(seen=count, kept=count, endings=found)
        sizes[formats.holder(shard, format)] = count
    write_json(folder.path("sizes.json"), sizes)
    return sizes


def endings_of(corpus: Corpus, taken: Taken) -> tuple[str, ...]:
    """The endings of all images that are taken, from the heads of the tars alone."""
    from ..io import tar
    from .samples import IMAGES, with_image

    numbers: dict[str, set[int]] = {}
    for part in chain.from_iterable(taken.parts.values()):
        numbers.setdefault(part.shard, set()).update(part.numbers)
    found: set[str] = set()
    for shard, chosen in numbers.items():
        rows = with_image(corpus, shard, ("image_key",))
        keys = {row["image_key"] for number, row in enumerate(rows) if number in chosen}
        entries = tar.scan(corpus.layer("shards").path(f"{shard}.tar"))
        found |= {each.extension for each in entries if each.extension in IMAGES and each.key in keys}
    return tuple(sorted(found))


def _written(corpus: Corpus, parts: Sequence[Part]) -> Iterator[Written]:
    """The samples of a split, shard by shard, in order."""
    from .samples import same, stored

    for part in parts:
        pairs = stored(corpus, part.shard, set(part.numbers))
        for pair, copies, weight, uid in zip(pairs, part.copies, part.weights, part.uids, strict=True):
            for copy in range(copies):
                yield Written(same(corpus, pair, uid), weight, copy)


def _samples(
    coming: Iterator[Written],
    shard: str,
    rows: int,
    similarity: Callable[[Pair], float | None],
    tell: Tell,
    before: int,
) -> Iterator[formats.Sample]:
    """Pairs as the samples of a shard."""
    for place, (pair, weight, copy) in enumerate(coming):
        about = about_of(pair, formats.key_of(shard, place, rows, copy), similarity(pair), weight)
        yield formats.Sample(about, pair.extension, members_of(pair, about))
        tell(before + place + 1, before + place + 1)


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
