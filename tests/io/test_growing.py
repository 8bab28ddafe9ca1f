"""A table written piece by piece: the same bytes however it was divided."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vlcorpus import schema
from vlcorpus.io import growing, table
from vlcorpus.io.commit import Commit
from vlcorpus.io.growing import Growing


def pages(count: int, *, minute: int = 0) -> pa.Table:
    rows = [
        {"url": f"http://a.test/{n}", "depth": n, "pairs": 0, "fetched_at": datetime(2024, 1, 1, 0, minute, tzinfo=UTC)}
        for n in range(count)
    ]
    return table.columns(rows, "pages")


def write(folder: Path, pieces: list[pa.Table], **how: Any) -> tuple[bytes, dict[str, Any]]:
    with Commit(folder, "00000.json") as commit:
        with Growing(commit, "00000.parquet", "pages", **how) as rows:
            for piece in pieces:
                rows.add(piece)
        commit.done({})
    return (folder / "00000.parquet").read_bytes(), commit.outputs["00000.parquet"]


@pytest.mark.parametrize("count", [0, 1, 6, 7, 8, 20, 21])
def test_the_bytes_depend_on_the_rows_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(growing, "ROW_GROUP", 7)
    whole = pages(count)
    expected, about = write(tmp_path / "whole", [whole])
    file = pq.ParquetFile(tmp_path / "whole" / "00000.parquet")
    sizes = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
    assert sizes == ([7] * (count // 7) + [count % 7] * (count % 7 > 0) if count else [0])
    assert table.read(tmp_path / "whole" / "00000.parquet", "pages").equals(whole)
    draws = random.Random(count)
    for trial in range(5):
        cuts = sorted(draws.choices(range(count + 1), k=draws.randint(0, 6)))
        pieces = [whole.slice(a, b - a) for a, b in zip([0, *cuts], [*cuts, count], strict=True)]
        found, also = write(tmp_path / str(trial), pieces)
        assert (found, also) == (expected, about)


def test_the_digest_leaves_volatile_columns_out(tmp_path: Path) -> None:
    assert "fetched_at" in schema.table("pages").volatile
    first, one = write(tmp_path / "a", [pages(5)])
    second, other = write(tmp_path / "b", [pages(5, minute=1)])
    assert first != second and one["digest"] == other["digest"]
    assert write(tmp_path / "c", [pages(4)])[1]["digest"] != one["digest"]


@pytest.mark.parametrize("count", [0, 5, 20])
def test_what_passes_holds_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(growing, "ROW_GROUP", 7)
    whole = pages(count)
    if count == 20:  # a column that is null in the first row group alone
        status = pa.array([None] * 9 + [200] * 11, pa.int32())
        whole = whole.set_column(whole.schema.get_field_index("status"), whole.schema.field("status"), status)
    how = {"varied": ("url",), "passing": True}
    quick, about = write(tmp_path / "quick", [whole.slice(0, 3), whole.slice(3)], **how)
    assert (quick, about) == write(tmp_path / "again", [whole], **how)
    plain, also = write(tmp_path / "plain", [whole])
    assert quick != plain and about["digest"] == also["digest"]
    assert table.read(tmp_path / "quick" / "00000.parquet", "pages").equals(whole)


@pytest.mark.parametrize("count", [0, 5, 7, 20])
def test_the_digest_is_that_of_the_whole_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    for module in (growing, table):
        monkeypatch.setattr(module, "ROW_GROUP", 7)
    assert write(tmp_path, [pages(count)])[1]["digest"] == table.digest(pages(count), "pages")


def test_an_error_leaves_no_output(tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError),
        Commit(tmp_path, "00000.json") as commit,
        Growing(commit, "00000.parquet", "pages") as rows,
    ):
        rows.add(pages(3))
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == []


def test_rows_of_another_table_are_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="disagree"),
        Commit(tmp_path, "00000.json") as commit,
        Growing(commit, "00000.parquet", "pages") as rows,
    ):
        rows.add(pa.table({"url": ["http://a.test/"]}))
