"""Ten-word pages with the reason each image gets; generated pages against a slow, obvious reading of them."""

from __future__ import annotations

import dataclasses
import random
from html.parser import HTMLParser
from urllib.parse import urljoin

import pytest

from vlcorpus.net.optout import denied
from vlcorpus.net.url import requestable
from vlcorpus.web.pages.html import MAX_TEXT, Page, extract

URL = "https://site.example/dir/page.html"


def read(html: str | bytes, url: str = URL, **headers: str) -> Page:
    body = html.encode() if isinstance(html, str) else html
    sent = [(name.replace("_", "-"), value) for name, value in headers.items()]
    page = extract(body, url=url, headers=sent)
    # Without links, all else is the same.
    assert extract(body, url=url, headers=sent, links=False) == dataclasses.replace(page, links=())
    return page


def images(html: str) -> list[tuple[str, str | None]]:
    return [(pair.url, pair.reason) for pair in read(html).pairs]


@pytest.mark.parametrize(
    ("html", "url", "reason"),
    [
        ('<img src="a.jpg" alt="a cat">', "https://site.example/dir/a.jpg", None),
        ('<img src=" /a.jpg\n" alt="a cat">', "https://site.example/a.jpg", None),
        ('<img src="//b.example/a.jpg" alt=x>', "https://b.example/a.jpg", None),
        ('<img src="../bü cher.png?x=é" alt=x>', "https://site.example/bü cher.png?x=é", None),
        ('<img src="HTTP://B.example/A.jpg" alt=x>', "HTTP://B.example/A.jpg", None),
        ('<img src="a.jpg?a=1&amp;b=2" alt=x>', "https://site.example/dir/a.jpg?a=1&b=2", None),
        ('<img src="a.jpg">', "https://site.example/dir/a.jpg", "empty_alt"),
        ('<img src="a.jpg" alt>', "https://site.example/dir/a.jpg", "empty_alt"),
        ('<img src="a.jpg" alt=" &nbsp;\n">', "https://site.example/dir/a.jpg", "empty_alt"),
        ("<img alt=x>", "", "no_source"),
        ('<img src="" alt=x>', "", "no_source"),
        ('<img src="data:image/gif;base64,R0lG" alt=x>', "data:image/gif;base64,", "inline_image"),
        ('<img src="javascript:alert(1)" alt=x>', "javascript:alert(1)", "bad_scheme"),
        ('<img src="file:///etc/passwd" alt=x>', "file:///etc/passwd", "bad_scheme"),
        ('<img src="https://user:secret@b.example/a.jpg" alt=x>', "https://user:secret@b.example/a.jpg", "bad_url"),
        ('<img src="https://b.example:22/a.jpg" alt=x>', "https://b.example:22/a.jpg", "bad_url"),
        ('<img src="logo.SVG?v=1" alt=x>', "https://site.example/dir/logo.SVG?v=1", "svg"),
        ('<img src="a.jpg?b=logo.svg" alt=x>', "https://site.example/dir/a.jpg?b=logo.svg", None),
        (f'<img src="a.jpg" alt="{"x" * 10_001}">', "https://site.example/dir/a.jpg", "text_too_long"),
    ],
)
def test_one_image(html: str, url: str, reason: str | None) -> None:
    assert images(html) == [(url, reason)]


@pytest.mark.parametrize(
    ("html", "name"),
    [
        ('<img src="a.jpg" data-src="b.jpg" alt=x>', "a.jpg"),
        ('<img data-original="c.jpg" data-src="b.jpg" alt=x>', "b.jpg"),
        ('<img src="data:image/gif;base64,R0" data-lazy-src="b.jpg" alt=x>', "b.jpg"),
        ('<img src="blank.svg" data-full-src="b.jpg" alt=x>', "b.jpg"),
        ('<img data-lazy="true" srcset="b.jpg" alt=x>', "b.jpg"),
        ('<img data-src="{&quot;a.b&quot;: 1}" srcset="b.jpg" alt=x>', "b.jpg"),
        ('<img srcset="a.jpg 300w, b.jpg 1200w, c.jpg 600w" alt=x>', "b.jpg"),
        ('<img srcset="a.jpg, b.jpg 2x" alt=x>', "b.jpg"),
        ('<img srcset="a,1.jpg 300w,b,2.jpg 400w" alt=x>', "b,2.jpg"),
        ('<img data-srcset="a.jpg 1x,b.jpg 3x" src="data:," alt=x>', "b.jpg"),
        ('<picture><source srcset="a.webp 100w"><source srcset="b.webp 900w"><img alt=x></picture>', "b.webp"),
    ],
)
def test_where_an_image_is_named(html: str, name: str) -> None:
    assert images(html) == [(f"https://site.example/dir/{name}", None)]


