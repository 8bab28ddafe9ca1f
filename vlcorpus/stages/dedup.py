"""dedup: groups of exact and near duplicates, by bytes and by perceptual hash.

    vlcorpus dedup CORPUS --radius 3

Groups know nothing of decisions: who stands for a group is chosen among the kept pairs by `export`. Pairs of one
image are one group, too, so that a split never separates them. A chain of near pairs joins what is far apart;
`largest` in all_stats.json shows when that happens.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from ..corpus import Corpus
from ..spec import setting
from .base import Stage, Tell, UnitCommit, Work
from .before import refuse_other_settings


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
        import numpy as np

        from ..io import table
        from ..knn.groups import groups, largest
        from ..knn.hamming import exact, near
        from .samples import column, with_image

        def group(unit: str, tell: Tell) -> None:
            inputs = self.inputs(corpus, unit)
            uids: list[bytes] = []
            images: list[bytes] = []
            digests: list[bytes | None] = []
            hashes: list[int | None] = []
            for shard in corpus.layer("shards").units():
                rows_here = with_image(corpus, shard, ("uid", "image_id", "sha256"))
                own = [bytes.fromhex(row["uid"]) for row in rows_here]
                uids += own
                images += [bytes.fromhex(row["image_id"]) for row in rows_here]
                digests += [bytes.fromhex(row["sha256"]) if row["sha256"] else None for row in rows_here]
                hashes += column(corpus, "scores/phash", shard, "score-phash", "phash", own)
                tell(len(uids), len(uids))
            hashed = np.array([place for place, value in enumerate(hashes) if value is not None], np.int64)
            values = np.array([value for value in hashes if value is not None], np.uint64)
            rows = np.arange(len(uids))
            same_bytes, same_image = exact(digests), exact(images)
            close = hashed[near(values, self.radius)] if len(hashed) else np.zeros((0, 2), np.int64)
            pairs = np.concatenate([close, np.c_[same_bytes, rows], np.c_[same_image, rows]])
            group_N = groups(len(uids), pairs)
            sizes = Counter(group_N.tolist())
            copies = Counter(same_bytes.tolist())
            smallest: dict[int, bytes] = {}
            for number, uid in zip(group_N.tolist(), uids, strict=True):
                smallest[number] = min(smallest.get(number, uid), uid)
            members = [place for place in rows.tolist() if sizes[int(group_N[place])] > 1]
            listed = [
                {
                    "uid": uids[place],
                    "group": smallest[int(group_N[place])],
                    "kind": "exact" if copies[int(same_bytes[place])] > 1 else "near",
                }
                for place in members
            ]
            with UnitCommit(self, corpus, self.layer(corpus), unit, inputs) as commit:
                table.write(commit, "groups.parquet", table.columns(listed, "duplicates"), "duplicates")
                commit.finish(
                    seen=len(uids),
                    kept=len(uids),
                    groups=len({row["group"] for row in listed}),
                    members=len(listed),
                    largest=largest(group_N),
                )

        return group
