"""The API, as the page asks it, compared with what plain code over the stored rows says."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.shell import COMMAND, environment
from tests.corpora import Built, copy, do, embedded
from tests.serve.live import Live
from vlcorpus import __version__
from vlcorpus.corpus import Corpus
from vlcorpus.images.decode import Decoded, decode
from vlcorpus.images.encode import encode
from vlcorpus.io import table, tar
from vlcorpus.stages.takedown import Takedown
from vlcorpus.views.collection import open_collection

STEP = 0.002


@pytest.fixture(scope="module")
def corpus(small_corpus: Built) -> Corpus:
    return small_corpus.corpus


@pytest.fixture(scope="module")
def stored(corpus: Corpus) -> tuple[np.ndarray, np.ndarray, list[str]]:
    return embedded(corpus)


def unit(row: np.ndarray) -> np.ndarray:
    return row / np.linalg.norm(row)


def picture(corpus: Corpus, shard: str = "00001") -> tuple[str, bytes]:
    """The uid and the stored bytes of a shard's first picture."""
    sample = next(tar.read_samples(corpus.layer("shards").path(f"{shard}.tar")))
    return json.loads(sample.members["json"])["uid"], sample.members["jpg"]


def test_about_tells_what_there_is(server: Live, corpus: Corpus, stored: Any) -> None:
    found = server.get("/api/about")
    assert (found["name"], found["rows"], found["version"]) == (corpus.name, len(stored[2]), __version__)
    assert found["model"] == corpus.layers("embeddings")[0] and found["sides"] == ["image", "text"]
    assert found["can"] == {"text": True, "image": True, "pictures": True, "url_queries": False, "pairs": True}
    assert found["columns"]["similarity"] == "float32" and found["limits"]["k"] == 10_000
    layers = {each["name"]: each for each in found["layers"]}
    shards = corpus.layer("shards")
    kept = [shards.stats(unit)["kept"] for unit in shards.units()]  # type: ignore[index]
    assert layers["shards"] == {
        "name": "shards",
        "units": len(kept),
        "seen": layers["candidates"]["kept"],
        "kept": sum(kept),
    }
    assert set(found["decisions"]) == set(corpus.layers("decisions"))
    assert found["duplicates"] == list(corpus.layers("duplicates"))


@pytest.mark.parametrize("side", ["image", "text"])
def test_a_vector_finds_what_a_full_comparison_finds(server: Live, stored: Any, side: str) -> None:
    images, texts, uids = stored
    rows = images if side == "image" else texts
    query = unit(images[3] + 0.5 * texts[20])
    order = sorted(range(len(uids)), key=lambda row: (-np.float32(rows[row] @ query), row))[:9]
    terms = [{"kind": "vector", "value": (7 * query).tolist()}]
    found = server.search(terms=terms, side=side, k=9, folded=False)
    assert [hit["row"] for hit in found["hits"]] == order
    assert [hit["uid"] for hit in found["hits"]] == [uids[row] for row in order]
    assert [hit["rank"] for hit in found["hits"]] == list(range(1, 10))
    assert np.allclose([hit["similarity"] for hit in found["hits"]], rows[order] @ query, atol=1e-6)
    assert found["more"] and found["rows"] == len(uids)


def test_words_find_what_the_command_finds(server: Live, corpus: Corpus) -> None:
    query = '+"a red circle" -0.5*"a blue square"'
    command = [*COMMAND, "search", str(corpus.path), query, "-k", "5", "--json"]
    said = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True).stdout
    found = server.search(query=query, k=5)
    told = [(hit["uid"], round(hit["similarity"], 5)) for hit in json.loads(said)["hits"]]
    assert [(hit["uid"], round(hit["similarity"], 5)) for hit in found["hits"]] == told


def test_terms_add_up_to_what_the_query_says(server: Live, stored: Any) -> None:
    typed = server.search(query=f'+"a red circle" -0.5*uid:{stored[2][4]}', k=6)
    terms = [
        {"kind": "text", "value": "a red circle"},
        {"kind": "uid", "value": stored[2][4], "weight": -0.5},
    ]
    listed = server.search(terms=terms, k=6)
    both = server.search(query='+"a red circle"', terms=terms[1:], k=6)
    assert typed["hits"] == listed["hits"] == both["hits"]
    assert typed["query"] == listed["query"] == both["query"]


def test_a_pair_does_not_find_itself_alone(server: Live, stored: Any) -> None:
    uid = stored[2][5]
    alone = server.search(query=f"uid:{uid}", k=200, folded=False)
    assert len(alone["hits"]) == len(stored[2]) - 1 and uid not in [hit["uid"] for hit in alone["hits"]]
    assert not alone["more"]


