"""What can be said of a text without knowing its language: its length, what it is made of, what it is no caption for.

    measured = measure(pa.array(["A black cat on a chair", "IMG_2034.jpg", "猫が椅子の上で寝ている", "photo"]))
    measured["text_words"]              [6, 1, 1, 1]        len(text.split()) of Python
    measured["text_length"]             [22, 12, 11, 5]     len(text) of Python
    measured["letter_share"]            [1.0, 0.5, 1.0, 1.0]
    measured["file_name_like"]          [false, true, false, false]
    measured["placeholder_like"]        [false, true, false, true]

COLUMNS says what each is. No value is missing: of a text without characters (words, letters) that could be counted, the
shares are 0. A rule looks at form, never at sense: keyword lists of honest captions ("apples, pears, plums, ...") are
seo_like, too. Words are what stands between white space, so a sentence in Chinese or Thai is one word of many
characters: do not ask text_words of them, but text_length.

Cost: about 150,000 texts a second and core (docs/scores-text.md); some 40 bytes of memory for each byte of a PIECE.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from . import text_patterns as patterns

COLUMNS = {
    "text_length": pa.int32(),
    "text_words": pa.int32(),
    "alnum_share": pa.float32(),
    "letter_share": pa.float32(),
    "digit_share": pa.float32(),
    "upper_share": pa.float32(),
    "longest_word": pa.int32(),
    "longest_run": pa.int32(),
    "distinct_words_share": pa.float32(),
    "top_word_share": pa.float32(),
    "file_name_like": pa.bool_(),
    "seo_like": pa.bool_(),
    "placeholder_like": pa.bool_(),
}

PIECE = 1 << 21  # bytes of text measured at once
STUFFED_PARTS = 6  # a list of so many parts
STUFFED_WORDS = 3  # of so few words each in the mean, or
STUFFED_PIPES = 3  # so many bars

_LETTER, _DIGIT, _SPACE, _UPPER, _SEPARATOR = 1, 2, 4, 8, 16
_BAR = ord("|")

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def measure(texts: pa.StringArray) -> dict[str, pa.Array]:
    """Every column of COLUMNS, one value a text. texts: valid UTF-8; null is read as an empty text."""
    made = [_measured(piece) for piece in pieces(texts.fill_null(""))]
    return {name: pa.concat_arrays([each[name] for each in made]) for name in COLUMNS}


def pieces(texts: pa.StringArray, size: int = PIECE) -> Iterator[pa.StringArray]:
    """The texts in runs of at most `size` bytes, or of one text; one run at least."""
    ends = np.zeros(1, np.int32)
    if len(texts):
        ends = np.frombuffer(texts.buffers()[1], np.int32)[texts.offset : texts.offset + len(texts) + 1]
    start = 0
    while True:
        stop = int(np.searchsorted(ends, ends[start] + size, "right")) - 1 if start < len(texts) else start
        stop = max(stop, start + 1)
        yield texts.slice(start, stop - start)
        start = stop
        if start >= len(texts):
            return


def _measured(texts: pa.StringArray) -> dict[str, pa.Array]:
    lengths = pc.utf8_length(texts).to_numpy(zero_copy_only=False).astype(np.int64)
    codes = np.frombuffer(_bytes(texts).decode("utf-8").encode("utf-32-le"), np.uint32)
    ends = np.cumsum(lengths)
    rows = _Rows(ends - lengths, ends)
    kinds = _kinds()[codes]
    letters, digits = rows.count(kinds & _LETTER), rows.count(kinds & _DIGIT)
    visible = lengths - rows.count(kinds & _SPACE)
    words = _Words(codes, (kinds & _SPACE) != 0, rows)
    distinct, top, dashes = words.repeated()
    separators = rows.count(kinds & _SEPARATOR)
    parts = separators + dashes + 1
    stuffed = (parts >= STUFFED_PARTS) & (words.counts - dashes <= STUFFED_WORDS * parts)
    stuffed |= rows.count(codes == _BAR) >= STUFFED_PIPES
    found = {
        "text_length": lengths,
        "text_words": words.counts,
        "alnum_share": _share(letters + digits, visible),
        "letter_share": _share(letters, visible),
        "digit_share": _share(digits, visible),
        "upper_share": _share(rows.count(kinds & _UPPER), letters),
        "longest_word": words.longest(),
        "longest_run": _longest_run(codes, kinds, rows),
        "distinct_words_share": _share(distinct, words.counts),
        "top_word_share": _share(top, words.counts),
        "file_name_like": file_name_like(texts),
        "seo_like": pc.or_(pa.array(stuffed), pc.match_substring_regex(texts, patterns.SOLD)),
        "placeholder_like": placeholder_like(texts, lengths),
    }
    return {name: pa.array(found[name], kind) if name in _COUNTED else found[name] for name, kind in COLUMNS.items()}


_COUNTED = [name for name, kind in COLUMNS.items() if kind != pa.bool_()]


def file_name_like(texts: pa.StringArray) -> pa.BooleanArray:
    """Whether each text is a file's name, or ends like one: camera names, screenshots, UUIDs, hashes, slugs."""
    named = pc.match_substring_regex(texts, patterns.FILE_NAME)
    return pc.or_(named, pc.match_substring_regex(texts, patterns.FILE_ENDING))


