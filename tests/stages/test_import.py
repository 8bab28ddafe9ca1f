"""Lists and captioned folders become candidates; a folder's images are stored at once, through the same checks."""

from __future__ import annotations

import gzip
import io
import json
import random
import tarfile
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.stages.running import contents, do, done, here, rows, write_list
from vlcorpus import schema
from vlcorpus.cli import running
from vlcorpus.cli.machines import Machines
from vlcorpus.corpus import Corpus
from vlcorpus.errors import ShardsFailed, SourceError, UsageError, VlcorpusError
from vlcorpus.identity import content_id, uid
from vlcorpus.io import table
from vlcorpus.stages import candidates, import_lists
from vlcorpus.stages.base import Stage
from vlcorpus.stages.download import Download
from vlcorpus.stages.import_ import Import
from vlcorpus.views.verify import verify

ROWS = [
    ("http://a.test/1.jpg", 'a cat, "sitting"'),
    ("http://bücher.test/é ü.png", "eine Katze – grün"),
    ("http://a.test/1,2.jpg?x=1,2", "  "),
]


def write(path: Path, kind: str) -> Path:
    urls, texts = [url for url, _ in ROWS], [text for _, text in ROWS]
    if kind == "parquet":
        pq.write_table(pa.table({"URL": urls, "TEXT": texts}), path)
    elif kind.startswith("jsonl"):
        lines = "".join(json.dumps({"url": url, "caption": text}) + "\n" for url, text in ROWS).encode()
        path.write_bytes(gzip.compress(lines) if kind.endswith("gz") else lines)
    elif kind == "txt":
        path.write_text("".join(url + "\n" for url in urls), "utf-8")
    elif kind == "tsv":
        quoted = "".join(f'{url}\t"{text.replace(chr(34), chr(34) * 2)}"\n' for url, text in ROWS)
        path.write_text("url\tcaption\n" + quoted, "utf-8")
    else:
        write_list(path, ROWS)
    return path


@pytest.mark.parametrize("kind", ["parquet", "csv", "tsv", "txt", "jsonl", "jsonl.gz"])
def test_lists_of_all_formats(tmp_path: Path, kind: str) -> None:
    corpus = Corpus.create(tmp_path / "c")
    here(corpus, Import(source=str(write(tmp_path / f"list.{kind}", kind))))
    found = [(row["url"], row["alt_text"]) for row in rows(corpus, "candidates")]
    assert found == [(url, "" if kind == "txt" else text) for url, text in ROWS]


def test_a_format_that_the_name_does_not_tell(tmp_path: Path) -> None:
    corpus = Corpus.create(tmp_path / "c")
    here(corpus, Import(source=str(write(tmp_path / "part-0000", "jsonl")), format="jsonl"))
    assert len(rows(corpus, "candidates")) == len(ROWS)


def test_rows_that_are_no_pairs_have_their_reasons(tmp_path: Path) -> None:
    bad = [
        ("", "a", "empty_url"),
        ("file:///etc/passwd", "b", "bad_scheme"),
        ("data:image/png;base64,AAAA", "c", "bad_scheme"),
        ("javascript:alert(1)", "d", "bad_scheme"),
        ("http://user:secret@a.test/", "e", "bad_url"),
        ("http://a.test/1.jpg", "x" * 10_001, "text_too_long"),
    ]
    pairs = [("http://a.test/1.jpg", "good"), *((url, text) for url, text, _ in bad), ("http://a.test/1.jpg", "good")]
    corpus = Corpus.create(tmp_path / "c")
    here(corpus, Import(source=write_list(tmp_path / "list.csv", pairs)))
    assert [row["offset"] for row in rows(corpus, "candidates")] == [0]
    found = [(row["offset"], row["reason"]) for row in rows(corpus, "candidates-rejected")]
    expected = [(offset, reason) for offset, (_, _, reason) in enumerate(bad, 1)] + [(len(bad) + 1, "duplicate_pair")]
    assert sorted(found) == expected
    assert {reason for _, reason in found} <= set(schema.reasons()["candidates"])


def test_uids_of_the_list_come_along_and_name_nothing(tmp_path: Path) -> None:
    path = tmp_path / "list.parquet"
    pq.write_table(pa.table({"uid": ["00ff" * 8, None], "url": ["http://a.test/1.jpg"] * 2, "text": ["a", "b"]}), path)
    corpus = Corpus.create(tmp_path / "c")
    here(corpus, Import(source=str(path)))
    found = rows(corpus, "candidates")
    assert [row["given_uid"] for row in found] == ["00ff" * 8, None]
    assert [row["uid"] for row in found] == [uid("http://a.test/1.jpg", text) for text in ("a", "b")]


