from __future__ import annotations

import io
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin

import pytest
from PIL import Image

from vlcorpus.errors import SourceError
from vlcorpus.world.planted import FAULTS, ORIGIN, PAGE_OUTCOMES
from vlcorpus.world.settings import FAULTY
from vlcorpus.world.site import Site, WorldSettings, read_site, write_site

SETTINGS = WorldSettings(pairs=300, seed=5, pairs_per_page=12)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return write_site(tmp_path_factory.mktemp("world") / "world", SETTINGS)


class Page(HTMLParser):
    """Every <img> and <a> of a page, and its meta robots."""

    def __init__(self, url: str, text: str) -> None:
        super().__init__()
        self.url, self.images, self.links, self.robots = url, [], [], ""  # type: ignore[var-annotated]
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "img":
            self.images.append((urljoin(self.url, values["src"]), values.get("alt") or ""))
        elif tag == "a":
            self.links.append(urljoin(self.url, values["href"]))
        elif tag == "meta" and values.get("name") == "robots":
            self.robots = values["content"] or ""


def path_of(site: Site, url: str) -> Path:
    path = url.removeprefix(ORIGIN)
    return site.root / (path[1:] + ("index.html" if path.endswith("/") else ""))


def parse(site: Site, url: str) -> Page:
    return Page(url, path_of(site, url).read_text(encoding="utf-8"))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_settings_write_the_same_bytes(site: Site, tmp_path: Path) -> None:
    again = write_site(tmp_path / "again", SETTINGS)
    assert contents(again.root.parent) == contents(site.root.parent)
    assert again == replace(site, root=again.root)


def test_another_seed_writes_another_world(site: Site, tmp_path: Path) -> None:
    other = write_site(tmp_path / "other", replace(SETTINGS, seed=6))
    assert not {pair.url for pair in other.planted} & {pair.url for pair in site.planted}
    pictures = {path.read_bytes() for path in (site.root / "images").glob("*.jpg") if path.stat().st_size > 200}
    assert not pictures & {path.read_bytes() for path in (other.root / "images").glob("*.jpg")} - {b""}


def test_planted_rows_are_the_rows_of_the_pages(site: Site) -> None:
    found = []
    for page in site.pages:
        if page.outcome in ("fetched", "noai", "robots_denied"):
            parsed = parse(site, page.url)
            assert len(parsed.images) == page.pairs
            assert bool(parsed.robots) == (page.outcome == "noai")
            found += [(url, alt, page.url) for url, alt in parsed.images]
    assert found == [(pair.url, pair.alt_text, pair.page_url) for pair in site.planted]
    served = [pair for pair in site.planted if pair.fault != "empty_alt"]
    assert len({(pair.url, pair.alt_text) for pair in served}) == len(served)


def test_counts_are_as_stated(site: Site) -> None:
    faults = Counter(pair.fault for pair in site.planted)
    assert faults == {fault: SETTINGS.planted(fault) for fault in FAULTS}
    kinds = Counter(pair.kind for pair in site.planted if pair.fault == "none")
    assert all(abs(kinds[kind] - SETTINGS.pairs * share) < 1 for kind, share in SETTINGS.shares().items())
    outcomes = Counter(page.outcome for page in site.pages)
    assert set(outcomes) == set(PAGE_OUTCOMES)
    assert (outcomes["not_html"], outcomes["missing"]) == (SETTINGS.other_files, SETTINGS.dead_links)


def test_every_fault_is_what_it_says(site: Site) -> None:
    pages = {page.url: page.outcome for page in site.pages}
    by_url = {pair.url: pair for pair in site.planted}
    for pair in site.planted:
        file = path_of(site, pair.url)
        assert (pair.expected_stage, pair.expected_reason) == FAULTS[pair.fault]
        assert pages[pair.page_url] == {"noai_page": "noai", "robots_denied": "robots_denied"}.get(
            pair.fault, "fetched"
        )
        assert (not pair.alt_text.strip()) == (pair.fault == "empty_alt") == (pair.kind == "none")
        if pair.fault == "inline_image":
            assert pair.url.startswith("data:image/jpeg;base64,")
        elif pair.fault == "missing":
            assert not file.exists()
        elif pair.fault == "broken_image":
            with pytest.raises(OSError):
                Image.open(io.BytesIO(file.read_bytes())).load()
        else:
            with Image.open(file) as image:
                image.load()
                assert (max(image.size) < 16) == (pair.fault == "tiny_image") == (not pair.shape)
        if pair.fault in ("exact_duplicate", "near_duplicate"):
            same = file.read_bytes() == path_of(site, pair.original).read_bytes()
            assert same == (pair.fault == "exact_duplicate") and pair.url != pair.original
        elif pair.fault == "extra_caption":
            assert pair.url == pair.original
        if pair.original:
            original = by_url[pair.original]
            assert (pair.shape, pair.colour, pair.count) == (original.shape, original.colour, original.count)
    assert site.images == len(list((site.root / "images").iterdir()))


def test_all_pages_are_two_links_from_the_front_page(site: Site) -> None:
    seen, edge = {f"{ORIGIN}/"}, [f"{ORIGIN}/"]
    for _ in range(2):
        links = [link for url in edge if path_of(site, url).suffix == ".html" for link in links_of(site, url)]
        edge = sorted(set(links) - seen)
        seen |= set(edge)
    assert seen == {page.url for page in site.pages}


def links_of(site: Site, url: str) -> list[str]:
    return parse(site, url).links if path_of(site, url).exists() else []


def test_a_world_is_read_back_and_never_written_over(site: Site, tmp_path: Path) -> None:
    folder = site.root.parent
    before = (folder / "world.json").stat().st_mtime_ns
    assert write_site(folder, SETTINGS) == site == read_site(folder)
    assert (folder / "world.json").stat().st_mtime_ns == before
    with pytest.raises(SourceError, match="another world"):
        write_site(folder, replace(SETTINGS, seed=9))
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(SourceError, match="no world"):
        write_site(tmp_path, SETTINGS)
    with pytest.raises(SourceError, match="no world"):
        read_site(tmp_path)


def test_what_an_interrupted_run_left_is_swept(tmp_path: Path) -> None:
    settings = WorldSettings(pairs=12)
    left = tmp_path / ".tmp-world" / "site" / "images" / "old.jpg"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"old")
    site = write_site(tmp_path / "world", settings)
    assert [path.name for path in tmp_path.iterdir()] == ["world"]
    assert not list(site.root.rglob("old.jpg"))


def test_a_world_without_faults_has_none(tmp_path: Path) -> None:
    settings = WorldSettings(pairs=24, other_files=0, dead_links=0, **dict.fromkeys(FAULTY, 0.0))
    site = write_site(tmp_path / "clean", settings)
    assert {pair.fault for pair in site.planted} == {"none"}
    assert {page.outcome for page in site.pages} == {"fetched"}
    assert (site.images, len(site.planted)) == (24, 24)
