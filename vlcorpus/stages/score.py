"""score: named columns, written once, decided on as often as one likes.

    vlcorpus score CORPUS similarity                        cosine of image and text embedding
    vlcorpus score CORPUS similarity --model M --named m    beside it, by another model: scores/similarity-m
    vlcorpus score CORPUS phash                             perceptual hash of the stored image

Each score is a file of stages/scorers/; its columns are declared in schemas/score-<kind>.json. The stats of every unit
say whose rows they are (`of`: images or candidates) and, of a score by a model, which weights gave it.
"""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, cast

from .. import spec
from ..corpus import Corpus, Layer
from ..errors import CorpusError, UsageError
from ..spec import setting
from . import models, relay, scorers
from .base import ALL, Needs, Stage, Tell, UnitCommit, Work, on
from .scorers.base import AllShards, OneShard, Parted, Parts, Scored, Scorer
from .sharing import share

_NAMED = re.compile(r"[a-z0-9][a-z0-9_]{0,39}")
_HELD = threading.local()


@dataclass(frozen=True)
class _Part:
    """What a part of a score is told. run: of the files it reads and writes; time: names this one time that it is done;
    asked: of `Parts.gather`; the rest as its shards are made by."""

    run: str
    time: str
    asked: Any = None
    shards: tuple[str, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Score(Stage):
    """Compute a score of every pair: of its image and words, of its image, or of its words alone."""

    name = "score"
    makes = "scores"

    score: str = setting(help="Which score.", choices=scorers.kinds(), positional=True)
    named: str | None = setting(None, help="Name of the score, beside others of its kind: scores/SCORE-NAMED.")
    model: str | None = setting(
        None,
        help="Whose embeddings, or what encodes (scores by a model); the only ones if not given.",
        result=False,  # the embeddings are an input
        path=True,
    )
    device: str = setting("cpu", help="Where to compute, as cpu or cuda.", result=False)
    batch_size: int | None = setting(
        None, help="Images encoded at once, or rows of a random batch (negcliploss).", least=1
    )
    weights: str | None = setting(
        None, help="File of a head's weights, or a SavedModel's folder (aesthetic, nsfw, head).", path=True
    )
    head: str | None = setting(None, help="A head of your own, as package.module:function or an installed name (head).")
    near: str | None = setting(
        None, help="What is near: a folder of images, .npy of embeddings, or a corpus (normsim).", path=True
    )
    norm: str = setting("inf", help="Norm over the near ones (normsim).", choices=("inf", "2"))
    batches: int = setting(10, help="Rounds of random batches to average over (negcliploss).", least=1, most=1_000)
    temperature: float | None = setting(
        None, help="Temperature of the loss; 0.01 if not given (negcliploss).", least=1e-4, most=1
    )
    clusters: int | None = setting(None, help="How many clusters (clusters).", least=2)
    references: str | None = setting(None, help=".npy of reference centroids (nearest).", path=True)
    query: str | None = setting(
        None,
        help="Words, or terms with weights as '+\"red car\" -toy image:1' (query).",
        result=False,  # what it says, with the content of its files, is an input
    )
    query_files: tuple[str, ...] = setting(
        (),
        help="Images and .npy files that the query names by number, image:1 the first (query).",
        result=False,
        path=True,
    )
    terms: str | None = setting(
        None, help="File of terms, one a line, or folder of one for each language (entities, metaclip).", path=True
    )
    limit: int | None = setting(None, help="Pairs that a term keeps in the mean (metaclip).", least=1)
    detector: str = setting("pycld2", help="Language detector (language).", choices=("pycld2", "cld3", "fasttext"))
    columns: tuple[str, ...] = setting((), help="Columns of numbers to fuse (fused).")
    shares: tuple[float, ...] = setting((), help="Weight of each column; below 0 where low values are good (fused).")
    seed: int = setting(0, help="Seed of random draws and batches.", least=0)

    @property
    def scorer(self) -> Scorer:
        return scorers.scorer(self.score).chosen(self)

    @property
    def follows(self) -> str | None:  # type: ignore[override]
        return None if self.scorer.whole else self.scorer.follows

    @property
    def libraries(self) -> tuple[str, ...]:  # type: ignore[override]
        return self.scorer.libraries

    def located(self) -> Stage:
        return replace(self)  # what an earlier plan found at a path may have changed

    @cached_property
    def looked(self) -> dict[str, str]:
        """Names of what lies at the paths of settings, by setting: looked at once a plan."""
        return {}

    def made(self) -> str:
        return scorers.layer_of(self.score, self.named)

    def wanted(self) -> tuple[str, ...]:
        needs = self.scorer.needs(self)
        return (self.scorer.follows, *needs) if self.scorer.whole else needs

    def uses(self) -> tuple[str, ...]:
        return self.scorer.uses(self)

    def followed(self, corpus: Corpus) -> Layer:
        """The layer whose shards are scored."""
        follows = self.scorer.follows
        return models.embedded(corpus, self.model) if follows == "embeddings" else corpus.layer(follows)

    def units(self, corpus: Corpus) -> Sequence[str]:
        if self.scorer.whole:
            return (ALL,)
        units = self.followed(corpus).units()
        if not units and self.scorer.follows == "embeddings" and corpus.layer("shards").units():
            raise CorpusError(
                f"no {self.followed(corpus).name} in {corpus.place}",
                f"make them: `vlcorpus embed {corpus.place} --model {self.model}`",
            )
        return units

    def inputs(self, corpus: Corpus, unit: str) -> dict[str, str]:
        found = {}
        for name in (*self.scorer.needs(self), *((self.scorer.follows,) if self.scorer.whole else ())):
            layer = self.followed(corpus) if name == self.scorer.follows else corpus.layer(name)
            found[layer.name] = layer.digest_all()
        if not self.scorer.whole:
            source = self.followed(corpus)
            found[source.name] = source.digest(unit)
        return found | self.scorer.inputs(self, corpus)

    def check(self, corpus: Corpus) -> None:
        if self.named is not None and not _NAMED.fullmatch(self.named):
            raise UsageError(f"a score cannot be named {self.named!r}", "use small letters, digits and _, up to 40")
        read = {"score", "named", "seed", *self.scorer.reads, *self.scorer.needed}
        for each in spec.settings_of(type(self)):
            given = getattr(self, each.name) != each.default
            if given and each.name not in read:
                raise UsageError(f"{self.score} does not read {each.option}", "leave it away")
        for name in self.scorer.needed:
            if getattr(self, name) in (None, ()):
                option = "--" + name.replace("_", "-")
                raise UsageError(f"{self.score} has no {option}", f"give it: {option} ...")
        self.scorer.check(self, corpus)

    def takes(self) -> Needs:
        return on(self.device)

    def open(self, corpus: Corpus) -> Work:
        if isinstance(self.scorer, Parted):
            return self._shared(corpus, self.scorer)
        work = self.scorer.open(self, corpus)
        return (
            self._whole(corpus, cast(AllShards, work))
            if self.scorer.whole
            else self._each(corpus, cast(OneShard, work))
        )

    def _each(self, corpus: Corpus, work: OneShard) -> Work:
        def score(unit: str, tell: Tell) -> None:
            scored = work(unit, tell)
            with self.commit(corpus, unit) as commit:
                self._write(corpus, commit, scored)

        return score

    def _whole(self, corpus: Corpus, work: AllShards) -> Work:
        def score(unit: str, tell: Tell) -> None:
            layer, shards, inputs = self.layer(corpus), self.followed(corpus).units(), self.inputs(corpus, unit)
            rows = 0
            about: dict[str, Any] = {}
            files: dict[str, bytes] = {}
            with UnitCommit(self, corpus, layer, unit, inputs) as commit:
                for shard, scored in work(shards, tell):
                    with UnitCommit(self, corpus, layer, shard, inputs | {"shard": shard}) as part:
                        rows += self._write(corpus, part, scored)
                    about = dict(scored.about)
                    files |= scored.files
                    tell(rows, rows)
                for name, payload in sorted(files.items()):
                    commit.write(name, payload)
                commit.finish(seen=rows, kept=rows, **self._about(corpus, about))

        return score

    def _shared(self, corpus: Corpus, scorer: Parted) -> Work:
        def score(unit: str, tell: Tell) -> None:
            layer, inputs, source = self.layer(corpus), self.inputs(corpus, unit), self.followed(corpus)
            stretches = relay.stretches(source, source.units())
            whole = UnitCommit(self, corpus, layer, unit, inputs)
            told = _Part(whole.fingerprint, uuid.uuid4().hex)

            def ask(asked: Sequence[Any]) -> Iterator[Any]:
                return share(self, corpus, "gather", [replace(told, asked=each) for each in asked])

            with relay.Relay(layer, told.run) as files:
                found = scorer.gathered(self, corpus, stretches, files, ask, tell)
                made = replace(told, about=dict(found.about), inputs=inputs)
                rows = 0
                with whole as commit:
                    for own in share(self, corpus, "make", [replace(made, shards=some) for _, some in stretches]):
                        rows += own
                        tell(rows, rows)
                    for name, payload in sorted(found.files.items()) if stretches else ():
                        commit.write(name, payload)
                    commit.finish(seen=rows, kept=rows, **self._about(corpus, found.about if stretches else {}))

        return score

    def gather(self, corpus: Corpus, part: _Part) -> Any:
        return self._parts(corpus, part).gather(part.asked)

    def make(self, corpus: Corpus, part: _Part) -> int:
        """Commit some shards of a score of the whole corpus; how many rows these are."""
        layer, work, rows = self.layer(corpus), self._parts(corpus, part), 0
        for shard in part.shards:
            scored = Scored(work.columns(shard), part.about)
            with UnitCommit(self, corpus, layer, shard, {**part.inputs, "shard": shard}) as commit:
                rows += self._write(corpus, commit, scored)
        return rows

    def _parts(self, corpus: Corpus, part: _Part) -> Parts:
        """What a thread loads once for all parts that it does."""
        if getattr(_HELD, "time", None) != part.time:
            scorer = self.scorer
            assert isinstance(scorer, Parted)
            _HELD.parts = scorer.parts(self, corpus, relay.Relay(self.layer(corpus), part.run))
            _HELD.time = part.time
        found: Parts = _HELD.parts
        return found

    def _write(self, corpus: Corpus, commit: UnitCommit, scored: Scored) -> int:
        from ..io import table

        name = scorers.table_of(self.made())
        made = table.from_columns(scored.columns, name)
        table.write(commit, f"{commit.unit}.parquet", made, name)
        commit.finish(seen=len(made), kept=len(made), **self._about(corpus, scored.about))
        return len(made)

    def _about(self, corpus: Corpus, said: Any) -> dict[str, Any]:
        source = self.followed(corpus)
        told: dict[str, Any] = {"of": self.scorer.of, "source": source.name, "model": None}
        if self.scorer.follows == "embeddings":
            first = next((source.stats(unit) for unit in source.units()), None) or {}
            told |= {"model": source.name.partition("/")[2], "encoder": first.get("encoder")}
        return told | dict(said)
