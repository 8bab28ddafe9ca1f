"""Joined URLs beside those of the slow way, part by part."""

from __future__ import annotations

import random
import re
from urllib.parse import urljoin

import pytest

from vlcorpus.net.url import requestable
from vlcorpus.web.pages.join import INLINE_IMAGE, MAX_URL, SPACE, SVG, Join

BASES = (
    "https://s.example/",
    "https://s.example/d/p.html",
    "https://s.example/d//p.html",
    "http://s.example:8080/a;b/c?q=/x/y",
    "https://1.2.3.4/x/",
    "https://xn--a.example/d/e/f?x",
    "no URL at all",
)
WORDS = """
a / // . .. ? # & = ; : @ [ ] | ' " \\ % ~ * ( ) ! { } ^ ` + , $ é http:// https:// HTTP:// b.c %2e %2E %20 x.jpg
e.example www.e-x.example.com :443 http .svg mailto: javascript: data:, \u200b ü.png?x=1&y=2
"""
PARTS = (*WORDS.split(), " ", "\n", "\x7f", "x" * 1_000)


def slow_image(found: str, base: str) -> tuple[str, str | None]:
    if re.match(r"\s*data:", found, re.IGNORECASE):
        return found[: min(found.find(",") + 1 or 100, 100)].strip(SPACE), INLINE_IMAGE
    repaired, reason = requestable(found, base)
    if reason is not None:
        return found[:MAX_URL], reason
    url = found.strip(SPACE)
    if not url.lower().startswith(("http://", "https://")):
        url = repaired if "\\" in url else urljoin(base, url)
    path = re.split("[?#]", url)[0].lower()
    return url, SVG if path.endswith((".svg", ".svgz")) else None


def slow_link(found: str, base: str) -> str | None:
    url, reason = requestable(found, base)
    return url if reason is None and len(url) <= MAX_URL else None


@pytest.mark.parametrize("base", BASES)
def test_the_same_as_the_slow_way(base: str) -> None:
    rng = random.Random(base)
    for _ in range(30_000):
        found = "".join(rng.choice(PARTS) for _ in range(rng.randrange(7)))
        join = Join(base)
        assert join.image(found) == slow_image(found, base), (found, base)
        assert join.link(found) == slow_link(found, base), (found, base)


def test_links_are_given_once() -> None:
    join = Join("https://s.example/d/p.html")
    hrefs = ["a", "a#b", "/d/a", "mailto:x@e.example", "https://e.example", "//e.example/"]
    assert join.links(hrefs) == ("https://s.example/d/a", "https://e.example/")
