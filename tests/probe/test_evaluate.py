from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.probe.drawn import CLASSES, COLOURS, SHAPES, decode, write_suite
from vlcorpus.errors import SourceError
from vlcorpus.probe.evaluate import classifier, run_suite
from vlcorpus.probe.suite import load_suite


class Colours:
    """Sees the colour of the brightest pixel and nothing else; counts what it is asked."""

    scale = 20.0

    def __init__(self) -> None:
        self.images = 0
        self.texts: list[str] = []
        self._known = np.array(list(COLOURS.values()), np.float32)

    def preprocess(self, rgb: np.ndarray) -> np.ndarray:
        return rgb.transpose(2, 0, 1)

    def encode_images(self, batch: np.ndarray) -> np.ndarray:
        self.images += len(batch)
        flat = batch.reshape(len(batch), 3, -1).astype(np.float32)
        brightest = flat[np.arange(len(batch)), :, flat.max(1).argmax(1)]
        nearest = ((brightest[:, None] - self._known[None]) ** 2).sum(2).argmin(1)
        return np.eye(4, dtype=np.float32)[nearest]

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        self.texts += texts
        rows = np.array([[colour in text for colour in COLOURS] for text in texts], np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_a_model_that_sees_colour_only(tmp_path: Path) -> None:
    encoder = Colours()
    results = run_suite(encoder, load_suite(write_suite(tmp_path)), decode)
    assert results.metrics["swapped"]["accuracy"] > 0.98
    assert results.metrics["colour_shape"]["top1"] == 0  # the four shapes of a colour tie, and a tie is a miss
    assert results.metrics["colour_shape"]["top5"] > 0.98
    assert results.metrics["colour_shape"]["nll"] < results.chance["colour_shape"]["nll"]
    assert results.metrics["captions"]["auc"] > 0.8
    assert 0.15 < results.metrics["kinds"]["accuracy"] < 0.5
    assert results.unreadable == ("broken.png",)
    assert results.failed_rows == 0
    assert len(results.values["colour_shape"]["top1"]) == 160
    assert (results.suite, results.suite_version) == ("shapes", 3)
    assert results.flat()["swapped.accuracy"] == results.metrics["swapped"]["accuracy"]


def test_everything_is_encoded_once(tmp_path: Path) -> None:
    encoder = Colours()
    run_suite(encoder, load_suite(write_suite(tmp_path)), decode)
    assert encoder.images == 160
    assert len(encoder.texts) == len(set(encoder.texts))


def test_a_class_is_the_mean_of_its_prompts() -> None:
    encoder = Colours()
    rows = classifier(encoder, {"warm": ["red", "white"], "cold": ["blue"]}, ["a {}", "{c}!"])
    assert encoder.texts == ["a red", "red!", "a white", "white!", "a blue", "blue!"]
    assert np.allclose(rows, [[0.5**0.5, 0, 0, 0.5**0.5], [0, 0, 1, 0]], atol=1e-6)
    assert classifier(encoder, ["red {0.__class__}", "blue"], ["{}"]).shape == (2, 4)


def test_links_out_of_the_directory_are_not_followed(tmp_path: Path) -> None:
    path = write_suite(tmp_path / "suite", count=14)
    picture = tmp_path / "suite" / "images" / "0.png"
    picture.rename(tmp_path / "secret.png")
    picture.symlink_to(tmp_path / "secret.png")
    (tmp_path / "suite" / "images" / "1.png").unlink()
    results = run_suite(Colours(), load_suite(path), decode)
    assert results.unreadable == ("0.png", "1.png", "broken.png")


def test_a_task_without_pictures(tmp_path: Path) -> None:
    path = write_suite(tmp_path, count=14)
    with pytest.raises(SourceError, match="colour_shape"):
        run_suite(Colours(), load_suite(path), lambda content: None)


def test_broken_vectors_are_counted(tmp_path: Path) -> None:
    class Broken(Colours):
        def encode_images(self, batch: np.ndarray) -> np.ndarray:
            rows = super().encode_images(batch)
            rows[0] = np.nan
            return rows

    results = run_suite(Broken(), load_suite(write_suite(tmp_path, count=12)), decode)
    assert results.failed_rows == 1
    assert not results.values["swapped"]["accuracy"][0]
    assert all(np.isfinite(value) for value in results.flat().values())


def test_the_drawn_world_is_what_it_says() -> None:
    assert len(CLASSES) == len(COLOURS) * len(SHAPES) == 16
