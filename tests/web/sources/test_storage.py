"""s3:// against a real S3 server on loopback (moto), with s3fs."""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import s3fs
from moto.server import ThreadedMotoServer

from vlcorpus.errors import SourceError
from vlcorpus.net.response import Manners
from vlcorpus.web.sources import remote
from vlcorpus.web.sources.resolve import Reach, identity, resolve, spooled

BODY = random.Random(0).randbytes(9_000_000)
CRAWL = "crawl-data/CC-MAIN-2024-22"
WAT = [f"{CRAWL}/segments/1.{n}/wat/CC-MAIN-{n}.warc.wat.gz" for n in range(5)]
REACH = Reach(Manners(user_agent="test"), sleep=lambda seconds: None)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    s3fs.S3FileSystem.clear_instance_cache()
    store = s3fs.S3FileSystem()
    store.mkdir("crawl")
    store.pipe("crawl/x/a.warc.gz", BODY)
    store.pipe("crawl/x/b.warc.gz", b"b")
    store.pipe(f"crawl/{CRAWL}/wat.paths.gz", gzip.compress("\n".join(WAT).encode()))
    store.pipe(f"crawl/{WAT[2]}", b"wat")
    yield "s3://crawl"
    store.rm("crawl", recursive=True)
    s3fs.S3FileSystem.clear_instance_cache()


def test_files_and_patterns(bucket: str, tmp_path: Path) -> None:
    found = resolve([f"{bucket}/x/b.warc.gz", f"{bucket}/x/*.gz"], network=REACH)
    assert [file.location for file in found.files] == [f"{bucket}/x/b.warc.gz", f"{bucket}/x/a.warc.gz"]
    with spooled(found.files[1], tmp_path / "spool", network=REACH) as path:
        assert path.read_bytes() == BODY
    assert list(tmp_path.iterdir()) == []


def test_what_names_the_content(bucket: str) -> None:
    first, other = resolve([f"{bucket}/x/a.warc.gz", f"{bucket}/x/b.warc.gz"], network=REACH).files
    named = identity(first, network=REACH)
    assert identity(first, network=REACH) == named != identity(other, network=REACH)
    s3fs.S3FileSystem().pipe("crawl/x/c.warc.gz", BODY)
    (same,) = resolve([f"{bucket}/x/c.warc.gz"], network=REACH).files
    assert identity(same, network=REACH) == named
    assert remote.stat(same.location, REACH).size == len(BODY)


def test_a_common_crawl_in_a_bucket(bucket: str, tmp_path: Path) -> None:
    found = resolve(["cc:CC-MAIN-2024-22"], network=REACH, base_url=f"{bucket}/")
    assert [file.name for file in found.files] == WAT
    with spooled(found.files[2], tmp_path, network=REACH) as path:
        assert path.read_bytes() == b"wat"


@pytest.mark.parametrize(
    "address",
    ["s3://crawl/nothing.warc.gz", "s3://no-such-bucket/a.warc.gz", "s3://crawl/x", "s3://Bad_Bucket!/a.warc"],
)
def test_what_is_not_there(bucket: str, address: str) -> None:
    with pytest.raises(SourceError, match="cannot be fetched") as raised:
        remote.stat(address, REACH)
    assert raised.value.hint


def test_without_credentials(bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(SourceError, match="cannot be fetched: NoCredentialsError") as raised:
        remote.stat("s3://crawl/x/a.warc.gz", REACH)
    assert "credentials" in raised.value.hint
