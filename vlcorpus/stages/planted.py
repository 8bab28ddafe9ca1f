"""The truth of a picture world beside what a corpus found.

truth = Truth.read(corpus, Path("site/planted.jsonl"))
truth.expected("download")          {"http_error": 120, "optout": 60, …}: planted pairs by the reason they should meet
truth.auc(rows)                     how well the similarity tells true captions from noise
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .. import identity
from ..corpus import Corpus
from ..io import table
from ..report import model
from ..world.planted import KINDS, ORIGIN, Planted, read_pages, read_planted

# A broken image is refused for what is broken about it; which reason that is depends on the damage.
BROKEN = ("not_an_image", "truncated_image", "decode_error", "unsupported_format")


@dataclass(frozen=True)
class Truth:
    """Planted pairs by uid, and the corpus they are compared with."""

    corpus: Corpus
    pairs: tuple[Planted, ...]
    page_outcomes: Counter[str]
    served: Path
    by_uid: dict[bytes, Planted] = field(default_factory=dict)

    @classmethod
    def read(cls, corpus: Corpus, path: Path) -> Truth:
        pairs = tuple(read_planted(path))
        beside = path.with_name("pages.jsonl")
        outcomes = Counter(page.outcome for page in read_pages(beside)) if beside.is_file() else Counter[str]()
        served = path.with_name("site")
        return cls(corpus, pairs, outcomes, served, {identity.uid(pair.url, pair.alt_text): pair for pair in pairs})

    def pages(self) -> dict[str, int]:
        """Planted pages by what a crawl should say of them."""
        names = {"fetched": "visited", "noai": "optout", "missing": "http_error"}
        return {names.get(outcome, outcome): number for outcome, number in self.page_outcomes.items()}

    def expected(self, stage: str) -> dict[str, int]:
        """Planted pairs that a stage should refuse, by reason; structural faults only."""
        found = Counter(
            pair.expected_reason
            for pair in self.pairs
            if pair.expected_stage == stage and pair.fault != "robots_denied"
        )
        broken = found.pop("broken_image", 0)
        if broken:
            found += self._broken(broken)
        return dict(found)

    def duplicates(self) -> dict[str, int]:
        """Fetched pairs whose image has the bytes of another pair's, by the files that were served.

        Near duplicates are not foretold: whether a changed picture is near is for the hash to say.
        """
        if not self.served.is_dir():
            return {}
        fetched = [pair for pair in self.pairs if pair.expected_stage in ("", "dedup")]
        digests = {url: self._digest(url) for url in {pair.url for pair in fetched}}
        copies = Counter(digests[pair.url] for pair in fetched)
        return {"exact": sum(copies[digests[pair.url]] > 1 for pair in fetched)}

    def _digest(self, url: str) -> bytes:
        return hashlib.sha256((self.served / url.removeprefix(f"{ORIGIN}/")).read_bytes()).digest()

    def kept(self, stage: str) -> int | None:
        """Planted pairs that should pass a stage."""
        order = {"crawl": 1, "download": 2}
        if stage not in order:
            return None
        stages = {"crawl": 1, "download": 2, "dedup": 3, "": 3}
        return sum(stages[pair.expected_stage] > order[stage] for pair in self.pairs)

    def _broken(self, planted: int) -> Counter[str]:
        """Broken images under the reasons that the corpus gave to exactly the pairs that were planted broken."""
        reasons: Counter[str] = Counter()
        shards = self.corpus.layer("shards")
        for shard in shards.units():
            for row in table.rows(shards.path(f"{shard}.parquet"), "shards", only=["uid", "reason"]):
                pair = self.by_uid.get(bytes.fromhex(row["uid"]))
                if pair is not None and pair.fault == "broken_image" and row["reason"] in BROKEN:
                    reasons[row["reason"]] += 1
        missing = planted - reasons.total()
        return reasons + Counter({"broken_image": missing} if missing else {})

    def is_true(self, uid: bytes) -> bool:
        """Whether the pair's text describes its picture."""
        return uid in self.by_uid and self.by_uid[uid].kind == "true"

    def kinds_by_verdict(self, decision: str) -> model.Crosstab:
        """Caption noise: kind of text by verdict."""
        counts: Counter[tuple[str, bool]] = Counter()
        layer = self.corpus.layer(f"decisions/{decision}")
        for shard in layer.units():
            for row in table.rows(layer.path(f"{shard}.parquet"), "decisions", only=["uid", "keep"]):
                pair = self.by_uid.get(row["uid"])
                counts[pair.kind if pair else "not planted", row["keep"]] += 1
        kinds = [kind for kind in (*KINDS, "none", "not planted") if counts[kind, True] or counts[kind, False]]
        return model.Crosstab(
            "Caption noise: what the filter made of it",
            "text",
            ("kept", "dropped"),
            tuple((kind.replace("_", " "), (counts[kind, True], counts[kind, False])) for kind in kinds),
            tuple("kept" if kind == "true" else "dropped" for kind in kinds),
            "Every fetched pair by what its text was planted as. True captions beyond the kept share must go, too.",
        )

    def auc(self, rows: Sequence[tuple[str, bytes, float, bool]]) -> float:
        """Area under the ROC curve of similarity, over fetched, non-duplicate pairs."""
        import numpy as np

        from ..probe.measures import auc

        own = [(value, self.is_true(uid)) for _, uid, value, _ in rows if self._distinct(uid)]
        return float(auc(np.array([each[0] for each in own]), np.array([each[1] for each in own])))

    def _distinct(self, uid: bytes) -> bool:
        pair = self.by_uid.get(uid)
        return pair is not None and pair.fault not in ("exact_duplicate", "near_duplicate")
