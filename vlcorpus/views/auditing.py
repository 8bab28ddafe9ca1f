"""Auditing a decision: a stratified sample, for a person to look at without knowing the verdicts.

draw(corpus, Path("look"), decision="similarity-0.28", n=400)     look/index.html and look/audit.json

audit.json is the design: strata with their rows and how many were drawn of each, and each drawn pair's stratum and
score, so that labels can be read without the corpus. The page and the sheet hold none of it: give people these alone.

Cost: two readings of three columns, bounded memory, and of the tars no more than the drawn pictures.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import expression
from ..audit import design as designs
from ..audit.design import Stratum
from ..audit.draw import Draw, Drawn
from ..audit.frame import STRATA, Frame, Survey
from ..audit.page import Shown, render
from ..audit.sheet import picture_name, sheet
from ..corpus import Corpus
from ..errors import CorpusError, UsageError
from ..expression.kinds import NUMERIC
from ..io import table, tar
from ..io.commit import Commit, claimed, explained
from ..report.markup import shown
from ..stages.base import ALL
from ..stages.columns import Catalogue, catalogue
from ..stages.samples import IMAGES
from .audited import FILE, read_design
from .judging import says

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMATS = ("page", "csv")
SIDE = 384
"""Pixels of a shown picture's longer side."""
BY_SCORE = ("AtLeast", "TopFraction", "TopRows")
"""Predicates that keep what has a high score."""
_AT = re.compile(r"(?P<column>\w+|`[^`]+`)\s*(?P<sign>>=|<=)\s*(?P<number>[-+]?[\d.]+(?:[eE][-+]?\d+)?)")


@dataclass(frozen=True)
class Score:
    """What strata and curve go by: a column's name, or an expression, as the decision has it. sign: 1 where high values
    are kept, -1 where low ones. bits: the predicates that go by it, as bits of fail_mask. cut: their threshold; None
    where it is at no one place."""

    text: str
    sign: int
    bits: int
    cut: float | None


@dataclass(frozen=True)
class DrawnAudit:
    """What `draw` wrote. unreadable: pairs whose picture could not be shown."""

    audit: str
    decision: str
    folder: Path
    file: Path
    rows: int
    kept: int
    pairs: int
    score: str | None
    strata: tuple[Stratum, ...]
    unreadable: int


def draw(
    corpus: Corpus,
    out: Path,
    *,
    decision: str | None = None,
    n: int = 400,
    seed: int = 0,
    form: str = "page",
    score: str | None = None,
    strata: int = STRATA,
) -> DrawnAudit:
    """Draw n pairs and write page or sheet and the design into a new folder, or again into that of the same audit.

    score: the column that strata go by; if not given that of the decision's first threshold, else similarity, else
    none.
    UsageError for a decision of candidates, which have no pictures, for an unknown score, and for an impossible n.
    """
    name = corpus.find("decisions", decision, flag="--decision", make=f"vlcorpus filter {corpus.place} --min-sim 0.28")
    stats = _decided(corpus, name)
    columns = catalogue(corpus)
    by = _score(columns, stats["predicates"], score)
    survey = Survey()
    for rows in _rows(corpus, columns, name, by):
        survey.add(rows.keep, rows.x)
    cut = None if by is None or by.cut is None else by.cut * by.sign
    frame = survey.frame(strata=strata, cut=cut)
    drawing = Draw(frame, most=max(1, min(n, survey.rows)), seed=seed)
    for number, rows in enumerate(_rows(corpus, columns, name, by)):
        drawing.add(rows.uid, rows.keep, rows.free, rows.x, shard=number)
    drawn = drawing.end(n, cut=by is not None and bool(by.bits))
    design = _design(corpus, name, stats["predicates"], by, frame, drawn, seed)
    pairs = _shown(corpus, drawn)
    _write(out, design, form, corpus.name, pairs)
    made = tuple(Stratum(**each) for each in design["strata"] if each["rows"])
    return DrawnAudit(
        audit=design["audit"],
        decision=name,
        folder=out,
        file=out / ("index.html" if form == "page" else "sample.csv"),
        rows=survey.rows,
        kept=survey.kept,
        pairs=len(pairs),
        score=by.text if by is not None else None,
        strata=made,
        unreadable=sum(each.picture is None for each in pairs),
    )


