"""A comparison's files: the numbers of the input, the same bytes, nothing from outside, and nothing that runs."""

from __future__ import annotations

import csv
import io
import math
import re
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.report.drawn_contest import comparison, curves
from tests.report.hostile import HOSTILE
from tests.report.test_page import Page, assert_closed_to_the_outside
from vlcorpus.report import contest
from vlcorpus.report.markup import shown

FORMULAE = ("=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1+1", " =1+1", "＝1+1", "\r\n=1")


def page_of(compared: dict[str, Any]) -> Page:
    return Page(contest.render(compared, {})["comparison.html"].decode())


def table_of(files: dict[str, bytes], name: str = "comparison.csv") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(files[name].decode("utf-8"), newline="")))


def test_every_file_is_there_and_the_same_each_time() -> None:
    told = comparison()
    files = contest.render(told, curves(told))
    assert set(files) == {
        "comparison.html",
        "comparison.csv",
        "classes.csv",
        "comparison.tex",
        "methods.md",
        "figures/curves.svg",
        *(f"figures/{kind}-{arm}.svg" for kind in ("forest", "classes") for arm in told["arms"]),
        *(f"figures/forest-{arm}-{unit}.svg" for unit in ("nll", "median-rank") for arm in told["arms"]),
    }
    assert contest.render(comparison(), curves(comparison())) == files


def test_the_csv_holds_every_row_in_order_with_all_its_digits() -> None:
    told = comparison()
    rows = table_of(contest.render(told, {}))
    assert tuple(rows[0]) == contest.COLUMNS and len(rows) == len(told["rows"])
    for row, given in zip(rows, told["rows"], strict=True):
        for name, cell in row.items():
            value = given[name]
            if isinstance(value, bool):
                assert cell == ("true" if value else "false")
            elif isinstance(value, float):
                assert float(cell) == value
            else:
                assert cell == ("" if value is None else str(value))


def test_the_page_says_the_numbers_of_the_input() -> None:
    told = comparison()
    text = page_of(told).text
    assert told["verdict"]["words"] in text and "good: " in text
    for row in told["rows"]:
        scale, digits = (1, None) if row["lower_is_better"] else (100, 1)
        digits = digits if digits is not None else 3 if row["measure"] == "nll" else 2
        ends = [f"{scale * row[name]:.{digits}f}".replace("-", "−") for name in ("lower", "upper")]
        assert f"{scale * row['difference']:+.{digits}f}".replace("-", "−") + f" [{ends[0]}, {ends[1]}]" in text
        assert f"{scale * row['mean']:.{digits}f}" in text
    for words in ("6,120", "128,000", "20.9 ×", "micro v2", "0, 1, 2, 3, 4", "imagenet-a", "How to cite"):
        assert words in text


def test_warnings_come_before_good_checks_and_stand_by_the_verdict() -> None:
    page = contest.render(comparison(), {})["comparison.html"].decode()
    checks = page[page.index('<ul class="checks">') :]
    states = re.findall(r"</span> (failed|warning|not done|good)</span>", checks)
    assert states == ["warning", "not done", "good", "good"]
    assert page.index('class="notice"') < page.index('<ul class="checks">')


def test_regressions_are_listed_controls_last() -> None:
    told = comparison()
    page = contest.render(told, {})["comparison.html"].decode()
    start = page.index(">Regressions</h2>")
    text = Page("<p>" + page[start + len(">Regressions</h2>") : page.index("</section>", start)] + "</p>").text
    worse = [(row["metric"], row["arm"]) for row in told["rows"] if row["regression"]]
    assert ("count.accuracy", "filtered") in worse and len(worse) > 5
    assert text.index("count.accuracyfiltered") < text.index("mismatched")
    assert all(f"{metric}{arm}" in text for metric, arm in worse)


def test_no_regression_is_said_too() -> None:
    told = comparison()
    told["rows"] = [row | {"regression": False} for row in told["rows"]]
    assert f"None of {len(told['rows'])} comparisons shows a regression." in page_of(told).text


