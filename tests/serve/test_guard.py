"""Who may ask: by name, by origin, by token, by method; and what every answer forbids a browser."""

from __future__ import annotations

import base64
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.corpora import Built
from tests.serve.live import Live, run

TOKEN = "correct-horse_battery.staple"
ANSWERS = {  # every kind of answer there is, and its status
    "page": ("GET", "/", 200),
    "script": ("GET", "/app.js", 200),
    "about": ("GET", "/api/about", 200),
    "picture": ("GET", "/api/picture/0", 200),
    "metadata": ("GET", "/indices-list", 200),
    "none": ("GET", "/nowhere", 404),
    "dots": ("GET", "/../../../../etc/passwd", 404),
    "dots in code": ("GET", "/static/%2e%2e/%2e%2e/app.py", 404),
    "method": ("GET", "/api/search", 405),
    "other method": ("DELETE", "/api/about", 405),
    "preflight": ("OPTIONS", "/api/search", 405),
    "body": ("POST", "/api/search", 415),
}


@pytest.fixture(scope="module")
def locked(small_corpus: Built) -> Iterator[Live]:
    """A server that wants a token, and answers to a name of its own."""
    with Live(small_corpus.corpus.path, "--token", TOKEN, "--allow-host", "Birds.example") as live:
        yield live


@pytest.mark.parametrize("name", ANSWERS)
def test_every_answer_carries_the_policy_and_lets_no_other_origin_in(server: Live, name: str) -> None:
    method, path, status = ANSWERS[name]
    found = server.ask(method, path, b"" if method == "POST" else None)
    assert found.status == status
    policy = dict(each.partition(" ")[::2] for each in found.headers["content-security-policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "img-src": "'self' blob: data:",
        "script-src": "'self'",
        "style-src": "'self'",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert found.headers["x-content-type-options"] == "nosniff"
    assert found.headers["referrer-policy"] == "no-referrer"
    assert found.headers["cross-origin-opener-policy"] == "same-origin"
    assert found.headers["cross-origin-resource-policy"] == "same-origin"
    assert not [each for each in found.headers if each.startswith("access-control-")]
    assert "server" not in found.headers
    if status != 200:
        assert set(found.json) == {"error", "hint"}
    if path.startswith("/api/about") or status != 200:
        assert found.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1.evil.example",
        "localhost.evil.example:{port}",
        "127.0.0.1:{port}:80",
        "127.0.0.1@evil.example",
        "0.0.0.0",
        "127.0.0.2",
        "2130706433",
        "[::1].evil.example",
        "[::1",
        "",
        "birds.example",
    ],
)
def test_a_strange_host_is_refused(server: Live, host: str) -> None:
    found = server.ask("GET", "/api/about", headers={"Host": host.format(port=server.port)})
    assert found.status == 421 and "that name" in found.json["error"]


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "localhost:{port}", "LOCALHOST", "[::1]:{port}", "localhost:80"])
def test_this_machines_names_are_known(server: Live, host: str) -> None:
    assert server.ask("GET", "/api/about", headers={"Host": host.format(port=server.port)}).status == 200


def test_two_hosts_are_no_host(server: Live) -> None:
    said = run(server, b"GET /api/about HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n")
    assert said.split(b" ", 2)[1] in (b"400", b"421")


def test_a_name_that_was_allowed_is_known(locked: Live) -> None:
    token = {"Authorization": f"Bearer {TOKEN}"}
    assert locked.ask("GET", "/api/about", headers=token | {"Host": "birds.example:8080"}).status == 200
    assert locked.ask("GET", "/api/about", headers=token | {"Host": "fish.example"}).status == 421


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://localhost:{port}"},  # another name, so another origin
        {"Origin": "http://127.0.0.1:{port}.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:{port}"},
    ],
    ids=lambda headers: " ".join(headers.values()),
)
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/api/search"), ("POST", "/knn-service"), ("GET", "/api/picture/0")]
)
def test_a_page_from_elsewhere_may_not_ask(server: Live, headers: dict[str, str], method: str, path: str) -> None:
    given = {name: text.format(port=server.port) for name, text in headers.items()}
    body = b'{"query": "a circle"}' if method == "POST" else None
    found = server.ask(method, path, body, {"Content-Type": "application/json"} | given)
    assert found.status == 403 and "elsewhere" in found.json["error"]


def test_the_page_itself_may_ask(server: Live) -> None:
    own = {"Origin": server.url, "Sec-Fetch-Site": "same-origin", "Content-Type": "application/json"}
    assert server.ask("POST", "/api/search", b'{"query": "a circle"}', own).status == 200


def test_a_link_to_the_page_may_be_followed_and_no_other(server: Live) -> None:
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert server.ask("GET", "/", headers=link).status == 200
    assert server.ask("GET", "/api/about", headers=link).status == 403


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_a_form_cannot_ask(server: Live, kind: str) -> None:
    headers = {"Content-Type": kind} if kind else {}
    assert server.ask("POST", "/api/search", b'{"query": "a circle"}', headers).status == 415
    assert server.ask("POST", "/api/upload", b"\xff\xd8\xff", headers).status == 415


