"""The page in a real browser: nothing is asked for, nothing runs, nothing sticks out on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser import chromium
from tests.report.hostile import HOSTILE
from tests.report.sample import report
from vlcorpus.report.page import render


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as opened:
        yield opened


@pytest.mark.parametrize("text", ["", " ".join(HOSTILE[:-2]), "x" * 3000], ids=["sample", "hostile", "long"])
def test_loads_and_runs_nothing_and_fits_a_phone(browser: Any, tmp_path: Path, text: str) -> None:
    path = tmp_path / "report.html"
    path.write_text(render(report(text)), encoding="utf-8")
    page = browser.new_page(viewport={"width": 360, "height": 800})
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    page.goto(path.as_uri())
    assert [url for url in asked if not url.startswith("data:image/jpeg;base64,")] == [path.as_uri()]
    assert said == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert (
        page.evaluate("getComputedStyle(document.querySelector('h1')).fontWeight") == "650"
    )  # the style sheet is let in
    assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
    page.close()
