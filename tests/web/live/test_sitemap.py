"""Sitemaps, feeds and text files: what they list, and what strangers put into them."""

from __future__ import annotations

import gzip
import random
import re

import pytest

from vlcorpus.web.live import sitemap
from vlcorpus.web.live.sitemap import Sitemap, read

URL = "https://a.example/sitemap.xml"
NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"


def urlset(*locations: str, start: str = "") -> bytes:
    inner = "".join(f"<url><loc>{one}</loc><lastmod>2024-01-01</lastmod></url>" for one in locations)
    return f'{start}<urlset xmlns="{NAMESPACE}">{inner}</urlset>'.encode()


def pages(body: bytes) -> list[str]:
    found = read(body, url=URL)
    assert found.reason is None
    return [page.removeprefix("https://a.example") for page in found.pages]


LONE = urlset("https://a.example/1").decode()
LISTED = [
    (urlset("https://a.example/1", " https://a.example/2\n", "/3", "/1"), "sitemap", ["/1", "/2", "/3"]),
    (urlset("/1", start='\n <?xml version="1.0" encoding="UTF-8"?>\n<!-- c --><?xsl x?>'), "sitemap", ["/1"]),
    (b"\xef\xbb\xbf" + urlset("https://a.example/1"), "sitemap", ["/1"]),
    ('<?xml version="1.0" encoding="utf-16"?>'.encode("utf-16") + LONE.encode("utf-16-le"), "sitemap", ["/1"]),
    (
        '<?xml version="1.0" encoding="iso-8859-1"?><urlset><url><loc>/é</loc></url></urlset>'.encode("latin-1"),
        "sitemap",
        ["/%C3%A9"],
    ),
    (b"<sm:urlset xmlns:sm='x'><sm:url><sm:loc>/1</sm:loc></sm:url></sm:urlset>", "sitemap", ["/1"]),
    (
        b"<urlset><url><loc>/1</loc><image:image><image:loc>/i.jpg</image:loc></image:image>"
        b"<image:loc>/j.jpg</image:loc></url></urlset>",
        "sitemap",
        ["/1"],
    ),
    (
        b"<urlset><url><loc>/?a=1&amp;b=2</loc></url><url><loc><![CDATA[/?c=1&d=2]]></loc></url></urlset>",
        "sitemap",
        ["/?a=1&b=2", "/?c=1&d=2"],
    ),
    (
        b"<urlset><url><loc>/?a=1&b=2&nbsp;</loc></url><url><loc><![CDATA[/?c=1&d=2]]></loc></url></urlset>",
        "sitemap",
        ["/?a=1&b=2&nbsp;", "/?c=1&d=2"],
    ),
    (b"<!DOCTYPE urlset><urlset><url><loc>/1</loc></url></urlset>", "sitemap", ["/1"]),
    (
        b"<rss version='2.0' xmlns:atom='a'><channel><link>/</link><atom:link href='/feed'/><item><title>t</title>"
        b"<link>https://a.example/1</link><atom:link>/no</atom:link><guid>/g</guid></item></channel></rss>",
        "feed",
        ["/1"],
    ),
    (b"<rdf:RDF xmlns:rdf='r'><item rdf:about='x'><link>/1</link></item></rdf:RDF>", "feed", ["/1"]),
    (
        b"<feed><link href='/'/><entry><link rel='edit' href='/e'/><link href='/1'/>"
        b"<link rel='alternate' href='/2'/></entry></feed>",
        "feed",
        ["/1", "/2"],
    ),
    (b"https://a.example/1\r\n\r\nhttps://a.example/2\nhttps://a.example/1", "text", ["/1", "/2"]),
]


@pytest.mark.parametrize(("body", "kind", "expected"), LISTED)
@pytest.mark.parametrize("packed", [False, True])
def test_each_form_gives_its_pages(body: bytes, kind: str, expected: list[str], packed: bool) -> None:
    body = gzip.compress(body, mtime=0) if packed else body
    assert read(body, url=URL).kind == kind
    assert pages(body) == expected


def test_an_index_gives_sitemaps() -> None:
    body = b"<sitemapindex><sitemap><loc>/a.xml.gz</loc></sitemap><url><loc>/no</loc></url></sitemapindex>"
    assert read(body, url=URL) == Sitemap("index", (), ("https://a.example/a.xml.gz",))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x1f\x8b\x08",
        b"<!DOCTYPE html><html><body>https://a.example/</body></html>",
        b"<?xml version='1.0'?><!DOCTYPE html PUBLIC 'x' 'y'><html><a href='/urlset'>urlset</a></html>",
        b"<svg></svg>",
        b"User-agent: *\nDisallow: /\nSitemap: https://a.example/s.xml",
        b"hello https://a.example/",
        b" " * 100_000,
        b"<!--" * 10_000,
        b"<?x ?>" * 10_000,
    ],
)
def test_what_is_no_list_gives_nothing(body: bytes) -> None:
    found = read(body, url=URL)
    assert (found.kind, found.pages, found.sitemaps) == (None, (), ())


