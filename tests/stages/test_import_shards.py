"""Shards of img2dataset are taken over: its rows, its reasons, and its images byte for byte."""

from __future__ import annotations

import hashlib
import io
import json
import multiprocessing
import os
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.net.server import LoopbackServer
from tests.stages.given import picture
from tests.stages.running import contents, do, done, rows, write_list
from vlcorpus import schema
from vlcorpus.corpus import Corpus
from vlcorpus.errors import SourceError
from vlcorpus.stages.download import Download
from vlcorpus.stages.import_ import Import
from vlcorpus.views.verify import verify

Members = list[tuple[str, bytes]]


def sample(key: str, body: bytes, text: str = "a cat", **more: object) -> Members:
    about = {"key": key, "caption": text, **more}
    return [(f"{key}.jpg", body), (f"{key}.txt", text.encode()), (f"{key}.json", json.dumps(about, indent=4).encode())]


def write_tar(path: Path, members: Sequence[tuple[str, bytes]]) -> None:
    with tarfile.open(path, "w") as tar:
        for name, body in members:
            header = tarfile.TarInfo(name)
            header.size = len(body)
            tar.addfile(header, io.BytesIO(body))


def row(number: int, key: str, **more: object) -> dict[str, Any]:
    return {
        "url": f"http://a.test/{number}.jpg",
        "caption": f"text {number}",
        "key": key,
        "status": "success",
        "error_message": None,
        "width": 48,
        "height": 40,
        "original_width": 480,
        "original_height": 400,
        "exif": "{}",
        "sha256": hashlib.sha256(b"%d" % number).hexdigest(),
        **more,
    }


def write_shard(folder: Path, name: str, listed: list[dict[str, Any]], members: Members | None = None) -> None:
    """A shard as img2dataset writes it: rows in any order, a sample for each success unless `members` are given."""
    folder.mkdir(parents=True, exist_ok=True)
    if members is None:
        members = []
        for each in listed:
            if each["status"] == "success":
                members += sample(each["key"], picture(int(each["key"])), each["caption"])
    write_tar(folder / f"{name}.tar", members)
    pq.write_table(pa.Table.from_pylist(listed), folder / f"{name}.parquet")


def images(tars: Path) -> dict[str, bytes]:
    """sha256 of a text -> the image beside it, of every sample of every tar."""
    found = {}
    for path in sorted(tars.glob("*.tar")):
        with tarfile.open(path) as tar:
            bodies = {each.name: tar.extractfile(each).read() for each in tar.getmembers()}  # type: ignore[union-attr]
        for name, body in bodies.items():
            if name.endswith(".txt"):
                found[body.decode()] = bodies[name.removesuffix("txt") + "jpg"]
    return found


def take(folder: Path, source: Path, *, shard_rows: int = 10, **more: Any) -> Corpus:
    corpus = Corpus.create(folder, shard_rows=shard_rows)
    do(corpus, [Import(source=str(source), **more)])
    return corpus


def wrong(corpus: Corpus) -> list[str]:
    """What verify finds."""
    return [f"{each.path} {each.what}" for each in verify(corpus).findings]


def taken(corpus: Corpus) -> list[str]:
    layer = corpus.layer("shards")
    return [(layer.stats(unit) or {})["taken"] for unit in layer.units()]


def two_shards(folder: Path) -> Path:
    """12 rows of 10 a shard, in the order in which downloads end, two of them failures."""
    listed = [row(number, f"{number // 10:05d}{number % 10}") for number in range(12)]
    listed[3] |= {"status": "failed_to_download", "error_message": "HTTP Error 404: Not Found", "width": None}
    listed[7] |= {"status": "failed_to_resize", "error_message": "image too small", "width": None}
    write_shard(folder, "00000", [listed[number] for number in (4, 3, 0, 9, 1, 2, 8, 7, 5, 6)])
    write_shard(folder, "00001", listed[10:])
    return folder


