"""Packs: content-addressed, shared by workers, and nothing that a kill leaves counts."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.stages.given import given_corpus, pairs, picture
from vlcorpus.errors import CorpusError, SourceError, UsageError
from vlcorpus.io.tar import ShardWriter, TarDamaged
from vlcorpus.probe.pack import Pack
from vlcorpus.stages.choice import Choice
from vlcorpus.stages.packs import Packs, Rows, Wanted, key
from vlcorpus.stages.probe_captions import parse
from vlcorpus.stages.probe_packing import Maker, Ready, pack
from vlcorpus.stages.probe_sources import own, places

FORK = multiprocessing.get_context("fork")
PIXELS = np.arange(10 * 3 * 4, dtype=np.uint8).reshape(10, 3, 2, 2)


def writes(rows: np.ndarray, times: int = 1) -> Callable[[Rows], Mapping[str, Any]]:
    def make(into: Rows) -> dict[str, Any]:
        for _ in range(times):
            into.write(rows)
        return {"said": "so"}

    return make


def never(rows: Rows) -> dict[str, Any]:
    raise AssertionError("it is there already")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_was_made_is_read_and_not_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "packs"
    first, nothing = Packs(folder).have([Wanted("a", writes(PIXELS, 3)), Wanted("b", lambda rows: {})])
    assert (first.rows == np.concatenate([PIXELS] * 3)).all() and not first.rows.flags.writeable
    assert first.about == {"format": 1, "key": "a", "rows": 30, "said": "so"} and len(nothing.rows) == 0
    assert names(folder) == ["a.json", "a.npy", "b.json", "b.npy"]
    [again] = Packs(folder).have([Wanted("a", never)])
    assert (again.rows == first.rows).all()
    assert Packs(folder).missing(["a", "c", "b"]) == ["c"]


def test_a_name_is_of_the_content() -> None:
    assert key("pixels", "d1", "how") == key("pixels", "d1", "how")
    assert (
        len({key("pixels", "d1", "how"), key("pixels", "d2", "how"), key("pixels", "d1", "else"), key("x", "d1")}) == 4
    )


@pytest.mark.parametrize("damage", ["cut", "other rows", "no JSON", "gone", "a list"])
def test_what_is_not_whole_is_made_again(tmp_path: Path, damage: str) -> None:
    Packs(tmp_path).have([Wanted("a", writes(PIXELS))])
    before = (tmp_path / "a.npy").read_bytes()
    if damage == "cut":
        os.truncate(tmp_path / "a.npy", 200)
    elif damage == "other rows":
        np.save(tmp_path / "a.npy", PIXELS[:4])
    elif damage == "gone":
        (tmp_path / "a.npy").unlink()
    else:
        (tmp_path / "a.json").write_text("{" if damage == "no JSON" else "[1]")
    [made] = Packs(tmp_path).have([Wanted("a", writes(PIXELS))])
    assert (made.rows == PIXELS).all() and (tmp_path / "a.npy").read_bytes() == before


def _worker(folder: Path, log: Path, barrier: Any) -> None:
    first = True

    def make(rows: Rows) -> dict[str, Any]:
        nonlocal first
        if first:  # both are inside at the same time, so neither can have taken all
            first = False
            barrier.wait(60)
        with open(log, "a") as file:
            file.write(f"{os.getpid()}\n")
        rows.write(PIXELS)
        return {}

    found = Packs(folder).have([Wanted(f"k{number}", make) for number in range(7)])
    assert all((each.rows == PIXELS).all() for each in found)


def test_workers_share_the_work(tmp_path: Path) -> None:
    barrier = FORK.Barrier(2)
    workers = [FORK.Process(target=_worker, args=(tmp_path / "packs", tmp_path / "log", barrier)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
        assert worker.exitcode == 0
    made = (tmp_path / "log").read_text().split()
    assert len(made) == 7 and len(set(made)) == 2, "each once, by both"
    assert len(names(tmp_path / "packs")) == 14


def _dies(folder: Path, where: str) -> None:
    def make(rows: Rows) -> dict[str, Any]:
        rows.write(PIXELS)
        if where == "in the middle":
            os.kill(os.getpid(), signal.SIGKILL)
        os.replace = lambda *names: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment]
        return {}

    Packs(folder).have([Wanted("a", make)])


@pytest.mark.parametrize("where", ["in the middle", "before it is named"])
def test_a_killed_worker_leaves_nothing_that_counts(tmp_path: Path, where: str) -> None:
    worker = FORK.Process(target=_dies, args=(tmp_path, where))
    worker.start()
    worker.join(60)
    assert worker.exitcode == -signal.SIGKILL and ".tmp-a.npy" in names(tmp_path)
    assert Packs(tmp_path).missing(["a"]) == ["a"]
    [made] = Packs(tmp_path).have([Wanted("a", writes(PIXELS[:3]))])
    assert (made.rows == PIXELS[:3]).all() and names(tmp_path) == ["a.json", "a.npy"]


def test_leftovers_of_others_are_swept(tmp_path: Path) -> None:
    for name in (".tmp-a.npy", ".tmp-a.json", ".lock-b", "keep"):
        (tmp_path / name).touch()
    with Packs(tmp_path)._own("a", wait=False) as ours:
        assert ours
        Packs(tmp_path).sweep()
        assert ".tmp-a.npy" in names(tmp_path), "somebody is at work"
    Packs(tmp_path).sweep()
    assert names(tmp_path) == ["keep"]


# What is packed: tars of ours and of strangers.


def maker(side: int = 2, log: list[int] | None = None) -> Maker:
    """Pixels are the picture's corner; a text is the numbers of its letters."""

    def preprocess(rgb: np.ndarray) -> np.ndarray:
        if log is not None:
            log.append(1)
        return np.ascontiguousarray(rgb[:side, :side].transpose(2, 0, 1))

    def tokenize(texts: Any) -> np.ndarray:
        return np.array([[ord(letter) for letter in text[:30].ljust(30, "\0")] for text in texts], np.int64)

    return Maker(side, preprocess, f"corner {side}", tokenize, "letters")


