"""The page in a real browser, over a real corpus: what is asked, dragged, filtered, exported, opened and browsed."""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.browser import chromium
from tests.corpora import Built
from tests.serve.live import Live
from tests.serve.opened import Opened
from vlcorpus.corpus import Corpus
from vlcorpus.io import table, tar, vectors
from vlcorpus.views.find import find
from vlcorpus.views.life import life

STEP = 0.002


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def opened(browser: Any, server: Live) -> Iterator[Opened]:
    page = Opened(browser, server, accept_downloads=True, viewport={"width": 1280, "height": 900})
    yield page
    page.close()


@pytest.fixture(scope="module")
def corpus(small_corpus: Built) -> Corpus:
    return small_corpus.corpus


@pytest.fixture(scope="module")
def stored(corpus: Corpus) -> tuple[np.ndarray, list[str]]:
    """All image rows in float64, and their uids."""
    layer = corpus.layer(f"embeddings/{corpus.layers('embeddings')[0]}")
    rows = [vectors.read(layer.path(f"img_emb/img_emb_{shard}.npy")) for shard in layer.units()]
    uids = [
        row["uid"]
        for shard in layer.units()
        for row in table.rows(layer.path(f"metadata/metadata_{shard}.parquet"), "embeddings-metadata")
    ]
    return np.concatenate(rows).astype(np.float64), uids


@pytest.fixture(scope="module")
def picture(corpus: Corpus) -> tuple[str, bytes]:
    """The uid and the bytes of a stored picture."""
    sample = next(tar.read_samples(corpus.layer("shards").path("00001.tar")))
    return json.loads(sample.members["json"])["uid"], sample.members["jpg"]


def above(stored: tuple[np.ndarray, list[str]], uid: str, least: float) -> list[str]:
    """The uids at or above a similarity to a pair, from the stored rows alone."""
    rows, uids = stored
    query = rows[uids.index(uid)]
    near = (rows @ (query / np.linalg.norm(query))).astype(np.float32)
    return [name for name, each in zip(uids, near, strict=True) if each >= np.float32(least) and name != uid]


def test_words_are_searched_for_and_the_address_keeps_them(opened: Opened, server: Live) -> None:
    opened.search('+"a red circle" -"a blue square"', folded=False)
    hits = server.search(query='+"a red circle" -"a blue square"', k=60, folded=False)["hits"]
    assert opened.uids() == [hit["uid"] for hit in hits]
    captions = opened.page.locator("#results .caption").all_text_contents()
    assert captions == [hit["caption"] for hit in hits]
    assert opened.text("#results .near") == f"{hits[0]['similarity']:.3f}"
    assert opened.page.locator("#results img").first.get_attribute("src") == f"/api/picture/{hits[0]['row']}?side=256"
    opened.page.reload()
    opened.settled()
    assert opened.page.input_value("#q") == '+"a red circle" -"a blue square"'
    assert opened.uids() == [hit["uid"] for hit in hits]
    opened.quiet()


def test_more_like_this_and_its_sign(opened: Opened, server: Live) -> None:
    opened.search("a red circle", folded=False)
    one, other = opened.uids()[:2]
    opened.page.locator("#results .card").first.hover()
    opened.page.locator("#results .alike").first.click()
    opened.page.locator(".chip").wait_for()
    opened.settled()
    assert opened.page.input_value("#q") == ""
    assert opened.uids() == [hit["uid"] for hit in server.search(query=f"uid:{one}", k=60, folded=False)["hits"]]
    assert one not in opened.uids()
    opened.go(f"#/search?q=a+red+circle&t=%2Buid:{one}&t=-uid:{other}&fold=0")
    opened.page.locator(".chip.less").wait_for()
    opened.page.locator(".chip .sign").first.click()
    opened.page.locator(".chip.less").nth(1).wait_for()
    opened.settled()
    away = [{"kind": "uid", "value": uid, "weight": -1} for uid in (one, other)]
    hits = server.search(query="a red circle", terms=away, k=60, folded=False)["hits"]
    assert opened.uids() == [hit["uid"] for hit in hits]
    opened.page.locator(".chip .off").first.click()
    opened.page.locator(".chip").nth(1).wait_for(state="detached")
    opened.settled()
    hits = server.search(query="a red circle", terms=away[1:], k=60, folded=False)["hits"]
    assert opened.uids() == [hit["uid"] for hit in hits]
    opened.quiet()