@pytest.mark.parametrize(
    ("html", "found"),
    [
        # srcset and picture against src
        ('<img src="a.jpg" srcset="a.jpg 300w, b.jpg 900w" alt=x>', ("b.jpg", "srcset", 900)),
        ('<img src="a.jpg" srcset="b.jpg 300w, a.jpg 900w" alt=x>', ("a.jpg", "src", 900)),
        ('<img src="/dir/a.jpg" srcset="b.jpg 300w, a.jpg 900w" alt=x>', ("a.jpg", "src", 900)),
        ('<img src="a.jpg" width=1200 srcset="b.jpg 300w, c.jpg 900w" alt=x>', ("a.jpg", "src", None)),
        ('<img src="a.jpg" width=300 srcset="b.jpg 300w, c.jpg 900w" alt=x>', ("c.jpg", "srcset", 900)),
        ('<img src="a.jpg" srcset="b.jpg 1x, c.jpg 2x" alt=x>', ("c.jpg", "srcset", None)),
        ('<img src="a.jpg" srcset="b.jpg 1x" alt=x>', ("a.jpg", "src", None)),
        ('<img src="a.jpg" srcset="b.svg 900w, c.jpg 600w" alt=x>', ("c.jpg", "srcset", 600)),
        ('<img src="a.jpg" srcset="data:image/gif;base64,R0 900w" alt=x>', ("a.jpg", "src", None)),
        ("<picture><source srcset=b.webp type=image/webp><img src=a.jpg alt=x></picture>", ("a.jpg", "src", None)),
        ('<picture><source srcset="b.avif 900w"><img src=a.jpg alt=x></picture>', ("b.avif", "picture", 900)),
        (
            '<picture><source type="image/svg+xml" srcset="b 900w"><img src=a.jpg alt=x></picture>',
            ("a.jpg", "src", None),
        ),
        (
            '<picture><source media="(max-width:600px)" srcset="s.jpg 1x, t.jpg 2x">'
            '<source media="(min-width: 800px)" srcset=m.jpg><source media="(min-width:1200px)" srcset=l.jpg>'
            "<img src=a.jpg alt=x></picture>",
            ("l.jpg", "picture", None),
        ),
        (
            '<picture><source media="(max-width:600px)" srcset="s.jpg 1x, t.jpg 2x"><img src=a.jpg alt=x></picture>',
            ("a.jpg", "src", None),
        ),
        (
            '<picture><source media="(max-width:600px)" srcset="s.jpg 500w"><img srcset="b.jpg 800w" alt=x></picture>',
            ("b.jpg", "srcset", 800),
        ),
        ('<picture><source media="(max-width:600px)" srcset=s.jpg><img alt=x></picture>', ("s.jpg", "picture", None)),
        # lazy attributes against src
        ('<img src="grey.gif" data-src="b.jpg" alt=x>', ("b.jpg", "lazy", None)),
        ('<img src="img/lazy-placeholder.png?x" data-original="b.jpg" alt=x>', ("b.jpg", "lazy", None)),
        ('<img src="img/1x1.trans.png" data-src="b.jpg" alt=x>', ("b.jpg", "lazy", None)),
        ('<img src="a_100x.jpg?v=7" data-src="a_2000x.jpg?v=7" alt=x>', ("a_2000x.jpg?v=7", "lazy", None)),
        ('<img src="a_2000x.jpg" data-src="a_100x.jpg" alt=x>', ("a_2000x.jpg", "src", None)),
        ('<img src="photo.jpg" data-src="other.jpg" alt=x>', ("photo.jpg", "src", None)),
        ('<img src="a.gif" data-src="b.gif" alt=x>', ("a.gif", "src", None)),
        ('<img src="greyhound.jpg" data-src="b.jpg" alt=x>', ("greyhound.jpg", "src", None)),
        ('<img src="640px-Kite.jpg" data-src="b.jpg" alt=x>', ("640px-Kite.jpg", "src", None)),
        ('<img src="16by9.png" data-src="b.jpg" alt=x>', ("b.jpg", "lazy", None)),
        ('<img src="blank.gif" data-src="b.jpg" srcset="c.jpg 900w" alt=x>', ("c.jpg", "srcset", 900)),
        ('<img src="data:," data-src="b.jpg" data-srcset="b.jpg 300w, c.jpg 900w" alt=x>', ("c.jpg", "srcset", 900)),
        ('<img data-gt-lazy="b.jpg?x=1" data-x="true" alt=x>', ("b.jpg?x=1", "lazy", None)),
    ],
)
def test_the_better_of_several(html: str, found: tuple[str, str, int | None]) -> None:
    pair = read(html).pairs[0]
    assert pair.reason is None
    assert (pair.url.removeprefix("https://site.example/dir/"), pair.image_source, pair.srcset_width) == found


