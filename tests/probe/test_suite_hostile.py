"""Tables, tars and lists of strangers: an error that names the place, and nothing read from outside."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.probe.drawn import decode
from tests.probe.suites import array, drawn, write_parquet, write_tars
from tests.probe.test_evaluate import Colours
from tests.probe.test_suite_forms import suite
from vlcorpus.errors import SourceError
from vlcorpus.probe import suite_places
from vlcorpus.probe.evaluate import run_suite
from vlcorpus.probe.suite import load_suite

ZERO = "name: t, kind: zero_shot"
LISTS = {"classnames.txt": "a\nb\n"}


def header(shape: str, kind: str = "<i8") -> bytes:
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}"
    text += " " * (63 - (len(text) + 10) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize(
    ("members", "lists", "task", "message"),
    [
        ({"cls": b"2"}, LISTS, ZERO, "is of class 2"),
        ({"cls": b"1"}, {}, ZERO, "no two classes"),
        ({"cls": b"\xff"}, LISTS, ZERO, "not UTF-8"),
        ({"txt": b"a"}, LISTS, ZERO, "has no .cls"),
        ({"cls": b"1", "npy": b"x"}, LISTS, ZERO + ", groups: {g: 0}", "npy of s0000000"),
        ({"cls": b"1"}, LISTS, ZERO + ", groups: {g: 0}", "npy of s0000000"),
        ({"cls": b"1", "npy": array([1])}, LISTS, ZERO + ", groups: {g: 1}", "has 1 numbers"),
        ({"cls": b"1", "npy": array([1])}, LISTS, ZERO + ", groups: g", "no place"),
        ({"npy": header("(99999999999,)")}, LISTS, "name: t, kind: multilabel", "not an array of numbers"),
        ({"npy": header("(1,)", "|O") + b"\x80\x04."}, LISTS, "name: t, kind: multilabel", "npy of s0000000"),
        ({"npy": array([np.nan, 1])}, LISTS, "name: t, kind: multilabel", "not finite"),
        ({"npy": array([1, 0, 1])}, LISTS, "name: t, kind: multilabel", "3 flags for 2 classes"),
        ({"txt": b"\n \n"}, LISTS, "name: t, kind: retrieval", "no caption"),
        ({"txt": b"a"}, LISTS, "name: t, kind: pair_choice", "wants a table"),
    ],
)
def test_tars(tmp_path: Path, members: dict[str, bytes], lists: dict[str, str], task: str, message: str) -> None:
    write_tars(tmp_path / "w", [{"png": drawn(1)[0][0], **members}], lists)
    with pytest.raises(SourceError, match=message):
        load_suite(suite(tmp_path, f"{task}, webdataset: w"))


def test_tars_that_are_not_all_there(tmp_path: Path) -> None:
    samples = [{"png": body, "cls": b"0"} for body, _, _ in drawn(20)]
    folder = write_tars(tmp_path / "w", samples, LISTS)
    (folder / "test" / "1.tar").unlink()
    with pytest.raises(SourceError, match=r"no 1\.tar"):
        load_suite(folder)
    (folder / "test" / "nshards.txt").write_text("many")
    with pytest.raises(SourceError, match="says 'many'"):
        load_suite(folder)
    (folder / "test" / "nshards.txt").unlink()
    assert len(load_suite(folder).tasks[0].rows) == 12
    broken = (folder / "test" / "2.tar").read_bytes()
    (folder / "test" / "2.tar").write_bytes(broken[: len(broken) // 2])
    with pytest.raises(SourceError):
        load_suite(folder)


@pytest.mark.parametrize(
    ("name", "content", "task", "message"),
    [
        ("t.json", "{", "kind: pair_choice", "cannot be read"),
        ("t.json", "[" * 100_000, "kind: pair_choice", "cannot be read"),
        ("t.json", '{"1": "a"}', "kind: pair_choice", "entry 1 of .* is a str"),
        ("t.json", "{}", "kind: pair_choice", "has no rows"),
        ("t.json", '{"1": {"filename": "a.jpg", "caption": "x"}}', "kind: pair_choice", "no column 'wrong'"),
        ("t.json", '[{"filename": 3, "caption": "x", "negative_caption": "y"}]', "kind: pair_choice", "picture of"),
        ("t.json", '[{"filename": "../a", "caption": "x", "negative_caption": "y"}]', "kind: pair_choice", "outside"),
        ("t.csv", "file,caption\na.png,x\n", "kind: retrieval, root: ..", "outside"),
        ("t.csv", "file,label\na.png,x\n", "kind: knn, columns: {labl: x}", "unknown key 'labl'"),
        ("t.csv", "file,label\na.png,x\n", "kind: knn, columns: {label: x}", "no column 'x'"),
        ("t.csv", "file,label\na.png,x\n", "kind: knn, main: top1", "no metric of knn"),
        ("t.csv", "file,label\na.png,x\n", "kind: zero_shot, classes: [x, y], groups: z", "no column 'z'"),
        ("t.csv", "file,label\na.png,x\n", "kind: zero_shot, classes: [x, y], weakness: maybe", "true or false"),
        ("t.csv", "file,label\na.png,x\n", "kind: zero_shot, classes: ../../etc.txt", "not there|outside"),
        ("t.csv", "cue,candidates,associations\nx,[__import__('os')],a\n", "kind: winogavil", "not a list"),
        ("t.csv", "cue,candidates,associations\nx,a|b,c\n", "kind: winogavil", "not some of the candidates"),
        ("t.parquet", "PAR1", "kind: knn", "cannot be read"),
        ("t.csv", "file,label\na.png,x\n", "kind: knn, folder: x", "has images and folder"),
    ],
)
def test_tables(tmp_path: Path, name: str, content: str, task: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(SourceError, match=message):
        load_suite(suite(tmp_path, f"name: t, {task}, images: {name}"))


def test_links_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    write_tars(tmp_path / "secret" / "w", [{"png": drawn(1)[0][0], "cls": b"0"}], LISTS)
    (tmp_path / "secret" / "t.csv").write_text("file,label\na.png,a\n")
    (tmp_path / "secret" / "classnames.txt").write_text("root:x:0:0\nbin:x:1:1\n")
    home = tmp_path / "home"
    (home / "w").mkdir(parents=True)
    (home / "t.csv").symlink_to(tmp_path / "secret" / "t.csv")
    with pytest.raises(SourceError, match="outside"):
        load_suite(suite(home, "name: t, kind: knn, images: t.csv"))
    (home / "w" / "0.tar").symlink_to(tmp_path / "secret" / "w" / "test" / "0.tar")
    with pytest.raises(SourceError, match="link out of"):
        load_suite(suite(home, "name: t, kind: knn, webdataset: w"))
    (home / "pets" / "a").mkdir(parents=True)
    (home / "pets" / "b").mkdir()
    (home / "pets" / "a" / "1.png").write_bytes(drawn(1)[0][0])
    (home / "pets" / "classnames.txt").symlink_to(tmp_path / "secret" / "classnames.txt")
    (home / "pets" / "b" / "2.png").symlink_to(home / "pets" / "a" / "1.png")  # within: as good as a file
    loaded = load_suite(suite(home, "name: t, kind: zero_shot, folder: pets"))
    assert loaded.tasks[0].classes["a"] == ("a",)
    assert dict(loaded.bodies())["pets/b/2.png"] == drawn(1)[0][0]
    (home / "pets" / "c").symlink_to(tmp_path / "secret", target_is_directory=True)
    with pytest.raises(SourceError, match="link out of"):
        load_suite(home / "s.yaml")


def test_pictures_beyond_the_bounds_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_parquet(tmp_path / "d" / "t.parquet", 12)
    loaded = load_suite(suite(tmp_path, "name: k, kind: knn, images: d"))
    monkeypatch.setattr(suite_places, "LARGEST_IMAGE", 400)
    sizes = {name: len(body or b"") for name, body in loaded.bodies()}
    assert max(sizes.values()) <= 400 and 0 in sizes.values()
    (tmp_path / "a.png").write_bytes(b"x" * 500)
    (tmp_path / "t.csv").write_text("file,label\na.png,x\n")
    assert list(load_suite(suite(tmp_path, "name: k, kind: knn, images: t.csv")).bodies()) == [("a.png", None)]


def test_a_cell_without_a_picture(tmp_path: Path) -> None:
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    cells = pa.array(
        [{"bytes": body, "path": ""} for body, _, _ in drawn(5)] + [{"bytes": None, "path": "/etc/x"}], kind
    )
    pq.write_table(pa.table({"image": cells, "label": list("aabbba")}), tmp_path / "t.parquet")
    results = run_suite(Colours(), load_suite(suite(tmp_path, "name: k, kind: knn, images: t.parquet")), decode)
    assert results.unreadable == ("t.parquet#5.image",)
    assert results.labels["k"] == tuple("aabbb")


def test_what_is_optional_is_left_out_and_named(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("file,label\n" + "".join(f"{at}.png,{'ab'[at % 2]}\n" for at in range(4)))
    for place, (body, _, _) in enumerate(drawn(4)):
        (tmp_path / f"{place}.png").write_bytes(body)
    (tmp_path / "empty").mkdir()
    (tmp_path / "s.yaml").write_text(
        "averages: {both: [here, gone], far: [gone]}\ntasks:\n"
        "  - {name: here, kind: knn, images: t.csv, optional: true}\n"
        "  - {name: gone, kind: retrieval, images: gone.csv, optional: true}\n"
        "  - {name: empty, kind: zero_shot, webdataset: empty, optional: true, weakness: true}\n"
    )
    loaded = load_suite(tmp_path / "s.yaml")
    assert [task.name for task in loaded.tasks] == ["here"] and list(loaded.left_out) == ["gone", "empty"]
    results = run_suite(Colours(), loaded, decode)
    assert results.average.tasks == ("here",) and set(results.average.left_out) == {"gone", "empty"}
    assert "gone.csv is not there" in results.averages["both"].left_out["gone"]
    assert "far" not in results.averages
    text = (tmp_path / "s.yaml").read_text()
    (tmp_path / "s.yaml").write_text(text.replace("images: gone.csv, optional: true", "images: gone.csv"))
    with pytest.raises(SourceError, match=r"gone\.csv is not there"):
        load_suite(tmp_path / "s.yaml")
    (tmp_path / "s.yaml").write_text(text.replace("far: [gone]", "far: [gnoe]"))
    with pytest.raises(SourceError, match="names no task 'gnoe'"):
        load_suite(tmp_path / "s.yaml")


def test_the_digest_names_the_content(tmp_path: Path) -> None:
    made = {}
    for place in ("one", "two"):
        folder = write_tars(tmp_path / place / "w", [{"png": drawn(1)[0][0], "cls": b"0"}], LISTS)
        for number, (body, _, _) in enumerate(drawn(3)):
            (tmp_path / place / f"{number}.png").write_bytes(body)
        (tmp_path / place / "t.csv").write_text("file,label\n0.png,a\n1.png,b\ngone.png,a\n")
        made[place] = suite(
            tmp_path / place, "name: w, kind: zero_shot, webdataset: w", "name: k, kind: knn, images: t.csv"
        )
        os.utime(folder / "test" / "0.tar", (1, 1))
    assert load_suite(made["one"]).digest() == load_suite(made["two"]).digest()
    before = load_suite(made["one"]).digest()
    seen = {before}
    picture = tmp_path / "one" / "0.png"
    for change in (
        lambda: picture.write_bytes(drawn(2)[1][0].ljust(picture.stat().st_size, b"\0")[: picture.stat().st_size]),
        lambda: (tmp_path / "one" / "gone.png").write_bytes(b"x"),
        lambda: (tmp_path / "one" / "w" / "classnames.txt").write_text("a\nc\n"),
        lambda: (
            write_tars(tmp_path / "one" / "w2", [{"png": drawn(1)[0][0], "cls": b"1"}], LISTS)
            .joinpath("test/0.tar")
            .replace(tmp_path / "one" / "w" / "test" / "0.tar")
        ),
        lambda: made["one"].write_text(made["one"].read_text() + "\n"),
    ):
        change()
        now = load_suite(made["one"]).digest()
        assert now not in seen
        seen.add(now)
    (tmp_path / "one" / "2.png").write_bytes(b"no task names it")
    assert load_suite(made["one"]).digest() in seen


def test_beyond_two_gigabytes_names_and_sizes_must_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place, (body, _, _) in enumerate(drawn(3)):
        (tmp_path / f"{place}.png").write_bytes(body)
    (tmp_path / "t.csv").write_text("file,label\n0.png,a\n1.png,b\n")
    path = suite(tmp_path, "name: k, kind: knn, images: t.csv")
    monkeypatch.setattr(suite_places, "HASHED", 100)
    before = load_suite(path).digest()
    size = (tmp_path / "0.png").stat().st_size
    (tmp_path / "0.png").write_bytes(b"x" * size)
    assert load_suite(path).digest() == before
    (tmp_path / "0.png").write_bytes(b"x" * (size + 1))
    assert load_suite(path).digest() != before


def test_json_lists_by_dataset(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(json.dumps({"t": ["only one"]}))
    (tmp_path / "t.csv").write_text("file,label\na.png,x\n")
    with pytest.raises(SourceError, match="no two classes"):
        load_suite(suite(tmp_path, "name: t, kind: zero_shot, images: t.csv, classes: c.json"))
