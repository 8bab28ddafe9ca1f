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

A score that needs the whole corpus at once (`whole`) gets all its shards and gives a Scored for each, in any order. The
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