def test_a_source_that_several_lazy_images_share_is_no_picture() -> None:
    html = "".join(f'<img src="logo.jpg" data-src="{name}.jpg" alt={name}>' for name in "ab")
    assert [pair.url[-5:] for pair in read(html).pairs] == ["a.jpg", "b.jpg"]


@pytest.mark.parametrize(
    ("html", "text", "source"),
    [
        ('<img src=a alt="an alt" title="a title">', "an alt", "alt"),
        ('<img src=a alt=" " title="a title">', "a title", "title"),
        ('<img src=a title=" ">', "", None),
        (
            "<figure><div><img src=a alt=''></div><figcaption> A <b>red</b>\n kite </figcaption></figure>",
            "A red kite",
            "figcaption",
        ),
        ("<figure><img src=a><figcaption> </figcaption></figure>", "", None),
    ],
)
def test_words(html: str, text: str, source: str | None) -> None:
    pair = read(html).pairs[0]
    assert (pair.alt_text.strip(), pair.text_source, pair.reason) == (text, source, None if source else "empty_alt")


def test_columns_of_an_image() -> None:
    html = (
        '<h2>Kites</h2><a href="../big.html#x"><figure>'
        '<img src=a.jpg alt="a kite" title="Kite" width="640px" height=480>'
        "<figcaption>A red kite</figcaption></figure></a>"
        '<a href="mailto:x@e.example"><img src=b.jpg alt=b width=100% height=0></a>'
    )
    first, second = read(html).pairs
    assert first._asdict() == {
        "url": "https://site.example/dir/a.jpg",
        "alt_text": "a kite",
        "text_source": "alt",
        "image_source": "src",
        "reason": None,
        "position": 0,
        "title": "Kite",
        "figcaption": "A red kite",
        "context": "A red kite",
        "link_url": "https://site.example/big.html",
        "width": 640,
        "height": 480,
        "srcset_width": None,
    }
    assert (second.link_url, second.width, second.height, second.context) == (None, None, None, "Kites")


def test_what_describes_the_page_comes_after_its_images() -> None:
    page = read(
        '<meta property="og:image" content="/o.jpg"><meta name=description property=og:title content="Kites">'
        '<img src=a.jpg alt="a kite"><img src=b.jpg>'
        '<script type="Application/LD+JSON">{"@type":"ImageObject","url":"a.jpg","caption":"a kite"}</script>'
        '<script type="application/ld+json">{"@type":"ImageObject","url":"j.jpg","caption":"j"}</script>'
        "<script>image</script>"
    )
    assert [(pair.url[-5:], pair.alt_text, pair.image_source, pair.position, pair.reason) for pair in page.pairs] == [
        ("a.jpg", "a kite", "src", 0, None),
        ("b.jpg", "", None, 1, "empty_alt"),
        ("o.jpg", "Kites", "og", None, None),
        ("j.jpg", "j", "jsonld", None, None),
    ]


CC = "https://creativecommons.org/licenses/by/4.0/"


@pytest.mark.parametrize(
    ("html", "scope"),
    [
        (f"<link rel=license href={CC}>", "link"),
        (f"<a href={CC}>by</a><a href=x>y</a>", "anchor"),
        (f"<link rel=license href=/x><a rel='nofollow License' href={CC}>by</a>", "anchor"),
        (f"<meta name=dcterms.license content={CC}>", "meta"),
        (f'<script type=application/ld+json>{{"@type":"WebPage","license":"{CC}"}}</script>', "jsonld"),
        (f"<link rel=license href={CC}><a rel=license href=javascript:1>x</a>", "link"),
        ("<meta name=license content='all rights reserved'><a href=/licenses/>x</a>", None),
    ],
)
def test_licences(html: str, scope: str | None) -> None:
    page = read(html)
    assert (page.licence, page.licence_scope) == (CC if scope else None, scope)