def placeholder_like(texts: pa.StringArray, lengths: Ints) -> pa.BooleanArray:
    """Whether each text says nothing of an image: no letter and no digit, or a stock word of many languages ("image",
    "photo 3", "untitled", "无标题"), whatever digits and signs stand beside it. lengths: characters of each."""
    short = lengths <= patterns.LONGEST_PLACEHOLDER
    some = texts.filter(pa.array(short))
    named = pc.utf8_lower(pc.utf8_normalize(some, form="NFC"))
    named = pc.replace_substring_regex(named, patterns.IMAGE_ENDING + r"\s*$", "")
    named = pc.replace_substring_regex(named, r"[^\pL\pM]+", " ")
    named = pc.utf8_trim(named, " ")
    nothing = pc.and_(pc.equal(named, ""), pc.invert(pc.match_substring_regex(some, r"\pN")))
    known = pc.is_in(named, value_set=pa.array(sorted(patterns.PLACEHOLDERS)))
    found = np.zeros(len(texts), np.bool_)
    found[short] = pc.or_(nothing, known).to_numpy(zero_copy_only=False)
    long = np.flatnonzero(~short)  # a thousand dots are no caption either
    if len(long):
        said = pc.match_substring_regex(texts.take(pa.array(long)), r"[\pL\pN]")
        found[long] = ~said.to_numpy(zero_copy_only=False)
    return pa.array(found)


class _Rows:
    """Where each text lies in the characters of all: from starts to before ends."""

    def __init__(self, starts: Ints, ends: Ints) -> None:
        self.starts, self.ends = starts, ends
        self.filled = np.flatnonzero(ends > starts)  # reduceat knows no empty rows

    def count(self, marks: npt.NDArray[np.generic]) -> Ints:
        """How many characters of each row are marked (not zero)."""
        counts = np.zeros(len(self.starts), np.int64)
        if len(self.filled):
            counts[self.filled] = np.add.reduceat((marks != 0).view(np.int8), self.starts[self.filled], dtype=np.int32)
        return counts


