"""The page in a real browser: labelled by keyboard, kept over a reload, exported, imported; no caption runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser import chromium
from tests.images.drawn import photo, saved
from tests.report.hostile import HOSTILE
from vlcorpus.audit.labels import read_labels
from vlcorpus.audit.page import Shown, render
from vlcorpus.audit.verdict import BAD, GOOD, NONE, UNSURE

PICTURES = [saved(photo(seed, *size), "JPEG") for seed, size in enumerate(((384, 256), (96, 300), (40, 30)))]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as opened:
        yield opened


class Opened:
    """A page of an audit, and what it asked for or said."""

    def __init__(self, browser: Any, path: Path, **settings: Any) -> None:
        self.context = browser.new_context(**settings)
        self.page = self.context.new_page()
        self.asked: list[str] = []
        self.said: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.said.append(dialog.message), dialog.dismiss()))
        self.page.goto(path.as_uri())

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def text(self, name: str) -> str:
        return str(self.page.text_content(f"#{name}"))

    def export(self, folder: Path) -> Path:
        with self.page.expect_download() as waiting:
            self.press("e")
        path = folder / waiting.value.suggested_filename
        waiting.value.save_as(path)
        return path


def write(folder: Path, texts: list[str], audit: str = "0123456789abcdef") -> tuple[Path, list[str]]:
    pairs = [
        Shown(f"{number:032x}", text, "en" if number % 2 else None, PICTURES[number % 3])
        for number, text in enumerate(texts)
    ]
    path = folder / "index.html"
    path.write_text(render("Audit of birds", audit, pairs), encoding="utf-8")
    return path, [pair.uid for pair in pairs]


def test_ten_pairs_by_keyboard_back_undo_export_and_reload(browser: Any, tmp_path: Path) -> None:
    path, uids = write(tmp_path, [f"caption {number}" for number in range(12)])
    opened = Opened(browser, path, accept_downloads=True)
    opened.press("1", "2", "3", "g", "b", "u", "1", "1", "2", "1")
    assert (opened.text("labelled"), opened.text("number"), opened.text("words")) == (
        "10",
        "Pair 11 of 12",
        "caption 10",
    )
    opened.press("ArrowLeft", "ArrowLeft")
    assert (opened.text("words"), opened.text("label")) == ("caption 8", "bad")
    opened.press("1")  # changed its mind
    assert opened.text("words") == "caption 9"
    opened.press("z")
    assert (opened.text("words"), opened.text("label")) == ("caption 8", "bad")
    opened.press("3", "ArrowRight", "2", "Control+z")
    assert (opened.text("number"), opened.text("labelled")) == ("Pair 11 of 12", "10")
    wanted = [GOOD, BAD, UNSURE, GOOD, BAD, UNSURE, GOOD, GOOD, UNSURE, GOOD, NONE, NONE]
    file = opened.export(tmp_path)
    assert file.name == "labels-01234567.csv"
    assert read_labels(file, uids).tolist() == wanted
    opened.page.reload()
    assert (opened.text("labelled"), opened.text("number")) == ("10", "Pair 11 of 12")
    assert opened.text("said").startswith("Welcome back: 10 labels")
    opened.press("2", "1")
    assert opened.text("said") == "All 12 pairs are labelled: export them now."
    assert opened.page.get_attribute("body", "class") == "done"
    assert read_labels(opened.export(tmp_path), uids).tolist() == [*wanted[:10], BAD, GOOD]
    assert opened.said == []
    opened.context.close()


def test_an_export_can_be_imported_and_undone(browser: Any, tmp_path: Path) -> None:
    path, uids = write(tmp_path, [f"caption {number}" for number in range(6)])
    opened = Opened(browser, path)
    labels = tmp_path / "labels.csv"
    labels.write_text(f"uid,label\n{uids[0]},good\n{uids[1]},bad\n{uids[4]},unsure\n")
    opened.page.set_input_files("#file", labels)
    opened.page.locator("#labelled:text-is('3')").wait_for()
    assert (opened.text("number"), opened.text("said")) == ("Pair 3 of 6", "Imported 3 labels")
    opened.press("n", "n")
    assert opened.text("number") == "Pair 6 of 6"
    opened.press("Backspace")
    assert opened.text("labelled") == "0"
    for wrong in ("uid,label\n" + "f" * 32 + ",good\n", f"uid,label\n{uids[0]},splendid\n", "<b>no</b>"):
        labels.write_text(wrong)
        opened.page.set_input_files("#file", labels)
        opened.page.locator("#said.wrong").wait_for()
        assert opened.text("labelled") == "0"
        opened.press("ArrowRight", "z")
    opened.context.close()


def test_two_people_at_one_computer_keep_their_own_labels(browser: Any, tmp_path: Path) -> None:
    path, uids = write(tmp_path, ["a", "b", "c"])
    opened = Opened(browser, path, accept_downloads=True)
    opened.page.fill("#who", "Anna / 1")
    opened.page.press("#who", "Enter")
    opened.press("1", "1")
    opened.page.fill("#who", "bug")  # its letters are no labels
    opened.page.press("#who", "Enter")
    assert (opened.text("labelled"), opened.text("number")) == ("0", "Pair 1 of 3")
    opened.press("2")
    assert opened.export(tmp_path).name == "labels-01234567-bug.csv"
    opened.page.fill("#who", "Anna / 1")
    opened.page.press("#who", "Enter")
    assert opened.text("labelled") == "2"
    file = opened.export(tmp_path)
    assert file.name == "labels-01234567-Anna-1.csv"
    assert read_labels(file, uids).tolist() == [GOOD, GOOD, NONE]
    opened.page.reload()
    assert (opened.page.input_value("#who"), opened.text("labelled")) == ("Anna-1", "2")
    opened.context.close()


def test_buttons_do_what_keys_do(browser: Any, tmp_path: Path) -> None:
    path, _ = write(tmp_path, ["a", "b", "c"])
    opened = Opened(browser, path, has_touch=True, viewport={"width": 390, "height": 844})
    assert opened.page.is_disabled("#undo") and opened.page.is_disabled("#export") and opened.page.is_disabled("#back")
    opened.page.tap("#good")
    opened.page.tap("#bad")
    opened.page.tap("#back")
    assert opened.page.get_attribute("#bad", "aria-pressed") == "true"
    opened.page.tap("#undo")
    assert (opened.text("labelled"), opened.text("number")) == ("1", "Pair 2 of 3")
    opened.page.tap("#forward")
    assert opened.text("number") == "Pair 3 of 3"
    opened.context.close()


@pytest.mark.parametrize(("width", "height"), [(1200, 800), (390, 844), (360, 640)])
def test_hostile_captions_run_nothing_load_nothing_and_move_nothing(
    browser: Any, tmp_path: Path, width: int, height: int
) -> None:
    path, _ = write(tmp_path, list(HOSTILE))
    opened = Opened(browser, path, viewport={"width": width, "height": height})
    assert len(HOSTILE) >= 30
    place = opened.page.locator("#good").bounding_box()
    for number, text in enumerate(HOSTILE, start=1):
        opened.page.evaluate("document.getElementById('picture').decode()")
        assert opened.page.evaluate("document.getElementById('words').textContent") == text
        assert opened.page.evaluate("document.getElementById('words').children.length") == 0
        assert opened.page.locator("#good").bounding_box() == place
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
        assert opened.page.evaluate("document.documentElement.scrollHeight") <= height
        assert opened.page.locator("#picture").bounding_box()["height"] > 120
        opened.press("1" if number % 2 else "2")
    assert opened.text("labelled") == str(len(HOSTILE))
    assert opened.page.locator("#good").bounding_box() == place
    assert [url for url in opened.asked if not url.startswith("data:image/jpeg;base64,")] == [path.as_uri()]
    assert opened.said == []
    assert opened.page.evaluate("getComputedStyle(document.querySelector('h1')).fontWeight") == "650"
    opened.context.close()


def test_what_the_browser_stored_is_not_trusted(browser: Any, tmp_path: Path) -> None:
    path, _ = write(tmp_path, ["a", "b"])
    opened = Opened(browser, path)
    for stored in ("nonsense", '{"labels":{"<b>":"good","0":"x"},"at":99}', "null"):
        opened.page.evaluate("text => localStorage.setItem('vlcorpus-audit:0123456789abcdef:', text)", stored)
        opened.page.reload()
        assert (opened.text("labelled"), opened.text("number")) == ("0", "Pair 1 of 2")
    opened.press("1")
    assert opened.text("labelled") == "1"
    assert opened.said == []
    opened.context.close()
