"""MetaCLIP's matching and balancing (Xu et al. 2023, arXiv 2309.16671; Chuang et al. 2025, arXiv 2507.22062).

    entries = Entries(["cat", "black cat", "chair"])
    matches = entries.match(["a black cat on a chair.", "Cat", "nothing"])
    matches.numbers, matches.ends           [0, 1, 2], [3, 3, 3]        entries of each text, ascending
    counts = entries.counts(matches)        [1, 1, 1]                   texts of each entry
    keep = probability(matches, entry_probability(counts, limit=20_000))        [1.0, 0.0, 0.0]

Matching is that of facebookresearch/MetaCLIP: the text gets a space at both ends and around , . ; : ? ! and `; tabs and
line ends become spaces, runs of spaces stay; an entry with a space at both ends stands in it as a substring, case as
it is, once however often. In scripts without spaces between words no space is put at an entry's edge. `worldwide` is
MetaCLIP 2's rule, which puts none beside punctuation either ("c++" is found in "xc+++").

Balancing: an entry that `count` texts have is kept with min(1, limit / count); a text with the probability that any
of its entries is, 1 - prod(1 - p); a text without an entry never. So an entry with more than `limit` texts keeps
about `limit` of its own, and what is rare stays whole. MetaCLIP 2 takes for each language the limit that leaves it
the same share of tail counts as English has: tail_share and limit_of_share (their t_to_p and p_to_t).

Cost: docs/scores-text.md. Two walks over all texts, of which nothing is kept but the counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .automaton import Automaton, Ints, runs

LIMIT = 20_000  # of MetaCLIP-400M (and, by their account, of CLIP's WIT); 170,000 of MetaCLIP-2.5B and MetaCLIP 2

Floats = npt.NDArray[np.float64]

_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~，。、；：？！“”‘’（）【】《》〈〉「」『』～—")
# Han and its parts, kana (which MetaCLIP 2's own rule leaves out, so that its Japanese entries in kana alone match only
# between spaces), Thai, Lao, Tibetan, Burmese, Khmer.
_UNSPACED = (
    (0x0E00, 0x0FFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x2E80, 0x2FFF), (0x3005, 0x3007), (0x3040, 0x30FF),
    (0x31F0, 0x31FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0xFF66, 0xFF9F), (0x20000, 0x2FA1F),
)  # fmt: skip
_DIVIDER = "\0"  # between texts that are searched as one; in no entry


def spaced(text: str) -> str:
    """The text as it is searched: MetaCLIP's `spacing`."""
    text = f" {text} "
    for sign in ",.;:?!`":
        text = text.replace(sign, f" {sign} ")
    for space in "\t\n\r":
        text = text.replace(space, " ")
    return text


def padded(entry: str, *, worldwide: bool = False) -> str:
    """The entry as it is looked for."""
    first = "" if _unpadded(entry[0], worldwide) else " "
    last = "" if _unpadded(entry[-1], worldwide) else " "
    return f"{first}{entry}{last}"


def _unpadded(edge: str, worldwide: bool) -> bool:
    return any(low <= ord(edge) <= high for low, high in _UNSPACED) or (worldwide and edge in _PUNCTUATION)


@dataclass(frozen=True)
class Matches:
    """The entries of texts. numbers: (M,) int32, those of text r are numbers[ends[r - 1] : ends[r]], ascending, each
    once. ends: (N,) int64."""

    numbers: npt.NDArray[np.int32]
    ends: Ints

    @property
    def counts(self) -> Ints:
        """(N,) entries of each text."""
        return np.diff(self.ends, prepend=0)


