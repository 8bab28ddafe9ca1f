"""DataComp's baselines over lists with CommonPool's columns: the uid files that our recipes lead to are those of a
plain rule of the paper and its code (arXiv 2304.14108; benchmarks/datacomp.py compares with the code itself).

A language is what our detectors say of a text, for both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.stages.given import run_here
from vlcorpus.corpus import Corpus
from vlcorpus.io import table
from vlcorpus.pipeline import recipe
from vlcorpus.stages.export import Export
from vlcorpus.stages.import_ import Import

ROWS = (1_300, 700)
L14, B32 = "clip_l14_similarity_score", "clip_b32_similarity_score"
SPACES = (" ", " ", "\u00a0", "\u3000", "\u2003", "\t", "\n", "\u200b", "\x1c")
WORDS = "the red house by a lake of old trees and cat".split()
SIDES = (199, 200, 201, 597, 600, 601, 603)
TYPE = np.dtype("u8,u8")


def text_of(chance: np.random.Generator) -> str:
    if chance.random() < 0.15:
        return str(
            chance.choice(["ein Hund läuft im Sommer über die grüne Wiese", "雪の中の黒い猫の写真", "12345", "a b c"])
        )
    words = chance.choice(WORDS, chance.integers(1, 6))
    return "".join(word + SPACES[chance.integers(len(SPACES))] for word in words)


def write_pool(folder: Path) -> None:
    """Scores that tie at every cut, uids that begin with zeros, sides and aspects at the rules' edges."""
    folder.mkdir()
    for number, rows in enumerate(ROWS):
        chance = np.random.default_rng(number)
        width = chance.choice(SIDES, rows)
        high = chance.integers(0, 2**62, rows) >> chance.choice([0, 30, 60], rows)
        columns = {
            "uid": [f"{each:016x}{number:04x}{row:012x}" for row, each in enumerate(high)],
            "url": [f"https://images.example/{number}/{row}.jpg" for row in range(rows)],
            "text": [text_of(chance) for _ in range(rows)],
            "original_width": width,
            "original_height": np.where(chance.random(rows) < 0.5, 3 * width, chance.choice(SIDES, rows)),
            B32: (chance.integers(20, 36, rows) / 100).astype(np.float32),
            L14: (chance.integers(15, 31, rows) / 100).astype(np.float32),
        }
        pq.write_table(pa.table(columns), folder / f"{number:08d}.parquet")


@dataclass(frozen=True)
class Pool:
    corpus: Corpus
    rows: pd.DataFrame


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    folder = tmp_path_factory.mktemp("commonpool")
    write_pool(folder / "metadata")
    corpus = Corpus.create(folder / "c", shard_rows=600)
    run_here(corpus, [Import(source=str(folder / "metadata"))])
    return Pool(corpus, pd.concat([pd.read_parquet(path) for path in sorted((folder / "metadata").iterdir())]))


def languages(corpus: Corpus, named: str) -> dict[str, str | None]:
    """What a detector said of each text."""
    found: dict[str, str | None] = {}
    for shard in corpus.layer("candidates").units():
        rows = table.rows(corpus.layer("candidates").path(f"{shard}.parquet"), "candidates")
        scores = table.rows(corpus.layer(f"scores/language-{named}").path(f"{shard}.parquet"), "score-language")
        found |= {row["alt_text"]: said["detected_language"] for row, said in zip(rows, scores, strict=True)}
    return found


def listed(rows: pd.DataFrame) -> npt.NDArray[Any]:
    """A subset file: (upper, lower) halves of the uids, sorted."""
    return np.array(sorted((int(uid, 16) >> 64, int(uid, 16) % 2**64) for uid in rows.uid), TYPE)


def english(pool: Pool, named: str) -> pd.DataFrame:
    said = languages(pool.corpus, named)
    return pool.rows[[said[text] == "en" for text in pool.rows.text]]


def basic(pool: Pool) -> pd.DataFrame:
    rows = english(pool, "fasttext")
    short = rows[["original_width", "original_height"]].min(axis=1)
    long = rows[["original_width", "original_height"]].max(axis=1)
    words = np.array([len(text.split()) > 2 and len(text) > 5 for text in rows.text])
    return rows[(short >= 200) & (long / short <= 3.0) & words]


def top(column: str, fraction: float) -> Callable[[Pool], pd.DataFrame]:
    def kept(pool: Pool) -> pd.DataFrame:
        ordered = pool.rows[column].sort_values(ascending=False).to_numpy()
        return pool.rows[pool.rows[column] >= ordered[int(len(ordered) * fraction)]]

    return kept


def at_least(column: str, threshold: float) -> Callable[[Pool], pd.DataFrame]:
    return lambda pool: pool.rows[pool.rows[column] >= np.float32(threshold)]


def laion2b(pool: Pool) -> pd.DataFrame:
    rows = english(pool, "cld3")
    return rows[rows[B32] >= np.float32(0.28)]


CLIP = "datacomp-clip-score"
ARMS: dict[str, tuple[str, dict[str, Any], Callable[[Pool], pd.DataFrame]]] = {
    "no-filter": ("datacomp-no-filter", {}, lambda pool: pool.rows),
    "basic": ("datacomp-basic", {}, basic),
    "l14-0.3": (CLIP, {"score": L14}, top(L14, 0.3)),
    "l14-0.29": (CLIP, {"score": L14, "top_fraction": "0.29"}, top(L14, 0.29)),
    "b32-0.3": (CLIP, {"score": B32, "made_for": ["ViT-B-32/openai"]}, top(B32, 0.3)),
    "l14-0.24": (CLIP, {"score": L14, "top_fraction": "none", "min_sim": "0.24"}, at_least(L14, 0.24)),
    "b32-0.28": (
        CLIP,
        {"score": B32, "top_fraction": "none", "min_sim": "0.28", "made_for": ["ViT-B-32/openai"]},
        at_least(B32, 0.28),
    ),
    "laion2b": ("datacomp-laion2b", {"score": B32}, laion2b),
}


@pytest.mark.parametrize("arm", ARMS)
def test_the_uids_are_those_of_datacomps_rule(pool: Pool, tmp_path: Path, arm: str) -> None:
    name, flags, rule = ARMS[arm]
    typed = flags | {"of": "candidates", "decision": f"arm-{arm.replace('.', '-')}"}
    stages: Sequence[Any] = recipe.judging(recipe.load(recipe.find(name), corpus=pool.corpus.path, flags=typed))
    out = Export(out=str(tmp_path / "out"), decision=typed["decision"], output_format="uids")
    run_here(pool.corpus, [*stages, out])
    expected = listed(rule(pool))
    made = np.load(tmp_path / "out" / "all" / "00000.npy")
    assert made.dtype == TYPE
    assert np.array_equal(made, expected), (len(made), len(expected))
    assert arm == "no-filter" or 100 < len(expected) < 1_500


def test_the_lists_text_and_sizes_come_as_they_are(pool: Pool) -> None:
    rows = [
        row
        for shard in pool.corpus.layer("candidates").units()
        for row in table.rows(pool.corpus.layer("candidates").path(f"{shard}.parquet"), "candidates")
    ]
    found = {row["given_uid"]: (row["alt_text"], row["width"], row["height"]) for row in rows}
    own = pool.rows
    assert found == {
        uid: (text, width, height)
        for uid, text, width, height in zip(own.uid, own.text, own.original_width, own.original_height, strict=True)
    }