@pytest.mark.parametrize("way", ["button", "drop", "paste"])
def test_a_picture_is_uploaded(opened: Opened, server: Live, picture: tuple[str, bytes], way: str) -> None:
    uid, body = picture
    if way == "button":
        file = {"name": "mine.jpg", "mimeType": "image/jpeg", "buffer": body}
        opened.page.set_input_files("#file", files=[file])
    else:
        opened.page.evaluate(
            """([way, bytes]) => {
                const held = new DataTransfer();
                held.items.add(new File([new Uint8Array(bytes)], "mine.jpg", { type: "image/jpeg" }));
                dispatchEvent(way === "drop"
                    ? new DragEvent("drop", { dataTransfer: held, cancelable: true })
                    : new ClipboardEvent("paste", { clipboardData: held, cancelable: true }));
            }""",
            [way, list(body)],
        )
    opened.page.locator(".chip img").wait_for()
    opened.settled()
    thumbnail = opened.page.locator(".chip img")
    assert str(thumbnail.get_attribute("src")).startswith(f"blob:{server.url}/")
    assert thumbnail.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    assert opened.uids()[0] == uid
    assert float(opened.text("#results .near")) > 0.98
    opened.quiet()


def test_what_is_no_picture_is_refused_in_its_place(opened: Opened) -> None:
    file = {"name": "mine.png", "mimeType": "image/png", "buffer": b"<svg onload=alert(1)>"}
    opened.page.set_input_files("#file", files=[file])
    opened.page.locator("#ask-wrong:visible").wait_for()
    assert "picture" in opened.text("#ask-wrong")
    assert opened.page.locator(".chip").count() == 0
    file = {"name": "mine.txt", "mimeType": "text/plain", "buffer": b"words"}
    opened.page.set_input_files("#file", files=[file])
    opened.page.locator("#ask-wrong b:text-is('that is no picture')").wait_for()


def test_the_threshold_counts_every_pair_of_the_corpus(opened: Opened, stored: Any) -> None:
    _, uids = stored
    opened.go(f"#/search?t=%2Buid:{uids[7]}&fold=0")
    opened.settled()
    assert opened.text("#count") == f"{len(uids) - 1} of {len(uids) - 1} pairs"
    opened.whole(len(uids) - 1)
    opened.page.locator("#plot").scroll_into_view_if_needed()
    order = opened.uids()
    before = opened.questions()
    box = opened.page.locator("#plot").bounding_box()
    opened.page.mouse.move(box["x"] + 1, box["y"] + 60)
    opened.page.mouse.down()
    shown = set()
    for part in (0.3, 0.75, 0.85, 0.92):
        opened.page.mouse.move(box["x"] + box["width"] * part, box["y"] + 50)
        least = float(str(opened.page.get_attribute("#handle", "aria-valuenow")))
        wanted = above(stored, uids[7], least)
        assert opened.text("#count") == f"{len(wanted)} of {len(uids) - 1} pairs at or above {least:.3f}"
        assert opened.uids() == [uid for uid in order if uid in wanted]
        shown.add(len(wanted))
    opened.page.mouse.up()
    assert len(shown) == 4
    assert opened.page.evaluate("location.hash").endswith(f"&min={least:g}")
    assert opened.questions() == before  # nothing is asked for to count
    opened.quiet()