def test_classes_are_sorted_worst_first_and_cut_where_they_are_thousands() -> None:
    told = comparison(classes=2000)
    files = contest.render(told, {})
    page = files["comparison.html"].decode()
    assert "2,040 classes in between are left out: classes.csv has all" in page
    assert len(table_of(files, "classes.csv")) == len(told["classes"]) == 3 * 2080
    section = page[page.index(">Classes</h2>") :]
    bars = section[: section.index('class="gap"')]
    shown_ = [float(value.replace("−", "-")) for value in re.findall(r"([+−][\d.]+) \[", bars)]
    assert len(shown_) == 30 and shown_[0] < shown_[-1]


def test_a_large_comparison_stays_small_and_says_what_is_cut() -> None:
    told = comparison(arms={f"arm {place:02d}": 0.25 - 0.04 * place for place in range(12)}, tasks=35, classes=3000)
    files = contest.render(told, curves(told, steps=1000))
    assert len(files["comparison.html"]) < 3_000_000
    text = Page(files["comparison.html"].decode()).text
    assert "others are in the table" in text and "more are in comparison.csv" in text
    assert all(len(content) < 200_000 for name, content in files.items() if name.endswith(".svg"))
    assert all(arm in text for arm in told["arms"])


@pytest.mark.parametrize("payload", [*HOSTILE, *FORMULAE], ids=range(len(HOSTILE) + len(FORMULAE)))
def test_a_hostile_string_everywhere_is_text_and_nothing_else(payload: str) -> None:
    told = comparison(payload)
    files = contest.render(told, curves(told, steps=4))
    page = files["comparison.html"].decode("utf-8")
    parsed = assert_closed_to_the_outside(page)
    calm = comparison("calm")
    calm_files = contest.render(calm, curves(calm, steps=4))
    assert [tag for tag, _ in parsed.tags if tag != "wbr"] == [
        tag for tag, _ in Page(calm_files["comparison.html"].decode()).tags if tag != "wbr"
    ]
    assert parsed.text.count(shown(payload)[:20]) > 30
    assert len(files) == len(calm_files)
    for name, content in files.items():
        content.decode("utf-8")
        assert re.fullmatch(r"(figures/)?[A-Za-z0-9.-]+", name)
        if name.endswith(".svg"):
            assert_svg(content)
    for cell in [cell for row in table_of(files) for cell in row.values()]:
        assert not cell.lstrip().startswith(("=", "@", "＝")) and not re.match(r"[+-](?![\d.])", cell.lstrip())
        assert shown(cell) == cell or cell.isascii()
    methods = files["methods.md"].decode()
    assert not re.search(r"(?<!\\)[>`*\[\]]|<(?! 0)|://", methods)


def assert_svg(content: bytes) -> None:
    """Whole, named for the ear, and without an address but the name space's."""
    root = ElementTree.fromstring(content)
    spaces = "{http://www.w3.org/2000/svg}"
    assert root.tag == spaces + "svg" and root.get("role") == "img"
    assert root.find(spaces + "title") is not None and root.find(spaces + "desc") is not None
    allowed = {"svg", "title", "desc", "style", "g", "rect", "path", "line", "circle", "text"}
    assert {node.tag.removeprefix(spaces) for node in root.iter()} <= allowed
    for node in root.iter():
        assert not [name for name in node.attrib if name.startswith("on") or "href" in name or name == "style"]
    style = root.find(spaces + "style")
    assert style is not None and style.text is not None
    assert "url(" not in style.text and "@import" not in style.text and "var(" not in style.text
    markup = content.decode().replace("http://www.w3.org/2000/svg", "", 1)
    assert not re.search(r'="[^"]*://', markup)
    assert not re.search(r'="[^"]*\b(nan|inf)\b', markup)


def test_the_figures_of_the_sample_are_whole() -> None:
    told = comparison()
    drawn = {name: content for name, content in contest.render(told, curves(told)).items() if name.endswith(".svg")}
    assert len(drawn) == 13
    for content in drawn.values():
        assert_svg(content)
    assert b"prefers-color-scheme:dark" in drawn["figures/curves.svg"]
    forest = drawn["figures/forest-filtered.svg"].decode()
    assert "filtered against raw" in forest and "better" in forest and "worse" in forest


NOTHING: dict[str, Any] = {"lower": None, "upper": None, "smallest_detectable": None, "p": None, "p_holm": None}


ODD = (None, math.nan, math.inf, -math.inf, "0.5", [], True, 10**400)


