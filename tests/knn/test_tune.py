"""Tuning: recall is what a search finds, the least parameters are taken, and the interval holds the truth."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from vlcorpus.knn import quantised, scan, tune
from vlcorpus.knn.quantised import OpenIndex
from vlcorpus.knn.searcher import Searcher
from vlcorpus.knn.tune import Queries, interval, queries


def clustered(seed: int, n: int, d: int = 64, spread: float = 0.8, shift: float = 0.6) -> np.ndarray:
    draw = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((50, d))
    x = shift + centres[draw.integers(0, 50, n)] + spread * draw.standard_normal((n, d))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float16)


@pytest.fixture(scope="module")
def world() -> tuple[np.ndarray, np.ndarray]:
    """Images, and texts that lie elsewhere."""
    images, texts = clustered(0, 8000), clustered(1, 8000, spread=1.6, shift=-0.2)
    images[[5, 6000]] = 0
    texts[[5, 7]] = np.nan
    return images, texts


def drawn(world, count: int = 60) -> dict[str, Queries]:
    images, texts = world
    asked = queries("image", [images[:3000], images[3000:]], [texts[:3000], texts[3000:]], seed=1)
    return {kind: Queries(each.vectors_QD[:count], each.own_Q[:count]) for kind, each in asked.items()}


def searchers(rows: np.ndarray, kind: str):
    index = quantised.build([rows], kind)
    made: list[Mapping[str, int]] = []

    def of(parameters: Mapping[str, int]) -> Searcher:
        made.append(parameters)
        return Searcher([rows], None if index is None else OpenIndex(index, kind, parameters))

    return of, made


def asked_again(searcher: Searcher, rows: np.ndarray, each: Queries, k: int) -> float:
    """Recall the slow way: top of the searcher against the plain scan, by row."""
    hits = 0
    for vector, own in zip(each.vectors_QD, each.own_Q, strict=True):
        wanted = k + int(own >= 0)
        exact = [row for row in scan.top([rows], vector[None], wanted)[1][0] if row != own][:k]
        found = [row for row in searcher.top(vector, wanted).rows if row != own]
        hits += len(set(exact) & set(found))
    return hits / k / len(each.own_Q)


@pytest.mark.parametrize("kind", ["rabitq", "ivf", "hnsw"])
def test_it_measures_what_a_search_finds(world, kind: str) -> None:
    images, _ = world
    of, _ = searchers(images, kind)
    asked = drawn(world)
    found = tune.tune(of, asked, target=0.97)
    searcher = of(found.parameters)
    text = asked["text"]
    told = asked | {"text": tune.Queries(text.vectors_QD[1::2], text.own_Q[1::2])}  # the others chose
    for name, recall in found.recalls.items():
        assert recall.recall == pytest.approx(asked_again(searcher, images, told[name], 10))
        assert recall.low <= recall.recall <= recall.high and recall.k == 10
        assert recall.queries == len(told[name].own_Q)
        assert found.latency_ms[name] > 0
    assert found.recalls["text"].high >= 0.97
    # What is less falls short of the target with some to spare.
    chosen = found.parameters
    assert next(step["recall"] for step in found.sweep if chosen.items() <= step.items()) >= 0.985
    same = [step for step in found.sweep if all(step[name] == chosen[name] for name in chosen if name != "depth")]
    assert all(step["recall"] < 0.985 for step in same if step["depth"] < chosen["depth"])
    assert (kind == "hnsw") == ("ef_search" in chosen) and (kind == "ivf") == ("nprobe" in chosen)


def test_a_higher_target_looks_deeper(world) -> None:
    of, _ = searchers(world[0], "rabitq")
    depths = [tune.tune(of, drawn(world), target=target).parameters["depth"] for target in (0.3, 0.9, 0.98, 2)]
    assert depths == sorted(depths) and depths[0] < depths[2] and depths[3] == 160


def test_texts_decide_even_where_images_are_easier(world) -> None:
    """Tuned on images, text queries would find less than is asked for."""
    of, _ = searchers(world[0], "rabitq")
    asked = drawn(world)
    by_text = tune.tune(of, asked, target=0.98)
    by_image = tune.tune(of, {"image": asked["image"]}, target=0.98)
    assert by_image.parameters["depth"] < by_text.parameters["depth"]
    assert set(by_image.recalls) == {"image"}


def test_every_row_is_exact(world) -> None:
    of, made = searchers(world[0], "exact")
    found = tune.tune(of, drawn(world), target=0.99)
    assert found.parameters == {} and made == [{}] and found.sweep == []
    assert {name: (each.recall, each.low, each.high) for name, each in found.recalls.items()} == {
        "text": (1.0, 1.0, 1.0),
        "image": (1.0, 1.0, 1.0),
    }


def test_copies_are_as_good_as_each_other() -> None:
    """Any of many rows with the same score is a right answer."""
    x = np.repeat(clustered(0, 200), 40, axis=0)
    of, _ = searchers(x, "rabitq")
    asked = {"text": Queries(x[::400].astype(np.float32)[:20], np.full(20, -1, np.int64))}
    assert tune.tune(of, asked, target=0.99).recalls["text"].recall == 1.0


def test_queries_are_drawn_from_the_corpus(world) -> None:
    images, texts = world
    asked = queries("image", [images], [texts], seed=1)
    assert (asked["text"].own_Q == -1).all() and len(asked["text"].own_Q) == tune.MOST
    own = asked["image"].own_Q
    assert len(set(own.tolist())) == len(own) == tune.MOST // tune.IMAGES and not {5, 6000} & set(own.tolist())
    np.testing.assert_allclose(asked["image"].vectors_QD, images[own].astype(np.float32), atol=1e-3)
    for each in asked.values():
        np.testing.assert_allclose(np.linalg.norm(each.vectors_QD, axis=1), 1, atol=1e-5)
    again = queries("image", np.array_split(images, 4), np.array_split(texts, 4), seed=1)
    np.testing.assert_array_equal(again["text"].vectors_QD, asked["text"].vectors_QD)
    other = queries("image", [images], [texts], seed=2)
    assert not np.array_equal(other["text"].vectors_QD, asked["text"].vectors_QD)
    side = queries("text", [images], [texts], seed=1)
    assert (side["image"].own_Q == -1).all() and (side["text"].own_Q >= 0).all()


@pytest.mark.parametrize("kind", ["exact", "rabitq", "ivf", "hnsw"])
@pytest.mark.parametrize("n", [0, 1, 2, 9])
def test_few_rows(kind: str, n: int) -> None:
    images, texts = clustered(0, n), clustered(1, n)
    of, _ = searchers(images, kind)
    found = tune.tune(of, queries("image", [images], [texts], seed=0))
    assert set(found.recalls) == ({"text", "image"} if n > 1 else set())
    assert all(each.recall == 1 for each in found.recalls.values())


def test_rows_without_direction_only() -> None:
    x = np.zeros((20, 16), np.float16)
    of, _ = searchers(x, "rabitq")
    found = tune.tune(of, queries("image", [x], [x], seed=0))
    assert found.parameters == {"depth": tune.DEFAULT_DEPTH} and found.recalls == {}


@pytest.mark.parametrize("mean", [0.8, 0.95, 0.99, 0.998])
@pytest.mark.parametrize("together", [0.0, 0.05, 0.2, 0.5])
def test_the_interval_holds_the_truth(mean: float, together: float) -> None:
    """Shares of 10 neighbours over 80 queries, found or missed more or less together: 95 % intervals, 400 times."""
    draw = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        if together:
            each = draw.beta(mean * (1 / together - 1), (1 - mean) * (1 / together - 1), 80)
        else:
            each = np.full(80, mean)
        low, high = interval(draw.binomial(10, each) / 10, 10)
        held += low <= mean <= high
    assert held >= 0.92 * 400


def test_the_interval_near_one() -> None:
    low, high = interval(np.ones(80), 10)
    assert 0.9 < low < 0.99 and high == 1.0
    assert interval(np.ones(400), 10)[0] > low
    assert interval(np.zeros(80), 10)[0] == 0.0
    spread, even = np.repeat([1.0, 0.0], [72, 8]), np.full(80, 0.9)
    assert interval(spread, 10)[0] < interval(even, 10)[0] < 0.9