BOMB = b"".join(b'<!ENTITY e%d "%s">' % (n, b"&e%d;" % (n - 1) * 10 if n else b"https://a.example/") for n in range(20))


@pytest.mark.parametrize(
    "body",
    [
        b"<!DOCTYPE urlset [" + BOMB + b"]><urlset><url><loc>&e19;</loc></url></urlset>",
        b"<!DOCTYPE urlset [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><urlset><url><loc>/&x;</loc></url></urlset>",
        b"<!DOCTYPE urlset [<!ENTITY % p SYSTEM 'http://127.0.0.1/'> %p;]><urlset><url><loc>/1</loc></url></urlset>",
    ],
)
def test_declarations_are_refused(body: bytes) -> None:
    assert read(body, url=URL) == Sitemap(None, reason="doctype")


def test_an_external_document_type_is_not_loaded_and_its_entities_are_nothing() -> None:
    body = b"<!DOCTYPE urlset SYSTEM 'http://127.0.0.1:1/x.dtd'><urlset><url><loc>/1</loc></url></urlset>"
    assert pages(body) == ["/1"]


def test_what_stands_before_a_break_counts() -> None:
    whole = urlset(*(f"https://a.example/{number}" for number in range(1000)))
    for cut in (whole[: len(whole) // 2], whole.replace(b"/500<", b"/500\x01<"), whole.replace(b"</urlset>", b"</x>")):
        found = read(cut, url=URL)
        assert found.reason == "malformed"
        assert 490 < len(found.pages) <= 1000
    packed = gzip.compress(whole, mtime=0)
    for cut in (packed[: len(packed) // 2], packed[: len(packed) // 2] + b"\xff" * 9000):
        found = read(cut, url=URL)
        assert found.reason == "malformed"
        assert 100 < len(found.pages) < 1000


def test_caps(monkeypatch: pytest.MonkeyPatch) -> None:
    many = urlset(*(f"/{number}" for number in range(sitemap.MAX_URLS + 5)))
    assert (len(read(many, url=URL).pages), read(many, url=URL).reason) == (sitemap.MAX_URLS, "too_many")
    lines = b"\n".join(b"https://a.example/%d" % number for number in range(sitemap.MAX_URLS + 5))
    assert (len(read(lines, url=URL).pages), read(lines, url=URL).reason) == (sitemap.MAX_URLS, "too_many")
    assert read(b"<urlset>" + b"<url>" * 100_000, url=URL).reason == "too_deep"
    long = read(urlset("/1", "/" + "x" * 1_000_000, "/2"), url=URL)
    assert (len(long.pages), long.refused) == (2, 1)
    other = read(urlset("ftp://a.example/", "javascript:x", "http://u:p@a.example/", "/1"), url=URL)
    assert (other.pages, other.refused) == (("https://a.example/1",), 3)
    bomb = gzip.compress(urlset("/1")[:-9] + b" " * 60_000_000, mtime=0)
    found = read(bomb, url=URL)
    assert (found.pages, found.reason) == (("https://a.example/1",), "malformed")
    monkeypatch.setattr(sitemap, "MAX_BYTES", 1000)
    cut = read(urlset(*(f"/{number}" for number in range(100))), url=URL)
    assert 5 < len(cut.pages) < 50
    assert cut.reason == "malformed"


@pytest.mark.parametrize("seed", range(20))
def test_any_bytes_are_answered(seed: int) -> None:
    rng = random.Random(seed)
    pieces = [
        *(body for body, _, _ in LISTED),
        b"<",
        b"&",
        b"]]>",
        b"<![CDATA[",
        b"\0",
        b"<!DOCTYPE x [",
        b"&#x0;",
        b"&#99999999;",
    ]
    for _ in range(100):
        body = bytearray(b"".join(rng.choices(pieces, k=rng.randrange(1, 6))))
        for _ in range(rng.randrange(4)):
            body[rng.randrange(len(body))] = rng.randrange(256)
        found = read(bytes(body), url=URL)
        assert found.reason in (None, *sitemap.REASONS)
        assert all(re.match("https?://", url) for url in found.pages + found.sitemaps)