def test_canonical_and_title() -> None:
    page = read(
        "<link rel=Canonical href=/c#x><link rel=canonical href=/d><svg><title>no</title></svg><title>T</title>"
    )
    assert (page.canonical, page.title) == ("https://site.example/c", "T")


def test_a_noscript_image_names_the_one_before_it() -> None:
    html = '<img src="data:," class=lazy alt=x> <noscript><img src="b.jpg" alt=x></noscript>'
    assert images(html) == [("https://site.example/dir/b.jpg", None)] * 2
    apart = '<img src="data:," alt=x> words <noscript><img src="b.jpg" alt=x></noscript>'
    assert images(apart)[0] == ("data:,", "inline_image")


def test_alt_texts_are_kept_as_found() -> None:
    html = '<img src=a alt=" two\n lines &amp; &lt;b&gt; ">' + f'<img src=b alt="{"y" * 20_000}">'
    assert [pair.alt_text for pair in read(html).pairs] == [" two\n lines & <b> ", "y" * MAX_TEXT]


def test_what_a_page_says_of_itself() -> None:
    page = read(
        '<html lang="de-AT"><head><base href="/b/"><title> Zwei\n Wörter </title>'
        '<meta name="robots" content="noimageai, index"><meta http-equiv="X-Robots-Tag" content="noml">'
        '<link rel="license" href="//creativecommons.org/licenses/by/3.0/"></head>'
        '<body><img src=a.jpg alt=x><a href="c.html#top">c</a>'
        '<a rel="license noopener" href="/terms">terms</a></body></html>',
        url="HTTPS://Site.example:443/dir/page.html#part",
        x_robots_tag="noai",
    )
    assert page.url == "https://site.example/dir/page.html"
    assert (page.title, page.language, page.base) == ("Zwei Wörter", "de-AT", "https://site.example/b/")
    assert page.licence == "https://site.example/terms"
    assert [one.signal for one in page.optout] == ["noai", "noimageai", "noml"]
    assert denied(page.optout) == "optout"
    assert page.pairs[0].url == "https://site.example/b/a.jpg"
    assert page.links == ("https://site.example/b/c.html", "https://site.example/terms")
    assert page.seen == 1


@pytest.mark.parametrize("base", ["javascript:1", "data:text/html,x", "", "http://[", "https://u:p@evil.example/"])
def test_a_base_that_cannot_be_one_is_ignored(base: str) -> None:
    assert read(f'<base href="{base}"><img src=a alt=x>').pairs[0].url == "https://site.example/dir/a"


def test_links() -> None:
    html = (
        '<a href="b.html">1</a><a href="/c?x=1#y">2</a><a href="b.html">again</a><a href="b.html#z">again</a>'
        '<a href="mailto:a@b.example">m</a><a href="javascript:1">j</a><a rel="NOFOLLOW" href="n.html">n</a>'
        '<a href="https://other.example/ä">o</a><a>none</a><a href="./b.html">again</a><a href="//d.example">d</a>'
    )
    assert read(html).links == (
        "https://site.example/dir/b.html",
        "https://site.example/c?x=1",
        "https://other.example/%C3%A4",
        "https://d.example/",
    )


def test_a_page_that_says_nofollow_has_no_links() -> None:
    html = '<a href="b.html">1</a>'
    assert read('<meta name=robots content="index, nofollow">' + html).links == ()
    assert read('<meta name=robots content="none">' + html).links == ()
    assert read(html, x_robots_tag="nofollow").links == ()
    assert len(read(html, x_robots_tag="otherbot: nofollow").links) == 1


