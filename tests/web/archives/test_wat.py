"""WAT files of explicit and of generated records, read by three profiles and, slowly, by their rules."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import numpy as np
import pytest

from tests.web import wats
from tests.web.wats import anchor, image, page, stored
from vlcorpus import schema
from vlcorpus.errors import SourceError, UsageError
from vlcorpus.net import optout
from vlcorpus.net.url import requestable
from vlcorpus.web.archives import wat_said
from vlcorpus.web.archives.wat import PROFILES, Read, batches, is_wat
from vlcorpus.web.archives.wat_addresses import judge_all
from vlcorpus.web.archives.wat_join import Base, clean
from vlcorpus.web.archives.wat_json import Head, Meta
from vlcorpus.web.found import time_of

URL = "http://a.example/x/y.html"
Row = dict[str, Any]


def read(path: Path, profile: str = "full", **settings: Any) -> tuple[list[Row], list[Read]]:
    found = list(batches(path, profile=profile, **settings))
    return [row for one in found for row in one.table.to_pylist()], found


def rows_of(tmp_path: Path, records: Iterable[bytes], profile: str = "full", **settings: Any) -> list[Row]:
    return read(wats.write(tmp_path / "a.wat.gz", records), profile, **settings)[0]


def rejected(found: list[Read]) -> Counter[str]:
    return sum((one.rejected for one in found), Counter())


def reasons(found: list[Read]) -> list[str | None]:
    return [visited.reason for one in found for visited in one.pages]


# What cc2dataset does, told again without haste.


def plainly(records: Iterable[dict[str, Any]]) -> Iterator[tuple[str, str, str, str, str]]:
    """(uid, url, alt, file, page) of each image that is taken."""
    for record in records:
        envelope = record["Envelope"]
        html = envelope["Payload-Metadata"].get("HTTP-Response-Metadata", {}).get("HTML-Metadata", {})
        url = envelope["WARC-Header-Metadata"]["WARC-Target-URI"]
        base = url
        if "Base" in html.get("Head", {}):
            try:
                base = urljoin(url, html["Head"]["Base"])
            except ValueError:
                pass
        for link in html.get("Links", []):
            alt = link.get("alt", "")
            if link.get("path") != "IMG@/src" or alt == "":
                continue
            address = link["url"]
            if not address.startswith(("http://", "https://")):
                try:
                    address = urljoin(base, address)
                except ValueError:
                    continue
            if address.startswith(("http://", "https://")):
                uid = hashlib.md5((alt + address).encode()).hexdigest()
                yield uid, address, alt, record["Container"]["Filename"], url


PIECES = (
    "/", "/", "/", ".", "..", "?", "?", "#", ";", ":", "a", "b.jpg", "img", "c.svg", "%20", "%2e%2e", " ", "\\", "\t",
    "\n", "é", "日本", "@", "=", "&", "http://b.example", "https://B.Example:81/d", "HTTP://c.example/e", "//d.example",
    "data:image/gif;base64,", "javascript:void(0)", "ftp://f.example/", "-", "_", "~", "+", "|", "[", "]", "<", "'",
    '"', "{", "}", "IMG@/src", "\u200b", "\u3000", "\x7f", "//", "http:", "h.example", "//[::1/x", "€uro", "𝒳",
)  # fmt: skip
ODD = (
    "?q",
    "#f",
    "//h/p",
    "..",
    "../..",
    "HTTP://h.example/x",
    "",
    " ",
    "?",
    "#",
    ".",
    "./a.jpg",
    "a b.jpg",
    "\\\\h\\x",
)
BASES = (
    None, None, None, "", "/", "/base/", "http://other.example/deep/er/", "//rel.example/x", "http://[bad/", "data:,x",
    "  http://sp.example/ ", "ftp://f.example/y", "../up/", "?q=/a/b", "javascript:x", "http://c.example?q=/r/s",
)  # fmt: skip
PAGES = (
    "http://a.example", "http://a.example/", "https://a.example/x/y.html", "http://a.example?q=1/2", "http://A.Example:80/p/",
    "https://a.example/a//b/./c/../d", "http://a.example/p;q/r;s", "https://a.example/ü/v?w#x", "http://192.0.2.1/a/b",
)  # fmt: skip


def made(rng: random.Random) -> dict[str, Any]:
    """A record as a crawl could have it."""
    links: list[object] = []
    for _ in range(rng.randrange(12)):
        url = rng.choice(ODD) if rng.random() < 0.2 else "".join(rng.choices(PIECES, k=rng.randrange(1, 7)))
        kind = rng.random()
        if kind < 0.7:
            alt = rng.choice((None, "", " ", "a cat", "ein Bild\nvon „ihr“", "x" * 3000, '"{}\\', "🐈"))
            link = image(url, alt, rng.choice((None, "a title")))
        elif kind < 0.8:
            link = {"path": "STYLE/#text", "href": url}
        elif kind < 0.9:
            link = {"path": rng.choice(("X-Y@/data-href", "IMG@/longdesc", "A@/onclick")), "url": url}
        else:
            link = anchor(url, text="IMG@/src", alt="not an image")
        shuffled = list(link.items())
        if rng.random() < 0.3:
            rng.shuffle(shuffled)
        links.append(dict(shuffled))
    base = rng.choice(BASES)
    head = None if rng.random() < 0.1 else {"Metas": [{"name": "robots", "content": "all"}], "Title": "t"}
    if head is not None and base is not None:
        head["Base"] = base
    record = page(rng.choice(PAGES), links, head, warc=f"{rng.randrange(3)}.warc.gz")
    if rng.random() < 0.1:
        del record["Envelope"]["Payload-Metadata"]["HTTP-Response-Metadata"]["HTML-Metadata"]["Links"]
    return record


@pytest.mark.parametrize("seed", range(4))
def test_compat_takes_the_rows_that_cc2dataset_takes(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    records = [
        rng.choice((made, made, made, lambda _: wats.request(URL), lambda _: wats.metadata(URL)))(rng)
        for _ in range(1500)
    ]
    # Some writers of JSON escape slashes, and more than they must.
    blocks = [
        json.dumps(one, ensure_ascii=bool(number % 3), indent=2 if number % 7 == 0 else None)
        .replace("/", "\\/" if number % 5 == 0 else "/")
        .encode()
        for number, one in enumerate(records)
    ]
    rows, found = read(wats.write(tmp_path / "a.wat.gz", map(stored, blocks)), "compat", rows=500)
    names = ("given_uid", "url", "alt_text", "warc_file", "page_url")
    assert [tuple(row[name] for name in names) for row in rows] == list(plainly(records))
    assert len(rows) > 1000
    assert len(found) > 2
    assert not any(reasons(found))
    looked_at = sum(visited.pairs for one in found for visited in one.pages)
    assert looked_at == len(rows) + rejected(found).total()


@pytest.mark.parametrize("seed", range(4))
def test_joining_is_urljoin_and_judging_is_requestable(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(20_000):
        base = rng.choice(PAGES) + "".join(rng.choices(PIECES, k=rng.randrange(3)))
        url = rng.choice(ODD) if rng.random() < 0.1 else "".join(rng.choices(PIECES, k=rng.randrange(6)))
        assert joined(Base(base).join, url) == joined(lambda found, base=base: urljoin(base, found), url), (base, url)
        clean = requestable(base)[0]
        if not clean:
            continue
        absolute, reason = Base(clean).judge(url)
        if not url.strip(" \t\r\n\f"):
            assert reason == "no_source"
        elif url.lstrip().lower().startswith("data:"):
            assert reason == "inline_image"
        elif reason in (None, "svg"):
            # What is stored leads where the page leads.
            assert requestable(absolute) == requestable(url, clean), (clean, url)
            path = absolute.partition("?")[0].partition("#")[0].lower()
            assert (reason == "svg") == path.endswith((".svg", ".svgz")), absolute
        else:
            assert reason == requestable(url, clean)[1]


@pytest.mark.parametrize("seed", range(3))
def test_many_urls_are_judged_as_each_alone(seed: int) -> None:
    rng = random.Random(seed)
    bases = [Base(clean(rng.choice(PAGES))) for _ in range(200)]
    page_of = np.sort(np.array([rng.randrange(len(bases)) for _ in range(5_000)], np.int32))
    urls: list[str | None] = []
    for _ in page_of:
        start = rng.choice(
            ("", "", "http://a.example/", "https://b.c.example:81/", "http://x." + "y" * 70 + ".example/")
        )
        found = rng.choice(ODD) if rng.random() < 0.1 else "".join(rng.choices(PIECES, k=rng.randrange(6)))
        urls.append(None if rng.random() < 0.02 else start + found + rng.choice(("", "", "", "é" * 900, "x" * 2500)))
    expected = [
        bases[number].judge(url) if url is not None else ("", "bad_url")
        for number, url in zip(page_of, urls, strict=True)
    ]
    found_urls, reasons = judge_all(list(urls), page_of, bases.__getitem__, {})
    assert [(url, reasons.get(row)) for row, url in enumerate(found_urls.to_pylist())] == expected
    assert {reason for _, reason in expected} == {
        None, "bad_url", "bad_scheme", "svg", "no_source", "inline_image"
    }  # fmt: skip


def test_the_url_of_a_page_is_what_is_requestable() -> None:
    rng = random.Random(0)
    for _ in range(20_000):
        url = rng.choice((*PAGES, "http://")) + "".join(rng.choices(PIECES, k=rng.randrange(5)))
        assert clean(url) == requestable(url)[0], url


def test_dates_of_a_batch_are_read_as_each_alone(tmp_path: Path) -> None:
    good_dates = ["2026-01-01T00:00:00Z", "2026-02-28T23:59:59Z"]
    for dates in (good_dates, [*good_dates, "2026-02-30T00:00:00Z"], [*good_dates, "", "2026-01-01T00:00:00+02:00"]):
        records = [stored(page(URL, [image("a.jpg", "a cat")], date=date)) for date in dates]
        assert [row["found_at"] for row in rows_of(tmp_path, records)] == [time_of(date) for date in dates]


@pytest.mark.parametrize("profile", PROFILES)
def test_opt_outs_come_with_every_profile(tmp_path: Path, profile: str) -> None:
    headers = [("X-Robots-Tag", "noimageai")]
    path = wats.write(tmp_path / "a.wat.gz", [stored(page(URL, [image("a.jpg", "a big cat")], HEAD, headers))])
    rows, _ = read(path, profile)
    assert rows[0]["optout"] == [
        "noimageai|x-robots-tag|noimageai",
        "noai|robots|index, noai",
        "tdm-reservation|meta:tdm-reservation|1",
    ]
    bare, _ = read(path, profile, evidence=False)
    assert [row | {"optout": None} for row in rows] == [row | {"optout": None} for row in bare]
    assert (bare[0]["optout"] is None) == (profile == "compat")


def joined(join: Any, url: str) -> str | None:
    try:
        return str(join(url))
    except ValueError:
        return None


def test_compat_gives_what_its_columns_say(tmp_path: Path) -> None:
    links = [
        image("b.jpg", "a cat"),
        image("c.jpg"),
        image("d.jpg", ""),
        image("data:image/png;base64,", "x"),
        image("HTTPS://e", "y"),
    ]
    record = page(URL, links, {"Base": "/z/"}, date="2026-02-03T04:05:06Z", offset=77)
    path = wats.write(tmp_path / "a.wat.gz", [wats.warcinfo(), stored(record)])
    (row,), found = read(path, "compat", file="s3/a.wat.gz")
    (visited,) = found[0].pages
    assert {name: value for name, value in row.items() if value is not None and name != "found_at"} == {
        "url": "http://a.example/z/b.jpg",
        "alt_text": "a cat",
        "text_source": "alt",
        "image_source": "src",
        "page_url": URL,
        "source_kind": "wat",
        "source_file": "s3/a.wat.gz",
        "record_offset": visited.offset,
        "record_length": path.stat().st_size - visited.offset,
        "warc_file": wats.WARC,
        "warc_offset": 77,
        "given_uid": hashlib.md5(b"a cathttp://a.example/z/b.jpg").hexdigest(),
    }
    assert row["found_at"].isoformat() == "2026-02-03T04:05:06+00:00"
    assert visited == (URL, 200, None, 5, "2026-02-03T04:05:06Z", visited.offset, row["record_length"])
    assert rejected(found) == {"empty_alt": 2, "inline_image": 1, "bad_scheme": 1}


def columns(rows: list[Row], *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in rows]


def test_full_has_a_row_for_each_image(tmp_path: Path) -> None:
    links = [
        image("a.jpg", "a cat", "its title"),
        anchor("http://a.example/"),
        image("b.jpg", " ", "only a title"),
        image("c.jpg"),
        image("/d.svg?x", "a drawing"),
        image("data:image/png;base64,", "inline"),
        image("", "nowhere"),
        image("ftp://f.example/e.jpg", "elsewhere"),
        image("http://user@f.example/", "refused"),
        {"path": "IMG@/src", "alt": "no url at all"},
        image("https://B.example/ü.jpg", "x" * 10_001),
        image("//c.example/f.jpg", "another"),
    ]
    rows, found = read(wats.write(tmp_path / "a.wat.gz", [stored(page(URL, links))]))
    assert columns(rows, "position", "url", "text_source", "reason") == [
        (0, "http://a.example/x/a.jpg", "alt", None),
        (1, "http://a.example/x/b.jpg", "title", None),
        (3, "http://a.example/d.svg?x", "alt", "svg"),
        (6, "ftp://f.example/e.jpg", "alt", "bad_scheme"),
        (7, "http://user@f.example/", "alt", "bad_url"),
        (8, "", "alt", "bad_url"),
        (9, "https://B.example/ü.jpg", "alt", "text_too_long"),
        (10, "http://c.example/f.jpg", "alt", None),
    ]
    assert [row["alt_text"][:20] for row in rows[:3]] == ["a cat", "only a title", "a drawing"]
    assert len(rows[6]["alt_text"]) == 10_000
    assert [row["title"] for row in rows[:3]] == ["its title", "only a title", None]
    assert rejected(found) == {"empty_alt": 1, "inline_image": 1, "no_source": 1}
    assert found[0].pages[0].pairs == 11
    assert {row["image_source"] for row in rows} == {"src"}


HEAD = {
    "Metas": [
        {"name": "HTML@/xml:lang", "content": "en"},
        {"name": "HTML@/lang", "content": " de-AT "},
        {"name": "robots", "content": "index, noai"},
        {"http-equiv": "tdm-reservation", "content": "1"},
        {"property": "og:image", "content": "/og.jpg"},
        {"property": "og:image:alt", "content": "a dog"},
        {"property": "og:image", "content": "/two.jpg"},
        {"name": "twitter:image", "content": "a.jpg"},
        {"name": "twitter:image:alt", "content": "a cat"},
        {"property": "og:title", "content": "og title"},
        {"name": "Description", "content": "described"},
        {"property": "og:description", "content": "og described"},
    ],
    "Title": "  The\n title ",
    "Link": [
        {"path": "LINK@/href", "url": "/style.css", "rel": "stylesheet"},
        {"path": "LINK@/href", "url": "../z.html", "rel": "Canonical"},
        {"path": "LINK@/href", "url": "/terms", "rel": "license"},
    ],
}


def test_full_tells_what_the_page_says_of_itself(tmp_path: Path) -> None:
    headers = [("X-Robots-Tag", "noindex"), ("X-Robots-Tag", "otherbot: noimageai"), ("Content-Type", "text/html")]
    rows = rows_of(tmp_path, [stored(page(URL, [image("a.jpg", "a cat")], HEAD, headers))])
    assert columns(rows, "url", "alt_text", "text_source", "image_source", "position") == [
        ("http://a.example/x/a.jpg", "a cat", "alt", "src", 0),
        ("http://a.example/og.jpg", "a dog", "og", "og", None),
        ("http://a.example/two.jpg", "og described", "og", "og", None),
    ]
    assert {row["page_title"] for row in rows} == {"The title"}
    assert {row["page_language"] for row in rows} == {"de-AT"}
    assert {row["page_canonical"] for row in rows} == {"http://a.example/z.html"}
    assert {(row["licence"], row["licence_scope"]) for row in rows} == {("http://a.example/terms", "link")}
    assert rows[0]["optout"] == [
        "noindex|x-robots-tag|noindex",
        "noai|robots|index, noai",
        "tdm-reservation|meta:tdm-reservation|1",
    ]


@pytest.mark.parametrize(
    ("metas", "words"),
    [
        ([("og:title", "t"), ("description", "d")], "t"),
        ([("description", "d"), ("og:description", " ")], "d"),
        ([("og:image:alt", "before")], "before"),
        ([("twitter:image:alt", "of another")], ""),
        ([], ""),
    ],
)
def test_words_of_an_image_that_describes_the_page(tmp_path: Path, metas: list[tuple[str, str]], words: str) -> None:
    head = {"Metas": [{"name": name, "content": content} for name, content in [*metas, ("og:image", "/o.png")]]}
    rows, found = read(wats.write(tmp_path / "a.wat.gz", [stored(page(URL, [], head))]))
    assert columns(rows, "alt_text", "text_source", "image_source", "reason", "position") == (
        [(words, "og", "og", None, None)] if words else []
    )
    assert rejected(found) == ({} if words else {"empty_alt": 1})


@pytest.mark.parametrize(
    ("links", "licence"),
    [
        ([anchor("//creativecommons.org/licenses/by/4.0/")], ("http://creativecommons.org/licenses/by/4.0/", "anchor")),
        ([anchor("/c", rel="nofollow License")], ("http://a.example/c", "anchor")),
        ([anchor("/c", rel="license"), anchor("/d", rel="license")], ("http://a.example/d", "anchor")),
        ([anchor("javascript:x", rel="license")], ("http://a.example/terms", "link")),
        ([anchor("http://b.example/?creativecommons.org/licenses/")], ("http://a.example/terms", "link")),
    ],
)
def test_the_last_licence_counts(tmp_path: Path, links: list[Any], licence: tuple[str, str]) -> None:
    rows = rows_of(tmp_path, [stored(page(URL, [*links, image("a.jpg", "a cat")], HEAD))])
    assert {(row["licence"], row["licence_scope"]) for row in rows} == {licence}


def test_full_passes_over_answers_that_are_no_success(tmp_path: Path) -> None:
    records = [stored(page(URL, [image("a.jpg", "a cat")], status=status)) for status in (404, 200, "203", "x")]
    rows, found = read(wats.write(tmp_path / "a.wat.gz", records))
    assert reasons(found) == ["http_error", None, None, None]
    assert [visited.status for visited in found[0].pages] == [404, 200, 203, None]
    assert len(rows) == 3


@pytest.mark.parametrize("seed", range(3))
def test_full_is_what_a_slow_reading_finds(tmp_path: Path, seed: int) -> None:
    """What is worked out for a whole table at once is what each row alone would get."""
    rng = random.Random(seed)
    records = [made(rng) for _ in range(600)]
    path = wats.write(tmp_path / "a.wat", map(stored, records))
    rows, found = read(path)
    counted = ("empty_alt", "no_source", "inline_image")
    expected = list(slowly(records))
    assert columns(rows, "position", "url", "alt_text", "text_source", "reason") == [
        row for row in expected if row[-1] not in counted
    ]
    assert rejected(found) == Counter(row[-1] for row in expected if row[-1] in counted)
    assert rejected(found).keys() == {*counted}
    again, in_parts = read(path, rows=1)
    assert (rows, rejected(found)) == (again, rejected(in_parts))
    assert {row["reason"] for row in rows} >= {None, "bad_scheme", "bad_url", "svg"}
    assert all(requestable(row["url"])[1] is None for row in rows if row["reason"] is None)


def slowly(records: Iterable[dict[str, Any]]) -> Iterator[tuple[int, str, str, str | None, str | None]]:
    for record in records:
        envelope = record["Envelope"]
        html = envelope["Payload-Metadata"]["HTTP-Response-Metadata"]["HTML-Metadata"]
        page_url, _ = requestable(envelope["WARC-Header-Metadata"]["WARC-Target-URI"])
        said = html.get("Head", {}).get("Base", "")
        base = (requestable(said, page_url)[0] if said.strip() else "") or page_url
        images = [link for link in html.get("Links", []) if link["path"] == "IMG@/src"]
        for position, link in enumerate(images):
            alt, title = link.get("alt", ""), link.get("title", "")
            if not alt.strip() and not title.strip():
                yield position, link["url"][:2000], alt, None, "empty_alt"
                continue
            url, reason = Base(base).judge(link["url"])
            yield position, url, alt if alt.strip() else title, "alt" if alt.strip() else "title", reason


def test_rows_are_let_go_before_they_are_too_many_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlcorpus.web.archives.wat.MAX_GATHERED", 5_000)
    rows, found = read(wats.write(tmp_path / "a.wat.gz", [good(number) for number in range(20)]))
    assert len(rows) == 20
    assert len(found) > 4


@pytest.mark.parametrize(
    "name", [*sorted(optout.names("vlcorpus")), *sorted(wat_said.DESCRIBING), "viewport", "robots2", ""]
)
def test_metas_that_may_be_evidence_are_those_in_which_it_is_found(name: str) -> None:
    contents = ("noai", "1", "train-ai=n", "ai-train=no")
    is_evidence = any(optout.evidence([(name, content)], "vlcorpus") for content in contents)
    assert is_evidence == (name in optout.names("vlcorpus"))
    for spelled in (name, name.upper(), f" {name.title()}\n"):
        describing, told = wat_said.metas(Head(metas=[Meta(name=spelled, content="noai")]), "vlcorpus")
        assert told == ([(name, "noai")] if is_evidence else [])
        assert describing == ([(name, "noai")] if name in wat_said.DESCRIBING else [])


def test_laion_follows_its_rules_in_their_order(tmp_path: Path) -> None:
    cc = "https://creativecommons.org/licenses/by/4.0/"
    links = [
        image("http://a.example/1.jpg", "before any licence"),
        anchor(cc + "x" * 80, text="licence"),
        image("http://a.example/2.jpg", "  scho\u00c3\u00b6n |\tsch\u00f6n\u200b\n"),
        image("/3.jpg", "a relative one"),
        image("http://a.example/4.SVG", "capital letters pass"),
        image("http://a.example/5.svg?x", "a drawing"),
        image("http://a.example/x.gif/6.jpg", "a gif anywhere"),
        image("http://a.example/7.jpg", "four"[:4]),
        image("http://a.example/8.jpg", "\u200b"),
        image("http://a.example/9.jpg", "ö" * 3000),
        image("http://a.example/1.jpg", "the same address"),
        image(f"http://{'h' * 61}.example/", "a long host"),
        image("http://nodomain/10.jpg", "no top level"),
        image("http://a.example/11.jpg"),
        image("data:image/png;base64,", "inline"),
        anchor("http://a.example/12.jpg", alt="not only of images"),
        {"path": "IMG@/src", "alt": "without address"},
    ]
    rows, found = read(wats.write(tmp_path / "a.wat.gz", [stored(page(URL, links, HEAD))]), "laion")
    assert columns(rows, "url", "alt_text", "licence", "position") == [
        ("http://a.example/1.jpg", "before any licence", None, 0),
        ("http://a.example/2.jpg", "schoön  schön", cc + "x" * (80 - len(cc)), 1),
        ("http://a.example/3.jpg", "a relative one", cc + "x" * (80 - len(cc)), 2),
        ("http://a.example/4.SVG", "capital letters pass", cc + "x" * (80 - len(cc)), 3),
        ("http://a.example/9.jpg", "ö" * 2000, cc + "x" * (80 - len(cc)), 8),
        ("http://a.example/12.jpg", "not only of images", cc + "x" * (80 - len(cc)), None),
    ]
    assert [row["licence_scope"] for row in rows[:2]] == [None, "anchor"]
    assert rows[0]["given_uid"] == hashlib.md5(b"http://a.example/1.jpgbefore any licence").hexdigest()
    assert rows[0]["optout"] is not None
    assert rejected(found) == {
        "svg": 1, "blocked_format": 1, "text_too_short": 1, "empty_alt": 1, "duplicate_url": 1, "bad_url": 3,
        "bad_scheme": 1,
    }  # fmt: skip
    kept, found = read(tmp_path / "a.wat.gz", "laion", keep_relative=False)
    assert [row["url"] for row in kept] == [row["url"] for row in rows if "3.jpg" not in row["url"]]
    assert rejected(found)["bad_url"] == 4


def test_laion_takes_the_first_text_of_an_address_in_the_file(tmp_path: Path) -> None:
    records = [stored(page(URL, [image("http://b.example/1.jpg", f"words {number}")])) for number in range(5)]
    for size in (1, 50_000):
        rows = rows_of(tmp_path, records, "laion", rows=size)
        assert [row["alt_text"] for row in rows] == ["words 0"]


@pytest.mark.parametrize("suffix", ["wat", "wat.gz", "wat.zst", "wat.lz4"])
@pytest.mark.parametrize("profile", PROFILES)
def test_every_kind_of_file(tmp_path: Path, suffix: str, profile: str) -> None:
    pages = [
        (f"http://a.example/{number}", [("Content-Type", "text/html")], "<img src=a.jpg alt='a big cat'>")
        for number in range(3)
    ]
    rows, found = read(wats.write(tmp_path / f"a.{suffix}", wats.crawled(pages)), profile)
    assert [row["page_url"] for row in rows][: 3 if profile != "laion" else 1] == [url for url, _, _ in pages][
        : len(rows)
    ]
    assert all(one.table.schema.equals(schema.table("extracted").arrow()) for one in found)
    assert [visited.url for visited in found[0].pages] == [url for url, _, _ in pages]
    if suffix in ("wat", "wat.gz"):
        for visited in found[0].pages:
            assert visited.length is not None
            part = (tmp_path / f"a.{suffix}").read_bytes()[visited.offset : visited.offset + visited.length]
            assert (gzip.decompress(part) if suffix == "wat.gz" else part).endswith(b"}\r\n\r\n")


def good(number: int) -> bytes:
    return stored(page(f"http://a.example/{number}", [image(f"{number}.jpg", f"image {number}")]))


def without(*path: str) -> bytes:
    record: Any = page("http://a.example/bad", [image("a.jpg", "a cat")])
    inner = record
    for name in path[:-1]:
        inner = inner[name]
    del inner[path[-1]]
    return stored(record)


def replaced(old: bytes, new: bytes) -> bytes:
    block = json.dumps(page("http://a.example/bad", [image("a.jpg", "a cat")])).encode()
    assert old in block
    return stored(block.replace(old, new))


BAD = {
    "broken JSON": stored(b'{"Container":{"Filename":"a"},"Envelope":'),
    "no JSON": stored(b"garbage"),
    "no object": stored(b"[1]"),
    "empty": stored(b""),
    "deep": stored(b'{"Container":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "deep inside": stored(b'{"Envelope":{"Payload-Metadata":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001 + b"}"),
    "no envelope": stored({"Container": {}}),
    "no container": without("Container"),
    "no file name": without("Container", "Filename"),
    "no page": without("Envelope", "WARC-Header-Metadata", "WARC-Target-URI"),
    "no fields": without("Envelope", "WARC-Header-Metadata"),
    "page is a number": replaced(b'"http://a.example/bad"', b"7"),
    "file name is a list": replaced(f'"{wats.WARC}"'.encode(), b"[]"),
    "not UTF-8": replaced(b"a cat", b"\xff\xfe"),
    "half a character": replaced(b"a cat", b"\\ud800"),
    "control characters": replaced(b"a cat", b"a\ncat"),
    "something behind": replaced(b'"Format"', b'"x"}} {"Format"'),
}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_a_bad_record_costs_one_record(tmp_path: Path, bad: bytes, profile: str) -> None:
    rows, found = read(wats.write(tmp_path / "a.wat.gz", [good(0), bad, good(1)]), profile)
    assert [row["alt_text"] for row in rows] == ["image 0", "image 1"]
    assert reasons(found) == [None, "bad_warc_record", None]
    assert found[0].pages[1].length is not None


SPARED = {
    "url is a number": replaced(b'"url": "a.jpg"', b'"url": 5'),
    "url is null": replaced(b'"url": "a.jpg"', b'"url": null'),
    "no url": stored(page("http://a.example/bad", [{"path": "IMG@/src", "alt": "a cat"}])),
    "a style": stored(page("http://a.example/bad", [{"path": "STYLE/#text", "href": "a.png"}])),
    "no object": stored(page("http://a.example/bad", [None, 5, "x", []])),
    "links are an object": replaced(b'"Links": [', b'"Links": {}, "x": ['),
    "an unheard-of element": stored(page("http://a.example/bad", [{"path": "X-Y@/data-href", "url": "b"}])),
    "path is a number": stored(page("http://a.example/bad", [{"path": 5, "url": "b", "alt": "x"}])),
}  # fmt: skip


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("bad", SPARED.values(), ids=SPARED.keys())
def test_a_bad_link_costs_one_link(tmp_path: Path, bad: bytes, profile: str) -> None:
    beside = page(
        URL, [image("a.jpg", "beside it"), {"path": "IMG@/src", "url": [], "alt": "a list"}, image("b.jpg", "after it")]
    )
    rows, found = read(wats.write(tmp_path / "a.wat.gz", [good(0), bad, stored(beside), good(1)]), profile)
    kept = [row["alt_text"] for row in rows if row["reason"] is None]
    assert kept == ["image 0", "beside it", "after it", "image 1"]
    assert not any(reasons(found))
    lost = rejected(found) + Counter(row["reason"] for row in rows if row["reason"])
    assert lost["bad_url"] >= 1


def test_odd_heads_and_headers_cost_themselves(tmp_path: Path) -> None:
    head = {
        "Base": 5,
        "Title": [],
        "Metas": [5, {"name": 1, "content": "x"}, {"name": "robots", "content": "noai"}, {"content": None}],
        "Link": {},
    }
    record = page(URL, [image("a.jpg", "a cat")], head)
    answer = record["Envelope"]["Payload-Metadata"]["HTTP-Response-Metadata"]
    answer["Headers"] = {"X-Robots-Tag": ["noml", 5], "Date": 5, "Server": {}}
    answer["Response-Message"]["Status"] = [200]
    record["Container"]["Offset"] = "x" * 5000
    (row,) = rows_of(tmp_path, [stored(record)])
    assert row["optout"] == ["noml|x-robots-tag|noml", "noai|robots|noai"]
    assert (row["page_title"], row["warc_offset"]) == (None, None)


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(gzip.compress(good(9))[:10] + b"\xff" * 60 + gzip.compress(good(9))[70:], id="inside"),
        pytest.param(gzip.compress(good(9))[:-8] + b"\0" * 8, id="checksum"),
        pytest.param(b"garbage between members" * 9, id="garbage"),
        pytest.param(gzip.compress(stored(page(URL), length=99_999)), id="length too long"),
        pytest.param(gzip.compress(stored(page(URL), length=200)), id="length too short"),
        pytest.param(gzip.compress(good(9))[:300], id="cut inside the file"),
    ],
)
@pytest.mark.parametrize("profile", PROFILES)
def test_a_damage_costs_one_record(tmp_path: Path, broken: bytes, profile: str) -> None:
    path = tmp_path / "a.wat.gz"
    path.write_bytes(gzip.compress(good(0)) + broken + gzip.compress(good(1)) + gzip.compress(good(2)))
    rows, found = read(path, profile)
    assert [row["alt_text"] for row in rows] == ["image 0", "image 1", "image 2"]
    assert [reason for reason in reasons(found) if reason] == ["bad_warc_record"]
    assert [visited.length for visited in found[0].pages if visited.reason is None] == [
        len(gzip.compress(good(number))) for number in range(3)
    ]


@pytest.mark.parametrize("profile", PROFILES)
def test_a_file_cut_anywhere_keeps_what_came_before(tmp_path: Path, profile: str) -> None:
    members = [gzip.compress(good(number)) for number in range(3)]
    whole = b"".join(members)
    path = tmp_path / "a.wat.gz"
    for cut in range(len(members[0]) + 12, len(whole) - 12, 7):
        path.write_bytes(whole[:cut])
        rows, found = read(path, profile)
        assert [row["alt_text"] for row in rows] == [f"image {number}" for number in range(len(rows))]
        edges = [len(members[0]), len(members[0]) + len(members[1])]
        if not any(edge - 12 <= cut <= edge for edge in edges):
            assert len(rows) == 1 + sum(cut > edge for edge in edges[1:])
            assert reasons(found)[-1] == "truncated_warc"


def test_very_many_links_in_one_record(tmp_path: Path) -> None:
    links = [image(f"{number}.jpg", f"image {number}") for number in range(100_000)]
    path = wats.write(tmp_path / "a.wat.gz", [good(0), stored(page(URL, links)), good(1)])
    assert len(read(path, "compat")[0]) == 100_002
    rows, found = read(path)
    assert len(rows) == 10_002  # of one page, as many as html.py takes
    assert found[0].pages[1].pairs == 10_000


def test_a_record_beyond_all_measure_is_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlcorpus.web.archives.wat.MAX_BLOCK", 50_000)
    links = [image(f"{number}.jpg", f"image {number}") for number in range(1000)]
    _, found = read(wats.write(tmp_path / "a.wat.gz", [good(0), stored(page(URL, links)), good(1)]))
    assert reasons(found) == [None, "bad_warc_record", None]


def test_pages_without_rows_are_pages(tmp_path: Path) -> None:
    records = [stored(page(f"http://a.example/{number}")) for number in range(10)]
    for profile in PROFILES:
        rows, found = read(wats.write(tmp_path / "a.wat.gz", records), profile, rows=4)
        assert rows == []
        assert [len(one.pages) for one in found] == [4, 4, 2]


def test_what_is_a_wat_and_what_is_not(tmp_path: Path) -> None:
    path = wats.write(tmp_path / "a.gz", wats.crawled([(URL, [], "<img src=a alt=b>")]))
    assert is_wat(path)
    assert is_wat(tmp_path / "CC-MAIN-0.warc.wat.gz")
    warc = tmp_path / "b.warc"
    block = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>x"
    warc.write_bytes(
        b"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://a.example/\r\n"
        b"Content-Length: %d\r\n\r\n%s\r\n\r\n" % (len(block), block)
    )
    assert not is_wat(warc)
    assert not is_wat(tmp_path / "missing")
    for wrong in (warc, tmp_path / "missing", tmp_path / "missing.wat.gz", tmp_path):
        with pytest.raises(SourceError):
            batches(wrong)
    with pytest.raises(UsageError, match="laio"):
        batches(path, profile="laio")


def test_the_writer_reads_pages_as_the_crawl_does() -> None:
    head, links = wats.read(
        "<html lang=de><title>T</title><base href=/b/><meta name=a content=b><meta itemprop=c content=d>"
        "<link rel=license href=/l><style>a{background:url('s.png')}</style><body background=bg.png>"
        "<a href=/x rel=nofollow> to <img src='data:image/gif;base64,AAAA' alt=''> here</a><video poster=p.jpg>"
    )
    assert head == {
        "Metas": [{"name": "HTML@/lang", "content": "de"}, {"name": "a", "content": "b"}],
        "Title": "T",
        "Base": "/b/",
        "Link": [{"path": "LINK@/href", "url": "/l", "rel": "license"}],
    }
    assert links == [
        {"path": "STYLE/#text", "href": "s.png"},
        {"path": "BODY@/background", "url": "bg.png"},
        {"path": "IMG@/src", "url": "data:image/gif;base64,", "alt": ""},
        {"path": "A@/href", "url": "/x", "rel": "nofollow", "text": "to here"},
        {"path": "VIDEO@/poster", "url": "p.jpg"},
    ]


def test_an_empty_table_has_all_columns(tmp_path: Path) -> None:
    for profile in PROFILES:
        (one,) = batches(wats.write(tmp_path / "a.wat.gz", [stored(page(URL))]), profile=profile)
        assert one.table.schema.equals(schema.table("extracted").arrow())
