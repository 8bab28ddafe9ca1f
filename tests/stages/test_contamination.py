from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.stages.given import Given, give, run_here
from vlcorpus.corpus import Corpus
from vlcorpus.errors import CorpusError, SourceError
from vlcorpus.images.decode import Refused, decode
from vlcorpus.images.encode import encode
from vlcorpus.io import tar
from vlcorpus.probe.suite import load_suite
from vlcorpus.stages.base import UnitCommit
from vlcorpus.stages.contamination import found, sources
from vlcorpus.stages.contamination_pool import Bands, Pool, look
from vlcorpus.stages.filter import Filter
from vlcorpus.stages.probe_sources import Folder
from vlcorpus.stages.score import Score
from vlcorpus.stages.train_probe import TrainProbe
from vlcorpus.world.exam import write_exam

EXAM = 60
EXACT = range(5)
NEAR = range(5, 10)


def pixels(body: bytes) -> np.ndarray:
    picture = decode(body)
    assert not isinstance(picture, Refused)
    return picture.rgb


def again(body: bytes, number: int) -> bytes:
    """Nearly the same picture: of another size, of another quality, or both, as JPEG or as PNG."""
    rgb = pixels(body)
    height, width = rgb.shape[:2]
    scale = (1.0, 0.5, 1.5, 0.75, 2.0)[number % 5]
    size = (round(width * scale), round(height * scale))
    other = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    return encode(other, format="png", quality=6) if number % 2 else encode(other, quality=70)


def trained(corpus: Corpus, stage: TrainProbe) -> None:
    """Say that a probe was trained; what it was trained on is all that counts here."""
    with UnitCommit(stage, corpus, stage.layer(corpus), "seed-0", {"toy": stage.probe}) as commit:
        commit.finish(seen=0, kept=0)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exam of 60 pictures, and a corpus of 120 of the same world, of which the second shard has 10 of the exam's."""
    folder = tmp_path_factory.mktemp("contamination")
    write_exam(folder / "exam", EXAM, 1, limit=20)
    write_exam(folder / "world", 120, 2, limit=1)
    own = [path.read_bytes() for path in sorted((folder / "world" / "images").glob("*.jpg"))]
    test = [path.read_bytes() for path in sorted((folder / "exam" / "images").glob("*.jpg"))]
    planted = [test[number] for number in EXACT] + [again(test[number], number) for number in NEAR]
    corpus = Corpus.create(folder / "c", shard_rows=1000)
    give(corpus, "00000", [Given(f"http://a.test/{n}.jpg", f"a dog {n}", body) for n, body in enumerate(own[:60])])
    late = [*own[60:], *planted, b""]
    give(corpus, "00001", [Given(f"http://b.test/{n}.jpg", f"a cat {n}", body) for n, body in enumerate(late)])
    cats = Filter(where=("contains(alt_text, 'cat 1')",), decision="cats")
    dogs = Filter(where=("contains(alt_text, 'dog')",), decision="dogs")
    run_here(corpus, [cats, dogs])
    trained(corpus, TrainProbe(probe="all"))
    trained(corpus, TrainProbe(probe="dogs", decision="dogs"))
    trained(corpus, TrainProbe(probe="cats", decision="cats"))
    return folder


@pytest.fixture
def corpus(made: Path, tmp_path: Path) -> Corpus:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return Corpus.open(tmp_path / "c")


def name(number: int) -> str:
    return f"images/{number:05d}.jpg"


@pytest.mark.parametrize("hashed", [False, True], ids=["looked at", "looked up"])
def test_every_copy_is_found_and_nothing_else(corpus: Corpus, hashed: bool) -> None:
    if hashed:
        run_here(corpus, [Score(score="phash")])
    suite = load_suite(corpus.path.parent / "exam" / "suite.yaml")
    rows = {(row["arm"], row["task"]): row for row in found(corpus, suite, ["all", "dogs"])}
    assert {task for _, task in rows} == {task.name for task in suite.tasks}
    everything = rows["all", "colour_shape"]
    assert (everything["pictures"], everything["exact"], everything["near"]) == (EXAM, 5, 5)
    assert everything["share"] == pytest.approx(10 / EXAM) and everything["unknown"] == 0
    assert [each["picture"] for each in everything["examples"]] == [name(number) for number in EXACT]
    assert {each["kind"] for each in everything["examples"]} == {"exact"}
    assert rows["all", "retrieval"]["pictures"] == 20 and rows["all", "retrieval"]["exact"] == 5
    for task in suite.tasks:
        clean = rows["dogs", task.name]
        assert (clean["exact"], clean["near"], clean["share"], clean["examples"]) == (0, 0, 0.0, [])


def test_which_pair_it_is(corpus: Corpus) -> None:
    """Of the pairs whose caption has `cat 1…`: rows 1 and 10 to 19, which hold none of the exam's. Row 60 is one."""
    suite = load_suite(corpus.path.parent / "exam" / "suite.yaml")
    assert all(not row["exact"] + row["near"] for row in found(corpus, suite, ["cats"]))
    where = Filter(where=("contains(alt_text, 'cat 6')",), decision="sixties")
    run_here(corpus, [where])
    trained(corpus, TrainProbe(probe="sixties", decision="sixties"))
    (row,) = [row for row in found(corpus, suite, ["sixties"]) if row["task"] == "colour_shape"]
    assert (row["exact"], row["near"]) == (5, 5)
    body = next(each for each in row["examples"] if each["picture"] == name(0))
    assert body["pair"] == Given("http://b.test/60.jpg", "a cat 60").uid.hex()


