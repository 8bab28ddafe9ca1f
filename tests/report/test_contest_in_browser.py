"""A comparison and a sweep in a real browser, under a policy that forbids all but styles inside the page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser import chromium
from tests.report.drawn_contest import comparison, curves, sweep
from tests.report.hostile import HOSTILE
from vlcorpus.report import contest, swept

POLICY = "default-src 'none'; style-src 'unsafe-inline'"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as opened:
        yield opened


def opened(browser: Any, content: bytes, kind: str, width: int, heard: list[str], asked: list[str]) -> Any:
    page = browser.new_page(viewport={"width": width, "height": 800})
    headers = {"content-type": kind, "content-security-policy": POLICY}
    page.route("**/*", lambda route: route.fulfill(body=content, headers=headers))
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: heard.append(message.text))
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("dialog", lambda dialog: (heard.append(dialog.message), dialog.dismiss()))
    page.goto("http://reports.test/file")
    return page


@pytest.mark.parametrize("text", ["", " ".join(HOSTILE[:-2]), "x" * 3000], ids=["sample", "hostile", "long"])
def test_pages_run_nothing_and_fit_a_phone(browser: Any, text: str) -> None:
    told = comparison(text)
    pages = (
        contest.render(told, curves(told, steps=20))["comparison.html"],
        swept.render(sweep(text))["sweep.html"],
    )
    for content in pages:
        heard: list[str] = []
        asked: list[str] = []
        page = opened(browser, content, "text/html; charset=utf-8", 360, heard, asked)
        page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
        assert asked == ["http://reports.test/file"] and heard == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert page.evaluate("getComputedStyle(document.querySelector('h1')).fontWeight") == "650"
        cut = "[...document.querySelectorAll('table')].filter(one => !one.closest('.scroll')).length"
        assert page.evaluate(cut) == 0
        page.close()


def test_what_is_folded_away_is_printed(browser: Any, tmp_path: Path) -> None:
    told = comparison(arms={f"arm {place}": 0.02 * place for place in range(6)})
    content = contest.render(told, {})["comparison.html"]
    page = opened(browser, content, "text/html; charset=utf-8", 800, [], [])
    height = "document.querySelector('details.fold').getBoundingClientRect().height"
    folded = page.evaluate(height)
    page.emulate_media(media="print")
    assert page.evaluate(height) > 2 * folded
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_figures_stand_alone_in_light_and_dark(browser: Any, scheme: str) -> None:
    told = comparison(" ".join(HOSTILE[:-2]))
    files = contest.render(told, curves(told, steps=20)) | swept.render(sweep())
    drawn = [content for name, content in files.items() if name.endswith(".svg")]
    for content in (drawn[0], drawn[-2], drawn[-1]):
        heard: list[str] = []
        page = opened(browser, content, "image/svg+xml", 800, heard, [])
        page.emulate_media(color_scheme=scheme)
        ground = page.evaluate("getComputedStyle(document.querySelector('.ground')).fill")
        ink = page.evaluate("getComputedStyle(document.querySelector('.title')).fill")
        assert heard == []
        assert (ground, ink) == {
            "light": ("rgb(255, 255, 255)", "rgb(26, 30, 35)"),
            "dark": ("rgb(20, 23, 26)", "rgb(231, 234, 237)"),
        }[scheme]
        page.close()
