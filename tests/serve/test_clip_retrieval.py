"""clip-retrieval's client against this server: its requests, byte for byte, and what it makes of the answers."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import requests

from tests.corpora import Built
from tests.serve.live import Live
from vlcorpus.images.decode import Decoded, decode
from vlcorpus.views.collection import open_collection

HOSTILE = '<img src=x onerror="alert(1)">\u202e\x1b[31m\u2028</script>'


class Client:
    """What clip_retrieval.clip_client.ClipClient 2.45 sends, and how it reads the answer."""

    def __init__(self, live: Live, **said: Any) -> None:
        self.url = f"{live.url}/knn-service"
        self.said = {
            "deduplicate": True,
            "use_safety_model": True,
            "use_violence_detector": True,
            "indice_name": live.corpus.name,
            "use_mclip": False,
            "aesthetic_score": 9,
            "aesthetic_weight": 0.5,
            "modality": "image",
            "num_images": 40,
        } | said

    def query(
        self, text: str | None = None, image: Path | None = None, embedding_input: list[float] | None = None
    ) -> Any:
        asked = {
            "text": text,
            "image": base64.b64encode(image.read_bytes()).decode() if image is not None else None,
            "image_url": None,
            "embedding_input": embedding_input,
            **self.said,
            "num_result_ids": self.said["num_images"],
        }
        return requests.post(self.url, data=json.dumps(asked), timeout=60).json()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What clip-retrieval's inference leaves: two partitions, a caption that is hostile, a path to a file of ours."""
    path = tmp_path_factory.mktemp("laion") / "embeddings"
    rng = np.random.default_rng(5)
    for name in ("img_emb", "text_emb", "metadata"):
        (path / name).mkdir(parents=True)
    for part in range(2):
        for side in ("img", "text"):
            rows = rng.standard_normal((20, 16)).astype(np.float32)
            rows /= np.linalg.norm(rows, axis=1, keepdims=True)
            np.save(path / f"{side}_emb" / f"{side}_emb_{part}.npy", rows.astype(np.float16))
        table = pa.table(
            {
                "image_path": ["/etc/passwd"] * 20,
                "caption": [f"{HOSTILE} {part} {row}" for row in range(20)],
                "url": ["javascript:alert(1)"] * 20,
            }
        )
        pq.write_table(table, path / "metadata" / f"metadata_{part}.parquet")
    return path


@pytest.fixture(scope="module")
def foreign(folder: Path) -> Iterator[Live]:
    with Live(folder) as live:
        yield live


def rows_of(folder: Path, side: str) -> np.ndarray:
    parts = sorted((folder / f"{side}_emb").glob("*.npy"))
    return np.concatenate([np.load(part) for part in parts]).astype(np.float64)


def test_the_indices_are_listed(server: Live, foreign: Live) -> None:
    assert requests.get(f"{server.url}/indices-list", timeout=60).json() == [server.corpus.name]
    assert requests.get(f"{foreign.url}/indices-list", timeout=60).json() == ["embeddings"]


def test_text_finds_what_a_search_finds(server: Live) -> None:
    found = Client(server, num_images=5).query(text="a red circle")
    hits = server.search(query="a red circle", k=5)["hits"]
    assert [each["id"] for each in found] == [hit["row"] for hit in hits]
    assert [each["similarity"] for each in found] == [hit["similarity"] for hit in hits]
    for each, hit in zip(found, hits, strict=True):
        assert (each["caption"], each["url"], each["uid"]) == (hit["caption"], hit["url"], hit["uid"])
        shape = decode(base64.b64decode(each["image"], validate=True))
        assert isinstance(shape, Decoded) and shape.format == "jpeg"


def test_an_image_finds_its_own_pair(server: Live, small_corpus: Built, tmp_path: Path) -> None:
    body = open_collection(small_corpus.corpus.path).picture(8)
    assert body is not None
    (tmp_path / "query.jpg").write_bytes(body)
    first = Client(server, num_images=1).query(image=tmp_path / "query.jpg")[0]
    assert first["id"] == 8 and first["similarity"] == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("modality", ["image", "text"])
def test_an_embedding_finds_the_nearest_rows(foreign: Live, folder: Path, modality: str) -> None:
    rows = rows_of(folder, "img" if modality == "image" else "text")
    query = np.arange(16, dtype=np.float64) - 4
    found = Client(foreign, modality=modality, num_images=7, deduplicate=False).query(embedding_input=query.tolist())
    unit = query / np.linalg.norm(query)
    order = sorted(range(40), key=lambda row: (-np.float32(rows[row] @ unit), row))[:7]
    assert [each["id"] for each in found] == order
    assert np.allclose([each["similarity"] for each in found], rows[order] @ unit, atol=1e-6)
    assert [each["caption"] for each in found] == [f"{HOSTILE} {row // 20} {row % 20}" for row in order]


def test_only_the_first_images_come_with_metadata(foreign: Live) -> None:
    asked = {"indice_name": None, "modality": "image", "num_images": 3, "num_result_ids": 9}
    found = foreign.post("/knn-service", asked | {"embedding_input": [1.0] * 16}).json
    assert len(found) == 9
    assert all("caption" in each for each in found[:3])
    assert all(set(each) == {"id", "similarity"} for each in found[3:])


