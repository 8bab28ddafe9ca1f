"""dedup: groups of exact and near duplicates, by bytes and by perceptual hash.

    vlcorpus dedup CORPUS --radius 3

Groups know nothing of decisions: who stands for a group is chosen among the kept pairs by `export`. Pairs of one
image are one group, too, so that a split never separates them. A chain of near pairs joins what is far apart;
`largest` in all_stats.json shows when that happens.

The work is done in parts (grouping.py), by all workers that are free, and none needs all rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import spec
from ..corpus import Corpus
from ..spec import setting
from .base import Stage, Tell, UnitCommit, Work
from .before import refuse_other_settings

if TYPE_CHECKING:
    from .grouping import Part


@dataclass(frozen=True, kw_only=True)
class Dedup(Stage):
    """Group pairs whose images are the same or nearly so."""

    name = "dedup"
    makes = "duplicates"

    radius: int = setting(3, help="Bits in which two perceptual hashes may differ; 0 for equal ones.", least=0, most=12)
    duplicates: str = setting("default", help="Name of the grouping.")

    def made(self) -> str:
        return f"duplicates/{self.duplicates}"

    def wanted(self) -> tuple[str, ...]:
        return ("shards", "scores/phash")

    def check(self, corpus: Corpus) -> None:
        refuse_other_settings(self, corpus, self.layer(corpus))

    def open(self, corpus: Corpus) -> Work:
        import pyarrow as pa

        from ..io import table
        from . import samples
        from .grouping import grouped

        def group(unit: str, tell: Tell) -> None:
            inputs, layer = self.inputs(corpus, unit), self.layer(corpus)
            run = spec.fingerprint(self, self.name, self.version, inputs)
            found = grouped(self, corpus, layer, run, tell)
            kinds = pa.array(["near", "exact"]).take(pa.array(found.exact.astype("int8")))
            columns = {"uid": samples.whole(found.uids), "group": samples.whole(found.groups), "kind": kinds}
            with UnitCommit(self, corpus, layer, unit, inputs) as commit:
                table.write(commit, "groups.parquet", table.from_columns(columns, "duplicates"), "duplicates")
                commit.finish(
                    seen=found.rows,
                    kept=found.rows,
                    groups=len(found.sizes),
                    members=len(found.uids),
                    largest=int(found.sizes.max(initial=min(1, found.rows))),
                )

        return group

    def rows(self, corpus: Corpus, part: Part) -> tuple[int, int]:
        from . import grouping

        return grouping.rows(corpus, self.layer(corpus), part)

    def bucket(self, corpus: Corpus, part: Part) -> None:
        from . import grouping

        grouping.bucket(corpus, self.layer(corpus), part, self.radius)

    def near(self, corpus: Corpus, part: Part) -> None:
        from . import grouping

        grouping.near(corpus, self.layer(corpus), part, self.radius)

    def named(self, corpus: Corpus, part: Part) -> None:
        from . import grouping

        grouping.named(corpus, self.layer(corpus), part)
