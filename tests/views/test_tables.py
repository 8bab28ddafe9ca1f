from __future__ import annotations

import datetime
import math
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.corpora import Built
from vlcorpus import schema
from vlcorpus.errors import SourceError, UsageError
from vlcorpus.views import columns as column_views
from vlcorpus.views.tables import MOST_COLUMNS, inspect, is_listing, listing


def test_the_tables_of_a_corpus_are_listed(small_corpus: Built) -> None:
    corpus = small_corpus.corpus
    assert is_listing(corpus.path)
    found = {each.path: each for each in listing(corpus.path)}
    assert found["shards"].table == "shards" and found["shards"].files == 4
    assert found["shards"].rows == sum(s["seen"] for u in range(4) if (s := corpus.layer("shards").stats(f"{u:05d}")))
    assert found["candidates/rejected"].table == "candidates-rejected"
    assert found["scores/phash"].table == "score-phash"
    assert all(each.table in schema.tables() and each.meaning and not each.unreadable for each in found.values())
    paths = {path.relative_to(corpus.path) for path in corpus.path.rglob("*.parquet")}
    # answers.parquet and pictures.parquet of one folder are two tables.
    assert found.keys() == {(path if path.parts[0] == "evaluations" else path.parent).as_posix() for path in paths}


def test_a_layer_is_one_table(small_corpus: Built) -> None:
    seen = inspect(small_corpus.corpus.path / "decisions" / "filtered", rows=3)
    assert not is_listing(small_corpus.corpus.path / "decisions" / "filtered")
    assert (seen.table, seen.files, len(seen.head)) == ("decisions", 4, 3)
    keep = next(each for each in seen.columns if each.name == "keep")
    stats = small_corpus.corpus.layer("decisions/filtered").stats("all")
    assert stats is not None
    assert keep.common == ((False, stats["seen"] - stats["kept"]), (True, stats["kept"]))
    assert keep.meaning and keep.type == "bool"
    uid = next(each for each in seen.columns if each.name == "uid")
    assert (uid.type, uid.distinct, uid.common) == ("binary16", stats["seen"], ())


def test_a_folder_that_leads_to_one_table_is_that_table(small_corpus: Built) -> None:
    corpus = small_corpus.corpus
    seen = inspect(corpus.path / "embeddings" / corpus.layers("embeddings")[0])
    assert seen.table == "embeddings-metadata"


def test_figures_are_those_of_a_plain_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(4)
    rows: list[dict[str, Any]] = [
        {
            "number": draw.choice([None, *range(-5, 50)]),
            "share": draw.choice([None, float("nan"), draw.gauss(0, 3)]),
            "word": draw.choice(["", "a", "a", "äöü", "日本", None]),
            "name": bytes(draw.choices(range(3), k=16)),
            "flag": draw.random() < 0.2,
            "tags": draw.choice([None, [], ["x"], ["x", "y"]]),
            "when": datetime.datetime(2024, 1, draw.randint(1, 28), tzinfo=datetime.UTC),
        }
        for _ in range(2_000)
    ]
    types = pa.schema(
        [
            ("number", pa.int32()), ("share", pa.float32()), ("word", pa.string()), ("name", pa.binary(16)),
            ("flag", pa.bool_()), ("tags", pa.list_(pa.string())), ("when", pa.timestamp("us", tz="UTC")),
        ]
    )  # fmt: skip
    for part in range(4):
        table = pa.Table.from_pylist(rows[part * 500 : part * 500 + 500], schema=types)
        pq.write_table(table, tmp_path / f"{part}.parquet", row_group_size=133)
    seen = inspect(tmp_path)
    assert (seen.table, seen.rows, seen.files) == (None, 2_000, 4)
    by_name = {each.name: each for each in seen.columns}
    numbers = [row["number"] for row in rows if row["number"] is not None]
    number = by_name["number"]
    assert (number.nulls, number.least, number.most) == (2_000 - len(numbers), min(numbers), max(numbers))
    assert number.mean == pytest.approx(sum(numbers) / len(numbers)) and number.distinct == len(set(numbers))
    assert number.common[0][1] == Counter(numbers).most_common(1)[0][1]
    shares = [row["share"] for row in rows if row["share"] is not None and not math.isnan(row["share"])]
    share = by_name["share"]
    assert share.nan == sum(row["share"] is not None and math.isnan(row["share"]) for row in rows)
    assert share.least == pytest.approx(min(shares)) and share.mean == pytest.approx(sum(shares) / len(shares))
    word = by_name["word"]
    words = Counter(row["word"] for row in rows if row["word"] is not None)
    assert word.common == tuple(sorted(words.items(), key=lambda each: (-each[1], each[0])))
    assert (word.shortest, word.longest) == (0, 3)
    assert by_name["name"].distinct == len({row["name"] for row in rows})
    assert by_name["flag"].common[0] == (False, sum(not row["flag"] for row in rows))
    assert (by_name["tags"].shortest, by_name["tags"].longest, by_name["tags"].distinct) == (0, 2, None)
    assert by_name["when"].least == min(row["when"] for row in rows)
    monkeypatch.setattr(column_views, "MOST_DISTINCT", 10)
    bounded = {each.name: each for each in inspect(tmp_path).columns}
    assert bounded["number"].distinct is None and bounded["number"].common == () and bounded["word"].distinct == 4


