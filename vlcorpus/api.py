"""vlcorpus in Python: the same stages, settings and corpora as on the command line.

    import vlcorpus

    birds = vlcorpus.open("birds")
    birds.do(vlcorpus.stage("filter", min_sim=0.28), workers=2)
    for pair in birds.samples(decision="similarity-0.28"):
        pair.caption, pair.body                  # str, the stored image's bytes

Call `do` below `if __name__ == "__main__":`, because workers are spawned.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import spec
from .corpus import Corpus
from .stages import registry
from .stages.base import Stage

if TYPE_CHECKING:
    from .pipeline.run import Event
    from .stages.samples import Pair


def stage(name: str, **settings: Any) -> Stage:
    """A stage by its command's name; settings have the recipe keys' names. UsageError for what it does not know."""
    return spec.build(registry.stage(name), settings, where=name)


@dataclass(frozen=True)
class OpenCorpus:
    """A corpus at hand."""

    corpus: Corpus

    def do(self, *stages: Stage, workers: int = 1) -> list[Event]:
        """Run stages, and first what they need. Returns what happened; raises as the command line would end.

        Holds the corpus's lock meanwhile, so that there is one writer at a time.
        """
        from .pipeline.executor import LocalExecutor
        from .pipeline.plan import make_plan
        from .pipeline.run import run

        words = " ".join(each.name for each in stages)
        with self.corpus.lock(f"python: {words}"), LocalExecutor(workers) as executor:
            plan = make_plan(self.corpus, stages)
            return list(run(plan, executor, log=self.corpus.log(stages[-1].name if stages else "nothing")))

    def samples(
        self,
        *,
        decision: str | None = None,
        duplicates: str | None = None,
        split: str | None = None,
        part: str | None = None,
    ) -> Iterator[Pair]:
        """The pairs that a decision keeps, with their images, in corpus order.

        duplicates: a grouping of which one pair each is given. split and part: a split layer and the name in it, as
        split="default", part="train". None is no restriction.
        """
        from .stages.samples import Choice, chosen

        return chosen(self.corpus, Choice(decision=decision, duplicates=duplicates, split=split), split=part)


def open(path: str | os.PathLike[str]) -> OpenCorpus:
    """The corpus in a folder; CorpusError where there is none."""
    return OpenCorpus(Corpus.open(Path(path)))


def create(path: str | os.PathLike[str], *, shard_rows: int | None = None) -> OpenCorpus:
    """The corpus in a folder, made where there is none."""
    return OpenCorpus(Corpus.create(Path(path), shard_rows=shard_rows))
