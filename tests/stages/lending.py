"""Workers that a test lends to what shares its work: in another order, each part twice, or in processes of their own.

with lent(shuffled(seed)): Dedup().open(corpus)("all", quiet)
with processes(2) as lend, lent(lend): ...
"""

from __future__ import annotations

import contextlib
import multiprocessing
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from vlcorpus.corpus import Corpus
from vlcorpus.stages.base import Stage
from vlcorpus.stages.sharing import Lend


def shuffled(seed: int, asked: list[str] | None = None) -> Lend:
    """Each part twice, the second time after others, in a shuffled order; which results count is drawn, too. asked:
    gets the name of what each part does."""
    rng = random.Random(seed)

    def lend(stage: Stage, corpus: Corpus, does: str, arguments: Sequence[Any]) -> Iterator[Any]:
        places = [*range(len(arguments)), *range(len(arguments))]
        rng.shuffle(places)
        results: dict[int, list[Any]] = {}
        for place in places:
            results.setdefault(place, []).append(getattr(stage, does)(corpus, arguments[place]))
            if asked is not None:
                asked.append(does)
        yield from (rng.choice(results[place]) for place in range(len(arguments)))

    return lend


def _part(stage: Stage, corpus: Corpus, does: str, argument: Any) -> Any:
    return getattr(stage, does)(corpus, argument)


@contextlib.contextmanager
def processes(workers: int) -> Iterator[Lend]:
    """New processes, which know of stage and corpus what is pickled."""
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:

        def lend(stage: Stage, corpus: Corpus, does: str, arguments: Sequence[Any]) -> Iterator[Any]:
            waiting = [pool.submit(_part, stage, corpus, does, argument) for argument in arguments]
            yield from (each.result() for each in waiting)

        yield lend
