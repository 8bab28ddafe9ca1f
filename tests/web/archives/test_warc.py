"""WARC files made by hand, one damage each: what was good before and after it comes through."""

from __future__ import annotations

import gzip
import io
import random
import zlib
from pathlib import Path

import pytest
from fastwarc.stream_io import BrotliWriter, Lz4Writer, ZstdWriter

from vlcorpus.errors import SourceError
from vlcorpus.web.archives.warc import WarcPage, pages
from vlcorpus.web.pages.html import extract


def record(
    number: int,
    body: bytes = b"<p>hello",
    head: str = "Content-Type: text/html\r\n",
    kind: str = "response",
    status: str = "200 OK",
    length: int | str | None = None,
) -> bytes:
    block = f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body
    size = len(block) if length is None else length
    fields = (
        f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Record-ID: <urn:uuid:{number:012d}>\r\n"
        f"WARC-Target-URI: http://a.example/{number}\r\nWARC-Date: 2026-01-01T00:00:{number:02d}Z\r\n"
        f"Content-Type: application/http; msgtype={kind}\r\nContent-Length: {size}\r\n"
    )
    return fields.encode() + b"\r\n" + block + b"\r\n\r\n"


def noise(number: int) -> bytes:
    return random.Random(number).randbytes(3000).hex().encode()


def write(path: Path, records: list[bytes], packed: bool = True) -> Path:
    path.write_bytes(b"".join(gzip.compress(one) if packed else one for one in records))
    return path


def outcome(found: list[WarcPage]) -> list[tuple[str, str | None]]:
    return [(page.url.rpartition("/")[2], page.reason) for page in found]


@pytest.mark.parametrize("suffix", ["warc", "warc.gz", "warc.zst", "warc.lz4"])
def test_every_kind_of_file(tmp_path: Path, suffix: str) -> None:
    records = [record(0, kind="request"), record(1), record(2, head="Content-Type: image/png\r\n"), record(3)]
    path = tmp_path / f"a.{suffix}"
    if suffix in ("warc", "warc.gz"):
        write(path, records, packed=suffix == "warc.gz")
    else:
        raw = io.BytesIO()
        writer = ZstdWriter(raw) if suffix == "warc.zst" else Lz4Writer(raw)
        writer.write(b"".join(records))
        writer.close()
        path.write_bytes(raw.getvalue())
    found = list(pages(path))
    assert outcome(found) == [("1", None), ("3", None)]
    assert found[0].body == b"<p>hello"
    assert found[0].headers == (("content-type", "text/html"),)
    assert found[0].date == "2026-01-01T00:00:01Z"
    assert found[0].status == 200


def test_offsets_are_those_of_the_compressed_records(tmp_path: Path) -> None:
    records = [gzip.compress(record(number)) for number in range(3)]
    path = tmp_path / "a.warc.gz"
    path.write_bytes(b"".join(records))
    assert [page.offset for page in pages(path)] == [0, len(records[0]), len(records[0]) + len(records[1])]


def test_lengths_cut_each_record_out_of_the_file(tmp_path: Path) -> None:
    records = [
        record(0),
        record(1, kind="request"),
        record(2),
        record(3, head="Content-Type: image/png\r\n"),
        record(4),
    ]
    for packed in (True, False):
        path = write(tmp_path / "a.warc", records, packed)
        found = list(pages(path))
        assert [page.kind for page in found] == ["gzip" if packed else "plain"] * 3
        for page, one in zip(found, records[::2], strict=True):
            assert page.length is not None
            part = path.read_bytes()[page.offset : page.offset + page.length]
            assert (gzip.decompress(part) if packed else part) == one


def test_lengths_beside_a_damage(tmp_path: Path) -> None:
    good = [gzip.compress(record(number, noise(number))) for number in range(3)]
    path = tmp_path / "a.warc.gz"
    path.write_bytes(good[0] + damage(good[1], 900) + b"garbage" + good[2])
    assert [page.length for page in pages(path)] == [len(good[0]), None, len(good[2])]
    path.write_bytes(good[0] + good[1][:500])
    assert [page.length for page in pages(path)] == [len(good[0]), None]


def test_records_in_one_stream_have_no_length(tmp_path: Path) -> None:
    path = tmp_path / "a.warc.gz"
    path.write_bytes(gzip.compress(record(0) + record(1) + record(2)))
    assert [page.length for page in pages(path)] == [None, None, None]


