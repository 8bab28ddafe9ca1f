from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.stages.given import committed, give, given_corpus, pairs, run_here, write_probe
from tests.stages.test_embed import TWO_CAPTIONS, read
from vlcorpus.corpus import Corpus
from vlcorpus.errors import ShardsFailed
from vlcorpus.images.decode import Decoded, decode
from vlcorpus.images.phash import phash
from vlcorpus.io import table
from vlcorpus.stages.embed import Embed
from vlcorpus.stages.samples import stored
from vlcorpus.stages.score import Score


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    corpus = given_corpus(tmp_path / "c", 9)
    give(corpus, "00001", TWO_CAPTIONS)
    run_here(corpus, [Embed(model=write_probe(tmp_path / "p", broken="dog"))])
    return corpus


def scores(corpus: Corpus, score: str, shard: str) -> list[dict[str, object]]:
    return table.read(corpus.path / "scores" / score / f"{shard}.parquet", f"score-{score}").to_pylist()


def test_similarity_is_the_cosine_of_what_is_stored(corpus: Corpus) -> None:
    run_here(corpus, [Score(score="similarity")])
    for shard in ("00000", "00001"):
        image_ND, text_ND, about = read(corpus, shard)
        found = scores(corpus, "similarity", shard)
        assert [row["uid"].hex() for row in found] == [row["uid"] for row in about]
        for row, image, text in zip(found, image_ND.astype(np.float64), text_ND.astype(np.float64), strict=True):
            want = image @ text / np.linalg.norm(image) / np.linalg.norm(text)
            if np.isfinite(want):
                assert abs(row["similarity"] - want) < 1e-6
            else:
                assert row["similarity"] is None
    missing = [row["similarity"] is None for row in scores(corpus, "similarity", "00000")]
    assert missing == [True, *[False] * 7, True], "texts with a dog have no vector"
    (model,) = corpus.layers("embeddings")
    for layer in ("scores/similarity", f"embeddings/{model}"):
        stats = corpus.layer(layer).stats("00000")
        assert stats is not None and stats["model"] == model, "each score says what gave it"
        assert len(stats["encoder"]["weights_hash"]) == 64 and stats["encoder"]["precision"] == "fp32"
        assert stats["encoder"]["preprocessing"]["size"] == 32 and stats["stage_version"] == 1


def test_phash_is_that_of_the_stored_image(corpus: Corpus) -> None:
    run_here(corpus, [Score(score="phash")])
    for shard in ("00000", "00001"):
        for row, pair in zip(scores(corpus, "phash", shard), stored(corpus, shard), strict=True):
            picture = decode(pair.body)
            assert isinstance(picture, Decoded)
            assert (row["uid"], row["phash"]) == (pair.uid, phash(picture.rgb))


def test_growth_scores_new_shards_only(corpus: Corpus) -> None:
    stages = [Score(score="similarity"), Score(score="phash")]
    run_here(corpus, stages)
    give(corpus, "00002", pairs(50, 3))
    made = committed(run_here(corpus, stages))
    slug = corpus.layers("embeddings")[0]
    assert sorted(made) == ["embeddings/00002", "scores/phash/00002", "scores/similarity/00002"]
    stats = corpus.layer(f"embeddings/{slug}").stats("00002")
    assert stats is not None and stats["model"] == slug, "the recorded model embeds what is new"


def test_arrays_that_disagree_are_refused(corpus: Corpus) -> None:
    folder = corpus.path / "embeddings" / corpus.layers("embeddings")[0]
    np.save(folder / "text_emb" / "text_emb_00000.npy", np.zeros((3, 64), np.float16))
    with pytest.raises(ShardsFailed, match="9 images, 3 texts, 9 rows"):
        run_here(corpus, [Score(score="similarity")])
