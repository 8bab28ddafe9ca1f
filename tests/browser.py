"""A real browser for the tests that open pages.

with chromium() as browser:
    page = browser.new_page()
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import sync_playwright

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser. Without one the tests that need it fail: what they hold must not go untested unseen."""
    path = shutil.which("chromium")
    assert path is not None, "the tests open pages in Chromium: see the README"
    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield opened
        opened.close()
