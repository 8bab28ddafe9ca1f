"""What is written is read back: by our reader, by fastwarc and by warcio, from the place that was told."""

from __future__ import annotations

import gzip
import io
import random
from dataclasses import replace
from pathlib import Path

import pytest
from fastwarc.warc import ArchiveIterator, WarcRecordType
from warcio.archiveiterator import ArchiveIterator as WarcioIterator
from warcio.checker import Checker

from tests.net.server import LoopbackServer
from vlcorpus.net.fetch import Fetcher, Limits
from vlcorpus.net.response import Response
from vlcorpus.web.archives import http_message, warc
from vlcorpus.web.archives.warc_file import Shelf, WarcFile, http_block, payload_digest

HTML = "text/html; charset=utf-8"
BODY = b"<!doctype html><p>caf\xc3\xa9"


def answer(body: bytes = BODY, *, url: str = "http://a.example/x", status: int = 200, **fields: object) -> Response:
    said = {"content-type": HTML, "content-length": str(len(body)), **fields.pop("headers", {})}  # type: ignore[dict-item]
    lines = [f"HTTP/1.1 {status} Fine", *(f"{name.title()}: {value}" for name, value in said.items())]
    given: dict[str, object] = {
        "url": url,
        "final_url": url,
        "status": status,
        "headers": tuple(said.items()),
        "body": body,
        "head": "".join(f"{line}\r\n" for line in lines).encode(),
        "request": b"GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "address": "192.0.2.7",
        "asked_at": 1_700_000_000.9,
    }
    return Response(**{**given, **fields})  # type: ignore[arg-type]


def written(*responses: Response, about: dict[str, str] | None = None) -> tuple[bytes, list[tuple[int, int] | None]]:
    sink = io.BytesIO()
    file = WarcFile(sink, about=about, created=1_700_000_000)
    places = [file.add(response) for response in responses]
    assert file.size == len(sink.getvalue())
    return sink.getvalue(), places


def read_back(tmp_path: Path, *responses: Response) -> list[warc.WarcPage]:
    path = tmp_path / "x.warc.gz"
    path.write_bytes(written(*responses)[0])
    return list(warc.pages(path))


def records(raw: bytes) -> list[tuple[str, dict[str, str], bytes]]:
    found = []
    for record in ArchiveIterator(io.BytesIO(raw), parse_http=False):
        headers = {name: value for name, value in record.headers}
        found.append((headers["WARC-Type"], headers, record.reader.read()))
    return found


def test_a_page_is_a_request_and_a_response(tmp_path: Path) -> None:
    raw, places = written(answer(), about={"software": "vlcorpus", "note": "two\r\nlines"})
    (_, about, fields), (_, asked, request), (_, said, block) = records(raw)
    assert [kind for kind, _, _ in records(raw)] == ["warcinfo", "request", "response"]
    assert fields == b"format: WARC File Format 1.1\r\nsoftware: vlcorpus\r\nnote: two lines\r\n"
    assert asked["WARC-Concurrent-To"] == said["WARC-Record-ID"] != asked["WARC-Record-ID"]
    assert said["WARC-Warcinfo-ID"] == about["WARC-Record-ID"]
    assert said["WARC-Date"] == "2023-11-14T22:13:20Z"
    assert (said["WARC-Target-URI"], said["WARC-IP-Address"]) == ("http://a.example/x", "192.0.2.7")
    assert said["WARC-Payload-Digest"] == f"sha1:{payload_digest(BODY)}"
    assert said["Content-Type"] == "application/http; msgtype=response"
    assert "WARC-Truncated" not in said
    assert request == b"GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n"
    assert block.startswith(b"HTTP/1.1 200 Fine\r\nContent-Type: text/html; charset=utf-8\r\n")
    assert places[0] is not None
    offset, length = places[0]
    assert gzip.decompress(raw[offset : offset + length]).startswith(b"WARC/1.1\r\nWARC-Type: response\r\n")
    (page,) = read_back(tmp_path, answer())
    assert (page.url, page.body, page.status, page.date) == ("http://a.example/x", BODY, 200, said["WARC-Date"])
    assert page.headers == answer().headers


def test_the_same_answers_give_the_same_bytes() -> None:
    assert written(answer(), answer(b"other"))[0] == written(answer(), answer(b"other"))[0]


