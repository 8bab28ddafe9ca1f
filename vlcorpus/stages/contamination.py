"""Pictures of the tests among the pairs that a probe was trained on.

    suite, _ = suites.opened("exam/suite.yaml")
    found(corpus, suite, ["raw", "filtered"])
        [{"arm": "raw", "task": "colour_shape", "pictures": 2000, "exact": 5, "near": 5, "unknown": 0, "share": 0.005,
          "examples": [{"picture": "images/00007.jpg", "pair": "01f3…", "kind": "exact"}, …]}, …]

`exact`: the same file by its SHA-256, as it was fetched or as it is stored. `near`: the same picture resized or encoded
again. Perceptual hashes within 8 bits of each other make a candidate; then pixels decide: both are brought to 16 x 16,
and what differs must be at most 0.35 of how the test's picture varies in itself (copies at JPEG quality 40 or half the
size come to 0.01-0.32, the most alike of 800 drawings to 0.57). A picture that hardly varies looks like any other such
one, so only its bytes are compared: it counts as `unknown`. Not found: crops, mirror images, other colours.

Cost: hashes that `vlcorpus score CORPUS phash` stored are looked up, 10 µs a pair against 2,000 pictures, and only the
candidates' images are read; without them, and for tars, every image is decoded, 2 ms of 0.1 megapixels. Memory: 3 KB a
picture of the tests, and one shard.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..corpus import Corpus, Layer
from ..errors import CorpusError
from ..io import tar
from . import registry
from .choice import Choice
from .contamination_pool import RADIUS, Looked, Pixels, Pool, digest, look
from .places import export
from .probe_sources import TRAIN, Folder, Part, Place, own, places, tars_of
from .samples import IMAGES, column, stored, with_image
from .subsets import Chosen

if TYPE_CHECKING:
    from ..probe.suite import Suite

EXAMPLES = 5
_CHUNK = 1000
_HASHES = "scores/phash"


def found(corpus: Corpus, suite: Suite, arms: Sequence[str], *, radius: int = RADIUS) -> list[dict[str, Any]]:
    """For each arm (a probe of the corpus) and task: how many of the task's pictures are among the arm's pairs.

    CorpusError where a probe is not there, CorpusError or SourceError where its pairs are not there any more.
    """
    pool = Pool(suite.bodies(), radius)
    trained = [(arm, source) for arm in arms for source in sources(corpus, arm)]
    hits: dict[str, dict[int, tuple[str, str]]] = {arm: {} for arm in arms}
    parts: dict[str, list[tuple[str, Part]]] = {}
    folders: dict[str, list[str]] = {}
    for arm, source in trained:
        if isinstance(source, Folder):
            folders.setdefault(source.place, []).append(arm)
        else:
            parts.setdefault(source.corpus.place, []).append((arm, source))
    for several in parts.values():
        for number, picture, pair, kind in _among_parts(several, pool):
            _note(hits[several[number][0]], picture, pair, kind)
    for place, names in folders.items():
        for picture, pair, kind in pool.among(_parts(_tar_bodies(export(place)))):
            for arm in names:
                _note(hits[arm], picture, pair, kind)
    return [_row(pool, suite, arm, task, hits[arm]) for arm in arms for task in suite.tasks]


def sources(corpus: Corpus, probe: str) -> tuple[Place, ...]:
    """What a probe was trained on, as its stats say. CorpusError where there is no such probe."""
    layer = corpus.layer(f"probes/{probe}")
    units = layer.units()
    stats = layer.stats(units[0]) if units else None
    if stats is None:
        raise CorpusError(f"no probe {probe} in {corpus.place}", "train it first: `vlcorpus train-probe CORPUS`")
    stage: Any = registry.recorded(corpus, stats)
    choice = Choice(decision=stage.decision, duplicates=stage.duplicates, split=stage.split)
    return places(stage.on) if stage.on else (own(corpus, choice),)


def _among_parts(parts: Sequence[tuple[str, Part]], pool: Pool) -> Iterator[tuple[int, int, str, str]]:
    """Looks through one corpus once for all parts of it: (number of the part, picture, pair, kind)."""
    corpus = parts[0][1].corpus
    chosen = [Chosen(corpus, part.choice) for _, part in parts]
    for shard in corpus.layer("shards").units():
        taken: list[set[str]] = []
        for each, (_, part) in zip(chosen, parts, strict=True):
            verdicts = each.verdicts(shard)
            taken_N = verdicts.taken_N if part.choice.split is None else verdicts.of(TRAIN)
            taken.append({bytes(uid).hex() for uid in verdicts.uids_N16[taken_N]})
        for picture, pair, kind in pool.among(_shard_parts(corpus, shard, set().union(*taken))):
            yield from ((number, picture, pair, kind) for number, uids in enumerate(taken) if pair in uids)


def _shard_parts(corpus: Corpus, shard: str, wanted: set[str]) -> Iterator[Looked]:
    """The pairs of a shard that are wanted, by uid, with stored hashes where there are some."""
    rows = with_image(corpus, shard, ("uid", "sha256"))
    numbers = [number for number, row in enumerate(rows) if row["uid"] in wanted]
    if corpus.layer(_HASHES).stats(shard) is None:
        yield from _parts((pair.uid.hex(), pair.body) for pair in stored(corpus, shard, set(numbers)))
        return
    uids = [bytes.fromhex(row["uid"]) for row in rows]
    hashes = column(corpus, _HASHES, shard, "score-phash", "phash", uids)
    stored_hashes = [hashes[number] for number in numbers]

    def pixels(asked: Sequence[int]) -> Iterator[tuple[int, Pixels]]:
        places = {numbers[each]: each for each in asked}
        bodies = (pair.body for pair in stored(corpus, shard, places.keys()))
        for place, body in zip(sorted(places), bodies, strict=True):
            seen = look(body)
            if seen is not None:
                yield places[place], seen[1]

    yield Looked(
        [rows[number]["uid"] for number in numbers],
        [(bytes.fromhex(rows[number]["sha256"]),) if rows[number]["sha256"] else () for number in numbers],
        np.array([value or 0 for value in stored_hashes], np.uint64),
        np.array([value is not None for value in stored_hashes], bool),
        pixels,
    )


def _tar_bodies(folder: Layer) -> Iterator[tuple[str, bytes]]:
    for name in tars_of(folder):
        for sample in tar.read_samples(folder.path(name)):
            body = next((sample.members[each] for each in IMAGES if each in sample.members), None)
            if body is not None:
                yield f"{name}:{sample.key}", body


def _parts(bodies: Iterable[tuple[str, bytes]]) -> Iterator[Looked]:
    """Pairs whose images are looked at, some at a time."""
    given = iter(bodies)
    while chunk := list(itertools.islice(given, _CHUNK)):
        seen = [look(body) for _, body in chunk]
        small = {number: each[1] for number, each in enumerate(seen) if each is not None}
        yield Looked(
            [name for name, _ in chunk],
            [(digest(body),) for _, body in chunk],
            np.array([0 if each is None else each[0] for each in seen], np.uint64),
            np.array([each is not None for each in seen], bool),
            lambda asked, small=small: ((number, small[number]) for number in asked),  # type: ignore[misc]
        )


def _note(hits: dict[int, tuple[str, str]], picture: int, pair: str, kind: str) -> None:
    if picture not in hits or (kind == "exact" and hits[picture][1] == "near"):
        hits[picture] = (pair, kind)


def _row(pool: Pool, suite: Suite, arm: str, task: Any, hits: Mapping[int, tuple[str, str]]) -> dict[str, Any]:
    from ..probe.suite_rows import PICTURES

    places = PICTURES.get(task.kind, (0,))
    names = dict.fromkeys(row[place] for row in task.rows for place in places)
    seen = {name: hits[pool.place[name]] for name in names if pool.place.get(name) in hits}
    kinds = [kind for _, kind in seen.values()]
    examples = sorted(seen.items(), key=lambda each: (each[1][1], each[0]))[:EXAMPLES]
    return {
        "arm": arm,
        "task": task.name,
        "pictures": len(names),
        "exact": kinds.count("exact"),
        "near": kinds.count("near"),
        "unknown": sum(pool.place.get(name) in pool.flat for name in names if name not in seen),
        "share": len(seen) / len(names) if names else 0.0,
        "examples": [{"picture": name, "pair": pair, "kind": kind} for name, (pair, kind) in examples],
    }
