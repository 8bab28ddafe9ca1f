"""Units by their place: compared with sets of names."""

from __future__ import annotations

import random

import pytest

from vlcorpus.pipeline.marks import DONE, FAILED, LATER, READY, RUNNING, Marks, Names

GIVEN = [
    [],
    [f"{number:05d}" for number in range(0, 40, 3)],
    ["seed-1", "seed-0"],
    ["00001", "00002", "x", "00003"],
    ["00002", "00001"],
    ["1", "02", "003"],
    ["999999999", "9999999990"],
    ["٣", "4"],
]


@pytest.mark.parametrize("given", GIVEN)
def test_names_are_a_list(given: list[str]) -> None:
    names = Names(given)
    assert [names[place] for place in range(len(names))] == given
    assert [names.place(name) for name in given] == list(range(len(given)))
    for name in ("00004", "4x", "", "3", "000003", "x", "²"):
        assert (name in names) == (name in given)


@pytest.mark.parametrize("seed", range(5))
def test_marks_are_sets(seed: int) -> None:
    chance = random.Random(seed)
    marks, sets = Marks(30), {state: set[int]() for state in (LATER, READY, RUNNING, DONE, FAILED)}
    sets[LATER] = set(range(30))
    for _ in range(300):
        if chance.random() < 0.4:
            wanted = min(sets[READY], default=None)
            assert marks.take() == wanted
            place, state = wanted, RUNNING
        else:
            place, state = chance.randrange(30), chance.choice(list(sets))
            marks.put(place, state)
        if place is not None:
            for each in sets.values():
                each.discard(place)
            sets[state].add(place)
        assert [marks.count(state) for state in sets] == [len(each) for each in sets.values()]
        assert list(marks.without(DONE)) == sorted(set(range(30)) - sets[DONE])
    after = Marks.after(marks)
    assert {place for place in range(30) if after[place] == READY} == sets[DONE] and after.count(READY) == len(
        sets[DONE]
    )
    assert after.take() == min(sets[DONE], default=None)
