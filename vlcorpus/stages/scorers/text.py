"""text: how long the words are, what they are made of, whether they look like a file's name, a shop, a placeholder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...corpus import Corpus
from ..base import Tell
from .base import OneShard, Scored, Scorer

if TYPE_CHECKING:
    from ..score import Score


class Text(Scorer):
    """Rules on the form of the alternative text, in any script: scores/text_rules.py."""

    of = "candidates"
    follows = "candidates"

    def open(self, stage: Score, corpus: Corpus) -> OneShard:
        from ...scores.text_rules import measure
        from .alt_texts import alt_texts

        def columns(unit: str, tell: Tell) -> Scored:
            uids, texts = alt_texts(corpus, unit)
            found = measure(texts)
            tell(len(texts), len(texts))
            return Scored({"uid": uids, **found})

        return columns
