"""The three layouts of an export hold the same samples, and each is read by what knows nothing of vlcorpus."""

from __future__ import annotations

import io
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

from tests.clip.drawn import photo
from tests.kill.harness import Walk, contents, differences, draw, trial, unsound
from tests.kill.harness import do as killable
from tests.stages.given import committed, run_here
from tests.stages.running import do, here, quiet
from vlcorpus import spec
from vlcorpus.corpus import Corpus
from vlcorpus.errors import UsageError
from vlcorpus.images.encode import encode
from vlcorpus.images.prepare import ImageSettings
from vlcorpus.io import table, tar
from vlcorpus.io.commit import TEMPORARY
from vlcorpus.stages import export_formats, shards
from vlcorpus.stages.base import UnitCommit
from vlcorpus.stages.export import Export
from vlcorpus.stages.export_formats import FILES, FORMATS, PARQUET, WEBDATASET
from vlcorpus.stages.filter import Filter
from vlcorpus.stages.import_ import Import
from vlcorpus.stages.outcome import Fetched
from vlcorpus.stages.split import Split
from vlcorpus.views.verify import verify

ENDINGS = ("jpg", "png", "webp")
Sample = tuple[str, str, bytes, dict[str, Any]]


def picture(seed: int) -> bytes:
    """A drawn picture; every seventh is a PNG, every eleventh a WebP."""
    if seed % 7 == 6:
        return encode(photo(40, 48, seed), format="png", quality=3)
    return encode(photo(40, 48, seed), format="webp" if seed % 11 == 10 else "jpg", quality=90)


def downloaded(corpus: Corpus) -> None:
    """Commit the shards that a download of all candidates would make, images as they came."""
    stage = Import(source="given")
    for unit in corpus.layer("candidates").units():
        rows = table.read(corpus.layer("candidates").path(f"{unit}.parquet"), "candidates").to_pylist()

        def fetch(wanted: list[int], rows: list[dict[str, Any]] = rows) -> Iterator[tuple[int, Fetched]]:
            for place in wanted:
                yield place, Fetched(body=picture(int(rows[place]["url"].rpartition("/")[2])))

        inputs = {"candidates": corpus.layer("candidates").digest(unit)}
        commit = UnitCommit(stage, corpus, corpus.layer("shards"), unit, inputs)
        shards.write(commit, corpus, unit, rows, shards.made(fetch, ImageSettings(image_size=None)), quiet)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 pairs in three shards, with two additional columns; every fourth has the image of the one before."""
    folder = tmp_path_factory.mktemp("formats")
    urls = [f"http://a.test/{n - (n % 4 == 3)}" for n in range(40)]
    boxes = [[[0.5, n / 64, 0.25]] if n % 3 else None for n in range(40)]
    listed = {"url": urls, "text": [f"words, of “{n}”" for n in range(40)], "faces": boxes, "similarity": [0.5] * 40}
    pq.write_table(pa.table(listed), folder / "list.parquet")
    corpus = Corpus.create(folder / "c", shard_rows=16)
    here(corpus, Import(source=str(folder / "list.parquet"), save_additional_columns=("faces", "similarity")))
    downloaded(corpus)
    run_here(corpus, [Filter(random_fraction=0.4, decision="some"), Split(train=0.5, test=0.5)])
    return corpus.path


@pytest.fixture
def corpus(made: Path, tmp_path: Path) -> Corpus:
    shutil.copytree(made, tmp_path / "c")
    return Corpus.open(tmp_path / "c")


def read(out: Path, format: str) -> dict[str, list[Sample]]:
    """split -> (key, caption, image, JSON or, of parquet, the row) in order, by other people's means."""
    found = {}
    for folder in sorted(each for each in out.iterdir() if each.is_dir()):
        if format == "webdataset":
            listed = [
                (sample.key, sample.members)
                for path in sorted(folder.glob("*.tar"))
                for sample in tar.read_samples(path)
            ]
        elif format == "files":
            members: dict[str, dict[str, bytes]] = {}
            for path in sorted(folder.glob("*/*")):
                assert path.name.startswith(path.parent.name)
                members.setdefault(path.stem, {})[path.suffix[1:]] = path.read_bytes()
            listed = list(members.items())
        else:
            found[folder.name] = [
                (row["key"], row["caption"], image_of(row), told_of(row))
                for row in pa.dataset.dataset(sorted(folder.glob("*.parquet"))).to_table().to_pylist()
            ]
            continue
        found[folder.name] = [
            (key, each["txt"].decode(), image_of(each), json.loads(each["json"])) for key, each in listed
        ]
    return found


def image_of(members: dict[str, Any]) -> bytes:
    (image,) = (members[ending] for ending in ENDINGS if members.get(ending) is not None)
    assert isinstance(image, bytes)
    Image.open(io.BytesIO(image)).load()
    return image


def told_of(row: dict[str, Any]) -> dict[str, Any]:
    """What key.json says, from a row."""
    own = {name: value for name, value in row.items() if value is not None and name not in {*ENDINGS, "additional"}}
    return {**json.loads(row["additional"]), **own}