def test_a_table_is_known_by_its_columns_where_the_mark_is_lost(small_corpus: Built, tmp_path: Path) -> None:
    source = small_corpus.corpus.path / "splits/default/00000.parquet"
    pq.write_table(pq.read_table(source).replace_schema_metadata(None), tmp_path / "part.parquet")
    assert inspect(tmp_path / "part.parquet").table == "splits"


def test_an_empty_table_has_no_figures(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": pa.array([], pa.int64()), "b": pa.array([], pa.string())}), tmp_path / "e.parquet")
    seen = inspect(tmp_path / "e.parquet")
    assert seen.rows == 0 and seen.head == () and [each.mean for each in seen.columns] == [None, None]


def small_table(path: Path) -> Path:
    pq.write_table(pa.table({"a": list(range(1_000)), "b": [f"text {n}" for n in range(1_000)]}), path)
    return path


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: b"",
        lambda body: b"PAR1",
        lambda body: b"\x00" * 5_000,
        lambda body: b"a,b\n1,2\n" * 40,
        lambda body: body[: len(body) // 2],
        lambda body: body[: len(body) // 2] + body[-64:],
        lambda body: body[:-8] + b"\xff\xff\xff\x7fPAR1",
        lambda body: body[:4] + b"\xff" * 2_000 + body[2_004:],
    ],
)
def test_what_is_no_whole_parquet_is_one_clear_error(tmp_path: Path, spoil: Any) -> None:
    path = small_table(tmp_path / "x.parquet")
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(SourceError) as caught:
        inspect(path)
    assert str(path) in caught.value.message and caught.value.hint and "\n" not in caught.value.message


def test_text_that_is_not_utf8_is_an_error(tmp_path: Path) -> None:
    raw = pa.array([b"\xff\xfe\x00bad", b"fine"], pa.binary())
    table = pa.table({"a": raw.view(pa.string())})
    pq.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(SourceError):
        inspect(tmp_path / "x.parquet")


def test_ten_thousand_columns_are_refused_but_for_one(tmp_path: Path) -> None:
    path = tmp_path / "wide.parquet"
    pq.write_table(pa.table({f"c{n}": [n] for n in range(10_000)}), path)
    with pytest.raises(SourceError, match="10,000 columns") as caught:
        inspect(path)
    assert "--column" in caught.value.hint
    assert inspect(path, column="c7777").columns[0].least == 7777
    assert 100 < MOST_COLUMNS < 10_000


def test_a_column_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = small_table(tmp_path / "x.parquet")
    assert [each.name for each in inspect(path, column="b").columns] == ["b"]
    with pytest.raises(UsageError, match="no column 'bb'"):
        inspect(path, column="bb")


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    pq.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(SourceError, match="two columns 'a'"):
        inspect(tmp_path / "x.parquet")


def test_files_of_other_columns_in_one_folder_are_refused(tmp_path: Path) -> None:
    small_table(tmp_path / "0.parquet")
    pq.write_table(pa.table({"c": [1]}), tmp_path / "1.parquet")
    with pytest.raises(SourceError, match="other columns than"):
        inspect(tmp_path)


@pytest.mark.parametrize("name", ["nowhere", "empty", "star*[a].parquet"])
def test_what_is_not_there_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError):
        inspect(tmp_path / name)


def test_names_with_wildcards_are_names(tmp_path: Path) -> None:
    path = small_table(tmp_path / "a[1]*?.parquet")
    assert inspect(path).rows == 1_000


def test_unreadable_files_are_named_in_a_listing(own_corpus: Built) -> None:
    (own_corpus.corpus.path / "shards/00001.parquet").write_bytes(b"PAR1")
    found = {each.path: each for each in listing(own_corpus.corpus.path)}
    assert found["shards"].unreadable == ("00001.parquet",) and found["shards"].files == 4