def words(ready: Ready, draw: float = 0.0) -> list[str]:
    rows = np.arange(len(ready.pack))
    tokens = ready.pack.texts(rows, np.full(len(rows), draw))
    return ["".join(map(chr, row)).rstrip("\0") for row in tokens.tolist()]


def write_tar(path: Path, samples: Mapping[str, Mapping[str, bytes]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        writer = ShardWriter(file)
        for name, members in samples.items():
            writer.add(name, members)
        writer.close()


def test_a_corpus_is_packed_once_whatever_is_taken_of_it(tmp_path: Path) -> None:
    corpus, log = given_corpus(tmp_path / "c", 12, 8), list[int]()
    packs = corpus.path / "packs"
    ready = pack(own(corpus, Choice()), maker(log=log), parse(()), Packs(packs))
    assert len(ready.pack) == len(log) == 20
    assert words(ready) == [each.text for each in pairs(0, 20)]
    before = {path: path.stat().st_ino for path in packs.iterdir()}
    again = pack(own(corpus, Choice()), maker(log=log), parse(()), Packs(packs))
    assert len(log) == 20 and (again.pack.images(np.arange(20)) == ready.pack.images(np.arange(20))).all()
    assert {path: path.stat().st_ino for path in packs.iterdir()} == before
    pack(own(corpus, Choice()), maker(3, log), parse(()), Packs(packs))
    assert len(log) == 40, "other pixels are another pack"
    for path in packs.iterdir():
        path.unlink()
    pack(own(corpus, Choice()), maker(log=log), parse(()), Packs(packs))
    assert len(log) == 60 and set(packs.iterdir()) == set(before), "it may be deleted"


def test_pictures_of_strangers_are_rows_with_reasons(tmp_path: Path) -> None:
    whole = picture(3)
    bomb = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + b"\x7f\xff\xff\xff" * 2 + b"\x08\x02\0\0\0"
    write_tar(
        tmp_path / "t" / "0.tar",
        {
            "a": {"jpg": whole, "txt": b"a"},
            "b": {"jpg": whole[: len(whole) // 2], "txt": b"b"},
            "c": {"jpg": b"<html>", "txt": b"c"},
            "d": {"txt": b"d"},
            "e": {"jpg": whole, "txt": b" \n"},
            "f": {"jpg": whole, "txt": b"\xff\xfe"},
            "g": {"jpg": whole, "txt": b"x" * 100_000},
            "h": {"png": bomb, "txt": b"h"},
        },
    )
    [place] = places([str(tmp_path / "t")])
    ready = pack(place, maker(), parse(()), Packs(tmp_path / "packs"))
    assert [text[:3] for text in words(ready)] == ["a", "\ufffd\ufffd", "xxx"]
    assert ready.refused.pop("no_caption") == 1 and ready.refused.total() == 4
    assert set(ready.refused) <= {"truncated_image", "not_an_image", "too_many_pixels", "image_bomb"}
    assert len({bytes(uid) for uid in ready.pack.uids_N16}) == 3


def test_a_tar_that_would_lose_samples_is_an_error_that_names_it(tmp_path: Path) -> None:
    write_tar(tmp_path / "t" / "0.tar", {"a": {"jpg": picture(1), "txt": b"a"}, "b": {"jpg": picture(2), "txt": b"b"}})
    os.truncate(tmp_path / "t" / "0.tar", 3000)
    [place] = places([str(tmp_path / "t")])
    with pytest.raises(TarDamaged, match=r"0\.tar"):
        pack(place, maker(), parse(()), Packs(tmp_path / "packs"))
    assert names(tmp_path / "packs") == []
    with pytest.raises(SourceError, match="no tars in"):
        pack(places([str(tmp_path)])[0], maker(), parse(()), Packs(tmp_path / "packs"))


def test_copies_of_a_picture_share_its_row(tmp_path: Path) -> None:
    write_tar(tmp_path / "t" / "0.tar", {str(n): {"jpg": picture(n // 3), "txt": b"%d" % n} for n in range(7)})
    ready = pack(places([str(tmp_path / "t")])[0], maker(), parse(()), Packs(tmp_path / "packs"))
    assert ready.pack.image_N.tolist() == [0, 0, 0, 1, 1, 1, 2] and len(ready.pack.pixels) == 3
    assert words(ready) == list("0123456")


def test_captions_of_tars_by_layer(tmp_path: Path) -> None:
    about = {
        "a": {"re": "new a", "uid": "00" * 15 + "07"},
        "b": {"re": 5},
        "c": None,
        "d": {"re": "new d"},
    }
    samples = {
        name: {"jpg": picture(1), "txt": name.encode(), "json": json.dumps(said).encode()}
        for name, said in about.items()
    }
    del samples["d"]["txt"]
    samples["e"] = {"jpg": picture(2), "txt": b"e", "json": b"[" * 100_000, "recap": b"member e"}
    write_tar(tmp_path / "t" / "0.tar", samples)
    [place] = places([str(tmp_path / "t")])
    mixed = pack(place, maker(), parse(("txt=3", "json:re=1")), Packs(tmp_path / "packs"))
    assert mixed.pack.shares == (0.75, 0.25)
    assert words(mixed, 0.0) == ["a", "b", "c", "new d", "e"]
    assert words(mixed, 0.9) == ["new a", "b", "c", "new d", "e"]
    assert mixed.fell_back == {"alt_text": 1, "json:re": 3}
    assert bytes(mixed.pack.uids_N16[0]) == bytes(15) + b"\7", "our exports tell their uids"
    other = pack(place, maker(), parse(("recap",)), Packs(tmp_path / "packs"))
    assert words(other) == ["member e"] and other.refused == {"no_caption": 4}


def test_more_than_is_allowed_is_refused_before_it_is_written(tmp_path: Path) -> None:
    corpus = given_corpus(tmp_path / "c", 12)
    with pytest.raises(UsageError, match=r"packing 12 pictures of 2 pixels takes 0\.0 GB") as caught:
        pack(own(corpus, Choice()), maker(), parse(()), Packs(corpus.path / "packs"), most_gb=1e-7)
    assert "--most-pack-gb 1" in caught.value.hint and not (corpus.path / "packs").exists()
    pack(own(corpus, Choice()), maker(), parse(()), Packs(corpus.path / "packs"), most_gb=1e-6)
    pack(own(corpus, Choice()), maker(), parse(()), Packs(corpus.path / "packs"), most_gb=0)


def test_a_table_and_a_tar_that_disagree(tmp_path: Path) -> None:
    corpus = given_corpus(tmp_path / "c", 3)
    write_tar(corpus.layer("shards").path("00000.tar"), {"x": {"jpg": picture(1), "txt": b"a"}})
    with pytest.raises(CorpusError, match="has no image 0000"):
        pack(own(corpus, Choice()), maker(), parse(()), Packs(corpus.path / "packs"))


class Encoders:
    """Two frozen encoders: the mean of each channel, and the length of a text."""

    def __init__(self) -> None:
        self.key, self.pictures, self.texts, self.broken = "means", 0, 0, -1

    def image_features(self, pixels: np.ndarray) -> np.ndarray:
        self.pictures += len(pixels)
        found = pixels.mean((2, 3)).astype(np.float16)
        return np.where((np.arange(len(pixels)) == self.broken)[:, None], np.float16("nan"), found)

    def text_features(self, texts: list[str]) -> np.ndarray:
        self.texts += len(texts)
        return np.array([[len(text), 1.0] for text in texts], np.float16)


def test_features_of_frozen_encoders_are_computed_once(tmp_path: Path) -> None:
    corpus, encoders = given_corpus(tmp_path / "c", 12, 8), Encoders()
    heads = replace(maker(), frozen=encoders)
    ready = [pack(own(corpus, Choice()), heads, parse(()), Packs(corpus.path / "packs")) for _ in range(2)]
    assert (encoders.pictures, encoders.texts) == (20, 20)
    pixels = pack(own(corpus, Choice()), maker(), parse(()), Packs(corpus.path / "packs")).pack.images(np.arange(20))
    for each in ready:
        found = each.pack.images(np.arange(20))
        assert found.dtype == np.float16 and (found == pixels.mean((2, 3)).astype(np.float16)).all()
        assert each.pack.texts(np.array([3]), np.zeros(1)).tolist() == [[len(pairs(3, 1)[0].text), 1.0]]
    encoders.key, encoders.broken = "others", 5
    others = pack(own(corpus, Choice()), heads, parse(()), Packs(corpus.path / "packs"))
    assert (encoders.pictures, encoders.texts) == (40, 40)
    assert others.refused == {"bad_vector": 2} and len(others.pack) == 18, "a vector that is none"


def test_weights_are_repetitions_and_seeds_take_shares() -> None:
    count = 400
    whole = Pack.of(np.zeros((count, 3, 2, 2), np.uint8), np.arange(count)[:, None])
    weights = np.where(np.arange(count) % 2, 2.5, 0.5).astype(np.float32)
    shares = [Ready(whole, weights, *_counters()).of_seed(seed, parts=2) for seed in (0, 1)]
    for share in shares:
        assert share.pairs + share.left["not_drawn"] + share.left["other_part"] == count
        times = np.bincount(share.pack.image_N, minlength=count)
        assert set(times[1::2]) == {0, 2, 3} and set(times[0::2]) == {0, 1}
    taken = [set(share.pack.image_N.tolist()) for share in shares]
    assert not taken[0] & taken[1], "two seeds share out the pairs"
    every = Ready(whole, weights, *_counters()).of_seed(0, parts=1)
    assert len(every.pack) == pytest.approx(1.5 * count, rel=0.05)
    assert Ready(whole, np.ones(count, np.float32), *_counters()).of_seed(3, 1).pack is whole


def _counters() -> tuple[Any, Any]:
    return Counter(), Counter()