def test_each_place_holds_its_record() -> None:
    responses = [answer(b"<html>%d" % n * n, url=f"http://a.example/{n}") for n in range(20)]
    raw, places = written(*responses, about={"software": "x"})
    for response, place in zip(responses, places, strict=True):
        assert place is not None
        (found,) = records(raw[place[0] : place[0] + place[1]])
        assert found[1]["WARC-Target-URI"] == response.url
        assert found[2].endswith(response.body)


def test_warcio_and_fastwarc_read_the_same_and_digests_hold(tmp_path: Path) -> None:
    responses = [
        answer(),
        answer(b"", status=404, url="http://a.example/gone"),
        answer(status=304, url="http://a.example/same", body=b""),
        answer(headers={"content-encoding": "gzip"}, url="http://a.example/packed"),
    ]
    path = tmp_path / "x.warc.gz"
    path.write_bytes(written(*responses, about={"software": "x"})[0])
    with open(path, "rb") as file:
        theirs = [
            (record.rec_type, record.rec_headers.get_header("WARC-Target-URI"), record.content_stream().read())
            for record in WarcioIterator(file)
        ]
    assert len(theirs) == 9
    assert theirs[2] == ("response", "http://a.example/x", BODY)
    assert theirs[6][0] == "revisit"
    assert theirs[8] == ("response", "http://a.example/packed", BODY)
    for record in ArchiveIterator(io.BytesIO(path.read_bytes()), record_types=WarcRecordType.response):
        assert record.verify_payload_digest()
    checked = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout", checked)
        checker = Checker(type("Arguments", (), {"verbose": True, "inputs": [str(path)]})())
        checker.process_one(str(path))
    assert (checker.exit_value, "digest pass" in checked.getvalue()) == (0, True)


@pytest.mark.parametrize(
    ("response", "kind", "truncated"),
    [
        (answer(), "response", None),
        (answer(reason="too_large"), "response", "length"),
        (answer(b"", reason="too_large"), None, None),
        (answer(b"", reason="timeout"), None, None),
        (answer(b"", reason="truncated_body"), None, None),
        (answer(b"", reason="not_html", headers={"content-length": "9"}), "response", "unspecified"),
        (answer(b"", reason="http_error", status=404, headers={"content-length": "9"}), "response", "unspecified"),
        (answer(b"", reason="http_error", status=404, headers={"content-length": "0"}), "response", None),
        (answer(b"", reason="http_error", status=206), None, None),
        (answer(b"", reason="too_many_redirects", status=301, headers={"location": "/y"}), "response", None),
        (answer(b"", reason="http_error", status=304), "revisit", None),
        (answer(b"", status=204), "response", None),
        (Response(url="http://a.example/", reason="dns_failure"), None, None),
    ],
)
def test_what_is_stored_as_what(response: Response, kind: str | None, truncated: str | None) -> None:
    raw, (place,) = written(response)
    assert (place is None) == (kind is None)
    if kind is not None:
        found = records(raw)[-1]
        assert (found[0], found[1].get("WARC-Truncated")) == (kind, truncated)
        assert ("WARC-Profile" in found[1]) == (kind == "revisit")


def test_headers_of_an_encoding_that_was_undone_are_renamed(tmp_path: Path) -> None:
    sent = {"content-encoding": "gzip", "transfer-encoding": "chunked", "content-length": "7", "x-robots-tag": "noai"}
    (page,) = read_back(tmp_path, answer(headers=sent))
    assert page.body == BODY
    assert dict(page.headers) == {
        "content-type": HTML,
        "x-archive-orig-content-encoding": "gzip",
        "x-archive-orig-transfer-encoding": "chunked",
        "x-archive-orig-content-length": "7",
        "x-robots-tag": "noai",
        "content-length": str(len(BODY)),
    }


PATHS = ("gzip", "x-gzip", "deflate", "raw-deflate", "identity")


