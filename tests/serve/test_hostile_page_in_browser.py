"""The page over a corpus whose every text was written to get out of it.

Nothing runs, nothing is loaded from elsewhere, nothing is moved, and every text is shown as the text that it is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.browser import chromium
from tests.corpora import Built, copy
from tests.report.hostile import HOSTILE
from tests.serve.live import Live
from tests.serve.opened import Opened
from vlcorpus.corpus import Corpus

MORE = (
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "Z"
    + "\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334\u0319\u0324\u031e\u0349\u035a\u032f\u031e" * 60
    + "algo",
    "}*{display:none!important}body{position:fixed;left:-9999px}",
    "url(https://evil.example/x.png);position:fixed;inset:0;z-index:99999",
    "\u202e\u202e\u2067 right to left \u2066\u200f\u061c without an end",
    "#/pair/../../../api/about?<script>",
    "</title><script>alert(1)</script>",
    "__proto__",
    "constructor",
    "\ufeff\u200b\u200d\u2060",
    "a\tb\vc\fd\x7f\x85e",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 200,
    '{"$ref":"#"}\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\nmany lines',
    "[hidden]{display:block!important}",
)
TEXTS = [text.replace("\ud800", "\ufffd") for text in (*HOSTILE, *MORE)]  # a file cannot hold half a pair
ADDRESSES = (
    "javascript:alert(1)",
    " javascript:alert(1)",
    "java\nscript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "file:///etc/passwd",
    'https://evil.example/"><script>alert(1)</script>',
    "//evil.example/x",
    "blob:https://evil.example/x",
    "https://evil.example/pixel.gif",
    "vbscript:msgbox(1)",
    "http://[::1",
)
_TEXTS = ("caption", "alt_text", "title", "figcaption", "context", "page_title", "language", "page_language", "licence")
_ADDRESSES = ("url", "page_url", "final_url", "link_url", "page_canonical")


def _poison(path: Path) -> None:
    """Put such texts in place of all that a stranger could have written, and keep everything else as it is."""
    whole = pq.read_table(path)
    for place, field in enumerate(whole.schema):
        given = TEXTS if field.name in _TEXTS else ADDRESSES if field.name in _ADDRESSES else ()
        if given and pa.types.is_string(field.type):
            # by the pair's own number, so that all layers say the same of it
            keys = whole.column("uid").to_pylist() if "uid" in whole.column_names else range(len(whole))
            texts = [given[_number(key) % len(given)] for key in keys]
            whole = whole.set_column(place, field, pa.chunked_array([pa.array(texts, field.type)]))
    pq.write_table(whole, path)


def _vouch(corpus: Corpus, layer: Path) -> None:
    """Have a layer's stats say what its files and inputs are now: else they are refused as damaged or out of date."""
    for stats in layer.glob("*.json"):
        told = json.loads(stats.read_text("utf-8"))
        for name in told["inputs"].keys() & {"candidates", "shards"}:
            told["inputs"][name] = corpus.layer(name).digest(told["unit"])
        for name, about in told.get("outputs", {}).items():
            body = (layer / name).read_bytes()
            about |= {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
        stats.write_text(json.dumps(told))


def _number(key: Any) -> int:
    text = key.hex() if isinstance(key, bytes) else str(key or 0)
    return int(text[:8], 16)


@pytest.fixture(scope="module")
def hostile(small_corpus: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    own = copy(small_corpus, tmp_path_factory.mktemp("hostile"))
    path = own.corpus.path
    for layer in (path / "candidates", path / "shards", *(path / "embeddings").iterdir()):
        for file in sorted(layer.rglob("*.parquet")):
            _poison(file)
        _vouch(own.corpus, layer)
    stats = path / "decisions/filtered/all_stats.json"
    told = json.loads(stats.read_text("utf-8"))
    for predicate in told["predicates"]:
        predicate["says"] = HOSTILE[8]
    stats.write_text(json.dumps(told))
    with Live(path) as live:
        yield live


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as opened:
        yield opened


def captions(path: Path) -> dict[str, str]:
    """uid -> words, as they are stored."""
    found = {}
    for file in sorted((path / "shards").glob("*.parquet")):
        for row in pq.read_table(file, columns=["uid", "caption"]).to_pylist():
            found[row["uid"]] = row["caption"]
    return found


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (360, 740)])
def test_results_show_every_text_as_text(browser: Any, hostile: Live, width: int, height: int) -> None:
    opened = Opened(browser, hostile, "#/search?q=a+red+circle&fold=0", viewport={"width": width, "height": height})
    opened.settled()
    opened.whole(hostile.get("/api/about")["rows"])
    cards = opened.page.locator("#results .card")
    shown = cards.evaluate_all(
        """all => all.map(card => {
            const words = card.querySelector(".caption");
            return [card.querySelector("a.shot").hash.slice(7), words.textContent, words.children.length, words.title];
        })"""
    )
    stored = captions(hostile.corpus)
    assert len({text for _, text, _, _ in shown}) > 30
    for uid, text, children, title in shown:
        assert (text, children, title) == (stored[uid], 0, stored[uid])
    assert opened.width() <= width
    boxes = cards.evaluate_all("all => all.map(card => card.querySelector('.caption').getBoundingClientRect().height)")
    assert max(boxes) < 80  # a long text makes no long card
    for number in (0, 20, 40):  # more like it: its words become a chip
        card = cards.nth(number)
        card.locator(".shot").focus()
        opened.page.keyboard.press("m")
        opened.page.locator(".chip").wait_for()
        uid, text = shown[number][:2]
        assert opened.page.locator(".chip .says").evaluate("says => says.textContent") == (text or uid[:8])
        opened.page.go_back()
        opened.page.locator(".chip").wait_for(state="detached")
        opened.settled()
    opened.quiet()
    opened.close()


