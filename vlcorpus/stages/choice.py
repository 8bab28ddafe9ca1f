"""Which pairs of a corpus a person means; `subsets` finds them.

Choice(decision="similarity-0.28", duplicates="default", split="default")
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which pairs: what a decision keeps, one keeper a duplicate group, and the splits. None: no restriction."""

    decision: str | None = None
    duplicates: str | None = None
    split: str | None = None
