"""Lists of uids and URLs, decisions over candidates, and weights: beside the obvious rule, row by row."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from tests.images.drawn import photo, saved
from tests.kill.harness import Walk, contents, differences, draw, trial, unsound
from tests.kill.harness import do as killable
from tests.net.server import LoopbackServer
from tests.stages.given import pairs, run_here
from tests.stages.running import here, quiet
from tests.stages.test_export_formats import contents_of
from vlcorpus import api, schema
from vlcorpus.corpus import Corpus
from vlcorpus.errors import CorpusError, UsageError
from vlcorpus.images.prepare import ImageSettings
from vlcorpus.io import subset, table, tar
from vlcorpus.stages import export_lists, shards, subsets
from vlcorpus.stages.base import UnitCommit
from vlcorpus.stages.export import Export
from vlcorpus.stages.filter import Filter
from vlcorpus.stages.import_ import Import
from vlcorpus.stages.outcome import Fetched
from vlcorpus.views.find import find
from vlcorpus.views.life import life
from vlcorpus.views.verify import verify

COUNT = 60
PREDICATE = {"predicate": "RandomRows", "rows": None, "fraction": 0.5, "seed": 0, "cut": None, "says": "drawn"}
Row = dict[str, Any]


def given_uid(number: int) -> str:
    """Sixteen of them are of one text, as no real list has it; some are short."""
    digits = hashlib.md5(str(number).encode()).hexdigest()
    return digits if number % 5 else digits[:30]


def write_list(folder: Path, uid: Callable[[int], str | None] = given_uid) -> str:
    listed = {
        "uid": [uid(n) for n in range(COUNT)],
        "url": [f"http://a.test/{n}.jpg" for n in range(COUNT)],
        "text": [f"words, of “{n}”" for n in range(COUNT)],
        "original_width": [100 + n for n in range(COUNT)],
        "original_height": [None if n % 3 == 0 else 200 + n for n in range(COUNT)],
        "clip_l14_similarity_score": [n / 100 for n in range(COUNT)],
        "similarity": [None if n % 7 == 0 else n / 200 for n in range(COUNT)],
    }
    pq.write_table(pa.table(listed), folder / "list.parquet")
    return str(folder / "list.parquet")


def imported(folder: Path, uid: Callable[[int], str | None] = given_uid) -> Corpus:
    """60 candidates in four shards, none fetched."""
    folder.mkdir(parents=True, exist_ok=True)
    corpus = Corpus.create(folder / "c", shard_rows=16)
    here(corpus, Import(source=write_list(folder, uid)))
    return corpus


def download(corpus: Corpus) -> None:
    """Every third image cannot be had."""
    for unit in corpus.layer("candidates").units():
        rows = table.read(corpus.layer("candidates").path(f"{unit}.parquet"), "candidates").to_pylist()

        def fetch(wanted: list[int], rows: list[Row] = rows) -> Iterator[tuple[int, Fetched]]:
            for place in wanted:
                number = number_of(rows[place])
                body = saved(photo(number, 70, 60 + number), "JPEG") if number % 3 else b""
                yield place, Fetched(body=body, reason=None if body else "timeout")

        commit = UnitCommit(
            Import(source="x"),
            corpus,
            corpus.layer("shards"),
            unit,
            {"candidates": corpus.layer("candidates").digest(unit)},
        )
        shards.write(commit, corpus, unit, rows, shards.made(fetch, ImageSettings(image_size=32)), quiet)


def number_of(row: Row) -> int:
    return int(str(row["url"]).rpartition("/")[2].partition(".")[0])


def candidates(corpus: Corpus) -> list[Row]:
    layer = corpus.layer("candidates")
    return [
        row | {"in": unit}
        for unit in layer.units()
        for row in table.read(layer.path(f"{unit}.parquet"), "candidates").to_pylist()
    ]


def pictured(corpus: Corpus) -> set[bytes]:
    layer = corpus.layer("shards")
    return {
        bytes.fromhex(row["uid"])
        for unit in layer.units()
        for row in table.rows(layer.path(f"{unit}.parquet"), "shards")
        if row["status"] == "success"
    }


def decide(corpus: Corpus, name: str, weight: Callable[[int], float], *, of: str = "candidates") -> dict[bytes, float]:
    """Commit a decision that keeps what has a weight; uid -> weight of what it keeps."""
    layer, source = corpus.layer(f"decisions/{name}"), "candidates" if of == "candidates" else "shards"
    there = pictured(corpus) if of == "images" else None
    stage, seen = Filter(of=of, decision=name), 0
    kept: dict[bytes, float] = {}
    for unit in corpus.layer(source).units():
        rows = [row for row in candidates(corpus) if row["in"] == unit and (there is None or row["uid"] in there)]
        weights = [float(np.float32(weight(number_of(row)))) for row in rows]
        made = {
            "uid": [row["uid"] for row in rows],
            "keep": [each > 0 for each in weights],
            "fail_mask": [int(each == 0) for each in weights],
            "first_fail": [-1 if each else 0 for each in weights],
            "weight": weights,
        }
        with UnitCommit(stage, corpus, layer, unit, {}) as commit:
            table.write(commit, f"{unit}.parquet", table.from_columns(made, "decisions"), "decisions")
            taken = sum(made["keep"])
            commit.finish(seen=len(rows), kept=taken, rejected={"not_drawn": len(rows) - taken}, of=of)
        kept |= {row["uid"]: each for row, each in zip(rows, weights, strict=True) if each}
        seen += len(rows)
    with UnitCommit(stage, corpus, layer, "all", {source: corpus.layer(source).digest_all()}) as commit:
        left = seen - len(kept)
        commit.finish(seen=seen, kept=len(kept), rejected={"not_drawn": left}, of=of, predicates=[PREDICATE], masks=[])
    return kept


def times(uid: bytes, weight: float, seed: int = 0) -> int:
    """How often a pair is taken: SplitMix64's finaliser over seed, stream and both halves of the uid, in Python."""

    def mixed(x: int) -> int:
        x = (x + 0x9E3779B97F4A7C15) % 2**64
        x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        x = (x ^ x >> 27) * 0x94D049BB133111EB % 2**64
        return x ^ x >> 31

    state = mixed(mixed(seed) ^ (int.from_bytes(b"copies", "big") + 1))
    drawn = mixed(mixed(state ^ int.from_bytes(uid[:8], "big")) ^ int.from_bytes(uid[8:], "big"))
    whole = int(weight)
    return whole + ((drawn >> 11) / 2**53 < weight - whole)


