"""Mirrors: what is fetched, when it is asked for anew, and what goes where there is too little room."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from vlcorpus.errors import UsageError
from vlcorpus.io import copies
from vlcorpus.io.mirror import Mirror, mirror_of

URL = "memory://mirrored/birds"


@pytest.fixture
def files() -> Iterator[fsspec.AbstractFileSystem]:
    found = fsspec.filesystem("memory")
    yield found
    if found.exists("/mirrored"):
        found.rm("/mirrored", recursive=True)


@pytest.fixture
def mirror(files: fsspec.AbstractFileSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mirror:
    monkeypatch.setenv("VLCORPUS_MIRROR", str(tmp_path))
    files.pipe({f"/mirrored/birds/shards/{number}": bytes([number]) * 1000 for number in range(4)})
    return mirror_of(URL)


def held(mirror: Mirror) -> set[str]:
    return {path.name for path in (mirror.folder / "shards").glob("[!.]*")}


def test_a_file_is_fetched_once(mirror: Mirror, files: fsspec.AbstractFileSystem) -> None:
    assert not mirror.folder.joinpath("shards").exists()
    path = mirror.path("shards/1")
    assert path.read_bytes() == b"\1" * 1000 and held(mirror) == {"1"}
    before = path.stat().st_ino
    with mirror.at_work():
        assert mirror.path("shards/1").stat().st_ino == before
    assert mirror.path("shards/9") == mirror.folder / "shards/9" and not mirror.path("shards/9").exists()


def test_what_others_store_is_seen_by_the_next_task(mirror: Mirror, files: fsspec.AbstractFileSystem) -> None:
    with mirror.at_work():
        assert mirror.names("shards") == tuple(f"shards/{number}" for number in range(4))
        mirror.path("shards/1")
        files.pipe("/mirrored/birds/shards/1", b"new")
        files.pipe("/mirrored/birds/shards/7", b"seven")
        assert mirror.path("shards/1").read_bytes() == b"\1" * 1000, "a task sees one state"
    with mirror.at_work():
        assert mirror.path("shards/1").read_bytes() == b"new"
        assert "shards/7" in mirror.names("shards")


def test_what_is_noticed_is_seen_at_once(mirror: Mirror, files: fsspec.AbstractFileSystem) -> None:
    mirror.names("shards")
    files.pipe("/mirrored/birds/shards/7", b"seven")
    assert mirror.look("shards/7") is None
    mirror.noticed(["shards/7"])
    assert mirror.path("shards/7").read_bytes() == b"seven" and "shards/7" in mirror.names("shards")
    files.rm("/mirrored/birds/shards/7")
    mirror.noticed(["shards/7"])
    assert mirror.look("shards/7") is None


def test_a_copy_that_was_removed_or_changed_is_fetched_again(mirror: Mirror) -> None:
    mirror.path("shards/1").unlink()
    assert mirror.path("shards/1").read_bytes() == b"\1" * 1000
    mirror.path("shards/1").write_bytes(b"short")
    assert mirror.path("shards/1").read_bytes() == b"\1" * 1000


def test_what_is_put_is_a_copy(mirror: Mirror, files: fsspec.AbstractFileSystem) -> None:
    made = mirror.making("shards") / "5"
    made.parent.mkdir(parents=True)
    made.write_bytes(b"five")
    mirror.put({"shards/5": made})
    assert files.cat("/mirrored/birds/shards/5") == b"five" and not made.exists()
    assert mirror.path("shards/5").read_bytes() == b"five"
    mirror.remove(["shards/5"])
    assert not files.exists("/mirrored/birds/shards/5") and not mirror.path("shards/5").exists()


def test_hidden_files(mirror: Mirror, files: fsspec.AbstractFileSystem) -> None:
    path = mirror.making("shards") / ".journal-1"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"one")
    mirror.keep("shards/.journal-1", path)
    path.write_bytes(b"one and more")
    mirror.recall("shards/.journal-1", path)
    assert path.read_bytes() == b"one and more", "what this machine kept itself, it has, or more"
    path.unlink()
    mirror.recall("shards/.journal-1", path)
    assert path.read_bytes() == b"one"
    files.pipe("/mirrored/birds/shards/.journal-1", b"of another machine")
    mirror.recall("shards/.journal-1", path)
    assert path.read_bytes() == b"of another machine"
    mirror.drop("shards/.journal-1")
    assert not files.exists("/mirrored/birds/shards/.journal-1")


def test_room(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was not used for longest goes, but nothing that a task uses."""
    monkeypatch.setenv("VLCORPUS_MIRROR_BYTES", "2500")
    with mirror.at_work():
        mirror.path("shards/0")
    with mirror.at_work():
        mirror.path("shards/1")
        mirror.path("shards/2")
        assert held(mirror) == {"1", "2"}
        mirror.path("shards/3")
        assert held(mirror) == {"1", "2", "3"}, "the limit is exceeded rather than a task broken"
    with mirror.at_work():
        mirror.path("shards/0")
        assert held(mirror) == {"0", "3"}


def test_pins_of_others(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another process uses stays; what one used that has ended goes."""
    monkeypatch.setenv("VLCORPUS_MIRROR_BYTES", "1500")
    with monkeypatch.context() as other, mirror.at_work():
        other.setattr(os, "getpid", lambda: os.getppid())
        mirror.path("shards/0")
        mirror._tasks += 1  # it is still at work
    mirror._copies._pinned.clear()
    with mirror.at_work():
        mirror.path("shards/1")
        assert held(mirror) == {"0", "1"}
    monkeypatch.setattr(copies, "runs", lambda pid: pid == os.getpid())
    with mirror.at_work():
        mirror.path("shards/2")
        assert "0" not in held(mirror)


def test_a_limit_that_is_none(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLCORPUS_MIRROR_BYTES", "much")
    with pytest.raises(UsageError, match="no number of bytes"):
        mirror.path("shards/0")


def test_one_mirror_a_process_and_machine(mirror: Mirror, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert mirror_of(URL + "/") is mirror and pickle.loads(pickle.dumps(mirror)) is mirror
    sent = pickle.dumps(mirror)
    monkeypatch.setenv("VLCORPUS_MIRROR", str(tmp_path / "other"))
    assert pickle.loads(sent).folder.parent == tmp_path / "other"


def test_secrets_are_in_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLCORPUS_MIRROR", str(tmp_path))
    found = mirror_of("s3://key:pa55word@bucket/birds")
    assert "pa55word" not in str(found.folder) and "pa55word" not in repr(found)


def test_a_mirror_may_be_removed(mirror: Mirror) -> None:
    import shutil

    mirror.path("shards/1")
    shutil.rmtree(mirror.folder)
    assert mirror.path("shards/1").read_bytes() == b"\1" * 1000
