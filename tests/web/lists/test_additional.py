"""Additional columns as JSON objects: what the columnar writer gives is what a slow obvious one gives."""

from __future__ import annotations

import csv
import json
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vlcorpus.errors import UsageError
from vlcorpus.web.lists import additional
from vlcorpus.web.lists import parts as list_parts
from vlcorpus.web.lists.additional import MOST, RESERVED, check_names, check_types, is_json, objects
from vlcorpus.web.lists.parts import parts
from vlcorpus.web.lists.rows import opened

A = "https://a.example/1.jpg"
TEXTS = [
    "",
    "plain",
    'a "quoted" cat',
    "back\\slash",
    "line\nend\t\x00\x1f\x7f",
    "日本 é 😀",
    "\u2028",
    "x" * 300,
    None,
]


def slow(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """Each row as its object should be, one value after the other."""
    return [
        dict(zip(columns, (clean(each) for each in row), strict=True)) for row in zip(*columns.values(), strict=True)
    ]


def clean(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list):
        return [clean(each) for each in value]
    return {name: clean(each) for name, each in value.items()} if isinstance(value, dict) else value


@pytest.mark.parametrize("seed", range(5))
def test_objects_are_those_of_a_slow_writer(seed: int) -> None:
    chance = random.Random(seed)
    size = 200
    floats = [
        chance.choice([0.0, -1.0, 1e300, 5e-324, 0.1, math.nan, math.inf, None, chance.random()]) for _ in "x" * size
    ]
    given: dict[str, list[Any]] = {
        "text": [chance.choice(TEXTS) for _ in range(size)],
        "whole": [chance.choice([0, -(2**63), 2**63 - 1, None]) for _ in range(size)],
        'flag "1"': [chance.choice([True, False, None]) for _ in range(size)],
        "double": floats,
        "faces": [chance.choice([None, [], [[0.5, math.nan]], [[0.1, 0.2], [1.0]]]) for _ in range(size)],
        "object": [chance.choice([None, {"a": "x\ny", "b": math.inf}]) for _ in range(size)],
        "nothing": [None] * size,
    }
    arrays = {name: pa.array(values) for name, values in given.items()}
    assert {str(arrays[name].type) for name in ("text", "whole", "double")} == {"string", "int64", "double"}
    assert arrays["nothing"].type == pa.null() and all(is_json(each.type) for each in arrays.values())
    for columns in (
        arrays,
        {name: each.dictionary_encode() if name == "text" else each for name, each in arrays.items()},
    ):
        made, lost = objects(columns)
        made.validate(full=True)
        found = [json.loads(each) for each in made.to_pylist()]
        assert (found, lost) == (slow(given), 0)
        assert {tuple(each) for each in found} == {tuple(given)}, "keys stand in the order given"
    by_value, _ = objects({name: values for name, values in given.items() if name not in {"double", "faces"}})
    by_column, _ = objects({name: values for name, values in arrays.items() if name not in {"double", "faces"}})
    assert by_value.equals(by_column)


def test_numbers_keep_their_kind_and_precision() -> None:
    drawn = np.random.default_rng(0)
    for kind in (pa.float16(), pa.float32(), pa.float64()):
        values = drawn.lognormal(0, 3, 2000).astype(kind.to_pandas_dtype())
        made, _ = objects({"x": pa.array(values, kind)})
        found = [json.loads(each)["x"] for each in made.to_pylist()]
        assert all(isinstance(each, float) for each in found)
        assert np.array_equal(np.array(found).astype(values.dtype), values)
    made, _ = objects({"x": pa.array([0.3, 1, 1e20], pa.float32()), "n": pa.array([1, None, 3], pa.uint8())})
    assert made.to_pylist() == ['{"x":0.3,"n":1}', '{"x":1.0,"n":null}', '{"x":1e+20,"n":3}']


def test_what_is_not_utf8_is_marked() -> None:
    bad = pa.array([b"caf\xe9", b"ok", None]).cast(pa.binary())
    text = pa.Array.from_buffers(pa.string(), 3, bad.buffers(), 1)
    nested = pa.ListArray.from_arrays(pa.array([0, 1, 2, 3]), text)
    made, _ = objects({"a": text, "b": nested, "c": ["\ud83d", {"\udcff": "x"}, "fine"]})
    assert [json.loads(each) for each in made.to_pylist()] == [
        {"a": "caf\ufffd", "b": None, "c": "\ufffd"},
        {"a": "ok", "b": ["ok"], "c": {"\ufffd": "x"}},
        {"a": None, "b": [None], "c": "fine"},
    ]


@pytest.mark.parametrize("seed", range(5))
def test_a_value_that_would_take_an_object_too_far_is_null_and_counted(seed: int) -> None:
    chance = random.Random(seed)
    lengths = (0, 1, 100, 4_000, 5_990, 6_000, MOST - 29, MOST - 28, MOST, 30_000)
    given = {name: ["é" * chance.choice(lengths) for _ in range(60)] for name in "abc"}
    made, lost = objects({name: pa.array(values) for name, values in given.items()})
    count = 0
    for row, text in zip(slow(given), made.to_pylist(), strict=True):
        assert len(text) <= MOST
        taken: dict[str, Any] = dict.fromkeys("abc")
        for name, value in row.items():
            if len(written(taken | {name: value})) <= MOST:
                taken[name] = value
            else:
                count += 1
        assert text == written(taken)
    assert lost == count > 0


def written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def test_values_that_json_cannot_write() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert objects({"a": [deep, 10**5000, 1]})[0].to_pylist() == ['{"a":null}', '{"a":null}', '{"a":1}']


def test_names_that_are_refused() -> None:
    for name in RESERVED:
        with pytest.raises(UsageError, match="is a column of every shard") as raised:
            check_names(["NSFW", name])
        assert "original_width" in raised.value.hint
    with pytest.raises(UsageError, match="'a' is named twice"):
        check_names(["a", "b", "a"])
    with pytest.raises(UsageError, match="over 10000 characters"):
        check_names(["n" * 6_000, "m" * 6_000])
    check_names(["URL", "uid", "similarity", "n" * 9_000])
    check_names([])


@pytest.mark.parametrize(
    "kind",
    [
        pa.binary(),
        pa.binary(16),
        pa.large_binary(),
        pa.date32(),
        pa.timestamp("us"),
        pa.decimal128(5, 2),
        pa.list_(pa.binary()),
        pa.struct([("a", pa.list_(pa.date32()))]),
        pa.map_(pa.string(), pa.int32()),
    ],
)
def test_types_that_json_has_no_value_for(tmp_path: Path, kind: pa.DataType) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"url": [A], "text": ["a"], "x": pa.array([None], kind), "fine": [1]}), path)
    check_types(path, opened(path, None, None, None, ("fine",))[1])
    with pytest.raises(UsageError, match=r"column 'x' of .* holds .*, which JSON has no value for"):
        check_types(path, opened(path, None, None, None, ("fine", "x"))[1])


