"""What a check finds, and how far it got.

ledger = Ledger(tell=None)
with ledger.trying("shards/00000.tar", "download the shard again"):
    ...                                    a CorpusError or SourceError in here becomes a finding
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ..errors import VlcorpusError

AGAIN = "remove its stats file and run the command that made it"


@dataclass(frozen=True)
class Finding:
    """Something wrong: where, what, and what to do. Paths are relative to the corpus or export."""

    path: str
    what: str
    fix: str


@dataclass(frozen=True)
class Note:
    """Something that is not wrong, but is nobody's: a left-over, a stray file."""

    path: str
    what: str


@dataclass
class Ledger:
    """Findings and notes as they come in, and counts of what was checked (units, files, bytes, samples, rows)."""

    tell: Callable[[str, int], None] | None = None
    """Called with the path under work and the findings so far."""
    findings: list[Finding] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    checked: Counter[str] = field(default_factory=Counter)

    def at(self, path: str) -> None:
        if self.tell is not None:
            self.tell(path, len(self.findings))

    def wrong(self, path: str, what: str, fix: str = AGAIN) -> None:
        self.findings.append(Finding(path, what, fix))

    def note(self, path: str, what: str) -> None:
        self.notes.append(Note(path, what))

    def agree(self, path: str, name: str, found: object, wanted: object, fix: str = AGAIN) -> bool:
        """Record a finding where a value is not what another place says it is."""
        if found == wanted:
            return True
        self.wrong(path, f"{name}: {_short(found)}, and {_short(wanted)} was expected", fix)
        return False

    @contextlib.contextmanager
    def trying(self, path: str, fix: str = AGAIN) -> Iterator[None]:
        """Turn what cannot be read into a finding; what follows in the block is skipped."""
        try:
            yield
        except VlcorpusError as error:
            self.wrong(path, error.message, fix)
        except OSError as error:
            self.wrong(path, f"cannot be read: {error.strerror or error}", fix)


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 120 else text[:119] + "…"