@pytest.mark.parametrize("nothing", ODD, ids=range(len(ODD)))
def test_what_is_not_a_number_is_a_dash(nothing: Any) -> None:
    told = comparison()
    reals = ("baseline_mean", "mean", "difference", "lower", "upper", "p", "p_holm", "chance", "smallest_detectable")
    told["rows"] = [row | dict.fromkeys(reals, nothing) for row in told["rows"]]
    numbers = ("pictures", "baseline_recall", "recall", "difference", "lower", "upper")
    told["classes"] = [one | dict.fromkeys(numbers, nothing) for one in told["classes"]]
    told["ranking"] = [one | {"place": nothing, "mean": nothing} for one in told["ranking"]]
    told["about"] = {
        arm: about | {"pairs": nothing, "samples_seen": nothing, "repetitions": nothing}
        for arm, about in told["about"].items()
    }
    lines = {arm: {0: [(256, nothing), (nothing, 1.0)]} for arm in ("raw", *told["arms"])}
    files = contest.render(told, lines)
    page = files["comparison.html"].decode()
    assert "–" in Page(page).text
    svgs = [content.decode() for name, content in files.items() if name.endswith(".svg")]
    for content in (page, *svgs):
        assert not re.search(r'[ "(>](nan|-?inf|None|n/a|∞)[ ",)<]', content)
    assert all(row["difference"] == "" for row in table_of(files))


def test_one_seed_has_no_interval() -> None:
    told = comparison()
    told["rows"] = [row | NOTHING | {"improvement": False, "regression": False, "seeds": 1} for row in told["rows"]]
    files = contest.render(told, {})
    assert "without an interval" in files["methods.md"].decode()
    forest = files["figures/forest-filtered.svg"].decode()
    assert 'class="interval' not in forest and forest.count('class="mark unsure ring"') == 12


def test_a_comparison_without_anything_still_opens() -> None:
    files = contest.render({}, {})
    text = assert_closed_to_the_outside(files["comparison.html"].decode()).text
    assert "undecided: No verdict." in text
    bare = {"baseline": "raw", "arms": ["filtered"], "rows": [{"metric": "t.top1", "arm": "filtered"}]}
    assert "raw or filtered?" in page_of(bare).text


def test_arms_whose_names_look_alike_as_files_do_not_take_each_others_figures() -> None:
    told = comparison(arms={"a/b": 0.2, "a b": 0.1, "A.B": 0.0, "日本": -0.1, "中国": -0.1})
    files = contest.render(told, {})
    drawn = [name for name in files if name.startswith("figures/forest") and b"points" in files[name]]
    assert len(drawn) == 5 and len({files[name] for name in drawn}) == 5


def test_long_curves_are_told_by_means_of_stretches() -> None:
    told = comparison()
    steps = [(256 * step, float(step % 2)) for step in range(1, 2401)]
    runs = contest.thinned(contest.read(told), {"raw": {0: steps}})
    assert len(runs["raw"][0].samples) == contest.POINTS
    assert set(runs["raw"][0].values) == {0.5} and runs["filtered"] == ()


def test_seeds_are_thin_lines_and_six_arms_share_a_chart_at_most() -> None:
    told = comparison(arms={f"arm {place}": 0.1 for place in range(7)})
    files = contest.render(told, curves(told))
    drawn = [files[name].decode() for name in ("figures/curves.svg", "figures/curves-2.svg")]
    assert [chart.count('class="seed ') for chart in drawn] == [30, 15]
    assert "figures/curves-3.svg" not in files


def test_tables_can_be_heard_and_scrolled() -> None:
    told = comparison()
    parsed = Page(contest.render(told, curves(told))["comparison.html"].decode())
    tags = [tag for tag, _ in parsed.tags]
    assert tags.count("caption") == tags.count("table") > 10
    assert all("scope" in attributes for tag, attributes in parsed.tags if tag == "th")
    scrolled = [attributes for _, attributes in parsed.tags if attributes.get("class") == "scroll"]
    assert len(scrolled) == tags.count("table")
    assert all(one["tabindex"] == "0" and one["role"] == "region" and one["aria-label"] for one in scrolled)
    drawn = [a for tag, a in parsed.tags if tag == "svg" and a.get("aria-hidden") != "true"]
    assert drawn and all(one["role"] == "img" and one["aria-label"] for one in drawn)
