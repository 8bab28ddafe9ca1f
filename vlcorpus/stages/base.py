"""What a stage is.

    @dataclass(frozen=True, kw_only=True)
    class Count(Stage):
        \"\"\"Count the rows of each shard.\"\"\"
        name = "count"
        makes = "counts"
        follows = "shards"                       # one unit for each unit of shards/

        def open(self, corpus):                  # once per worker: heavy imports, models
            def count(unit, tell):
                with self.commit(corpus, unit) as commit:
                    ...
                    commit.finish(seen=3, kept=3)
            return count

A stage with `follows` has the units of the layer it follows, and each may start when that one is committed. A stage
without (a reduction) has the unit "all" and starts when every layer in `needs` is whole. What a unit would make is
named by its fingerprint: result-changing settings, digests of its inputs, the stage's version. A unit whose stats carry
the same fingerprint is done; another fingerprint is stale; no stats is to do.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from .. import __version__, spec
from ..corpus import Corpus, Layer
from ..io.attempt import Stopped
from ..io.commit import Commit

# Told between two batches, when what is done is kept: raises Stopped where the process is asked to end (io.attempt).
# Progress, never a result: rows seen, rows kept so far, and what gives counts to show, as {"reasons": {"timeout": 3}}.
Tell = Callable[..., None]
Work = Callable[[str, Tell], None]
ALL = "all"


@dataclass(frozen=True)
class Needs:
    """What a unit takes of a machine while it is under way."""

    cpus: int = 1
    gpus: int = 0


@dataclass(frozen=True, kw_only=True)
class Stage:
    name: ClassVar[str]
    version: ClassVar[int] = 1
    makes: ClassVar[str]
    follows: ClassVar[str | None] = None
    needs: ClassVar[tuple[str, ...]] = ()
    creates: ClassVar[bool] = False  # may be the first stage of a new corpus
    libraries: ClassVar[tuple[str, ...]] = ()  # whose versions are provenance
    at_once: ClassVar[int] = 1  # units that a worker does at the same time, where most of one is waiting
    copies: ClassVar[bool] = True  # of a straggling unit; not where strangers would be asked twice

    def layer(self, corpus: Corpus) -> Layer:
        """The layer that this stage makes."""
        return corpus.layer(self.made())

    def made(self) -> str:
        """Static name of what this stage makes, for ordering: `scores/similarity`, or `embeddings` for any model."""
        return self.makes

    def brings(self) -> tuple[str, ...]:
        """Every layer that is whole when this stage is."""
        return (self.made(),)

    def wanted(self) -> tuple[str, ...]:
        """Static names of the layers that must be whole before any unit starts."""
        return self.needs

    def uses(self) -> tuple[str, ...]:
        """Layers that are read where they are there: waited for where the plan makes them, but never put in front."""
        return ()

    def followed(self, corpus: Corpus) -> Layer:
        """The layer whose units this stage follows."""
        assert self.follows is not None
        return corpus.layer(self.follows)

    def units(self, corpus: Corpus) -> Sequence[str]:
        """What there is to do, in order."""
        return self.followed(corpus).units() if self.follows else (ALL,)

    def takes(self) -> Needs:
        """What an executor of several machines sets aside for a unit."""
        return Needs()

    def foreseen(self) -> int:
        """As many units there will be at least, as far as the settings alone tell."""
        return 1

    def heeds(self, corpus: Corpus) -> tuple[str, ...]:
        """Layers that bind this stage where the corpus has them: brought up to date first, though it names none."""
        return ()

    def told(self, corpus: Corpus) -> tuple[str, ...]:
        """What a person should be told when the work is done."""
        return ()

    def inputs(self, corpus: Corpus, unit: str) -> dict[str, str]:
        """Digest of every input of a unit, by name."""
        if self.follows:
            source = self.followed(corpus)
            return {source.name: source.digest(unit)}
        return {name: corpus.layer(name).digest_all() for name in self.wanted()}

    def located(self) -> Stage:
        """This stage with what its settings name looked up (files, lists behind a URL): called once a plan."""
        return self

    def notes(self) -> tuple[str, ...]:
        """What a person should be told before the work begins."""
        return ()

    def before(self, corpus: Corpus) -> tuple[Stage, ...]:
        """Stages that this one's words stand for: the plan puts them in front of it, in this order, where they are not
        there or done yet. The corpus names layers, too, that earlier steps of the plan will bring."""
        return ()

    def supplier(self, name: str) -> Stage | None:
        """A stage of this one's own that makes the wanted layer `name`; None where any stage may have made it."""
        return None

    def settled(self, corpus: Corpus, unit: str) -> bool:
        """Whether a unit was made by other means and is not this stage's to make again."""
        return False

    def again(self, corpus: Corpus, unit: str) -> bool:
        """Whether a unit that is done is to be gone through once more, because the person asks for it."""
        return False

    def tidy(self, corpus: Corpus, unit: str) -> None:
        """Remove what an ended run left beside a unit that is done."""

    def check(self, corpus: Corpus) -> None:
        """Refuse what cannot work, before any work is done."""

    def open(self, corpus: Corpus) -> Work:
        """Load what the work needs, once per worker, and return what does one unit."""
        raise NotImplementedError

    def fingerprint(self, corpus: Corpus, unit: str) -> str:
        return spec.fingerprint(self, self.name, self.version, self.inputs(corpus, unit))

    def commit(self, corpus: Corpus, unit: str, layer: Layer | None = None) -> UnitCommit:
        return UnitCommit(self, corpus, layer or self.layer(corpus), unit)


