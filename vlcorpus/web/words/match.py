"""Texts that say one of a list of phrases.

    terms = Terms.read(Path("terms.txt"))           one phrase a line; '#' starts a comment line
    terms.matches("A Red  PANDA, asleep")           "red panda"
    terms.matches("a redpanda")                     None
    kept, matched = terms.mask(column)              bool a row, and the phrase as its list writes it

Case (Unicode case folding), compatibility forms (NFKC) and runs of white space make no difference, soft hyphens none
either. A phrase matches whole words: it is refused where the character at its edge and the one beside it both belong to
a word, which are letters, digits, marks and `_`, so that "cat" is found in "#cat" and "cat's" but not in "cats" or
"cat_2". Words of scripts that put no space between words (Han, kana, Thai, Lao, Khmer, Burmese, Tibetan), and of
Korean, whose particles stand on the noun, have no such edges: 猫 is found in 黒猫です.

Cost: one to two microseconds a short text, for 100,000 phrases little more than for 1,000 (benchmarks/match.py); about
60 bytes of memory a character of the list. Not for patterns: those are `matches` of vlcorpus/expression.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import ahocorasick
import pyarrow as pa

from vlcorpus.errors import SourceError
from vlcorpus.web.lists.files import open_text
from vlcorpus.web.lists.lines import lines
from vlcorpus.web.words.distinct import distinct

MAX_TERMS = 1_000_000
MAX_LENGTH = 200  # characters of a phrase
MAX_TOTAL = 16_000_000  # characters of the phrases of a list: 1 GB
MAX_READ = 4 * MAX_TOTAL  # with its comments

_AT_ONCE = 4096  # texts in one walk of the automaton
_PIECE = 256  # characters normalised at once: putting a run of marks into order takes the square of its length

# Scripts without spaces between words, and Hangul.
_UNSPACED = re.compile(
    "[\u0e00-\u0fff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3040-\u318f\u31a0-"
    "\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\ua9e0-\ua9ff\uaa60-\uaa7f\uac00-\ud7ff\uf900-\ufaff\U0001aff0-"
    "\U0001b16f\U00020000-\U0003ffff]"
)
_JOINERS = "\u200c\u200d"  # within Persian and Indic words


def fold(text: str) -> str:
    """What is compared: case folded, NFKC, white space runs one space and none at the ends, no soft hyphens."""
    if text.isascii():
        return " ".join(text.split()).lower()
    if len(text) <= _PIECE:
        return " ".join(_normal(text).split())
    words = (
        "".join(_normal(word[start : start + _PIECE]) for start in range(0, len(word), _PIECE)) for word in text.split()
    )
    return " ".join(" ".join(words).split())


def _normal(text: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).replace("\u00ad", "")


@lru_cache(maxsize=1 << 14)
def in_word(character: str) -> bool:
    """Whether a neighbour of the same kind would make a word longer."""
    if _UNSPACED.match(character):
        return False
    return (
        character.isalnum()
        or character == "_"
        or character in _JOINERS
        or unicodedata.category(character).startswith("M")
    )


class Terms:
    """Phrases to look for. Those that differ in nothing that is compared count once, as first written."""

    def __init__(self, terms: Iterable[str]) -> None:
        self._terms: list[str] = []
        self._automaton = ahocorasick.Automaton()
        for term in terms:
            folded = fold(term)
            if folded and folded not in self._automaton:
                edges = (in_word(folded[0]), in_word(folded[-1]))
                self._automaton.add_word(folded, (len(self._terms), len(folded), *edges))
                self._terms.append(term.strip())
        self._automaton.make_automaton()
        self._column = pa.array(self._terms, pa.string())

    def __len__(self) -> int:
        return len(self._terms)

    @classmethod
    def read(cls, path: Path) -> Terms:
        """The phrases of a text file (UTF-8, gzip or not). Raises SourceError if it cannot be read, has none, more than
        MAX_TERMS, or one of more than MAX_LENGTH characters."""
        return cls(_phrases(path))

    def matches(self, text: str) -> str | None:
        """The phrase that starts first in the text, of several there the longest; None if there is none."""
        found = min(self._hits(fold(text)), default=None)
        return None if found is None else self._terms[found[2]]

    def mask(self, texts: pa.Array | pa.ChunkedArray | Sequence[str | None]) -> tuple[pa.BooleanArray, pa.StringArray]:
        """A row a text: whether a phrase matches, without nulls (a null text matches none), and which."""
        different, rows = distinct(texts)
        found: list[int | None] = []
        for start in range(0, len(different), _AT_ONCE):
            found += self._first([fold(text) for text in different[start : start + _AT_ONCE]])
        matched = self._column.take(pa.array(found, pa.int32()).take(rows))
        return matched.is_valid(), matched

    def _first(self, texts: list[str]) -> list[int | None]:
        """The number of each folded text's phrase. All are walked as one text: a line end is in no phrase and no
        word, so it divides them."""
        best: list[tuple[int, int, int] | None] = [None] * len(texts)
        row, end = -1, 0
        for hit in self._hits("\n".join(texts)):
            while hit[0] >= end:
                row += 1
                end += len(texts[row]) + 1
            known = best[row]
            if known is None or hit < known:
                best[row] = hit
        return [None if each is None else each[2] for each in best]

    def _hits(self, text: str) -> Iterator[tuple[int, int, int]]:
        """(start, minus length, number) of each whole phrase, by its end."""
        if not self._terms:
            return
        size = len(text)
        for last, (number, length, opens, closes) in self._automaton.iter(text):
            start = last + 1 - length
            if opens and start and in_word(text[start - 1]):
                continue
            if closes and last + 1 < size and in_word(text[last + 1]):
                continue
            yield start, -length, number


def _phrases(path: Path) -> Iterator[str]:
    count = total = read = 0
    with open_text(path) as file:
        for number, line in enumerate(lines(file), 1):
            if line is None:
                raise SourceError(f"line {number} of {path} is too long to be a phrase", "write one phrase a line")
            read += len(line)
            if read > MAX_READ:
                raise SourceError(f"{path} has more than {MAX_READ:,} characters", "divide the list")
            phrase = line.strip()
            if not phrase or phrase.startswith("#"):
                continue
            try:
                phrase.encode()
            except UnicodeEncodeError:
                raise SourceError(f"line {number} of {path} is not in UTF-8", "convert it to UTF-8 first") from None
            if len(phrase) > MAX_LENGTH:
                raise SourceError(
                    f"line {number} of {path} has more than {MAX_LENGTH} characters", "write one phrase a line"
                )
            count, total = count + 1, total + len(phrase)
            if count > MAX_TERMS or total > MAX_TOTAL:
                raise SourceError(
                    f"{path} has more than {MAX_TERMS:,} phrases or {MAX_TOTAL:,} characters", "divide the list"
                )
            yield phrase
    if not count:
        raise SourceError(f"{path} has no phrase", "write one phrase a line; lines that start with # are comments")