def test_the_threshold_moves_by_keys(opened: Opened, stored: Any) -> None:
    _, uids = stored
    opened.go(f"#/search?t=%2Buid:{uids[7]}&min=0.95")
    opened.settled()
    opened.press("t")
    at = 0.95
    for key, step in (("ArrowRight", 1), ("ArrowLeft", -1), ("ArrowLeft", -1), ("PageUp", 10), ("PageDown", -10)):
        opened.press(key)
        at += step * STEP
        assert float(str(opened.page.get_attribute("#handle", "aria-valuenow"))) == pytest.approx(at, abs=1e-9)
        wanted = len(above(stored, uids[7], round(at, 3)))
        text = f"{at:.3f}: {wanted} of {len(uids) - 1} pairs"
        assert opened.page.get_attribute("#handle", "aria-valuetext") == text
    opened.press("Home")
    assert opened.text("#count") == f"{len(uids) - 1} of {len(uids) - 1} pairs"
    assert "min=" not in opened.page.evaluate("location.hash")
    opened.quiet()


def test_a_wrong_filter_is_told_in_its_place_and_a_good_one_holds(opened: Opened, server: Live) -> None:
    opened.search("a red circle", folded=False)
    before = opened.uids()
    opened.page.fill("#where", "similarty > 0")
    opened.press("Enter")
    opened.page.locator("#where-wrong:visible").wait_for()
    assert "similarty" in opened.text("#where-wrong b") and "similarity" in opened.text("#where-wrong span")
    assert opened.page.get_attribute("#where", "aria-invalid") is not None
    assert opened.page.is_hidden("#ask-wrong") and opened.uids() == before
    opened.page.fill("#where", "")
    opened.page.type("#where", "simi")
    assert "similarity" in opened.page.locator("#where-list [role=option]").all_inner_texts()[0]
    opened.press("ArrowDown", "Enter")
    assert opened.page.input_value("#where") == "similarity"
    opened.page.type("#where", " > 0")
    with opened.page.expect_response("**/api/histogram"):
        opened.press("Enter")
    opened.settled()
    assert opened.page.is_hidden("#where-wrong") and opened.page.get_attribute("#where", "aria-invalid") is None
    hits = server.search(query="a red circle", where="similarity > 0", k=60, folded=False)["hits"]
    assert opened.uids() == [hit["uid"] for hit in hits] and len(hits) < len(before)
    assert opened.text("#count") == f"{len(hits)} of {len(hits)} pairs, filtered"


def test_copies_unfold(opened: Opened, server: Live) -> None:
    hits = server.search(query="a red circle", k=60)["hits"]
    place = next(number for number, hit in enumerate(hits) if hit["copies"])
    opened.search("a red circle")
    card = opened.page.locator("#results .card").nth(place)
    assert card.locator(".stack").text_content() == f"+{len(hits[place]['copies'])}"
    card.locator(".stack").click()
    copies = [copy["uid"] for copy in hits[place]["copies"]]
    order = [hit["uid"] for hit in hits]
    assert opened.uids() == [*order[: place + 1], *copies, *order[place + 1 :]]
    card.locator(".stack").click()
    assert opened.uids() == order
    opened.quiet()


def download(opened: Opened, folder: Path, which: str, format: str) -> Path:
    opened.press("e")
    opened.page.check(f"#which-{which}")
    opened.page.check(f"#export [value={format}]")
    with opened.page.expect_download() as waiting:
        opened.page.click("#export-go")
    path = folder / str(waiting.value.suggested_filename)
    waiting.value.save_as(path)
    assert opened.page.is_hidden("#export")
    return path


