"""Measures on frozen vectors, and what a model's own probabilities are worth."""

from __future__ import annotations

import numpy as np
import pytest

from vlcorpus.probe.measures import linear_probe, nearest, zero_shot
from vlcorpus.probe.measures.linear import PENALTIES, _Ridge
from vlcorpus.probe.measures.zero_shot import calibration_error


def unit(count: int, seed: int, dimension: int = 12) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def told(count: int, seed: int, classes: int = 4, strength: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    labels = np.random.default_rng(seed + 100).integers(0, classes, count)
    rows = unit(count, seed) + strength * np.eye(classes, 12, dtype=np.float32)[labels]
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), labels


def test_ridge_against_its_equation() -> None:
    rows, labels = told(80, 0)
    wanted = np.eye(4)[labels]
    centred, penalty = rows.astype(float) - rows.mean(0, dtype=float), PENALTIES[9]
    gram = centred.T @ centred
    weights = np.linalg.solve(gram + penalty * np.trace(gram) / 12 * np.eye(12), centred.T @ (wanted - wanted.mean(0)))
    slow = (centred @ weights + wanted.mean(0)).argmax(1)
    assert _Ridge(rows.astype(float), wanted).guess(rows.astype(float), penalty).tolist() == slow.tolist()


def test_a_probe_learns_from_the_training_rows_alone() -> None:
    train, train_labels = told(300, 0)
    test, labels = told(200, 1)
    good = linear_probe(test, labels, train, train_labels)
    assert good.metrics["accuracy"] > 0.8 and good.values["accuracy"].mean() == good.metrics["accuracy"]
    wrong = linear_probe(test, labels, train, (train_labels + 1) % 4)
    assert wrong.metrics["accuracy"] < 0.1
    unseen = linear_probe(test, labels, train[train_labels != 2], train_labels[train_labels != 2])
    assert not (unseen.guess_N == 2).any()
    with pytest.raises(ValueError):
        linear_probe(test, labels, train[:9], train_labels[:9])


def test_classes_that_take_turns_are_found_all_the_same() -> None:
    labels = np.arange(200) % 5
    rows = unit(200, 3) + 2 * np.eye(5, 12, dtype=np.float32)[labels]
    assert linear_probe(rows, labels).metrics["accuracy"] > 0.9


def test_noise_gives_the_large_penalty() -> None:
    """Nothing to be learned: whatever is chosen stays at chance."""
    labels = np.random.default_rng(0).integers(0, 2, 400)
    found = linear_probe(unit(400, 1), labels)
    assert found.metrics["accuracy"] == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize("own", [True, False])
def test_neighbours_against_a_loop(own: bool) -> None:
    test, labels = told(90, 0, strength=0.5)
    train, classes = (test, labels) if own else told(150, 1, strength=0.5)
    most, first = [], []
    for place, row in enumerate(test):
        near = train @ row
        if own:
            near[place] = -np.inf
        ranked = np.argsort(-near, kind="stable")[:20]
        votes = [sum(np.exp(float(near[at]) / 0.07) for at in ranked if classes[at] == label) for label in range(4)]
        most.append(int(np.argmax(votes)))
        first.append(int(classes[ranked[0]]))
    found = nearest(test, labels) if own else nearest(test, labels, train, classes)
    assert found.guess_N is not None and found.guess_N.tolist() == most
    assert found.metrics["knn20"] == pytest.approx(np.mean(most == labels))
    assert found.metrics["knn1"] == pytest.approx(np.mean(first == labels))


def test_neighbours_of_broken_rows() -> None:
    test, labels = told(30, 0, strength=3)
    train, classes = told(40, 1, strength=3)
    test[2], train[5] = np.nan, np.nan
    found = nearest(test, labels, train, classes)
    assert found.guess_N is not None and found.guess_N[2] == -1
    assert found.values["knn1"][2] == found.values["knn20"][2] == 0
    assert found.metrics["knn1"] > 0.8
    with pytest.raises(ValueError):
        nearest(test[:1], labels[:1])


def test_calibration_against_a_loop() -> None:
    generator = np.random.default_rng(0)
    sure, right = generator.random(500), generator.random(500) < 0.4
    sure[:3] = 1.0, 1 / 15, 2 / 15
    slow = 0.0
    for number in range(15):
        inside = (sure > number / 15) & (sure <= (number + 1) / 15)
        if inside.any():
            slow += inside.mean() * abs(right[inside].mean() - sure[inside].mean())
    assert calibration_error(sure, right) == pytest.approx(slow)


def test_a_model_that_knows_how_sure_it_is() -> None:
    image, classes = unit(4000, 0, 6), unit(5, 1, 6)
    logits = 8.0 * image @ classes.T
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    generator = np.random.default_rng(2)
    labels = np.array([generator.choice(5, p=row / row.sum()) for row in shares.astype(float)])
    assert zero_shot(image, classes, labels, scale=8.0).metrics["ece"] < 0.04
    assert zero_shot(image, classes, labels, scale=80.0).metrics["ece"] > 0.2


def test_equals_at_the_border_go_by_row() -> None:
    train = np.eye(3, dtype=np.float32)[[1] * 30 + [0] * 30]
    classes = np.array([0] * 30 + [1, 2] * 15)
    found = nearest(train[30:31], np.array([1]), train, classes, neighbours=3)
    assert found.metrics == {"knn3": 1.0, "knn1": 1.0}  # rows 30, 31 and 32 of thirty equals: 1, 2, 1
