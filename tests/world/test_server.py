from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from vlcorpus.errors import SourceError
from vlcorpus.world.server import Served
from vlcorpus.world.site import WorldSettings, write_site


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "images").mkdir(parents=True)
    (root / "index.html").write_bytes(b"<h1>front</h1>")
    (root / "images" / "a b.jpg").write_bytes(b"\xff\xd8jpeg")
    (root / "images" / "empty.png").write_bytes(b"")
    (root / "robots.txt").write_bytes(b"User-agent: *\n")
    (root / ".hidden").write_bytes(b"hidden")
    (tmp_path / "secret.txt").write_bytes(b"secret")
    os.symlink(tmp_path / "secret.txt", root / "way-out.txt")
    rules = {
        "/images/a b.jpg": {"headers": {"X-Robots-Tag": "noai"}},
        "/busy": {"status": 503, "headers": {"Retry-After": "3"}},
    }
    (root / "headers.json").write_text(json.dumps(rules))
    return root


@pytest.fixture
def client(folder: Path, tmp_path: Path) -> Iterator[http.client.HTTPConnection]:
    with Served(folder, log=tmp_path / "log") as served:
        connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)
        yield connection
        connection.close()


def ask(client: http.client.HTTPConnection, path: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    client.putrequest(method, path, skip_accept_encoding=True)
    client.endheaders()
    answer = client.getresponse()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


def test_files_are_served_over_one_connection(client: http.client.HTTPConnection, tmp_path: Path) -> None:
    status, headers, body = ask(client, "/")
    assert (status, body, headers["content-type"]) == (200, b"<h1>front</h1>", "text/html; charset=utf-8")
    socket_of_first = client.sock
    status, headers, body = ask(client, "/images/a%20b.jpg?width=3")
    assert (status, body, headers["content-type"]) == (200, b"\xff\xd8jpeg", "image/jpeg")
    assert headers["x-robots-tag"] == "noai"
    status, headers, body = ask(client, "/images/a%20b.jpg", "HEAD")
    assert (status, body, headers["content-length"]) == (200, b"", "6")
    status, headers, body = ask(client, "/images/empty.png")
    assert (status, body, headers["content-length"]) == (200, b"", "0")
    status, headers, body = ask(client, "/busy")
    assert (status, headers["retry-after"]) == (503, "3")
    assert ask(client, "http://world.test/robots.txt")[2] == b"User-agent: *\n"
    assert client.sock is socket_of_first
    lines = (tmp_path / "log").read_text().splitlines()
    assert lines[0] == "GET / 200" and lines[4] == "GET /busy 503" and len(lines) == 6


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/images/",
        "/images",
        "/headers.json",
        "/%68eaders.json",
        "/.hidden",
        "/way-out.txt",
        "/../secret.txt",
        "/images/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/images/%2e%2e%2f%2e%2e%2fsecret.txt",
        "//etc/passwd",
        "/%00",
        "/index.html%00.jpg",
        "*",
    ],
)
def test_nothing_else_is_served(client: http.client.HTTPConnection, path: str) -> None:
    status, headers, body = ask(client, path)
    assert status == 404
    assert headers["content-type"].startswith("text/html")
    assert b"secret" not in body and b"a b.jpg" not in body
    assert ask(client, "/")[0] == 200


@pytest.mark.parametrize(
    "request_bytes, status",
    [
        (b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", b"405"),
        (b"GET /\r\n\r\n", b"400"),
        (b"GET / FTP/1.1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", b"431"),
        (b"GET / HTTP/1.0\r\n\r\n", b"200"),
        (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", b"200"),
    ],
)
def test_the_connection_is_closed_after(folder: Path, request_bytes: bytes, status: bytes) -> None:
    with Served(folder) as served, socket.create_connection(("127.0.0.1", served.port), timeout=20) as raw:
        raw.sendall(request_bytes)
        answer = b""
        try:
            while piece := raw.recv(65_536):
                answer += piece
        except ConnectionResetError:
            pass  # the rest of the request was not read
        assert answer.split()[1] == status


def test_a_site_is_served_as_planted(tmp_path: Path) -> None:
    site = write_site(tmp_path / "world", WorldSettings(pairs=60))
    with Served(site.root) as served:
        assert served.connect_to == (f"world.test:80:127.0.0.1:{served.port}",)
        client = http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)
        assert ask(client, "/robots.txt")[2] == b"User-agent: *\nDisallow: /private/\nAllow: /\n"
        for page in site.pages:
            status, headers, _ = ask(client, page.url)
            assert status == (404 if page.outcome == "missing" else 200)
            assert headers["content-type"].startswith("text/html") == (page.outcome != "not_html")
        for pair in site.planted:
            if pair.fault != "inline_image":
                status, headers, body = ask(client, pair.url)
                assert status == (404 if pair.fault == "missing" else 200)
                assert headers.get("x-robots-tag", "") == (pair.detail if pair.fault == "noai_image" else "")
                if pair.fault != "missing":
                    assert body == (site.root / pair.url.removeprefix("http://world.test/")).read_bytes()
        client.close()


def test_many_connections_at_once(folder: Path) -> None:
    with Served(folder) as served:
        clients = [http.client.HTTPConnection("127.0.0.1", served.port, timeout=20) for _ in range(64)]
        for client in clients:
            client.request("GET", "/")
        assert [client.getresponse().read() for client in clients] == [b"<h1>front</h1>"] * 64
        for client in clients:
            client.close()


def test_it_ends_with_its_block(folder: Path) -> None:
    with Served(folder) as served:
        pid = served.pid
        os.kill(pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert served.pid == 0


PARENT = """
import sys, time
from pathlib import Path
from vlcorpus.world.server import Served
served = Served(Path(sys.argv[1])).__enter__()
print(served.port, flush=True)
time.sleep(600)
"""


def test_it_dies_with_a_killed_parent(folder: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(folder)], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    port = int(parent.stdout.readline())
    with socket.create_connection(("127.0.0.1", port), timeout=20) as held:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        # The held connection ends when the server does.
        try:
            assert held.recv(1) == b""
        except ConnectionResetError:
            pass
    parent.stdout.close()
    with pytest.raises(ConnectionRefusedError):
        while True:  # until the system has closed its port, too
            socket.create_connection(("127.0.0.1", port), timeout=20).close()


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="not a folder"), Served(tmp_path / "nowhere"):
        pass
    (tmp_path / "headers.json").write_text("{")
    with pytest.raises(SourceError, match="did not start"), Served(tmp_path):
        pass
