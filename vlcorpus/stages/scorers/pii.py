"""pii: whether the words hold addresses (e-mail, web, IP), telephone numbers, IBANs, handles or coordinates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...corpus import Corpus
from ..base import Tell
from .base import OneShard, Scored, Scorer

if TYPE_CHECKING:
    from ..score import Score


class PII(Scorer):
    """Personal data in the alternative text: scores/pii.py."""

    of = "candidates"
    follows = "candidates"

    def open(self, stage: Score, corpus: Corpus) -> OneShard:
        from ...scores.pii import find
        from .alt_texts import alt_texts

        def columns(unit: str, tell: Tell) -> Scored:
            uids, texts = alt_texts(corpus, unit)
            found = find(texts)
            tell(len(texts), len(texts))
            return Scored({"uid": uids, **found})

        return columns
