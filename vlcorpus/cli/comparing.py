"""`vlcorpus compare`: the verdict, then the figures that it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..corpus import Corpus, read_json
from ..stages.compare import FILE, Compare
from . import output

MOST = 60
"""Rows of the table; the others are in comparison.csv"""

_UNITS = 100


def show(corpus: Corpus, stage: Compare, *, as_json: bool = False) -> None:
    """The comparison as a person reads it, or comparison.json."""
    layer = stage.layer(corpus)
    told: Mapping[str, Any] = read_json(layer.path(FILE))
    if as_json:
        output.say_json(told)
        return
    output.say(told["verdict"]["words"])
    output.say()
    chosen = _chosen(told)
    heads = ("metric", "arm", told["baseline"], "arm's", "difference", f"{100 * told['confidence']:g} % interval",
             "p (Holm)", "")  # fmt: skip
    output.table(heads, [_cells(row, 1 - told["confidence"]) for row in chosen[:MOST]], numbers=(2, 3, 4, 5, 6))
    if len(chosen) > MOST:
        output.say(f"… and {output.count(len(chosen) - MOST)} more")
    output.say()
    others = len(told["rows"]) - len(chosen)
    more = f"; {output.count(others)} other rows are in {layer.path('comparison.csv')}" if others else ""
    output.say(f"shares in %, their differences in points; each interval for itself, p corrected for all rows{more}")
    if len(told["arms"]) > 1 and any(each["better_than"] for each in told["ranking"]):
        places = (f"{each['place']}. {each['arm']}" for each in told["ranking"])
        output.say(f"ranking on {told['headline']}: {', '.join(places)} (a place is shared where not told apart)")
    worse = [each for each in told["classes"] if each["regression"]]
    if worse:
        listed = ", ".join(f"{each['label']} ({each['arm']}, {100 * each['difference']:+.1f})" for each in worse[:5])
        left = f" and {output.count(len(worse) - 5)} more" if len(worse) > 5 else ""
        output.say(f"classes that got worse: {listed}{left}")
    for check in told["checks"]:
        if check["state"] in ("failed", "warning"):
            output.note(f"{check['state']}, {check['check']}: {check['words']}")
    undone = dict.fromkeys(check["check"] for check in told["checks"] if check["state"] == "not done")
    if undone:
        output.note(f"not checked: {', '.join(undone)}")


def _chosen(told: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The headline, each task's main metric, and whatever else got worse beyond luck."""
    mains = {f"{task}.{measure}" for task, measure in told["main"].items()}
    sure = 1 - told["confidence"]
    chosen = [
        row
        for row in told["rows"]
        if row["metric"] in {told["headline"], *mains}
        or (row["regression"] and row["p_holm"] is not None and row["p_holm"] <= sure)
    ]
    return sorted(chosen, key=lambda row: row["metric"] != told["headline"])


def _cells(row: Mapping[str, Any], sure: float) -> tuple[str, ...]:
    share = not row["lower_is_better"]

    def said(value: float | None, sign: str = "") -> str:
        if value is None:
            return "-"
        return f"{_UNITS * value:{sign}.1f}" if share else f"{value:{sign}.3f}"

    interval = "-" if row["lower"] is None else f"[{said(row['lower'])}, {said(row['upper'])}]"
    p = "-" if row["p_holm"] is None else "<0.001" if row["p_holm"] < 0.001 else f"{row['p_holm']:.3f}"
    word = "better" if row["improvement"] else "worse" if row["regression"] else ""
    if word and (row["p_holm"] is None or row["p_holm"] > sure):
        word += "?"  # the interval says so, but not after the correction for all rows
    return (
        row["metric"], row["arm"], said(row["baseline_mean"]), said(row["mean"]), said(row["difference"], "+"),
        interval, p, word,
    )  # fmt: skip