def test_what_a_site_says_of_itself_comes_whatever_its_type(tmp_path: Path) -> None:
    def about(
        path: str, status: str = "200 OK", head: str = "Content-Type: text/plain\r\n", body: bytes = b"x"
    ) -> bytes:
        return record(0, body, head, status=status).replace(b"http://a.example/0", f"http://a.example{path}".encode())

    robots = b"User-agent: *\nDisallow: /" + b"x" * 100_000
    records = [
        about("/robots.txt", body=robots),
        about("/robots.txt", "404 Not Found"),
        about("/.well-known/tdmrep.json", head="Content-Type: application/json\r\n"),
        about("/ai.txt", head=""),
        about("/robots.txt", head="Content-Type: text/html\r\n"),
        about("/robots.txt", head="Transfer-Encoding: chunked\r\n", body=b"1\r\nx\r\nzzzz\r\n"),
        about("/sub/robots.txt"),
        about("/robots.txt?x"),
        about("/page", head="Content-Type: text/html\r\n"),
    ]
    found = list(pages(write(tmp_path / "a.warc.gz", records)))
    assert [(page.url.rpartition("a.example")[2], page.status, page.site_file, page.reason) for page in found] == [
        ("/robots.txt", 200, True, None),
        ("/robots.txt", 404, True, None),
        ("/.well-known/tdmrep.json", 200, True, None),
        ("/ai.txt", 200, True, None),
        ("/robots.txt", 200, True, None),
        ("/robots.txt", None, False, "bad_warc_record"),
        ("/page", 200, False, None),
    ]
    assert found[0].body == robots


def encoded(encoding: str, plain: bytes) -> bytes:
    if encoding == "br":
        raw = io.BytesIO()
        writer = BrotliWriter(raw)
        writer.write(plain)
        writer.close()
        return raw.getvalue()
    if encoding == "zstd":
        raw = io.BytesIO()
        writer = ZstdWriter(raw)
        writer.write(plain)
        writer.close()
        return raw.getvalue()
    return {"gzip": gzip.compress, "deflate": zlib.compress}[encoding](plain)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_content_encodings_are_undone(tmp_path: Path, encoding: str) -> None:
    plain = b"<p>" + b"word " * 1000
    head = f"Content-Type: text/html\r\nContent-Encoding: {encoding}\r\n"
    path = write(tmp_path / "a.warc.gz", [record(0, encoded(encoding, plain), head), record(1, plain, head)])
    assert [page.body for page in pages(path)] == [plain, plain]  # the second was decoded by the archive


def test_chunks_are_undone_and_kept_where_they_are_none(tmp_path: Path) -> None:
    head = "Content-Type: text/html\r\nTransfer-Encoding: chunked\r\n"
    chunks = b"5\r\n<p>he\r\n3;x=y\r\nllo\r\n0\r\n\r\n"
    broken = b"5\r\n<p>he\r\nzzzz\r\n0\r\n\r\n"
    path = write(
        tmp_path / "a.warc.gz", [record(0, chunks, head), record(1, b"<p>plain", head), record(2, broken, head)]
    )
    assert [(page.body, page.reason) for page in pages(path)] == [
        (b"<p>hello", None),
        (b"<p>plain", None),
        (b"", "bad_warc_record"),
    ]


def test_a_bomb_is_cut(tmp_path: Path) -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    head = "Content-Type: text/html\r\nContent-Encoding: gzip\r\n"
    path = write(tmp_path / "a.warc.gz", [record(0, bomb, head), record(1, b"<p>" + b"x" * 300_000)])
    assert [len(page.body) for page in pages(path, max_bytes=100_000)] == [100_000, 100_000]


def test_other_statuses_are_rows_with_a_reason(tmp_path: Path) -> None:
    path = write(tmp_path / "a.warc.gz", [record(0, status="404 Not Found"), record(1), record(2, status="301 Moved")])
    found = list(pages(path))
    assert outcome(found) == [("0", "http_error"), ("1", None), ("2", "http_error")]
    assert [page.status for page in found] == [404, 200, 301]


def damage(part: bytes, start: int, patch: bytes = b"\xff" * 60) -> bytes:
    return part[:start] + patch + part[start + len(patch) :]


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(damage(gzip.compress(record(1, noise(1))), 1000), id="inside"),
        pytest.param(damage(gzip.compress(record(1, noise(1))), 3), id="gzip header"),
        pytest.param(damage(gzip.compress(record(1, noise(1)))[:-8], 5, b"") + b"\0" * 8, id="checksum"),
        pytest.param(gzip.compress(b"garbage garbage\r\n" * 20), id="no record"),
        pytest.param(gzip.compress(record(1, length=99999)), id="length too long"),
        pytest.param(gzip.compress(record(1, length="x")), id="length no number"),
        pytest.param(gzip.compress(record(1, length=300)), id="length swallows"),
        pytest.param(gzip.compress(record(1).replace(b"HTTP/1.1 200 OK", b"XXXX/1.1 200 OK")), id="no HTTP"),
        pytest.param(gzip.compress(record(1, noise(1)))[:500], id="cut inside the file"),
    ],
)
def test_a_bad_record_costs_one_record(tmp_path: Path, broken: bytes) -> None:
    good = [gzip.compress(record(number, noise(number))) for number in (0, 2, 3)]
    path = tmp_path / "a.warc.gz"
    path.write_bytes(good[0] + broken + good[1] + good[2])
    found = list(pages(path))
    assert [reason for _, reason in outcome(found)] == [None, "bad_warc_record", None, None]
    assert [name for name, reason in outcome(found) if reason is None] == ["0", "2", "3"]
    assert [page.body for page in found if page.reason is None] == [noise(0), noise(2), noise(3)]


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(b"garbage garbage\r\n" * 20, id="no record"),
        pytest.param(record(1, length=99999), id="length too long"),
        pytest.param(record(1, length=150), id="length swallows"),
        pytest.param(record(1, length="x"), id="length no number"),
    ],
)
def test_a_bad_record_costs_one_record_without_compression(tmp_path: Path, broken: bytes) -> None:
    path = write(tmp_path / "a.warc", [record(0), broken, record(2), record(3)], packed=False)
    assert [reason for _, reason in outcome(list(pages(path)))] == [None, "bad_warc_record", None, None]


