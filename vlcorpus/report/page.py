"""The page: a report as one HTML file that needs nothing else.

    Path("report.html").write_text(render(report), encoding="utf-8")

No script, no address outside the file, and a content security policy that forbids both, so that a caption from the web
cannot make the page load or run anything. It reads without JavaScript, on a phone, on paper, in the dark and by ear.
The same report gives the same bytes. Cost: about 1 ms and a few KiB for each section, and 4/3 of each picture's bytes.
"""

from __future__ import annotations

import base64
import hashlib

from vlcorpus.report.markup import Html, element, join
from vlcorpus.report.model import Fact, Report, Section, Verdict
from vlcorpus.report.sections import section_body
from vlcorpus.report.style import STYLE

SIGNS = {"good": "✓", "bad": "✗", "unsure": "≈"}
SPOKEN = {"good": "good: ", "bad": "bad: ", "unsure": "undecided: "}


def render(report: Report) -> str:
    """The whole page, beginning with its doctype; write it as UTF-8."""
    names = [f"s{place}" for place in range(1, len(report.sections) + 1)]
    body = element(
        "main",
        element(
            "header",
            element("h1", report.title),
            element("p", report.subtitle, class_="subtitle") if report.subtitle else Html(""),
            _verdict(report.verdict),
            *(_notice(words) for words in report.notices),
            _summary(report.summary),
        ),
        _contents(names, report.sections),
        *(_section(name, section) for name, section in zip(names, report.sections, strict=True)),
        element("footer", "Made by vlcorpus. This file stands alone: it loads nothing and runs nothing."),
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy()),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", report.title),
        element("style", Html(STYLE)),
    )
    return "<!doctype html>\n" + element("html", head, element("body", body), lang="en") + "\n"


def policy() -> str:
    """Nothing may load but pictures inside the file; the one style sheet is named by its digest."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    return f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def _verdict(verdict: Verdict) -> Html:
    sign = element("span", SIGNS[verdict.tone], class_="sign", aria_hidden="true")
    spoken = element("span", SPOKEN[verdict.tone], class_="hidden")
    return element("div", sign, element("div", spoken, verdict.words), class_=f"verdict {verdict.tone}", role="note")


def _notice(words: str) -> Html:
    sign = element("span", "!", class_="sign", aria_hidden="true")
    spoken = element("span", "warning: ", class_="hidden")
    return element("div", sign, element("div", spoken, words), class_="notice", role="note")


def _summary(facts: tuple[Fact, ...]) -> Html:
    if not facts:
        return Html("")
    return element(
        "dl",
        *(
            element(
                "div",
                element("dt", fact.label),
                element("dd", fact.value, class_="number"),
                element("dd", fact.note, class_="beside") if fact.note else Html(""),
            )
            for fact in facts
        ),
        class_="summary",
    )


def _contents(names: list[str], sections: tuple[Section, ...]) -> Html:
    if len(sections) < 3:
        return Html("")
    links = (
        element("li", element("a", section.title, href=f"#{name}"))
        for name, section in zip(names, sections, strict=True)
    )
    return element("nav", element("ol", *links), aria_label="Contents")


def _section(name: str, section: Section) -> Html:
    note = element("p", section.note, class_="note") if section.note else Html("")
    title = element("h2", section.title, id=f"{name}-title")
    return element("section", join(title, note, section_body(section)), id=name, aria_labelledby=f"{name}-title")
