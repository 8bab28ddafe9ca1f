"""filter: decisions about every pair that has an image; nothing is copied, nothing is lost.

    vlcorpus filter CORPUS --min-sim 0.28
    vlcorpus filter CORPUS --top-fraction 0.3
    vlcorpus filter CORPUS --random-like similarity-top-0.3 --name random      a control of the same size

What it needs runs first, through the same plan. The decision's all_stats.json holds the predicates with the cuts that
they came to; decisions/<name>/NNNNN.parquet says of every pair which predicates it fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..corpus import Corpus, Layer
from ..errors import CorpusError, UsageError
from ..spec import setting, values_of
from .base import ALL, Stage, Tell, UnitCommit, Work

if TYPE_CHECKING:
    from ..scores.decide import Columns, Predicate, Uids


@dataclass(frozen=True, kw_only=True)
class Filter(Stage):
    """Decide which pairs to keep."""

    name = "filter"
    makes = "decisions"

    min_sim: float | None = setting(None, help="Keep similarity at or above this.", least=-1, most=1)
    top_fraction: float | None = setting(
        None, help="Keep this share of the pairs with the highest similarity; ties by uid.", least=0, most=1
    )
    random_like: str | None = setting(None, help="Keep as many pairs as this decision, drawn by hash.")
    random_fraction: float | None = setting(None, help="Keep this share of the pairs, drawn by hash.", least=0, most=1)
    seed: int = setting(0, help="Seed of random draws.", least=0)
    model: str | None = setting(None, help="Whose similarity; the scored one if not given.")
    missing: str = setting(
        "drop", help="What to do with pairs whose score is missing.", choices=("drop", "keep", "error")
    )
    frozen: bool = setting(False, help="Keep the cuts of last time, although the corpus has grown.", result=False)
    decision: str | None = setting(None, help="Name of the decision; made from the settings if not given.")

    def decision_name(self) -> str:
        if self.decision is not None:
            return self.decision
        parts = []
        if self.min_sim is not None:
            parts.append(f"similarity-{self.min_sim:g}")
        if self.top_fraction is not None:
            parts.append(f"similarity-top-{self.top_fraction:g}")
        if self.random_like is not None:
            parts.append(f"random-like-{self.random_like}-{self.seed}")
        if self.random_fraction is not None:
            parts.append(f"random-{self.random_fraction:g}-{self.seed}")
        return "-and-".join(parts) or ALL

    def made(self) -> str:
        return f"decisions/{self.decision_name()}"

    def wanted(self) -> tuple[str, ...]:
        scored = ("scores/similarity",) if self._scores() else ()
        like = (f"decisions/{self.random_like}",) if self.random_like is not None else ()
        return ("shards", *scored, *like)

    def _scores(self) -> bool:
        return self.min_sim is not None or self.top_fraction is not None

    def check(self, corpus: Corpus) -> None:
        refuse_other_settings(self, corpus, self.layer(corpus))

    def open(self, corpus: Corpus) -> Work:
        import numpy as np

        from ..io import table
        from ..scores.decide import Resolved, decide, resolve

        def read(unit: str) -> tuple[Columns, Uids]:
            return _read(corpus, unit, scored=self._scores())

        def judge(unit: str, tell: Tell) -> None:
            layer, shards = self.layer(corpus), corpus.layer("shards").units()
            inputs = self.inputs(corpus, unit)
            before = layer.stats(ALL)
            if self.frozen and before is not None:
                resolved = Resolved.from_json(before["predicates"])
            else:
                every = [read(shard) for shard in shards]
                uids = np.concatenate([np.zeros((0, 16), np.uint8), *(each[1] for each in every)])
                names = list(every[0][0]) if every else []
                whole = {name: np.concatenate([each[0][name] for each in every]) for name in names}
                resolved = resolve(self._predicates(corpus), whole, uids)
            failed = np.zeros(len(resolved.predicates), np.int64)
            seen = kept = changed = 0
            for shard in shards:
                columns, uids = read(shard)
                made = decide(resolved, columns, uids, self.missing)  # type: ignore[arg-type]
                listed = {
                    "uid": list(map(bytes, uids)),
                    "keep": made.keep,
                    "fail_mask": made.fail_mask,
                    "first_fail": made.first_fail.astype(np.int32),
                    "weight": made.weight,
                }
                first = np.bincount(made.first_fail[made.first_fail >= 0], minlength=len(failed))
                changed += _changed(layer, shard, uids, made.keep)
                with UnitCommit(self, corpus, layer, shard, inputs | {"shard": shard}) as commit:
                    table.write(commit, f"{shard}.parquet", table.from_columns(listed, "decisions"), "decisions")
                    stated = dict(zip(_reasons(resolved.predicates), map(int, first), strict=True))
                    commit.finish(seen=len(uids), kept=int(made.keep.sum()), rejected=stated)
                failed += first
                seen, kept = seen + len(uids), kept + int(made.keep.sum())
                tell(seen, kept)
            with UnitCommit(self, corpus, layer, unit, inputs) as commit:
                commit.finish(
                    seen=seen,
                    kept=kept,
                    rejected=dict(zip(_reasons(resolved.predicates), map(int, failed), strict=True)),
                    predicates=resolved.as_json(),
                    predicates_before=before["predicates"] if before is not None else None,
                    changed=changed,
                )

        return judge

    def _predicates(self, corpus: Corpus) -> list[Predicate]:
        from ..scores.decide import AtLeast, RandomRows, TopFraction

        found: list[Predicate] = []
        if self.min_sim is not None:
            found.append(AtLeast("similarity", self.min_sim))
        if self.top_fraction is not None:
            found.append(TopFraction("similarity", self.top_fraction))
        if self.random_like is not None:
            stats = corpus.layer(f"decisions/{self.random_like}").stats(ALL)
            if stats is None:
                raise CorpusError(f"no decision {self.random_like} in {corpus.path}", "make it first")
            found.append(RandomRows(rows=int(stats["kept"]), seed=self.seed))
        if self.random_fraction is not None:
            found.append(RandomRows(fraction=self.random_fraction, seed=self.seed))
        return found


def _reasons(predicates: Any) -> list[str]:
    """A reason for each predicate; a number tells two of one kind apart."""
    kinds = {
        "AtLeast": "below_threshold",
        "AtMost": "below_threshold",
        "OneOf": "below_threshold",
        "TopFraction": "outside_fraction",
        "RandomRows": "not_drawn",
    }
    named = [kinds[type(predicate).__name__] for predicate in predicates]
    return [name if named.count(name) == 1 else f"{name}:{place}" for place, name in enumerate(named)]


def _read(corpus: Corpus, shard: str, *, scored: bool) -> tuple[Columns, Uids]:
    """Columns and uids of the pairs with images, in shard order; a pair without a score has NaN."""
    import numpy as np

    from ..io import table
    from .samples import with_image

    uids = [bytes.fromhex(row["uid"]) for row in with_image(corpus, shard)]
    flat = np.frombuffer(b"".join(uids), np.uint8).reshape(-1, 16)
    if not scored:
        return {}, flat
    path = corpus.layer("scores/similarity").path(f"{shard}.parquet")
    found = table.read(path, "score-similarity")
    if found.column("uid").to_pylist() != uids:
        raise CorpusError(f"{path} does not have the rows of shard {shard}", f"run `vlcorpus verify {corpus.path}`")
    return {"similarity": found.column("similarity").to_numpy(zero_copy_only=False).astype(np.float32)}, flat


def _changed(layer: Layer, shard: str, uids: Uids, keep: Any) -> int:
    """Rows of a shard whose verdict differs from the one on disk."""
    from ..io import table

    if layer.stats(shard) is None:
        return 0
    old = table.read(layer.path(f"{shard}.parquet"), "decisions", only=["uid", "keep"])
    before = dict(zip(old.column("uid").to_pylist(), old.column("keep").to_pylist(), strict=True))
    return sum(before.get(bytes(uid)) not in (None, bool(now)) for uid, now in zip(uids, keep, strict=True))


def refuse_other_settings(stage: Stage, corpus: Corpus, layer: Layer) -> None:
    """A name stands for its settings: UsageError where the same name was made with others."""
    stats = layer.stats(ALL)
    if stats is None:
        return
    own = values_of(stage, result_only=True)
    differing = sorted(name for name, value in own.items() if stats["settings"].get(name, value) != value)
    if differing:
        name = differing[0]
        raise UsageError(
            f"{layer.name} exists with {name} {stats['settings'][name]}, not {own[name]}",
            f"choose another name, or remove {layer.folder}",
        )
