"""Published rates beside this corpus' own, wherever the same question can be asked of its columns.

told = Asked(shown);  told.columns            what the sample must have
told.sections(sample, keep)                   two tables: with a counterpart here, and without
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ... import expression
from ...errors import UsageError
from ...report import model
from ...report.published import B32, FIGURES, Figure
from ...scores.rates import wilson
from ..deciding import same_model
from .shown import Shown
from .steps import totals

if TYPE_CHECKING:
    import pyarrow as pa

Bools = npt.NDArray[np.bool_]
LEAST_ANSWERED = 0.5
"""Of the rows, the share that must have an answer before a share of it is shown."""
NOT_ATTEMPTED = ("not_kept",)
_BY_B32 = ("clip_b32_similarity_score", "clip_similarity_vitb32")
_LANGUAGES = ("detected_language", "language")


@dataclass(frozen=True)
class Asked:
    """rules: for each figure the expressions that can be asked here, best first."""

    shown: Shown

    @property
    def columns(self) -> tuple[str, ...]:
        """What the rules read."""
        found = (name for rules in self._rules().values() for rule in rules for name in expression.names(rule))
        return tuple(dict.fromkeys(found))

    def sections(self, sample: pa.Table | None, keep: Bools) -> list[model.Section]:
        """`keep`: which rows of the sample are kept."""
        rules = self._rules()
        ours: list[tuple[Figure, str, str]] = []
        alone: list[Figure] = []
        for figure in FIGURES:
            if figure.rules == ("fetched",):
                found = self._fetched()
            else:
                found = self._share(figure, rules.get(figure, ()), sample, keep)
            if found is None:
                alone.append(figure)
            else:
                ours.append((figure, *found))
        sections: list[model.Section] = []
        if ours:
            marks, cited = _cited([figure for figure, _, _ in ours])
            lines: tuple[tuple[model.Cell, ...], ...] = tuple(
                (figure.what, own, figure.said, f"{figure.corpus} [{marks[figure.source]}]", of)
                for figure, own, of in ours
            )
            note = (
                "The same question asked of this corpus, whatever its own filter asks. Where rows are drawn, ours has "
                "a 95 % interval. Those corpora began from other pages: a rate that differs is a question, no fault. "
            )
            columns = _columns("rate", "ours", "published", "corpus", "of our rows")
            sections.append(model.Table("Beside published corpora", columns, lines, note + cited))
        if alone:
            marks, cited = _cited(alone)
            lines = tuple((each.what, each.said, f"{each.corpus} [{marks[each.source]}]") for each in alone)
            note = "What they ask needs columns that this corpus does not have, or steps that it does not know. "
            columns = _columns("rate", "published", "corpus")
            sections.append(model.Table("Published, without a counterpart here", columns, lines, note + cited))
        return sections

    def _fetched(self) -> tuple[str, str] | None:
        """Of downloads, not of imported folders."""
        shards = self.shown.corpus.layer("shards")
        if not any((shards.stats(unit) or {}).get("stage") == "download" for unit in shards.units()):
            return None
        seen, kept, rejected = totals(self.shown.corpus, "shards")
        tried = seen - sum(rejected[reason] for reason in NOT_ATTEMPTED)
        return (f"{100 * kept / tried:.1f} %", f"{tried:,} attempted") if tried else None

    def _share(
        self, figure: Figure, rules: tuple[str, ...], sample: pa.Table | None, keep: Bools
    ) -> tuple[str, str] | None:
        """Our share, and of how many rows; of the first rule that most rows have an answer to."""
        if sample is None or (figure.of == "kept" and self.shown.decision is None):
            return None
        among = keep if figure.of == "kept" else np.ones(len(sample), bool)
        for rule in rules:
            answers = expression.compile(rule, self.shown.known.types).answers(sample)
            there = answers.is_valid().to_numpy(zero_copy_only=False) & among
            rows = int(there.sum())
            if not rows or rows < LEAST_ANSWERED * among.sum():
                continue
            hits = int((answers.fill_null(False).to_numpy(zero_copy_only=False) & there).sum())
            if len(sample) == self.shown.seen:
                return f"{100 * hits / rows:.1f} %", f"{rows:,}"
            low, high = wilson(hits, rows)
            return f"{100 * hits / rows:.1f} % [{100 * low:.1f}, {100 * high:.1f}]", f"{rows:,} drawn"
        return None

    def _rules(self) -> dict[Figure, tuple[str, ...]]:
        stands = {
            "b32": self._by_b32(),
            "language": self._there(_LANGUAGES),
            "text": self._there(("caption", "alt_text")),
        }
        found = {}
        for figure in FIGURES:
            written = []
            for rule in figure.rules:
                wanted = set(re.findall(r"\{(\w+)\}", rule))
                if rule != "fetched" and all(stands[name] for name in wanted):
                    written.append(rule.format(**{name: stands[name] for name in wanted}))
            found[figure] = tuple(rule for rule in written if self._asked(rule))
        return found

    def _by_b32(self) -> str | None:
        known = self.shown.known
        if "similarity" in known and same_model(known.origin("similarity").model, B32):
            return "similarity"
        return self._there(_BY_B32)

    def _there(self, names: tuple[str, ...]) -> str | None:
        return next((name for name in names if name in self.shown.known), None)

    def _asked(self, rule: str) -> bool:
        try:
            expression.compile(rule, self.shown.known.types)
        except UsageError:
            return False
        return True


def _columns(*names: str) -> tuple[model.Column, ...]:
    return tuple(model.Column(name, wide=name == "rate", right=name in ("ours", "of our rows")) for name in names)


def _cited(figures: list[Figure]) -> tuple[dict[str, int], str]:
    """The number of each source, and the list of them."""
    marks = {source: place for place, source in enumerate(dict.fromkeys(figure.source for figure in figures), 1)}
    return marks, " ".join(f"[{place}] {source}." for source, place in marks.items())
