"""The served page in a real browser, and what it asked for or said meanwhile.

with chromium() as browser:
    opened = Opened(browser, live, "#/search?q=a+red+circle")
    opened.settled(); opened.uids()         the results, in order
    opened.quiet()                          nothing ran, nothing was blocked, nothing was asked of anybody else
"""

from __future__ import annotations

from typing import Any

from tests.serve.live import Live

_WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
"""


class Opened:
    """said: console, errors and dialogs; asked: every address. Refused answers (4xx) are said by the browser too."""

    def __init__(self, browser: Any, live: Live, hash: str = "", **settings: Any) -> None:
        self.live = live
        self.context = browser.new_context(**settings)
        self.context.add_init_script(_WATCH)
        self.page = self.context.new_page()
        self.asked: list[str] = []
        self.said: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.said.append(dialog.message), dialog.dismiss()))
        self.context.on("page", lambda page: self.said.append(f"opened {page.url}") if page != self.page else None)
        self.page.goto(f"{live.url}/{hash}")
        self.page.wait_for_load_state("networkidle")

    def settled(self) -> None:
        """Until the answer to what was asked last is shown, with its counts."""
        self.page.wait_for_load_state("networkidle")
        self.page.locator("#results:not([aria-busy]) .card").first.wait_for()
        self.page.locator("#count b").wait_for()

    def whole(self, number: int) -> None:
        """Scrolls on until so many results are loaded."""
        self.page.wait_for_function(
            """number => {
                scrollTo(0, document.documentElement.scrollHeight);
                return document.querySelectorAll("#results .card").length === number;
            }""",
            arg=number,
        )
        self.page.wait_for_load_state("networkidle")

    def questions(self) -> int:
        """How often the API was asked, but for pictures."""
        return sum("/api/" in url and "/api/picture/" not in url for url in self.asked)

    def go(self, hash: str) -> None:
        self.page.evaluate("hash => { location.hash = hash }", hash)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def search(self, query: str, *, folded: bool = True) -> None:
        self.page.set_checked("#fold", folded)
        self.page.fill("#q", query)
        with self.page.expect_response("**/api/histogram"):
            self.press("Enter")
        self.settled()

    def uids(self, view: str = "view-search") -> list[str]:
        """The pairs that are shown, in order."""
        shown = self.page.locator(f"#{view} .card:not([hidden]) a.shot")
        return [str(each).rpartition("/")[2] for each in shown.evaluate_all("all => all.map(each => each.hash)")]

    def text(self, selector: str) -> str:
        return str(self.page.text_content(selector))

    def width(self) -> int:
        return int(self.page.evaluate("document.documentElement.scrollWidth"))

    def quiet(self) -> None:
        own = (f"{self.live.url}/", f"blob:{self.live.url}/", "data:image/svg+xml,")
        assert [url for url in self.asked if not url.startswith(own)] == []
        assert self.said == []
        assert self.page.evaluate("window.violations") == []

    def close(self) -> None:
        self.context.close()