def test_duplicates_are_folded_only_where_that_is_asked(server: Live) -> None:
    every = Client(server, num_images=80, deduplicate=False).query(text="a circle")
    fewer = Client(server, num_images=80).query(text="a circle")
    hits = server.search(query="a circle", k=80)["hits"]
    assert [each["id"] for each in fewer] == [hit["row"] for hit in hits]
    assert {each["id"] for each in fewer} <= {each["id"] for each in every}


def test_fields_of_models_that_are_not_here_change_nothing(server: Live) -> None:
    plain = Client(server, use_safety_model=False, use_violence_detector=False, aesthetic_score="", aesthetic_weight="")
    assert Client(server, use_mclip=True).query(text="a circle") == plain.query(text="a circle")


def test_the_front_asks_with_fewer_fields(server: Live) -> None:
    asked = {"text": "a circle", "image": None, "modality": "image", "num_images": 2, "indice_name": server.corpus.name}
    assert len(server.post("/knn-service", asked).json) == 2


def test_metadata_comes_by_id(server: Live) -> None:
    asked = {"indice_name": server.corpus.name, "ids": [5, 0, 5]}
    found = requests.post(f"{server.url}/metadata", data=json.dumps(asked), timeout=60).json()
    pairs = open_collection(server.corpus).pairs([5, 0, 5])
    assert [each["id"] for each in found] == [5, 0, 5]
    assert [each["metadata"]["caption"] for each in found] == [pair.caption for pair in pairs]
    assert requests.post(f"{server.url}/metadata", data='{"ids": []}', timeout=60).json() == []


def test_a_path_in_the_metadata_is_not_followed(foreign: Live) -> None:
    found = foreign.post("/metadata", {"ids": [0], "indice_name": "embeddings"})
    assert b"root:" not in found.body and "image" not in found.json[0]["metadata"]
    assert foreign.ask("GET", "/api/picture/0").status == 404


def test_hostile_captions_come_as_they_are_in_plain_ascii(foreign: Live) -> None:
    found = foreign.post("/metadata", {"ids": [3]})
    assert found.json[0]["metadata"]["caption"] == f"{HOSTILE} 0 3"
    assert found.body.isascii() and found.headers["content-type"] == "application/json"
    assert b"\x1b" not in found.body


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({}, 400),
        ({"indice_name": "laion5B", "modality": "image", "num_images": 1, "text": "a"}, 404),
        ({"indice_name": None, "modality": "audio", "num_images": 1, "text": "a"}, 400),
        ({"indice_name": None, "modality": "image", "num_images": 1}, 400),
        ({"indice_name": None, "modality": "image", "num_images": -1, "text": "a"}, 400),
        ({"indice_name": None, "modality": "image", "num_images": 10_001, "text": "a"}, 400),
        ({"indice_name": None, "modality": "image", "num_images": 1, "num_result_ids": 10**9, "text": "a"}, 400),
        ({"indice_name": None, "modality": "image", "num_images": 1, "image": "!!!"}, 400),
        ({"indice_name": None, "modality": "image", "num_images": 1, "image": "PHN2Zz4="}, 415),
        ({"indice_name": None, "modality": "image", "num_images": 1, "embedding_input": [0.0] * 128}, 400),
        ({"indice_name": None, "modality": "image", "num_images": 1, "embedding_input": [[1.0]]}, 400),
        ({"indice_name": None, "modality": "image", "num_images": 1, "image_url": "file:///etc/passwd"}, 403),
    ],
    ids=range(12),
)
def test_questions_that_are_none_are_refused(server: Live, asked: dict[str, Any], status: int) -> None:
    found = server.post("/knn-service", asked)
    assert found.status == status and set(found.json) == {"error", "hint"}


@pytest.mark.parametrize("ids", [[-1], [10**6], ["0"], [0.5], [0] * 10_001, None], ids=range(6))
def test_ids_that_are_none_are_refused(server: Live, ids: Any) -> None:
    assert server.post("/metadata", {"indice_name": server.corpus.name, "ids": ids}).status == 400


def test_without_a_model_words_are_refused_and_the_page_knows(foreign: Live) -> None:
    assert foreign.get("/api/about")["can"] == {
        "text": False,
        "image": False,
        "pictures": False,
        "url_queries": False,
        "pairs": False,
    }
    refused = Client(foreign).query(text="a circle")
    assert "model" in refused["error"] and "--model" in refused["hint"]


def test_a_token_in_the_url_opens_it_for_its_client(folder: Path) -> None:
    token = "0123456789abcdef"
    with Live(folder, "--token", token) as live:
        client = Client(live, num_images=1)
        client.url = f"http://:{token}@{live.host}:{live.port}/knn-service"
        assert client.query(embedding_input=[1.0] * 16)[0]["id"] in range(40)
        client.url = client.url.replace(token, token[::-1])
        assert client.query(embedding_input=[1.0] * 16) == {
            "error": "a token is wanted",
            "hint": "open the URL that `vlcorpus serve` printed",
        }