def entries(path: Path) -> list[str]:
    """The uids of a subset file as hex texts."""
    return [f"{high:016x}{low:016x}" for high, low in np.load(path).tolist()]


def stats_of(out: Path) -> dict[str, Any]:
    found = json.loads((out / "all_stats.json").read_text())
    assert found["seen"] == found["kept"] + sum(found["rejected"].values())
    assert set(found["rejected"]) <= set(schema.reasons()["exports"])
    return dict(found)


def sound(corpus: Corpus, out: Path) -> None:
    verified = verify(corpus, export=out)
    assert verified.findings == () and verified.notes == ()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lists")
    corpus = imported(folder)
    decide(corpus, "plain", lambda number: number % 4 > 0)
    decide(corpus, "weighed", lambda number: (number % 9) * 0.4)
    return folder


@pytest.fixture
def corpus(made: Path, tmp_path: Path) -> Corpus:
    shutil.copytree(made / "c", tmp_path / "c")
    return Corpus.open(tmp_path / "c")


@pytest.fixture
def fetched(corpus: Corpus) -> Corpus:
    download(corpus)
    return corpus


def test_own_uids_of_a_decision_over_candidates(corpus: Corpus, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_here(corpus, [Export(out=str(out), decision="plain", output_format="uids", uids="own")])
    wanted = sorted(row["uid"].hex() for row in candidates(corpus) if number_of(row) % 4)
    assert entries(out / "all" / "00000.npy") == wanted
    told = stats_of(out)
    assert (told["seen"], told["kept"], told["rejected"]) == (COUNT, 45, {"not_kept": 15})
    assert (told["uids"], told["entries"], told["splits"]) == ("own", 45, {"all": {"00000.npy": 45}})
    assert json.loads((out / "all" / "sizes.json").read_text()) == {"00000.npy": 45}
    sound(corpus, out)


def test_given_uids_are_taken_where_every_pair_has_one(corpus: Corpus, tmp_path: Path) -> None:
    for name, uids in (("asked", "given"), ("not", None)):
        out = tmp_path / name
        run_here(corpus, [Export(out=str(out), decision="plain", output_format="uids", uids=uids)])
        wanted = sorted(given_uid(n).rjust(32, "0") for n in range(COUNT) if n % 4)
        assert entries(out / "all" / "00000.npy") == wanted
        assert stats_of(out)["uids"] == "given" and "`given`" in (out / "README.md").read_text()
        sound(corpus, out)


@pytest.mark.parametrize(("wrong", "said"), [(None, "was given no uid"), ("z" * 32, "'zzz"), ("0" * 33, "1 to 32 hex")])
def test_a_pair_without_a_given_uid(tmp_path: Path, wrong: str | None, said: str) -> None:
    corpus = imported(tmp_path, lambda number: wrong if number == 37 else given_uid(number))
    decide(corpus, "with", lambda number: number > 30)
    decide(corpus, "without", lambda number: number != 37)
    run_here(corpus, [Export(out=str(tmp_path / "own"), decision="with", output_format="uids")])
    assert stats_of(tmp_path / "own")["uids"] == "own"
    sound(corpus, tmp_path / "own")
    run_here(corpus, [Export(out=str(tmp_path / "given"), decision="without", output_format="uids")])
    assert stats_of(tmp_path / "given")["uids"] == "given", "what is not kept needs none"
    with pytest.raises(UsageError, match=said) as raised:
        run_here(corpus, [Export(out=str(tmp_path / "no"), decision="with", output_format="uids", uids="given")])
    (pair,) = (row for row in candidates(corpus) if number_of(row) == 37)
    assert pair["uid"].hex() in raised.value.message and f"shard {pair['in']}" in raised.value.message
    assert "--uids own" in raised.value.hint


def test_one_given_uid_of_several_pairs_is_listed_once(tmp_path: Path) -> None:
    """As often as the pair is wanted that is wanted most."""
    corpus = imported(tmp_path, lambda number: given_uid(number // 2 if number < 20 else number))
    kept = decide(corpus, "weighed", lambda number: 1 + number % 3)
    run_here(corpus, [Export(out=str(tmp_path / "out"), decision="weighed", output_format="uids")])
    wanted: Counter[str] = Counter()
    for row in candidates(corpus):
        name = str(row["given_uid"]).rjust(32, "0")
        wanted[name] = max(wanted[name], int(kept[row["uid"]]))
    assert Counter(entries(tmp_path / "out" / "all" / "00000.npy")) == wanted
    told = stats_of(tmp_path / "out")
    assert told["rejected"] == {"same_uid": 10} and told["kept"] == COUNT - 10 == len(wanted)
    assert told["entries"] == wanted.total()
    sound(corpus, tmp_path / "out")


@pytest.mark.parametrize("seed", [0, 3])
def test_weights_are_repetitions(corpus: Corpus, tmp_path: Path, seed: int) -> None:
    weights = {row["uid"]: float(np.float32(number_of(row) % 9 * 0.4)) for row in candidates(corpus)}
    run_here(
        corpus, [Export(out=str(tmp_path / "out"), decision="weighed", output_format="uids", uids="own", seed=seed)]
    )
    wanted = Counter({uid.hex(): times(uid, weight, seed) for uid, weight in weights.items()})
    assert Counter(entries(tmp_path / "out" / "all" / "00000.npy")) == +wanted
    told = stats_of(tmp_path / "out")
    undrawn = sum(1 for uid, weight in weights.items() if 0 < weight < 1 and not wanted[uid.hex()])
    assert undrawn and told["rejected"] == {
        "not_kept": sum(not each for each in weights.values()),
        "not_drawn": undrawn,
    }
    sound(corpus, tmp_path / "out")
    run_here(corpus, [Export(out=str(tmp_path / "once"), decision="weighed", output_format="uids", repeat=False)])
    assert stats_of(tmp_path / "once")["entries"] == sum(each > 0 for each in weights.values())
    sound(corpus, tmp_path / "once")


def test_the_fraction_of_a_weight_is_a_probability() -> None:
    uids = np.random.default_rng(0).integers(0, 256, (40_000, 16), dtype=np.uint8)
    weights = np.random.default_rng(1).choice(np.array([0, 0.25, 1, 1.75, 3], np.float32), 40_000)
    found = subsets.copies(weights, uids, 5)
    assert found[:500].tolist() == [
        times(bytes(u), float(w), 5) for u, w in zip(uids[:500], weights[:500], strict=True)
    ]
    for weight in (0, 0.25, 1, 1.75, 3):
        some = found[weights == weight]
        assert set(some.tolist()) == {int(np.floor(weight)), int(np.ceil(weight))}
        assert abs(some.mean() - weight) < 4 * 0.5 / np.sqrt(len(some))
    turned = np.random.default_rng(2).permutation(40_000)
    assert (subsets.copies(weights[turned], uids[turned], 5) == found[turned]).all()
    assert (subsets.copies(weights, uids, 6) != found).any()


@pytest.mark.parametrize("bad", [float("nan"), -1.0, float("inf"), 2e6])
def test_weights_that_are_no_number_of_times(corpus: Corpus, tmp_path: Path, bad: float) -> None:
    decide(corpus, "bad", lambda number: bad if number == 20 else 1)
    with pytest.raises(CorpusError, match="decisions/bad has weights in shard 00001"):
        run_here(corpus, [Export(out=str(tmp_path / "out"), decision="bad", output_format="uids")])


def samples_of(out: Path, format: str) -> list[tuple[str, Row]]:
    """(key, JSON) of every sample, in order."""
    if format == "parquet":
        rows = pa.concat_tables([pq.read_table(path) for path in sorted((out / "all").glob("*.parquet"))]).to_pylist()
        return [(row["key"], {name: value for name, value in row.items() if value is not None}) for row in rows]
    if format == "files":
        paths = sorted((out / "all").glob("*/*.json"))
        return [(path.stem, json.loads(path.read_text())) for path in paths]
    found = [sample for path in sorted((out / "all").glob("*.tar")) for sample in tar.read_samples(path)]
    return [(sample.key, json.loads(sample.members["json"])) for sample in found]


@pytest.mark.parametrize("format", ["webdataset", "files", "parquet"])
@pytest.mark.parametrize("of", ["candidates", "images"])
def test_images_are_written_as_often_as_their_weight_says(
    fetched: Corpus, tmp_path: Path, format: str, of: str
) -> None:
    kept = decide(fetched, "mine", lambda number: number % 8 * 0.4, of=of)
    there = pictured(fetched)
    out = tmp_path / "out"
    run_here(fetched, [Export(out=str(out), decision="mine", output_format=format, shard_rows=7)])
    wanted = [
        (row["uid"].hex(), copy)
        for row in candidates(fetched)
        if row["uid"] in there
        for copy in range(times(row["uid"], kept.get(row["uid"], 0)))
    ]
    samples = samples_of(out, format)
    assert [(told["uid"], int(key.partition("-")[2] or 0)) for key, told in samples] == wanted
    assert max(copy for _, copy in wanted) > 1
    for place, (key, told) in enumerate(samples):
        assert key.partition("-")[0] == f"{place // 7:05d}{place % 7}"
        weight = kept[bytes.fromhex(told["uid"])]
        assert told.get("weight", 1) == weight
    told = stats_of(out)
    assert (told["seen"], told["samples"]) == (len(there), len(wanted))
    assert told["kept"] == len({uid for uid, _ in wanted})
    assert told["rejected"]["not_drawn"] and told["rejected"]["not_kept"] == len(there - set(kept))
    sound(fetched, out)
    run_here(fetched, [Export(out=str(out), decision="mine", output_format=format, repeat=False)])
    assert [told["uid"] for _, told in samples_of(out, format)] == [
        row["uid"].hex() for row in candidates(fetched) if row["uid"] in there & set(kept)
    ]
    sound(fetched, out)


def test_samples_in_python_know_their_weight(fetched: Corpus) -> None:
    kept = decide(fetched, "mine", lambda number: number % 5 * 0.5)
    found = {pair.uid: pair.weight for pair in api.OpenCorpus(fetched).samples(decision="mine")}
    assert found == {uid: weight for uid, weight in kept.items() if uid in pictured(fetched)}
    assert {pair.weight for pair in api.OpenCorpus(fetched).samples()} == {1.0}


def urls_of(out: Path, split: str = "all") -> list[Row]:
    return [row for path in sorted((out / split).glob("*.parquet")) for row in table.rows(path, "exports-urls")]


def test_urls_of_candidates(corpus: Corpus, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_here(corpus, [Export(out=str(out), decision="weighed", output_format="urls", shard_rows=11)])
    found = urls_of(out)
    wanted = [row for row in candidates(corpus) if number_of(row) % 9]
    assert [row["uid"] for row in found] == [row["uid"].hex() for row in wanted], "once each, in corpus order"
    for row, source in zip(found, wanted, strict=True):
        number = number_of(source)
        assert (row["url"], row["caption"], row["given_uid"]) == (source["url"], source["alt_text"], given_uid(number))
        assert (row["width"], row["height"]) == (source["width"], source["height"])
        assert row["weight"] == float(np.float32(number % 9 * 0.4)) and row["sha256"] is None
        assert row["clip_l14_similarity_score"] == float(np.float32(number / 100))
        assert row["similarity"] == row["list_similarity"]
        assert row["similarity"] == (None if number % 7 == 0 else float(np.float32(number / 200)))
    sizes = json.loads((out / "all" / "sizes.json").read_text())
    assert list(sizes.values()) == [11, 11, 11, 11, 9] and list(sizes)[4] == "00004.parquet"
    told = stats_of(out)
    assert told["similarity_of"] == {"layer": "scores/list", "model": None}
    assert told["rejected"] == {"not_kept": COUNT - len(wanted)}
    sound(corpus, out)


def test_lists_need_no_decision(corpus: Corpus, tmp_path: Path) -> None:
    run_here(corpus, [Export(out=str(tmp_path / "urls"), output_format="urls")])
    assert [row["uid"] for row in urls_of(tmp_path / "urls")] == [row["uid"].hex() for row in candidates(corpus)]
    run_here(corpus, [Export(out=str(tmp_path / "uids"), output_format="uids", uids="own")])
    assert entries(tmp_path / "uids" / "all" / "00000.npy") == sorted(row["uid"].hex() for row in candidates(corpus))
    decide(corpus, "nothing", lambda number: 0)
    for format in ("urls", "uids"):
        run_here(corpus, [Export(out=str(tmp_path / format), output_format=format, decision="nothing")])
        assert stats_of(tmp_path / format)["kept"] == 0 and not (tmp_path / format / "all").exists()
        sound(corpus, tmp_path / format)


def test_lists_of_what_was_fetched(fetched: Corpus, tmp_path: Path) -> None:
    kept = decide(fetched, "mine", lambda number: number % 2, of="images")
    run_here(fetched, [Export(out=str(tmp_path / "urls"), decision="mine", output_format="urls")])
    found = urls_of(tmp_path / "urls")
    assert [bytes.fromhex(row["uid"]) for row in found] == list(kept)
    assert [row["width"] for row in found] == [70] * len(kept)
    assert [row["height"] for row in found] == [60 + int(row["url"][14:-4]) for row in found]
    assert all(len(row["sha256"]) == 64 for row in found)
    assert stats_of(tmp_path / "urls")["seen"] == len(pictured(fetched))
    run_here(fetched, [Export(out=str(tmp_path / "uids"), decision="mine", output_format="uids", uids="own")])
    assert entries(tmp_path / "uids" / "all" / "00000.npy") == sorted(uid.hex() for uid in kept)
    for format in ("urls", "uids"):
        sound(fetched, tmp_path / format)


@pytest.mark.parametrize("format", ["uids", "urls"])
def test_splits_are_of_pairs_with_images(fetched: Corpus, tmp_path: Path, format: str) -> None:
    from vlcorpus.stages.split import Split

    out = tmp_path / "out"
    uids = "own" if format == "uids" else None
    export = Export(out=str(out), decision="plain", split="default", output_format=format, uids=uids)
    run_here(fetched, [Split(train=0.5, test=0.5), export])
    layer = fetched.layer("splits/default")
    belongs = {
        row["uid"]: row["split"]
        for unit in layer.units()
        for row in table.rows(layer.path(f"{unit}.parquet"), "splits")
    }
    kept = {row["uid"] for row in candidates(fetched) if number_of(row) % 4}
    for split in ("train", "test"):
        wanted = {uid.hex() for uid in kept if belongs.get(uid) == split}
        found = entries(out / split / "00000.npy") if format == "uids" else [row["uid"] for row in urls_of(out, split)]
        assert wanted and set(found) == wanted and len(found) == len(wanted)
    told = stats_of(out)
    assert told["seen"] == COUNT and told["rejected"]["no_image"] == len(kept - set(belongs))
    sound(fetched, out)


def test_one_keeper_of_a_group_is_listed(fetched: Corpus, tmp_path: Path) -> None:
    rows = candidates(fetched)
    group: dict[bytes, bytes] = {
        row["uid"]: min(each["uid"] for each in rows[number // 4 * 4 :][:4])
        for number, row in enumerate(rows)
        if number < 40
    }
    layer = fetched.layer("duplicates/default")
    listed = [{"uid": uid, "group": first, "kind": "near"} for uid, first in sorted(group.items())]
    with UnitCommit(Filter(), fetched, layer, "all", {}) as commit:
        table.write(commit, "groups.parquet", table.columns(listed, "duplicates"), "duplicates")
        commit.finish(seen=COUNT, kept=COUNT, groups=10, members=40)
    kept = [row for row in rows if number_of(row) % 4]
    keepers: dict[bytes, bytes] = {}
    wanted = [
        row["uid"].hex()
        for row in kept
        if keepers.setdefault(group[row["uid"]] if row["uid"] in group else row["uid"], row["uid"]) == row["uid"]
    ]
    here(fetched, Export(out=str(tmp_path / "out"), decision="plain", duplicates="default", output_format="urls"))
    assert [row["uid"] for row in urls_of(tmp_path / "out")] == wanted
    assert stats_of(tmp_path / "out")["rejected"]["other_keeper"] == len(kept) - len(wanted) == 20
    assert not [each for each in verify(fetched, export=tmp_path / "out").findings if each.path.startswith("out")]


def test_pairs_of_a_folder_have_no_url(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number in range(5):
        (pictures / f"{number}.jpg").write_bytes(saved(photo(number), "JPEG"))
        (pictures / f"{number}.txt").write_text(f"picture {number}")
    corpus = Corpus.create(tmp_path / "c")
    here(corpus, Import(source=str(pictures)))
    run_here(corpus, [Export(out=str(tmp_path / "out"), output_format="urls")])
    assert stats_of(tmp_path / "out")["rejected"] == {"no_url": 5}
    run_here(corpus, [Export(out=str(tmp_path / "uids"), output_format="uids")])
    assert stats_of(tmp_path / "uids")["entries"] == 5
    sound(corpus, tmp_path / "uids")


def test_a_decision_over_images_is_not_of_a_shard_that_is_another(fetched: Corpus, tmp_path: Path) -> None:
    from tests.stages.given import give

    for of in ("candidates", "images"):
        decide(fetched, of, lambda number: 1, of=of)
    give(fetched, "00001", pairs(300, 16))
    for of in ("candidates", "images"):
        for format in ("uids", "urls", "webdataset"):
            with pytest.raises(CorpusError, match=f"decisions/{of} is not of the pairs of shard 00001"):
                run_here(fetched, [Export(out=str(tmp_path / "out"), decision=of, output_format=format)])
    give(fetched, "00004", pairs(400, 3))
    with pytest.raises(CorpusError, match="decisions/candidates"):
        run_here(fetched, [Export(out=str(tmp_path / "out"), decision="candidates", output_format="uids")])


def test_uids_are_of_one_format(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--uids is of lists of uids"):
        run_here(corpus, [Export(out=str(tmp_path / "out"), output_format="urls", uids="own")])


def test_verify_finds_what_is_wrong_with_lists(corpus: Corpus, tmp_path: Path) -> None:
    def told(out: Path) -> list[str]:
        return [each.what for each in verify(corpus, export=out).findings]

    out = tmp_path / "uids"
    run_here(corpus, [Export(out=str(out), decision="weighed", output_format="uids", uids="own")])
    path = out / "all" / "00000.npy"
    rows = np.load(path)
    np.save(path, rows[::-1])
    assert "its uids are not in order" in told(out)
    np.save(path, np.concatenate([rows, rows[-1:]]))
    assert "1 pairs are not in it as often as their weights say, first " + entries(path)[-1] in told(out)
    rows[0] = (0, 1)
    np.save(path, rows)
    assert f"1 pairs are not in the corpus, first {1:032x}" in told(out)
    np.save(path, rows["f0"])
    assert any("is no subset file" in each for each in told(out))

    out = tmp_path / "urls"
    run_here(corpus, [Export(out=str(out), decision="plain", output_format="urls")])
    path = out / "all" / "00000.parquet"
    whole = pq.read_table(path)
    changed = pa.array(["http://b.test/", *whole.column("url").to_pylist()[1:]])
    pq.write_table(whole.set_column(0, whole.schema.field("url"), changed), path)
    assert any(each.startswith("URL or words of row 0 are not those of its uid") for each in told(out))
    decide(corpus, "plain", lambda number: number % 4 > 1)
    assert any(each.startswith("15 pairs are not kept by plain, first") for each in told(out))


def test_show_tells_where_a_pair_is_listed(corpus: Corpus, tmp_path: Path) -> None:
    for name, uids in (("own", "own"), ("given", None)):
        run_here(corpus, [Export(out=str(tmp_path / name), decision="weighed", output_format="uids", uids=uids)])
    run_here(corpus, [Export(out=str(tmp_path / "urls"), decision="weighed", output_format="urls", shard_rows=9)])
    listed = urls_of(tmp_path / "urls")
    several = 0
    for row in candidates(corpus)[::7]:
        place = find(corpus, row["uid"].hex())
        for name, uid in (("own", row["uid"].hex()), ("given", str(row["given_uid"]).rjust(32, "0"))):
            found = life(corpus, place, export=tmp_path / name).exports
            keys = [
                f"entry {at}" for at, each in enumerate(entries(tmp_path / name / "all" / "00000.npy")) if each == uid
            ]
            assert [(each.tar, each.key) for each in found] == [("all/00000.npy", key) for key in keys]
            several += len(keys) > 1
        found = life(corpus, place, export=tmp_path / "urls").exports
        places = [at for at, each in enumerate(listed) if each["uid"] == row["uid"].hex()]
        assert [(each.tar, each.key) for each in found] == [
            (f"all/{at // 9:05d}.parquet", f"row {at % 9}") for at in places
        ]
    assert several


def test_the_cards(corpus: Corpus, tmp_path: Path) -> None:
    for format, ending in (("uids", "npy"), ("urls", "parquet")):
        out = tmp_path / format
        run_here(corpus, [Export(out=str(out), decision="plain", output_format=format)])
        text = (out / "README.md").read_text()
        (files,) = yaml.safe_load(text.split("---\n")[1])["configs"][0]["data_files"]
        assert files == {"split": "all", "path": f"all/*.{ending}"} and "| all | 45 | 1 |" in text
        croissant = json.loads((out / "croissant.json").read_text())
        (file,) = (each for each in croissant["distribution"] if each["@type"] == "cr:FileObject")
        assert file["sha256"] == hashlib.sha256((out / file["contentUrl"]).read_bytes()).hexdigest()
        columns = [each["source"]["extract"]["column"] for one in croissant["recordSet"] for each in one["field"]]
        assert columns == ([] if format == "uids" else ["uid", "url", "caption"])


def test_img2dataset_reads_the_list(tmp_path: Path) -> None:
    """With the options that its readme gives for LAION's lists."""
    img2dataset = pytest.importorskip("img2dataset")
    del img2dataset
    with LoopbackServer() as server:
        urls = [server.put(f"/{n}.jpg", saved(photo(n), "JPEG")) for n in range(12)]
        words = [f"words of {n}" for n in range(12)]
        listed = {"url": urls, "text": words, "uid": [given_uid(n) for n in range(12)], "similarity": [0.5] * 12}
        pq.write_table(pa.table(listed), tmp_path / "list.parquet")
        corpus = Corpus.create(tmp_path / "c", shard_rows=8)
        here(corpus, Import(source=str(tmp_path / "list.parquet")))
        run_here(corpus, [Export(out=str(tmp_path / "out"), output_format="urls", shard_rows=5)])
        job = {
            "url_list": str(tmp_path / "out" / "all"), "input_format": "parquet", "url_col": "url",
            "caption_col": "caption", "save_additional_columns": ["uid", "given_uid", "similarity", "weight", "nsfw"],
            "output_folder": str(tmp_path / "got"), "output_format": "webdataset", "image_size": 64,
            "processes_count": 1, "thread_count": 4, "number_sample_per_shard": 100, "disallowed_header_directives": [],
        }  # fmt: skip
        (tmp_path / "job.json").write_text(json.dumps(job))
        code = "import json, sys, img2dataset; img2dataset.download(**json.load(open(sys.argv[1])))"
        run_img2dataset(code, tmp_path)
    samples = [sample for path in sorted((tmp_path / "got").glob("*.tar")) for sample in tar.read_samples(path)]
    told = {row["uid"]: row for row in (json.loads(sample.members["json"]) for sample in samples)}
    assert len(samples) == len(told) == 12 and len(list((tmp_path / "got").glob("*.tar"))) == 3
    for row in candidates(corpus):
        each = told[row["uid"].hex()]
        assert (each["url"], each["caption"], each["given_uid"]) == (row["url"], row["alt_text"], row["given_uid"])
        assert (each["similarity"], each["weight"], each["nsfw"]) == (0.5, 1.0, None)


def run_img2dataset(code: str, folder: Path) -> None:
    import os
    import subprocess

    environment = os.environ | {"NO_ALBUMENTATIONS_UPDATE": "1", "WANDB_MODE": "disabled"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder / "job.json")],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.skipif(sys.platform != "linux", reason="the hook reads /proc")
def test_killed_anywhere_the_same_command_gives_the_same_lists(tmp_path: Path) -> None:
    write_list(tmp_path)
    stages = [
        {"import": {"source": str(tmp_path / "list.parquet"), "shard_rows": 16}},
        {"export": {"out": "{corpus}/../exports/urls", "shard_rows": 25, "output_format": "urls"}},
        {"export": {"out": "{corpus}/../exports/uids", "output_format": "uids"}},
    ]
    (tmp_path / "walk.yaml").write_text(yaml.safe_dump({"stages": stages}))
    home = tmp_path / "home"
    walk = Walk("import", ("-m", "vlcorpus", "run", str(tmp_path / "walk.yaml"), str(home / "corpus")), home)
    calm = killable(walk)
    assert calm.code == 0, calm.said
    assert unsound(home) == []
    wanted = contents(home)
    assert {"exports/urls/all/00002.parquet", "exports/uids/all/00000.npy"} <= set(wanted)
    for point in draw(calm.operations, 4, seed=4, within={"export"}):
        done = trial(walk, point, calm, wanted)
        assert not done.problems, (point, done.path, *done.problems)
    assert differences(wanted, contents(home)) == []


def test_a_smaller_list_leaves_nothing_of_the_larger_one(corpus: Corpus, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_here(corpus, [Export(out=str(out), output_format="urls", shard_rows=7)])
    run_here(corpus, [Export(out=str(out), decision="plain", output_format="urls", shard_rows=20)])
    run_here(corpus, [Export(out=str(tmp_path / "new"), decision="plain", output_format="urls", shard_rows=20)])
    assert contents_of(out) == contents_of(tmp_path / "new")
    sound(corpus, out)


def test_few_rows_are_held_at_a_time(monkeypatch: pytest.MonkeyPatch, corpus: Corpus, tmp_path: Path) -> None:
    """Runs and ranges of a few rows give the same file."""
    run_here(corpus, [Export(out=str(tmp_path / "one"), decision="weighed", output_format="uids")])
    for name, value in (("_LEAST_RUN", 5), ("_MOST_RUN", 9), ("_RANGE", 4), ("_SAMPLED", 2)):
        monkeypatch.setattr(subset, name, value)
    run_here(corpus, [Export(out=str(tmp_path / "two"), decision="weighed", output_format="uids")])
    name = "all/00000.npy"
    assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert export_lists.UID_KINDS == ("own", "given")
