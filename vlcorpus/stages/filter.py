"""filter: decisions about every pair that has an image; nothing is copied, nothing is lost.

    vlcorpus filter CORPUS --min-sim 0.28
    vlcorpus filter CORPUS --top-fraction 0.3
    vlcorpus filter CORPUS --random-like similarity-top-0.3 --decision random      a control of the same size
    vlcorpus filter CORPUS --of candidates --min-sim 0.28      by the list's own similarity, before anything is fetched

What it needs runs first, through the same plan. The decision's all_stats.json holds the predicates with the cuts that
they came to, and the model whose similarity was judged; decisions/<name>/NNNNN.parquet says of every pair which
predicates it fails. A decision is of one model: with similarities of another one its name is refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import schema
from ..corpus import Corpus, Layer
from ..errors import CorpusError, UsageError
from ..spec import setting, values_of
from . import models
from .base import ALL, Stage, Tell, UnitCommit, Work

if TYPE_CHECKING:
    from ..scores.decide import Columns, Predicate, Resolved, Uids

SCORES_OF_LIST = "scores/list"
_REASONS = {"AtLeast": "below_threshold", "TopFraction": "outside_fraction", "RandomRows": "not_drawn"}


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
    of: str = setting(
        "images",
        help="What is decided on: pairs with images, or candidates by the scores that came with their list.",
        choices=("images", "candidates"),
    )
    score: str = setting("similarity", help="Column of scores/list that is the similarity (--of candidates only).")
    model: str | None = setting(None, help="Whose similarity; the scored one if not given.", result=False, path=True)
    missing: str = setting(
        "drop", help="What to do with pairs whose score is missing.", choices=("drop", "keep", "error")
    )
    frozen: bool = setting(False, help="Keep the cuts of last time, although the corpus has grown.")
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
        return ("candidates-" if self._early() else "") + ("-and-".join(parts) or ALL)

    def _early(self) -> bool:
        return self.of == "candidates"

    def made(self) -> str:
        return f"decisions/{self.decision_name()}"

    def wanted(self) -> tuple[str, ...]:
        scored = ("scores/similarity",) if self._scores() and not self._early() else ()
        like = (f"decisions/{self.random_like}",) if self.random_like is not None else ()
        return (self._decided_on(), *scored, *like)

    def inputs(self, corpus: Corpus, unit: str) -> dict[str, str]:
        scored = {SCORES_OF_LIST: corpus.layer(SCORES_OF_LIST).digest_all()} if self._early() and self._scores() else {}
        return super().inputs(corpus, unit) | scored

    def _decided_on(self) -> str:
        return "candidates" if self._early() else "shards"

    def _scores(self) -> bool:
        return self.min_sim is not None or self.top_fraction is not None

    def check(self, corpus: Corpus) -> None:
        known = schema.table("score-list")
        if known.column(self.score).type != "float32":
            raise UsageError(f"{self.score} is no number", "name a similarity of scores/list")
        refuse_other_settings(self, corpus, self.layer(corpus), but=("frozen",))

    def open(self, corpus: Corpus) -> Work:
        import numpy as np

        from ..io import table
        from ..scores.decide import Resolved, decide, resolve

        def read(unit: str) -> tuple[Columns, Uids]:
            if self._early():
                return _read_candidates(corpus, unit, self.score if self._scores() else None)
            return _read(corpus, unit, scored=self._scores())

        def whole(shards: Sequence[str]) -> Resolved:
            every = [_no_pairs(self._scores()), *map(read, shards)]
            columns = {name: np.concatenate([each[0][name] for each in every]) for name in every[0][0]}
            return resolve(self._predicates(corpus), columns, np.concatenate([each[1] for each in every]))

        def judge(unit: str, tell: Tell) -> None:
            layer, shards = self.layer(corpus), corpus.layer(self._decided_on()).units()
            if self._early() and self._scores() and not corpus.layer(SCORES_OF_LIST).units():
                raise CorpusError(
                    f"no {SCORES_OF_LIST} in {corpus.path}: no list brought scores of its candidates",
                    "decide by the images' own similarity, after `vlcorpus download`",
                )
            inputs, before = self.inputs(corpus, unit), _before(layer)
            model = self._model(corpus, layer, before)
            resolved = Resolved.from_json(before["predicates"]) if self.frozen and before else whole(shards)
            about = {"predicates": resolved.as_json(), "model": model}
            own = _begun(layer, shards, inputs)
            earlier = next(iter(own.values())).get("predicates_before") if own else before and before["predicates"]
            totals: Counter[str] = Counter()
            seen = kept = changed = 0
            with UnitCommit(self, corpus, layer, unit, inputs) as commit:
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
                    reasons = _reasons(resolved, columns, made.first_fail)
                    turned = own[shard].get("changed", 0) if shard in own else _changed(layer, shard, uids, made.keep)
                    told = {"predicates_before": earlier, "changed": turned}
                    with UnitCommit(self, corpus, layer, shard, inputs | {"shard": shard}) as part:
                        table.write(part, f"{shard}.parquet", table.from_columns(listed, "decisions"), "decisions")
                        part.finish(seen=len(uids), kept=int(made.keep.sum()), rejected=reasons, **about, **told)
                    totals += reasons
                    changed += turned
                    seen, kept = seen + len(uids), kept + int(made.keep.sum())
                    tell(seen, kept)
                told = {"predicates_before": earlier, "changed": changed}
                commit.finish(seen=seen, kept=kept, rejected=totals, **about, **told)

        return judge

    def _model(self, corpus: Corpus, layer: Layer, before: dict[str, Any] | None) -> str | None:
        """The model whose similarity is judged; UsageError where another one is meant or was judged before."""
        if not self._scores():
            return None
        if self._early():
            return next((stats["model"] for stats in _stats_of(corpus.layer(SCORES_OF_LIST)) if stats["model"]), None)
        model = models.scored(corpus)
        meant = models.embedded(corpus, self.model).folder.name if self.model is not None else model
        if model is not None and meant != model:
            raise UsageError(
                f"the similarities are those of {model}, not of {meant}",
                f"score again: `vlcorpus score {corpus.path} similarity --model {self.model}`",
            )
        if before is not None and before.get("model") not in (None, model):
            raise UsageError(
                f"{layer.name} was decided by the similarities of {before['model']}, and now they are those of {model}",
                f"thresholds of one model mean nothing to another: choose another name, or remove {layer.folder}",
            )
        return model

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


def _before(layer: Layer) -> dict[str, Any] | None:
    """The decision's stats; where a redo of it was interrupted, those of a shard that it did not come to."""
    found = (layer.stats(unit) for unit in (ALL, *reversed(layer.units())))
    return next((stats for stats in found if stats is not None), None)


