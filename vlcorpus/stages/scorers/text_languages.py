"""What language the candidates' texts are in, as somebody said before, and which list of terms is for them.

source_of(corpus)                                   "scores/language", or "candidates"
languages_of(corpus, source, "00000", uids)         string, null where it is not known; a row for each candidate
list_for("zh-Hant", ["en", "zh", "any"])            "zh"
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...corpus import Corpus
from ...errors import CorpusError
from . import kind_of

if TYPE_CHECKING:
    import pyarrow as pa

ANY = "any"  # the list of what has no list of its own, and a list that stands alone

# Codes that detectors write otherwise than Wikipedia, whose codes MetaCLIP 2's lists bear.
_SAME = {
    "iw": "he",
    "jw": "jv",
    "in": "id",
    "ji": "yi",
    "mo": "ro",
    "fil": "tl",
    "nb": "no",
    "zh-hant": "zh",
    "zh-hans": "zh",
}


def detected_in(corpus: Corpus) -> str | None:
    """The layer of detected languages: scores/language, or the only one of its kind; None where there is none."""
    made = [f"scores/{name}" for name in corpus.layers("scores") if kind_of(name) == "language"]
    made = [layer for layer in made if corpus.layer(layer).units()]
    if len(made) > 1 and "scores/language" not in made:
        raise CorpusError(
            f"languages were detected more than once: {', '.join(made)}",
            f"choose by making scores/language: `vlcorpus score {corpus.place} language`",
        )
    return "scores/language" if "scores/language" in made else made[0] if made else None


def list_for(language: str | None, codes: Sequence[str]) -> str | None:
    """The list for a text in this language: its own, that of its main code (zh of zh-Hant), or `any`; None without."""
    if language is not None:
        code = language.lower().replace("_", "-")
        for each in (code, _SAME.get(code, code), code.partition("-")[0]):
            if each in codes:
                return each
    return ANY if ANY in codes else None


def source_of(corpus: Corpus) -> str:
    """The layer whose word is taken: that of detected languages, which must be of all candidates, or candidates."""
    detected = detected_in(corpus)
    if detected is None:
        return "candidates"
    if set(corpus.layer("candidates").units()) - set(corpus.layer(detected).units()):
        raise CorpusError(
            f"{detected} is not of all candidates", f"go on with it: `vlcorpus score {corpus.place} language`"
        )
    return detected


def languages_of(corpus: Corpus, source: str, shard: str, uids: pa.Array) -> pa.StringArray:
    """The language of each candidate, whose uids are given. CorpusError where the layer has other rows."""
    from ...io import table
    from .alt_texts import joined

    name, column = ("candidates", "language") if source == "candidates" else ("score-language", "detected_language")
    path = corpus.layer(source).path(f"{shard}.parquet")
    read = table.read(path, name, only=["uid", column])
    if not joined(read.column("uid")).equals(uids):
        raise CorpusError(
            f"{path} has other rows than the candidates", f"make it again: `vlcorpus score {corpus.place} language`"
        )
    return joined(read.column(column))