def listed(path: Path, keep: tuple[str, ...], rows: int = 7) -> tuple[list[Any], int]:
    """The additional column of a list, and how many values were left out."""
    format, columns = opened(path, None, None, None, keep)
    found = list(parts(path, format, columns, name=path.name, rows=rows))
    lost = sum(part.counts.get("additional_too_long", 0) for part in found)
    return [each for part in found for each in part.pairs.column("additional").to_pylist()], lost


@pytest.mark.parametrize("kind", ["parquet", "bad bytes", "jsonl", "csv", "tsv"])
def test_every_kind_of_list_brings_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(list_parts, "_BATCH", 5)
    tags = [f"tag {n}" if n % 4 else "" for n in range(30)]
    numbers = [n / 4 for n in range(30)]
    urls = [f"http://a.example/{n}" for n in range(30)]
    texts = [f"words {n}".encode() + (b"\xe9" if kind == "bad bytes" and n == 13 else b"") for n in range(30)]
    suffix = "parquet" if kind == "bad bytes" else kind
    path = tmp_path / f"a.{suffix}"
    if suffix == "parquet":
        columns = {"TEXT": pa.array(texts).cast(pa.binary()), "URL": urls, "Tag": tags, "number": numbers}
        pq.write_table(pa.table(columns), path)
    elif kind == "jsonl":
        lines = [{"url": urls[n], "text": f"{n}", "Tag": tags[n], "number": numbers[n]} for n in range(30)]
        path.write_text("\n".join(map(json.dumps, lines)))
    else:
        with open(path, "w", newline="") as file:
            writer = csv.writer(file, delimiter="," if kind == "csv" else "\t")
            writer.writerows([("url", "text", "number", "Tag"), *zip(urls, tags, numbers, tags, strict=True)])
            file.write('"http://a.example/quoted"' + ("," if kind == "csv" else "\t") + "short row\n")
    found, lost = listed(path, ("number", "tag"))
    wanted: list[Any] = [
        {"number": str(numbers[n]) if suffix in ("csv", "tsv") else numbers[n], "tag": tags[n]} for n in range(30)
    ]
    if suffix in ("csv", "tsv"):
        wanted.append({"number": None, "tag": None})
    assert ([json.loads(each) for each in found], lost) == (wanted, 0)
    assert all(list(json.loads(each)) == ["number", "tag"] for each in found)
    assert listed(path, ()) == ([None] * len(wanted), 0)


def test_values_left_out_are_counted_once_however_parts_are_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_parts, "_BATCH", 5)
    lines = [{"url": A, "text": "a", "long": "x" * (MOST if n % 3 == 0 else 10), "short": n} for n in range(20)]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    for rows in (1, 3, 5, 7, 100):
        found, lost = listed(path, ("long", "short"), rows)
        assert lost == 7
        assert [json.loads(each)["short"] for each in found] == list(range(20))
        assert [json.loads(each)["long"] is None for each in found] == [n % 3 == 0 for n in range(20)]


def test_columns_that_are_not_there(tmp_path: Path) -> None:
    pq.write_table(pa.table({"URL": [A], "TEXT": ["a"], "punsafe": [0.1]}), tmp_path / "a.parquet")
    with pytest.raises(UsageError, match="has no column 'punsave'") as raised:
        opened(tmp_path / "a.parquet", None, None, None, ("punsave",))
    assert raised.value.hint == "did you mean 'punsafe'?"
    (tmp_path / "a.txt").write_text(A)
    with pytest.raises(UsageError, match="txt list, which has no columns"):
        opened(tmp_path / "a.txt", None, None, None, ("punsafe",))


def test_an_empty_list_has_none(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("url,text,tag\n")
    assert listed(tmp_path / "a.csv", ("tag",)) == ([], 0)
    assert additional.objects({"a": pa.array([], pa.string())})[0].to_pylist() == []