def test_pages_of_pairs_run_nothing_and_link_to_nothing_but_pages(browser: Any, hostile: Live) -> None:
    opened = Opened(browser, hostile, viewport={"width": 360, "height": 740})
    stored = captions(hostile.corpus)
    seen: dict[str, str] = {text: uid for uid, text in stored.items()}  # one pair of each text
    assert len(seen) > 30
    for text, uid in seen.items():
        opened.go(f"#/pair/{uid}")
        words = opened.page.locator(f"#view-pair .life:has(.names code:text-is('{uid}')) .words")
        words.wait_for()
        assert words.evaluate("words => [words.textContent, words.children.length]") == [text, 0]
        opened.page.locator("#view-pair summary").evaluate_all(
            "all => all.forEach(each => each.parentNode.open = true)"
        )
        hrefs = opened.page.locator("#view-pair a[href]").evaluate_all(
            "all => all.map(each => [each.protocol, each.origin === location.origin, each.rel, each.target])"
        )
        for protocol, own, rel, target in hrefs:
            assert protocol in ("http:", "https:")
            assert own or (rel, target) == ("noreferrer noopener", "_blank")
        assert opened.width() <= 360
    opened.page.wait_for_load_state("networkidle")
    assert opened.page.title().endswith("vlcorpus")
    opened.quiet()
    opened.close()


def test_tables_and_decisions_show_texts_as_texts(browser: Any, hostile: Live) -> None:
    opened = Opened(browser, hostile, "#/browse?path=shards", viewport={"width": 360, "height": 740})
    opened.page.locator(".rows").wait_for()
    told = hostile.get("/api/table?path=shards&limit=50")
    place = [column["name"] for column in told["columns"]].index("caption")
    cells = opened.page.locator(f".rows tbody td:nth-child({place + 1})").evaluate_all(
        "all => all.map(cell => [cell.textContent, cell.querySelectorAll('*').length])"
    )
    assert cells == [[row["caption"], 1] for row in told["head"]]
    opened.go("#/decision/filtered")
    opened.page.locator("#view-decision .predicates").wait_for()
    assert opened.text("#view-decision .predicates .rule") == HOSTILE[8]
    told = hostile.get("/api/decision/filtered?limit=60")
    labels = (
        opened.page.locator("#view-decision .facets section")
        .nth(1)
        .locator(".label")
        .evaluate_all("all => all.map(each => each.textContent)")
    )
    assert labels == [label for label, _, _ in told["facets"]["language"]] and len(labels) > 20
    opened.page.locator("#view-decision .facets section").nth(1).locator("a").nth(5).click()
    value = told["facets"]["language"][5][2]
    opened.page.locator("#view-decision .choices .tool").wait_for()
    assert value in opened.text("#view-decision .choices .tool")
    assert opened.width() <= 360
    opened.page.wait_for_load_state("networkidle")
    opened.quiet()
    opened.close()


ADDRESS = [
    "#/search?q=<img src=x onerror=alert(1)>",
    "#/search?q=%3Cscript%3Ealert(1)%3C/script%3E&where=%3Csvg%20onload=alert(1)%3E",
    "#/search?t=%2Buid:javascript:alert(1)&t=-upload:..%2F..%2Fetc",
    "#/pair/<img src=x onerror=alert(1)>",
    "#/pair/..%2F..%2Fabout",
    "#/pair/%",
    "#/browse?path=javascript:alert(1)",
    "#/browse?path=..%2F..%2F..%2Fetc%2Fpasswd",
    "#/decision/<svg onload=alert(1)>?reason=<b>",
    "#/__proto__/constructor",
    "#javascript:alert(1)",
]


@pytest.mark.parametrize("address", ADDRESS, ids=range(len(ADDRESS)))
def test_addresses_that_a_stranger_made_up(browser: Any, hostile: Live, address: str) -> None:
    opened = Opened(browser, hostile, address)
    opened.page.wait_for_load_state("networkidle")
    refused = "Failed to load resource: the server responded with a status of 4"
    opened.said = [text for text in opened.said if not text.startswith(refused)]
    assert opened.page.locator("main script, main iframe, main svg[onload], main img[onerror]").count() == 0
    opened.quiet()
    opened.close()
