from __future__ import annotations

import datetime
import itertools
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.corpora import Built
from vlcorpus import expression
from vlcorpus.errors import SourceError, UsageError
from vlcorpus.views import cells, rows, tables
from vlcorpus.views.browsing import located
from vlcorpus.views.rows import MOST_ROWS, opened

MIXED = pa.schema(
    [
        ("number", pa.int32()), ("share", pa.float32()), ("word", pa.string()), ("name", pa.binary(16)),
        ("flag", pa.bool_()), ("tags", pa.list_(pa.string())), ("when", pa.timestamp("us", tz="UTC")),
        ("kind", pa.dictionary(pa.int32(), pa.string())),
    ]
)  # fmt: skip


def mixed(folder: Path, count: int = 1_000) -> list[dict[str, Any]]:
    """Rows of many types in three files of small row groups."""
    draw = random.Random(9)
    made: list[dict[str, Any]] = [
        {
            "number": draw.choice([None, *range(50)]),
            "share": draw.choice([None, float("nan"), draw.gauss(0, 1)]),
            "word": draw.choice(["", "red", "äöü", "x" * 3_000, None]),
            "name": bytes(draw.choices(range(256), k=16)),
            "flag": draw.random() < 0.5,
            "tags": draw.choice([None, [], ["a"], ["a", "b"]]),
            "when": datetime.datetime(2024, 1, draw.randint(1, 28), tzinfo=datetime.UTC),
            "kind": draw.choice(["one", "two"]),
        }
        for _ in range(count)
    ]
    bounds = [0, count // 7, count // 2, count]
    for part, (start, stop) in enumerate(itertools.pairwise(bounds)):
        written = pa.Table.from_pylist(made[start:stop], schema=MIXED)
        pq.write_table(written, folder / f"{part}.parquet", row_group_size=61)
    return made


def plainly(row: dict[str, Any]) -> dict[str, Any]:
    """A row as it is shown, the obvious way."""
    share = None if row["share"] is None or math.isnan(row["share"]) else float(np.float32(row["share"]))
    word = row["word"] if row["word"] is None or len(row["word"]) <= 1_000 else "x" * 1_000 + "… (3,000 bytes)"
    return row | {"share": share, "word": word, "name": row["name"].hex(), "when": row["when"].isoformat()}


@pytest.mark.parametrize(
    "wanted", [range(0), range(3), range(57, 64), range(140, 150), range(990, 1_005), range(1_000)]
)
def test_any_page_is_what_stands_there(tmp_path: Path, wanted: range) -> None:
    made = mixed(tmp_path)
    table = opened(located(tmp_path, "."))
    assert table.rows == 1_000 and table.table is None
    most = table.cut(len(wanted))
    shown = [plainly(row) for row in made[wanted.start : wanted.stop]]
    if most < 1_000:
        for row in shown:
            row["word"] = row["word"] and (row["word"] if len(row["word"]) < 9 else "x" * most + "… (3,000 bytes)")
    assert table.page(wanted) == shown


def test_scattered_rows_are_those(tmp_path: Path) -> None:
    made = mixed(tmp_path)
    numbers = np.array(sorted(random.Random(1).sample(range(1_000), 80)), np.int64)
    assert opened(located(tmp_path, ".")).page(numbers) == [plainly(made[number]) for number in numbers]


@pytest.mark.parametrize(
    "where",
    [
        "number >= 20", 'word == "red" or flag', 'has(tags, "b")', "missing(share)", 'kind == "two" and number < 9',
        "length(tags) == 2", 'when >= "2024-01-15"', "not flag and missing(name)", "1 < 2",
    ],
)  # fmt: skip
def test_a_condition_keeps_what_it_keeps_of_the_whole_table(tmp_path: Path, where: str) -> None:
    mixed(tmp_path)
    whole = pa.concat_tables([pq.read_table(each) for each in sorted(tmp_path.glob("*.parquet"))]).unify_dictionaries()
    mask = expression.compile(where, whole.schema).mask(whole.combine_chunks())
    found = opened(located(tmp_path, ".")).matches(where)
    assert found.rows.tolist() == np.flatnonzero(mask.to_numpy(zero_copy_only=False)).tolist()
    assert found.scanned == 1_000


def test_wrong_conditions_name_what_is_wrong(small_corpus: Built) -> None:
    table = opened(located(small_corpus.corpus.path, "shards"))
    with pytest.raises(UsageError, match="widht"):
        table.matches("widht > 3")
    with pytest.raises(UsageError):
        table.matches("(" * 2_000)


def test_figures_are_those_of_inspect(small_corpus: Built) -> None:
    corpus = small_corpus.corpus
    for path in ("shards", "candidates", "decisions/filtered", "scores/phash"):
        seen = tables.inspect(corpus.path / path)
        table = opened(located(corpus.path, path))
        found = table.figures()
        assert found.columns == seen.columns and found.counted == seen.rows == table.rows
        assert (table.table, table.meaning, table.bytes) == (seen.table, seen.meaning, seen.bytes)


def test_figures_are_of_the_first_rows_and_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pq.write_table(pa.table({"a": range(20_000)}), tmp_path / "a.parquet", row_group_size=700)
    monkeypatch.setattr(rows, "MOST_COUNTED", 9_000)
    found = opened([tmp_path / "a.parquet"]).figures()
    assert found.counted == found.columns[0].rows == 9_000 and found.columns[0].most == 8_999


def test_nothing_before_the_wanted_row_group_is_read(tmp_path: Path) -> None:
    """Its pages are overwritten; asking for them is an error, asking for others is not."""
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": range(2_000)}), path, row_group_size=1_000, use_dictionary=False)
    first = pq.ParquetFile(path).metadata.row_group(0).column(0)
    body = bytearray(path.read_bytes())
    body[first.data_page_offset : first.data_page_offset + 64] = b"\xff" * 64
    path.write_bytes(body)
    table = opened([path])
    assert [row["a"] for row in table.page(range(1_500, 1_503))] == [1_500, 1_501, 1_502]
    with pytest.raises(SourceError, match="damaged"):
        table.page(range(10))


def test_a_page_has_a_most(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": range(5_000)}), tmp_path / "a.parquet")
    with pytest.raises(UsageError, match="at most"):
        opened([tmp_path / "a.parquet"]).page(range(MOST_ROWS + 1))


def test_a_megabyte_that_a_small_file_repeats_stays_one(tmp_path: Path) -> None:
    path = tmp_path / "bomb.parquet"
    big = pa.DictionaryArray.from_arrays(pa.array(np.zeros(500_000, np.int32)), pa.array(["x" * 1_000_000]))
    nested = pa.ListArray.from_arrays(pa.array(np.arange(500_001), pa.int32()), pa.array([b"y"] * 500_000))
    pq.write_table(pa.table({"a": big, "l": nested}), path, store_schema=False, compression="zstd")
    assert path.stat().st_size < 2_000_000
    table = opened([path])
    before = pa.total_allocated_bytes()
    found = table.page(range(400_000, 400_100))
    assert len(found) == 100 and found[0]["a"].endswith("(1,000,000 bytes)") and len(found[0]["a"]) < 1_100
    assert 0 < table.figures(seconds=0.5).counted < 500_000
    assert 0 < table.matches('contains(a, "y")', seconds=0.5).scanned < 500_000
    assert pa.total_allocated_bytes() - before < 200_000_000


def test_values_of_every_type_are_shown(tmp_path: Path) -> None:
    raw = pa.array([b"\xff\xfe\x00bad"], pa.binary()).view(pa.string())
    columns = {
        "text": raw,
        "when": pa.array([2**62], pa.timestamp("us")),
        "span": pa.array([3], pa.duration("s")),
        "half": pa.array([np.float16(1.5)]),
        "great": pa.array([2**64 - 1], pa.uint64()),
        "inf": pa.array([float("-inf")]),
        "parts": pa.array([{"a": 1, "b": [b"\x01", None]}]),
        "map": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())),
        "many": pa.array([list(range(1_000))]),
        "deep": pa.array([[[[[[1]]]]]]),
        "long": pa.array([b"\x00" * 5_000]),
        "none": pa.nulls(1),
    }
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    table = opened([tmp_path / "a.parquet"])
    row = table.page(range(1))[0]
    assert row["text"] == "\ufffd\ufffd\x00bad" and row["half"] == 1.5 and row["great"] == 2**64 - 1
    assert row["when"] and row["span"] == "0:00:03" and row["inf"] == "-inf" and row["none"] is None
    assert row["parts"] == {"a": 1, "b": ["01", None]} and row["map"] == [{"key": "k", "value": 1}]
    assert row["many"][: cells.ENTRIES] == list(range(cells.ENTRIES)) and row["many"][-1] == "… (1,000 entries)"
    assert row["deep"] == [[[["…"]]]] and row["long"].endswith("… (5,000 bytes)") and len(row["long"]) < 1_100
    figures = {each.name: each for each in table.figures().columns}
    assert figures["great"].most == 2**64 - 1 and figures["when"].rows in (0, 1)
    assert table.matches('text == "\ufffd\ufffd\\u0000bad" or not missing(when)').rows.tolist() == [0]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: b"",
        lambda body: b"PAR1",
        lambda body: body[: len(body) // 2],
        lambda body: body[:-8] + b"\xff\xff\xff\x7fPAR1",
        lambda body: body[:4] + b"\xff" * 3_000 + body[3_004:],
    ],
)
def test_what_is_no_whole_parquet_is_one_clear_error(tmp_path: Path, spoil: Any) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"a": list(range(1_000)), "b": [f"text {n}" for n in range(1_000)]}), path)
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(SourceError) as caught:
        table = opened([path])
        table.figures()
        table.page(range(1_000))
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    "table",
    [
        pa.table({f"c{n}": [n] for n in range(tables.MOST_COLUMNS + 1)}),
        pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]),
        pa.table({"a" * 100_000: [1]}),
    ],
    ids=["columns", "twice", "names"],
)
def test_what_cannot_be_shown_is_refused(tmp_path: Path, table: pa.Table) -> None:
    pq.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(SourceError) as caught:
        opened([tmp_path / "x.parquet"])
    assert len(caught.value.message) < 500


def test_files_of_other_columns_in_one_folder_are_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "0.parquet")
    pq.write_table(pa.table({"b": [1]}), tmp_path / "1.parquet")
    with pytest.raises(SourceError, match="other columns"):
        opened(located(tmp_path, "."))


def test_a_list_of_endless_length_is_refused(tmp_path: Path) -> None:
    """A few kilobytes that say one row has 20 million values."""
    values = pa.array(np.zeros(20_000_000, np.int8))
    pq.write_table(pa.table({"l": pa.ListArray.from_arrays([0, len(values)], values)}), tmp_path / "x.parquet")
    assert (tmp_path / "x.parquet").stat().st_size < 100_000
    with pytest.raises(SourceError, match="too large to be shown"):
        opened([tmp_path / "x.parquet"]).page(range(1))


def test_a_file_that_was_replaced_since_is_no_longer_read(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"a": [1, 2, 3]}), path)
    table = opened([path])
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(SourceError, match="another file"):
        table.page(range(3))