def test_pages_of_a_search_are_one_search(server: Live) -> None:
    whole = server.search(query="two squares", k=12)["hits"]
    parts = [server.search(query="two squares", k=4, offset=offset)["hits"] for offset in (0, 4, 8)]
    # Of copies those are told that it came upon, and for a later page it looks further.
    assert [hit | {"copies": None} for part in parts for hit in part] == [hit | {"copies": None} for hit in whole]
    assert parts[2] == whole[8:]


def middling(corpus: Corpus) -> str:
    """A condition that about half of all rows pass."""
    collection = open_collection(corpus.path)
    values = [pair.more["similarity"] for pair in collection.pairs(range(collection.rows), ["similarity"])]
    return f"similarity >= {sorted(values)[len(values) // 2]:.6f}"


def test_a_filter_and_a_floor_hold_for_every_hit(server: Live, corpus: Corpus) -> None:
    where = middling(corpus)
    mask = open_collection(corpus.path).mask(where)
    every = server.search(query="two squares", k=500, folded=False)["hits"]
    floor = every[len(every) // 2]["similarity"]
    found = server.search(query="two squares", where=where, min_sim=floor, k=500, folded=False)
    wanted = [hit["row"] for hit in every if mask[hit["row"]] and hit["similarity"] >= floor]
    assert [hit["row"] for hit in found["hits"]] == wanted and 0 < len(wanted) < len(every) // 2


def test_folded_hits_and_their_copies_are_all_hits(server: Live) -> None:
    plain = server.search(query="a circle", k=500, folded=False)["hits"]
    folded = server.search(query="a circle", k=500, nearness=0.5)["hits"]
    assert len(folded) < len(plain)
    rows = [hit["row"] for hit in folded] + [copy["row"] for hit in folded for copy in hit["copies"]]
    assert sorted(rows) == sorted(hit["row"] for hit in plain)


def test_the_histogram_counts_every_row(server: Live, stored: Any) -> None:
    images = stored[0]
    query = unit(images[0] + images[9])
    id = server.search(terms=[{"kind": "vector", "value": query.tolist()}], k=1)["query"]
    found = server.post("/api/histogram", {"query": id}).json
    places = np.floor((np.float32(images @ query).astype(np.float64) + 1) / STEP).astype(int).clip(0, 999)
    assert found["edges"] == [-1, STEP] and len(found["counts"]) == 1000
    assert found["counts"] == np.bincount(places, minlength=1000).tolist()
    assert (found["rows"], found["excluded"]) == (len(images), 0)


def test_the_histogram_knows_side_filter_and_what_was_left_out(server: Live, corpus: Corpus, stored: Any) -> None:
    id = server.search(query=f"uid:{stored[2][7]}", k=1)["query"]
    where = middling(corpus)
    mask = open_collection(corpus.path).mask(where)
    mask[7] = False
    assert 0 < mask.sum() < len(mask)
    found = server.post("/api/histogram", {"query": id, "where": where, "side": "text"}).json
    scores = np.float32(stored[1] @ unit(stored[0][7]))[mask]
    places = np.floor((scores.astype(np.float64) + 1) / STEP).astype(int).clip(0, 999)
    assert found["counts"] == np.bincount(places, minlength=1000).tolist()
    assert (found["rows"], found["excluded"]) == (int(mask.sum()), 1)


def test_the_histogram_agrees_with_the_floor(server: Live) -> None:
    first = server.search(query="a green triangle", k=500, folded=False)
    counts = server.post("/api/histogram", {"query": first["query"]}).json["counts"]
    above = server.search(query="a green triangle", k=500, folded=False, min_sim=0.1)
    assert len(above["hits"]) == sum(counts[round((0.1 + 1) / STEP) :])


def test_an_upload_finds_its_own_pair(server: Live, corpus: Corpus) -> None:
    uid, body = picture(corpus)
    sent = server.ask("POST", "/api/upload", body, {"Content-Type": "image/jpeg"}).json
    shape = decode(body)
    assert isinstance(shape, Decoded) and (sent["width"], sent["height"]) == (shape.width, shape.height)
    hit = server.search(terms=[{"kind": "upload", "value": sent["upload"]}], k=1)["hits"][0]
    assert hit["uid"] == uid and hit["similarity"] == pytest.approx(1, abs=2e-3)
    typed = server.search(query=f"upload:{sent['upload']}", k=1)["hits"][0]
    assert typed == hit


@pytest.mark.parametrize("format", ["png", "webp"])
def test_uploads_of_other_kinds_are_the_same_picture(server: Live, corpus: Corpus, format: Any) -> None:
    uid, body = picture(corpus)
    shape = decode(body)
    assert isinstance(shape, Decoded)
    again = encode(shape.rgb, format=format, quality=101 if format == "webp" else 3)
    headers = {"Content-Type": "application/octet-stream"}
    sent = server.ask("POST", "/api/upload", again, headers).json
    hit = server.search(terms=[{"kind": "upload", "value": sent["upload"]}], k=1)["hits"][0]
    assert hit["uid"] == uid and hit["similarity"] == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("row", [0, 40])
def test_pictures_come_by_row_drawn_anew(server: Live, corpus: Corpus, row: int) -> None:
    collection = open_collection(corpus.path)
    original = collection.picture(row)
    assert original is not None
    found = server.ask("GET", f"/api/picture/{row}?side=512")
    assert found.status == 200 and found.headers["content-type"] == "image/jpeg"
    ours, theirs = decode(found.body), decode(original)
    assert isinstance(ours, Decoded) and isinstance(theirs, Decoded) and found.body != original
    assert ours.rgb.shape == theirs.rgb.shape
    assert np.abs(ours.rgb.astype(int) - theirs.rgb).mean() < 12


def test_a_picture_is_told_once_to_who_has_it(server: Live) -> None:
    first = server.ask("GET", "/api/picture/3")
    again = server.ask("GET", "/api/picture/3", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status, again.body) == (304, b"") and "private" in again.headers["cache-control"]


@pytest.mark.parametrize("path", ["99999999", "-1", "a", "1e3", "0x1", "%2e%2e", "1/../2", "9" * 40, "٣"])
def test_rows_that_are_none_have_no_picture(server: Live, path: str) -> None:
    from urllib.parse import quote

    assert server.ask("GET", f"/api/picture/{quote(path, safe='%/')}").status == 404


def test_a_pair_is_told_as_show_tells_it(server: Live, corpus: Corpus, stored: Any) -> None:
    uid = stored[2][11]
    command = [*COMMAND, "show", str(corpus.path), uid, "--json"]
    said = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True).stdout
    found = server.get(f"/api/pair/{uid}")
    assert found.pop("row") == 11
    assert isinstance(found["scores"]["phash"], str)
    assert found == as_told(json.loads(said))