def test_tars_are_looked_through(corpus: Corpus) -> None:
    folder = corpus.path.parent / "tars"
    folder.mkdir()
    images = sorted((corpus.path.parent / "exam" / "images").glob("*.jpg"))
    with open(folder / "00000.tar", "wb") as file:
        writer = tar.ShardWriter(file)
        for number in (3, 7):
            body = images[number].read_bytes()
            writer.add(f"{number:05d}", {"jpg": body if number == 3 else again(body, 1), "txt": b"a dog"})
        writer.add("00008", {"jpg": b"no picture", "txt": b"a dog"})
        writer.close()
    trained(corpus, TrainProbe(probe="tars", on=(str(folder),)))
    assert [each.place for each in sources(corpus, "tars") if isinstance(each, Folder)] == [str(folder)]
    suite = load_suite(corpus.path.parent / "exam" / "suite.yaml")
    row = found(corpus, suite, ["all", "tars"])[len(suite.tasks)]
    assert (row["arm"], row["exact"], row["near"]) == ("tars", 1, 1)
    assert row["examples"] == [
        {"picture": name(3), "pair": "00000.tar:00003", "kind": "exact"},
        {"picture": name(7), "pair": "00000.tar:00007", "kind": "near"},
    ]
    shutil.rmtree(folder)
    with pytest.raises(SourceError, match="no tars in"):
        found(corpus, suite, ["tars"])


def test_other_corpora_and_their_decisions(corpus: Corpus) -> None:
    other = Corpus.create(corpus.path.parent / "other", shard_rows=1000)
    give(other, "00000", [Given("http://d.test/0.jpg", "a dog", encode(np.zeros((40, 40, 3), np.uint8)))])
    on = (f"{corpus.path}#cats", str(corpus.path), f"{corpus.path}#dogs")
    for name, named in zip(("cats of it", "all of it", "dogs of it"), on, strict=True):
        trained(other, TrainProbe(probe=name.replace(" ", "-"), on=(named,)))
    trained(other, TrainProbe(probe="own"))
    trained(other, TrainProbe(probe="mixed", on=on))
    suite = load_suite(corpus.path.parent / "exam" / "suite.yaml")
    rows = found(other, suite, ["cats-of-it", "all-of-it", "dogs-of-it", "own", "mixed"])
    sums = {row["arm"]: (row["exact"], row["near"]) for row in rows if row["task"] == "colour_shape"}
    assert sums == {name: (0, 0) for name in ("cats-of-it", "dogs-of-it", "own")} | {
        "all-of-it": (5, 5),
        "mixed": (5, 5),
    }


def test_a_probe_that_is_not_there(corpus: Corpus) -> None:
    suite = load_suite(corpus.path.parent / "exam" / "suite.yaml")
    with pytest.raises(CorpusError, match="no probe rwa"):
        found(corpus, suite, ["rwa"])


def test_flat_pictures_are_unknown_but_for_their_bytes(corpus: Corpus, tmp_path: Path) -> None:
    folder = tmp_path / "flat"
    folder.mkdir()
    white = [encode(np.full((40, 40, 3), shade, np.uint8)) for shade in (200, 210)]
    for number, body in enumerate(white):
        (folder / f"{number}.jpg").write_bytes(body)
    (folder / "t.csv").write_text("file,label\n0.jpg,a\n1.jpg,b\n")
    task = {"name": "t", "kind": "zero_shot", "images": "t.csv", "classes": ["a", "b"]}
    (folder / "suite.yaml").write_text(json.dumps({"name": "flat", "tasks": [task]}))
    grey = encode(np.full((50, 50, 3), 205, np.uint8))
    shade = [Given(f"http://c.test/{n}.jpg", f"a bird {n}", body) for n, body in enumerate([grey, white[1]] * 3)]
    give(corpus, "00002", shade)
    trained(corpus, TrainProbe(probe="later"))
    (row,) = found(corpus, load_suite(folder / "suite.yaml"), ["later"])
    assert (row["pictures"], row["exact"], row["near"], row["unknown"]) == (2, 1, 0, 1)


def test_bands_find_every_near_hash() -> None:
    draw = np.random.default_rng(0)
    for radius in (0, 3, 8):
        own = draw.integers(0, 2**64, 60, dtype=np.uint64)
        flips = [sum(1 << int(bit) for bit in draw.choice(64, radius, replace=False)) for _ in own]
        others = np.concatenate([own ^ np.array(flips, np.uint64), draw.integers(0, 2**64, 100, dtype=np.uint64)])
        others = np.concatenate([others, others[:5] ^ np.uint64(1)])
        rows, places = Bands(own, radius).near(others)
        wanted = [
            (row, place)
            for row, place in itertools.product(range(len(others)), range(60))
            if int(others[row] ^ own[place]).bit_count() <= radius
        ]
        assert list(zip(rows.tolist(), places.tolist(), strict=True)) == wanted and len(wanted) >= 60
    assert [len(each) for each in Bands(np.zeros(0, np.uint64), 3).near(np.zeros(4, np.uint64))] == [0, 0]


def test_a_pool_of_what_cannot_be_read() -> None:
    pool = Pool([("a", None), ("b", b"no picture")])
    assert pool.place == {} and list(pool.among([])) == [] and look(b"no picture") is None
