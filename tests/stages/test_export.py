from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import webdataset
import yaml

from tests.stages.given import Given, committed, give, given_corpus, pairs, picture, run_here, write_probe
from tests.stages.running import do
from tests.stages.test_dedup import MIXED, groups_of
from vlcorpus.corpus import Corpus
from vlcorpus.errors import CorpusError, UsageError
from vlcorpus.io import table, tar
from vlcorpus.stages.dedup import Dedup
from vlcorpus.stages.embed import Embed
from vlcorpus.stages.export import Export
from vlcorpus.stages.filter import Filter
from vlcorpus.stages.samples import stored
from vlcorpus.stages.split import Split

HALVES = Split(train=0.5, test=0.5)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    corpus = given_corpus(folder / "c", 20, 12)
    give(corpus, "00002", [*MIXED, Given("http://b.test/lost.jpg", "lost")])
    run_here(
        corpus,
        [
            Embed(model=write_probe(folder / "p")),
            Filter(top_fraction=0.6, decision="top"),
            Filter(random_fraction=0, decision="none"),
            Dedup(),
            HALVES,
        ],
    )
    return corpus.path


@pytest.fixture
def corpus(made: Path, tmp_path: Path) -> Corpus:
    shutil.copytree(made.parent, tmp_path, dirs_exist_ok=True)
    return Corpus.open(tmp_path / "c")


def want(
    corpus: Corpus, *, decision: str | None, keepers: bool, split: bool
) -> dict[str, list[tuple[str, bytes, str]]]:
    """Split -> (uid, image, caption) of what an export must hold, by the slow rule."""
    group_of = {row["uid"]: row["group"] for row in groups_of(corpus)}
    keepers_of: dict[bytes, str] = {}
    found: dict[str, list[tuple[str, bytes, str]]] = {}
    for shard in corpus.layer("shards").units():
        keep = columns(corpus, f"decisions/{decision}", shard, "decisions", "keep") if decision else {}
        belongs = columns(corpus, "splits/default", shard, "splits", "split")
        for pair in stored(corpus, shard):
            if not keep.get(pair.uid, True):
                continue
            keeper = keepers_of.setdefault(group_of.get(pair.uid, pair.uid), pair.row["image_id"])
            if keepers and keeper != pair.row["image_id"]:
                continue
            name = belongs[pair.uid] if split else "all"
            found.setdefault(name, []).append((pair.uid.hex(), pair.body, pair.caption))
    return found


def columns(corpus: Corpus, layer: str, shard: str, name: str, column: str) -> dict[bytes, Any]:
    rows = table.read(corpus.layer(layer).path(f"{shard}.parquet"), name).to_pylist()
    return {row["uid"]: row[column] for row in rows}


def exported(out: Path) -> dict[str, list[tuple[str, bytes, str]]]:
    """The same from the tars."""
    return {
        folder.name: [
            (json.loads(sample.members["json"])["uid"], sample.members["jpg"], sample.members["txt"].decode())
            for path in sorted(folder.glob("*.tar"))
            for sample in tar.read_samples(path)
        ]
        for folder in sorted(out.iterdir())
        if folder.is_dir()
    }


