"""Small real stages for tests of planning and running: they read and write units of text."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vlcorpus.corpus import Corpus
from vlcorpus.errors import VlcorpusError
from vlcorpus.spec import setting
from vlcorpus.stages.base import Stage, Tell, UnitCommit, Work


@dataclass(frozen=True, kw_only=True)
class Sow(Stage):
    """A reduction that makes units of its own."""

    name = "sow"
    makes = "seeds"
    creates = True

    count: int = setting(4, help="Units.")

    def open(self, corpus: Corpus) -> Work:
        def sow(unit: str, tell: Tell) -> None:
            for number in range(self.count):
                place = f"{number:05d}"
                with UnitCommit(self, corpus, self.layer(corpus), place, {}) as commit:
                    commit.write(f"{place}.txt", str(number).encode())
                    commit.finish(seen=1, kept=1)
            with self.commit(corpus, unit) as commit:
                commit.finish(seen=self.count, kept=self.count)

        return sow


@dataclass(frozen=True, kw_only=True)
class Grow(Stage):
    """Follows seeds unit by unit; can be told to die, to fail, or to lose rows."""

    name = "grow"
    makes = "plants"
    follows = "seeds"

    factor: int = setting(10, help="Factor.")
    slow: int = setting(1, help="Not a result.", result=False)
    die_at: str | None = setting(None, help="Unit at which the worker is killed.", result=False)
    deaths: int = setting(1, help="How often.", result=False)
    fail_at: str | None = setting(None, help="Unit that fails.", result=False)
    bug_at: str | None = setting(None, help="Unit with a bug.", result=False)

    def open(self, corpus: Corpus) -> Work:
        def grow(unit: str, tell: Tell) -> None:
            if unit == self.die_at:
                graves = Path(corpus.path) / "graves"
                died = len(graves.read_text()) if graves.exists() else 0
                if died < self.deaths:
                    graves.write_text("x" * (died + 1))
                    os.kill(os.getpid(), signal.SIGKILL)
            if unit == self.fail_at:
                raise VlcorpusError(f"{unit} is stony ground", "sow elsewhere")
            if unit == self.bug_at:
                raise ZeroDivisionError("a bug")
            number = int(self.followed(corpus).path(f"{unit}.txt").read_text())
            tell(1, 1)
            with self.commit(corpus, unit) as commit:
                commit.write(f"{unit}.txt", str(number * self.factor).encode())
                commit.finish(seen=1, kept=1)

        return grow


@dataclass(frozen=True, kw_only=True)
class Prune(Stage):
    """Follows plants unit by unit."""

    name = "prune"
    makes = "shoots"
    follows = "plants"

    def open(self, corpus: Corpus) -> Work:
        def prune(unit: str, tell: Tell) -> None:
            with self.commit(corpus, unit) as commit:
                commit.finish(seen=1, kept=1)

        return prune


@dataclass(frozen=True, kw_only=True)
class Reap(Stage):
    """A reduction over all plants."""

    name = "reap"
    makes = "harvest"
    needs = ("plants",)

    def open(self, corpus: Corpus) -> Work:
        def reap(unit: str, tell: Tell) -> None:
            plants = corpus.layer("plants")
            total = sum(int(plants.path(f"{name}.txt").read_text()) for name in plants.units())
            with self.commit(corpus, unit) as commit:
                commit.write("total.txt", str(total).encode())
                commit.finish(seen=len(plants.units()), kept=len(plants.units()))

        return reap


@dataclass(frozen=True, kw_only=True)
class Meet(Stage):
    """Each unit ends only if another one is under way in the same process."""

    name = "meet"
    makes = "meetings"
    follows = "seeds"
    at_once = 2

    def open(self, corpus: Corpus) -> Work:
        both = threading.Barrier(2)

        def meet(unit: str, tell: Tell) -> None:
            both.wait(60)
            with self.commit(corpus, unit) as commit:
                commit.finish(seen=1, kept=1)

        return meet


@dataclass(frozen=True, kw_only=True)
class Climb(Stage):
    """Its worker is killed five times, each time after a further row."""

    name = "climb"
    makes = "peaks"
    follows = "seeds"

    further: bool = setting(True, help="Whether it gets further each time.")

    def open(self, corpus: Corpus) -> Work:
        def climb(unit: str, tell: Tell) -> None:
            steps = Path(corpus.path) / "steps"
            gone = len(steps.read_text()) if steps.exists() else 0
            if gone < 5:
                steps.write_text("x" * (gone + 1))
                tell(gone + 1 if self.further else 1, 0, lambda: {"reasons": {"steep": gone}})
                os.kill(os.getpid(), signal.SIGKILL)
            with self.commit(corpus, unit) as commit:
                commit.finish(seen=1, kept=1)

        return climb


@dataclass(frozen=True, kw_only=True)
class Leak(Stage):
    """Loses a row."""

    name = "leak"
    makes = "leaks"
    follows = "seeds"

    def open(self, corpus: Corpus) -> Work:
        def leak(unit: str, tell: Tell) -> None:
            with self.commit(corpus, unit) as commit:
                commit.finish(seen=3, kept=1, rejected={"dry": 1})

        return leak


def walk(**grow: object) -> Sequence[Stage]:
    return [Sow(), Grow(**grow), Reap()]  # type: ignore[arg-type]
