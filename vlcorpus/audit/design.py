"""The design of an audit, as audit.json keeps it: all that labels need to become figures, without the corpus.

    told = as_json(frame, drawn, sign=1)        {"thresholds": [...], "strata": [...], "cells": [...], "sample": [...]}
    sample, strata, uids = from_json(told | {"score": {"decides": True}})

Strata with their rows and how many were drawn of each, so the chance of each row to be drawn; how many rows of the
population lie on either side of each threshold; and of each drawn row its stratum and its score.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from vlcorpus.audit.draw import Drawn
from vlcorpus.audit.frame import Frame
from vlcorpus.audit.verdict import Sample

VERSION = 1


@dataclass(frozen=True)
class Stratum:
    """least and most: its scores, None at an open end; both None where its rows have none (`scored` False).
    probability: of each of its rows to be drawn."""

    kept: bool
    scored: bool
    least: float | None
    most: float | None
    rows: int
    drawn: int
    probability: float


def strata_of(frame: Frame, drawn: Drawn, sign: int) -> list[Stratum]:
    """The strata in scores as they are stored: sign -1 where x is the score's negative."""
    found = []
    for number in range(frame.strata):
        kept, low, high = frame.bounds(number)
        least, most = (None if end is None else sign * end for end in ((low, high) if sign > 0 else (high, low)))
        rows, some = int(drawn.rows[number]), int(drawn.drawn[number])
        found.append(Stratum(kept, frame.scored(number), least, most, rows, some, some / rows if rows else 0.0))
    return found


def as_json(frame: Frame, drawn: Drawn, sign: int) -> dict[str, Any]:
    """thresholds, strata, cells ([stratum, place + 1, free, rows], where there are rows) and sample, in shown order."""
    rows = zip(drawn.uid, drawn.stratum, drawn.place, drawn.free, drawn.x, strict=True)
    return {
        "thresholds": [sign * float(each) for each in frame.thresholds],
        "strata": [asdict(each) for each in strata_of(frame, drawn, sign)],
        "cells": [[*map(int, place), int(drawn.cells[tuple(place)])] for place in np.argwhere(drawn.cells)],
        "sample": [
            {
                "uid": uid.tobytes().hex(),
                "stratum": int(stratum),
                "place": int(place),
                "free": bool(free),
                "score": None if np.isnan(x) else sign * float(x),
            }
            for uid, stratum, place, free, x in rows
        ],
    }


def from_json(design: Mapping[str, Any]) -> tuple[Sample, list[Stratum], list[str]]:
    """What `as_json` gave, and design["score"]["decides"], read back: the sample, its strata and its uids in hex.

    KeyError, TypeError, ValueError or IndexError where that cannot be, as where the numbers do not add up.
    """
    strata = [Stratum(**each) for each in design["strata"]]
    cells = np.zeros((len(strata), len(design["thresholds"]) + 2, 2), dtype=np.int64)
    for stratum, place, free, rows in design["cells"]:
        cells[stratum, place, free] = rows
    rows_drawn = design["sample"]
    sample = Sample(
        stratum=np.array([each["stratum"] for each in rows_drawn], dtype=np.int64),
        place=np.array([each["place"] for each in rows_drawn], dtype=np.int64),
        free=np.array([each["free"] for each in rows_drawn], dtype=bool),
        kept=np.array([each.kept for each in strata], dtype=bool),
        scored=np.array([each.scored for each in strata], dtype=bool),
        cells=cells,
        by_score=bool((design["score"] or {}).get("decides")),
    )
    if cells.sum(axis=(1, 2)).tolist() != [each.rows for each in strata]:
        raise ValueError("cells and strata do not add up")
    if np.bincount(sample.stratum, minlength=len(strata)).tolist() != [each.drawn for each in strata]:
        raise ValueError("sample and strata do not add up")
    return sample, strata, [str(each["uid"]) for each in rows_drawn]