def as_told(value: Any) -> Any:
    """With whole numbers that a browser cannot hold as text."""
    if isinstance(value, dict):
        return {name: as_told(each) for name, each in value.items()}
    if isinstance(value, list):
        return [as_told(each) for each in value]
    return str(value) if type(value) is int and abs(value) >= 2**53 else value


def test_a_pair_without_an_embedding_is_told_without_a_row(server: Live, corpus: Corpus) -> None:
    rows = table.rows(corpus.layer("shards").path("00000.parquet"), "shards")
    failed = next(row for row in rows if row["status"] != "success")
    found = server.get(f"/api/pair/{failed['uid']}")
    assert found["row"] is None and found["fetched"]["reason"] == failed["reason"]


@pytest.fixture(scope="module")
def no_torch(small_corpus: Built) -> Iterator[Live]:
    with Live(small_corpus.corpus.path) as live:
        yield live


def test_torch_is_not_loaded_before_the_first_words(no_torch: Live, stored: Any) -> None:
    def loaded() -> bool:
        with open(f"/proc/{no_torch.child.pid}/maps") as maps:
            return any("/torch/" in line for line in maps)

    assert no_torch.get("/api/about")["can"]["text"]
    found = no_torch.search(query=f"uid:{stored[2][0]}", k=5)
    no_torch.post("/api/histogram", {"query": found["query"], "where": "similarity > 0"})
    no_torch.search(terms=[{"kind": "vector", "value": stored[0][1].tolist()}], k=5)
    assert no_torch.ask("GET", "/api/picture/0").status == 200
    assert not loaded()
    no_torch.search(query="a circle", k=5)
    assert loaded()


def test_what_is_taken_down_while_it_runs_is_told_no_more(small_corpus: Built, tmp_path: Path, stored: Any) -> None:
    own, uid = copy(small_corpus, tmp_path), stored[2][6]
    with Live(own.corpus.path) as live:
        vector = [{"kind": "vector", "value": stored[0][6].tolist()}]
        before = live.search(terms=vector, k=500, folded=False)
        assert before["hits"][0]["uid"] == uid and live.ask("GET", "/api/picture/6").status == 200
        assert live.get(f"/api/pair/{uid}")["row"] == 6
        do(own.corpus.path, [Takedown(lists=(uid,), named="today").located()])
        after = live.search(terms=vector, k=500, folded=False)
        assert [hit["row"] for hit in after["hits"]] == [hit["row"] for hit in before["hits"][1:]]
        assert live.ask("GET", "/api/picture/6").status == 410
        assert live.ask("GET", f"/api/pair/{uid}").status == 410
        assert live.post("/metadata", {"ids": [5, 6]}).json[0]["id"] == 5
        assert len(live.post("/metadata", {"ids": [5, 6]}).json) == 1
        marker = own.corpus.layer("takedowns/today").path("all_stats.json")
        marker.rename(marker.with_suffix(".away"))  # as while it is gone through once more
        assert live.ask("GET", "/api/picture/6").status == 410
        marker.with_suffix(".away").rename(marker)
        counted = live.post("/api/histogram", {"query": after["query"]}).json
        assert (counted["rows"], counted["excluded"]) == (len(stored[2]) - 1, 1)
