"""Parts of a reduction, done by all workers that are free.

    for counts in share(self, corpus, "count_shard", shards):        # results in the order of the arguments
        total += counts

calls `stage.count_shard(corpus, shard)` for each argument: in other processes and on other machines where an executor
lends them, else here. Arguments and results are pickled, so they are small; rows go through files (`Layer.keep`).
A part may be done twice, where a worker died at it: it must give the same both times. A process that is asked to end
begins no further part.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from ..io.attempt import Stopped, stopping

if TYPE_CHECKING:
    from ..corpus import Corpus
    from .base import Stage

# What lends workers: (stage, corpus, name of a method, arguments) -> results in the order of the arguments.
Lend = Callable[["Stage", "Corpus", str, Sequence[Any]], Iterable[Any]]
_LENT: ContextVar[Lend | None] = ContextVar("lent", default=None)


def share(stage: Stage, corpus: Corpus, does: str, arguments: Sequence[Any]) -> Iterator[Any]:
    """What `stage.<does>(corpus, argument)` gives for each argument, in their order."""
    lend = _LENT.get()
    if lend is not None and len(arguments) > 1:
        for result in lend(stage, corpus, does, arguments):
            corpus.refresh()  # a part may have stored what is read next
            yield result
        return
    for argument in arguments:
        if stopping.is_set():
            raise Stopped
        yield getattr(stage, does)(corpus, argument)


@contextlib.contextmanager
def lent(lend: Lend) -> Iterator[None]:
    """What this thread shares inside, is done by these workers."""
    token = _LENT.set(lend)
    try:
        yield
    finally:
        _LENT.reset(token)
