"""A sweep's files: the numbers of the input, a line a recipe, the best marked, nothing from outside."""

from __future__ import annotations

import csv
import io
import math
import re
from typing import Any

import pytest

from tests.report.drawn_contest import sweep
from tests.report.hostile import HOSTILE
from tests.report.test_contest import FORMULAE, ODD, assert_svg
from tests.report.test_page import Page, assert_closed_to_the_outside
from vlcorpus.report import swept
from vlcorpus.report.markup import shown


def table_of(files: dict[str, bytes]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(files["sweep.csv"].decode("utf-8"), newline="")))


def test_every_file_is_there_and_the_same_each_time() -> None:
    files = swept.render(sweep())
    assert set(files) == {"sweep.html", "sweep.csv", "sweep.tex", "figures/sweep.svg"}
    assert swept.render(sweep()) == files
    assert_closed_to_the_outside(files["sweep.html"].decode())
    assert_svg(files["figures/sweep.svg"])


def test_the_csv_holds_every_metric_of_every_point_with_all_its_digits() -> None:
    told = sweep()
    rows = table_of(swept.render(told))
    assert tuple(rows[0]) == swept.COLUMNS and len(rows) == len(told["points"]) * (1 + len(told["metrics"]))
    heads = [row for row in rows if row["metric"] == told["metric"]]
    for row, point in zip(heads, told["points"], strict=True):
        for name in ("keep", "threshold", "mean", "lower", "upper", "difference", "difference_lower", "repetitions"):
            assert (float(row[name]) if row[name] else None) == point[name]
        assert dict(pair.split("=") for pair in row["values"].split(";")) == {
            seed: repr(value) for seed, value in point["values"].items()
        }
    for name in ("best", "baseline"):
        marked = [place for place, row in enumerate(heads) if row[name] == "true"]
        assert marked == [one[name] for one in told["recipes"].values()] and told[name] in marked
    others = [float(row["mean"]) for row in rows if row["metric"] == "things.nll"]
    assert others == [ends[0] for ends in told["metrics"]["things.nll"]]


def test_the_page_says_the_numbers_of_the_input() -> None:
    told = sweep()
    text = Page(swept.render(told)["sweep.html"].decode()).text
    assert "good: " + told["verdict"] in text
    for point in told["points"]:
        ends = f"{100 * point['mean']:.1f} [{100 * point['lower']:.1f}, {100 * point['upper']:.1f}]"
        assert ends in text and f"{point['pairs']:,}" in text and f"{point['repetitions']:.1f} ×" in text
    assert "100 %everything" in text and "nano v2" in text


def test_a_line_and_a_level_for_each_recipe_and_a_ring_at_the_best() -> None:
    one, two = (swept.render(sweep(recipes=r))["figures/sweep.svg"].decode() for r in (("a",), ("a", "b")))
    for drawing, count in ((one, 1), (two, 2)):
        assert drawing.count('class="level ') == count and drawing.count('class="area ') == count
        assert drawing.count('class="best"') == count and drawing.count('class="run ') == 35 * count
    assert 'stroke-dasharray="6 3"' in two and 'stroke-dasharray="6 3"' not in one


def test_nothing_is_good_news_where_the_whole_corpus_is_best() -> None:
    told = sweep() | {"best": sweep()["baseline"]}
    assert "undecided: " in Page(swept.render(told)["sweep.html"].decode()).text


def test_good_news_is_what_was_told_apart_after_correction() -> None:
    told = sweep()
    for one in told["recipes"].values():
        one["told_apart"] = []
    assert "undecided: " in Page(swept.render(told)["sweep.html"].decode()).text


def test_points_drawn_at_random_are_a_line_of_their_own_at_the_same_level() -> None:
    told = sweep(recipes=("nano v2",))
    random = [point | {"by": "random"} for point in told["points"][:3]]
    told["points"] += [*random, told["points"][3] | {"by": "oracle", "keep": None}]
    told["metrics"] = {}
    drawing = swept.render(told)["figures/sweep.svg"].decode()
    assert drawing.count('class="area ') == 3 and drawing.count('class="level ') == 1
    assert all(name in drawing for name in (">similarity<", ">random<", ">oracle<"))


def test_warnings_stand_by_the_verdict() -> None:
    page = swept.render(sweep())["sweep.html"].decode()
    assert "warning: keep 0.05, repetition: 1,000 pairs are seen 80 times" in Page(page).text


def test_a_metric_that_is_better_when_lower_is_told_in_its_own_unit() -> None:
    told = sweep() | {"metric": "things.nll", "lower_is_better": True, "recipes": {}}
    text = Page(swept.render(told)["sweep.html"].decode()).text
    best = told["points"][told["best"]]
    assert f"{best['mean']:.3f} [{best['lower']:.3f}, {best['upper']:.3f}]" in text
    assert "difference, nats" in text and "bad: " + told["verdict"] in text


def test_a_point_without_a_fraction_lies_by_its_pairs() -> None:
    told = sweep(recipes=("nano v2",))
    told["points"][2] |= {"keep": None}
    same = swept.render(sweep(recipes=("nano v2",)))["figures/sweep.svg"]
    assert swept.render(told)["figures/sweep.svg"] == same


@pytest.mark.parametrize("payload", [*HOSTILE, *FORMULAE], ids=range(len(HOSTILE) + len(FORMULAE)))
def test_a_hostile_string_everywhere_is_text_and_nothing_else(payload: str) -> None:
    files = swept.render(sweep(payload))
    parsed = assert_closed_to_the_outside(files["sweep.html"].decode("utf-8"))
    calm = Page(swept.render(sweep("calm"))["sweep.html"].decode())
    assert [tag for tag, _ in parsed.tags if tag != "wbr"] == [tag for tag, _ in calm.tags if tag != "wbr"]
    assert parsed.text.count(shown(payload)[:20]) > 10
    assert_svg(files["figures/sweep.svg"])
    for cell in [cell for row in table_of(files) for cell in row.values()]:
        assert not cell.lstrip().startswith(("=", "@", "＝"))


@pytest.mark.parametrize("nothing", ODD, ids=range(len(ODD)))
def test_what_is_not_a_number_is_a_dash(nothing: Any) -> None:
    told = sweep()
    keep = ("by", "recipe", "values")
    told["points"] = [{k: v if k in keep else nothing for k, v in one.items()} for one in told["points"]]
    told["points"][0]["values"] = {"0": nothing}
    told["metrics"] = {name: [[nothing] * 3] * 14 for name in told["metrics"]} | {"short": [], "odd": nothing}
    files = swept.render(told)
    assert "–" in Page(files["sweep.html"].decode()).text
    for name in ("sweep.html", "figures/sweep.svg"):
        assert not re.search(r'[ "(>](nan|-?inf|None|n/a|∞)[ ",)<]', files[name].decode())


def test_a_sweep_without_anything_still_opens() -> None:
    for told in ({}, {"points": [{"mean": 0.5, "keep": 1.0}]}, {"points": [{}], "best": 0, "baseline": 7}):
        files = swept.render(told)
        assert_closed_to_the_outside(files["sweep.html"].decode())
        assert_svg(files["figures/sweep.svg"])
    assert math.isfinite(len(files))
