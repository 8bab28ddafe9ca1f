"""Which extracted rows are kept, while they are extracted: policy, terms, language, filter expression; then identities.

    choose = Choice(optout="drop", match="birds.txt", language="pycld2", where="width >= 256")
    table, counted = choose(table)

A row that an opt-out refuses stays, as a row with that reason. What `match` or `where` do not choose is counted by
reason and not stored, refused rows among it: a corpus of birds does not store the web.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from .. import schema
from ..expression import compile
from ..net import optout
from ..placement.keys import with_identities
from ..web.words.language import Identifier
from ..web.words.match import Terms
from . import places

if TYPE_CHECKING:
    from collections.abc import Sequence

NOT_MATCHED = "not_matched"  # no term of --match is in the words
NOT_WANTED = "not_wanted"  # --where is not true of it


class Choice:
    """match: a file of terms. language: one of web.words.language.NAMES, or "none". where: see docs/expressions.md.
    Raises UsageError and SourceError for what cannot be."""

    def __init__(self, *, optout: str, match: str | None, language: str, where: str | None) -> None:
        self._drops = optout == "drop"
        self._terms = Terms.read(places.fetched(match, "--match", places.A_FILE)) if match is not None else None
        self._identifier = Identifier(language) if language != "none" else None
        self._where = compile(where, schema.table("extracted").arrow()) if where is not None else None
        self._verdicts: dict[tuple[str, ...], str | None] = {}

    def __call__(self, table: pa.Table) -> tuple[pa.Table, Counter[str]]:
        """The rows to store, with their languages and identities, and how many were dropped, by reason."""
        table = table.combine_chunks()
        if self._drops:
            table = self._refuse(table)
        dropped: Counter[str] = Counter()
        if self._terms is not None:
            found, _ = self._terms.mask(_column(table, "alt_text"))
            table = _only(table, found, NOT_MATCHED, dropped)
        if self._identifier is not None:
            table = self._identify(table)
        if self._where is not None:
            table = _only(table, self._where.mask(table), NOT_WANTED, dropped)
        return with_identities(table), dropped

    def _refuse(self, table: pa.Table) -> pa.Table:
        """Rows of pages whose evidence denies this use get that reason, whatever else they have."""
        column = _column(table, "optout")
        if column.null_count == len(column):
            return table
        said = pa.array([self._verdict(each) for each in column.to_pylist()], type=pa.string())
        return _with(table, "reason", pc.coalesce(said, _column(table, "reason")))

    def _verdict(self, evidence: Sequence[str] | None) -> str | None:
        if not evidence:
            return None
        key = tuple(evidence)
        if key not in self._verdicts:
            if len(self._verdicts) > 10_000:
                self._verdicts.clear()
            self._verdicts[key] = optout.denied(map(optout.read, key))
        return self._verdicts[key]

    def _identify(self, table: pa.Table) -> pa.Table:
        """Languages of the rows that may become candidates."""
        assert self._identifier is not None
        kept = pc.is_null(_column(table, "reason"))
        texts = pc.if_else(kept, _column(table, "alt_text"), pa.scalar(None, pa.string()))
        found = self._identifier.identify(texts)
        for name, values in (
            ("language", found.language),
            ("language_score", found.score),
            ("language_reliable", found.reliable),
            ("language_split", found.split),
        ):
            blank = pa.scalar(None, values.type)
            table = _with(table, name, pc.if_else(kept, values, blank))
        return table


def _only(table: pa.Table, mask: pa.Array, reason: str, dropped: Counter[str]) -> pa.Table:
    """The rows that are kept so far and where the mask is true; all others are counted."""
    reasons = _column(table, "reason")
    kept = pc.is_null(reasons)
    for each in pc.value_counts(reasons.drop_null()).to_pylist():
        dropped[each["values"]] += each["counts"]
    chosen = pc.and_(kept, mask)
    dropped[reason] += pc.sum(kept).as_py() or 0
    dropped[reason] -= pc.sum(chosen).as_py() or 0
    return table.filter(chosen).combine_chunks()


def _column(table: pa.Table, name: str) -> pa.Array:
    column = table.column(name)
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _with(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    place = table.schema.get_field_index(name)
    return table.set_column(place, table.schema.field(place), values)
