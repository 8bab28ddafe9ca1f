"""Additional columns of lists go with their pairs, wherever these are cut to."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.stages.running import contents, do, done, here, rows
from vlcorpus import schema
from vlcorpus.corpus import Corpus
from vlcorpus.errors import UsageError
from vlcorpus.io import table
from vlcorpus.stages import import_lists
from vlcorpus.stages.import_ import Import
from vlcorpus.views.verify import verify

KEPT = ("faces", "tag", "number")


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    """Three lists, in which images return far away, and rows are refused."""
    chance = random.Random(7)
    (tmp_path / "lists").mkdir()
    for part in range(3):
        numbers = range(100 * part, 100 * part + 90)
        written: dict[str, list[Any]] = {
            "URL": [f"http://a.test/{chance.randrange(60)}" if n % 10 else "data:x" for n in numbers],
            "TEXT": [f"words {n}" for n in numbers],
            "tag": [None if n % 5 == 0 else f"tag “{n}”" for n in numbers],
            "number": [float("nan") if n % 7 == 0 else float(n) for n in numbers],
            "faces": [[[n / 8, 1.0]] * (n % 3) for n in numbers],
        }
        pq.write_table(pa.table(written), tmp_path / "lists" / f"{part}.parquet", row_group_size=10)
    return tmp_path / "lists"


def wanted(text: str) -> dict[str, Any]:
    """What a pair must have, from its words."""
    n = int(text.removeprefix("words "))
    return {
        "faces": [[n / 8, 1.0]] * (n % 3),
        "tag": None if n % 5 == 0 else f"tag “{n}”",
        "number": None if n % 7 == 0 else float(n),
    }


def test_they_go_with_their_pairs_at_any_number_of_workers(
    tmp_path: Path, lists: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Import(source=str(lists), save_additional_columns=KEPT)
    found = []
    for name, workers in (("one", 1), ("two", 2)):
        corpus = Corpus.create(tmp_path / name, shard_rows=8)
        do(corpus, [stage], workers=workers)
        assert done(do(corpus, [stage])) == []
        found.append(contents(corpus, "candidates"))
        assert verify(corpus).findings == ()
    monkeypatch.setattr(import_lists, "SPAN_ROWS", 25)
    corpus = Corpus.create(tmp_path / "stretches", shard_rows=8)
    here(corpus, stage)
    assert len(stage.layer(corpus).units()) == 15
    assert found[0] == found[1] == contents(corpus, "candidates") and len(found[0]) > 60
    candidates = rows(corpus, "candidates")
    assert len(candidates) == 243
    assert len({row["image_id"] for row in candidates}) < 61, "rows travel to the slice of their image"
    for row in candidates:
        told = json.loads(row["additional"])
        assert told == wanted(row["alt_text"]) and tuple(told) == KEPT


def test_an_import_without_them_is_the_one_that_it_was(tmp_path: Path, lists: Path) -> None:
    plain = Import(source=str(lists))
    assert set(plain.contents) == {"lists"}
    named = [Import(source=str(lists), save_additional_columns=each) for each in (KEPT, KEPT[::-1], KEPT[:1])]
    assert len({each.source_id for each in (plain, *named)}) == 4
    corpus = Corpus.create(tmp_path / "c", shard_rows=8)
    here(corpus, plain)
    assert {row["additional"] for row in rows(corpus, "candidates")} == {None}


def test_a_list_that_brings_them_later_brings_no_pair_twice(tmp_path: Path, lists: Path) -> None:
    corpus = Corpus.create(tmp_path / "c", shard_rows=50)
    here(corpus, Import(source=str(lists)))
    before = len(rows(corpus, "candidates"))
    here(corpus, Import(source=str(lists), save_additional_columns=KEPT))
    assert len(rows(corpus, "candidates")) == before


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    lines = [{"url": f"http://a.test/{n}", "text": "a", "long": "x" * 9_990 * (n % 2), "n": n} for n in range(9)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)))
    corpus = Corpus.create(tmp_path / "c")
    stage = Import(source=str(tmp_path / "a.jsonl"), save_additional_columns=("long", "n"))
    here(corpus, stage)
    stats = stage.layer(corpus).stats("00000") or {}
    assert (stats["kept"], stats["additional_too_long"]) == (9, 4)
    told = [json.loads(row["additional"]) for row in rows(corpus, "candidates")]
    assert told == [{"long": None if n % 2 else "", "n": n} for n in range(9)]


def test_candidates_of_before_have_none(tmp_path: Path, lists: Path) -> None:
    corpus = Corpus.create(tmp_path / "c")
    here(corpus, Import(source=str(lists), save_additional_columns=KEPT))
    path = corpus.layer("candidates").path("00000.parquet")
    today = pq.read_table(path)
    marks = {**(today.schema.metadata or {}), b"vlcorpus.table_version": b"2"}
    pq.write_table(today.drop_columns(["additional"]).replace_schema_metadata(marks), path)
    found = table.read(path, "candidates")
    assert found.schema.equals(schema.table("candidates").arrow())
    assert found.column("additional").null_count == len(found) == len(today)
    assert found.drop_columns(["additional"]).equals(today.drop_columns(["additional"]))


@pytest.mark.parametrize(
    ("columns", "message", "hint"),
    [
        (("numbers",), "has no column 'numbers'", "did you mean 'number'?"),
        (("caption",), "'caption' is a column of every shard", "reserved: key, caption"),
        (("NSFW", "NSFW"), "'NSFW' is named twice", "once"),
        (("thumb",), "column 'thumb' of .* holds binary", "leave it away"),
    ],
)
def test_columns_that_are_refused(tmp_path: Path, columns: tuple[str, ...], message: str, hint: str) -> None:
    listed = {"url": ["http://a.test/"], "text": ["a"], "number": [1], "NSFW": ["x"], "thumb": [b"\xff"]}
    pq.write_table(pa.table(listed), tmp_path / "a.parquet")
    corpus = Corpus.create(tmp_path / "c")
    with pytest.raises(UsageError, match=message) as raised:
        do(corpus, [Import(source=str(tmp_path / "a.parquet"), save_additional_columns=columns)])
    assert hint in raised.value.hint
    assert corpus.layers("sources") == ()


def test_folders_have_none(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(UsageError, match="is no list, so --save-additional-columns says nothing"):
        do(Corpus.create(tmp_path / "c"), [Import(source=str(tmp_path / "pictures"), save_additional_columns=KEPT)])
