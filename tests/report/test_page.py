"""The page: complete, closed to the outside, and deaf to what captions say."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from tests.report.hostile import HOSTILE
from tests.report.sample import jpeg, report
from vlcorpus.report import model as m
from vlcorpus.report.markup import shown
from vlcorpus.report.page import policy, render

VOID = {"meta", "img", "br", "wbr"}
TAGS = re.findall(
    r"\w+",
    "html head meta title style body main header h1 h2 h3 p div span dl dt dd nav ol ul li a section table caption "
    "thead tbody tfoot tr th td small svg rect path line circle text figure figcaption img bdi wbr details summary pre "
    "code footer",
)


class Page(HTMLParser):
    """Tags with their attributes, the text outside the style sheet, and whether every tag is closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    @property
    def text(self) -> str:
        return "".join(self.words)


def assert_closed_to_the_outside(page: str) -> Page:
    parsed = Page(page)
    for tag, attributes in parsed.tags:
        assert tag in TAGS, tag
        assert not [
            name for name in attributes if name.startswith("on") or name in ("style", "srcset", "srcdoc", "action")
        ]
        for name in ("src", "data", "poster", "xlink:href"):
            assert attributes.get(name, "data:image/jpeg;base64,").startswith("data:image/jpeg;base64,")
        assert attributes.get("href", "#s1").startswith("#s")
    style = page[page.index("<style>") : page.index("</style>")]
    assert "url(" not in style and "@import" not in style
    return parsed


def test_the_sample_is_closed_to_the_outside_and_says_everything() -> None:
    page = render(report())
    parsed = assert_closed_to_the_outside(page)
    assert page.startswith('<!doctype html>\n<html lang="en">')
    assert "http://" not in page and "https://" not in page
    for words in (
        "filtered beats raw by 21.9 pp",
        "image_corrupt",
        "5,220",
        "shape: circle",
        "--similarity-at-least 0.23",
        "9f86d081",
    ):
        assert words in parsed.text
    assert render(report()) == page


def test_the_policy_names_the_only_style_sheet() -> None:
    page = render(report())
    style = page[page.index("<style>") + 7 : page.index("</style>")]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    metas = [attributes for tag, attributes in Page(page).tags if tag == "meta"]
    assert metas[1] == {"http-equiv": "Content-Security-Policy", "content": policy()}
    assert policy().startswith("default-src 'none'") and f"style-src 'sha256-{digest}'" in policy()
    assert "unsafe" not in policy() and page.count("<style>") == 1


@pytest.mark.parametrize("payload", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_string_everywhere_is_text_and_nothing_else(payload: str) -> None:
    calm, page = render(report("calm")), render(report(payload))
    parsed = assert_closed_to_the_outside(page)
    assert [tag for tag, _ in parsed.tags] == [tag for tag, _ in Page(calm).tags]
    if re.search(r"[<>\"'\x00-\x1f\u202a-\u202e\u2066-\u2069\u2028\u2029\ud800]", payload):
        assert payload not in page
    visible = shown(payload)
    for place in ("<figcaption>", "<h1>"):
        assert place in page
    assert (visible if len(payload) < 1000 else visible[:1000]) in parsed.text
    assert parsed.text.count(visible[:20]) > 30
    page.encode("utf-8")
    controls = [character for character in page if ord(character) < 32 and character != "\n"]
    assert controls == []


def test_only_jpegs_become_pictures() -> None:
    odd = (None, b"", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"\x89PNG\r\n\x1a\n", jpeg(1) + bytes(1 << 20))
    pictures = (m.Picture(jpeg(1), "good", 0.3), *(m.Picture(bytes_, "odd", None) for bytes_ in odd))
    parsed = Page(render(m.Report("t", m.Verdict("v"), sections=(m.Pictures("p", pictures, ()),))))
    shown_pictures = [attributes for tag, attributes in parsed.tags if tag == "img"]
    assert len(shown_pictures) == 1 and shown_pictures[0]["alt"] == "captioned: good"
    assert base64.b64decode(shown_pictures[0]["src"].split(",")[1]) == jpeg(1)
    assert parsed.text.count("no picture") == 5


def test_tables_and_charts_can_be_heard() -> None:
    parsed = Page(render(report()))
    tags = [tag for tag, _ in parsed.tags]
    assert tags.count("caption") == tags.count("table") > 5
    assert all("scope" in attributes for tag, attributes in parsed.tags if tag == "th")
    assert all(attributes.get("alt") for tag, attributes in parsed.tags if tag == "img")
    charts = [attributes for tag, attributes in parsed.tags if tag == "svg" and attributes.get("aria-hidden") != "true"]
    assert len(charts) == 6 and all(attributes["role"] == "img" and attributes["aria-label"] for attributes in charts)
    ids = [attributes["id"] for _, attributes in parsed.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {a["href"][1:] for t, a in parsed.tags if t == "a"} <= set(ids)


def test_the_funnel_says_where_counts_and_truth_part() -> None:
    steps = (
        m.FunnelStep("download", "fetch", "http_404", 7, 5),
        m.FunnelStep("download", "fetch", "ok", 3, 3, kept=True),
    )
    page = render(m.Report("t", m.Verdict("v", "bad"), sections=(m.Funnel("f", steps),)))
    text = Page(page).text
    assert "✗ +2" in text and "✓agrees" in text and "70.0 %" in text and "bad: v" in text
    without = Page(render(m.Report("t", m.Verdict("v"), sections=(m.Funnel("f", (m.FunnelStep("a", "b", "c", 1),)),))))
    assert "Planted" not in without.text


def test_a_notice_is_said_aloud_and_only_where_there_is_one() -> None:
    page = render(m.Report("t", m.Verdict("v", "good"), notices=("<b>too often",)))
    assert "!warning: <b>too often" in Page(page).text and page.count('class="notice"') == 1
    assert 'class="notice"' not in render(m.Report("t", m.Verdict("v", "good")))


def test_numbers_of_a_matrix_are_shaded_by_size_and_sign() -> None:
    matrix = m.Matrix("m", ("one", "two"), ((1.0, -0.5), (-0.5, None)), (0.95, None), "agrees")
    parsed = Page(render(m.Report("t", m.Verdict("v"), sections=(matrix,))))
    cells = [a["class"] for tag, a in parsed.tags if tag == "td" and "cell" in a.get("class", "")]
    assert cells == ["cell apart p4", "cell", "cell m2", "cell apart", "cell m2", "cell"]
    assert "−0.50" in parsed.text and "–" in parsed.text


def test_rates_say_their_interval_and_draw_the_share_of_all() -> None:
    rates = m.Rates("r", "domain", (m.Rate("a.test", 10, 5, 0.2366, 0.7634), m.Rate("none", 0, 0, 0.0, 1.0)), 0.25)
    page = render(m.Report("t", m.Verdict("v"), sections=(rates,)))
    text = Page(page).text
    assert "50.0 %23.7 – 76.3" in text and page.count('x1="25.0%" x2="25.0%"') == 2


def test_captions_alone_have_no_blanks() -> None:
    sides = m.Pictures(
        "p", (m.Picture(None, "one", 200.0),), (m.Picture(None, "two", 0.25),), value="x", pictured=False
    )
    text = Page(render(m.Report("t", m.Verdict("v"), sections=(sides,)))).text
    assert "no picture" not in text and "200one" in text and "0.250two" in text


def test_the_smallest_report() -> None:
    parsed = assert_closed_to_the_outside(render(m.Report("t", m.Verdict("nothing was shown"))))
    assert "≈undecided: nothing was shown" in parsed.text