def _decided(corpus: Corpus, name: str) -> dict[str, Any]:
    """The decision's stats; refused where it is unfinished, of candidates, or of fewer shards than there are."""
    layer = corpus.layer(f"decisions/{name}")
    stats = layer.stats(ALL)
    if stats is None:
        raise CorpusError(f"decisions/{name} is unfinished", "run the same `vlcorpus filter` again")
    if stats.get("of", stats["settings"].get("of", "images")) == "candidates":
        raise UsageError(
            f"decisions/{name} is of candidates, which have no pictures to look at",
            "download what it keeps, and audit a decision on images",
        )
    missing = sorted(set(corpus.layer("shards").units()) - set(layer.units()))
    if missing:
        raise CorpusError(
            f"decisions/{name} has no shard {missing[0]}: the corpus has grown",
            "run the same `vlcorpus filter` again, then audit",
        )
    return stats


def _score(columns: Catalogue, predicates: Sequence[dict[str, Any]], wanted: str | None) -> Score | None:
    """What to go by, and how the decision goes by it."""
    found = [(bit, *rule) for bit, each in enumerate(predicates) if (rule := _threshold(each)) is not None]
    usual = "similarity" if "similarity" in columns else None
    text = wanted if wanted is not None else next((own for _, own, _, _ in found), usual)
    if text is None:
        return None
    text = expression.written(text)
    value = expression.compile_value(text, columns.types, columns.how)
    if value.kind not in NUMERIC:
        raise UsageError(f"{text} is no number that could be a score", "name a column of numbers with --score")
    own = [(bit, sign, cut) for bit, column, sign, cut in found if expression.written(column) == text]
    if len({sign for _, sign, _ in own}) > 1:  # kept between two values: neither way is nearer to being kept
        own = []
    sign = own[0][1] if own else 1
    narrow = expression.is_column(text) and columns.types[value.columns[0]] == "float32"
    cuts = [cut for _, _, cut in own if cut is not None]
    cut = sign * max(sign * each for each in cuts) if cuts and len(cuts) == len(own) else None
    if cut is not None and narrow:  # compared in the column's precision
        cut = float(np.float32(cut))
    return Score(text, sign, sum(1 << bit for bit, _, _ in own), cut)


def _threshold(predicate: dict[str, Any]) -> tuple[str, int, float | None] | None:
    """(score, 1 where high values are kept or -1, threshold or None) of a predicate that goes by a threshold."""
    kind = str(predicate["predicate"])
    if kind in BY_SCORE:
        value = (predicate.get("cut") or predicate).get("threshold")
        return str(predicate["column"]), 1, None if value is None else float(value)
    found = _AT.fullmatch(str(predicate.get("expression"))) if kind == "Where" else None
    if found is None:
        return None
    return found["column"], 1 if found["sign"] == ">=" else -1, float(found["number"])


@dataclass(frozen=True)
class _Rows:
    """Rows of one shard: uid uint8 (N, 16), keep and free bool (N,), x float64 (N,): the score times its sign."""

    uid: NDArray[np.uint8]
    keep: NDArray[np.bool_]
    free: NDArray[np.bool_]
    x: NDArray[np.float64]


def _rows(corpus: Corpus, columns: Catalogue, name: str, by: Score | None) -> Iterator[_Rows]:
    """What is known of every pair, shard by shard."""
    layer = corpus.layer(f"decisions/{name}")
    value = expression.compile_value(by.text, columns.types) if by is not None else None
    for shard in layer.units():
        decided = table.read(layer.path(f"{shard}.parquet"), "decisions", only=["uid", "keep", "fail_mask"])
        uids = decided.column("uid").combine_chunks()
        x = np.full(len(uids), np.nan)
        if by is not None and value is not None:
            scored = columns.read(shard, value.columns)
            if not scored.column("uid").combine_chunks().equals(uids):
                raise CorpusError(
                    f"decisions/{name} is not of the pairs of shard {shard}", "run the same `vlcorpus filter` again"
                )
            x = by.sign * value.values(scored).to_numpy(zero_copy_only=False).astype(np.float64)
        flat = np.frombuffer(b"".join(uids.to_pylist()), np.uint8).reshape(-1, 16)
        failed = decided.column("fail_mask").to_numpy()
        others = failed & ~np.uint64(by.bits if by is not None else 0)
        yield _Rows(flat, decided.column("keep").to_numpy(), others == 0, x)


