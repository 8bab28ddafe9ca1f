"""entities: which terms of a list the words name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...corpus import Corpus
from ...errors import SourceError
from .. import places
from ..base import Tell
from .base import OneShard, Scored, Scorer

if TYPE_CHECKING:
    from ..score import Score


class Entities(Scorer):
    """Terms of a list in the alternative text, as whole words, case folded: scores/entities.py, and the words of
    web/words/match.py."""

    of = "candidates"
    follows = "candidates"
    reads = ("terms",)
    needed = ("terms",)
    libraries = ("pyahocorasick",)

    def inputs(self, stage: Score, corpus: Corpus) -> dict[str, str]:
        from .term_files import digest

        if "terms" not in stage.looked:
            stage.looked["terms"] = digest(_path(stage))
        return {"file:terms": stage.looked["terms"]}

    def check(self, stage: Score, corpus: Corpus) -> None:
        path = _path(stage)
        if not path.is_file():
            raise SourceError(f"there is no file {path}", "give --terms a file of terms, one a line")

    def open(self, stage: Score, corpus: Corpus) -> OneShard:
        import pyarrow.compute as pc

        from ...scores.entities import Entities as Finder
        from ...web.words.distinct import distinct
        from ...web.words.match import fold, in_word
        from .alt_texts import alt_texts
        from .term_files import read_terms

        finder = Finder(read_terms(_path(stage)), fold=fold, in_word=in_word)
        about = {"terms": len(finder)}

        def columns(unit: str, tell: Tell) -> Scored:
            uids, texts = alt_texts(corpus, unit)
            different, rows = distinct(texts)
            found = {name: pc.take(column, rows) for name, column in finder.find(different).items()}
            tell(len(texts), len(texts))
            return Scored({"uid": uids, **found}, about)

        return columns


def _path(stage: Score) -> Path:
    assert stage.terms is not None
    return places.fetched(stage.terms, "--terms", places.A_FILE)
