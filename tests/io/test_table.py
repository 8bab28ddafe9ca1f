"""Tables: the same rows are the same bytes, earlier versions are read, what does not fit is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vlcorpus import schema
from vlcorpus.errors import CorpusError
from vlcorpus.io import table
from vlcorpus.io.commit import Commit

ROWS = [
    {"uid": bytes([n % 256] * 16), "image_id": bytes(16), "alt_text": f"text {n % 7}", "source": "s", "offset": n}
    for n in range(1_000)
]


def written(folder: Path, rows: pa.Table, name: str = "candidates", **options: object) -> bytes:
    with Commit(folder, "00000.json") as commit:
        table.write(commit, "00000.parquet", rows, name, **options)  # type: ignore[arg-type]
        commit.done({})
    return (folder / "00000.parquet").read_bytes()


def test_how_a_table_was_put_together_does_not_show(tmp_path: Path) -> None:
    whole = table.columns(ROWS, "candidates")
    pieces = pa.concat_tables([whole.slice(0, 3), whole.slice(3, 500), whole.slice(503)])
    one, other = written(tmp_path / "a", whole), written(tmp_path / "b", pieces)
    assert one == other
    assert table.digest(whole, "candidates") == table.digest(pieces, "candidates")


def test_columns_that_vary_hold_the_same(tmp_path: Path) -> None:
    whole = table.columns(ROWS, "candidates")
    one = written(tmp_path, whole, varied=("uid", "offset"))
    assert one == written(tmp_path, whole, varied=("uid", "offset"))
    assert table.read(tmp_path / "00000.parquet", "candidates").equals(whole)
    about = pq.ParquetFile(tmp_path / "00000.parquet").metadata.row_group(0)
    encodings = {about.column(n).path_in_schema: about.column(n).encodings for n in range(about.num_columns)}
    assert "RLE_DICTIONARY" not in encodings["uid"] and "RLE_DICTIONARY" in encodings["alt_text"]


def test_columns_of_nulls_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "ROW_GROUP", 300)
    rows = [row | {"position": 7 if n == 650 else None, "optout": [] if n else None} for n, row in enumerate(ROWS)]
    whole = table.columns(rows, "candidates")
    written(tmp_path, whole)
    path = tmp_path / "00000.parquet"
    assert table.read(path, "candidates").equals(whole)
    assert table.read(path, "candidates", only=["width"]).equals(whole.select(["width"]))
    assert table.read(path, "candidates", only=["optout", "width"]).equals(whole.select(["optout", "width"]))
    for only in (None, ["position"], ["title", "position", "optout"]):
        found = pa.concat_tables([piece for _, piece in table.pieces(path, "candidates", only=only)])
        assert found.equals(whole if only is None else whole.select(only))
    with pq.ParquetFile(path) as file:
        assert "width" not in table._held(file.metadata, file.schema_arrow.names, range(4))
        assert [("position" in table._held(file.metadata, ["uid", "position"], [n])) for n in range(4)] == [
            False,
            False,
            True,
            False,
        ]


def test_the_digest_tells_nulls_from_values() -> None:
    one = table.columns(ROWS, "candidates")
    seen = {table.digest(one, "candidates"), table.digest(one.slice(1), "candidates")}
    seen.add(table.digest(table.columns([], "candidates"), "candidates"))
    for column, value in (("width", 0), ("height", 0), ("title", ""), ("optout", [])):
        rows = [row | {column: value if n == 999 else None} for n, row in enumerate(ROWS)]
        seen.add(table.digest(table.columns(rows, "candidates"), "candidates"))
        rows = [row | {column: value} for row in ROWS]
        seen.add(table.digest(table.columns(rows, "candidates"), "candidates"))
    assert len(seen) == 11


def test_a_table_is_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "ROW_GROUP", 300)
    whole = table.columns(ROWS, "candidates")
    written(tmp_path, whole)
    path = tmp_path / "00000.parquet"
    found = list(table.pieces(path, "candidates"))
    assert [start for start, _ in found] == [0, 300, 600, 900]
    assert pa.concat_tables([piece for _, piece in found]).equals(whole)
    some = list(table.pieces(path, "candidates", only=["offset"], wanted=lambda start, stop: start <= 650 < stop))
    assert [(start, piece.column("offset").to_pylist()) for start, piece in some] == [(600, [*range(600, 900)])]
    monkeypatch.setattr(table, "ROW_GROUP", 100)
    assert [len(piece) for _, piece in table.pieces(path, "candidates")] == [100] * 10
    assert table.count(path, "candidates") == 1_000


def earlier(path: Path, rows: pa.Table, *, version: int = 1, name: str = "candidates") -> Path:
    """A file that says it is of an earlier version."""
    marks = {"vlcorpus.table": name, "vlcorpus.table_version": str(version)}
    pq.write_table(rows.replace_schema_metadata(marks), path)
    return path


NEW = ("text_source", "position", "found_at", "optout", "language_score")


def test_a_table_of_an_earlier_version_lacks_what_came_since(tmp_path: Path) -> None:
    whole = table.columns(ROWS, "candidates")
    path = earlier(tmp_path / "old.parquet", whole.drop_columns(list(NEW)))
    found = table.read(path, "candidates")
    assert found.schema.equals(schema.table("candidates").arrow()) and found.equals(whole)
    assert table.read(path, "candidates", only=["position", "uid"]).column("position").null_count == len(whole)
    assert table.read(path, "candidates", only=["uid"]).column_names == ["uid"]
    ((start, piece),) = table.pieces(path, "candidates", only=["offset", "found_at"])
    assert start == 0 and piece.column("offset").equals(whole.column("offset"))
    assert next(iter(table.rows(path, "candidates")))["found_at"] is None


def test_a_column_that_could_be_null_in_an_earlier_version(tmp_path: Path) -> None:
    whole = table.columns(ROWS, "candidates")
    loose = pa.schema([field.with_nullable(True) for field in whole.schema if field.name not in NEW])
    path = earlier(tmp_path / "old.parquet", whole.drop_columns(list(NEW)).cast(loose))
    assert table.read(path, "candidates").equals(whole)
    nulls = pa.array([None] * len(whole), pa.binary(16))
    bad = whole.drop_columns(list(NEW)).set_column(0, pa.field("uid", pa.binary(16)), nulls)
    with pytest.raises(CorpusError, match="null in uid"):
        table.read(earlier(tmp_path / "bad.parquet", bad), "candidates")


@pytest.mark.parametrize("case", ["needed", "unknown", "type", "now", "other table", "no marks"])
def test_what_is_no_earlier_version_is_refused(tmp_path: Path, case: str) -> None:
    whole = table.columns(ROWS, "candidates").drop_columns(list(NEW))
    path = tmp_path / "old.parquet"
    if case == "needed":
        earlier(path, whole.drop_columns(["uid"]))
    elif case == "unknown":
        earlier(path, whole.append_column("colour", pa.array(["red"] * len(whole))))
    elif case == "type":
        place = whole.schema.get_field_index("offset")
        earlier(path, whole.set_column(place, "offset", pa.array(np.zeros(len(whole), np.int32))))
    elif case == "now":
        earlier(path, whole, version=schema.table("candidates").version)
    elif case == "other table":
        earlier(path, whole, name="shards")
    else:
        pq.write_table(whole.replace_schema_metadata(None), path)
    with pytest.raises(CorpusError, match="is not a table 'candidates'"):
        table.read(path, "candidates")


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "00000.parquet"
    for ask in (table.read, table.count, lambda *a: list(table.pieces(*a))):
        with pytest.raises(CorpusError, match=f"cannot read {path}"):
            ask(path, "candidates")
    path.write_bytes(b"PAR1 nothing")
    with pytest.raises(CorpusError, match=f"cannot read {path}"):
        table.read(path, "candidates")


def test_a_damaged_page_is_named(tmp_path: Path) -> None:
    whole = bytearray(written(tmp_path, table.columns(ROWS, "candidates")))
    whole[100:3_000] = bytes(2_900)
    path = tmp_path / "00000.parquet"
    path.write_bytes(whole)
    with pytest.raises(CorpusError, match=f"cannot read {path}"):
        list(table.pieces(path, "candidates"))
    with pytest.raises(CorpusError, match=f"cannot read {path}"):
        table.read(path, "candidates")
