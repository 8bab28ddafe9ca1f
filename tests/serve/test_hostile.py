"""What strangers may send: too much, too slow, nonsense, files of this machine, addresses, pictures that are none."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from tests.corpora import Built
from tests.images import drawn
from tests.net.server import LoopbackServer
from tests.serve.live import Answer, Live, run
from vlcorpus.images.decode import Decoded, Refused, decode
from vlcorpus.serve.answers import Refusal
from vlcorpus.serve.app import application
from vlcorpus.serve.drawing import Drawer
from vlcorpus.serve.guard import Door
from vlcorpus.serve.limits import Limits
from vlcorpus.serve.pool import Pool
from vlcorpus.serve.running import LOCAL, config
from vlcorpus.serve.state import State
from vlcorpus.views.collection import open_collection

JSON = {"Content-Type": "application/json"}
JPEG = {"Content-Type": "image/jpeg"}
DIMENSION = 128


def refused(found: Any, status: int, *words: str) -> None:
    assert found.status == status, (found.status, found.body[:300])
    assert set(found.json) == {"error", "hint"}
    for word in words:
        assert word in found.json["error"] + found.json["hint"]
    assert "Traceback" not in found.body.decode() and "/tmp" not in found.body.decode()


# Questions


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b'{"query": "a"} x',
        b'{"query": 7}',
        b'{"query": null}',
        b'{"query": ""}',
        b'{"query": "   "}',
        b'{"query": "a", "query_": "b"}',
        b'{"query": "\xff"}',
        b'{"query": "\\ud800"}',
        b'{"query": "a", "k": 0}',
        b'{"query": "a", "k": -1}',
        b'{"query": "a", "k": 1.5}',
        b'{"query": "a", "k": 10001}',
        b'{"query": "a", "k": 1, "offset": 10000}',
        b'{"query": "a", "k": 99999999999999999999999999}',
        b'{"query": "a", "min_sim": NaN}',
        b'{"query": "a", "min_sim": 1e999}',
        b'{"query": "a", "min_sim": 2}',
        b'{"query": "a", "side": "audio"}',
        b'{"query": "a", "folded": "yes"}',
        b'{"terms": [{"kind": "file", "value": "/etc/passwd"}]}',
        b'{"terms": [{"kind": "text", "value": [1]}]}',
        b'{"terms": [{"kind": "vector", "value": "/etc/passwd"}]}',
        b'{"terms": [{"kind": "text", "value": "a", "weight": 1e300}]}',
        b'{"query": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"terms": ' + b'[{"kind":"text","value":' * 20_000 + b"}",
        b'{"query": "' + b"a" * 10_001 + b'"}',
        b'{"query": "a", "where": "' + b" " * 2_001 + b'"}',
        b'{"query": "' + b"+a " * 33 + b'"}',
        json.dumps({"terms": [{"kind": "uid", "value": "aaaaaa"}] * 33}).encode(),
        json.dumps({"terms": [{"kind": "vector", "value": [0.5] * (DIMENSION - 1)}]}).encode(),
        json.dumps({"terms": [{"kind": "vector", "value": [0.0] * DIMENSION}]}).encode(),
        json.dumps({"terms": [{"kind": "vector", "value": [1e308] * DIMENSION}]}).encode(),
        json.dumps({"terms": [{"kind": "vector", "value": [float("nan")] * DIMENSION}]}).encode(),
        json.dumps({"terms": [{"kind": "vector", "value": [0.1] * 20_000}]}).encode(),
        json.dumps({"query": "a", "where": "similarity >"}).encode(),
        json.dumps({"query": "a", "where": "nothing_like_it > 1"}).encode(),
        json.dumps({"query": "a", "where": "(" * 900 + "width" + ")" * 900 + " > 1"}).encode(),
        json.dumps({"query": "a", "where": "not " * 450 + "width > 1"}).encode(),
        json.dumps({"query": "a", "where": "__import__('os').system('true')"}).encode(),
        json.dumps({"query": "a", "where": "width > 1; drop table shards"}).encode(),
        json.dumps({"query": "a", "where": "caption like '" + "%a" * 400 + "'"}).encode(),
    ],
    ids=range(45),
)
def test_a_question_that_is_none_is_refused(server: Live, body: bytes) -> None:
    refused(server.ask("POST", "/api/search", body, JSON), 400)
    assert server.get("/api/about")["rows"] > 0


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"query": "image:/etc/passwd"}, 400),
        ({"query": "image:~/.ssh/id_rsa"}, 400),
        ({"query": "+a -vector:/etc/passwd"}, 400),
        ({"query": 'image:"\\\\\\\\server\\\\share"'}, 400),
        ({"query": "image:file:///etc/passwd"}, 400),
        ({"query": "image:http://127.0.0.1/a.jpg"}, 403),
        ({"terms": [{"kind": "url", "value": "https://example.org/a.jpg"}]}, 403),
        ({"query": "uid:ffffffffffffffffffffffffffffffff"}, 404),
        ({"query": "uid:../../etc"}, 400),
        ({"query": "upload:nothing"}, 404),
        ({"terms": [{"kind": "upload", "value": "../../etc/passwd"}]}, 404),
        ({"query": "+circle -circle"}, 400),
    ],
    ids=lambda value: str(value),
)
def test_files_addresses_and_what_is_not_there(server: Live, asked: dict[str, Any], status: int) -> None:
    refused(server.post("/api/search", asked), status)


@pytest.mark.parametrize("id", ["", "x", "../../etc/passwd", "a" * 65, "ff" * 16])
def test_queries_that_were_never_asked_have_no_histogram(server: Live, id: str) -> None:
    refused(server.post("/api/histogram", {"query": id}), 400 if len(id) > 64 else 404)


# Bodies


def test_a_body_that_says_it_is_too_large_is_not_read(server: Live) -> None:
    head = (
        b"POST /api/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    )
    assert run(server, head % 10**15).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("length", [1_000_001, 3_000_000])
def test_a_body_that_is_too_large_is_refused(server: Live, length: int) -> None:
    refused(server.ask("POST", "/api/search", b" " * length, JSON), 413)


def test_a_body_without_a_length_is_counted(server: Live) -> None:
    head = (
        b"POST /api/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    chunks = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    assert run(server, head + chunks * 20 + b"0\r\n\r\n").startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "said",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 1_000_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: a\r\n" * 200_000 + b"\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"CONNECT evil.example:443 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
    ids=range(10),
)
def test_what_is_no_request_gets_no_answer_but_an_error(server: Live, said: bytes) -> None:
    found = run(server, said)
    assert found == b"" or found.split(b" ")[1] in (b"400", b"404", b"405", b"421", b"431"), found[:200]
    assert server.get("/api/about")["rows"] > 0


def test_a_websocket_is_not_opened(server: Live) -> None:
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": "AAAA",
        "Sec-WebSocket-Version": "13",
    }
    assert server.ask("GET", "/api/about", headers=upgrade).status in (200, 400)
    assert server.ask("GET", "/socket", headers=upgrade).status in (400, 404)


def head(path: str, kind: str, length: int) -> bytes:
    said = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
    return said.encode()


def connected(live: Live) -> socket.socket:
    return socket.create_connection((live.host, live.port), timeout=30)


@contextmanager
def hasty(built: Built, **limits: Any) -> Iterator[tuple[Live, State]]:
    """A server of this very process, with less patience."""
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    state = State(open_collection(built.corpus.path), Limits(**limits), built.corpus.path)
    serving = uvicorn.Server(config(application(state, Door(LOCAL, port, None)), state.limits))
    thread = threading.Thread(target=serving.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    live = Live(built.corpus.path)
    live.host, live.port = "127.0.0.1", port
    try:
        yield live, state
    finally:
        serving.should_exit = True
        thread.join(30)
        state.close()
        listening.close()


@pytest.mark.parametrize(
    "said", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: localhost\r\n"], ids=["none", "line", "head"]
)
def test_a_connection_that_says_too_little_is_closed(small_corpus: Built, said: bytes) -> None:
    with hasty(small_corpus, body_seconds=0.2) as (live, _):
        with connected(live) as connection:
            connection.sendall(said)
            assert connection.recv(100) == b""
        assert live.get("/api/about")["rows"] > 0


def test_a_body_that_dribbles_is_refused(small_corpus: Built) -> None:
    with hasty(small_corpus, body_seconds=0.2) as (live, _), connected(live) as connection:
        connection.sendall(head("/api/search", "application/json", 9) + b"{")
        assert connection.recv(100).startswith(b"HTTP/1.1 408 ")


def test_too_many_large_uploads_at_once_are_refused(small_corpus: Built) -> None:
    with hasty(small_corpus, uploads_at_once=1) as (live, state), connected(live) as connection:
        connection.sendall(head("/api/upload", "image/jpeg", 2_000_000))
        while not state.uploading:
            live.get("/api/about")
        with connected(live) as other:  # it is refused by what it announces, before it sends it
            other.sendall(head("/api/upload", "image/jpeg", 1_000_001))
            answer = http.client.HTTPResponse(other)
            answer.begin()
            found = Answer(answer.status, {name.lower(): text for name, text in answer.getheaders()}, answer.read())
        refused(found, 429)
        assert found.headers["retry-after"] == "1"
        refused(live.ask("POST", "/api/upload", bytes(1_000), JPEG), 415)


# Work


def test_a_request_over_its_time_is_told_so(small_corpus: Built) -> None:
    with hasty(small_corpus, seconds=0.0) as (live, _):
        found = live.ask("GET", "/api/about")
        refused(found, 503, "--seconds")


def test_late_work_is_answered_and_keeps_its_place() -> None:
    async def told() -> list[Any]:
        pool = Pool(threads=1, waiting=1)
        go = threading.Event()
        found: list[Any] = []
        late = asyncio.ensure_future(pool.do(go.wait, seconds=0.05))
        with pytest.raises(Refusal) as caught:
            await late
        found.append(caught.value.status)
        waiting = asyncio.ensure_future(pool.do(lambda: "second", seconds=30))
        await asyncio.sleep(0)
        with pytest.raises(Refusal) as caught:
            await pool.do(lambda: "third", seconds=30)
        found += [caught.value.status, caught.value.headers]
        go.set()
        found.append(await waiting)
        found.append(await pool.do(lambda: "fourth", seconds=30))
        return found

    assert asyncio.run(told()) == [503, 429, {"Retry-After": "1"}, "second", "fourth"]


def test_work_that_nobody_waits_for_any_more_is_not_begun() -> None:
    async def told() -> list[str]:
        pool = Pool(threads=1, waiting=4)
        go, begun = threading.Event(), list[str]()
        first = asyncio.ensure_future(pool.do(go.wait, seconds=30))
        await asyncio.sleep(0)
        with pytest.raises(Refusal):
            await pool.do(lambda: begun.append("late"), seconds=0.05)
        go.set()
        await first
        await pool.do(lambda: begun.append("last"), seconds=30)
        return begun

    assert asyncio.run(told()) == ["last"]


def test_errors_of_work_come_out(small_corpus: Built) -> None:
    async def told() -> None:
        pool = Pool(threads=1, waiting=1)
        with pytest.raises(ZeroDivisionError):
            await pool.do(lambda: 1 // 0, seconds=30)
        with pytest.raises(RuntimeError, match="SystemExit"):
            await pool.do(lambda: exec("raise SystemExit"), seconds=30)
        assert await pool.do(lambda: 7, seconds=30) == 7

    asyncio.run(told())


def test_what_was_told_is_forgotten_in_time(small_corpus: Built) -> None:
    with hasty(small_corpus, queries=2, uploads=1) as (live, state):
        ids = [
            live.search(terms=[{"kind": "vector", "value": [float(n)] + [1.0] * 127}], k=1)["query"] for n in range(3)
        ]
        assert [live.post("/api/histogram", {"query": id}).status for id in ids] == [404, 200, 200]
        assert len(state.queries) == 2


# Pictures

PHOTO = drawn.photo(3, 90, 60)
MARK = b"<script>alert(document.domain)</script>"


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"", 415, "not_an_image"),
        (b"<html>" + MARK, 415, "not_an_image"),
        (b'<svg xmlns="http://www.w3.org/2000/svg">' + MARK + b"</svg>", 415, "svg"),
        (b"8BPS" + bytes(64), 415, "unsupported_format"),
        (drawn.saved(PHOTO, "JPEG")[:700], 400, "truncated"),
        (drawn.bomb(), 400, "too_many_pixels"),
        (b"\x89PNG\r\n\x1a\n" + bytes(200), 400, "reason"),
        (b"\xff\xd8\xff" + b"\xff" * 3_000, 400, "reason"),
        (b"GIF89a" + b"\xff" * 3_000, 400, "reason"),
    ],
    ids=["nothing", "page", "svg", "psd", "cut", "bomb", "png", "jpeg", "gif"],
)
def test_uploads_that_are_no_picture_are_refused(server: Live, body: bytes, status: int, reason: str) -> None:
    found = server.ask("POST", "/api/upload", body, JPEG)
    refused(found, status, "the picture is refused")
    if reason != "reason":
        assert reason in found.json["error"]


def test_an_upload_that_is_too_large_is_refused(server: Live) -> None:
    refused(server.ask("POST", "/api/upload", b"\xff" * 20_000_001, JPEG), 413, "20,000,000")


@pytest.mark.parametrize("side", [64, 256], ids=["smaller", "as it is"])
@pytest.mark.parametrize("kind", ["trailer", "comment", "exif", "png text"])
def test_nothing_of_the_original_bytes_is_told(kind: str, side: int) -> None:
    if kind == "trailer":
        body = drawn.saved(PHOTO, "JPEG") + MARK
    elif kind == "comment":
        body = drawn.saved(PHOTO, "JPEG", comment=MARK)
    elif kind == "exif":
        body = drawn.saved(PHOTO, "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0" + MARK)
    else:
        raw = drawn.saved(PHOTO, "PNG")
        body = raw[:33] + b"\0\0\0\x2ftEXtComment\0" + MARK + b"\0\0\0\0" + raw[33:] + MARK
    assert MARK in body
    drawer = Drawer(Limits())
    try:
        found = drawer.jpeg(body, side=side)
        lossless = drawer.lossless(body)
    finally:
        drawer.close()
    if isinstance(found, Refused):
        assert isinstance(lossless, Refused)
        return
    shape = decode(found)
    assert isinstance(shape, Decoded) and shape.format == "jpeg" and max(shape.width, shape.height) == min(side, 90)
    assert MARK not in found and b"Exif" not in found
    assert not isinstance(lossless, Refused) and MARK not in lossless.body


# Addresses


@pytest.fixture(scope="module")
def fetching(small_corpus: Built) -> Iterator[Live]:
    flags = ("--allow-urls", "--allow-private", "127.0.0.1/32")
    with Live(small_corpus.corpus.path, *flags) as live:
        yield live


def test_a_picture_at_an_address_is_searched_with(fetching: Live, small_corpus: Built) -> None:
    body = open_collection(small_corpus.corpus.path).picture(6)
    assert body is not None
    with LoopbackServer() as web:
        url = web.put("/a.jpg", body)
        listed = fetching.search(terms=[{"kind": "url", "value": url}], k=1)["hits"][0]
        assert listed["similarity"] == pytest.approx(1, abs=2e-3)
        assert fetching.search(query=f"image:{url}", k=1)["hits"] == [listed]
        assert web.paths() == ["/a.jpg"]  # asked for once: its vector is kept
    assert fetching.get("/api/about")["can"]["url_queries"]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.2:{port}/a.jpg", "private_address"),
        ("http://169.254.169.254/latest/meta-data", "private_address"),
        ("http://[::1]:{port}/a.jpg", "private_address"),
        ("http://2130706434:{port}/a.jpg", "private_address"),
        ("http://10.0.0.1/", "private_address"),
        ("http://127.0.0.1:{port}/redirect-to?http://127.0.0.2:{port}/a.jpg", "private_address"),
        ("http://127.0.0.1:{port}/redirect-to?file:///etc/passwd", "bad_scheme"),
        ("http://127.0.0.1:{port}/redirect/9", "too_many_redirects"),
        ("http://127.0.0.1:{port}/status/404", "http_error"),
        ("file:///etc/passwd", "bad_"),
        ("gopher://127.0.0.1:{port}/_GET", "bad_"),
        ("javascript:alert(1)", "bad_"),
        ("http://", "bad_"),
    ],
)
def test_addresses_that_may_not_be_asked_are_refused(fetching: Live, url: str, reason: str) -> None:
    with LoopbackServer() as web:
        asked = {"terms": [{"kind": "url", "value": url.replace("{port}", str(web.port))}]}
        refused(fetching.post("/api/search", asked), 400, reason)
        assert "/a.jpg" not in web.paths()


def test_what_is_no_picture_at_an_address_is_refused(fetching: Live) -> None:
    with LoopbackServer() as web:
        url = web.put("/secret", b"root:x:0:0")
        found = fetching.post("/api/search", {"terms": [{"kind": "url", "value": url}]})
        refused(found, 415)
        assert "root:x" not in found.body.decode()


def test_without_permission_no_address_is_asked(server: Live, small_corpus: Built) -> None:
    with LoopbackServer() as web:
        url = web.put("/a.jpg", drawn.saved(PHOTO, "JPEG"))
        refused(server.post("/api/search", {"query": f"image:{url}"}), 403, "--allow-urls")
        refused(server.post("/knn-service", knn(image_url=url)), 403, "--allow-urls")
        assert web.paths() == []


def knn(**asked: Any) -> dict[str, Any]:
    return {"indice_name": None, "modality": "image", "num_images": 3} | asked


# What is served


@pytest.mark.parametrize(
    "path", ["/static/app.js", "/index.html", "/%00", "/..%2f..%2fapp.py", "//etc/passwd", "/app.js/"]
)
def test_only_the_page_is_served(server: Live, path: str) -> None:
    found = server.ask("GET", path)
    assert found.status == 404 and b"import " not in found.body


def test_a_folder_that_is_no_corpus_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="error: "), Live(tmp_path):
        pass


def test_counts_that_disagree_are_refused_at_the_start(small_corpus: Built, tmp_path: Path) -> None:
    import numpy as np

    from tests.corpora import copy

    own = copy(small_corpus, tmp_path).corpus
    path = own.layer(f"embeddings/{own.layers('embeddings')[0]}").path("text_emb/text_emb_00001.npy")
    rows = np.load(path)
    np.save(path, rows[:-1])
    with pytest.raises(RuntimeError, match="error: "), Live(own.path):
        pass
