"""The units of a step by their place in order, with a byte for what is known of each.

    names = Names(("00000", "00001", "00007"))      names[2] == "00007"; names.place("00007") == 2
    marks = Marks(len(names), READY)
    marks.take()                                    0: the first that is ready, which runs from now on
    marks.put(0, DONE)

A hundred thousand shards cost 0.4 MB for their names, once, and 0.1 MB a step; as sets of names they would cost twenty
times that.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable

LATER, READY, RUNNING, DONE, FAILED = range(5)
_STATES = 5
_FOLLOWING = bytes(READY if state == DONE else LATER for state in range(256))


class Names:
    """Unit names in order. Numbers of one width, as shards have, are kept as numbers."""

    def __init__(self, names: Iterable[str]) -> None:
        self._numbers = array("I")
        self._width = 0
        self._others: list[str] = []
        self._places: dict[str, int] = {}
        for name in names:
            self._add(name)

    def _add(self, name: str) -> None:
        if not self._others:
            plain = name.isascii() and name.isdecimal() and len(name) <= 9
            first = not self._numbers
            if plain and (first or (len(name) == self._width and int(name) > self._numbers[-1])):
                self._width = len(name)
                self._numbers.append(int(name))
                return
            self._others = [self[place] for place in range(len(self._numbers))]
            self._places = {each: place for place, each in enumerate(self._others)}
            del self._numbers[:]
        self._places[name] = len(self._others)
        self._others.append(name)

    def __len__(self) -> int:
        return len(self._others) or len(self._numbers)

    def __getitem__(self, place: int) -> str:
        return self._others[place] if self._others else f"{self._numbers[place]:0{self._width}d}"

    def __contains__(self, name: str) -> bool:
        try:
            self.place(name)
        except KeyError:
            return False
        return True

    def place(self, name: str) -> int:
        """KeyError where there is no such unit."""
        if self._others:
            return self._places[name]
        number = int(name) if name.isdecimal() else -1
        found = bisect_left(self._numbers, number) if number >= 0 else len(self._numbers)
        if found == len(self._numbers) or self[found] != name:
            raise KeyError(name)
        return found


class Marks:
    """What is known of each unit: LATER, READY, RUNNING, DONE or FAILED."""

    def __init__(self, length: int, state: int = LATER) -> None:
        self._bytes = bytearray([state]) * length
        self._counts = [0] * _STATES
        self._counts[state] = length
        self._first = 0  # nothing before it is ready

    @classmethod
    def after(cls, followed: Marks) -> Marks:
        """Of a step that follows another: ready is what is done there."""
        made = cls(0)
        made._bytes = followed._bytes.translate(_FOLLOWING)
        made._counts = [made._bytes.count(state) for state in range(_STATES)]
        return made

    def __len__(self) -> int:
        return len(self._bytes)

    def __getitem__(self, place: int) -> int:
        return self._bytes[place]

    def count(self, state: int) -> int:
        return self._counts[state]

    def put(self, place: int, state: int) -> None:
        self._counts[self._bytes[place]] -= 1
        self._counts[state] += 1
        self._bytes[place] = state
        if state == READY:
            self._first = min(self._first, place)

    def take(self) -> int | None:
        """The first unit that is ready; it runs from now on."""
        if not self._counts[READY]:
            return None
        place = self._bytes.find(READY, self._first)
        self._first = place + 1
        self.put(place, RUNNING)
        return place

    def without(self, state: int) -> Iterable[int]:
        """Places of the units that are not in a state."""
        return (place for place, each in enumerate(self._bytes) if each != state)
