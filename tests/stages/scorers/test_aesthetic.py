"""The score of a head on the stored embeddings, and what is refused before any work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from tests.scores import published_heads
from tests.scores.published_heads import answers
from tests.stages.given import committed, give, given_corpus, pairs, run_here, write_probe
from tests.stages.running import contents, do
from vlcorpus.corpus import Corpus
from vlcorpus.errors import CorpusError, SourceError, UsageError
from vlcorpus.io import table, vectors
from vlcorpus.pipeline.plan import make_plan
from vlcorpus.stages.embed import Embed
from vlcorpus.stages.score import Score
from vlcorpus.views.freshness import Freshness

WIDTH = 128  # of the probe's embeddings


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    corpus = given_corpus(tmp_path / "c", 9, 5, 4)
    run_here(corpus, [Embed(model=write_probe(tmp_path / "p", broken="dog"))])
    return corpus


def slug_of(corpus: Corpus) -> str:
    (slug,) = corpus.layers("embeddings")
    return slug


def spoil(corpus: Corpus, shard: str, row: int) -> None:
    """One image of the shard has no vector."""
    path = corpus.layer(f"embeddings/{slug_of(corpus)}").path(f"img_emb/img_emb_{shard}.npy")
    rows = vectors.read(path).copy()
    rows[row] = np.nan
    np.save(path, rows)


def write_weights(folder: Path, head: nn.Module, name: str = "head.pth", **metadata: str) -> str:
    path = folder / name
    if path.suffix == ".safetensors":
        safetensors.torch.save_file(head.state_dict(), path, metadata)
    else:
        torch.save(head.state_dict(), path)
    return str(path)


def scores(corpus: Corpus, kind: str, column: str) -> dict[str, list[Any]]:
    layer = corpus.layer(f"scores/{kind}")
    return {
        shard: table.read(layer.path(f"{shard}.parquet"), f"score-{kind}").column(column).to_pylist()
        for shard in layer.units()
    }


def test_is_what_torch_says_of_the_stored_rows(corpus: Corpus, tmp_path: Path) -> None:
    spoil(corpus, "00000", 3)
    for model in (published_heads.aesthetic_v1(WIDTH), published_heads.aesthetic_v2(dimension=WIDTH)):
        run_here(corpus, [Score(score="aesthetic", weights=write_weights(tmp_path, model))])
        found = scores(corpus, "aesthetic", "aesthetic")
        assert {shard: len(values) for shard, values in found.items()} == {"00000": 9, "00001": 5, "00002": 4}
        for shard, values in found.items():
            rows = vectors.read(corpus.layer(f"embeddings/{slug_of(corpus)}").path(f"img_emb/img_emb_{shard}.npy"))
            want = answers(model, np.asarray(rows))
            missing = [value is None for value in values]
            assert missing == np.isnan(want).tolist()
            assert sum(missing) == (shard == "00000"), "only the image's own vector counts"
            assert np.nanmax(np.abs(np.array(values, float) - want)) < 1e-6


def test_the_same_bytes_at_any_number_of_workers(corpus: Corpus, tmp_path: Path) -> None:
    weights = write_weights(tmp_path, published_heads.aesthetic_v2(relu=True, dimension=WIDTH))
    made = []
    for workers in (1, 3):
        do(corpus, [Score(score="aesthetic", weights=weights, named=f"w{workers}")], workers=workers)
        made.append(contents(corpus, f"scores/aesthetic-w{workers}"))
    assert made[0] == made[1] and len(made[0]) == 3


def test_the_stats_say_what_made_it(corpus: Corpus, tmp_path: Path) -> None:
    weights = write_weights(
        tmp_path, published_heads.aesthetic_v2(dimension=WIDTH), "head.safetensors", model=slug_of(corpus)
    )
    run_here(corpus, [Score(score="aesthetic", weights=weights)])
    stats = corpus.layer("scores/aesthetic").stats("00001")
    assert stats is not None
    assert (stats["of"], stats["source"], stats["model"]) == (
        "images",
        f"embeddings/{slug_of(corpus)}",
        slug_of(corpus),
    )
    assert stats["head"] == {
        "form": "laion-v2",
        "architecture": "128 > 64 > 32 > 16 > 8 > 1",
        "model": slug_of(corpus),
    }
    assert len(stats["weights_hash"]) == len(stats["inputs"]["file:weights"]) == 64
    assert Freshness(corpus).of("00001", stats) == "fresh"


def test_other_weights_make_it_again_and_a_copy_does_not(corpus: Corpus, tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    first, second = published_heads.aesthetic_v1(WIDTH), published_heads.aesthetic_v2(dimension=WIDTH)
    weights = Path(write_weights(tmp_path, first))
    assert len(committed(run_here(corpus, [Score(score="aesthetic", weights=str(weights))]))) == 3
    copy = tmp_path / "copy" / weights.name
    copy.write_bytes(weights.read_bytes())
    assert committed(run_here(corpus, [Score(score="aesthetic", weights=str(copy))])) == []
    write_weights(tmp_path, second)
    assert len(committed(run_here(corpus, [Score(score="aesthetic", weights=str(weights))]))) == 3


def test_growth_scores_new_shards_only(corpus: Corpus, tmp_path: Path) -> None:
    stage = Score(score="aesthetic", weights=write_weights(tmp_path, published_heads.aesthetic_v1(WIDTH)))
    run_here(corpus, [stage])
    give(corpus, "00003", pairs(50, 3))
    assert sorted(committed(run_here(corpus, [stage]))) == ["embeddings/00003", "scores/aesthetic/00003"]


def test_embeddings_are_made_first_where_there_are_none(tmp_path: Path) -> None:
    corpus = given_corpus(tmp_path / "c", 4)
    stage = Score(
        score="aesthetic",
        model=write_probe(tmp_path / "p"),
        weights=write_weights(tmp_path, published_heads.aesthetic_v1(WIDTH)),
    )
    assert committed(run_here(corpus, [stage])) == ["embeddings/00000", "scores/aesthetic/00000"]


def test_a_head_of_another_length_is_refused_before_any_work(corpus: Corpus, tmp_path: Path) -> None:
    weights = write_weights(tmp_path, published_heads.aesthetic_v1(48))
    slug = slug_of(corpus)
    with pytest.raises(SourceError, match=rf"head\.pth reads embeddings of 48 numbers, those of {slug} have 128"):
        make_plan(corpus, [Score(score="aesthetic", weights=weights)])


def test_a_head_for_another_model_is_refused_where_it_says_so(corpus: Corpus, tmp_path: Path) -> None:
    model = published_heads.aesthetic_v1(WIDTH)
    for named in (slug_of(corpus), slug_of(corpus).rpartition(".")[0]):
        weights = write_weights(tmp_path, model, "right.safetensors", model=named)
        make_plan(corpus, [Score(score="aesthetic", weights=weights)])
    weights = write_weights(tmp_path, model, "wrong.safetensors", model="ViT-L-14/openai")
    with pytest.raises(SourceError, match=r"wrong\.safetensors is a head for ViT-L-14/openai, the embeddings are of"):
        make_plan(corpus, [Score(score="aesthetic", weights=weights)])


def test_weights_are_wanted_and_read_before_any_work(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="aesthetic has no --weights"):
        make_plan(corpus, [Score(score="aesthetic")])
    with pytest.raises(SourceError, match=r"no weights at .*gone\.pt"):
        make_plan(corpus, [Score(score="aesthetic", weights=str(tmp_path / "gone.pt"))])
    weights = write_weights(tmp_path, published_heads.detector(WIDTH, 8, 1))
    with pytest.raises(SourceError, match="laion-keras is a head of nsfw, not of aesthetic"):
        make_plan(corpus, [Score(score="aesthetic", weights=weights)])
    with pytest.raises(UsageError, match="aesthetic does not read --batches"):
        make_plan(corpus, [Score(score="aesthetic", weights=weights, batches=3)])


def test_arrays_that_are_not_of_the_pairs_are_refused(corpus: Corpus, tmp_path: Path) -> None:
    folder = corpus.layer(f"embeddings/{slug_of(corpus)}")
    np.save(folder.path("img_emb/img_emb_00000.npy"), np.zeros((3, WIDTH), np.float16))
    stage = Score(score="aesthetic", weights=write_weights(tmp_path, published_heads.aesthetic_v1(WIDTH)))
    with pytest.raises(CorpusError, match="3 images, 9 texts, 9 rows"):
        stage.open(corpus)("00000", lambda *told: None)
