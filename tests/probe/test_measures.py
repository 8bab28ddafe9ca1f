from __future__ import annotations

import math

import numpy as np
import pytest

from vlcorpus.probe.measures import auc, linear_probe, pair_choice, retrieval, zero_shot


def _unit(count: int, seed: int, dimension: int = 6) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_zero_shot_against_a_loop() -> None:
    image, classes = _unit(1500, 0), _unit(9, 1)
    labels = np.random.default_rng(2).integers(0, 8, 1500)
    measured = zero_shot(image, classes, labels, scale=12.0)
    top1, top5, nll = [], [], []
    for row, label in zip(image.astype(np.float64), labels, strict=True):
        similarity = classes.astype(np.float64) @ row
        ranked = np.argsort(-similarity)
        top1.append(ranked[0] == label)
        top5.append(label in ranked[:5])
        nll.append(-math.log(math.exp(12 * similarity[label]) / sum(math.exp(12 * value) for value in similarity)))
    assert measured.values["top1"].tolist() == top1
    assert measured.values["top5"].tolist() == top5
    assert measured.metrics["nll"] == pytest.approx(np.mean(nll), abs=1e-5)
    by_class = [np.mean(np.array(top1)[labels == label]) for label in range(8)]
    assert measured.metrics["mean_per_class_recall"] == pytest.approx(np.mean(by_class))
    assert measured.chance["nll"] == pytest.approx(math.log(9))


def test_a_collapsed_model_has_nothing_right() -> None:
    same = np.ones((40, 4), np.float32) / 2
    measured = zero_shot(same, same[:2], np.arange(40) % 2)
    assert measured.metrics["top1"] == 0
    assert measured.metrics["nll"] == pytest.approx(math.log(2))
    found = retrieval(same, same, np.arange(40)).metrics
    assert found["image_to_text_r10"] == found["text_to_image_r10"] == 0
    assert found["auc"] == 0.5
    assert pair_choice(same, same, same).metrics["accuracy"] == 0


def test_a_linear_probe_finds_what_is_there_and_only_that() -> None:
    labels = np.random.default_rng(0).integers(0, 4, 400)
    noise = _unit(400, 1, 16)
    clear = noise + np.eye(4, 16, dtype=np.float32)[labels]
    assert linear_probe(clear, labels).metrics["accuracy"] > 0.95
    assert linear_probe(noise, labels).metrics["accuracy"] == pytest.approx(0.25, abs=0.08)
    assert linear_probe(np.ones((400, 8), np.float32), labels).metrics["accuracy"] <= 0.35
    turned = clear @ np.linalg.qr(np.random.default_rng(2).normal(size=(16, 16)))[0]
    assert (
        linear_probe(turned, labels).values["accuracy"] == linear_probe(clear, labels).values["accuracy"]
    ).mean() > 0.99
    clear[3] = np.nan
    assert np.isfinite(linear_probe(clear, labels).metrics["accuracy"])
    with pytest.raises(ValueError):
        linear_probe(clear[:9], labels[:9])


def test_broken_rows_are_misses() -> None:
    image = np.eye(4, dtype=np.float32)
    image[1] = np.nan
    measured = zero_shot(image, np.eye(4, dtype=np.float32), np.arange(4))
    assert measured.values["top1"].tolist() == [True, False, True, True]
    assert math.isfinite(measured.metrics["nll"])
    assert retrieval(image, np.eye(4, dtype=np.float32), np.arange(4)).values["image_to_text_r1"].tolist() == [
        True,
        False,
        True,
        True,
    ]
    assert pair_choice(image, np.eye(4), np.eye(4)[::-1]).values["accuracy"].tolist() == [True, False, True, True]


def test_retrieval_against_a_loop() -> None:
    image, text = _unit(30, 0), _unit(70, 1)
    owner = np.concatenate([np.arange(30), np.random.default_rng(3).integers(0, 30, 40)])
    measured = retrieval(image, text, owner)
    similarity = image @ text.T
    for k in (1, 5, 10):
        found = [bool((owner[np.argsort(-row)[:k]] == number).any()) for number, row in enumerate(similarity)]
        assert measured.values[f"image_to_text_r{k}"].tolist() == found
        found = [owner[number] in np.argsort(-column)[:k] for number, column in enumerate(similarity.T)]
        assert measured.values[f"text_to_image_r{k}"].tolist() == found
    ranks = [1 + np.argsort(-column).tolist().index(owner[number]) for number, column in enumerate(similarity.T)]
    assert measured.metrics["text_to_image_median_rank"] == np.median(ranks)


def test_perfect_and_guessing_retrieval() -> None:
    image = _unit(200, 0, 40)
    perfect = retrieval(image, image, np.arange(200)).metrics
    assert perfect["image_to_text_r1"] == perfect["text_to_image_r1"] == 1
    assert perfect["auc"] > 0.999
    guess = retrieval(image, _unit(200, 1, 40), np.arange(200))
    assert guess.metrics["auc"] == pytest.approx(0.5, abs=0.06)
    assert guess.metrics["text_to_image_r10"] == pytest.approx(guess.chance["text_to_image_r10"], abs=0.05)


def test_equal_captions_of_two_images_do_not_spoil_each_other() -> None:
    image = np.eye(3, 4, dtype=np.float32)
    image[1] = image[0]
    assert retrieval(image, image, np.arange(3)).metrics["image_to_text_r1"] == 1


@pytest.mark.parametrize("levels", [3, 10, 10**6])
def test_auc_against_its_definition(levels: int) -> None:
    generator = np.random.default_rng(levels)
    scores = generator.integers(0, levels, 120) / levels
    labels = generator.random(120) < 0.3
    wins = [
        1.0 if positive > negative else 0.5 if positive == negative else 0.0
        for positive in scores[labels]
        for negative in scores[~labels]
    ]
    assert auc(scores, labels) == pytest.approx(np.mean(wins), abs=1e-12)
    assert auc(scores, labels) == pytest.approx(1 - auc(-scores, labels), abs=1e-12)


@pytest.mark.parametrize(("scores", "labels"), [([1.0, 2.0], [1, 1]), ([1.0, 2.0], [0, 0]), ([1.0, math.nan], [0, 1])])
def test_auc_of_nothing(scores: list[float], labels: list[int]) -> None:
    with pytest.raises(ValueError):
        auc(np.array(scores), np.array(labels, bool))


def test_arrays_that_do_not_fit() -> None:
    with pytest.raises(ValueError):
        zero_shot(_unit(3, 0), _unit(2, 0), np.zeros(2, int))
    with pytest.raises(ValueError):
        retrieval(_unit(3, 0), _unit(3, 0), np.array([0, 1, 1]))
