"""Common Crawl by name: from a mirror on loopback, in a folder and in a store; draws as properties."""

from __future__ import annotations

import gzip
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from tests.net.server import LoopbackServer
from vlcorpus.errors import SourceError, UsageError
from vlcorpus.web.sources.common_crawl import base, crawl_name, drawn, file_at
from vlcorpus.web.sources.resolve import Reach, Resolved, resolve
from vlcorpus.web.sources.tries import Patience

CRAWL = "CC-MAIN-2024-22"


def listed(kind: str, count: int = 200) -> list[str]:
    ending = "warc.gz" if kind == "warc" else f"warc.{kind}.gz"
    folder = f"crawl-data/{CRAWL}/segments/17159"
    return [f"{folder}.{n // 50}/{kind}/CC-MAIN-20240517-{n:05d}.{ending}" for n in range(count)]


WAT = listed("wat")


@pytest.fixture
def mirror() -> Iterator[LoopbackServer]:
    with LoopbackServer() as server:
        for kind in ("wat", "warc", "wet"):
            server.put(f"/crawl-data/{CRAWL}/{kind}.paths.gz", gzip.compress("\n".join(listed(kind)).encode()))
        yield server


def reach(server: LoopbackServer) -> Reach:
    return Reach(server.manners(), Patience(tries=2), sleep=lambda seconds: None)


def crawl(server: LoopbackServer, **settings: object) -> Resolved:
    return resolve([f"cc:{CRAWL}"], network=reach(server), base_url=server.url(""), **settings)  # type: ignore[arg-type]


def test_all_files_of_a_crawl(mirror: LoopbackServer) -> None:
    for kind in ("wat", "warc"):
        found = crawl(mirror, kind=kind)
        assert [file.name for file in found.files] == listed(kind)
        assert [file.location for file in found.files] == [mirror.url("/" + path) for path in listed(kind)]
        assert {(file.kind, file.settled) for file in found.files} == {(kind, True)}
        assert found.seeds == found.notes == ()
    assert mirror.paths() == [f"/crawl-data/{CRAWL}/wat.paths.gz", f"/crawl-data/{CRAWL}/warc.paths.gz"]


def test_a_draw_is_of_the_list_in_its_order(mirror: LoopbackServer) -> None:
    found = crawl(mirror, files=20, seed=3)
    names = [file.name for file in found.files]
    assert names == drawn(WAT, 20, 3)
    assert names == sorted(set(names), key=WAT.index)
    assert len(names) == 20
    assert crawl(mirror, files=20, seed=3) == found
    assert crawl(mirror, files=20, seed=4) != found


def test_more_files_than_there_are(mirror: LoopbackServer) -> None:
    found = crawl(mirror, files=201)
    assert [file.name for file in found.files] == WAT
    assert found.notes == (f"{CRAWL} has 200 wat files, fewer than 201: all are taken",)
    assert crawl(mirror, files=200).notes == ()


def test_draws() -> None:
    """Without replacement; the same for the same seed in any order of the list; each draw holds the smaller ones."""
    shuffled = random.Random(1).sample(WAT, len(WAT))
    for seed in range(50):
        before: set[str] = set()
        for files in (1, 2, 7, 50, 199, 200, 1000):
            taken = drawn(WAT, files, seed)
            assert len(taken) == len(set(taken)) == min(files, len(WAT))
            assert taken == [path for path in WAT if path in set(taken)]
            assert set(drawn(shuffled, files, seed)) == set(taken)
            assert before < set(taken) or before == set(taken) == set(WAT)
            before = set(taken)
    assert len({tuple(drawn(WAT, 5, seed)) for seed in range(50)}) == 50
    assert drawn(WAT, None, 1) == WAT


def test_draws_are_even() -> None:
    """Each path in a quarter of the draws, within five standard deviations."""
    draws = 2000
    taken = Counter(path for seed in range(draws) for path in drawn(WAT[:40], 10, seed))
    assert all(abs(taken[path] - draws / 4) < 5 * (draws * 3 / 16) ** 0.5 for path in WAT[:40])


def test_a_draw_stays_what_it_was() -> None:
    assert [WAT.index(path) for path in drawn(WAT, 5, 0)] == [52, 92, 101, 160, 189]


@pytest.mark.parametrize("name", ["CC-MAIN-2024-22", "CC-MAIN-2012", "CC-MAIN-2009-2010"])
def test_names_of_crawls(name: str) -> None:
    assert crawl_name(f"cc:{name}") == name


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("cc:2024-22", "did you mean cc:CC-MAIN-2024-22?"),
        ("cc:cc-main-2024-22", "did you mean cc:CC-MAIN-2024-22?"),
        ("cc:CC-MAIN-2024-5", "did you mean cc:CC-MAIN-2024-05?"),
        ("cc:CC-MAIN-2024/22", "did you mean cc:CC-MAIN-2024-22?"),
        ("cc:CC-MAIN-2024-22 ", "did you mean cc:CC-MAIN-2024-22?"),
        ("cc:CC-MAIN-202422", "did you mean cc:CC-MAIN-2024-22?"),
        ("cc:CC-MAIN-2024-99x", "get-started"),
        ("cc:CC-MAIN-2024-88/../../x", "get-started"),
        ("cc:latest", "get-started"),
        ("cc:", "get-started"),
    ],
)
def test_what_names_no_crawl(source: str, hint: str, mirror: LoopbackServer) -> None:
    with pytest.raises(UsageError, match="names no Common Crawl") as raised:
        resolve([source], network=reach(mirror), base_url=mirror.url(""))
    assert hint in raised.value.hint
    assert mirror.requests == []


