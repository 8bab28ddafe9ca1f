from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from vlcorpus.clip.loader import Loader
from vlcorpus.errors import CorpusError


def fill(number: int, square: np.ndarray) -> None:
    if number < 0:
        raise CorpusError(f"picture {-number}", "")
    square[...] = number % 251


def batches(count: int, *, size: int, threads: int, buffers: int = 2) -> list[list[int]]:
    found = []
    with Loader(range(count), fill, size=2, batch_size=size, threads=threads, buffers=buffers) as loader:
        while (batch := loader.take()) is not None:
            assert (batch.pixels == batch.pixels[:, :1, :1, :1]).all()
            found.append(batch.pixels[:, 0, 0, 0].tolist())
            loader.release(batch)
        assert loader.take() is None
    return found


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("size", [1, 7, 64])
@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 200])
def test_a_batch_holds_the_same_pictures_however_many_threads(count: int, size: int, threads: int) -> None:
    numbers = [number % 251 for number in range(count)]
    assert batches(count, size=size, threads=threads) == [numbers[at : at + size] for at in range(0, count, size)]


@pytest.mark.parametrize("threads", [1, 4])
def test_no_more_is_read_than_the_buffers_hold(threads: int) -> None:
    drawn = 0

    def counted() -> Iterator[int]:
        nonlocal drawn
        for number in range(100):
            drawn = number + 1
            yield number

    released = 0
    with Loader(counted(), fill, size=2, batch_size=5, threads=threads, buffers=3) as loader:
        while (batch := loader.take()) is not None:
            assert drawn <= 5 * (released + 3)
            loader.release(batch)
            released += 1
    assert (drawn, released) == (100, 20)


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_the_first_picture_that_failed_is_told(threads: int) -> None:
    before = threading.active_count()
    numbers = [*range(40), -41, *range(41, 50), -51, *range(51, 60)]
    with (
        Loader(numbers, fill, size=2, batch_size=32, threads=threads, buffers=2) as loader,
        pytest.raises(CorpusError, match="picture 41"),
    ):
        while (batch := loader.take()) is not None:
            loader.release(batch)
    assert threading.active_count() == before


@pytest.mark.parametrize("good", [0, 3, 32, 40])
def test_what_reading_raises_comes_in_its_place(good: int) -> None:
    def torn() -> Iterator[int]:
        yield from range(good)
        raise CorpusError("the tar is torn", "")

    taken = 0
    with (
        Loader(torn(), fill, size=2, batch_size=32, threads=3, buffers=2) as loader,
        pytest.raises(CorpusError, match="torn"),
    ):
        while (batch := loader.take()) is not None:
            taken += len(batch.pixels)
            loader.release(batch)
    assert taken == good // 32 * 32


def test_its_threads_end_with_it_whatever_is_left() -> None:
    before = threading.active_count()
    with Loader(range(10_000), fill, size=2, batch_size=4, threads=3, buffers=2) as loader:
        assert loader.take() is not None
        assert threading.active_count() > before
    assert threading.active_count() == before


def test_no_memory_for_a_batch_is_an_error_and_no_wait() -> None:
    with (
        Loader(range(9), fill, size=1 << 22, batch_size=1 << 14, threads=3, buffers=2) as loader,
        pytest.raises(RuntimeError),
    ):
        loader.take()
