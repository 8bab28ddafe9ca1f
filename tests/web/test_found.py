"""Pages and pairs become columns: each pair beside its page, in order."""

from __future__ import annotations

from datetime import UTC, datetime

from vlcorpus import schema
from vlcorpus.net.optout import Evidence
from vlcorpus.web.found import Batch, Origin, Page, Pair, time_of


def page(url: str, *pairs: Pair, **more: object) -> Page:
    about = {"title": "", "language": "", "base": url, "links": (), "optout": (), "licence": None} | more
    return Page(url=url, pairs=pairs, **about)  # type: ignore[arg-type]


def test_an_empty_batch_is_an_empty_table() -> None:
    batch = Batch()
    batch.add(page("http://a.test/"), Origin("warc", "a.warc"))
    found = batch.table()
    assert len(found) == len(batch) == 0
    assert found.schema.equals(schema.table("extracted").arrow())


def test_each_pair_stands_beside_its_page() -> None:
    batch = Batch()
    first = Pair("http://a.test/1.jpg", "one", "alt", "src", position=0, width=640, link_url="http://a.test/l")
    bare = Pair("", "", reason="no_source", position=1)
    optout = (Evidence("noai", "robots", "noai"),)
    about = {"title": "A", "language": "en", "licence": "http://l.test/", "licence_scope": "link", "optout": optout}
    origin = Origin("wat", "a.wat", 10, 20, "2024-05-18T01:58:10Z", "a.warc", 30)
    batch.add(page("http://a.test/", first, bare, **about), origin)
    batch.add(page("http://b.test/"), Origin("wat", "a.wat"))
    batch.add(page("http://c.test/", first), Origin("wat", "a.wat"), "optout")
    rows = batch.table().to_pylist()
    assert [row["page_url"] for row in rows] == ["http://a.test/", "http://a.test/", "http://c.test/"]
    assert [row["reason"] for row in rows] == [None, "no_source", "optout"]
    assert {name: value for name, value in rows[0].items() if value is not None} == {
        "url": "http://a.test/1.jpg",
        "alt_text": "one",
        "text_source": "alt",
        "image_source": "src",
        "link_url": "http://a.test/l",
        "position": 0,
        "width": 640,
        "page_url": "http://a.test/",
        "page_title": "A",
        "page_language": "en",
        "licence": "http://l.test/",
        "licence_scope": "link",
        "optout": ["noai|robots|noai"],
        "found_at": datetime(2024, 5, 18, 1, 58, 10, tzinfo=UTC),
        "source_kind": "wat",
        "source_file": "a.wat",
        "record_offset": 10,
        "record_length": 20,
        "warc_file": "a.warc",
        "warc_offset": 30,
    }


def test_dates_that_are_none() -> None:
    assert time_of("2024-05-18T03:58:10+02:00") == datetime(2024, 5, 18, 1, 58, 10, tzinfo=UTC)
    assert [time_of(said) for said in ("", "yesterday", "99999-01-01", "2024-13-01")] == [None] * 4
