from __future__ import annotations

from dataclasses import dataclass

import pytest

from vlcorpus.net import pace as pacing
from vlcorpus.net.pace import LastAsked, Pace
from vlcorpus.net.retry import Health


@dataclass(eq=False)
class Visit:
    host: str
    number: int = 0


def pace_of(hosts: str, per_host: int = 2, breaker: int = 0, adaptive: bool = False) -> Pace[Visit]:
    """All hosts are met already."""
    pace: Pace[Visit] = Pace(per_host, breaker, 60.0, adaptive=adaptive)
    for number, name in enumerate(hosts):
        pace.add(Visit(name, number))
        pace.met(name)
    return pace


def popped(pace: Pace[Visit], now: float = 0.0) -> str:
    found = ""
    while (visit := pace.pop(now)) is not None:
        found += visit.host
    return found


def test_hosts_take_turns_and_none_has_more_than_its_share() -> None:
    pace = pace_of("aaaaabbc")
    assert popped(pace) == "abcab"
    pace.finished("b", 0.0, Health.WELL)
    assert popped(pace) == ""
    pace.finished("a", 0.0, Health.WELL)
    pace.finished("a", 0.0, Health.WELL)
    assert popped(pace) == "aa"
    assert pace.next_due(0.0) is None


def test_a_held_host_waits_and_others_do_not() -> None:
    pace = pace_of("abab")
    assert pace.pop(0.0) is not None
    pace.hold("a", 5.0)
    assert popped(pace, 1.0) == "bb"
    assert pace.next_due(1.0) == 4.0
    assert popped(pace, 5.0) == "a"


def test_later_means_later_and_then_first() -> None:
    pace = pace_of("", per_host=1)
    pace.add_later(Visit("a", 7), 3.0)
    assert pace.pop(2.9) is None
    assert pace.next_due(1.0) == 2.0
    pace.add(Visit("a", 8))
    visit = pace.pop(3.0)
    assert visit is not None and visit.number == 7


def test_the_breaker_opens_after_failures_in_a_row_and_closes_with_time() -> None:
    pace = pace_of("aaaaaa", per_host=9, breaker=2)
    assert popped(pace) == "aaaaaa"
    for health in (Health.ILL, Health.WELL, Health.FULL, None):
        pace.finished("a", 0.0, health)
    assert not pace.is_resting("a", 0.0)
    pace.finished("a", 0.0, Health.FULL)
    assert pace.is_resting("a", 59.9)
    assert not pace.is_resting("a", 60.0)
    pace.finished("a", 100.0, Health.FULL)
    assert pace.is_resting("a", 100.0)
    assert not pace.is_resting("b", 100.0)


def test_after_its_rest_a_host_is_tried_with_one_request() -> None:
    pace = pace_of("aa", per_host=4, breaker=2)
    assert popped(pace) == "aa"
    for _ in range(2):
        pace.finished("a", 0.0, Health.ILL)
    for number in range(20):
        pace.add(Visit("a", number))
    assert [pace.pop(1.0) is not None for _ in range(7)] == [True] * 7, "to be answered without asking"
    for _ in range(7):
        pace.finished("a", 1.0, None)
    assert popped(pace, 60.0) == "a"
    pace.finished("a", 61.0, Health.ILL)
    assert pace.is_resting("a", 120.9)
    assert popped(pace, 121.0) == "a"
    pace.finished("a", 122.0, Health.WELL)
    assert popped(pace, 122.0) == "aaaa"


def test_an_unknown_host_gets_one_request_until_it_is_met() -> None:
    pace: Pace[Visit] = Pace(3, 0, 60.0)
    for number in range(9):
        pace.add(Visit("a", number))
    assert popped(pace) == "a"
    pace.finished("a", 0.0, None)
    assert popped(pace) == "a", "one that was not asked teaches nothing"
    pace.met("a")
    assert popped(pace) == "aa"
    other: Pace[Visit] = Pace(3, 0, 60.0)
    for number in range(9):
        other.add(Visit("b", number))
    assert popped(other) == "b"
    other.finished("b", 0.0, Health.ILL)
    assert popped(other) == "bbb"


