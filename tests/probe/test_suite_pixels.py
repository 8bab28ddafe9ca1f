from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.probe.drawn import decode, write_suite
from tests.probe.test_evaluate import Colours
from vlcorpus.probe.evaluate import run_suite
from vlcorpus.probe.suite import load_suite
from vlcorpus.probe.suite_pixels import Seen


class Counted:
    def __init__(self) -> None:
        self.bodies = 0

    def __call__(self, body: bytes, /) -> np.ndarray | None:
        self.bodies += 1
        return decode(body)


def test_pictures_are_decoded_once_for_models_that_prepare_them_alike(tmp_path: Path) -> None:
    suite, count, seen = load_suite(write_suite(tmp_path, 300)), Counted(), Seen()
    first = run_suite(Colours(), suite, count, seen=seen, key="32")
    again = run_suite(Colours(), suite, count, seen=seen, key="32")
    assert count.bodies == 301
    assert first.metrics == again.metrics and first.unreadable == again.unreadable == ("broken.png",)
    run_suite(Colours(), suite, count, seen=seen, key="64")
    assert count.bodies == 602
    run_suite(Colours(), suite, count, seen=seen)  # a model that does not say how it prepares
    run_suite(Colours(), suite, count, seen=seen)
    assert count.bodies == 1204


def test_another_suite_is_another_matter(tmp_path: Path) -> None:
    one, two = (load_suite(write_suite(tmp_path / name, count)) for name, count in (("one", 20), ("two", 24)))
    seen = Seen()
    for suite, pictures in ((one, 20), (two, 24), (one, 20)):
        results = run_suite(Colours(), suite, decode, seen=seen, key="32")
        assert len(results.files["captions"]) == pictures


def test_the_memory_is_bounded(tmp_path: Path) -> None:
    suite, count = load_suite(write_suite(tmp_path, 40)), Counted()
    small = Seen(most=40 * 3 * 32 * 32 - 1)
    for _ in range(2):
        run_suite(Colours(), suite, count, seen=small, key="32")
    assert count.bodies == 82
    one = Seen(most=40 * 3 * 32 * 32)
    for key in ("a", "b", "b", "a"):
        run_suite(Colours(), suite, count, seen=one, key=key)
    assert count.bodies == 82 + 3 * 41
