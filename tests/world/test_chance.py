from __future__ import annotations

from collections import Counter

from vlcorpus.world.chance import below, order, pick, shares_of, stream


def test_a_stream_depends_on_seed_name_and_number_alone() -> None:
    first = stream(1, "a", 2).random(4).tolist()
    assert stream(1, "a", 2).random(4).tolist() == first
    others = [stream(2, "a", 2), stream(1, "b", 2), stream(1, "a", 3)]
    assert all(other.random(4).tolist() != first for other in others)


def test_the_bits_of_a_stream_are_pinned() -> None:
    # A change here changes every world: raise the site's version with it.
    assert [below(stream(1, "site.scene", number), 1_000_000) for number in range(3)] == [958744, 524201, 434898]


def test_order_is_a_permutation() -> None:
    assert sorted(order(stream(1, "a"), 100)) == list(range(100))
    assert order(stream(1, "a"), 100) != list(range(100))


def test_pick_reaches_every_choice() -> None:
    rng = stream(1, "a")
    assert set(Counter(pick(rng, "abcd") for _ in range(400))) == set("abcd")


def test_shares_sum_to_the_total_and_are_within_one() -> None:
    shares = {"a": 0.3, "b": 0.385, "c": 0.105, "d": 0.105, "e": 0.105}
    for total in (0, 1, 7, 60, 6001):
        counts = shares_of(total, shares)
        assert sum(counts.values()) == total
        assert all(abs(counts[name] - total * share) < 1 for name, share in shares.items())