def test_without_the_token_nothing_is_told(locked: Live) -> None:
    for method, path in (("GET", "/"), ("GET", "/app.js"), ("GET", "/api/about"), ("POST", "/knn-service")):
        found = locked.ask(method, path, b"{}" if method == "POST" else None)
        assert found.status == 401 and TOKEN.encode() not in found.body
        assert b"set-cookie" not in [name.encode() for name in found.headers]


@pytest.mark.parametrize(
    "given",
    ["Bearer", "Bearer wrong", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Digest {TOKEN}", "Basic !!", "Basic Og=="],
)
def test_a_wrong_token_is_refused(locked: Live, given: str) -> None:
    assert locked.ask("GET", "/api/about", headers={"Authorization": given}).status == 401
    assert locked.ask("GET", "/api/about", headers={"Cookie": f"vlcorpus-{locked.port}={given}"}).status == 401


def test_the_token_opens_as_bearer_and_as_password(locked: Live) -> None:
    basic = base64.b64encode(f"any:{TOKEN}".encode()).decode()
    for given in (f"Bearer {TOKEN}", f"bearer {TOKEN}", f"Basic {basic}"):
        assert locked.ask("GET", "/api/about", headers={"Authorization": given}).status == 200


def test_the_printed_url_sets_a_cookie_that_opens(locked: Live) -> None:
    assert locked.shown == f"{locked.url}/?token={TOKEN}"
    found = locked.ask("GET", f"/?token={TOKEN}")
    assert (found.status, found.headers["location"]) == (303, "/")
    cookie, *said = found.headers["set-cookie"].split("; ")
    assert {each.lower() for each in said} == {"httponly", "samesite=strict", "path=/"}
    assert locked.ask("GET", "/", headers={"Cookie": cookie}).status == 200
    assert locked.ask("GET", "/api/about", headers={"Cookie": f"a=b; {cookie}"}).status == 200
    other = cookie.replace(str(locked.port), "1")
    assert locked.ask("GET", "/api/about", headers={"Cookie": other}).status == 401


@pytest.mark.parametrize("query", ["token=", "token=wrong", f"token={TOKEN}&token={TOKEN}", f"x=1&tokens={TOKEN}"])
def test_a_url_with_a_wrong_token_opens_nothing(locked: Live, query: str) -> None:
    found = locked.ask("GET", f"/?{query}")
    assert found.status == 401 and "set-cookie" not in found.headers


def test_a_token_in_the_url_opens_nothing_but_the_page(locked: Live) -> None:
    assert locked.ask("GET", f"/api/about?token={TOKEN}").status == 401


def test_another_host_gets_a_token_of_its_own(small_corpus: Built) -> None:
    with Live(small_corpus.corpus.path, "--host", "0.0.0.0") as first:
        token = first.shown.partition("/?token=")[2]
        assert len(token) >= 32
        named = {"Host": f"127.0.0.1:{first.port}"}
        assert first.ask("GET", "/api/about", headers=named).status == 401
        assert first.ask("GET", "/api/about", headers=named | {"Authorization": f"Bearer {token}"}).status == 200


def test_loopback_needs_no_token_and_is_where_it_listens(server: Live) -> None:
    assert server.shown == f"http://127.0.0.1:{server.port}/"
    listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    assert [each for each in listening if each.endswith(f":{server.port:04X}") and each[:8] != "0100007F"] == []


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--token", "short"), "token"),
        (("--token", "sixteen letters; and more"), "token"),
        (("--allow-host", "a b"), "no name of a host"),
        (("--allow-host", "evil.example:80"), "no name of a host"),
        (("--allow-urls", "--allow-private", "everything"), "not an IP address"),
        (("--host", "no.such.host.invalid"), "cannot listen"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_what_cannot_be_is_refused_at_the_start(small_corpus: Built, flags: tuple[str, ...], said: str) -> None:
    with pytest.raises(RuntimeError, match=said), Live(small_corpus.corpus.path, *flags):
        pass


def test_a_port_that_is_taken_is_told(server: Live) -> None:
    with pytest.raises(RuntimeError, match="cannot listen"), Live(server.corpus, "--port", str(server.port)):
        pass


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_without_a_traceback(small_corpus: Built, number: int) -> None:
    with Live(small_corpus.corpus.path) as live:
        live.get("/api/about")
        code, said = live.end(number)
    assert code == 128 + number and "Traceback" not in said


def test_the_environment_may_hold_the_token(small_corpus: Built) -> None:
    with Live(small_corpus.corpus.path, env={"VLCORPUS_SERVE_TOKEN": TOKEN}) as live:
        assert live.shown.endswith(f"/?token={TOKEN}")
        assert live.ask("GET", "/api/about").status == 401
