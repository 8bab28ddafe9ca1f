"""What the labels of an audit say of its decision.

said = read(Path("look"), [Path("labels.csv")], precision=0.9)
said.figures.precision.value, .low, .high         0.93, 0.89, 0.96
said.reached.assured.threshold                    the loosest threshold that is precise enough

The audit's folder is enough, wherever it is: audit.json holds the design, so neither corpus nor pictures are read.
Where two people labelled, the figures are of the labels that they agree on, and pairs on which they differ count as
unsure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..audit import agreement as agreeing
from ..audit import design as designs
from ..audit import verdict
from ..audit.design import Stratum
from ..audit.estimate import Estimate
from ..audit.labels import NAMES, read_labels
from ..corpus import read_json
from ..errors import CorpusError, SourceError, UsageError

FILE = "audit.json"
AGAIN = "draw the audit again, with the same settings"


def read_design(folder: Path) -> dict[str, Any]:
    """audit.json of a folder; CorpusError where it is damaged or newer."""
    found = read_json(folder / FILE)
    if not isinstance(found, dict) or not isinstance(found.get("sample"), list):
        raise CorpusError(f"damaged {folder / FILE}", AGAIN)
    if found.get("version") != designs.VERSION:
        raise CorpusError(f"{folder / FILE} is of a newer vlcorpus", "install a newer vlcorpus")
    return found


@dataclass(frozen=True)
class Threshold:
    """The decision with its cut here: rows kept of the population, labels among them, precision and recall."""

    threshold: float
    rows: int
    labelled: int
    precision: Estimate
    recall: Estimate


@dataclass(frozen=True)
class Reached:
    """The loosest thresholds with a wanted precision: by its estimate, and such that its interval lies above it."""

    precision: float
    estimated: Threshold | None
    assured: Threshold | None


@dataclass(frozen=True)
class StratumSaid:
    stratum: Stratum
    labels: verdict.StratumLabels


@dataclass(frozen=True)
class Differing:
    uid: str
    first: str
    second: str


@dataclass(frozen=True)
class Said:
    """What labels say of a decision. figures: of the labels that both gave, where there are two files. curve: from the
    loosest threshold to the strictest; empty without a score."""

    audit: str
    corpus: str
    decision: str
    rule: tuple[str, ...]
    score: str | None
    keeps: str | None
    cut: float | None
    files: tuple[str, ...]
    rows: int
    kept: int
    pairs: int
    labelled: int
    unsure: int
    differ: int
    figures: verdict.Figures
    strata: tuple[StratumSaid, ...]
    curve: tuple[Threshold, ...]
    reached: Reached | None
    agreement: agreeing.Agreement | None
    differing: tuple[Differing, ...]


def read(folder: Path, files: Sequence[Path], *, precision: float | None = None) -> Said:
    """What one or two files of labels say. SourceError for labels of other pairs, twice or in other words."""
    if not 1 <= len(files) <= 2:
        raise UsageError(f"{len(files)} files of labels", "give --labels once, or twice for two people")
    if not (folder / FILE).is_file():
        raise SourceError(f"no audit in {folder}", "draw one: `vlcorpus audit CORPUS --decision NAME --out FOLDER`")
    design = read_design(folder)
    try:
        sample, strata, uids = designs.from_json(design)
        thresholds, by = list(map(float, design["thresholds"])), design["score"] or {}
        named = {key: str(design[key]) for key in ("audit", "corpus", "decision")}
        rule = tuple(map(str, design["rule"]))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise CorpusError(f"damaged {folder / FILE} ({error})", AGAIN) from error
    given = [read_labels(path, uids) for path in files]
    labels = given[0] if len(given) == 1 else agreeing.agreed(*given)
    if not np.any(labels != verdict.NONE):
        raise SourceError("no pair has a label of both", "label the same pairs twice")
    points = verdict.curve(sample, labels) if thresholds else []
    curve = tuple(Threshold(thresholds[each.number], each.rows, each.labelled, each.precision, each.recall)
                  for each in points)  # fmt: skip
    reached = None
    if precision is not None and points:
        found = verdict.reaching(points, precision)
        reached = Reached(precision, *(None if each is None else curve[each.number] for each in found))
    rows = agreeing.differing(*given) if len(given) == 2 else []
    counts = verdict.by_stratum(sample, labels)
    told = zip(strata, counts, strict=True)
    return Said(
        **named,
        rule=rule,
        score=by.get("column"),
        keeps=by.get("keeps"),
        cut=by.get("cut"),
        files=tuple(map(str, files)),
        rows=sum(each.rows for each in strata),
        kept=sum(each.rows for each in strata if each.kept),
        pairs=len(uids),
        labelled=int(np.sum(labels != verdict.NONE)),
        unsure=int(np.sum(labels == verdict.UNSURE)) - len(rows),
        differ=len(rows),
        figures=verdict.figures(sample, labels),
        strata=tuple(StratumSaid(*each) for each in told if each[0].rows),
        curve=curve,
        reached=reached,
        agreement=agreeing.agreement(*given) if len(given) == 2 else None,
        differing=tuple(Differing(uids[row], NAMES[int(given[0][row])], NAMES[int(given[1][row])]) for row in rows),
    )
