"""Layers, tables and decisions over HTTP, compared with what the views say of the same corpus."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.corpora import Built, copy
from tests.serve.live import Live
from vlcorpus.corpus import Corpus
from vlcorpus.io import table
from vlcorpus.views import status
from vlcorpus.views.collection import open_collection
from vlcorpus.views.decided import decided
from vlcorpus.views.facets import Wanted, chosen


@pytest.fixture(scope="module")
def corpus(small_corpus: Built) -> Corpus:
    return small_corpus.corpus


@pytest.fixture(scope="module")
def own(small_corpus: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Live, Path]]:
    """A server over a corpus that may be damaged while it is served."""
    built = copy(small_corpus, tmp_path_factory.mktemp("own"))
    with Live(built.corpus.path) as live:
        yield live, built.corpus.path


def at(address: str, /, **asked: Any) -> str:
    return f"{address}?{urlencode(asked)}"


def refused(server: Live, path: str, status: int) -> dict[str, Any]:
    found = server.ask("GET", path)
    assert found.status == status, found.body
    told: dict[str, Any] = found.json
    assert told.keys() == {"error", "hint"} and "Traceback" not in told["error"]
    return told


def test_layers_are_those_of_status(server: Live, corpus: Corpus) -> None:
    found = server.get("/api/layers")
    told = status.status(corpus).layers
    assert [(each["layer"], each["units"], each["seen"], each["kept"], each["rejected"]) for each in found] == [
        (each.name, each.units, each.seen, each.kept, each.rejected) for each in told
    ]
    assert found == server.get("/api/layers")
    for each in found:
        for listed in each["tables"]:
            page = server.get(at("/api/table", path=listed["path"], limit=1))
            assert (page["rows"], page["table"], page["meaning"]) == (
                listed["rows"], listed["table"], listed["meaning"],
            )  # fmt: skip


def test_a_page_of_a_table(server: Live, corpus: Corpus) -> None:
    layer = corpus.layer("shards")
    every = [row for shard in layer.units() for row in table.rows(layer.path(f"{shard}.parquet"), "shards")]
    found = server.get(at("/api/table", path="shards", offset=28, limit=5))
    assert [row["uid"] for row in found["head"]] == [row["uid"] for row in every[28:33]]
    assert found["numbers"] == list(range(28, 33)) and found["rows"] == found["counted"] == len(every)
    assert (found["offset"], found["matched"], found["files"]) == (28, None, 4)
    columns = {each["name"]: each for each in found["columns"]}
    assert columns["width"]["meaning"] and columns["width"]["unit"] == "px"
    assert columns["url"]["nulls"] == sum(row["url"] is None for row in every)
    assert server.get(at("/api/table", path="shards", offset=10**12))["head"] == []


def test_rows_that_a_condition_keeps(server: Live, corpus: Corpus) -> None:
    where = 'status != "success"'
    layer = corpus.layer("shards")
    every = [row for shard in layer.units() for row in table.rows(layer.path(f"{shard}.parquet"), "shards")]
    expected = [number for number, row in enumerate(every) if row["status"] != "success"]
    found = server.get(at("/api/table", path="shards", where=where, offset=2, limit=4))
    assert found["numbers"] == expected[2:6] and found["matched"] == len(expected)
    assert [row["reason"] for row in found["head"]] == [every[number]["reason"] for number in expected[2:6]]
    assert found["scanned"] == found["rows"]


def test_bytes_are_hex_and_great_numbers_whole(server: Live) -> None:
    found = server.get(at("/api/table", path="scores/phash", limit=500))
    assert all(len(row["uid"]) == 32 and int(row["phash"]) < 2**64 for row in found["head"])
    assert any(isinstance(row["phash"], str) for row in found["head"])


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("", 400), ("..", 400), ("../trusted", 400), ("/etc/passwd", 400), ("shards/00000.tar", 404), ("nowhere", 404),
        ("corpus.yaml", 404), ("\0", 404), ("x" * 2_000, 400),
    ],
)  # fmt: skip
def test_paths_that_name_no_table_are_refused(server: Live, corpus: Corpus, path: str, status: int) -> None:
    told = refused(server, at("/api/table", path=path), status)
    assert str(corpus.path) not in json.dumps(told)


@pytest.mark.parametrize(
    "asked",
    [
        {"offset": "-1"}, {"limit": "501"}, {"limit": "1e3"}, {"offset": "9" * 30}, {"limit": "٣"}, {"offset": ""},
        {"where": "widht > 3"}, {"where": "width >"}, {"where": "(" * 1_000}, {"where": "x" * 3_000},
        {"where": '__import__("os")'},
    ],
)  # fmt: skip
def test_wrong_questions_of_a_table_are_refused(server: Live, asked: dict[str, str]) -> None:
    refused(server, at("/api/table", path="shards", **asked), 400)


def test_a_decision_is_told_with_its_facets(server: Live, corpus: Corpus) -> None:
    told = decided(corpus, "filtered")
    found = server.get("/api/decision/filtered?limit=200")
    assert (found["seen"], found["kept"], found["total"], found["of"]) == (told.seen, told.kept, told.seen, "images")
    assert found["predicates"] == [vars(rule) for rule in told.rules]
    assert [row["uid"] for row in found["rows"]] == [pair.uid for pair in open_collection(corpus.path).pairs(
        range(told.seen)
    )]  # fmt: skip
    assert [row["row"] for row in found["rows"]] == list(range(told.seen))
    assert sum(count for _, count, _ in found["facets"]["domain"]) + found["others"]["domain"] == told.seen
    for verdict in ("kept", "dropped"):
        for label, count, value in found["facets"]["language"]:
            assert label == value and count
            page = server.get(at("/api/decision/filtered", verdict=verdict, language=value, limit=3))
            wanted = chosen(told, Wanted(verdict, language=value))  # type: ignore[arg-type]
            assert page["total"] == len(wanted) and len(page["rows"]) == min(3, len(wanted))
            assert all(row["keep"] == (verdict == "kept") for row in page["rows"])
    says, count, number = found["facets"]["reason"][0]
    assert (says, number) == (told.rules[0].says, "0") and count == told.rules[0].failed
    page = server.get(at("/api/decision/filtered", reason=number, offset=1, limit=2))
    assert page["total"] == count and all(row["failed"] == [0] for row in page["rows"])


@pytest.mark.parametrize(
    "asked",
    [
        {"verdict": "maybe"}, {"reason": "7"}, {"reason": "nothing"}, {"limit": "201"}, {"offset": "x"},
        {"domain": "x" * 400},
    ],
)  # fmt: skip
def test_wrong_questions_of_a_decision_are_refused(server: Live, asked: dict[str, str]) -> None:
    refused(server, at("/api/decision/filtered", **asked), 400)


@pytest.mark.parametrize("name", ["nowhere", "..", "%2e%2e%2fshards", ".", "x" * 300, "filtered%00"])
def test_decisions_that_are_not_there(server: Live, name: str) -> None:
    assert server.ask("GET", f"/api/decision/{name}").status == 404


def test_empty_filters_filter_nothing(server: Live) -> None:
    every = server.get("/api/decision/filtered")
    assert server.get("/api/decision/filtered?verdict=&reason=&language=&domain=") == every


def test_what_is_committed_anew_is_told_anew(own: tuple[Live, Path]) -> None:
    server, path = own
    before = server.get("/api/decision/random")
    assert server.get("/api/decision/random") == before
    layer = Corpus.open(path).layer("decisions/random")
    for shard in (*layer.units(), "all"):
        stats = layer.path(layer.marker(shard))
        stats.write_text(stats.read_text().replace('"kept"', '"kept" '))
    assert server.get("/api/decision/random") == before
    found = server.get(at("/api/table", path="splits/default/00000.parquet"))
    written = pq.read_table(path / "splits/default/00000.parquet")
    pq.write_table(written.slice(0, 3), path / "splits/default/00000.parquet")
    again = server.get(at("/api/table", path="splits/default/00000.parquet"))
    assert found["rows"] == len(written) and again["rows"] == again["counted"] == 3


@pytest.mark.parametrize(
    "body",
    [b"", b"PAR1", b"PAR1" * 3, b"\x00" * 4_000, b"PAR1" + b"\xff" * 100 + b"\xff\xff\xff\x7fPAR1"],
    ids=["empty", "mark", "marks", "zeros", "length"],
)
def test_hostile_files_are_errors_and_the_server_goes_on(own: tuple[Live, Path], body: bytes) -> None:
    server, path = own
    (path / "hostile").mkdir(exist_ok=True)
    (path / "hostile/x.parquet").write_bytes(body)
    told = refused(server, at("/api/table", path="hostile/x.parquet"), 400)
    assert str(path) not in json.dumps(told)
    assert server.get("/api/layers")


def test_hostile_names_and_values_are_json(own: tuple[Live, Path]) -> None:
    server, path = own
    (path / "strange").mkdir(exist_ok=True)
    text = '</script><script>alert(1)</script>\u202e\x00"\ud7ff'
    pq.write_table(pa.table({text: [text, None], "n": [float("nan"), 2.0**70]}), path / "strange/x.parquet")
    answer = server.ask("GET", at("/api/table", path="strange"))
    assert answer.status == 200 and answer.body.isascii()
    assert answer.headers["content-type"] == "application/json"
    assert answer.json["head"] == [{text: text, "n": None}, {text: None, "n": 2.0**70}]
    (path / "strange" / 'a"<b>\n.parquet').write_bytes(b"")
    assert refused(server, at("/api/table", path='strange/a"<b>\n.parquet'), 400)
    assert refused(server, "/api/table?path=" + quote("strange/\udcff.parquet", errors="surrogateescape"), 404)


def test_links_out_of_the_corpus_are_refused(own: tuple[Live, Path], tmp_path: Path) -> None:
    server, path = own
    pq.write_table(pa.table({"secret": [1]}), tmp_path / "s.parquet")
    (path / "leads").symlink_to(tmp_path)
    for asked in ("leads", "leads/s.parquet"):
        told = refused(server, at("/api/table", path=asked), 404)
        assert "secret" not in json.dumps(told)
