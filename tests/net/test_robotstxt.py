from __future__ import annotations

import pytest

from vlcorpus.net.robotstxt import MAX_BYTES, MAX_SITEMAPS, read, text

WANTED = {"*", "us", "gptbot", "ai2bot", "ai2bot-dolma", "img2dataset"}


@pytest.mark.parametrize(
    ("lines", "groups"),
    [
        ("User-agent: us|Disallow: /a", [(["us"], [("disallow", "/a")])]),
        ("User-agent: US/1.0 (+x)|Allow:/a # why", [(["us"], [("allow", "/a")])]),
        ("User-agent: us|User-agent: other|User-agent: us|Disallow: /", [(["us"], [("disallow", "/")])]),
        ("User-agent: other|Disallow: /|User-agent: us|Disallow: /b", [(["us"], [("disallow", "/b")])]),
        ("User-agent: us||User-agent: *|Disallow: /", [(["us", "*"], [("disallow", "/")])]),
        ("User-agent: us|Sitemap: /s|User-agent: *|Disallow: /", [(["us", "*"], [("disallow", "/")])]),
        # A rule of the draft that updates RFC 9309, so that a group ends with it.
        (
            "User-agent: *|Content-Usage: train-ai=n|User-agent: gptbot|Disallow: /",
            [(["*"], [("content-usage", "train-ai=n")]), (["gptbot"], [("disallow", "/")])],
        ),
        ("User-agent: us|Crawl-delay: 1|User-agent: other|Disallow: /", [(["us"], [("crawl-delay", "1")])]),
        (
            "User-agent: Ai2Bot-Dolma|User-agent: AI2Bot|Disallow: /",
            [(["ai2bot-dolma", "ai2bot"], [("disallow", "/")])],
        ),
        ("User-agent: img2dataset/1|Disallow: /", [(["img2dataset"], [("disallow", "/")])]),
        ("User-agent: usual|User-agent: *us|Disallow: /", []),
        ("User-agent: us", [(["us"], [])]),
        ("Disallow: /", []),
        ("Content-Signal: ai-train=no|Disallow: /", [(["*"], [("content-signal", "ai-train=no")])]),
        ("User-agent|Disallow /|no colon", []),
    ],
)
def test_groups(lines: str, groups: list[tuple[list[str], list[tuple[str, str]]]]) -> None:
    found, _ = read(lines.replace("|", "\n"), WANTED)
    assert [(group.agents, group.rules) for group in found] == groups


def test_sitemaps_stand_anywhere() -> None:
    _, sitemaps = read("Sitemap: https://a.example/1\nUser-agent: x\nsitemap:/2\nDisallow: /\nSITEMAP :\n", WANTED)
    assert sitemaps == ["https://a.example/1", "/2"]
    assert len(read("Sitemap: /s\n" * 1000, WANTED)[1]) == MAX_SITEMAPS


def test_the_text_that_counts() -> None:
    assert text(b"\xef\xbb\xbfUser-agent: \xff") == "User-agent: \ufffd"
    assert len(text(b"a" * 10_000_000)) == MAX_BYTES