def test_what_is_near_enough_is_exported_and_so_is_a_selection(opened: Opened, stored: Any, tmp_path: Path) -> None:
    _, uids = stored
    least = 0.98
    opened.go(f"#/search?t=%2Buid:{uids[7]}&min={least}&fold=0")
    opened.settled()
    wanted = above(stored, uids[7], least)
    assert 2 < len(wanted) < len(uids) - 1
    path = download(opened, tmp_path, "above", "uids")
    assert path.suffix == ".txt" and set(path.read_text().split()) == set(wanted)
    chosen = opened.uids()[:3]
    for number in range(3):
        opened.page.locator("#results .card .shot").nth(number).focus()
        opened.press("x")
    assert opened.text("#select-none") == "Clear 3 selected"
    lines = download(opened, tmp_path, "selection", "jsonl").read_text("utf-8").splitlines()
    assert {json.loads(line)["uid"] for line in lines} == set(chosen)
    body = download(opened, tmp_path, "selection", "webdataset").read_bytes()
    with tarfile.open(fileobj=io.BytesIO(body)) as file:
        assert sorted(name.rpartition(".")[2] for name in file.getnames()).count("jpg") == 3
    opened.page.reload()  # a selection outlives it
    opened.settled()
    assert opened.text("#select-none") == "Clear 3 selected"
    opened.page.click("#select-none")
    opened.page.click("#select-all")
    assert opened.text("#select-none") == f"Clear {len(opened.uids())} selected"
    opened.quiet()


def test_the_whole_walk_by_keyboard(opened: Opened) -> None:
    focused = "document.activeElement.closest('.card')?.querySelector('.caption').textContent"
    opened.page.uncheck("#fold")
    opened.press("?")
    assert opened.page.is_visible("#keys")
    opened.press("Escape", "/")
    assert opened.page.is_hidden("#keys")
    opened.page.keyboard.type("a red circle")
    with opened.page.expect_response("**/api/histogram"):
        opened.press("Enter")
    opened.settled()
    captions = opened.page.locator("#results .caption").all_text_contents()
    uids = opened.uids()
    row = opened.page.evaluate(
        "getComputedStyle(document.getElementById('results')).gridTemplateColumns.split(' ').length"
    )
    opened.press("ArrowDown")
    assert opened.page.evaluate(focused) == captions[0]
    opened.press("ArrowRight", "ArrowDown")
    assert opened.page.evaluate(focused) == captions[row + 1]
    opened.press("ArrowUp", "ArrowLeft", "End", "Home", "ArrowRight", "x")
    assert opened.text("#select-none") == "Clear 1 selected"
    opened.press("Enter")
    opened.page.locator("#view-pair .life").wait_for()
    assert opened.text("#view-pair .names code") == uids[1]
    assert opened.text("#view-pair .select") == "Selected"
    opened.press("Escape")
    opened.page.locator("#view-search:visible").wait_for()
    opened.page.wait_for_function(f"{focused} !== undefined")
    assert opened.page.evaluate(focused) == captions[1]
    with opened.page.expect_response("**/api/histogram"):
        opened.press("m")
    opened.page.locator(".chip").wait_for()
    opened.settled()
    assert uids[1] in opened.page.evaluate("location.hash")
    opened.press("/")
    assert opened.page.evaluate("document.activeElement.id") == "q"
    opened.quiet()


def test_the_page_of_a_pair_tells_what_show_tells(opened: Opened, corpus: Corpus) -> None:
    groups = list(table.rows(corpus.layer("duplicates/default").path("groups.parquet"), "duplicates"))
    told = life(corpus, find(corpus, groups[0]["uid"].hex()))
    opened.go(f"#/pair/{told.uid}")
    opened.page.locator("#view-pair .life").wait_for()
    opened.page.wait_for_load_state("networkidle")
    said = re.sub(r"\s+", " ", opened.page.inner_text("#view-pair"))
    assert told.fetched is not None and told.stored is not None
    wanted = [told.uid, f"key {told.key}", told.found["alt_text"], told.found["url"], f"by {told.found['source']}"]
    wanted += [f"HTTP {told.fetched['http_status']} {told.fetched['content_type']}", told.fetched["sha256"]]
    wanted += [f"{told.stored.tar} as {told.stored.key}"]
    wanted += [f".{ending} {size:,} bytes at byte {at:,}" for ending, (at, size) in told.stored.members.items()]
    wanted += [f"{each.model} row {each.row}, {each.dimension} numbers" for each in told.embedded]
    wanted += [f"similarity {told.scores['similarity']:.6g}", f"phash {told.scores['phash']:016x}"]
    for each in told.decisions:
        wanted += [f"{each.decision} {'kept' if each.keep else 'not kept'}"]
        for one in each.judgements:
            wanted += [f"{'pass' if one.passed else 'fail'} {one.rule}"]
            wanted += [f"{one.value:.6g} threshold {one.threshold:.6g}"] if one.column else []
    wanted += [f"one of {len(each.members)} in group {each.group}" for each in told.groups]
    wanted += [f"{name} {split}" for name, split in told.splits.items()]
    assert [text for text in wanted if re.sub(r"\s+", " ", text) not in said] == []
    members = opened.page.locator("#view-pair .members a")
    assert members.evaluate_all("all => all.map(each => each.hash.split('/').pop())") == [
        member.uid for member in told.groups[0].members
    ]
    raw = json.loads(opened.text("#view-pair .raw pre"))
    assert raw["decisions"][0]["decision"] == told.decisions[0].decision
    opened.page.click("#view-pair .buttons .main")
    opened.settled()
    assert told.uid in opened.page.evaluate("location.hash")
    opened.quiet()


