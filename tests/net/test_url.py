from __future__ import annotations

import random
import string

import pytest

from vlcorpus.net.url import host, origin, requestable, target

BASE = "https://example.com/x/y.html?q#f"

CLEAN = [
    ("https://example.com/a.jpg", "https://example.com/a.jpg"),
    ("HTTP://EXAMPLE.com:80", "http://example.com/"),
    ("https://example.com:443/?", "https://example.com/?"),
    ("https://example.com:8443/a#b", "https://example.com:8443/a"),
    ("  https://example.com/a\n", "https://example.com/a"),
    ("../a b.jpg", "https://example.com/a%20b.jpg"),
    ("é.png?ü=ß", "https://example.com/x/%C3%A9.png?%C3%BC=%C3%9F"),
    ("//cdn.example.org/x", "https://cdn.example.org/x"),
    ("?w=1", "https://example.com/x/y.html?w=1"),
    ("https:\\\\example.com\\a\\b?c\\d", "https://example.com/a/b?c\\d"),
    ("https://bücher.example/", "https://xn--bcher-kva.example/"),
    ("https://faß.de/", "https://xn--fa-hia.de/"),
    ("https://i❤.ws/", "https://xn--i-7iq.ws/"),
    ("http://①②⑦.0.0.1/", "http://127.0.0.1/"),
    ("http://127。0。0。1/", "http://127.0.0.1/"),
    ("http://%31%32%37.0.0.1/", "http://127.0.0.1/"),
    ("http://[2001:DB8::0:1]:8080/", "http://[2001:db8::1]:8080/"),
    ("https://example.com/a/./b/../c/..", "https://example.com/a/"),
    ("https://example.com/a/%2e%2E/b", "https://example.com/b"),
    ("https://example.com/../../b", "https://example.com/b"),
    ("https://example.com/%41%zz%", "https://example.com/%41%zz%"),
    ('https://example.com/"<>`{}^|', "https://example.com/%22%3C%3E%60%7B%7D%5E|"),
    ("https://example.com/a,b;c=d!e'(f)*", "https://example.com/a,b;c=d!e'(f)*"),
    ("https://my_host.example.com./x", "https://my_host.example.com./x"),
]

REFUSED = [
    *[(url, "bad_scheme") for url in ("file:///etc/passwd", "ftp://example.com/a", "data:image/png;base64,AAAA")],
    *[(url, "bad_scheme") for url in ("gopher://example.com:70/_x", "pipe:cat /etc/passwd", "javascript:alert(1)")],
    *[(url, "bad_scheme") for url in (" JaVaScRiPt:1", "blob:https://example.com/1", "about:blank", "s3://bucket/key")],
    ("data:image/png;base64," + "A" * 100_000, "bad_scheme"),
    *[(url, "bad_url") for url in ("http://user:secret@example.com/", "http://user@example.com/", "http://@h/")],
    *[(url, "bad_url") for url in ("http://example.com/a\r\nHost: x", "http://example.com/\x00", "http://a\tb.com/")],
    *[(url, "bad_url") for url in ("http://example.com:99999/", "http://example.com:x/", "http://example.com:-1/")],
    *[(url, "bad_url") for url in ("http://example.com:25/", "http://example.com:0/", "http://example.com:6379x/")],
    *[
        (url, "bad_url")
        for url in ("http://", "http:///a", "http://a..b/", "http://.a/", "http://a b/", "http://a:1:2/")
    ],
    *[(url, "bad_url") for url in ("http://[::1/", "http://[::1]x/", "http://[fe80::1%25eth0]/", "http://[1.2.3.4]/")],
    *[(url, "bad_url") for url in ("http://%00/", "http://%ff/", "http://a%2fb/", "http://a%40b/", "http://a<b>/")],
    *[(url, "bad_url") for url in ("http://example.com:٣/", "http://example.com/\ud800", "http://\ud800/")],
    *[(url, "bad_url") for url in ("http://" + "a" * 64 + ".com/", "http://" + "a." * 130 + "com/")],
    ("http://example.com/" + "a" * 9000, "bad_url"),
    ("http://example.com/" + "é" * 3000, "bad_url"),
    ("http://good.example\\@127.0.0.1/", None),
]


@pytest.mark.parametrize(("found", "expected"), CLEAN)
def test_what_browsers_repair_is_repaired(found: str, expected: str) -> None:
    assert requestable(found, BASE) == (expected, None)
    assert requestable(expected) == (expected, None)


@pytest.mark.parametrize(("found", "reason"), [case for case in REFUSED if case[1]])
def test_the_rest_is_refused(found: str, reason: str) -> None:
    assert requestable(found) == ("", reason)


def test_a_backslash_ends_the_host() -> None:
    assert requestable("http://good.example\\@127.0.0.1/") == ("http://good.example/@127.0.0.1/", None)


@pytest.mark.parametrize("found", ["", "a.jpg", "/a.jpg", "//example.com/a"])
def test_relative_urls_need_a_base(found: str) -> None:
    assert requestable(found) == ("", "bad_url")
    assert requestable(found, BASE)[1] is None


def test_origin_and_host() -> None:
    for url, expected in {
        "https://example.com/a?b": ("https://example.com", "example.com"),
        "http://example.com:81/": ("http://example.com:81", "example.com"),
        "http://[::1]:81/x": ("http://[::1]:81", "::1"),
    }.items():
        assert (origin(url), host(url)) == expected


def test_target() -> None:
    for url, expected in {
        "https://example.com/a?b": "example.com:443",
        "http://example.com/": "example.com:80",
        "http://example.com:81?x": "example.com:81",
    }.items():
        assert target(url) == expected


def test_anything_at_all_is_answered_and_the_answer_is_stable() -> None:
    source = random.Random(0)
    alphabet = string.printable + "éß①。\x00\x7f\ud800%2e%2E../\\@:[]"
    for _ in range(5000):
        text = source.choice(["", "http://", "https://a.b/", "http://[", "//", "data:"])
        text += "".join(source.choice(alphabet) for _ in range(source.randrange(30)))
        url, reason = requestable(text, source.choice([None, BASE]))
        assert (url == "") == (reason is not None)
        if url:
            assert url.isascii() and " " not in url and "#" not in url and "@" not in origin(url)
            assert requestable(url) == (url, None)