def test_two_bad_records_are_two_rows(tmp_path: Path) -> None:
    records = [gzip.compress(record(number, noise(number))) for number in range(5)]
    records[1] = damage(records[1], 900)
    records[2] = damage(records[2], 900)
    path = tmp_path / "a.warc.gz"
    path.write_bytes(b"".join(records))
    found = [reason for _, reason in outcome(list(pages(path)))]
    assert found == [None, "bad_warc_record", "bad_warc_record", None, None]


def test_a_bad_first_record_costs_one_record(tmp_path: Path) -> None:
    path = tmp_path / "a.warc.gz"
    path.write_bytes(damage(gzip.compress(record(0, noise(0))), 3) + gzip.compress(record(1)))
    assert [reason for _, reason in outcome(list(pages(path)))] == ["bad_warc_record", None]


def test_a_file_cut_anywhere_keeps_what_came_before(tmp_path: Path) -> None:
    records = [gzip.compress(record(number)) for number in range(3)]
    whole = b"".join(records)
    path = tmp_path / "a.warc.gz"
    edges = {len(records[0]), len(records[0]) + len(records[1])}
    for cut in range(len(records[0]), len(whole) + 1):
        path.write_bytes(whole[:cut])
        found = outcome(list(pages(path)))
        kept = [name for name, reason in found if reason is None]
        lost = [reason for _, reason in found if reason is not None]
        assert kept == [str(number) for number in range(len(kept))]
        # A gzip member may lack its checksum and length and still hold the whole record.
        complete = sum(cut >= edge - 12 for edge in (*edges, len(whole)))
        certain = sum(cut >= edge for edge in (*edges, len(whole)))
        assert certain <= len(kept) <= complete
        assert lost in ([], ["truncated_warc"])
        if not lost:
            assert any(edge - 12 <= cut <= edge for edge in (*edges, len(whole)))


def test_a_plain_file_cut_anywhere(tmp_path: Path) -> None:
    first, second = record(0), record(1)
    path = tmp_path / "a.warc"
    for cut in range(len(first) + 12, len(first) + len(second) - 4):
        path.write_bytes((first + second)[:cut])
        assert [reason for _, reason in outcome(list(pages(path)))] == [None, "truncated_warc"], cut


def test_one_stream_of_many_records(tmp_path: Path) -> None:
    path = tmp_path / "a.warc.gz"
    path.write_bytes(gzip.compress(record(0) + record(1) + record(2)))
    assert outcome(list(pages(path))) == [("0", None), ("1", None), ("2", None)]


@pytest.mark.parametrize(
    "content", [b"", b"not a WARC file" * 99, gzip.compress(b"<html>" * 99, mtime=0), b"\x89PNG\r\n\x1a\n"]
)
def test_what_is_no_warc_file_is_refused_before_the_first_page(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.warc.gz"
    path.write_bytes(content)
    with pytest.raises(SourceError) as caught:
        pages(path)
    assert str(path) in caught.value.message
    assert caught.value.hint


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "no.warc.gz", tmp_path):
        with pytest.raises(SourceError):
            pages(path)


def test_pages_go_on_into_extract(tmp_path: Path) -> None:
    head = "Content-Type: text/html; charset=iso-8859-1\r\nX-Robots-Tag: noai\r\n"
    path = write(tmp_path / "a.warc.gz", [record(0, b'<img src=a.jpg alt="caf\xe9">', head)])
    (stored,) = pages(path)
    page = extract(stored.body, url=stored.url, headers=stored.headers)
    assert [(pair.url, pair.alt_text) for pair in page.pairs] == [("http://a.example/a.jpg", "café")]
    assert [one.signal for one in page.optout] == ["noai"]
