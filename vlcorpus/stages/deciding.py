"""What a filter does with its predicates: the columns behind them, cuts, a shard's verdicts, and how they are counted.

    own = Deciding(corpus, catalogue(corpus), [AtLeast("similarity", 0.28)], Weights(), "drop")
    resolved = own.resolve()                      cuts over the whole corpus
    uids, decision = own.decide(resolved, "00000")
    Tally.of(decision).counts(resolved)           {"seen": ..., "kept": ..., "rejected": {"below_threshold": ...}}

Nothing here commits: a dry run and a filter do the same with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast

from ..corpus import Corpus, Layer
from ..errors import CorpusError, UsageError
from ..io import attempt
from .base import UnitCommit
from .columns import Catalogue

if TYPE_CHECKING:
    import pyarrow as pa

    from ..scores.decide import Decision
    from ..scores.predicates import Predicate, Resolved, Weights

_MOST_CUTS = 256
_REASONS = {
    "Where": "condition_fails",
    "AtLeast": "below_threshold",
    "TopFraction": "outside_fraction",
    "TopRows": "outside_target",
    "Cap": "over_cap",
    "RandomRows": "not_drawn",
    "Drawn": "not_drawn",
}
# Columns of lists whose model their publisher names.
_KNOWN_MODELS = {
    "clip_b32_similarity_score": "ViT-B-32/openai",
    "clip_l14_similarity_score": "ViT-L-14/openai",
    "clip_similarity_vitb32": "ViT-B-32/openai",
    "clip_similarity_vitl14": "ViT-L-14/openai",
}


class Deciding:
    """Predicates over the columns of a corpus. UsageError where a column is unknown or of another type."""

    def __init__(
        self, corpus: Corpus, known: Catalogue, predicates: Sequence[Predicate], weights: Weights, missing: str
    ) -> None:
        from ..scores.prepared import Prepared

        self._corpus = corpus
        self.known = known
        self.ready = Prepared(predicates, weights, known.types, known.how)
        self.missing = cast(Literal["drop", "keep", "error"], missing)

    def read(self, names: Sequence[str], shards: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """The rows of every shard, with these columns."""
        for shard in self.known.shards() if shards is None else shards:
            attempt.end_if_asked()
            yield self.known.read(shard, names)

    def resolve(self, shards: Sequence[str] | None = None) -> Resolved:
        """The cuts over the whole corpus, or over some of its shards."""
        from ..scores.resolve import resolve

        return resolve(self.ready, lambda names: self.read(names, shards), self.missing)

    def decide(self, resolved: Resolved, shard: str) -> tuple[pa.Array, Decision]:
        """The uids of a shard's pairs, and what is decided of each. Stopped where the process is asked to end."""
        from ..scores.decide import decide
        from ..scores.prepared import uids_of

        attempt.end_if_asked()
        rows = self.known.read(shard, self.ready.columns)
        return uids_of(rows), decide(self.ready, resolved, rows, self.missing)

    def models(self) -> dict[str, str | None]:
        """The model behind each column of a score that is read."""
        found: dict[str, str | None] = {}
        for name in self.ready.columns:
            origin = self.known.origin(name)
            if origin.layer.startswith("scores/"):
                found[name] = self.known.model(origin.layer) or _KNOWN_MODELS.get(origin.column)
        return found

    def about(self, resolved: Resolved) -> dict[str, Any]:
        """What the stats say of how was decided."""
        models = self.models()
        told = resolved.as_json()
        for number, each in enumerate(told):
            columns = self.ready.columns_of(number)
            each["says"] = str(resolved.predicates[number])
            each["columns"] = list(columns)
            each["model"] = next((models[name] for name in columns if models.get(name)), None)
        return {
            "of": self.known.of,
            "predicates": told,
            "weights": resolved.weights_as_json(),
            "models": {name: model for name, model in models.items() if model is not None},
            "model": next((model for model in models.values() if model is not None), None),
        }


