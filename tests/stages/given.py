"""Corpora from the middle of the walk: pairs with images, models that learned nothing, and stages run in this process.

give(corpus, "00000", [Given("http://a/1.jpg", "a dog", body)])     a candidate shard and what download makes of it
run_here(corpus, [Embed(model=write_probe(folder))])                planned and committed as ever, in this process
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from tests.clip.drawn import photo
from tests.stages.running import quiet
from vlcorpus import identity
from vlcorpus.clip.saved import probe_files
from vlcorpus.clip.towers import build
from vlcorpus.clip.words import number
from vlcorpus.corpus import Corpus
from vlcorpus.errors import VlcorpusError
from vlcorpus.images.encode import encode
from vlcorpus.images.prepare import ImageSettings
from vlcorpus.io import table
from vlcorpus.pipeline.executor import Done, Failed, Result, Task
from vlcorpus.pipeline.plan import make_plan
from vlcorpus.pipeline.run import Event, run
from vlcorpus.stages import shards
from vlcorpus.stages.base import Stage, UnitCommit
from vlcorpus.stages.import_ import Import
from vlcorpus.stages.outcome import Fetched

WORDS = ("dog", "cat", "tree", "house", "car", "boat", "lamp", "chair")


@dataclass(frozen=True)
class Given:
    """A pair, and its image's bytes; no bytes: the image could not be had."""

    url: str
    text: str
    body: bytes = b""

    @property
    def uid(self) -> bytes:
        return identity.uid(self.url, self.text)


class Here:
    """An executor that does each task where it stands; a bug is raised at once."""

    def __init__(self) -> None:
        self._waiting: deque[Task] = deque()

    def submit(self, task: Task) -> None:
        self._waiting.append(task)

    def results(self) -> Iterator[Result]:
        while self._waiting:
            task = self._waiting.popleft()
            try:
                task.stage.open(task.corpus)(task.unit, quiet)
            except VlcorpusError as error:
                yield Failed(task, error)
            else:
                yield Done(task)

    def close(self) -> None: ...


def run_here(corpus: Corpus, stages: Sequence[Stage]) -> list[Event]:
    """Plan and run in this process, on one thread."""
    torch.set_num_threads(1)
    return list(run(make_plan(corpus, stages), Here()))


def committed(events: Iterable[Event]) -> list[str]:
    """What was made, as `layer/unit`."""
    return [f"{event.layer}/{event.unit}" for event in events if event.kind == "committed"]


def picture(seed: int, *, quality: int = 95) -> bytes:
    """A drawn JPEG of 48 x 40 pixels; another quality is nearly the same picture in other bytes."""
    return encode(photo(40, 48, seed), quality=quality)


def pairs(start: int, count: int) -> list[Given]:
    """Distinct pictures with distinct texts."""
    return [
        Given(f"http://a.test/{place}.jpg", f"a {WORDS[place % 8]} and {place}", picture(place))
        for place in range(start, start + count)
    ]


def give(corpus: Corpus, shard: str, given: Sequence[Given]) -> None:
    """Commit a candidate shard and the shard that download would make of it."""
    rows = [
        {
            "uid": each.uid,
            "image_id": identity.image_id(each.url),
            "url": each.url,
            "alt_text": each.text,
            "page_url": None,
            "source": "given",
            "offset": place,
        }
        for place, each in enumerate(given)
    ]
    stage = Import(source="given")
    with UnitCommit(stage, corpus, corpus.layer("candidates"), shard, {"given": shard}) as commit:
        table.write(commit, f"{shard}.parquet", table.columns(rows, "candidates"), "candidates")
        commit.finish(seen=len(rows), kept=len(rows), source="given", source_kind="list", slice=int(shard))

    def fetch(wanted: list[int]) -> Iterator[tuple[int, Fetched]]:
        for place in wanted:
            body = given[place].body
            yield place, Fetched(body=body, reason=None if body else "timeout")

    stored = table.read(corpus.layer("candidates").path(f"{shard}.parquet"), "candidates").to_pylist()
    inputs = {"candidates": corpus.layer("candidates").digest(shard)}
    commit = UnitCommit(stage, corpus, corpus.layer("shards"), shard, inputs)
    shards.write(commit, corpus, shard, stored, shards.made(fetch, ImageSettings(image_size=64)), quiet)


def given_corpus(folder: Path | str, *counts: int) -> Corpus:
    """A corpus of so many distinct pairs in each shard."""
    corpus = Corpus.create(folder, shard_rows=1000)
    for shard, count in enumerate(counts):
        give(corpus, f"{shard:05d}", pairs(sum(counts[:shard]), count))
    return corpus


def write_probe(folder: Path, *, seed: int = 0, broken: str = "") -> str:
    """A probe that learned nothing, as a folder; texts with the word `broken` have no vector."""
    model = build("conv-nano", seed=seed)
    if broken:
        with torch.no_grad():
            model.text.words.weight[number(broken, 4096)] = float("inf")
    folder.mkdir(parents=True)
    for name, payload in probe_files(model, {"name": folder.name}).items():
        (folder / name).write_bytes(payload)
    return str(folder)


def write_similarities(corpus: Corpus, values: dict[bytes, float | None], *, model: str = "toy.model.00000000") -> None:
    """Commit similarities of one's own as if embeddings of `model` had them."""
    from vlcorpus.stages.samples import with_image
    from vlcorpus.stages.score import Score

    for shard in corpus.layer("shards").units():
        uids = [bytes.fromhex(row["uid"]) for row in with_image(corpus, shard)]
        rows = [{"uid": uid, "similarity": values[uid]} for uid in uids]
        layer = corpus.layer("scores/similarity")
        with UnitCommit(Score(score="similarity"), corpus, layer, shard, {"toy": shard}) as commit:
            table.write(commit, f"{shard}.parquet", table.columns(rows, "score-similarity"), "score-similarity")
            commit.finish(seen=len(rows), kept=len(rows), source=f"embeddings/{model}")
