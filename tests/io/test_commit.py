from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from vlcorpus.errors import CorpusError, VlcorpusError
from vlcorpus.io import table, vectors
from vlcorpus.io.commit import Commit


def test_outputs_appear_before_the_stats_that_list_them(tmp_path: Path) -> None:
    with Commit(tmp_path / "layer", "0.json") as commit:
        with commit.file("sub/0.bin") as sink:
            sink.write(b"abc")
            assert not (tmp_path / "layer/sub/0.bin").exists()
        assert (tmp_path / "layer/sub/0.bin").read_bytes() == b"abc"
        assert not (tmp_path / "layer/0.json").exists()
        commit.done({"seen": 3})
    stats = json.loads((tmp_path / "layer/0.json").read_text())
    expected = {"bytes": 3, "sha256": hashlib.sha256(b"abc").hexdigest()}
    assert stats == {"seen": 3, "outputs": {"sub/0.bin": expected}}
    assert not list((tmp_path / "layer").rglob(".tmp-*"))


def test_an_error_leaves_the_unit_uncommitted_and_no_temporary_file(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), Commit(tmp_path, "0.json") as commit, commit.file("0.bin") as sink:
        sink.write(b"abc")
        raise RuntimeError
    assert os.listdir(tmp_path) == []


def test_a_redo_hides_the_old_unit_first(tmp_path: Path) -> None:
    with Commit(tmp_path, "0.json") as commit:
        commit.write("0.bin", b"old")
        commit.done({})
    with pytest.raises(RuntimeError), Commit(tmp_path, "0.json") as commit:
        assert not (tmp_path / "0.json").exists()
        raise RuntimeError
    assert (tmp_path / "0.bin").read_bytes() == b"old"


KILLED = """
import os, pathlib, signal, sys
from vlcorpus.io.commit import Commit
with Commit(pathlib.Path(sys.argv[1]), "0.json") as commit, commit.file("0.bin") as sink:
    sink.write(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_run_left_is_swept(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, tmp_path], check=False)
    assert killed.returncode == -signal.SIGKILL and (tmp_path / ".tmp-0.json-0.bin").read_bytes() == b"half"
    (tmp_path / ".tmp-1.json-1.bin").write_bytes(b"another unit's")
    with Commit(tmp_path, "0.json") as commit:
        commit.done({})
    assert sorted(os.listdir(tmp_path)) == [".tmp-1.json-1.bin", "0.json"]


def test_a_full_disk_is_one_clear_line(tmp_path: Path) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(VlcorpusError, match="the disk is full"), Commit(tmp_path, "0.json") as commit, commit.file("0"):
        raise full


def test_a_real_size_limit_is_one_clear_line(tmp_path: Path) -> None:
    import resource
    import signal

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(VlcorpusError, match="the disk is full"), Commit(tmp_path, "0.json") as commit:
            commit.write("0.bin", bytes(100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert os.listdir(tmp_path) == []


def test_a_file_in_the_place_of_a_folder_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "layer").write_text("a file")
    with (
        pytest.raises(VlcorpusError, match="a file stands where a folder is wanted"),
        Commit(tmp_path / "layer", "0.json"),
    ):
        pass


ROWS = [
    {"uid": bytes(16), "keep": True, "fail_mask": 0, "first_fail": -1, "weight": 1.0},
    {"uid": bytes(15) + b"\1", "keep": False, "fail_mask": 2**63, "first_fail": 63, "weight": 0.0},
]


def test_tables_round_trip_and_repeat(tmp_path: Path) -> None:
    made = table.columns(ROWS, "decisions")
    for name in ("a", "b"):
        with Commit(tmp_path, f"{name}.json") as commit:
            table.write(commit, f"{name}.parquet", made, "decisions")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert table.read(tmp_path / "a.parquet", "decisions").to_pylist() == ROWS
    assert pq.read_schema(tmp_path / "a.parquet").metadata[b"vlcorpus.table"] == b"decisions"


def test_a_null_where_none_may_be_is_refused_when_written() -> None:
    with pytest.raises(ValueError, match="null in column 'keep'"):
        table.columns([{**ROWS[0], "keep": None}], "decisions")


def test_volatile_columns_do_not_change_the_digest() -> None:
    page = {"url": "http://a/", "depth": 0, "status": 200, "pairs": 1}
    now = [table.digest(table.columns([{**page, "fetched_at": year}], "pages"), "pages") for year in (0, 10**15)]
    assert now[0] == now[1] != table.digest(table.columns([{**page, "pairs": 2}], "pages"), "pages")


@pytest.mark.parametrize("body", [b"", b"PAR1", b"not parquet at all", b"PAR1" + bytes(100) + b"PAR1"])
def test_a_damaged_table_is_named(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "x.parquet").write_bytes(body)
    with pytest.raises(CorpusError, match=r"x\.parquet"):
        table.read(tmp_path / "x.parquet", "decisions")


def test_another_table_is_refused(tmp_path: Path) -> None:
    with Commit(tmp_path, "a.json") as commit:
        table.write(commit, "a.parquet", table.columns([], "splits"), "splits")
    with pytest.raises(CorpusError, match="not a table 'decisions'"):
        table.read(tmp_path / "a.parquet", "decisions")


@pytest.mark.parametrize("shape", [(0, 4), (3, 4)])
def test_vectors_round_trip(tmp_path: Path, shape: tuple[int, int]) -> None:
    rows = np.arange(shape[0] * shape[1], dtype=np.float16).reshape(shape)
    with Commit(tmp_path, "a.json") as commit:
        vectors.write(commit, "a.npy", rows)
    found = vectors.read(tmp_path / "a.npy")
    assert found.dtype == np.float16 and np.array_equal(found, rows)
    assert np.array_equal(np.load(tmp_path / "a.npy"), rows)


def test_pickled_vectors_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{"run": "me"}], dtype=object), allow_pickle=True)
    with pytest.raises(CorpusError, match=r"a\.npy"):
        vectors.read(tmp_path / "a.npy")
