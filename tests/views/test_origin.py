from __future__ import annotations

from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.corpora import Built
from vlcorpus.corpus import Corpus, write_json
from vlcorpus.io import table
from vlcorpus.views.origin import lines, page_of


def plainly(corpus: Corpus, found: dict[str, Any]) -> dict[str, Any] | None:
    """The first page of that URL, by reading all of all parts."""
    layer = corpus.layer(f"sources/{found['source']}")
    for part in layer.units():
        for row in table.rows(layer.path(f"pages/{part}.parquet"), "pages"):
            if row["url"] == found["page_url"]:
                return {name: value for name, value in row.items() if name != "links"}
    return None


def pairs(corpus: Corpus) -> list[dict[str, Any]]:
    layer = corpus.layer("candidates")
    return [row for unit in layer.units() for row in table.rows(layer.path(f"{unit}.parquet"), "candidates")]


def test_pages_are_those_that_a_plain_search_finds(small_corpus: Built) -> None:
    corpus = small_corpus.corpus
    found = pairs(corpus)
    assert len({row["source_file"] for row in found}) >= 1 and all(row["source_kind"] == "live" for row in found)
    for row in found:
        page = page_of(corpus, row)
        assert page is not None and page == plainly(corpus, row)
        assert page["record_offset"] == row["record_offset"]


@pytest.mark.parametrize("change", [{"source_file": None, "record_offset": None}, {"source_file": "elsewhere.warc"},
                                    {"source_file": "../../x/warc/00000.warc.gz"}, {"record_offset": 1}])  # fmt: skip
def test_a_pair_that_does_not_name_its_file_has_its_page_all_the_same(
    small_corpus: Built, change: dict[str, Any]
) -> None:
    corpus = small_corpus.corpus
    for row in pairs(corpus)[:20]:
        assert page_of(corpus, row | change) == plainly(corpus, row)


def test_only_the_part_that_the_pair_names_is_opened(own_corpus: Built) -> None:
    corpus = own_corpus.corpus
    row = pairs(corpus)[-1]
    layer = corpus.layer(f"sources/{row['source']}")
    part = row["source_file"].rpartition("/")[2].partition(".")[0]
    broken = corpus.layer(layer.name).path("pages/99999.parquet")
    broken.write_bytes(b"no table")
    stats = layer.stats(part)
    assert stats is not None
    for name in ("-1", "99999"):
        write_json(layer.path(f"{name}.json"), stats)
    assert page_of(corpus, row) == plainly(corpus, row) is not None


def test_of_two_visits_the_one_that_the_pair_names(own_corpus: Built) -> None:
    corpus = own_corpus.corpus
    row = pairs(corpus)[0]
    part = row["source_file"].rpartition("/")[2].partition(".")[0]
    path = corpus.layer(f"sources/{row['source']}").path(f"pages/{part}.parquet")
    visits = pq.read_table(path)
    place = visits.column("url").to_pylist().index(row["page_url"])
    again = visits.slice(place, 1)
    offset = visits.schema.get_field_index("record_offset")
    again = again.set_column(offset, visits.schema.field(offset), [[10**6]])
    both = again.from_batches([*again.to_batches(), *visits.to_batches()])
    pq.write_table(both, path)
    for wanted in (10**6, row["record_offset"]):
        page = page_of(corpus, row | {"record_offset": wanted})
        assert page is not None and page["record_offset"] == wanted


def test_a_pair_without_page_or_crawl_has_none(small_corpus: Built) -> None:
    row = pairs(small_corpus.corpus)[0]
    assert page_of(small_corpus.corpus, row | {"page_url": None}) is None
    assert page_of(small_corpus.corpus, row | {"page_url": "http://elsewhere.test/"}) is None
    assert page_of(small_corpus.corpus, row | {"source": "import-0"}) is None


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({}, ()),
        ({"text_source": "figcaption", "image_source": "srcset", "position": 0, "width": 64},
         ("words from figcaption, image from srcset, image element 0 of its page, from 0, declared 64x? px",)),
        ({"language": "de", "language_score": 0.987, "language_reliable": False, "language_split": "multi"},
         ("language de 0.99, not reliable, split multi",)),
        ({"language": "de"}, ("language de",)),
        ({"language_split": "nolang"}, ("language not told, split nolang",)),
        ({"source_file": "list.csv", "source_kind": "list", "record_offset": 7}, ("in list file list.csv, row 7",)),
        ({"source_file": "a.wat.gz", "source_kind": "wat", "record_offset": 0, "record_length": 12,
          "warc_file": "a.warc.gz", "warc_offset": 3},
         ("in wat file a.wat.gz, record at byte 0, 12 bytes", "its page is in WARC file a.warc.gz, record at byte 3")),
        ({"source_file": "a.warc", "source_kind": None, "warc_file": "b.warc"},
         ("in file a.warc", "its page is in WARC file b.warc")),
    ],
)  # fmt: skip
def test_where_a_pair_was_found_in_words(row: dict[str, Any], said: tuple[str, ...]) -> None:
    assert lines(row) == said