def _begun(layer: Layer, shards: Sequence[str], inputs: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Stats of the shards that an interrupted run of this very decision came to: no news, they know what was before."""
    if layer.stats(ALL) is not None:
        return {}
    found = {shard: layer.stats(shard) for shard in shards}
    return {shard: stats for shard, stats in found.items() if stats and stats["inputs"] == inputs | {"shard": shard}}


def _no_pairs(scored: bool) -> tuple[Columns, Uids]:
    """Columns and uids of no pairs."""
    import numpy as np

    return {"similarity": np.zeros(0, np.float32)} if scored else {}, np.zeros((0, 16), np.uint8)


def _reasons(resolved: Resolved, columns: Columns, first_fail: Any) -> Counter[str]:
    """Dropped rows by the reason of the first predicate that they fail."""
    import numpy as np

    reasons: Counter[str] = Counter()
    for place, predicate in enumerate(resolved.predicates):
        failed = first_fail == place
        column = getattr(predicate, "column", None)
        if column is not None:
            absent = failed & np.isnan(columns[column])
            reasons["missing_score"] += int(absent.sum())
            failed &= ~absent
        reasons[_REASONS[type(predicate).__name__]] += int(failed.sum())
    return reasons


def _read(corpus: Corpus, shard: str, *, scored: bool) -> tuple[Columns, Uids]:
    """Columns and uids of the pairs with images, in shard order; a pair without a score has NaN."""
    import numpy as np

    from .samples import column, with_image

    uids = [bytes.fromhex(row["uid"]) for row in with_image(corpus, shard)]
    flat = np.frombuffer(b"".join(uids), np.uint8).reshape(-1, 16)
    if not scored:
        return {}, flat
    values = column(corpus, "scores/similarity", shard, "score-similarity", "similarity", uids)
    return {"similarity": np.array(values, np.float32)}, flat


def _read_candidates(corpus: Corpus, shard: str, score: str | None) -> tuple[Columns, Uids]:
    """The same of candidates, by a column of the scores that came with their list; NaN where the list brought none."""
    import numpy as np

    from ..io import table

    path = corpus.layer("candidates").path(f"{shard}.parquet")
    uids = table.read(path, "candidates", only=["uid"]).column("uid").to_pylist()
    flat = np.frombuffer(b"".join(uids), np.uint8).reshape(-1, 16)
    if score is None:
        return {}, flat
    layer = corpus.layer(SCORES_OF_LIST)
    if layer.stats(shard) is None:  # of a source that brought no scores
        return {"similarity": np.full(len(flat), np.nan, np.float32)}, flat
    found = table.read(layer.path(f"{shard}.parquet"), "score-list", only=["uid", score])
    if found.column("uid").to_pylist() != uids:
        raise CorpusError(f"{layer.name} is not of the candidates of {shard}", "import the list again")
    return {"similarity": found.column(score).to_numpy().astype(np.float32)}, flat


def _stats_of(layer: Layer) -> Iterator[dict[str, Any]]:
    return (stats for stats in map(layer.stats, layer.units()) if stats is not None)


def _changed(layer: Layer, shard: str, uids: Uids, keep: Any) -> int:
    """Rows of a shard whose verdict differs from the one on disk."""
    from ..io import table

    path = layer.path(f"{shard}.parquet")
    if not path.is_file():
        return 0
    old = table.read(path, "decisions", only=["uid", "keep"])
    before = dict(zip(old.column("uid").to_pylist(), old.column("keep").to_pylist(), strict=True))
    return sum(before.get(bytes(uid)) not in (None, bool(now)) for uid, now in zip(uids, keep, strict=True))


def refuse_other_settings(stage: Stage, corpus: Corpus, layer: Layer, *, but: Sequence[str] = ()) -> None:
    """A name stands for its settings: UsageError where the same name was made, or begun, with others."""
    stats = _before(layer)
    if stats is None:
        return
    own = values_of(stage, result_only=True)
    differing = [name for name, value in own.items() if name not in but and stats["settings"].get(name, value) != value]
    if differing:
        name = differing[0]
        raise UsageError(
            f"{layer.name} exists with {name} {stats['settings'][name]}, not {own[name]}",
            f"choose another name, or remove {layer.folder}",
        )