@pytest.mark.parametrize(
    ("html", "context"),
    [
        ("<h1>Old</h1><h2>The <b>kites</b></h2><div><div><div><div><img src=a alt=x>", "The kites"),
        ("<h1>No</h1><p>Before <img src=a alt=x> after.</p>", "Before after."),
        ("<h1>No</h1><figure><p><img src=a alt=x></p><figcaption>A red\n kite</figcaption></figure>", "A red kite"),
        (
            "<h1>No</h1><p>First <b>words</b><br><a href=b><img src=a alt=x></a><i>last</i> words",
            "First words last words",
        ),
        (f"<p>{'a ' * 300}near <img src=a alt=x> by{' b' * 300}", "a " * 47 + "near by" + " b" * 49),
        ("<p><a href=b><img src=a alt=x></a> <script>no()</script><style>p {}</style> Words</p>", "Words"),
        ("<img src=a alt=x>", None),
        (f"<p>{'word ' * 100}<img src=a alt=x>", "word " * 39 + "word"),
    ],
)
def test_context(html: str, context: str | None) -> None:
    assert read(html).pairs[0].context == context


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ('<img src=a alt="café">'.encode("latin-1"), "text/html; charset=ISO-8859-1"),
        ('<img src=a alt="café">'.encode("utf-8-sig"), "text/html; charset=ISO-8859-1"),
        ('<meta charset="windows-1252"><img src=a alt="café">'.encode("cp1252"), "text/html"),
        (
            '<meta http-equiv=content-type content="text/html; charset=latin1"><img src=a alt="café">'.encode("cp1252"),
            "",
        ),
        ('<!-- <meta charset=koi8-r> --><img src=a alt="café">'.encode(), "text/html"),
        ('<meta charset=utf-16><img src=a alt="café">'.encode(), "text/html"),
        ('\ufeff<img src=a alt="café">'.encode("utf-16-le"), "text/html"),
        ('<meta charset=latin1><img src=a alt="café">'.encode(), "text/html; charset=utf-8"),
        ('<img src=a alt="café">'.encode(), "text/html; charset=utf-7"),
    ],
)
def test_characters(body: bytes, content_type: str) -> None:
    assert read(body, content_type=content_type).pairs[0].alt_text == "café"


@pytest.mark.parametrize("body", [b"", b"\0" * 100, b"\xff\xfe", b"<", b"<img", b"<html", bytes(range(256)) * 20])
def test_garbage_is_a_page_without_pairs(body: bytes) -> None:
    assert read(body).pairs == ()


@pytest.mark.parametrize(
    "html",
    [
        pytest.param("<div>" * 300_000, id="deep"),
        pytest.param("".join(f"<div><b id={n}></div>" for n in range(50_000)), id="reopened"),
        pytest.param("<a href=1><h1>" * 50_000, id="links in headings"),
        pytest.param("<p " + " ".join(f"a{n}=1" for n in range(100_000)) + ">", id="attributes"),
        pytest.param('<p x=">" ' + " ".join(f"a{n}" for n in range(100_000)) + ">", id="attributes after a quote"),
        pytest.param("<x" * 500_000, id="no end"),
        pytest.param("<table><tr><td>" * 50_000, id="tables"),
    ],
)
def test_hostile_markup_is_read_in_time_and_keeps_its_images(html: str) -> None:
    # Unbounded, each of these takes minutes or all memory.
    image = '<img src="a.jpg" alt="a cat">'
    page = read(f"{image}{html}{'' if html.endswith('<x') else image}")
    assert {pair.url for pair in page.pairs} == {"https://site.example/dir/a.jpg"}
    assert len(page.pairs) == (1 if html.endswith("<x") else 2)


@pytest.mark.parametrize(
    ("html", "rows"),
    [
        pytest.param("<img src=a alt=x>" * 100_000, 10_000, id="images"),
        pytest.param("<img src=a alt=x>" * 3_000_000, 10_000, id="50 MB"),
        pytest.param("<meta property=og:image content=a><meta property=og:title content=b>" * 100_000, 1, id="metas"),
        pytest.param(
            "".join(f"<meta property=og:image content={n}>" for n in range(100_000))
            + "<meta property=og:title content=b>",
            0,
            id="words after too many metas",
        ),
        pytest.param(
            "<meta property=og:title content=b>"
            + "".join(f"<meta property=og:image content={n}>" for n in range(100_000)),
            200,
            id="og images",
        ),
        pytest.param(
            '<script type="application/ld+json">{"name":"x","image":"a.jpg"}</script>' * 50_000, 1, id="JSON-LD blocks"
        ),
        pytest.param(
            '<script type="application/ld+json">{"name":"x","image":["' + '","'.join(map(str, range(100_000))) + '"]}'
            "</script>",
            200,
            id="JSON-LD images",
        ),
        pytest.param('<script type="application/ld+json">' + '{"image":[' * 300_000, 0, id="deep JSON-LD"),
        pytest.param('<img alt=x srcset="' + "a.jpg 1w," * 500_000 + '">', 1, id="candidates"),
        pytest.param("<picture>" + '<source srcset="a.jpg 1w">' * 100_000 + "<img alt=x>", 1, id="sources"),
        pytest.param("<figure>" * 50_000 + "<img src=a><figcaption>x" * 50_000, 10_000, id="captions"),
        pytest.param("<base href='" + "/x" * 1_000_000 + "'><img src=a alt=x>", 1, id="base"),
        pytest.param("<p>" + "word " * 900_000 + "<img src=a alt=x>", 1, id="words"),
        pytest.param("<p>" + "<i>w</i>" * 300_000 + "<img src=a alt=x>" * 20_000, 10_000, id="words in elements"),
        pytest.param("<a href=x>" * 400_000 + "<img src=a alt=x>", 1, id="links"),
        pytest.param("<a rel=license href=x>" * 200_000 + "<img src=a alt=x>", 1, id="licences"),
    ],
)
def test_hostile_amounts_are_cut(html: str, rows: int) -> None:
    page = read(html)
    assert len(page.pairs) == rows
    assert len(page.links) <= 10_000 and all(len(pair.context or "") <= 200 for pair in page.pairs)


