"""Pairs at the edges of the recipes that ship, with scores as if the models that the recipes name had made them.

edges(folder)           a corpus of some hundred pairs: each condition of a recipe has pairs on both of its sides
facts(world)[uid]       what each detector said of a pair's text, and how many bytes its image had
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.stages.given import Given, give, picture
from vlcorpus.corpus import Corpus
from vlcorpus.io import table
from vlcorpus.stages.base import UnitCommit
from vlcorpus.stages.score import Score

B32, L14 = "ViT-B-32.openai.00000000", "ViT-L-14.openai.00000000"
MULTILINGUAL = "ViT-B-32-openai.clip-ViT-B-32-multilingual-v1.00000000"


def below(value: float) -> float:
    """The float32 before it."""
    return float(np.nextafter(np.float32(value), np.float32(-1)))


def narrow(value: float) -> float:
    return float(np.float32(value))


TEXTS = (
    "a red house by the lake with old trees", "The old church of the village in winter", "cat", "cats", "house",
    "houses", "the house", "the red cat", "a b cd", "a b c", "of the", "Ein Hund läuft über die grüne Wiese im Sommer",
    "Une petite maison rouge au bord du lac",
    "Ein altes Tree House im Wald und eine sehr schöne Wiese daneben",
    "IMG_2034.jpg", "photo", "12345 67890", "housing\n", "\n\nhouses",
    "housing ", "the\u00a0red\u3000house", "church\u2003winter", "a photograph of a\tblack cat on the chair",
    "write to jane.doe@example.com about the red house", "+++ !!!", "Кошка сидит на старом стуле у окна",
)  # fmt: skip
SIZES = (
    (200, 600), (199, 300), (200, 601), (601, 200), (300, 900), (640, 480), (9478, 9441), (9459, 9459), (9460, 9459),
    (89478484 // 4, 4), (89478484 // 4, 5),
)  # fmt: skip
BYTES = (4999, 5000, 9000)
ENDINGS = ("jpg", "gif", "svg", "GIF", "jpg?x=.gif", "jpg#javascript:")
HOSTS = ("a.test", "b" * 55 + ".test", "b" * 56 + ".test")
B32_VALUES = (narrow(0.28), below(0.28), narrow(0.3), below(0.3), 0.35, None)
L14_VALUES = (0.1, 0.2, 0.2, 0.25, 0.25, 0.3, None)
MULTILINGUAL_VALUES = (narrow(0.26), below(0.26), 0.3)


@dataclass(frozen=True)
class Row:
    """A pair, and what is given of it."""

    url: str
    text: str
    width: int
    height: int
    bytes: int | None
    b32: float | None
    l14: float | None
    multilingual: float
    wanted: bool | None
    pair: Given


def rows_of(count: int) -> list[Row]:
    """Pairs at every edge, drawn by seed: the first ones pass whatever does not concern the text."""
    chance = random.Random(5)
    body = picture(1, quality=20)
    found = []
    for number in range(count):
        plain = number < 4 * len(TEXTS)
        size = SIZES[0] if plain else chance.choice(SIZES)
        host, ending = ("a.test", "jpg") if plain else (chance.choice(HOSTS), chance.choice(ENDINGS))
        url = f"http://{host}/{number}.{ending}"
        length = 5000 if plain else chance.choice(BYTES)
        text = TEXTS[number % len(TEXTS)]
        found.append(
            Row(
                url, text, *size, length,
                narrow(0.3) if plain else chance.choice(B32_VALUES), 0.3 if plain else chance.choice(L14_VALUES),
                narrow(0.26) if plain else chance.choice(MULTILINGUAL_VALUES),
                True if plain else chance.choice([True, False, None]),
                Given(url, text, body + bytes(length - len(body))),
            )
        )  # fmt: skip
    return found


def write_scores(corpus: Corpus, layer: str, model: str, columns: Mapping[str, Mapping[bytes, Any]]) -> None:
    """Commit a score of images as if embeddings of `model` had given it."""
    kind, _, named = layer.partition("-")
    for shard in corpus.layer("shards").units():
        uids = [bytes.fromhex(uid) for uid in read(corpus, shard, "uid")]
        made = [{"uid": uid} | {name: values[uid] for name, values in columns.items()} for uid in uids]
        place = corpus.layer(f"scores/{layer}")
        with UnitCommit(Score(score=kind, named=named), corpus, place, shard, {"given": shard}) as commit:
            table.write(commit, f"{shard}.parquet", table.columns(made, f"score-{kind}"), f"score-{kind}")
            commit.finish(seen=len(made), kept=len(made), source=f"embeddings/{model}", model=model, of="images")


def read(corpus: Corpus, shard: str, name: str) -> list[Any]:
    found: list[Any] = pq.read_table(corpus.layer("shards").path(f"{shard}.parquet")).column(name).to_pylist()
    return found


def set_sizes(corpus: Corpus, rows: Mapping[str, Row]) -> None:
    """The images are small, whatever their rows say: say it in shards/."""
    for shard in corpus.layer("shards").units():
        path = corpus.layer("shards").path(f"{shard}.parquet")
        stored = pq.read_table(path)
        own = [rows[uid] for uid in stored.column("uid").to_pylist()]
        said = {
            "original_width": [each.width for each in own],
            "original_height": [each.height for each in own],
            "original_bytes": [each.bytes if number % 9 else None for number, each in enumerate(own)],
        }
        for name, values in said.items():
            place = stored.schema.get_field_index(name)
            stored = stored.set_column(
                place, stored.schema.field(name), pa.array(values, stored.schema.field(name).type)
            )
        pq.write_table(stored, path)


@dataclass(frozen=True)
class World:
    corpus: Corpus
    rows: dict[str, Row]


def edges(folder: Path) -> World:
    """The corpus, with what its recipes want beside it."""
    corpus = Corpus.create(folder / "c", shard_rows=1000)
    every = rows_of(420)
    give(corpus, "00000", [each.pair for each in every[:190]])
    give(corpus, "00001", [each.pair for each in every[190:]])
    rows = {each.pair.uid.hex(): each for each in every}
    set_sizes(corpus, rows)
    by_uid = {bytes.fromhex(uid): each for uid, each in rows.items()}
    for layer, model, column, name in (
        ("similarity-b32", B32, "similarity", "b32"),
        ("similarity-l14", L14, "similarity", "l14"),
        ("similarity-multilingual", MULTILINGUAL, "similarity", "multilingual"),
        ("negcliploss-l14", L14, "negcliploss", "l14"),
        ("nearest-datacomp", L14, "nearest_wanted", "wanted"),
    ):
        write_scores(corpus, layer, model, {column: {uid: getattr(each, name) for uid, each in by_uid.items()}})
    beside = corpus.path.parent
    (beside / "imagenet21k.txt").write_text("house\tn03544360\ncat\tn02121808\ntree\n", "utf-8")
    (beside / "metaclip.json").write_text(json.dumps(["house", "red house", "cat", "winter", "of the"]), "utf-8")
    return World(corpus, rows)


def facts(world: World) -> dict[str, dict[str, Any]]:
    """What is known of each pair beside its row: its bytes, and what each detector said of its text."""
    corpus = world.corpus
    found: dict[str, dict[str, Any]] = {}
    for shard in corpus.layer("shards").units():
        for uid, size in zip(read(corpus, shard, "uid"), read(corpus, shard, "original_bytes"), strict=True):
            found[uid] = {"bytes": size}
        for layer in corpus.layers("scores"):
            if layer.startswith("language-"):
                for said in table.rows(corpus.layer(f"scores/{layer}").path(f"{shard}.parquet"), "score-language"):
                    found[said["uid"].hex()][layer.partition("-")[2]] = said
    return found