def _design(
    corpus: Corpus,
    name: str,
    predicates: Sequence[dict[str, Any]],
    by: Score | None,
    frame: Frame,
    drawn: Drawn,
    seed: int,
) -> dict[str, Any]:
    """What audit.json says."""
    sign = by.sign if by is not None else 1
    score = None
    if by is not None:
        keeps = "high" if sign > 0 else "low"
        score = {"column": by.text, "keeps": keeps, "cut": by.cut, "decides": bool(by.bits)}
    told: dict[str, Any] = {
        "version": designs.VERSION,
        "corpus": corpus.name,
        "decision": name,
        "decision_digest": corpus.layer(f"decisions/{name}").digest_all(),
        "rule": [says(each) for each in predicates],
        "seed": seed,
        "score": score,
        **designs.as_json(frame, drawn, sign),
    }
    named = hashlib.blake2b(json.dumps(told, sort_keys=True).encode(), digest_size=8).hexdigest()
    return {"audit": named, **told}


def _shown(corpus: Corpus, drawn: Drawn) -> list[Shown]:
    """The drawn pairs with their pictures, in the order of the sample; each shard's tar is read where they lie."""
    from ..images.thumbnail import thumbnail

    shards = corpus.layer("shards")
    found: dict[str, Shown] = {}
    for number in np.unique(drawn.shard):
        shard = shards.units()[number]
        wanted = {uid.tobytes().hex() for uid in drawn.uid[drawn.shard == number]}
        rows = table.read(shards.path(f"{shard}.parquet"), "shards", only=["uid", "status", "image_key", "caption"])
        candidates = corpus.layer("candidates").path(f"{shard}.parquet")
        languages = table.read(candidates, "candidates", only=["language"]).column("language")
        path = shards.path(f"{shard}.tar")
        places = {entry.key: entry for entry in tar.scan(path) if entry.extension in IMAGES}
        uids = rows.column("uid").to_pylist()
        for row in (row for row, uid in enumerate(uids) if uid in wanted):
            one = rows.slice(row, 1).to_pylist()[0]
            entry = places.get(one["image_key"])
            if entry is None:
                raise CorpusError(f"{path} has no image {one['image_key']}", f"run `vlcorpus verify {corpus.place}`")
            picture = thumbnail(tar.read_at(path, entry.offset, entry.length), SIDE)
            language = languages[row].as_py()
            found[one["uid"]] = Shown(one["uid"], shown(one["caption"]), shown(language) if language else None, picture)
    return [found[uid.tobytes().hex()] for uid in drawn.uid]


def _write(out: Path, design: dict[str, Any], form: str, title: str, pairs: Sequence[Shown]) -> None:
    """The folder's files; audit.json, written last, is the commit."""
    if form not in FORMATS:
        raise UsageError(f"no format {form!r}", f"known: {', '.join(FORMATS)}")
    with explained(out):
        if (out / FILE).is_file():
            before = read_design(out)
            if {**before, "outputs": None} != {**design, "outputs": None}:
                differing = [key for key in design if key != "audit" and before.get(key) != design[key]]
                raise UsageError(
                    f"{out} holds another audit (of decision {before['decision']}, seed {before['seed']}; "
                    f"differs in {', '.join(differing[:3])})",
                    "name a new folder, or remove this one",
                )
        elif out.is_dir() and any(out.iterdir()) and not claimed(out, FILE):
            raise UsageError(f"{out} is not empty and holds no audit", "name a new folder with --out")
    with Commit(out, FILE, claim=True) as commit:
        if form == "page":
            commit.write("index.html", render(f"Audit of {shown(title)}", design["audit"], pairs).encode())
        else:
            for number, pair in enumerate(pairs, start=1):
                if pair.picture is not None:
                    commit.write(picture_name(number, len(pairs)), pair.picture)
            commit.write("sample.csv", sheet(pairs).encode("utf-8-sig"))
        commit.done(design)
