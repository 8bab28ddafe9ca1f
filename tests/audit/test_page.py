from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re

import pytest

from tests.images.drawn import photo, saved
from tests.report.hostile import HOSTILE
from vlcorpus.audit.page import Shown, policy, render
from vlcorpus.audit.sheet import picture_name, sheet

PICTURE = saved(photo(1), "JPEG")


def pairs(*texts: str) -> list[Shown]:
    return [Shown(f"{number:032x}", text, "en", PICTURE) for number, text in enumerate(texts)]


def test_the_page_is_blind_and_whole() -> None:
    page = render("Audit of birds", "abc123", pairs("a dog", "a cat"))
    told = json.loads(re.search(r'<script type="application/json" id="pairs">(.*?)</script>', page, re.DOTALL)[1])  # type: ignore[index]
    assert told["id"] == "abc123"
    assert [set(each) for each in told["pairs"]] == [{"uid", "words", "language", "picture"}] * 2
    assert base64.b64decode(told["pairs"][0]["picture"].partition("base64,")[2]) == PICTURE
    assert "<title>Audit of birds</title>" in page and page.count("of 2 labelled") == 1
    assert render("Audit of birds", "abc123", pairs("a dog", "a cat")) == page


def test_style_and_script_are_those_that_the_policy_names() -> None:
    page = render("x", "y", pairs("a"))
    assert f'content="{policy()}"' in page
    for tag, opening in (("style", "<style>"), ("script", "<script>")):
        (body,) = re.findall(rf"{opening}(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy()
    assert "unsafe" not in policy() and policy().startswith("default-src 'none'")
    assert not re.search(r"https?://", page)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_no_caption_leaves_its_place(text: str) -> None:
    page = render(text, "y", [Shown("0" * 32, text, text, None)])
    plain = render("x", "y", [Shown("0" * 32, "x", "x", None)])
    assert page.isprintable() is plain.isprintable()
    for mark in ("<script", "</script", "<img", "<style", "<!--", "<svg", "<iframe"):
        assert page.count(mark) == plain.count(mark)
    told = json.loads(re.search(r'id="pairs">(.*?)</script>', page, re.DOTALL)[1])  # type: ignore[index]
    assert told["pairs"][0]["words"] == text


def test_a_sheet_has_a_row_for_each_pair_and_no_formulas() -> None:
    texts = ["a dog", '=HYPERLINK("https://evil.example")', "-1", "@x", "+x", 'say "hi", now', "two\nlines"]
    rows = list(csv.DictReader(io.StringIO(sheet([*pairs(*texts), Shown("f" * 32, "x", None, None)]))))
    assert [row["words"].lstrip("'") for row in rows] == [*texts, "x"]
    assert not [row for row in rows if row["words"].startswith(("=", "-", "@", "+"))]
    assert [row["picture"] for row in rows] == [picture_name(number, 8) for number in range(1, 8)] + [""]
    assert {row["label"] for row in rows} == {""}
    assert list(rows[0]) == ["number", "uid", "picture", "words", "language", "label"]