class Entries:
    """A list of metadata; numbers are places in it. Of entries that are written twice the first counts."""

    def __init__(self, entries: Sequence[str], *, worldwide: bool = False) -> None:
        self.entries = [entry.replace(_DIVIDER, "\1") for entry in entries]
        self._automaton = Automaton(padded(entry, worldwide=worldwide) for entry in self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def match(self, texts: Sequence[str]) -> Matches:
        """The entries of each text."""
        numbers: list[npt.NDArray[np.int32]] = [np.zeros(0, np.int32)]
        counts: list[Ints] = [np.zeros(0, np.int64)]
        for some in runs(texts):
            found, each = self._match(some)
            numbers.append(found)
            counts.append(each)
        return Matches(np.concatenate(numbers), np.cumsum(np.concatenate(counts)))

    def _match(self, texts: list[str]) -> tuple[npt.NDArray[np.int32], Ints]:
        joined = _DIVIDER.join(texts)
        if joined.count(_DIVIDER) >= len(texts):  # one is in a text: no entry has it, so another will do
            joined = _DIVIDER.join(text.replace(_DIVIDER, "\1") for text in texts)
        searched = spaced(joined.replace(_DIVIDER, f" {_DIVIDER} "))
        codes = np.frombuffer(searched.encode("utf-32-le"), np.uint32)
        last, found = self._automaton.hits(searched)
        rows = np.searchsorted(np.flatnonzero(codes == 0), last)
        size = max(1, len(self.entries))
        keys = np.sort(rows * size + found)
        keys = keys[np.diff(keys, prepend=-1) != 0]  # each entry once, however often it stands there
        return (keys % size).astype(np.int32), np.bincount(keys // size, minlength=len(texts)).astype(np.int64)

    def counts(self, matches: Matches, copies: Ints | None = None) -> Ints:
        """(E,) texts of each entry. copies: (N,) how many texts each of the matched ones stands for; one if not
        given."""
        weights = None if copies is None else np.repeat(copies, matches.counts).astype(np.float64)
        return np.bincount(matches.numbers, weights, len(self.entries)).astype(np.int64)


def entry_probability(counts: Ints, limit: int) -> Floats:
    """(E,) min(1, limit / count)."""
    return np.asarray(limit / np.maximum(counts, limit), np.float64)


def probability(matches: Matches, entry_probabilities: Floats) -> Floats:
    """(N,) 1 - prod(1 - p) over each text's entries; 0 of a text without."""
    lost = np.ones(len(matches.ends), np.float64)
    filled, starts = _filled(matches)
    if len(filled):
        lost[filled] = np.multiply.reduceat(1 - entry_probabilities[matches.numbers], starts)
    return 1 - lost


def rarest(matches: Matches, counts: Ints) -> Ints:
    """(N,) the number of each text's entry with the fewest texts, of several the first of the list; -1 of a text
    without."""
    found = np.full(len(matches.ends), -1, np.int64)
    filled, starts = _filled(matches)
    if len(filled):
        size = max(1, len(counts))
        keys = counts[matches.numbers] * size + matches.numbers
        found[filled] = np.minimum.reduceat(keys, starts) % size
    return found


def _filled(matches: Matches) -> tuple[Ints, Ints]:
    """Texts that have entries, and where theirs begin."""
    counts = matches.counts
    filled = np.flatnonzero(counts)
    return filled, (matches.ends - counts)[filled]


def tail_share(counts: Ints, limit: int) -> float:
    """The share of all matches that are of entries with fewer than `limit` texts (MetaCLIP 2's t_to_p); 1 without
    matches."""
    total = int(counts.sum())
    return float(counts[counts < limit].sum() / total) if total else 1.0


def limit_of_share(counts: Ints, share: float) -> int:
    """The limit with about that share of tail counts (MetaCLIP 2's p_to_t): the count at which the running sum of the
    sorted counts comes closest to it. 1 at least, where theirs may be 0 and every probability none."""
    total = int(counts.sum())
    if not total:
        return 1
    ordered = np.sort(counts)
    nearest = int(np.abs(np.cumsum(ordered) / total - share).argmin())
    return max(1, int(ordered[nearest]))
