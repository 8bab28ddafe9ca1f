"""vlcorpus in Python: the same stages, settings and corpora as on the command line.

    import vlcorpus

    birds = vlcorpus.open("birds")
    birds.do(vlcorpus.stage("filter", min_sim=0.28), workers=2)
    for pair in birds.samples(decision="similarity-0.28"):
        pair.caption, pair.body                  # str, the stored image's bytes
    loader = DataLoader(birds.samples(split="default", part="train", shuffle=0), num_workers=4, collate_fn=...)

Call `do` below `if __name__ == "__main__":`, because workers are spawned.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import spec
from .corpus import Corpus
from .stages import places, registry
from .stages.base import Stage

if TYPE_CHECKING:
    from .pipeline.run import Event
    from .stages.streaming import Samples


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
        captions: str | Sequence[str] | Mapping[str, float] = (),
        shuffle: int | None = None,
        epoch: int = 0,
        rank: int | None = None,
        world: int | None = None,
        worker: int | None = None,
        workers: int | None = None,
    ) -> Samples:
        """The pairs that a decision keeps, with their images: to iterate over, once an epoch, or for a DataLoader.

        duplicates: a grouping of which one pair each is given. split and part: a split layer and the name in it, as
        split="default", part="train". captions: layers of texts, one of which is drawn for each pair and epoch, as
        {"alt_text": 0.7, "recaption": 0.3}. shuffle: seed of the order; None is corpus order. rank of world and worker
        of workers: which share of them to give; found by themselves under torchrun and inside a DataLoader. None is
        no restriction. A torch IterableDataset where torch is loaded (else by `.torch()`).
        """
        from .stages.choice import Choice
        from .stages.streaming import Samples

        if isinstance(captions, Mapping):
            captions = [f"{name}={share!r}" for name, share in captions.items()]
        samples = Samples(
            self.corpus,
            Choice(decision=decision, duplicates=duplicates, split=split),
            part=part,
            captions=(captions,) if isinstance(captions, str) else tuple(captions),
            seed=shuffle,
            epoch=epoch,
            rank=rank,
            world=world,
            worker=worker,
            workers=workers,
        )
        found: Samples = samples.torch() if "torch" in sys.modules else samples
        return found


def open(path: str | os.PathLike[str]) -> OpenCorpus:
    """The corpus in a folder, or at an address in an object store; CorpusError where there is none."""
    return OpenCorpus(places.opened(os.fspath(path)))


def create(path: str | os.PathLike[str], *, shard_rows: int | None = None) -> OpenCorpus:
    """The corpus in a folder or at an address, made where there is none."""
    return OpenCorpus(places.created(os.fspath(path), shard_rows=shard_rows))
