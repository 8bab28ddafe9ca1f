"""Exports over HTTP: what a ticket gives is what the selection is."""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import webdataset

from tests.corpora import Built, copy, do
from tests.serve.live import Live
from vlcorpus.corpus import Corpus
from vlcorpus.serve import exports
from vlcorpus.stages.takedown import Takedown
from vlcorpus.views.collection import open_collection
from vlcorpus.views.corpus_collection import CorpusCollection


@pytest.fixture(scope="module")
def collection(small_corpus: Built) -> CorpusCollection:
    found = open_collection(small_corpus.corpus.path)
    assert isinstance(found, CorpusCollection)
    return found


@pytest.fixture(scope="module")
def query(server: Live, collection: CorpusCollection) -> tuple[str, np.ndarray]:
    """The id of a query by a vector, and the similarity of every row to it."""
    vector = np.random.default_rng(3).normal(size=collection.dimension)
    vector /= np.linalg.norm(vector)
    found = server.search(terms=[{"weight": 1, "kind": "vector", "value": vector.tolist()}], k=1)
    return found["query"], collection.searcher("image").scores(vector.astype(np.float32))


def issue(server: Live, **asked: Any) -> dict[str, Any]:
    found = server.post("/api/export", asked)
    assert found.status == 200, found.body
    told: dict[str, Any] = found.json
    return told


def fetched(server: Live, **asked: Any) -> bytes:
    told = issue(server, **asked)
    found = server.ask("GET", f"/api/export/{told['ticket']}")
    assert found.status == 200, found.body
    return found.body


def uids(collection: CorpusCollection, rows: Any) -> list[str]:
    return [str(pair.uid) for pair in collection.pairs(list(rows))]


def test_all_above_a_similarity(server: Live, collection: CorpusCollection, query: tuple[str, np.ndarray]) -> None:
    id, scores = query
    floor = float(np.sort(scores)[-20])
    expected = uids(collection, np.flatnonzero(scores >= np.float32(floor)))
    assert fetched(server, format="uids", query=id, min_sim=floor).decode().split() == expected
    told = issue(server, format="uids", query=id, min_sim=floor)
    assert (told["rows"], told["bytes_estimate"]) == (len(expected), 33 * len(expected))
    most = uids(collection, np.sort(np.argsort(-scores, kind="stable")[:5]))
    assert fetched(server, format="uids", query=id, most=5).decode().split() == most


def test_a_filter_alone_and_beside_a_query(
    server: Live, collection: CorpusCollection, query: tuple[str, np.ndarray]
) -> None:
    id, scores = query
    mask = collection.mask("length(caption) <= 40")
    assert 0 < np.count_nonzero(mask) < collection.rows
    found = fetched(server, format="uids", where="length(caption) <= 40").decode().split()
    assert found == uids(collection, np.flatnonzero(mask))
    found = fetched(server, format="uids", where="length(caption) <= 40", query=id, min_sim=0).decode().split()
    assert found == uids(collection, np.flatnonzero(mask & (scores >= 0)))


def test_each_format_holds_the_same_pairs(
    server: Live, collection: CorpusCollection, query: tuple[str, np.ndarray], tmp_path: Path
) -> None:
    id, scores = query
    rows = np.sort(np.argsort(-scores, kind="stable")[:12])
    expected, near = uids(collection, rows), scores[rows].tolist()
    lines = [json.loads(line) for line in fetched(server, format="jsonl", query=id, most=12).splitlines()]
    assert [(line["uid"], line["query_similarity"]) for line in lines] == list(zip(expected, near, strict=True))
    read = pq.read_table(pa.BufferReader(fetched(server, format="parquet", query=id, most=12)))
    assert read.column("uid").to_pylist() == expected and read.column("query_similarity").to_pylist() == near
    (tmp_path / "x.tar").write_bytes(fetched(server, format="webdataset", query=id, most=12))
    samples = list(webdataset.WebDataset(str(tmp_path / "x.tar"), shardshuffle=False))
    assert [json.loads(sample["json"])["uid"] for sample in samples] == expected
    assert [sample["jpg"] for sample in samples] == [collection.picture(int(row)) for row in rows]


def test_pairs_by_uid_or_row(server: Live, collection: CorpusCollection) -> None:
    named = uids(collection, [5, 2, 9])
    assert sorted(fetched(server, format="uids", uids=named).decode().split()) == sorted(named)
    assert fetched(server, format="uids", rows=[9, 2, 5, 5]).decode().split() == uids(collection, [2, 5, 9])
    assert fetched(server, format="uids", uids=[]) == b""


