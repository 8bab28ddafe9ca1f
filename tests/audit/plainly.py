"""The slow way: what an audit must give, by loops over rows and the definitions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vlcorpus.audit.draw import Draw, Drawn, hashed
from vlcorpus.audit.frame import Frame, Survey
from vlcorpus.audit.verdict import Sample


@dataclass(frozen=True)
class Corpus:
    """N rows: uid uint8 (N, 16), keep, free and good bool (N,), x float64 (N,), NaN where there is no score."""

    uid: np.ndarray
    keep: np.ndarray
    free: np.ndarray
    x: np.ndarray
    good: np.ndarray


def world(rows: int, *, cut: float = 0.5, seed: int = 0, missing: float = 0.05, others: float = 0.2) -> Corpus:
    """A decision that keeps x >= cut of rows that another predicate does not drop. Without a score a row is dropped."""
    rng = np.random.default_rng(seed)
    x = np.round(rng.normal(size=rows), 3).astype(np.float32).astype(np.float64)
    good = rng.random(rows) < 1 / (1 + np.exp(-2 * (x - 0.3)))
    x[rng.random(rows) < missing] = np.nan
    free = rng.random(rows) >= others
    return Corpus(rng.integers(0, 256, (rows, 16), dtype=np.uint8), free & (x >= cut), free, x, good)


def draw(
    corpus: Corpus,
    n: int,
    *,
    cut: float | None = 0.5,
    strata: int = 10,
    seed: int = 0,
    shards: Sequence[np.ndarray] = (),
) -> tuple[Frame, Drawn]:
    """The two passes over the rows, in one shard or in the shards given as rows."""
    parts = shards or [np.arange(len(corpus.x))]
    survey = Survey()
    for rows in parts:
        survey.add(corpus.keep[rows], corpus.x[rows])
    frame = survey.frame(strata=strata, cut=cut)
    drawing = Draw(frame, most=n, seed=seed)
    for number, rows in enumerate(parts):
        drawing.add(corpus.uid[rows], corpus.keep[rows], corpus.free[rows], corpus.x[rows], shard=number)
    return frame, drawing.end(n, cut=cut is not None)


def sample_of(frame: Frame, drawn: Drawn, *, by_score: bool = True) -> Sample:
    numbers = np.arange(frame.strata)
    return Sample(
        drawn.stratum,
        drawn.place,
        drawn.free,
        numbers < frame.kept,
        np.array([frame.scored(number) for number in numbers]),
        drawn.cells,
        by_score,
    )


def rows_of(corpus: Corpus, drawn: Drawn) -> np.ndarray:
    """The drawn rows' numbers, in order."""
    place = {uid.tobytes(): row for row, uid in enumerate(corpus.uid)}
    return np.array([place[uid.tobytes()] for uid in drawn.uid])


def smallest(corpus: Corpus, rows: Sequence[int], n: int, seed: int) -> set[int]:
    """The n of these rows with the smallest (hash, uid)."""
    keyed = sorted((int(hashed(corpus.uid[row : row + 1], seed)[0]), corpus.uid[row].tobytes(), row) for row in rows)
    return {row for _, _, row in keyed[:n]}
