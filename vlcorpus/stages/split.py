"""split: every pair gets a split for life.

    vlcorpus split CORPUS --train 0.98 --test 0.02

The split is drawn by the hash of the pair's duplicate group, so near-duplicates never cross splits, and a corpus that
grows never moves a row: pairs that were assigned keep their split, and a new member of a group follows it.

The work is done in parts (following.py), by all workers that are free, and none needs all rows.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..corpus import Corpus
from ..errors import UsageError
from ..spec import setting
from .base import Stage, Work
from .before import refuse_other_settings

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from .following import Part

NAMES = ("train", "validation", "test")


@dataclass(frozen=True, kw_only=True)
class Split(Stage):
    """Assign pairs to train, validation and test."""

    name = "split"
    makes = "splits"

    train: float = setting(0.98, help="Share of train.", least=0, most=1)
    validation: float = setting(0.0, help="Share of validation.", least=0, most=1)
    test: float = setting(0.02, help="Share of test.", least=0, most=1)
    duplicates: str = setting("default", help="Grouping whose groups stay together.")
    seed: int = setting(0, help="Seed of the draw.", least=0)
    split: str = setting("default", help="Name of the split.")

    def made(self) -> str:
        return f"splits/{self.split}"

    def wanted(self) -> tuple[str, ...]:
        return ("shards", f"duplicates/{self.duplicates}")

    def check(self, corpus: Corpus) -> None:
        if abs(sum(self._shares()) - 1) > 1e-9:
            raise UsageError(
                f"shares add up to {sum(self._shares()):g}, not 1 (split: train, validation, test)",
                "as in --train 0.9 --validation 0.05 --test 0.05",
            )
        refuse_other_settings(self, corpus, self.layer(corpus))

    def _shares(self) -> tuple[float, ...]:
        return (self.train, self.validation, self.test)

    def draw(self, group: bytes) -> str:
        """The split of a group, by its hash: the same in every run and at every size of the corpus."""
        return NAMES[int(self.draws([group])[0])]

    def draws(self, groups: Iterable[bytes]) -> npt.NDArray[np.uint64]:
        """The same of many, as places in NAMES: uint64 (N,)."""
        import numpy as np

        key = self.seed.to_bytes(8, "little")
        states = b"".join(hashlib.blake2b(group, digest_size=8, key=key).digest() for group in groups)
        place = np.frombuffer(states, "<u8").astype(np.float64) / 2**64
        shares = self._shares()
        found = np.full(len(place), next(number for number, share in enumerate(shares) if share), np.uint64)
        left = np.ones(len(place), bool)
        for number, share in enumerate(shares):
            found[left & (place < share)] = number
            left &= place >= share
            place = place - share
        return found

    def open(self, corpus: Corpus) -> Work:
        from .following import assign_all

        return lambda unit, tell: assign_all(self, corpus, self.layer(corpus), unit, tell)

    def uids(self, corpus: Corpus, part: Part) -> None:
        from . import following

        following.uids(corpus, self.layer(corpus), part)

    def members(self, corpus: Corpus, part: Part) -> None:
        from . import following

        following.members(corpus, self.layer(corpus), part, self.duplicates)

    def meet(self, corpus: Corpus, part: Part) -> None:
        from . import following

        following.meet(self.layer(corpus), part, self.draws)

    def follow(self, corpus: Corpus, part: Part) -> None:
        from . import following

        following.follow(self.layer(corpus), part, self.draws)

    def assign(self, corpus: Corpus, part: Part) -> Counter[str]:
        from . import following

        return following.assign(self, corpus, self.layer(corpus), part)