def test_a_ticket_is_an_attachment_with_a_safe_name_and_works_again(server: Live) -> None:
    told = issue(server, format="webdataset", rows=[1, 2])
    first = server.ask("GET", f"/api/export/{told['ticket']}")
    assert first.status == 200 and first.headers["content-type"] == "application/x-tar"
    said = first.headers["content-disposition"]
    assert re.fullmatch(r'attachment; filename="[A-Za-z0-9-]{1,49}\.tar"', said) and told["name"] in said
    assert first.headers["cache-control"] == "no-store" and first.headers["x-content-type-options"] == "nosniff"
    assert server.ask("GET", f"/api/export/{told['ticket']}").body == first.body
    assert issue(server, format="webdataset", rows=[1, 2])["ticket"] != told["ticket"]


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({}, 400),
        ({"format": "zip", "rows": []}, 400),
        ({"format": "uids"}, 400),
        ({"format": "uids", "rows": [1], "uids": []}, 400),
        ({"format": "uids", "rows": [1], "where": "width > 3"}, 400),
        ({"format": "uids", "rows": [-1]}, 400),
        ({"format": "uids", "rows": [10**9]}, 400),
        ({"format": "uids", "rows": [10**30]}, 400),
        ({"format": "uids", "rows": [1.5]}, 400),
        ({"format": "uids", "uids": ["x"]}, 400),
        ({"format": "uids", "uids": ["0" * 32]}, 404),
        ({"format": "uids", "uids": ["0" * 32] * 20_001}, 400),
        ({"format": "uids", "query": "0" * 32}, 404),
        ({"format": "uids", "where": "width >"}, 400),
        ({"format": "uids", "where": ""}, 400),
        ({"format": "uids", "where": "width > 3", "min_sim": 0.5}, 400),
        ({"format": "uids", "where": "width > 3", "min_sim": 7}, 400),
        ({"format": "uids", "rows": [1], "path": "/etc/passwd"}, 400),
        ({"format": ["uids"], "rows": [1]}, 400),
        ([], 400),
    ],
)
def test_what_is_no_selection_is_refused(server: Live, asked: Any, status: int) -> None:
    found = server.post("/api/export", asked)
    assert found.status == status, found.body
    assert found.json.keys() == {"error", "hint"} and len(found.body) < 2_000


@pytest.mark.parametrize("ticket", ["nothing", "..", "x" * 5_000, "%00", "%2e%2e%2fx"])
def test_a_ticket_that_was_never_issued(server: Live, ticket: str) -> None:
    assert server.ask("GET", f"/api/export/{ticket}").status in (404, 414)


@pytest.fixture(scope="module")
def own(small_corpus: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Live, Corpus]]:
    built = copy(small_corpus, tmp_path_factory.mktemp("own"))
    with Live(built.corpus.path) as live:
        yield live, built.corpus


def test_what_is_taken_down_after_the_ticket_is_not_sent(own: tuple[Live, Corpus]) -> None:
    server, corpus = own
    collection = open_collection(corpus.path)
    told = issue(server, format="webdataset", rows=list(range(10)))
    gone = [str(pair.uid) for pair in collection.pairs([4])]
    do(corpus.path, [Takedown(lists=tuple(gone))])
    with tarfile.open(fileobj=io.BytesIO(server.ask("GET", f"/api/export/{told['ticket']}").body)) as read:
        found = [json.load(read.extractfile(each))["uid"] for each in read if each.name.endswith(".json")]  # type: ignore[arg-type]
    assert len(found) == 9 and not set(found) & set(gone)


def test_a_damaged_shard_breaks_the_answer_off(own: tuple[Live, Corpus]) -> None:
    """The head is sent by then; what is sent must not look like a whole file."""
    server, corpus = own
    with (corpus.path / "shards/00001.tar").open("r+b") as file:
        file.truncate(700)
    told = issue(server, format="webdataset", where="width > 0")
    try:
        body = server.ask("GET", f"/api/export/{told['ticket']}").body
    except Exception as error:
        assert "IncompleteRead" in type(error).__name__
    else:
        with pytest.raises(tarfile.ReadError), tarfile.open(fileobj=io.BytesIO(body)) as read:
            read.getnames()
    assert server.get("/api/about")


def test_tickets_are_so_many_and_grow_old(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = exports.Exports()
    nothing: Any = None
    tickets = [kept.issue(lambda: nothing, "uids") for _ in range(exports.MOST_TICKETS + 1)]
    assert kept.find(tickets[-1].id) is tickets[-1] and len({each.id for each in tickets}) == len(tickets)
    with pytest.raises(exports.Refusal) as caught:
        kept.find(tickets[0].id)
    assert caught.value.status == 404
    monkeypatch.setattr(exports, "SECONDS", -1.0)
    with pytest.raises(exports.Refusal) as caught:
        kept.find(tickets[-1].id)
    assert caught.value.status == 410


@pytest.mark.parametrize("name", ["birds", '"; filename="x.exe', "../../etc", "日本", "a\r\nSet-Cookie: b", ""])
def test_file_names_are_of_letters_and_dashes(name: str) -> None:
    nothing: Any = None
    ticket = exports.Exports().issue(lambda: nothing, "jsonl")
    assert re.fullmatch(r"[A-Za-z0-9-]{1,49}\.jsonl", ticket.file_name(name))
