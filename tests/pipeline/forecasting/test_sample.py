from __future__ import annotations

from collections import Counter
from pathlib import Path

import fsspec
import pyarrow.compute as pc
import pytest

from tests.corpora import small
from vlcorpus.corpus import Corpus
from vlcorpus.errors import CorpusError
from vlcorpus.io import table
from vlcorpus.pipeline.forecasting.sample import carry, draw, scratch
from vlcorpus.stages.samples import stored
from vlcorpus.views.verify import verify


def uids(corpus: Corpus, layer: str = "candidates") -> list[bytes]:
    found: list[bytes] = []
    for unit in corpus.layer(layer).units():
        found += table.read(corpus.layer(layer).path(f"{unit}.parquet"), "candidates", only=["uid"])["uid"].to_pylist()
    return found


def pictures(corpus: Corpus) -> dict[bytes, tuple[bytes, str]]:
    pairs = (pair for unit in corpus.layer("shards").units() for pair in stored(corpus, unit))
    return {pair.uid: (pair.body, pair.caption) for pair in pairs}


def test_the_same_seed_draws_the_same_rows_and_another_others() -> None:
    corpus = small().corpus
    first, again, other = (draw(corpus, 40, seed=seed, images=True) for seed in (0, 0, 1))
    assert first == again and first.rows != other.rows
    assert 40 <= first.count < 60 and first.of == len(corpus.layer("shards").units())


def test_a_smaller_sample_is_the_first_of_the_draw_and_images_stay_whole() -> None:
    corpus = small().corpus
    whole, few = draw(corpus, 60, seed=0, images=False), draw(corpus, 10, seed=0, images=False)
    taken = {(unit, number) for unit, numbers in whole.rows for number in numbers}
    fewer = {(unit, number) for unit, numbers in few.rows for number in numbers}
    assert fewer < taken
    assert {(unit, number) for unit, numbers in whole.part(0.1).rows for number in numbers} <= taken
    every: Counter[bytes] = Counter()
    drawn: Counter[bytes] = Counter()
    for unit in corpus.layer("candidates").units():
        path = corpus.layer("candidates").path(f"{unit}.parquet")
        for number, name in enumerate(table.read(path, "candidates", only=["image_id"])["image_id"].to_pylist()):
            every[name] += 1
            drawn[name] += (unit, number) in fewer
    assert all(drawn[name] in (0, every[name]) for name in every)


def test_all_rows_where_more_are_asked_for() -> None:
    corpus = small().corpus
    assert draw(corpus, 10**6, seed=0, images=False).count == len(uids(corpus))


def test_the_scratch_corpus_is_a_sound_corpus_with_the_same_pairs(tmp_path: Path) -> None:
    corpus = small().corpus
    drawn = draw(corpus, 50, seed=0, images=True)
    made = scratch(drawn, tmp_path / "whole")
    assert len(made.layer("shards").units()) == 2
    assert set(uids(made)) <= set(uids(corpus)) and len(uids(made)) == drawn.count
    bodies, ours = pictures(corpus), pictures(made)
    assert ours and all(bodies[uid] == body for uid, body in ours.items())
    assert set(ours) == set(bodies) & set(uids(made))
    assert verify(made).findings == ()


def test_what_a_recipe_reads_comes_along(tmp_path: Path) -> None:
    corpus = small().corpus
    drawn = draw(corpus, 50, seed=0, images=True)
    made = scratch(drawn, tmp_path / "whole")
    carry(drawn, "scores/phash", made)
    layer = made.layer("scores/phash")
    assert layer.units() == made.layer("candidates").units()
    own = set(uids(made))
    rows = [table.read(layer.path(f"{unit}.parquet"), "score-phash") for unit in layer.units()]
    assert all(set(each["uid"].to_pylist()) <= own for each in rows)
    assert sum(map(len, rows)) == sum(len(list(stored(made, unit))) for unit in made.layer("shards").units())
    assert pc.sum(pc.is_null(rows[0]["phash"])).as_py() == 0


def test_a_corpus_in_a_store_gives_the_same_sample_and_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLCORPUS_MIRROR", str(tmp_path / "mirror"))
    folder, store = small().corpus.path, fsspec.filesystem("memory")
    root = f"/{tmp_path.name}/birds"
    files = [folder / "corpus.yaml", *(folder / "candidates").glob("*.*"), *(folder / "shards").glob("*.*")]
    for path in files:
        if path.is_file():
            store.pipe_file(f"{root}/{path.relative_to(folder)}", path.read_bytes())
    before = {name: store.cat_file(name) for name in store.find(root)}
    corpus = Corpus.open(f"memory:/{root}")
    drawn, here = (draw(each, 30, seed=0, images=True) for each in (corpus, small().corpus))
    assert drawn.rows == here.rows and len(before) > 10
    made, ours = scratch(drawn, tmp_path / "there"), scratch(here, tmp_path / "here")
    assert pictures(made) == pictures(ours) != {}
    assert {name: store.cat_file(name) for name in store.find(root)} == before


def test_nothing_to_draw_from(tmp_path: Path) -> None:
    empty = Corpus.create(tmp_path / "empty")
    with pytest.raises(CorpusError, match="no candidates"):
        draw(empty, 10, seed=0, images=False)