def test_a_host_that_fails_for_load_gets_half_and_others_do_not() -> None:
    pace = pace_of("a" * 20 + "b" * 20, per_host=8, adaptive=True)
    assert sorted(popped(pace)) == list("a" * 8 + "b" * 8)
    for _ in range(8):
        pace.finished("a", 2.0, Health.FULL, began=1.0)
        pace.finished("b", 2.0, Health.ILL, began=1.0)
    assert (pace.at_once("a"), pace.at_once("b"), pace.at_once("c")) == (4, 8, 8)
    assert sorted(popped(pace, 2.0)) == list("aaaa" + "b" * 8)
    for _ in range(9):
        for _ in range(4):
            pace.finished("a", 3.0, Health.WELL, began=2.0)
            pace.add(Visit("a"))
        assert popped(pace, 3.0) == "aaaa"
    assert pace.at_once("a") == 4
    for _ in range(4):
        pace.finished("a", 3.0, Health.WELL, began=2.0)
    assert pace.at_once("a") == 5


def test_a_dead_host_is_given_up_after_as_many_rounds_with_a_small_share_as_with_a_full_one() -> None:
    rounds = []
    for adaptive in (False, True):
        pace = pace_of("a" * 100, per_host=8, breaker=50, adaptive=adaptive)
        now = 0.0
        while not pace.is_resting("a", now):
            started = len(popped(pace, now))
            now += 1.0
            for _ in range(started):
                pace.finished("a", now, Health.FULL, began=now - 1.0)
        rounds.append(now)
    assert rounds == [7.0, 7.0]


def test_a_host_at_rest_is_asked_nothing_and_keeps_nobody_waiting() -> None:
    pace = pace_of("aaab", per_host=1)
    assert popped(pace) == "ab"
    pace.rest("a", 100.0)
    pace.finished("a", 1.0, Health.FULL)
    assert pace.is_resting("a", 99.9)
    assert popped(pace, 2.0) == "aa"
    assert not pace.is_resting("a", 100.0)


def test_hosts_of_which_there_is_nothing_to_ask_are_forgotten_those_at_rest_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pacing, "_MANY_LANES", 100)
    pace: Pace[Visit] = Pace(2, 5, 60.0)
    for number in range(1000):
        name = str(number)
        pace.add(Visit(name))
        pace.pop(1.0)
        pace.finished(name, 1.0, Health.ILL)
        if number < 10:
            pace.rest(name, 500.0)
        pace.pop(1.0)
    assert len(pace._lanes) <= 100
    assert pace.is_resting("9", 2.0)


def test_a_host_with_a_gap_is_asked_one_by_one_from_the_answer_on() -> None:
    last = LastAsked()
    pace: Pace[Visit] = Pace(4, 0, 60.0, lambda visit: 5.0 if visit.host == "a" else 0.0, last)
    for name in "aaabb":
        pace.add(Visit(name))
    pace.met("b")
    assert popped(pace) == "abb"
    assert pace.next_due(1.0) is None, "nothing but the end of the first can make the next due"
    pace.finished("a", 3.0, Health.WELL, answered=2.0)
    assert pace.pop(3.0) is None
    assert pace.next_due(3.0) == 4.0
    assert popped(pace, 7.0) == "a"
    pace.finished("a", 8.0, None)
    assert popped(pace, 8.0) == "a", "one that was not asked makes none wait"
    pace.finished("a", 9.0, Health.ILL, answered=9.0)
    other: Pace[Visit] = Pace(4, 0, 60.0, lambda visit: 5.0, last)
    other.add(Visit("a"))
    assert other.pop(13.9) is None
    assert popped(other, 14.0) == "a"


def test_hosts_asked_long_ago_are_forgotten() -> None:
    last = LastAsked()
    for number in range(120_000):
        last.note(f"old{number}", 0.0 if number < 90_000 else 10_000.0)
    assert (last.at("old1"), last.at("old110000")) == (None, 10_000.0)