@pytest.mark.parametrize(
    ("decision", "keepers", "split"), [(None, False, False), ("top", False, True), ("top", True, True)]
)
def test_tars_hold_the_chosen_pairs(
    corpus: Corpus, tmp_path: Path, decision: str | None, keepers: bool, split: bool
) -> None:
    out = tmp_path / "out"
    run_here(
        corpus,
        [
            Export(
                out=str(out),
                decision=decision,
                duplicates="default" if keepers else None,
                split="default" if split else None,
                shard_rows=7,
            )
        ],
    )
    wanted = want(corpus, decision=decision, keepers=keepers, split=split)
    found = exported(out)
    assert found == wanted and sum(map(len, found.values())) > 10
    for name, samples in found.items():
        sizes = json.loads((out / name / "sizes.json").read_text())
        assert list(sizes) == [f"{number:05d}.tar" for number in range(-(-len(samples) // 7))]
        assert sum(sizes.values()) == len(samples) and max(sizes.values()) <= 7
        rows = [row for shard in sizes for row in table.rows(out / name / f"{shard[:-4]}.parquet", "exports")]
        assert [row["uid"] for row in rows] == [uid for uid, _, _ in samples]
        assert all(row["similarity"] is not None for row in rows)
    stats = corpus.layer(f"out:{out}").stats("all")
    assert stats is not None
    assert stats["seen"] == 37 == stats["kept"] + sum(stats["rejected"].values())
    assert stats["kept"] == sum(map(len, wanted.values()))
    assert not committed(run_here(corpus, [Export(**stats["settings"] | {"out": str(out)})]))


def test_one_keeper_stands_for_a_group_of_kept_pairs(corpus: Corpus, tmp_path: Path) -> None:
    run_here(corpus, [Export(out=str(tmp_path / "out"), duplicates="default")])
    texts = [caption for _, _, caption in exported(tmp_path / "out")["all"]]
    assert "a tree and 2" in texts and "the same bytes as picture 2" not in texts
    assert {"one image", "with two captions"} <= set(texts), "captions of one image are no duplicates"
    stats = corpus.layer(f"out:{tmp_path / 'out'}").stats("all")
    assert stats is not None and stats["rejected"] == {"other_keeper": 2}


def test_others_read_it(corpus: Corpus, tmp_path: Path) -> None:
    run_here(corpus, [Export(out=str(tmp_path / "out"), split="default", shard_rows=8)])
    for split, samples in exported(tmp_path / "out").items():
        urls = sorted(map(str, (tmp_path / "out" / split).glob("*.tar")))
        read = list(webdataset.WebDataset(urls, shardshuffle=False).decode("pil").to_tuple("jpg", "txt"))
        assert [caption for _, caption in read] == [caption for _, _, caption in samples]
        assert all(image.size == (48, 40) for image, _ in read)
        data = pytest.importorskip("open_clip_train.data")
        pattern = tmp_path / "out" / split / f"{{00000..{len(urls) - 1:05d}}}.tar"
        assert data.get_dataset_size(str(pattern)) == (len(samples), len(urls))


def test_the_card(corpus: Corpus, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_here(corpus, [Export(out=str(out), decision="top", split="default")])
    head = (out / "README.md").read_text().split("---\n")[1]
    about = yaml.safe_load(head)
    assert about["configs"][0]["data_files"] == [
        {"split": "test", "path": "test/*.tar"},
        {"split": "train", "path": "train/*.tar"},
    ]
    croissant = json.loads((out / "croissant.json").read_text())
    tars = [each for each in croissant["distribution"] if each["@type"] == "cr:FileObject"]
    assert [each["@id"] for each in tars] == ["test/00000.tar", "train/00000.tar"]
    assert all(each["sha256"] == hashlib.sha256((out / each["contentUrl"]).read_bytes()).hexdigest() for each in tars)
    named = named_in(croissant)
    assert len(named) == len(set(named)) and set(referred_in(croissant)) <= set(named)
    sets = {each["@id"]: each for each in croissant["distribution"] if each["@type"] == "cr:FileSet"}
    assert sets["train-images"]["includes"] == ["*.jpg"]
    assert sets["train-images"]["containedIn"] == [{"@id": "train/00000.tar"}]


def named_in(croissant: dict[str, Any]) -> list[str]:
    sets = croissant["recordSet"]
    return [each["@id"] for each in (*croissant["distribution"], *sets, *(f for one in sets for f in one["field"]))]


def referred_in(value: Any) -> Iterator[str]:
    """The ids that a croissant.json points to."""
    if isinstance(value, list):
        for each in value:
            yield from referred_in(each)
    elif isinstance(value, dict) and set(value) == {"@id"}:
        yield value["@id"]
    elif isinstance(value, dict):
        yield from referred_in([each for name, each in value.items() if name != "@context"])


def test_no_file_names_a_place_on_this_machine(corpus: Corpus, tmp_path: Path) -> None:
    run_here(corpus, [Export(out=str(tmp_path / "out"), decision="top", split="default")])
    for path in (*corpus.path.rglob("*"), *(tmp_path / "out").rglob("*")):
        if path.is_file():
            assert str(tmp_path).encode() not in path.read_bytes(), path
    stats = corpus.layer(f"out:{tmp_path / 'out'}").stats("all")
    assert stats is not None and stats["settings"]["out"] == "../out"


def test_a_smaller_export_leaves_nothing_of_the_larger_one(corpus: Corpus, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    run_here(corpus, [Export(out=out, split="default", shard_rows=4)])
    (tmp_path / "out" / "notes").mkdir()
    run_here(corpus, [Export(out=out, decision="top", split="default", shard_rows=4)])
    wanted = want(corpus, decision="top", keepers=False, split=True)
    found = exported(tmp_path / "out")
    assert found == wanted | {"notes": []}
    shards = sorted(path.name for path in (tmp_path / "out" / "train").glob("*.tar"))
    assert list(json.loads((tmp_path / "out" / "train" / "sizes.json").read_text())) == shards
    run_here(corpus, [Export(out=out, decision="top", shard_rows=4)])
    assert set(exported(tmp_path / "out")) == {"all", "notes"}, "splits of before are gone"
    run_here(corpus, [Export(out=out, decision="none", split="default")])
    assert set(exported(tmp_path / "out")) == {"notes"}
    stats = corpus.layer(f"out:{out}").stats("all")
    assert stats is not None and (stats["seen"], stats["kept"], stats["rejected"]) == (37, 0, {"not_kept": 37})


def test_workers_do_not_change_a_byte(corpus: Corpus, tmp_path: Path) -> None:
    one, two = (Export(out=str(tmp_path / name), decision="top", split="default") for name in ("one", "two"))
    run_here(corpus, [one])
    do(corpus, [two], workers=2)
    names = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file())
    assert names == sorted(
        path.relative_to(tmp_path / "two") for path in (tmp_path / "two").rglob("*") if path.is_file()
    )
    for name in names:
        if not name.name.endswith(("0.json", "all_stats.json")):  # stats carry times
            assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_growth_makes_it_stale(corpus: Corpus, tmp_path: Path) -> None:
    stage = Export(out=str(tmp_path / "out"), decision="top")
    run_here(corpus, [stage])
    give(corpus, "00003", pairs(200, 5))
    with pytest.raises(CorpusError, match="decisions/top has no shard 00003"):
        run_here(corpus, [stage])
    assert corpus.layer(f"out:{tmp_path / 'out'}").stats("all") is not None, "what was there stays until it is replaced"
    run_here(corpus, [Filter(top_fraction=0.6, decision="top"), stage])
    assert exported(tmp_path / "out")["all"] == want_all(corpus)


def want_all(corpus: Corpus) -> list[tuple[str, bytes, str]]:
    run_here(corpus, [HALVES])
    return want(corpus, decision="top", keepers=False, split=False)["all"]


def test_a_shard_that_is_another_is_noticed(corpus: Corpus, tmp_path: Path) -> None:
    give(corpus, "00000", pairs(300, 20))
    with pytest.raises(CorpusError, match="decisions/top is not of the pairs of shard 00000"):
        run_here(corpus, [Export(out=str(tmp_path / "out"), decision="top")])


def test_places_that_are_refused(corpus: Corpus, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("years of work")
    for out, message in (
        (str(tmp_path / "full"), "is no export"),
        (str(corpus.path), "is the corpus itself"),
        ("https://bucket.test/out", "is a URL of the web"),
    ):
        with pytest.raises(UsageError, match=message):
            run_here(corpus, [Export(out=out)])


def test_images_in_other_formats(tmp_path: Path) -> None:
    from tests.clip.drawn import photo
    from vlcorpus.images.encode import encode

    png = encode(photo(40, 48, 7), format="png", quality=3)
    corpus = given_corpus(tmp_path / "c", 1)
    give(corpus, "00001", [Given("http://b.test/x.png", "a png", png)])
    run_here(corpus, [Export(out=str(tmp_path / "out"))])
    endings = {
        each for sample in tar.read_samples(tmp_path / "out" / "all" / "00000.tar") for each in sample.members
    } - {"txt", "json"}
    croissant = json.loads((tmp_path / "out" / "croissant.json").read_text())
    images = next(each for each in croissant["distribution"] if each["@id"] == "all-images")
    assert images["includes"] == [f"*.{each}" for each in sorted(endings)]


def test_no_pairs(tmp_path: Path) -> None:
    corpus = given_corpus(tmp_path / "c", 0)
    run_here(corpus, [Export(out=str(tmp_path / "out"))])
    assert exported(tmp_path / "out") == {}
    assert yaml.safe_load((tmp_path / "out" / "README.md").read_text().split("---\n")[1])["pretty_name"] == "c"


def test_texts_of_every_kind(tmp_path: Path) -> None:
    texts = ["", "é\u202e\x1b[31m", "a\nb\0c", "\ud83d", "x" * 9000]
    corpus = Corpus.create(tmp_path / "c")
    give(corpus, "00000", [Given(f"http://a.test/{n}.jpg", text, picture(n)) for n, text in enumerate(texts) if n != 3])
    run_here(corpus, [Export(out=str(tmp_path / "out"))])
    assert [caption for _, _, caption in exported(tmp_path / "out")["all"]] == [
        t for n, t in enumerate(texts) if n != 3
    ]