def test_a_folder_of_lists_is_one_source(tmp_path: Path) -> None:
    for number in range(3):
        write_list(tmp_path / "lists" / f"part-{number}.csv", [(f"http://a.test/{number}.jpg", "a")])
    (tmp_path / "lists" / "_SUCCESS").write_bytes(b"")
    corpus = Corpus.create(tmp_path / "c")
    stage = Import(source=str(tmp_path / "lists"))
    here(corpus, stage)
    assert [row["url"][-5:] for row in rows(corpus, "candidates")] == ["0.jpg", "1.jpg", "2.jpg"]
    (tmp_path / "lists" / "README").write_text("what is beside the lists does not matter")
    assert done(do(corpus, [stage]), "unchanged") == ["candidates/all"]
    write_list(tmp_path / "lists" / "part-3.csv", [("http://a.test/3.jpg", "a")])
    events = do(corpus, [stage], workers=2)
    parts = [f"{stage.located().layer(corpus).name}/{number:05d}" for number in range(4)]
    assert sorted(done(events)) == ["candidates/all", *parts]
    assert done(events)[-1] == "candidates/all"


def write_parquet(path: Path, urls: list[str | None], texts: list[str], group: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"URL": urls, "TEXT": texts, "similarity": [0.3] * len(urls)}), path, row_group_size=group)


