"""What a score is.

    class Loudness(Scorer):
        \"\"\"How many capitals a text has.\"\"\"
        of = "candidates"                                  # a row for each candidate, whether or not it has an image
        follows = "candidates"                             # one unit for each unit of candidates/

        def open(self, stage, corpus):                     # once per worker: heavy imports, models
            def columns(unit, tell):
                uids, texts = ...
                return Scored({"uid": uids, "capitals": counts})
            return columns

A score that needs the whole corpus at once (`whole`) gets all its shards and gives a Scored for each, in any order. One
that only has to know something of all shards before it can do each is `Parted`: all workers that are free do it. The
columns are those of schemas/score-<kind>.json, row r of them the r-th candidate of the shard (of = "candidates") or its
r-th pair with an image (of = "images"). A value that cannot be had is null, never a number.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from ...corpus import Corpus
from ..base import Tell

if TYPE_CHECKING:
    from ..relay import Relay
    from ..score import Score


@dataclass(frozen=True)
class Scored:
    """One shard's columns, `uid` (binary16) among them, as pyarrow or numpy arrays of one length; and what the stats
    say of how they came about: `model` (the slug of the embeddings or weights that gave them), `weights_hash`, ...
    files: what a score of the whole corpus leaves beside its tables, by name, as `centroids.npy`.
    """

    columns: Mapping[str, Any]
    about: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)


OneShard = Callable[[str, Tell], Scored]
AllShards = Callable[[Sequence[str], Tell], Iterator[tuple[str, Scored]]]


class Scorer(ABC):
    """One kind of score. Stateless: what it needs to know stands in the stage's settings."""

    of: ClassVar[Literal["images", "candidates"]] = "images"
    follows: ClassVar[Literal["shards", "candidates", "embeddings"]] = "shards"
    whole: ClassVar[bool] = False
    reads: ClassVar[tuple[str, ...]] = ()
    """Settings of the stage that it reads; any other one that is given is refused."""
    needed: ClassVar[tuple[str, ...]] = ()
    """Settings that must be given."""
    libraries: ClassVar[tuple[str, ...]] = ()
    """Packages whose versions are provenance."""

    def chosen(self, stage: Score) -> Scorer:
        """The scorer that the settings mean, where they choose what is read."""
        return self

    def needs(self, stage: Score) -> tuple[str, ...]:
        """Layers, beside the followed one, that must be whole before any unit starts."""
        return ()

    def uses(self, stage: Score) -> tuple[str, ...]:
        """Layers that are read where they are there: waited for where the plan makes them."""
        return ()

    def inputs(self, stage: Score, corpus: Corpus) -> dict[str, str]:
        """Digests of what is read from outside the corpus (`file:weights`), or facts that name it (`model`)."""
        return {}

    def check(self, stage: Score, corpus: Corpus) -> None:
        """Refuse what cannot work, before any work is done."""
        return None

    @abstractmethod
    def open(self, stage: Score, corpus: Corpus) -> OneShard | AllShards:
        """Load what the work needs: a function over one shard, or (`whole`) over all of them."""


Stretch = tuple[int, tuple[str, ...]]
"""The number of a shard among all, and the names of it and of shards that follow it."""


@dataclass(frozen=True)
class Gathered:
    """What all shards say: `about` and `files` are as of Scored."""

    about: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)


class Parts(ABC):
    """What a worker loads once, to do parts of a score."""

    @abstractmethod
    def gather(self, asked: Any) -> Any:
        """A part of what must be known of all shards. What it is asked and what it says is small; rows go through
        files (relay.py). Asked twice, it says the same."""

    @abstractmethod
    def columns(self, shard: str) -> Mapping[str, Any]:
        """One shard's columns, when all is known."""


class Parted(Scorer):
    """A score for which something must be known of all shards, and then each is done on its own."""

    whole = True

    @abstractmethod
    def parts(self, stage: Score, corpus: Corpus, files: Relay) -> Parts:
        """Load the work."""

    @abstractmethod
    def gathered(
        self, stage: Score, corpus: Corpus, stretches: Sequence[Stretch], files: Relay, ask: Ask, tell: Tell
    ) -> Gathered:
        """What must be known, in one place, from what parts say; left in `files` for `Parts.columns`."""

    def open(self, stage: Score, corpus: Corpus) -> OneShard | AllShards:
        raise NotImplementedError("it is done in parts")


Ask = Callable[[Sequence[Any]], Iterator[Any]]
"""What `Parts.gather` says to each of these, in their order."""
