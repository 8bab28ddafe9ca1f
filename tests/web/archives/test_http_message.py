"""Stored answers: heads as they come, bodies decoded within bounds."""

from __future__ import annotations

import gzip

import pytest

from vlcorpus.web.archives.http_message import BadMessage, read


def test_heads() -> None:
    found = read(b"HTTP/1.1 200\nX-A: 1\n  folded\nno colon\nx-a: caf\xc3\xa9\nX-B:\xe9\n\nbody", 100)
    assert found.status == 200
    assert found.headers == (("x-a", "1 folded"), ("x-a", "café"), ("x-b", "é"))
    assert found.body == b"body"


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip, gzip\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: sdch\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08broken",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\n\r\n\xff\xff\xff\xff",
    ],
)
def test_what_is_no_answer(block: bytes) -> None:
    with pytest.raises(BadMessage):
        read(block, 1000)


@pytest.mark.parametrize("most", [0, 1, 999, 5000, 20_000])
def test_bodies_are_cut(most: int) -> None:
    plain = b"<p>" + b"x" * 9_997
    for head, body in ((b"", plain), (b"Content-Encoding: gzip\r\n", gzip.compress(plain))):
        assert read(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + body, most).body == plain[:most]