@pytest.fixture
def lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three lists, of which the parquet ones are read in four stretches and one; rows that repeat, and bad ones."""
    monkeypatch.setattr(import_lists, "SPAN_ROWS", 25)
    chance = random.Random(5)
    for name, count in (("a.parquet", 90), ("c.parquet", 20)):
        urls = [
            chance.choice(["data:x", None, *(f"http://a.test/{chance.randrange(70)}" for _ in "1234")])
            for _ in range(count)
        ]
        write_parquet(tmp_path / "lists" / name, urls, [f"words {chance.randrange(3)}" for _ in urls], group=10)
    write_list(tmp_path / "lists" / "b.csv", [(f"http://a.test/{number}", "words 0") for number in range(0, 100, 7)])
    return tmp_path / "lists"


def test_parts_are_stretches_of_lists(tmp_path: Path, lists: Path) -> None:
    corpus = Corpus.create(tmp_path / "c", shard_rows=8)
    stage = Import(source=str(lists))
    here(corpus, stage)
    layer = stage.layer(corpus)
    found = [list(table.rows(layer.path(f"pairs/{part}.parquet"), "extracted")) for part in layer.units()]
    assert [(len(part), part[0]["source_file"], part[0]["record_offset"]) for part in found] == [
        *((20, "a.parquet", start) for start in (0, 20, 40, 60)),
        (10, "a.parquet", 80),
        (15, "b.csv", 0),
        (20, "c.parquet", 0),
    ]
    for part, listed in zip(layer.units(), found, strict=True):
        stats = layer.stats(part) or {}
        assert stats["seen"] == stats["kept"] + sum(stats["rejected"].values()) == len(listed)
        assert layer.path(f"scores/{part}.parquet").is_file() == (listed[0]["source_file"] != "b.csv")
    assert [row["record_offset"] for part in found[:5] for row in part] == [*range(90)]
    whole = layer.stats("all") or {}
    assert whole["seen"] == len(rows(corpus, "candidates")) + len(rows(corpus, "candidates-rejected")) == 125
    assert verify(corpus).findings == ()


def test_words_are_named_where_they_are_counted(tmp_path: Path, lists: Path) -> None:
    for most in (None, 2):
        corpus = Corpus.create(tmp_path / f"c{most}")
        stage = Import(source=str(lists), max_images_per_text=most)
        here(corpus, stage)
        part = table.read(stage.layer(corpus).path("pairs/00000.parquet"), "extracted")
        named = len(part) - part.column("text_id").null_count
        assert named == (0 if most is None else part.column("reason").null_count)
        counts = Counter(row["alt_text"] for row in rows(corpus, "candidates"))
        images = {(row["alt_text"], row["image_id"]) for row in rows(corpus, "candidates")}
        assert (max(Counter(text for text, _ in images).values()) == most) == (most is not None) and counts


def test_workers_and_kills_change_nothing(tmp_path: Path, lists: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Import(source=str(lists))
    plain = Corpus.create(tmp_path / "plain", shard_rows=8)
    monkeypatch.setattr(candidates, "_WRITERS", 1)
    here(plain, stage)
    monkeypatch.setattr(candidates, "_WRITERS", 8)
    layers = ("candidates", "scores/list", stage.layer(plain).name)
    whole = {name: contents(plain, name) for name in layers}
    assert len(whole["candidates"]) > 16
    corpus = Corpus.create(tmp_path / "c", shard_rows=8)
    reader = import_lists.reader(stage)
    read = reader.open(corpus)
    for unit in ("00004", "00001"):  # as far as two workers came
        read(unit, lambda seen, kept: None)
    kept = stage.layer(corpus).path("pairs/00001.parquet").stat().st_mtime_ns
    here(corpus, stage)
    assert {name: contents(corpus, name) for name in layers} == whole
    assert stage.layer(corpus).path("pairs/00001.parquet").stat().st_mtime_ns == kept
    for name, left in (("candidates", "00003"), ("scores/list", "00005"), (stage.layer(corpus).name, "00002")):
        corpus.layer(name).path(f"{left}.json").unlink()
    corpus.layer("candidates").path("00003.parquet").write_bytes(b"half")
    stage.layer(corpus).path("all_stats.json").unlink()
    here(corpus, stage)
    assert {name: contents(corpus, name) for name in layers} == whole
    assert verify(corpus).findings == ()


def test_a_list_that_is_damaged_inside_holds_back_no_other_part(tmp_path: Path, lists: Path) -> None:
    body = bytearray((lists / "c.parquet").read_bytes())
    body[4:60] = bytes(56)
    (lists / "c.parquet").write_bytes(body)
    corpus = Corpus.create(tmp_path / "c", shard_rows=8)
    with pytest.raises(ShardsFailed):
        do(corpus, [Import(source=str(lists))], workers=2)
    assert len(corpus.layer(f"sources/{corpus.layers('sources')[0]}").units()) > 1
    assert corpus.layer("candidates").units() == ()


def picture(side: int, shade: int, form: str = "JPEG") -> bytes:
    sink = io.BytesIO()
    Image.linear_gradient("L").resize((side, side)).point(lambda grey: (grey + shade) % 256).convert("RGB").save(
        sink, form
    )
    return sink.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two good pictures (one with two captions and a twin elsewhere), and one of each fault."""
    root = tmp_path / "pictures"
    (root / "deep").mkdir(parents=True)
    good, other = picture(64, 0), picture(64, 90, "PNG")
    files = {
        "a.jpg": good,
        "deep/twin.jpg": good,
        "deep/twin.txt": b"the same picture again",
        "b.png": other,
        "b.txt": "eine grüne Fläche\n".encode(),
        "broken.jpg": good[: len(good) // 2],
        "broken.txt": b"cut",
        "words.jpg": b"<html>not found</html>",
        "words.txt": b"no picture",
        "empty.jpg": b"",
        "empty.txt": b"nothing",
        "huge.jpg": good + bytes(40_000),
        "huge.txt": b"large",
        "silent.jpg": picture(64, 30),
        "metadata.csv": b"file_name,text\na.jpg,first caption\na.jpg,second caption\n"
        b"../../etc/passwd,out\ngone.jpg,x\n",
    }
    for name, body in files.items():
        (root / name).write_bytes(body)
    return root


def import_folder(corpus: Corpus, folder: Path, **more: object) -> Stage:
    stage = Import(source=str(folder), max_bytes=30_000, **more)  # type: ignore[arg-type]
    do(corpus, [stage])
    return stage


def test_a_captioned_folder_is_stored_at_once(tmp_path: Path, folder: Path) -> None:
    corpus = Corpus.create(tmp_path / "c", shard_rows=100)
    import_folder(corpus, folder)
    refused = {row["file"]: row["reason"] for row in rows(corpus, "candidates-rejected")}
    assert refused == {
        "empty.jpg": "unreadable",
        "huge.jpg": "too_large",
        "silent.jpg": "no_caption",
        "../../etc/passwd": "outside_folder",
        "gone.jpg": "unreadable",
    }
    assert set(refused.values()) <= set(schema.reasons()["candidates"])

    good = content_id((folder / "a.jpg").read_bytes())
    candidates = rows(corpus, "candidates")
    assert [row["file"] for row in candidates] == [
        "a.jpg",
        "a.jpg",
        "deep/twin.jpg",
        "b.png",
        "broken.jpg",
        "words.jpg",
    ]
    assert [row["image_id"] == good for row in candidates] == [True] * 3 + [False] * 3
    assert candidates[1]["uid"] == uid(good.hex(), "second caption")

    stored = rows(corpus, "shards")
    assert [(row["status"], row["reason"]) for row in stored] == [("success", None)] * 4 + [
        ("failed_to_resize", "truncated_image"),
        ("failed_to_resize", "not_an_image"),
    ]
    assert [row["image_key"] for row in stored] == ["0000000"] * 3 + ["0000003", None, None]
    assert [row["url"] for row in stored] == [None] * 6
    with tarfile.open(corpus.layer("shards").path("00000.tar")) as tar:
        names = tar.getnames()
        assert names == [f"{key}.{part}" for key, part in zip(
            ["0000000"] * 3 + ["0000003"] * 3, ["jpg", "json", "txt"] * 2, strict=True
        )]  # fmt: skip
        text = tar.extractfile("0000003.txt")
        assert text is not None and text.read() == "eine grüne Fläche".encode()


def test_download_leaves_an_imported_folder_alone(tmp_path: Path, folder: Path) -> None:
    corpus = Corpus.create(tmp_path / "c", shard_rows=3)
    import_folder(corpus, folder)
    before = contents(corpus, "shards")
    events = do(corpus, [Download()])
    assert done(events) == [] and len(done(events, "unchanged")) == len(corpus.layer("candidates").units())
    assert contents(corpus, "shards") == before


def test_a_killed_import_of_a_folder_goes_on(tmp_path: Path, folder: Path) -> None:
    corpus = Corpus.create(tmp_path / "c", shard_rows=3)
    stage = import_folder(corpus, folder)
    whole = contents(corpus, "shards")
    stage.layer(corpus).path("all_stats.json").unlink()
    corpus.layer("shards").path("00001_stats.json").unlink()
    corpus.layer("shards").path("00001.tar").write_bytes(b"half")
    with pytest.raises(VlcorpusError, match="comes from a folder") as raised:
        do(corpus, [Download()])
    assert "import" in raised.value.hint
    assert done(do(corpus, [stage])) == ["candidates/all"]
    assert contents(corpus, "shards") == whole


def test_a_list_after_a_folder(tmp_path: Path, folder: Path) -> None:
    corpus = Corpus.create(tmp_path / "c", shard_rows=4)
    import_folder(corpus, folder)
    units = corpus.layer("candidates").units()
    before = contents(corpus, "shards")
    do(corpus, [Import(source=write_list(tmp_path / "list.csv", [("file:///etc/passwd", "a"), ROWS[0]]))])
    assert corpus.layer("candidates").units() == (*units, f"{len(units):05d}")
    assert contents(corpus, "shards") == before
    assert rows(corpus, "candidates")[-1]["url"] == ROWS[0][0]


def test_a_folder_is_known_by_its_content(tmp_path: Path, folder: Path) -> None:
    corpus = Corpus.create(tmp_path / "c")
    layer = import_folder(corpus, folder).layer(corpus)
    moved = tmp_path / "elsewhere" / "pictures"
    moved.parent.mkdir()
    folder.rename(moved)
    (moved / ".DS_Store").write_bytes(b"noise")
    again = Import(source=str(moved), max_bytes=30_000)
    assert again.layer(corpus) == layer
    assert done(do(corpus, [again]), "unchanged") == ["candidates/all"]
    (moved / "b.txt").write_text("another caption")
    assert done(do(corpus, [again])) == ["candidates/all"]
    assert "another caption" in [row["alt_text"] for row in rows(corpus, "candidates")]


def wrong_sources(tmp_path: Path) -> dict[str, Import]:
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.md").write_text("no list, no picture")
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "a.jpg").write_bytes(picture(8, 0))
    (tmp_path / "odd" / "metadata.csv").write_text("nothing,useful\n1,2\n")
    (tmp_path / "fake.parquet").write_bytes(b"PK\x03\x04 not parquet")
    (tmp_path / "columns.csv").write_text("width,height\n1,2\n")
    (tmp_path / "blank.csv").write_bytes(b"")
    (tmp_path / "what.bin").write_bytes(b"\0\1")
    names = ("nowhere", "empty", "texts", "odd", "fake.parquet", "columns.csv", "blank.csv", "what.bin")
    found = {name: Import(source=str(tmp_path / name)) for name in names}
    found["url"] = Import(source="http://a.test/list.csv")
    found["column"] = Import(source=write_list(tmp_path / "list.csv", ROWS), url_column="address")
    return found


