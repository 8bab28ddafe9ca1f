"""The walks that are killed: some 100 pairs from web pages to a verdict, and a captioned folder to a filter model.

    folder = folder_walk(place)          import -> embed, score, filter, export, train-probe (the web walk's model)
    with served(place) as world:         one server, so that ports and URLs stay the same
        web = web_walk(place, world)     crawl -> download -> … -> report

Both are recipes run as `python -m vlcorpus run RECIPE CORPUS`, with small shards, so that each layer has several.
"""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from tests.kill.harness import Walk
from vlcorpus.world.exam import write_exam
from vlcorpus.world.server import Served
from vlcorpus.world.site import WorldSettings, write_site
from vlcorpus.world.trusted import write_trusted

PAIRS, TRUSTED, EXAM, SEED = 100, 60, 24, 11
CONTACT = "http://world.test/contact"
_TRAINING = {"steps": 2, "batch_size": 16, "seeds": [0, 1]}


def served(place: Path) -> Served:
    """Draw site, trusted pairs and exam below `place`; a server of the site, to be entered."""
    site = write_site(place / "world", WorldSettings(pairs=PAIRS, seed=SEED, pairs_per_page=20))
    write_trusted(place / "trusted", TRUSTED, SEED)
    write_exam(place / "exam", EXAM, SEED, limit=EXAM)
    return Served(site.root)


def folder_walk(place: Path) -> Walk:
    """A captioned folder, imported: its probe `filter` is the model of the web walk."""
    out = "{corpus}/../exports/folder"
    stages: list[dict[str, object]] = [
        {"import": {"source": str(place / "trusted"), "image_size": 64}},
        {"train-probe": {"probe": "filter", **_TRAINING}},
        {"embed": {"model": "probe:filter"}},
        {"score": {"score": "similarity"}},
        {"filter": {"min_sim": 0.0, "decision": "kept"}},
        {"export": {"out": out, "decision": "kept", "shard_rows": 20}},
    ]
    return _walk(place, "folder", "import", stages, shard_rows=25)


def web_walk(place: Path, world: Served, *, model: Path, at_once: int = 1) -> Walk:
    """The whole walk over the served site, with the embeddings of the probe folder `model`.

    at_once: shards that a worker downloads at the same time; of more than one, the order is not foreseen.
    """
    network = {"allow_private": ["127.0.0.0/8"], "connect_to": list(world.connect_to)}
    exports = "{corpus}/../exports"
    stages: list[dict[str, object]] = [
        {"crawl": {"sources": ["http://world.test/"], "chunk": 3, "contact": CONTACT, "delay": 0, **network}},
        {"download": {"image_size": 64, "min_image_size": 16, "shards_at_once": at_once, **network}},
        {"embed": {"model": str(model)}},
        {"score": {"score": "similarity"}},
        {"score": {"score": "phash"}},
        {"filter": {"top_fraction": 0.5, "decision": "filtered"}},
        {"filter": {"random_like": "filtered", "decision": "random"}},
        {"score": {"score": "clusters", "clusters": 4}},
        {"score": {"score": "text"}},
        {
            "filter": {
                "where": ["text_words > 3"],
                "top_fraction": 0.8,
                "by": "language",
                "cap": 20,
                "cap_by": "cluster",
                "weight": "text_words / 4",
                "decision": "weighed",
            }
        },
        {"dedup": {"radius": 3}},
        {"split": {"train": 0.8, "test": 0.2}},
        {"takedown": {"lists": ["domain:gone.test"], "named": "gone"}},
        {"index": {"kind": "rabitq"}},
        {"export": {"out": f"{exports}/raw", "split": "default", "shard_rows": 30}},
        {
            "export": {
                "out": f"{exports}/filtered",
                "decision": "filtered",
                "duplicates": "default",
                "split": "default",
                "shard_rows": 30,
            }
        },
        {"export": {"out": f"{exports}/uids", "decision": "weighed", "output_format": "uids"}},
        {"train-probe": {"probe": "raw", "on": f"{exports}/raw/train", **_TRAINING}},
        {"train-probe": {"probe": "filtered", "on": f"{exports}/filtered/train", **_TRAINING}},
        {"evaluate": {"suite": str(place / "exam" / "suite.yaml"), "probes": ["raw", "filtered"]}},
        {"compare": {"arms": ["raw", "filtered"], "suite": "exam", "baseline": "raw"}},
        {"report": {"decision": "filtered", "suite": "exam", "truth": str(place / "world" / "planted.jsonl")}},
    ]
    return _walk(place, "web", "crawl", stages, shard_rows=40, at_once=at_once)


def _walk(
    place: Path, name: str, gathers: str, stages: list[dict[str, object]], *, shard_rows: int, at_once: int = 1
) -> Walk:
    recipe = place / f"{name}.yaml"
    plain = json.loads(json.dumps({"shard_rows": shard_rows, "stages": stages}))  # no list is shared: no anchors
    recipe.write_text(yaml.safe_dump(plain, sort_keys=False), "utf-8")
    home = place / f"home-{name}"
    return Walk(gathers, ("-m", "vlcorpus", "run", str(recipe), str(home / "corpus")), home, at_once)
