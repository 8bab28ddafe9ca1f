"""split: every pair gets a split for life.

    vlcorpus split CORPUS --train 0.98 --test 0.02

The split is drawn by the hash of the pair's duplicate group, so near-duplicates never cross splits, and a corpus that
grows never moves a row: pairs that were assigned keep their split, and a new member of a group follows it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass

from ..corpus import Corpus, Layer
from ..errors import UsageError
from ..spec import setting
from .base import Stage, Tell, UnitCommit, Work
from .before import refuse_other_settings

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
        state = hashlib.blake2b(group, digest_size=8, key=self.seed.to_bytes(8, "little"))
        place = int.from_bytes(state.digest(), "little") / 2**64
        for name, share in zip(NAMES, self._shares(), strict=True):
            if place < share:
                return name
            place -= share
        return next(name for name, share in zip(NAMES, self._shares(), strict=True) if share)

    def open(self, corpus: Corpus) -> Work:
        from ..io import table
        from . import samples

        def assign(unit: str, tell: Tell) -> None:
            inputs, layer = self.inputs(corpus, unit), self.layer(corpus)
            group_of = samples.groups(corpus, self.duplicates)
            settled = _settled(layer)
            follows: dict[bytes, str] = {}
            for uid, split in sorted(settled.items()):
                follows.setdefault(group_of.get(uid, uid), split)
            totals: Counter[str] = Counter()
            with UnitCommit(self, corpus, layer, unit, inputs) as whole:
                for shard in corpus.layer("shards").units():
                    uids = [bytes.fromhex(row["uid"]) for row in samples.with_image(corpus, shard)]
                    splits = []
                    for uid in uids:
                        group = group_of.get(uid, uid)
                        splits.append(settled.get(uid) or follows.get(group) or self.draw(group))
                    rows = [{"uid": uid, "split": split} for uid, split in zip(uids, splits, strict=True)]
                    totals += Counter(splits)
                    with UnitCommit(self, corpus, layer, shard, inputs | {"shard": shard}) as commit:
                        table.write(commit, f"{shard}.parquet", table.columns(rows, "splits"), "splits")
                        commit.finish(seen=len(rows), kept=len(rows))
                    tell(totals.total(), totals.total())
                whole.finish(seen=totals.total(), kept=totals.total(), splits=dict(sorted(totals.items())))

        return assign


def _settled(layer: Layer) -> dict[bytes, str]:
    """Pairs that have a split already. A table under its final name is whole, even where a redo was interrupted."""
    from ..io import table

    found: dict[bytes, str] = {}
    for path in sorted(layer.folder.glob("[!.]*.parquet")):  # a killed run's temporary names begin with a dot
        rows = table.read(path, "splits")
        found.update(zip(rows.column("uid").to_pylist(), rows.column("split").to_pylist(), strict=True))
    return found
