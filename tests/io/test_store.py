"""Stores against a real S3 server on loopback, with faults."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import stores
from tests.stores import BUCKET, Bucket, Proxy, every
from vlcorpus.errors import CorpusError
from vlcorpus.io import store as module
from vlcorpus.io.store import Store, Told

BODY = random.Random(0).randbytes(3_000_000)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with stores.server() as url:
        yield url


@pytest.fixture(scope="module")
def proxied(endpoint: str) -> Iterator[Proxy]:
    with Proxy(endpoint) as proxy:
        yield proxy


@pytest.fixture
def proxy(proxied: Proxy, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    import s3fs

    for name, value in stores.environment(proxied.url).items():
        monkeypatch.setenv(name, value)
    import json

    import fsspec.config

    monkeypatch.setitem(fsspec.config.conf, "s3", json.loads(stores.IMPATIENT))
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)  # so that it is ours that are tested
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.001)
    s3fs.S3FileSystem.clear_instance_cache()
    proxied.fault = None
    yield proxied
    proxied.fault = None
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def bucket(endpoint: str, proxy: Proxy) -> Iterator[Bucket]:
    yield Bucket(endpoint)


@pytest.fixture(params=["s3", "memory"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    if request.param == "s3":
        request.getfixturevalue("bucket")
        yield Store(f"s3://{BUCKET}/birds")
        return
    import fsspec

    yield Store("memory://crops/birds")
    fsspec.filesystem("memory").rm("/crops", recursive=True)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "body"
    path.write_bytes(BODY)
    return path


def test_put_look_list_get_and_remove(store: Store, file: Path, tmp_path: Path) -> None:
    told = store.put("shards/00000.tar", file)
    store.put("shards/below/1", file)
    store.write("shards/00000_stats.json", b"{}")
    assert told.size == len(BODY) and told.tag
    assert store.look("shards/00000.tar") == told
    assert store.look("shards/00001.tar") is None and store.look("shards") is None
    assert sorted(store.listed("shards")) == ["shards/00000.tar", "shards/00000_stats.json", "shards/below/1"]
    assert store.listed("shards")["shards/00000.tar"] == told
    assert sorted(store.listed("")) == sorted(store.listed("shards"))
    assert store.listed("shard") == store.listed("nothing") == {}
    assert store.folders("") == ("shards",) and store.folders("shards") == ("below",) and store.folders("no") == ()
    assert store.there("shards") and store.there("") and not store.there("shard")
    assert store.get("shards/00000.tar", tmp_path / "back") == told and (tmp_path / "back").read_bytes() == BODY
    assert store.read("shards/00000_stats.json") == b"{}" and store.read("shards/none") is None
    store.remove(["shards/00000.tar", "shards/none"])
    assert store.look("shards/00000.tar") is None


def test_only_one_creates(store: Store) -> None:
    assert store.create("lease/1", b"mine")
    assert not store.create("lease/1", b"yours")
    assert store.create("lease/1", b"mine"), "whose answer was lost may ask again"
    assert store.read("lease/1") == b"mine"


def test_many_parts(bucket: Bucket, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PART", 5 << 20)
    body = BODY * 5
    file.write_bytes(body)
    store = Store(f"s3://{BUCKET}/birds")
    told = store.put("large", file)
    assert told.tag.rstrip('"').endswith("-3"), "three parts of five million bytes"
    store.get("large", tmp_path / "back", told)
    assert (tmp_path / "back").read_bytes() == body and bucket.unfinished() == 0


@pytest.mark.parametrize("wrong", ["500", "503", "drop", "lost", "silence", "damage"])
def test_an_upload_that_fails_in_passing_is_made_again(bucket: Bucket, proxy: Proxy, file: Path, wrong: str) -> None:
    proxy.fault = every(wrong, "PUT", "/birds/a", 1 if wrong == "silence" else 3)
    Store(f"s3://{BUCKET}/birds").put("a", file)
    assert bucket.objects() == {"birds/a": BODY}


@pytest.mark.parametrize("wrong", ["500", "503", "drop", "cut", "silence"])
def test_a_download_that_fails_in_passing_is_made_again(
    bucket: Bucket, proxy: Proxy, tmp_path: Path, wrong: str
) -> None:
    bucket.put("birds/a", BODY)
    proxy.fault = every(wrong, "GET", "/birds/a", 1 if wrong == "silence" else 3)
    Store(f"s3://{BUCKET}/birds").get("a", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == BODY


def test_what_changes_while_it_is_fetched_is_fetched_again(bucket: Bucket, tmp_path: Path) -> None:
    bucket.put("birds/a", b"new")
    old = Told(3, 'ETag "00000000000000000000000000000000"')
    assert Store(f"s3://{BUCKET}/birds").get("a", tmp_path / "a", old) != old
    assert (tmp_path / "a").read_bytes() == b"new"


def test_what_never_arrives_whole_is_an_error(bucket: Bucket, proxy: Proxy, file: Path) -> None:
    proxy.fault = every("damage", "PUT", "/birds/a", 1000)
    with pytest.raises(CorpusError, match="cannot store a in s3://crops/birds"):
        Store(f"s3://{BUCKET}/birds").put("a", file)


def test_a_bucket_that_is_not_there_is_told_at_once(bucket: Bucket, proxy: Proxy, file: Path) -> None:
    before = len(proxy.asked)
    with pytest.raises(CorpusError, match="cannot store a in s3://nowhere/birds"):
        Store("s3://nowhere/birds").put("a", file)
    assert len(proxy.asked) - before <= 4


def test_encrypted_objects_are_read_back(tmp_path: Path, file: Path) -> None:
    """Where an ETag is no MD5 of the bytes, they are compared themselves."""
    assert module._same_md5(file, 'ETag "0123456789abcdef0123456789abcdef"') is None
    assert module._same_md5(file, 'ETag "0123456789abcdef0123456789abcdef-7"') is None
    assert module._same_md5(file, "created 2026-01-01") is None
    assert module._same_md5(file, "md5Hash AAAA") is False