class _Words:
    """The words of each row: str.split()."""

    def __init__(self, codes: npt.NDArray[np.uint32], space: Bools, rows: _Rows) -> None:
        held = ~space
        first = np.zeros(len(codes) + 1, np.bool_)
        first[rows.starts] = True
        first[rows.ends] = True
        opens, closes = held.copy(), held.copy()
        opens[1:] &= space[:-1] | first[1:-1]
        closes[:-1] &= space[1:] | first[1:-1]
        self.lengths: Ints = np.flatnonzero(closes) + 1 - np.flatnonzero(opens)
        self.counts = rows.count(opens)
        self._letters = codes[held]

    def longest(self) -> Ints:
        """Characters of each row's longest word; 0 of a row without."""
        return _maxima(self.lengths, self.counts)

    def repeated(self) -> tuple[Ints, Ints, Ints]:
        """Of each row: its different words (in lower case), how often the most frequent of them stands there, and how
        many of its words are dashes."""
        written = self._arrow().dictionary_encode()
        words = pc.utf8_lower(written.dictionary).dictionary_encode()
        numbers = words.indices.to_numpy()[written.indices.to_numpy()].astype(np.int64)
        row = np.repeat(np.arange(len(self.counts)), self.counts)
        size = max(1, len(words.dictionary))
        keys = np.sort(row * size + numbers)
        runs = np.flatnonzero(np.diff(keys, prepend=-1))
        owners = keys[runs] // size
        distinct = np.bincount(owners, minlength=len(self.counts)).astype(np.int64)
        top = _maxima(np.diff(runs, append=len(keys)), distinct)
        dash = pc.is_in(words.dictionary, value_set=pa.array(patterns.DASHES)).to_numpy(zero_copy_only=False)
        dashes = np.bincount(row[dash[numbers]], minlength=len(self.counts)).astype(np.int64)
        return distinct, top, dashes

    def _arrow(self) -> pa.StringArray:
        """All words, one after the other."""
        body = self._letters.tobytes().decode("utf-32-le").encode("utf-8")
        ends = np.cumsum(self.lengths)
        wide = np.flatnonzero(self._letters >= 0x80)  # characters of more than one byte
        if len(wide):
            code = self._letters[wide]
            more = 1 + (code >= 0x800).astype(np.int64) + (code >= 0x10000)
            ends = ends + np.concatenate([[0], np.cumsum(more)])[np.searchsorted(wide, ends)]
        offsets = np.concatenate([[0], ends]).astype(np.int32)
        return pa.StringArray.from_buffers(len(self.lengths), pa.py_buffer(offsets), pa.py_buffer(body))


def _longest_run(codes: npt.NDArray[np.uint32], kinds: npt.NDArray[np.uint8], rows: _Rows) -> Ints:
    """How long each row's longest run of one character is, white space aside."""
    found = np.zeros(len(rows.starts), np.int64)
    found[rows.count((kinds & _SPACE) == 0) > 0] = 1
    same = (codes[1:] == codes[:-1]) & ((kinds[1:] & _SPACE) == 0)
    inner = rows.starts[(rows.starts > 0) & (rows.starts < len(codes))]
    same[inner - 1] = False
    places = np.flatnonzero(same)
    if len(places):
        begins = np.flatnonzero(np.diff(places, prepend=-2) != 1)
        lengths = np.diff(begins, append=len(places)) + 1
        owners = np.searchsorted(rows.ends, places[begins], "right")
        np.maximum.at(found, owners, lengths)
    return found


def _maxima(values: Ints, counts: Ints) -> Ints:
    """The largest of each row's values, of which row r has counts[r], in order; 0 of a row without."""
    found = np.zeros(len(counts), np.int64)
    filled = np.flatnonzero(counts)
    if len(filled):
        found[filled] = np.maximum.reduceat(values, (np.cumsum(counts) - counts)[filled])
    return found


def _share(part: Ints, whole: Ints) -> npt.NDArray[np.float32]:
    return (part / np.maximum(whole, 1)).astype(np.float32)


def _bytes(texts: pa.StringArray) -> bytes:
    """The texts' bytes, one after the other."""
    _, offsets, body = texts.buffers()
    if not len(texts) or body is None:
        return b""
    ends = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    return bytes(memoryview(body)[int(ends[0]) : int(ends[-1])])


@cache
def _kinds() -> npt.NDArray[np.uint8]:
    """What each of Unicode's characters is, as flags: 1.1 MB, a quarter of a second. Marks (vowels of Thai and Hindi)
    are letters; white space is that of str.split()."""
    flags = {"L": _LETTER, "M": _LETTER, "N": _DIGIT}
    found = np.zeros(0x110000, np.uint8)
    for code in range(0x110000):
        character = chr(code)
        category = unicodedata.category(character)
        found[code] = flags.get(category[0], 0) | (_UPPER if category in ("Lu", "Lt") else 0)
    found[[code for code in range(0x3001) if chr(code).isspace()]] |= _SPACE
    found[[ord(separator) for separator in patterns.SEPARATORS]] |= _SEPARATOR
    return found