class UnitCommit(Commit):
    """A commit that knows its stage: `finish` writes the stats and checks that no row was lost."""

    def __init__(
        self,
        stage: Stage,
        corpus: Corpus,
        layer: Layer,
        unit: str,
        inputs: Mapping[str, str] | None = None,
        *,
        claim: bool = False,
    ):
        super().__init__(layer.making, layer.marker(unit), claim=claim, stored=layer.stored)
        self.stage = stage
        self.corpus = corpus
        self.unit = unit
        self.inputs = dict(stage.inputs(corpus, unit) if inputs is None else inputs)
        self.start_time = time.time()
        self._start = time.monotonic()

    @property
    def fingerprint(self) -> str:
        return spec.fingerprint(self.stage, self.stage.name, self.stage.version, self.inputs)

    def finish(self, *, seen: int, kept: int, rejected: Mapping[str, int] | None = None, **more: Any) -> dict[str, Any]:
        """Write the stats file. `seen` must be `kept` plus all of `rejected` (rows by reason)."""
        lost = {reason: count for reason, count in sorted((rejected or {}).items()) if count}
        if seen != kept + sum(lost.values()):
            raise AssertionError(f"{self.stage.name} {self.unit}: {seen} rows in, {kept} kept, {lost} rejected")
        return self.done(
            {
                "stage": self.stage.name,
                "stage_version": self.stage.version,
                "unit": self.unit,
                "fingerprint": self.fingerprint,
                "settings": spec.kept_values(self.stage, self.corpus.root),
                "inputs": self.inputs,
                "seen": seen,
                "kept": kept,
                "rejected": lost,
                **more,
                "start_time": self.start_time,
                "end_time": time.time(),
                "duration": time.monotonic() - self._start,
                "software": software(self.stage.libraries),
            }
        )


def software(libraries: Sequence[str]) -> dict[str, str]:
    """Versions of vlcorpus and of the named installed packages."""
    from importlib.metadata import PackageNotFoundError, version

    found = {"vlcorpus": __version__}
    for name in libraries:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def on(device: str) -> Needs:
    """What work on a device takes."""
    return Needs(gpus=int(device == "auto" or device.startswith("cuda")))


def calm(tell: Tell) -> Tell:
    """One that does not raise Stopped, for work that sees to its end itself."""

    def told(*progress: Any) -> None:
        with contextlib.suppress(Stopped):
            tell(*progress)

    return told


def count(reasons: Sequence[str | None]) -> Counter[str]:
    """Rows by reason; None is no reason."""
    return Counter(reason for reason in reasons if reason is not None)
