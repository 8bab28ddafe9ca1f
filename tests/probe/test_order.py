from __future__ import annotations

import numpy as np

from vlcorpus.probe.order import Order, caption_draws


def test_every_epoch_has_every_row_once_and_its_own_order() -> None:
    order = Order(10, seed=0)
    drawn = np.concatenate([order.rows(4 * turn, 4) for turn in range(10)])
    for epoch in range(4):
        assert sorted(drawn[10 * epoch : 10 * epoch + 10]) == list(range(10))
    assert drawn[:10].tolist() != drawn[10:20].tolist()


def test_a_position_holds_the_same_row_whoever_asks() -> None:
    whole = Order(7, seed=3, source=1).rows(0, 100)
    for start, count in ((0, 1), (6, 2), (13, 30), (99, 1), (5, 0)):
        assert Order(7, seed=3, source=1).rows(start, count).tolist() == whole[start : start + count].tolist()
    late = Order(7, seed=3, source=1)
    late.rows(90, 5)
    assert late.rows(0, 20).tolist() == whole[:20].tolist()


def test_seeds_and_sources_have_orders_of_their_own() -> None:
    orders = {tuple(Order(20, seed, source).rows(0, 20)) for seed in range(3) for source in range(3)}
    assert len(orders) == 9


def test_caption_draws_are_a_function_of_the_position() -> None:
    first = caption_draws(5, 0, 256, 64)
    assert np.array_equal(first, caption_draws(5, 0, 256, 64))
    assert not np.array_equal(first, caption_draws(5, 1, 256, 64))
    assert not np.array_equal(first, caption_draws(5, 0, 320, 64))
    assert ((first >= 0) & (first < 1)).all()