def test_layers_tables_and_decisions_are_browsed(opened: Opened, server: Live, corpus: Corpus) -> None:
    opened.page.click("#to-browse")
    opened.page.locator(".layer").first.wait_for()
    shelves = server.get("/api/layers")
    shown = [text.replace(" / ", "/") for text in opened.page.locator(".layer h2").all_text_contents()]
    assert shown == [each["layer"] for each in shelves]
    opened.page.get_by_role("link", name="shards", exact=True).click()
    opened.page.locator(".rows").wait_for()
    total = server.get("/api/table?path=shards")["rows"]
    assert opened.text(".pages .soft") == f"1 to 50 of {total} rows"
    opened.page.fill(".table-view [name=where]", 'status == "success" and')
    opened.press("Enter")
    opened.page.locator(".table-view .wrong:visible").wait_for()
    assert opened.page.locator(".rows tbody tr").count() == 50
    opened.page.fill(".table-view [name=where]", 'status != "success"')
    opened.press("Enter")
    failed = server.get("/api/table?path=shards&where=status%20!=%20%22success%22")["matched"]
    opened.page.locator(f".pages .soft:text-is('1 to {failed} of {failed} rows that pass')").wait_for()
    opened.go("#/decision/filtered")
    opened.page.locator("#view-decision .predicates").wait_for()
    opened.page.click("#view-decision .predicates a")
    opened.page.locator("#view-decision .choices .tool").wait_for()
    told = server.get("/api/decision/filtered?reason=0&limit=60")
    assert opened.text("#view-decision .choices b") == f"{told['total']} pairs"
    assert opened.uids("view-decision") == [row["uid"] for row in told["rows"]]
    label, number, value = told["facets"]["language"][0]
    opened.page.locator("#view-decision .facets a", has_text=label).last.click()
    opened.page.locator(f"#view-decision .choices b:text-is('{number} pairs')").wait_for()
    assert f"language={value}" in opened.page.evaluate("location.hash")


VIEWS = [
    "#/search",
    "#/search?q=a+red+circle&min=0.01",
    "#/pair/UID",
    "#/browse",
    "#/browse?path=shards",
    "#/decision/filtered",
]


@pytest.mark.parametrize("view", VIEWS)
def test_nothing_is_wider_than_the_screen_and_all_has_a_name(
    browser: Any, server: Live, stored: Any, view: str
) -> None:
    narrow = {"width": 360, "height": 740}
    opened = Opened(browser, server, view.replace("UID", stored[1][0]), viewport=narrow, color_scheme="dark")
    assert opened.width() <= 360
    nameless = opened.page.locator("button:visible, a:visible, input:visible, [role=slider]:visible").evaluate_all(
        """all => all.filter(each => !(each.textContent.trim() || each.getAttribute("aria-label") || each.title
            || each.getAttribute("aria-labelledby") || each.labels?.length)).map(each => each.outerHTML)"""
    )
    assert nameless == []
    opened.page.set_viewport_size({"width": 800, "height": 740})
    assert opened.width() <= 800
    opened.quiet()
    opened.close()