@pytest.mark.parametrize("settings", [{"files": 0}, {"files": -1}, {"kind": "wet"}, {"kind": "../x"}])
def test_settings_that_cannot_be(settings: dict[str, object], mirror: LoopbackServer) -> None:
    with pytest.raises(UsageError):
        crawl(mirror, **settings)


def test_a_crawl_that_is_not_there(mirror: LoopbackServer) -> None:
    with pytest.raises(SourceError, match=r"CC-MAIN-2031-01 cannot be listed.*404") as raised:
        resolve(["cc:CC-MAIN-2031-01"], network=reach(mirror), base_url=mirror.url("/"))
    assert raised.value.hint
    assert len(mirror.requests) == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "lists no wat files"),
        (gzip.compress(b"\n\n", mtime=0), "lists no wat files"),
        (gzip.compress("\n".join([*WAT, listed("warc")[0]]).encode(), mtime=0), "lists no wat files"),
        (gzip.compress("\n".join(WAT).encode(), mtime=0)[:-100], "damaged"),
        (b"<html>Not here</html>", "no path of Common Crawl .line 1 of"),
        (f"{WAT[0]}\nfile:///etc/passwd\n".encode(), "no path of Common Crawl .line 2 of"),
        (f"{WAT[0]}\ncrawl-data/../../etc/a.wat\n".encode(), "line 2 of"),
        (f"{WAT[0]}\ncrawl-data/./a.wat\n".encode(), "line 2 of"),
        (f"{WAT[0]}\n/crawl-data/a.wat\n".encode(), "line 2 of"),
        (f"{WAT[0]}\ncrawl-data/a.wat?x=1\n".encode(), "line 2 of"),
        (f"{WAT[0]}\nhttps://example.org/a.wat\n".encode(), "line 2 of"),
        (f"{WAT[0]}\ncrawl-data/\0a.wat\n".encode(), "line 2 of"),
        (f"{WAT[0]}\n".encode() + b"x" * 10_000_000, "line 2 of"),
    ],
)
def test_what_is_no_list_of_a_crawl(content: bytes, said: str, mirror: LoopbackServer) -> None:
    mirror.put(f"/crawl-data/{CRAWL}/wat.paths.gz", content)
    with pytest.raises(SourceError, match=said) as raised:
        crawl(mirror)
    assert len(raised.value.message) < 1000
    assert raised.value.hint


def test_a_path_that_is_listed_twice_counts_once(mirror: LoopbackServer) -> None:
    mirror.put(f"/crawl-data/{CRAWL}/wat.paths.gz", "\n".join([*WAT[:3], WAT[0]]).encode())
    assert [file.name for file in crawl(mirror, files=3).files] == WAT[:3]


def test_a_mirror_in_a_folder(mirror: LoopbackServer, tmp_path: Path) -> None:
    path = tmp_path / "crawl-data" / CRAWL / "wat.paths.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(gzip.compress("\n".join(WAT).encode()))
    for url in (str(tmp_path), f"{tmp_path}/", f"file://{tmp_path}"):
        found = resolve([f"cc:{CRAWL}"], network=reach(mirror), base_url=url, files=2)
        assert [file.location for file in found.files] == [str(tmp_path / path) for path in drawn(WAT, 2, 0)]
        assert [file.name for file in found.files] == drawn(WAT, 2, 0)
    assert mirror.requests == []


def test_a_mirror_in_a_store(mirror: LoopbackServer) -> None:
    store = fsspec.filesystem("memory")
    store.pipe(f"/mirror/crawl-data/{CRAWL}/wat.paths.gz", gzip.compress("\n".join(WAT).encode()))
    found = resolve([f"cc:{CRAWL}"], network=reach(mirror), base_url="memory://mirror/", files=1)
    assert found.files == (file_at("memory://mirror", drawn(WAT, 1, 0)[0]),)
    store.store.clear()


@pytest.mark.parametrize(
    "text", ["", "/", "https://", "https://me:secret@example.org", "https://example.org/?x", "a\0b"]
)
def test_what_cannot_be_a_base(text: str) -> None:
    with pytest.raises(UsageError, match="cannot be a base URL") as raised:
        base(text)
    assert "secret" not in raised.value.message


def test_crawls_and_files_together(mirror: LoopbackServer, tmp_path: Path) -> None:
    """A file counts once, whether its list or its crawl named it."""
    path = tmp_path / "mine.txt"
    path.write_text(WAT[5])
    found = resolve([str(path), f"cc:{CRAWL}"], network=reach(mirror), base_url=mirror.url(""))
    assert [file.name for file in found.files] == [WAT[5], *WAT[:5], *WAT[6:]]
    note = resolve([str(path)], network=reach(mirror), base_url=mirror.url(""), files=3).notes
    assert note == ("--files draws from cc: sources only, and none is named",)