def test_what_is_no_list_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    for name, stage in wrong_sources(tmp_path).items():
        expected = UsageError if name in {"url", "column", "columns.csv"} else SourceError
        with pytest.raises(expected) as raised:
            running.do(tmp_path / "c", [stage], machines=Machines(workers=1), dry_run=False, as_json=False)
        assert raised.value.hint, name
        assert not (tmp_path / "c").exists(), name


def test_coco_with_several_captions_a_picture(tmp_path: Path) -> None:
    root = tmp_path / "coco"
    (root / "val2017").mkdir(parents=True)
    (root / "annotations").mkdir()
    for number in range(3):
        (root / "val2017" / f"{number}.jpg").write_bytes(picture(64, 40 * number))
    said = [(0, "one"), (1, "two"), (0, "eins"), (1, "two"), (7, "of no picture")]
    whole = {
        "images": [{"id": number, "file_name": f"{number}.jpg", "license": 4} for number in range(3)],
        "annotations": [{"image_id": number, "caption": text} for number, text in said],
        "licenses": [{"id": 4, "url": "http://creativecommons.org/licenses/by/2.0/"}],
    }
    (root / "annotations" / "captions_val2017.json").write_text(json.dumps(whole))
    corpus = Corpus.create(tmp_path / "c")
    stage = Import(source=str(root))
    do(corpus, [stage])
    assert [(row["caption"], row["key"], row["image_key"]) for row in rows(corpus, "shards")] == [
        ("one", "000000000", "000000000"),
        ("eins", "000000001", "000000000"),
        ("two", "000000002", "000000002"),
    ]
    refused = sorted(row["reason"] for row in rows(corpus, "candidates-rejected"))
    assert refused == ["bad_row", "duplicate_pair", "no_caption"]
    assert {(row["licence"], row["licence_scope"]) for row in rows(corpus, "candidates")} == {
        ("http://creativecommons.org/licenses/by/2.0/", "list")
    }
    assert verify(corpus).findings == ()
    assert done(do(corpus, [stage]), "unchanged") == ["candidates/all"]
    whole["annotations"] = [{"image_id": 2, "caption": "three"}]
    (root / "annotations" / "captions_val2017.json").write_text(json.dumps(whole))
    assert done(do(corpus, [stage])) == ["candidates/all"]


