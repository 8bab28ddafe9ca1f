"""Pairs on both sides of each cut, as pictures with their captions; of candidates, as captions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...report import model
from ...report.markup import shorten
from ...scores.beside import Near
from ..samples import stored
from .cuts import Cut
from .shown import Shown
from .survey import Survey

TITLE = "On both sides of the threshold"
MOST_CUTS = 4
LONGEST = 80
Key = tuple[str, int]
"""Shard and number of a row."""


def pictures(shown: Shown, found: Survey, cuts: Sequence[Cut]) -> list[model.Section]:
    """One section for each cut that was looked at, nearest first."""
    wanted = [near for beside in found.near.values() for near in (*beside.passed, *beside.failed)]
    pictured = shown.known.of == "images"
    known = _with_pictures(shown, wanted) if pictured else _with_captions(shown, wanted)
    sections: list[model.Section] = []
    for number, beside in found.near.items():
        cut = cuts[number]
        if not beside.passed and not beside.failed:
            continue
        sides = [
            tuple(model.Picture(*known[near.shard, near.row], near.value) for near in side)
            for side in (beside.passed, beside.failed)
        ]
        sections.append(
            model.Pictures(
                f"{TITLE}: {shorten(cut.words, LONGEST)}",
                sides[0],
                sides[1],
                note=_note(cut, pictured),
                value=cut.column,
                pictured=pictured,
            )
        )
    return sections


def _note(cut: Cut, pictured: bool) -> str:
    told = f"The pairs whose {cut.column} is nearest to the cut, of those that pass every other predicate"
    told += f"; the cut is that of their {cut.by}." if cut.by is not None else "."
    return told if pictured else told + " Candidates have no pictures yet."


def _by_shard(wanted: Iterable[Near]) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for near in wanted:
        found.setdefault(near.shard, set()).add(near.row)
    return found


def _with_pictures(shown: Shown, wanted: Sequence[Near]) -> dict[Key, tuple[bytes | None, str]]:
    from ...images.thumbnail import thumbnail

    found: dict[Key, tuple[bytes | None, str]] = {}
    for shard, rows in sorted(_by_shard(wanted).items()):
        for row, pair in zip(sorted(rows), stored(shown.corpus, shard, rows), strict=True):
            found[shard, row] = (thumbnail(pair.body), pair.caption)
    return found


def _with_captions(shown: Shown, wanted: Sequence[Near]) -> dict[Key, tuple[bytes | None, str]]:
    found: dict[Key, tuple[bytes | None, str]] = {}
    for shard, rows in sorted(_by_shard(wanted).items()):
        order = sorted(rows)
        captions = shown.known.read(shard, ("caption",)).take(order).column("caption").to_pylist()
        found |= {(shard, row): (None, caption) for row, caption in zip(order, captions, strict=True)}
    return found