def test_tars_in_our_layout_are_linked(tmp_path: Path) -> None:
    source = two_shards(tmp_path / "in")
    before = {path.name: path.read_bytes() for path in source.iterdir()}
    corpus = take(tmp_path / "c", source)
    assert taken(corpus) == ["linked", "linked"]
    for name in ("00000.tar", "00001.tar"):
        assert os.path.samefile(source / name, corpus.layer("shards").path(name))
    assert {path.name: path.read_bytes() for path in source.iterdir()} == before
    assert [each["url"] for each in rows(corpus, "candidates")] == [f"http://a.test/{n}.jpg" for n in range(12)]
    stored = rows(corpus, "shards")
    assert [each["key"] for each in stored] == [f"{n // 10:05d}{n % 10}" for n in range(12)]
    assert {
        each["key"]: (each["status"], each["reason"], each["http_status"]) for each in stored if each["reason"]
    } == {
        "000003": ("failed_to_download", "http_error", 404),
        "000007": ("failed_to_resize", "image_too_small", None),
    }
    assert (stored[0]["width"], stored[0]["original_height"], stored[3]["width"]) == (48, 400, None)
    assert stored[0]["sha256"] == hashlib.sha256(b"0").hexdigest()
    assert wrong(corpus) == []


def test_copies_have_the_same_bytes(tmp_path: Path) -> None:
    source = two_shards(tmp_path / "in")
    corpus = take(tmp_path / "c", source, take="copy")
    assert taken(corpus) == ["copied", "copied"]
    linked = take(tmp_path / "d", source)
    assert not os.path.samefile(source / "00000.tar", corpus.layer("shards").path("00000.tar"))
    assert contents(corpus, "shards") == contents(linked, "shards")


def test_another_layout_is_written_anew_with_the_same_images(tmp_path: Path) -> None:
    source = two_shards(tmp_path / "in")
    corpus = take(tmp_path / "c", source, shard_rows=7)
    assert taken(corpus) == ["rewritten"] * 2
    assert images(corpus.layer("shards").folder) == images(source)
    assert verify(corpus).findings == ()


def test_after_another_source_the_numbers_differ(tmp_path: Path) -> None:
    corpus = Corpus.create(tmp_path / "c", shard_rows=10)
    do(corpus, [Import(source=write_list(tmp_path / "list.csv", [("http://b.test/1.jpg", "b")]))])
    do(corpus, [Import(source=str(two_shards(tmp_path / "in")))])
    assert corpus.layer("shards").units() == ("00001", "00002")
    assert taken(corpus) == ["rewritten"] * 2
    assert images(corpus.layer("shards").folder) == images(tmp_path / "in")
    events = do(corpus, [Download()])
    assert done(events, "unchanged") == ["shards/00001", "shards/00002"]


def test_one_image_of_several_captions_is_stored_once(tmp_path: Path) -> None:
    same = {"url": "http://a.test/0.jpg"}
    listed = [row(number, f"00000{number}") for number in range(5)]
    listed[0] |= {"status": "failed_to_download", "error_message": "<urlopen error timed out>"}
    listed[2] |= same
    listed[4] |= same | {"caption": "text 2"}
    write_shard(tmp_path / "in", "00000", listed)
    corpus = take(tmp_path / "c", tmp_path / "in")
    found = rows(corpus, "shards")
    assert [(each["caption"], each["image_key"]) for each in found] == [
        ("text 0", "000000"),
        ("text 2", "000000"),
        ("text 1", "000002"),
        ("text 3", "000003"),
    ]
    assert [each["reason"] for each in rows(corpus, "candidates-rejected")] == ["duplicate_pair"]
    assert images(corpus.layer("shards").folder)["text 0"] == picture(2)
    assert verify(corpus).findings == ()


