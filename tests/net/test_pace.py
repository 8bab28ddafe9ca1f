from __future__ import annotations

from dataclasses import dataclass

from vlcorpus.net.pace import LastAsked, Pace


@dataclass(eq=False)
class Visit:
    host: str
    number: int = 0


def pace_of(hosts: str, per_host: int = 2, breaker: int = 0) -> Pace[Visit]:
    pace: Pace[Visit] = Pace(per_host, breaker, 60.0)
    for number, name in enumerate(hosts):
        pace.add(Visit(name, number))
    return pace


def popped(pace: Pace[Visit], now: float = 0.0) -> str:
    found = ""
    while (visit := pace.pop(now)) is not None:
        found += visit.host
    return found


def test_hosts_take_turns_and_none_has_more_than_its_share() -> None:
    pace = pace_of("aaaaabbc")
    assert popped(pace) == "abcab"
    pace.finished("b", False, 0.0)
    assert popped(pace) == ""
    pace.finished("a", False, 0.0)
    pace.finished("a", False, 0.0)
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
    for failed in (True, False, True, None):
        pace.finished("a", failed, 0.0)
    assert not pace.is_broken("a", 0.0)
    pace.finished("a", True, 0.0)
    assert pace.is_broken("a", 59.9)
    assert not pace.is_broken("a", 60.0)
    pace.finished("a", True, 100.0)
    assert pace.is_broken("a", 100.0)
    assert not pace.is_broken("b", 100.0)


def test_a_host_with_a_gap_is_asked_one_by_one_from_the_answer_on() -> None:
    last = LastAsked()
    pace: Pace[Visit] = Pace(4, 0, 60.0, lambda visit: 5.0 if visit.host == "a" else 0.0, last)
    for name in "aaabb":
        pace.add(Visit(name))
    assert popped(pace) == "abb"
    assert pace.next_due(1.0) is None, "nothing but the end of the first can make the next due"
    pace.finished("a", False, 3.0, 2.0)
    assert pace.pop(3.0) is None
    assert pace.next_due(3.0) == 4.0
    assert popped(pace, 7.0) == "a"
    pace.finished("a", False, 8.0, None)
    assert popped(pace, 8.0) == "a", "one that was not asked makes none wait"
    pace.finished("a", True, 9.0, 9.0)
    other: Pace[Visit] = Pace(4, 0, 60.0, lambda visit: 5.0, last)
    other.add(Visit("a"))
    assert other.pop(13.9) is None
    assert popped(other, 14.0) == "a"


def test_hosts_asked_long_ago_are_forgotten() -> None:
    last = LastAsked()
    for number in range(120_000):
        last.note(f"old{number}", 0.0 if number < 90_000 else 10_000.0)
    assert (last.at("old1"), last.at("old110000")) == (None, 10_000.0)
