"""Terms of a list in texts: how many each has, and which.

    entities = Entities([("dog", "n02084071"), ("hot dog", "n07697537")], fold=fold, in_word=in_word)
    found = entities.find(["A Dog eats a hot dog", "hotdogs"])
    found["entity_count"]           [2, 0]
    found["first_entity"]           ["n02084071", null]
    found["entities"]               [["n02084071", "n07697537"], []]

A term matches whole words; of terms that overlap the one that starts first counts, of several there the longest. `fold`
says what is compared (case folded, say; its result may not hold a line end) and `in_word` which characters make a word
longer, so that scripts without spaces are matched as one likes. Cost: docs/scores-text.md; not for patterns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from .automaton import Automaton, Ints, runs

MOST = 16  # different entities kept of a text

_LONGEST = 1 << 20


class Entities:
    """Terms to look for, each with the name it is given: an id, or the term itself. Of two that fold to the same the
    first counts."""

    def __init__(
        self, terms: Iterable[tuple[str, str]], *, fold: Callable[[str], str], in_word: Callable[[str], bool]
    ) -> None:
        self._fold, self._in_word = fold, in_word
        named: dict[str, str] = {}
        for term, name in terms:
            folded = fold(term)
            if folded:
                named.setdefault(folded, name)
        self._automaton = Automaton(named)
        names = {name: place for place, name in enumerate(dict.fromkeys(named.values()))}
        self._names = pa.array(names, pa.string())
        self._named = np.array([names[name] for name in named.values()], np.int64)
        self._lengths = np.array([len(term) for term in named], np.int64)
        self._opens = np.array([in_word(term[0]) for term in named], np.bool_)
        self._closes = np.array([in_word(term[-1]) for term in named], np.bool_)

    def __len__(self) -> int:
        return len(self._lengths)

    def find(self, texts: Sequence[str]) -> dict[str, pa.Array]:
        """entity_count int32 (occurrences), first_entity string (null where there is none), entities list<string>
        (different ones in the order of the text, MOST at most); a value a text."""
        counts: list[int] = []
        numbers: list[int] = []
        ends = [0]
        for some in runs(map(self._fold, texts)):
            for found in self._found(some):
                counts.append(len(found))
                numbers += list(dict.fromkeys(found))[:MOST]
                ends.append(len(numbers))
        offsets = np.array(ends, np.int64)
        named = self._names.take(pa.array(numbers, pa.int32()))
        first = pa.array(offsets[:-1], mask=offsets[1:] == offsets[:-1])
        return {
            "entity_count": pa.array(counts, pa.int32()),
            "first_entity": named.take(first),
            "entities": pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), named),
        }

    def _found(self, texts: list[str]) -> list[list[int]]:
        """Where the names of each folded text's terms are, in its order. All are walked as one text: a line end is in
        no term and no word, so it divides them."""
        found: list[list[int]] = [[] for _ in texts]
        starts, lengths, numbers = self._whole("\n".join(texts))
        order = np.argsort(starts * _LONGEST - lengths, kind="stable")
        rows = np.searchsorted(np.cumsum([len(text) + 1 for text in texts]), starts, "right")
        free = 0
        hits = (each[order].tolist() for each in (starts, lengths, self._named[numbers], rows))
        for start, length, name, row in zip(*hits, strict=True):
            if start >= free:
                found[row].append(name)
                free = start + length
        return found

    def _whole(self, text: str) -> tuple[Ints, Ints, Ints]:
        """Start, length and number of each hit that ends no word in the middle."""
        last, numbers = self._automaton.hits(text)
        lengths = self._lengths[numbers]
        starts = last + 1 - lengths
        within = np.zeros(len(text) + 2, np.bool_)  # whether each character is in a word; one before and one behind
        within[1:-1] = self._within(text)
        whole = ~(self._opens[numbers] & within[starts]) & ~(self._closes[numbers] & within[last + 2])
        return starts[whole], lengths[whole], numbers[whole]

    def _within(self, text: str) -> npt.NDArray[np.bool_]:
        codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
        kinds = np.zeros(0x110000, np.bool_)
        for code in np.flatnonzero(np.bincount(codes)).tolist():
            kinds[code] = self._in_word(chr(code))
        return kinds[codes]
