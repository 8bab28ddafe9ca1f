"""The truth about a written site: one row per `<img>`, one per page.

    for pair in read_planted(folder / "planted.jsonl"):
        pair.url, pair.alt_text, pair.kind, pair.fault, pair.expected_stage, pair.expected_reason

`url` and `page_url` are absolute on http://world.test, as a crawler resolves them, so a row joins with a candidate on
(url, alt_text), which no two rows share. Files are JSON lines in page order.

KINDS, what the text is: `true` (it describes the picture), `wrong` (it describes another one), `file_name`, `spam`,
`unrelated`, and `none` where there is no text.

FAULTS, what is the matter apart from the text, with where a pipeline is expected to count the pair:

    fault              stage, reason              what was planted
    none               -                          a picture that is served
    empty_alt          crawl, empty_alt           alt is "", blank, or not there
    inline_image       crawl, inline_image        src is a data: URL
    noai_page          crawl, optout              <meta name="robots" content="noai, ...">
    robots_denied      crawl, robots_denied       the page is under /private/: never fetched, so never seen
    missing            download, http_error       404
    broken_image       download, broken_image     truncated, garbage, HTML, or nothing
    tiny_image         download, image_too_small  1x1 GIF or 5x5 PNG
    noai_image         download, optout           X-Robots-Tag: noai
    exact_duplicate    dedup, exact               the bytes of `original` under another URL
    near_duplicate     dedup, near                `original` re-encoded, resized, brighter or darker
    extra_caption      -                          another text for the image at `original`

One of a group of duplicates is kept; which one is the deduplicator's choice, so the expected reason of a duplicate
may fall on its original.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

HOST = "world.test"
ORIGIN = f"http://{HOST}"

KINDS = ("true", "wrong", "file_name", "spam", "unrelated")
FAULTS = {
    "none": ("", ""),
    "empty_alt": ("crawl", "empty_alt"),
    "inline_image": ("crawl", "inline_image"),
    "noai_page": ("crawl", "optout"),
    "robots_denied": ("crawl", "robots_denied"),
    "missing": ("download", "http_error"),
    "broken_image": ("download", "broken_image"),
    "tiny_image": ("download", "image_too_small"),
    "noai_image": ("download", "optout"),
    "exact_duplicate": ("dedup", "exact"),
    "near_duplicate": ("dedup", "near"),
    "extra_caption": ("", ""),
}
PAGE_OUTCOMES = ("fetched", "noai", "robots_denied", "not_html", "missing")


@dataclass(frozen=True)
class Planted:
    """One `<img>`. The scene's five columns are "" and 0 where nothing is pictured (tiny images)."""

    url: str
    page_url: str
    alt_text: str
    kind: str
    fault: str
    detail: str  # which sort of the fault, as 'truncated'
    original: str  # URL of the image that this one repeats
    expected_stage: str
    expected_reason: str
    shape: str
    colour: str
    texture: str
    count: int
    background: str


@dataclass(frozen=True)
class PlantedPage:
    """One address that links lead to. `pairs` counts its `<img>`; `licence` is its `<link rel="license">`."""

    url: str
    outcome: str
    pairs: int
    licence: str


def write_rows(path: Path, rows: Iterable[Planted | PlantedPage]) -> None:
    lines = (json.dumps(vars(row), ensure_ascii=False) + "\n" for row in rows)
    path.write_text("".join(lines), encoding="utf-8", newline="\n")


def read_planted(path: Path) -> Iterator[Planted]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield Planted(**json.loads(line))


def read_pages(path: Path) -> Iterator[PlantedPage]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield PlantedPage(**json.loads(line))
