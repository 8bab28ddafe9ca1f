"""What a driver and its workers say to one another. Each message is sent with the number of what a worker was given.

driver -> worker     Give, Answer, Gave, Stop
worker -> driver     Says, Asks, Lends, Drops, Ended
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ..corpus import Corpus
from ..errors import VlcorpusError
from ..stages.base import Stage
from .tasks import Task


@dataclass(frozen=True)
class Piece:
    """A part of a reduction: `stage.<does>(corpus, argument)`."""

    stage: Stage
    corpus: Corpus
    does: str
    argument: Any


@dataclass(frozen=True)
class Give:
    """Do this. copy: sets the attempt apart from others under way. asks: whether it asks before it commits.
    crew: workers there are; of more than one, a reduction lends them its pieces."""

    job: Task | Piece
    copy: str = ""
    asks: bool = False
    crew: int = 1


@dataclass(frozen=True)
class Asks:
    """May I commit?"""


@dataclass(frozen=True)
class Answer:
    granted: bool


@dataclass(frozen=True)
class Lends:
    """Have these arguments done, each named by its place; share: which of the unit's calls wants them."""

    share: int
    stage: Stage
    corpus: Corpus
    does: str
    arguments: Sequence[tuple[int, Any]]


@dataclass(frozen=True)
class Drops:
    """No more of this share is wanted."""

    share: int


@dataclass(frozen=True)
class Gave:
    """What came of one piece."""

    share: int
    place: int
    value: Any = None
    error: VlcorpusError | None = None
    trace: str = ""


@dataclass(frozen=True)
class Stop:
    """End soon; what is done is kept."""


@dataclass(frozen=True)
class Says:
    """Progress."""

    seen: int
    kept: int
    about: dict[str, dict[str, int]]


@dataclass(frozen=True)
class Ended:
    """value: a piece's result."""

    how: Literal["done", "failed", "superseded", "halted"] = "done"
    error: VlcorpusError | None = None
    trace: str = ""
    value: Any = None
