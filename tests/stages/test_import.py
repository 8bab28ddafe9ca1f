"""Lists and captioned folders become candidates; a folder's images are stored at once, through the same checks."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.stages.running import contents, do, done, here, rows, write_list
from vlcorpus import schema
from vlcorpus.cli import running
from vlcorpus.corpus import Corpus
from vlcorpus.errors import SourceError, UsageError, VlcorpusError
from vlcorpus.identity import content_id, uid
from vlcorpus.stages.base import Stage
from vlcorpus.stages.download import Download
from vlcorpus.stages.import_ import Import

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
    assert done(do(corpus, [stage])) == ["candidates/all"]


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
            running.do(tmp_path / "c", [stage], workers=1, dry_run=False, as_json=False)
        assert raised.value.hint, name
        assert not (tmp_path / "c").exists(), name
