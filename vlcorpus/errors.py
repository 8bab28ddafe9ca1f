"""Errors that a person can act on.

    VlcorpusError            exit 1   something is wrong, and the hint says what to do
    ├── UsageError           exit 2   the command's words are off
    │   └── RecipeError      exit 2   a recipe's words are off (names file, stage, key)
    ├── CorpusError          exit 1   the corpus directory is missing, damaged, newer or in use
    ├── SourceError          exit 1   a given file or address cannot be read as what it should be
    └── ShardsFailed         exit 3   some shards failed, the others are committed

Expected trouble with one row is never an exception: it is a row with a reason. A bug is a traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class VlcorpusError(Exception):
    """Carries one line about what is wrong and one about what to type."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.message, self.hint)


class UsageError(VlcorpusError):
    exit_code = 2


class RecipeError(UsageError):
    pass


class CorpusError(VlcorpusError):
    pass


class SourceError(VlcorpusError):
    pass


class ShardsFailed(VlcorpusError):
    exit_code = 3


MOST_NAMES = 40


def nearest(name: str, known: Iterable[str]) -> str:
    """`did you mean 'x'?` for the closest known name, or the list of known names, where a person can read it."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    if len(names) > MOST_NAMES:
        return f"known: {', '.join(names[:MOST_NAMES])} and {len(names) - MOST_NAMES} more"
    return "known: " + ", ".join(names) if names else "none are known"