def test_every_format_holds_the_same_samples(corpus: Corpus, tmp_path: Path) -> None:
    found = {}
    for format in (WEBDATASET, FILES, PARQUET):
        out = tmp_path / format
        run_here(corpus, [Export(out=str(out), split="default", output_format=format, shard_rows=9)])
        found[format] = read(out, format)
        assert verify(corpus, export=out).findings == () and verify(corpus, export=out).notes == ()
        for split, samples in found[format].items():
            sizes = json.loads((out / split / "sizes.json").read_text())
            assert list(sizes) == [export_formats.holder(f"{n:05d}", format) for n in range(-(-len(samples) // 9))]
            assert list(sizes.values()) == [min(9, len(samples) - 9 * n) for n in range(len(sizes))]
    assert found["webdataset"] == found["files"] == found["parquet"]
    samples = [sample for listed in found["files"].values() for sample in listed]
    assert len(samples) == 40
    assert {Image.open(io.BytesIO(image)).format for _, _, image, _ in samples} == {"JPEG", "PNG", "WEBP"}
    for _, caption, _, told in samples:
        number = int(caption.removeprefix("words, of “").removesuffix("”"))
        assert told["faces"] == ([[0.5, number / 64, 0.25]] if number % 3 else None)
        assert list(told)[:2] == ["faces", "similarity"] and told["similarity"] == 0.5


def test_tables_of_images_have_one_schema(corpus: Corpus, tmp_path: Path) -> None:
    run_here(corpus, [Export(out=str(tmp_path / "out"), output_format="parquet", split="default", shard_rows=3)])
    paths = sorted((tmp_path / "out").glob("*/*.parquet"))
    schemas = [pq.read_schema(path) for path in paths]
    assert len(paths) > 12 and all(each.equals(schemas[0], check_metadata=True) for each in schemas)
    assert schemas[0].names[-3:] == list(ENDINGS) and schemas[0].field("png").type == pa.binary()
    held = [{name for name in ENDINGS if pq.read_table(path).column(name).null_count < 3} for path in paths]
    assert {"jpg"} in held, "there are tables whose other image columns are null throughout"


def test_one_format_is_one_column_as_img2dataset_has_it(tmp_path: Path) -> None:
    corpus = Corpus.create(tmp_path / "c")
    (tmp_path / "list.csv").write_text("url,caption\n" + "".join(f"http://a.test/{n},{n}\n" for n in range(5)))
    here(corpus, Import(source=str(tmp_path / "list.csv")))
    downloaded(corpus)
    run_here(corpus, [Export(out=str(tmp_path / "out"), output_format="parquet")])
    names = pq.read_schema(tmp_path / "out" / "all" / "00000.parquet").names
    assert [name for name in names if name in ("jpg", "png", "webp")] == ["jpg"]
    assert {"url", "caption", "key", "width", "height", "sha256"} <= set(names)


def test_row_groups_are_small_and_do_not_depend_on_the_shards_of_before(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_formats, "_GROUP_ROWS", 4)
    run_here(corpus, [Export(out=str(tmp_path / "rows"), output_format="parquet")])
    about = pq.read_metadata(tmp_path / "rows" / "all" / "00000.parquet")
    assert [about.row_group(number).num_rows for number in range(about.num_row_groups)] == [4] * 10
    monkeypatch.setattr(export_formats, "_GROUP_BYTES", 1)
    run_here(corpus, [Export(out=str(tmp_path / "bytes"), output_format="parquet")])
    assert pq.read_metadata(tmp_path / "bytes" / "all" / "00000.parquet").num_row_groups == 40
    assert read(tmp_path / "rows", "parquet") == read(tmp_path / "bytes", "parquet")


def contents_of(out: Path) -> dict[str, bytes]:
    """Bytes by path, without the stats files, which carry times."""
    files = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    return {name: body for name, body in files.items() if b'"fingerprint"' not in body}


@pytest.mark.parametrize("format", ["files", "parquet", "uids", "urls"])
def test_workers_do_not_change_a_byte(corpus: Corpus, tmp_path: Path, format: str) -> None:
    one, two, four = (Export(out=str(tmp_path / name), output_format=format) for name in ("one", "two", "four"))
    run_here(corpus, [one])
    do(corpus, [two], workers=2)
    do(corpus, [four], workers=4)
    assert contents_of(tmp_path / "one") == contents_of(tmp_path / "two") == contents_of(tmp_path / "four")
    assert not committed(run_here(corpus, [two]))


@pytest.mark.parametrize("before", FORMATS)
@pytest.mark.parametrize("after", FORMATS)
def test_another_format_leaves_nothing_of_the_one_before(
    corpus: Corpus, tmp_path: Path, before: str, after: str
) -> None:
    def export(name: str, format: str, decision: str | None) -> Export:
        return Export(out=str(tmp_path / name), output_format=format, decision=decision, shard_rows=13)

    run_here(corpus, [export("out", before, None)])
    if before == "files":  # as a killed run leaves it, and what a person put there
        (tmp_path / "out" / "all" / "00000" / f"{TEMPORARY}0000000.jpg").write_bytes(b"half")
        (tmp_path / "out" / "all" / "00001" / "notes.txt").write_text("mine")
    run_here(corpus, [export("out", after, "some")])
    run_here(corpus, [export("fresh", after, "some")])
    mine = {"all/00001/notes.txt": b"mine"} if before == "files" else {}
    found, wanted = contents_of(tmp_path / "out"), contents_of(tmp_path / "fresh")
    assert found.keys() == wanted.keys() | mine.keys() and found == wanted | mine
    assert not committed(run_here(corpus, [export("out", after, "some")]))


def test_a_word_that_is_no_format() -> None:
    with pytest.raises(UsageError, match="'output_format' is one of webdataset, files, parquet, uids, urls") as raised:
        spec.build(Export, {"out": "out", "output_format": "parket"}, where="export")
    assert "parquet" in raised.value.hint


@pytest.mark.parametrize("format", ["files", "parquet"])
def test_the_card(corpus: Corpus, tmp_path: Path, format: str) -> None:
    out = tmp_path / "out"
    run_here(corpus, [Export(out=str(out), output_format=format, split="default")])
    text = (out / "README.md").read_text()
    patterns = yaml.safe_load(text.split("---\n")[1])["configs"][0]["data_files"]
    for each in patterns:
        paths = each["path"] if isinstance(each["path"], list) else [each["path"]]
        assert sum(len(list(out.glob(path))) for path in paths) == (1 if format == "parquet" else len(
            read(out, format)[each["split"]]))  # fmt: skip
    croissant = json.loads((out / "croissant.json").read_text())
    sets = {each["@id"]: each for each in croissant["distribution"] if each["@type"] == "cr:FileSet"}
    records = {each["@id"]: each for each in croissant["recordSet"]}
    if format == "parquet":
        assert "(`jpg`, `png`, `webp`)" in text
        assert sets["train-tables"]["includes"] == ["train/*.parquet"]
        columns = [each["source"]["extract"]["column"] for each in records["train"]["field"]]
        assert set(columns) <= set(pq.read_schema(out / "train" / "00000.parquet").names)
        assert {"key", "caption", *ENDINGS} == set(columns)
    else:
        assert sets["train-images"]["includes"] == [f"train/*/*.{ending}" for ending in ENDINGS]
        assert "containedIn" not in sets["train-images"]
    assert f"| train | {len(read(out, format)['train'])} | 1 | " in text


def test_verify_finds_what_is_wrong_with_files(corpus: Corpus, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_here(corpus, [Export(out=str(out), output_format="files", shard_rows=20)])
    shard = out / "all" / "00001"
    (shard / "0000105.txt").write_text("other words")
    (shard / "notes.txt").write_text("mine")
    (image,) = (path for path in shard.glob("0000103.*") if path.suffix[1:] in ENDINGS)
    image.unlink()
    verified = verify(corpus, export=out)
    found = {each.path: each.what for each in verified.findings}
    assert [each.path for each in verified.notes] == ["all/00001/notes.txt"]
    assert found[f"out/all/00001/{image.name}"] == "is missing"
    assert found["out/all/00001"] == "text or uid of 0000105 is not that of its table"


def test_verify_finds_rows_without_an_image(corpus: Corpus, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_here(corpus, [Export(out=str(out), output_format="parquet")])
    path = out / "all" / "00000.parquet"
    whole = pq.read_table(path)
    place = whole.schema.get_field_index("jpg")
    images = [None if row == 3 else each for row, each in enumerate(whole.column("jpg").to_pylist())]
    pq.write_table(whole.set_column(place, whole.schema.field("jpg"), pa.array(images, pa.binary())), path)
    assert "1 rows have not one image, first 000000003" in {each.what for each in verify(corpus, export=out).findings}


@pytest.mark.skipif(sys.platform != "linux", reason="the hook reads /proc")
@pytest.mark.parametrize("format", ["files", "parquet", "uids"])
def test_killed_anywhere_the_same_command_gives_the_same_bytes(tmp_path: Path, format: str) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number in range(9):
        (pictures / f"{number}.jpg").write_bytes(encode(photo(40, 48, number), quality=90))
        (pictures / f"{number}.txt").write_text(f"picture {number}")
    stages = [
        {"import": {"source": str(pictures)}},
        {"export": {"out": "{corpus}/../exports/out", "shard_rows": 4, "output_format": format}},
    ]
    (tmp_path / "walk.yaml").write_text(yaml.safe_dump({"stages": stages}))
    home = tmp_path / "home"
    walk = Walk("import", ("-m", "vlcorpus", "run", str(tmp_path / "walk.yaml"), str(home / "corpus")), home)
    calm = killable(walk)
    assert calm.code == 0, calm.said
    assert unsound(home) == []
    wanted = contents(home)
    last = "00000" if format == "uids" else "00002"
    assert f"exports/out/all/{last}" in {str(Path(name).parent if format == "files" else Path(name).with_suffix(""))
                                         for name in wanted}  # fmt: skip
    for point in draw(calm.operations, 4, seed=3, within={"export"}):
        done = trial(walk, point, calm, wanted)
        assert not done.problems, (point, done.path, *done.problems)
    assert differences(wanted, contents(home)) == []