def test_caps() -> None:
    page = read("<img src=a alt=x>" * 10_500 + "".join(f"<a href=/p/{n}>n</a>" for n in range(10_500)))
    assert (len(page.pairs), page.seen, len(page.links)) == (10_000, 10_000, 10_000)
    assert extract(b"<img src=a alt=x>" * 10, url=URL, max_bytes=17 * 4).seen == 4


class _Slow(HTMLParser):
    """The same rules for well-formed pages without lazy loading, one tag at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.pairs: list[tuple[str, str, str | None]] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "img":
            alt, source = found.get("alt") or "", found.get("src") or ""
            _, reason = requestable(source, URL)
            absolute = urljoin(URL, source.strip())
            if not source.strip():
                absolute, reason = "", "no_source"
            elif source.startswith("data:"):
                absolute, reason = source[: source.find(",") + 1], "inline_image"
            elif reason is None and absolute.partition("?")[0].endswith(".svg"):
                reason = "svg"
            elif reason is not None:
                absolute = source
            self.pairs.append((absolute, alt, reason if alt.strip() else "empty_alt"))
        if tag == "a" and "nofollow" not in (found.get("rel") or ""):
            url, reason = requestable(found.get("href") or "#", URL)
            if reason is None and found.get("href") and url not in self.links:
                self.links.append(url)


def generated(rng: random.Random) -> str:
    paths = [
        "a.jpg",
        "/b/c.png",
        "../d.gif",
        "//e.example/f.webp",
        "https://g.example/h.jpg?x=1&amp;y=2",
        "i.svg",
        "j k.png",
    ]
    paths += [
        "",
        "data:image/png;base64,AAAA",
        "javascript:1",
        "ü.jpg",
        "./k.jpg",
        "l",
        "m/n/",
        "?q=1",
        "/o..p/q-r_s.jpg",
        ".",
    ]
    words = ["a cat", "", " ", "two &amp; two", "ein Käfer", "&quot;quoted&quot;", "1 &lt; 2", "x" * 300]
    parts = []
    for number in range(rng.randrange(1, 80)):
        path, text = rng.choice(paths), rng.choice(words)
        alt = rng.choice([f' alt="{text}"', f" alt='{text}'", f' ALT="{text}"', ""])
        rel = rng.choice(["", "", ' rel="nofollow"', ' rel="noopener"'])
        tag = f'<img src="{path}"{alt}>' if rng.random() < 0.5 else f'<a href="{path}"{rel}>{number}</a>'
        parts.append(rng.choice(["<p>{}</p>", "<div><span>{}</span></div>", "<li>{}</li>", "{}\n"]).format(tag))
    return "<!doctype html><html><body>" + "".join(parts) + "</body></html>"


@pytest.mark.parametrize("seed", range(60))
def test_the_same_as_the_slow_reading(seed: int) -> None:
    html = generated(random.Random(seed))
    slow = _Slow()
    slow.feed(html)
    page = read(html)
    assert [(pair.url, pair.alt_text, pair.reason) for pair in page.pairs] == slow.pairs
    assert list(page.links) == slow.links
    assert [pair.position for pair in page.pairs] == list(range(len(slow.pairs)))