def test_what_a_server_sent_is_read_back(tmp_path: Path) -> None:
    with LoopbackServer() as server:
        server.put("/page", BODY, {"Content-Type": "text/html", "X-Robots-Tag": "noai", "x-Odd": "café"})
        server.put("/long", BODY * 1000, {"Content-Type": "text/html"})
        urls = [server.url("/page"), server.url("/long"), *(server.url(f"/encoded/{name}") for name in PATHS)]
        with Fetcher(server.manners(), Limits(max_bytes=13_000, keep_cut=True)) as fetcher:
            got = [fetcher.fetch(url) for url in urls]
        asked = server.requests
    for response, request in zip(got, asked, strict=True):
        lines = response.request.decode().split("\r\n")
        assert lines[0] == f"GET {request.path} HTTP/1.1"
        said = [tuple(line.split(": ")) for line in lines[1:-2]]
        assert [(name.lower(), value) for name, value in said] == list(request.headers.items())
        assert response.address == "127.0.0.1"
        message = http_message.read(http_block(response), 1_000_000)
        assert (message.status, message.body) == (200, response.body)
    assert got[0].head.startswith(b"HTTP/1.1 200 Status\r\n")
    pages = read_back(tmp_path, *got)
    assert [(page.url, page.body) for page in pages] == [(urls[0], BODY), (urls[1], (BODY * 1000)[:13_000])]
    assert pages[0].headers == got[0].headers


NASTY = [
    b"Content-Encoding: br", b"content-ENCODING : gzip", b"\x1cContent-Encoding: zstd", b"Transfer-Encoding: chunked",
    b"Content-Length: 0", b"Content-Length: 99999", b"X:\r\n folded: yes", b"Content-Encoding:\r\n gzip",
    b"X: a\rb", b"X: \xff\xfe", b"no colon", b": no name", b"WARC-Type: response", b"X: " + b"y" * 20_000,
]  # fmt: skip
BODIES = [
    b"",
    b"\x1f\x8b\x08\x00",
    b"5\r\nhello\r\n0\r\n\r\n",
    b"<p>\r\n\r\nx",
    b"\x28\xb5\x2f\xfd\x00",
    b"WARC/1.1\r\n",
]


@pytest.mark.parametrize("seed", range(40))
def test_no_headers_change_the_body(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    responses = []
    for number in range(10):
        lines = [b"Content-Type: text/html", *rng.choices(NASTY, k=rng.randrange(8))]
        first = rng.choice(
            [b"HTTP/1.1 200 OK", b"HTTP/1.0 200", b"HTTP/1.1  200\tx", b"HTTP/1.1 0200 ", b"HTTP/2 200 "]
        )
        head = b"".join(line + rng.choice([b"\r\n", b"\n"]) for line in [first, *lines])
        headers = http_message.head(b"HTTP/1.1 200 OK\r\n" + b"\r\n".join([*lines, b"", b""]))[0].headers
        body = rng.choice(BODIES) * rng.randrange(1, 3)
        responses.append(answer(body, url=f"http://a.example/{number}"))
        responses[-1] = replace(responses[-1], head=head, headers=headers)
    pages = read_back(tmp_path, *responses)
    assert [(page.url, page.body, page.reason) for page in pages] == [(one.url, one.body, None) for one in responses]


def test_headers_that_fill_all_room_still_fit(tmp_path: Path) -> None:
    many = b"Content-Length: 1\r\n" * 3000
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n" + many
    headers = (("content-type", "text/html"), *(("content-length", "1"),) * 3000)
    (page,) = read_back(tmp_path, replace(answer(), head=head, headers=headers))
    assert (page.body, dict(page.headers)) == (BODY, {"content-type": "text/html", "content-length": str(len(BODY))})


def test_a_shelf_appends_in_the_order_asked_for_and_only_that() -> None:
    responses = {name: answer(name.encode() * 9, url=f"http://a.example/{name}") for name in "abcd"}
    straight, places = written(*(responses[name] for name in "bda"))
    sink = io.BytesIO()
    with Shelf(WarcFile(sink)) as shelf:
        for name, response in responses.items():
            shelf.put(name, response)
        assert shelf.names() == ["a", "b", "c", "d"]
        assert [shelf.append(name) for name in "bda"] == places
        assert shelf.append("a") is None
    assert sink.getvalue() == straight
    with Shelf(None) as shelf:
        shelf.put("a", responses["a"])
        assert shelf.append("a") is None


def test_a_file_can_be_gone_on_with() -> None:
    first = io.BytesIO()
    file = WarcFile(first)
    file.add(answer())
    second = WarcFile(first, start=len(first.getvalue()))
    offset, length = second.add(answer(url="http://a.example/y"))  # type: ignore[misc]
    raw = first.getvalue()
    assert offset + length == len(raw) == second.size
    assert records(raw[offset:])[0][1]["WARC-Target-URI"] == "http://a.example/y"