@dataclass
class Tally:
    """Rows by their fail masks; failed, missing and first_missing by predicate."""

    predicates: int
    masks: Counter[int] = field(default_factory=Counter)
    failed: list[int] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)
    first_missing: list[int] = field(default_factory=list)
    weight: float = 0.0

    def __post_init__(self) -> None:
        for each in (self.failed, self.missing, self.first_missing):
            each += [0] * (self.predicates - len(each))

    @classmethod
    def of(cls, made: Decision) -> Tally:
        from ..scores.decide import count_masks

        lists = (made.failed.tolist(), made.missing.tolist(), made.first_missing.tolist())
        masks = Counter(count_masks(made.fail_mask, len(made.failed)))
        return cls(len(made.failed), masks, *lists, weight=float(made.weight.sum(dtype="float64")))

    def add(self, other: Tally) -> None:
        self.masks += other.masks
        self.weight += other.weight
        for own, new in zip(self._lists(), other._lists(), strict=True):
            own[:] = [one + more for one, more in zip(own, new, strict=True)]

    def _lists(self) -> tuple[list[int], list[int], list[int]]:
        return self.failed, self.missing, self.first_missing

    @property
    def seen(self) -> int:
        return self.masks.total()

    @property
    def kept(self) -> int:
        return self.masks[0]

    def counts(self, resolved: Resolved) -> dict[str, Any]:
        """seen, kept and rejected: each row by the first predicate that it fails."""
        rejected: Counter[str] = Counter()
        for mask, rows in self.masks.items():
            if mask:
                rejected[_REASONS[type(resolved.predicates[(mask & -mask).bit_length() - 1]).__name__]] += rows
        for predicate, absent in zip(resolved.predicates, self.first_missing, strict=True):
            rejected[_REASONS[type(predicate).__name__]] -= absent
            rejected["missing_score"] += absent
        return {
            "seen": self.seen,
            "kept": self.kept,
            "rejected": {name: rows for name, rows in rejected.items() if rows},
        }

    def as_json(self) -> dict[str, Any]:
        return {
            "masks": [[mask, rows] for mask, rows in sorted(self.masks.items())],
            "failed": self.failed,
            "missing": self.missing,
            "weight": self.weight,
        }


def write(commit: UnitCommit, shard: str, uids: pa.Array, made: Decision) -> None:
    """The decisions of one shard."""
    from ..io import table

    columns = {
        "uid": uids,
        "keep": made.keep,
        "fail_mask": made.fail_mask,
        "first_fail": made.first_fail,
        "weight": made.weight,
    }
    table.write(commit, f"{shard}.parquet", table.from_columns(columns, "decisions"), "decisions", varied=("uid",))


def changed(layer: Layer, shard: str, uids: pa.Array, made: Decision) -> int:
    """Rows of a shard whose verdict differs from the one on disk."""
    from ..io import table

    path = layer.path(f"{shard}.parquet")
    if not path.is_file():
        return 0
    old = table.read(path, "decisions", only=["uid", "keep"])
    if old.column("uid").combine_chunks().equals(uids):
        return int((old.column("keep").to_numpy() != made.keep).sum())
    before = dict(zip(old.column("uid").to_pylist(), old.column("keep").to_pylist(), strict=True))
    return sum(
        before.get(uid) not in (None, now) for uid, now in zip(uids.to_pylist(), made.keep.tolist(), strict=True)
    )


def kept_cuts(before: Mapping[str, Any]) -> Resolved:
    """The cuts of last time. CorpusError where an interrupted run left only a name of them."""
    from ..scores.predicates import Resolved

    if any("digest" in (each["cut"] or {}) for each in before["predicates"]):
        raise CorpusError("an interrupted run left no cuts of every group", "decide anew, without --frozen")
    return Resolved.from_json(before["predicates"], before.get("weights"))


def short(about: Mapping[str, Any]) -> dict[str, Any]:
    """The same for the stats of a shard: cuts and sizes of very many groups stand in those of the whole alone."""
    weights = about["weights"]
    if weights is not None and len(weights["sizes"] or ()) > _MOST_CUTS:
        weights = weights | {"sizes": None}
    return {**about, "predicates": short_cuts(about["predicates"]), "weights": weights}


def short_cuts(predicates: Sequence[Mapping[str, Any]] | None) -> list[dict[str, Any]] | None:
    from ..spec import digest

    if predicates is None:
        return None
    many = [len((each["cut"] or {}).get("groups", ())) > _MOST_CUTS for each in predicates]
    return [
        {**each, "cut": {"digest": digest(each["cut"])}} if large else dict(each)
        for each, large in zip(predicates, many, strict=True)
    ]


def refuse_other_models(made_for: Sequence[str], score: str, found: Mapping[str, str | None]) -> None:
    """UsageError where a column's model is not the one that its threshold was made for, or nobody knows it."""
    for text in made_for:
        column, equals, model = text.partition("=") if not text.startswith(("image=", "text=")) else ("", "", text)
        column, model = (column, model) if equals else (score, text)
        if column not in found:
            continue
        if not same_model(found[column], model):
            raise UsageError(
                f"the threshold of {column} was made for {model}, not for {found[column] or 'a model without a name'}",
                "choose a threshold for it, or apply this one nevertheless: --any-model",
            )


def same_model(slug: str | None, meant: str) -> bool:
    """Whether a slug (ViT-B-32.openai.1a2b3c4d), or what a list's importer said, is the model that is meant."""
    if slug is None:
        return False
    plain, wanted = (each.replace("/", ".").lower() for each in (slug, meant))
    return plain == wanted or plain.rpartition(".")[0] == wanted