def test_what_is_no_image_any_more(tmp_path: Path) -> None:
    listed = [row(number, f"00000{number}") for number in range(10)]
    good = picture(0)
    bodies = {1: b"<html>", 2: good[: len(good) // 2], 3: b"<svg xmlns='http://www.w3.org/2000/svg'/>", 4: b"",
              5: good + bytes(2_000_000)}  # fmt: skip
    members: Members = []
    for number, each in enumerate(listed):
        if number not in (6, 7, 8):
            members += sample(each["key"], bodies.get(number, good), each["caption"])
    members += [("000007.txt", b"no picture"), ("000008.jpg", good), ("000008.png", good), ("000099.jpg", good)]
    listed[9] |= {"width": None}
    write_shard(tmp_path / "in", "00000", listed, members)
    corpus = take(tmp_path / "c", tmp_path / "in", max_bytes=1_000_000)
    found = rows(corpus, "shards")
    assert [each["reason"] for each in found] == [
        None, "not_an_image", "truncated_image", "svg", "not_an_image", "too_large", "unreadable", "unreadable",
        "unreadable", None,
    ]  # fmt: skip
    known = {reason for kind in ("fetch", "image") for reason in schema.reasons()[kind]}
    assert {each["reason"] for each in found} - {None} <= known
    assert [each["width"] for each in found if each["status"] == "success"] == [48, 48]
    part = corpus.layer(f"sources/{corpus.layers('sources')[0]}")
    assert (part.stats("00000") or {})["unclaimed"] == 1
    assert taken(corpus) == ["rewritten"]
    assert verify(corpus).findings == ()


def test_images_are_decoded_where_that_is_asked_for(tmp_path: Path) -> None:
    odd = picture(0).replace(b"\xff\xc0", b"\xff\xc3", 1)  # of a kind that no decoder here knows
    write_shard(tmp_path / "in", "00000", [row(0, "000000")], sample("000000", odd, "text 0"))
    assert rows(take(tmp_path / "c", tmp_path / "in"), "shards")[0]["status"] == "success"
    found = rows(take(tmp_path / "d", tmp_path / "in", decode=True), "shards")[0]
    assert (found["status"], found["image_key"]) == ("failed_to_resize", None)


CHANGES: dict[str, Callable[[Members], Members]] = {
    "another text": lambda members: [*members[:1], (members[1][0], b"other"), *members[2:]],
    "another member": lambda members: [*members[:3], ("000000.npy", b"\x93NUMPY"), *members[3:]],
    "a sample that no row names": lambda members: [*members, *sample("000055", picture(5))],
    "no JSON": lambda members: [each for each in members if not each[0].endswith("1.json")],
    "JSON that is none": lambda members: [*members[:2], (members[2][0], b"{"), *members[3:]],
    "JSON that is deep": lambda members: [*members[:2], (members[2][0], b"[" * 100_000), *members[3:]],
}


@pytest.mark.parametrize("change", CHANGES)
def test_only_what_is_ours_already_is_linked(tmp_path: Path, change: str) -> None:
    listed = [row(number, f"00000{number}") for number in range(3)]
    members = [each for one in listed for each in sample(one["key"], picture(int(one["key"])), one["caption"])]
    write_shard(tmp_path / "in", "00000", listed, CHANGES[change](members))
    corpus = take(tmp_path / "c", tmp_path / "in")
    assert taken(corpus) == ["rewritten"]
    assert images(corpus.layer("shards").folder) == {f"text {n}": picture(n) for n in range(3)}
    assert verify(corpus).findings == ()


def hostile(name: str, body: bytes = b"x", kind: bytes = tarfile.REGTYPE) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as tar:
        header = tarfile.TarInfo(name)
        header.type, header.linkname = kind, "/etc/passwd"
        header.size = len(body) if kind == tarfile.REGTYPE else 0
        tar.addfile(header, io.BytesIO(body))
    return sink.getvalue()


@pytest.mark.parametrize(
    "tar",
    [
        hostile("../000000.jpg"),
        hostile("/000000.jpg"),
        hostile("000000.jpg", kind=tarfile.SYMTYPE),
        hostile("000000.jpg", kind=tarfile.LNKTYPE),
        hostile("000000.jpg")[:512] + hostile("000000.jpg"),
        hostile("000000.jpg")[:700],
        b"",
        b"\x1f\x8b" + bytes(600),
        bytes(100),
    ],
    ids=["up", "root", "symlink", "hardlink", "wrong size", "cut", "empty", "packed", "short"],
)
def test_a_tar_that_cannot_be_trusted_is_refused_before_anything_is_cut(tmp_path: Path, tar: bytes) -> None:
    write_shard(tmp_path / "in", "00000", [row(0, "000000")])
    (tmp_path / "in" / "00000.tar").write_bytes(tar)
    corpus = Corpus.create(tmp_path / "c", shard_rows=10)
    with pytest.raises(SourceError, match=r"00000\.tar"):
        do(corpus, [Import(source=str(tmp_path / "in"))])
    assert corpus.layer("candidates").units() == corpus.layer("shards").units() == ()


def test_shards_that_are_not_whole(tmp_path: Path) -> None:
    source = two_shards(tmp_path / "in")
    corpus = Corpus.create(tmp_path / "c", shard_rows=10)
    (source / "00002.tar").write_bytes(b"")
    with pytest.raises(SourceError, match=r"00002\.tar has no 00002\.parquet"):
        Import(source=str(source)).check(corpus)
    (source / "00002.tar").unlink()
    pq.write_table(pa.table({"url": ["http://a.test/"], "caption": ["a"]}), source / "00001.parquet")
    with pytest.raises(SourceError, match="no column 'key'"):
        Import(source=str(source)).check(corpus)


def test_keys_that_are_no_numbers_and_come_twice(tmp_path: Path) -> None:
    listed = [row(0, "b"), row(1, "a"), row(2, "a"), row(3, "")]
    members = [*sample("b", picture(0), "text 0"), *sample("a", picture(1), "text 1")]
    write_shard(tmp_path / "in", "7", listed, members)
    corpus = take(tmp_path / "c", tmp_path / "in")
    assert [each["reason"] for each in rows(corpus, "shards")] == [None, None, "unreadable", "unreadable"]
    assert images(corpus.layer("shards").folder) == {"text 0": picture(0), "text 1": picture(1)}


def test_a_killed_take_goes_on(tmp_path: Path) -> None:
    source = two_shards(tmp_path / "in")
    corpus = take(tmp_path / "c", source)
    whole = contents(corpus, "shards")
    shards = corpus.layer("shards")
    shards.path("00000_stats.json").unlink()
    # A killed run may leave the link under its temporary name: what it is a link to must not be written to.
    os.link(source / "00000.tar", shards.path(".tmp-00000_stats.json-link-00000.tar"))
    os.link(source / "00000.tar", shards.path(".tmp-00000_stats.json-00000.tar"))
    shards.path(".tmp-00000_stats.json-stats").touch()
    before = (source / "00000.tar").read_bytes()
    stage = Import(source=str(source), take="copy")
    stage.layer(corpus).path("all_stats.json").unlink()
    assert done(do(corpus, [stage])) == ["candidates/all"]
    assert (source / "00000.tar").read_bytes() == before
    assert contents(corpus, "shards") == whole
    assert not list(shards.folder.glob(".tmp-*"))
    assert done(do(corpus, [stage]), "unchanged") == ["candidates/all"]


def run_img2dataset(lists: Path, out: Path, options: dict[str, Any]) -> None:
    import img2dataset

    img2dataset.download(
        url_list=str(lists),
        output_folder=str(out),
        input_format="parquet",
        url_col="url",
        caption_col="caption",
        output_format="webdataset",
        processes_count=1,
        thread_count=4,
        timeout=2,
        image_size=32,
        resize_mode="keep_ratio",
        distributor="multiprocessing",
        **options,
    )


def test_what_img2dataset_itself_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_ALBUMENTATIONS_UPDATE", "1")  # a library of its own asks the network otherwise
    with LoopbackServer() as server:
        good = [number for number in range(14) if number not in (3, 8, 11)]
        for number in good:
            server.put(f"/{number}.jpg", picture(number), {"Content-Type": "image/jpeg"})
        server.put("/8.jpg", b"<html>no picture</html>")
        server.put("/11.jpg", picture(11), {"X-Robots-Tag": "noai"})
        urls = [server.url(f"/{number}.jpg") for number in range(14)]
        urls[3] = server.url("/status/404")
        texts = [f"text {number}, é" for number in range(14)]
        pq.write_table(
            pa.table({"url": urls, "caption": texts, "similarity": [n / 100 for n in range(14)]}),
            tmp_path / "list.parquet",
        )
        options = {"number_sample_per_shard": 10, "save_additional_columns": ["similarity"]}
        process = multiprocessing.get_context("spawn").Process(
            target=run_img2dataset, args=(tmp_path / "list.parquet", tmp_path / "in", options)
        )
        process.start()
        process.join()
        assert process.exitcode == 0
    corpus = take(tmp_path / "c", tmp_path / "in")
    assert taken(corpus) == ["linked", "linked"]
    found = rows(corpus, "shards")
    assert [each["url"] for each in found] == urls
    assert [each["caption"] for each in found] == texts
    assert {number: each["reason"] for number, each in enumerate(found) if each["reason"]} == {
        3: "http_error",
        8: "decode_error",
        11: "optout",
    }
    assert found[3]["http_status"] == 404
    assert {(each["width"], each["original_width"]) for each in found if each["status"] == "success"} == {(38, 48)}
    assert found[0]["sha256"] == hashlib.sha256(picture(0)).hexdigest()
    assert wrong(corpus) == []
    assert corpus.layer("scores/list").units() == ("00000", "00001")
