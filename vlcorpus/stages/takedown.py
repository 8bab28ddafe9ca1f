"""takedown: pairs that nothing may give out any more, by uid, URL, hash or domain.

    vlcorpus takedown CORPUS removals.csv --named 2026-11
    vlcorpus takedown CORPUS url:https://example.org/me.jpg
    vlcorpus takedown CORPUS domain:example.org sha256:9f86d081…
    vlcorpus takedown CORPUS --named 2026-11              once more, over what has come since

Exports, `samples`, training and search leave these pairs out from then on; nothing else is made again. The list itself
is kept in takedowns/<name>/asked.parquet, so that it holds for pairs that come later, too: when the corpus has grown,
whatever gives pairs out goes through it first. takedown_lists.py says what a list may look like. A uid is a pair's own
or the one that its list gave; a URL or a domain that of an image, as found or after redirects; a sha256 that of the
fetched bytes. The bytes stay in shards/: what is taken down is not given out, and not erased.

Cost: 1 second a million candidates.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..corpus import Corpus
from ..errors import CorpusError, UsageError
from ..spec import setting
from . import takedown_lists
from .base import ALL, Stage, Tell, UnitCommit, Work
from .takedowns import ASKED, PAIRS, TAKEN_DOWN

if TYPE_CHECKING:
    from .takedown_lists import Asked

NO_SUCH_PAIR = "no_such_pair"
_FETCHED = frozenset({"sha256", "url", "domain"})  # of these, shards/ knows more than candidates/


@dataclass(frozen=True, kw_only=True)
class Takedown(Stage):
    """Leave pairs out of every export, training and search, by uid, URL, hash or domain."""

    name = "takedown"
    makes = "takedowns"

    lists: tuple[str, ...] = setting(
        (),
        help="Files, or values as UID, url:URL, sha256:HEX, image_id:HEX, domain:HOST; none: those that it had before.",
        positional=True,
        result=False,  # what they hold is an input
        path=True,
    )
    named: str | None = setting(None, help="Name of the takedown; made from its content if not given.", result=False)

    def located(self) -> Takedown:
        if self.named is None:
            return replace(self, named=self._derived())
        return self

    def _derived(self) -> str:
        if not self.lists:
            raise UsageError(
                "nothing to take down is named (takedown: lists)", "name a file, a uid, or as `domain:example.org`"
            )
        return takedown_lists.read(self.lists).digest[:12]

    def made(self) -> str:
        return f"takedowns/{self.named or self._derived()}"

    def wanted(self) -> tuple[str, ...]:
        return ("candidates",)

    def uses(self) -> tuple[str, ...]:
        return ("shards",)

    def asked(self, corpus: Corpus) -> Asked:
        """What is asked for: of the lists, or what the takedown keeps of earlier ones."""
        if self.lists:
            return takedown_lists.read(self.lists)
        path = self.layer(corpus).path(ASKED)
        if not path.is_file():
            raise CorpusError(
                f"{self.made()} does not say what it takes down",
                f"give the list once more: `vlcorpus takedown {corpus.place} LIST --named {self.named}`",
            )
        return takedown_lists.stored(path)

    def check(self, corpus: Corpus) -> None:
        self.asked(corpus)

    def inputs(self, corpus: Corpus, unit: str) -> dict[str, str]:
        asked = self.asked(corpus)
        found = {"candidates": corpus.layer("candidates").digest_all(), "asked": asked.digest}
        shards = corpus.layer("shards")
        if asked.kinds & _FETCHED and shards.units():
            found["shards"] = shards.digest_all()
        return found

    def told(self, corpus: Corpus) -> tuple[str, ...]:
        stats = self.layer(corpus).stats(ALL)
        if stats is None:
            return ()
        values, missed = int(stats["asked"]), dict(stats["unmatched"])
        pairs = int(stats["rejected"].get(TAKEN_DOWN, 0))
        said = f"{self.made()}: {values - missed.get(NO_SUCH_PAIR, 0):,} of {values:,} values name {pairs:,} pairs"
        left = ", ".join(f"{count:,} {reason}" for reason, count in missed.items())
        return (f"{said}; unmatched: {left}" if left else said,)

    def open(self, corpus: Corpus) -> Work:
        from ..io import table
        from .takedown_match import Matching

        def take_down(unit: str, tell: Tell) -> None:
            asked, inputs = self.asked(corpus), self.inputs(corpus, unit)
            matching = Matching(corpus, asked)
            unmatched = Counter(asked.unusable)
            # What is recorded is the name: the list is kept beside the pairs, wherever it came from.
            with UnitCommit(again(self.made()), corpus, self.layer(corpus), unit, inputs) as commit:
                table.write(commit, ASKED, asked.table, "takedowns-asked")
                seen = 0
                for shard in corpus.layer("candidates").units():
                    seen += matching.add(shard)
                    tell(seen, seen - matching.pairs)
                table.write(commit, PAIRS, matching.table(), "takedowns")
                unmatched[NO_SUCH_PAIR] = matching.unmatched
                more: dict[str, Any] = {
                    "asked": len(asked.values),
                    "fetched": bool(asked.kinds & _FETCHED),
                    "unmatched": {reason: count for reason, count in sorted(unmatched.items()) if count},
                }
                taken = matching.pairs
                commit.finish(seen=seen, kept=seen - taken, rejected={TAKEN_DOWN: taken}, **more)

        return take_down


def again(layer: str) -> Takedown:
    """The takedown of a layer `takedowns/NAME`, over what the corpus has now."""
    return Takedown(named=layer.partition("/")[2])
