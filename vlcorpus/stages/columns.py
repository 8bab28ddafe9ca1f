"""The columns of a corpus: what there is to say of each pair, by name, wherever it lies.

    known = catalogue(corpus)                       of pairs with images; catalogue(corpus, of="candidates")
    known.types                                     {"similarity": "float32", "language": "string", ...}
    known.origin("similarity").model                "ViT-B-32.openai.1a2b3c4d"
    known.how("aesthetic")                          what makes a column that is not there
    known.read("00000", ("similarity", "short_side"))       pyarrow.Table: uid, similarity, short_side

Names: a column of candidates/, of shards/ (images only), or of a score. A score that was named has its name behind:
scores/similarity-l14 gives `similarity_l14`. Where two say the same name, scores go before shards/ and shards/ before
candidates/; the others are reached by `layer.column`: `list.similarity`, `candidates.width`. Beside them stand
short_side, long_side, aspect (long side over short) and area, of the image as it was found (candidates: as declared).

Reading is by position, checked by uid: row r of candidates/ is row r of shards/ and of scores of candidates; scores of
images have the rows that have one. Cost: that of reading the columns; 20 ns a row for comparing uids.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .. import expression, schema
from ..corpus import Corpus
from ..errors import CorpusError, UsageError, nearest
from . import scorers
from .rows import LIST, Origin, Rows

if TYPE_CHECKING:
    import pyarrow as pa

OF = ("images", "candidates")
NAMED = "[a-z0-9][a-z0-9_]{0,39}"  # what a score may be called beside others of its kind
_SIDES = {"images": ("original_width", "original_height"), "candidates": ("width", "height")}
_DERIVED = {
    "short_side": ("int64", "min({0}, {1})"),
    "long_side": ("int64", "max({0}, {1})"),
    "aspect": ("float64", "max({0}, {1}) / min({0}, {1})"),
    "area": ("float64", "{0} * {1}"),
}


class Catalogue:
    """The columns of a corpus, as they were when it was made."""

    def __init__(self, corpus: Corpus, of: str, origins: Mapping[str, Origin]) -> None:
        self._corpus = corpus
        self.of = of
        self._origins = dict(origins)
        self.types: dict[str, str] = {name: each.type for name, each in origins.items()}

    def __contains__(self, name: str) -> bool:
        return name in self._origins

    def origin(self, name: str) -> Origin:
        """UsageError, with what makes it, where there is no such column."""
        if name not in self._origins:
            raise UsageError(f"there is no column {name!r}", self.how(name) or nearest(name, self._origins))
        return self._origins[name]

    def how(self, name: str) -> str | None:
        """What makes a column that is not there; None where nothing is known to."""
        return how(self._corpus, name, self.of)

    def model(self, layer: str) -> str | None:
        """The model behind a layer of scores. CorpusError where its shards are of several."""
        place = self._corpus.layer(layer)
        found = {_model(place.stats(unit)) for unit in place.units()}
        if len(found) > 1 and layer != LIST:
            names = ", ".join(sorted(str(each) for each in found))
            raise CorpusError(
                f"{layer} is of several models: {names}",
                f"score again: `vlcorpus score {self._corpus.place} {scorers.kind_of(layer)} --model MODEL`",
            )
        return next(iter(found)) if len(found) == 1 else None

    def layers(self, names: Sequence[str]) -> tuple[str, ...]:
        """The layers that are read for these columns, that of the rows itself first."""
        found = dict.fromkeys(("candidates" if self.of == "candidates" else "shards",))
        for name in names:
            origin = self.origin(name)
            for each in expression.names(origin.computed) if origin.computed else (name,):
                found[self.origin(each).layer] = None
        return tuple(found)

    def shards(self) -> tuple[str, ...]:
        """The shards whose rows there are."""
        return self._corpus.layer("candidates" if self.of == "candidates" else "shards").units()

    def read(self, shard: str, names: Sequence[str]) -> pa.Table:
        """`uid` (binary16) and these columns, one row for each pair, in the order of the shard.

        A score that a source never brought is null. CorpusError where a layer lacks the shard or has other rows.
        """
        import pyarrow as pa

        origins = {name: self.origin(name) for name in dict.fromkeys(names)}
        parts = {name: expression.names(each.computed) for name, each in origins.items() if each.computed}
        direct = [name for name in origins if name not in parts]
        wanted = dict.fromkeys([*direct, *(part for each in parts.values() for part in each)])
        rows = Rows(self._corpus, shard, self.of)
        columns = rows.read({name: self.origin(name) for name in wanted})
        whole = pa.table({"uid": rows.uids, **columns})
        made = {}
        for name in origins:
            if name in parts:
                computed = expression.compile_value(origins[name].computed, whole.schema)
                made[name] = computed.values(whole.combine_chunks())
            else:
                made[name] = whole.column(name)
        return pa.table({"uid": rows.uids, **made})


def catalogue(corpus: Corpus, of: str = "images", *, coming: Sequence[str] = ()) -> Catalogue:
    """The columns of the pairs with images, or of the candidates. coming: layers of scores that are not made yet."""
    found: dict[str, Origin] = {}

    def add(layer: str, table: str, *, suffix: str = "", model: str | None = None) -> None:
        short = layer.removeprefix("scores/")
        for column in schema.table(table).columns:
            if column.name == "uid":
                continue
            origin = Origin(layer, table, column.name, column.type, model)
            for name in (column.name + suffix, f"{short}.{column.name}"):
                found[name] = origin

    add("candidates", "candidates")
    if of == "images":
        add("shards", "shards")
    else:
        found["caption"] = found["alt_text"]
    for layer, model in _scores(corpus, of, coming):
        kind, _, named = layer.removeprefix("scores/").partition("-")
        before = dict(found)
        add(layer, scorers.table_of(layer), suffix=f"_{named}" if named else "", model=model)
        if kind == scorers.LIST:  # what other scores or tables call the same is theirs
            found |= {name: each for name, each in before.items() if not each.layer.startswith("scores/")}
    for name, (kind, text) in _DERIVED.items():
        found[name] = Origin("", "", name, kind, computed=text.format(*_SIDES[of]))
    return Catalogue(corpus, of, found)


def how(corpus: Corpus, name: str, of: str = "images") -> str | None:
    """What makes a column that is not there."""
    kind = kind_that_makes(name, of)
    if kind is not None:
        return f"make it: `vlcorpus score {corpus.place} {kind}`"
    if name in schema.table("score-list").names:
        return "a list brings it, as `vlcorpus import` says; this corpus was given none"
    if of == "candidates" and layer_that_makes(name) is not None:
        return "only pairs with images have it; ask what the list brought, as --score clip_l14_similarity_score"
    if of == "candidates" and name in schema.table("shards").names:
        return "it is known of fetched images: leave --of candidates away, or leave it out"
    return None


def kind_that_makes(name: str, of: str = "images") -> str | None:
    """The kind of score whose column this is; None of other names, and of kinds that have no rows for candidates."""
    for kind in scorers.kinds():
        names = schema.table(f"score-{kind}").names
        if name in names[1:] or name in {f"{kind}.{each}" for each in names[1:]}:
            return kind if of == "images" or scorers.scorer(kind).of == "candidates" else None
    return None


def layer_that_makes(name: str, of: str = "images") -> str | None:
    """The layer of scores whose column this is, by its name alone: `similarity`, or `similarity_l14` of one that was
    named l14; None of other names, those of candidates/, shards/ and lists among them.
    """
    kind = kind_that_makes(name, of)
    if kind is not None:
        return scorers.layer_of(kind, None)
    if any(name in schema.table(each).names for each in ("candidates", "shards", "score-list")):
        return None
    found: list[tuple[int, str]] = []
    for kind in scorers.kinds():
        for column in schema.table(f"score-{kind}").names[1:]:
            own = re.fullmatch(f"{column}_({NAMED})|{kind}-({NAMED})\\.{column}", name)
            if own is not None and (of == "images" or scorers.scorer(kind).of == "candidates"):
                found.append((len(column), scorers.layer_of(kind, own[1] or own[2])))
    return max(found)[1] if found else None


def _scores(corpus: Corpus, of: str, coming: Sequence[str]) -> list[tuple[str, str | None]]:
    """Layers of scores that have rows for these pairs, with the model that gave them; the list's first."""
    found = []
    there = {f"scores/{name}" for name in corpus.layers("scores")}
    for layer in sorted(there | set(coming), key=lambda each: (each != LIST, each)):
        kind = scorers.kind_of(layer)
        if kind != scorers.LIST and kind not in scorers.kinds():
            continue  # of a later version
        if of == "candidates" and kind != scorers.LIST and scorers.scorer(kind).of != "candidates":
            continue
        place = corpus.layer(layer)
        units = place.units()
        if not units and layer not in coming:
            continue
        found.append((layer, _model(place.stats(units[0])) if units else None))
    return found


def _model(stats: Mapping[str, Any] | None) -> str | None:
    """The model behind a unit of scores; of those of earlier versions, that of the embeddings."""
    told = stats or {}
    head, _, tail = str(told.get("source", "")).partition("/")
    return told.get("model") or (tail if head == "embeddings" else None)