def test_captions_from_elsewhere_and_classes(tmp_path: Path) -> None:
    root = tmp_path / "pictures"
    for number, name in enumerate(("big_dog", "cat")):
        (root / name).mkdir(parents=True)
        (root / name / f"{number}.jpg").write_bytes(picture(64, 40 * number))
    (tmp_path / "c.tsv").write_text("file\ttext\n0.jpg\tthis very dog\n")
    corpus = Corpus.create(tmp_path / "c")
    stage = Import(source=str(root), captions=str(tmp_path / "c.tsv"), template="a photo of a {}")
    do(corpus, [stage])
    assert [row["caption"] for row in rows(corpus, "shards")] == ["this very dog", "a photo of a cat"]
    (tmp_path / "c.tsv").write_text("file\ttext\n0.jpg\tanother dog\n")
    assert done(do(corpus, [stage])) == ["candidates/all"]


def test_options_that_say_nothing_are_refused(tmp_path: Path) -> None:
    corpus = Corpus.create(tmp_path / "c")
    path = write_list(tmp_path / "a.csv", ROWS)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jpg").write_bytes(picture(8, 0))
    for stage in (
        Import(source=path, template="a photo of a {}"),
        Import(source=path, captions=path),
        Import(source=str(tmp_path / "in"), template="a photo"),
    ):
        with pytest.raises(UsageError) as raised:
            stage.check(corpus)
        assert raised.value.hint


def test_pairs_know_the_row_that_they_came_from(tmp_path: Path) -> None:
    for name in ("a", "sub/b"):
        write_list(tmp_path / "lists" / f"{name}.csv", [(f"http://{name[-1]}.test/{n}.jpg", str(n)) for n in range(3)])
    corpus = Corpus.create(tmp_path / "c")
    do(corpus, [Import(source=str(tmp_path / "lists"))])
    found = [(row["source_kind"], row["source_file"], row["record_offset"]) for row in rows(corpus, "candidates")]
    assert found == [("list", name, number) for name in ("a.csv", "sub/b.csv") for number in range(3)]
