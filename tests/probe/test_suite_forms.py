"""The forms in which pictures and tables come, each measured to the end."""

from __future__ import annotations

import json
import re
import textwrap
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.probe.drawn import CLASSES, COLOURS, decode
from tests.probe.suites import array, drawn, write_classes, write_parquet, write_tars
from tests.probe.test_evaluate import Colours
from vlcorpus.errors import SourceError
from vlcorpus.probe.evaluate import Results, run_suite
from vlcorpus.probe.suite import load_suite

TEMPLATES = {"zeroshot_classification_templates.txt": "a photo of a {c}\na {c}\n"}


def suite(folder: Path, *tasks: str) -> Path:
    path = folder / "s.yaml"
    path.write_text("tasks:\n" + "".join(f"  - {{{task}}}\n" for task in tasks))
    return path


def measured(path: Path) -> Results:
    return run_suite(Colours(), load_suite(path), decode)


def test_a_folder_a_class(tmp_path: Path) -> None:
    folder = write_classes(tmp_path / "shapes here")
    (folder / "red_square" / "notes.txt").write_text("no picture")
    (folder / ".cache").mkdir()
    loaded = load_suite(folder)
    (task,) = loaded.tasks
    assert (loaded.name, task.name, task.kind, task.main) == ("shapes-here", "shapes-here", "zero_shot", "top1")
    assert task.classes["red_square"] == ("red square",)
    assert len(task.rows) == 24 and task.rows[0][0].startswith(task.rows[0][1] + "/")
    results = measured(folder)
    assert results.labels["shapes-here"] == tuple(label for _, label in task.rows)
    guessed = zip(results.guesses["shapes-here"], results.labels["shapes-here"], strict=True)
    assert np.mean([str(guess).split("_")[0] == label.split("_")[0] for guess, label in guessed]) > 0.9
    (folder / "classnames.txt").write_text("\n".join(f"thing {place}" for place in range(len(task.classes))))
    assert load_suite(folder).tasks[0].classes[task.rows[0][1]] == ("thing 0",)
    (folder / "classnames.txt").write_text("one\ntwo\n")
    with pytest.raises(SourceError, match="2 names for"):
        load_suite(folder)


def test_tars_with_classes(tmp_path: Path) -> None:
    samples = [{"png": body, "cls": str(CLASSES.index(name)).encode()} for body, _, name in drawn(20)]
    folder = write_tars(tmp_path / "wds_x_test", samples, {"classnames.txt": "\n".join(CLASSES) + "\n", **TEMPLATES})
    (task,) = load_suite(folder).tasks
    assert (task.name, task.templates, len(task.rows)) == ("wds_x_test", ("a photo of a {c}", "a {c}"), 20)
    assert [label for _, label in task.rows] == [name for _, _, name in drawn(20)]
    assert task.rows[9][0] == "test/1.tar/s0000009.png"
    assert load_suite(folder / "test").tasks[0].name == "wds_x_test"
    results = measured(folder)
    assert results.unreadable == () and results.metrics["wds_x_test"]["top5"] > 0.9
    assert results.theirs["wds_x_test"]["acc1"] > 0
    assert measured(folder / "test").metrics["wds_x_test"] == results.metrics["wds_x_test"]


def test_class_names_that_two_classes_share(tmp_path: Path) -> None:
    samples = [{"png": body, "cls": str(place % 3).encode()} for place, (body, _, _) in enumerate(drawn(9))]
    (task,) = load_suite(write_tars(tmp_path / "w", samples, {"classnames.txt": "crane\ncrane\ndog\n"})).tasks
    assert task.classes == {"crane": ("crane",), "crane (1)": ("crane",), "dog": ("dog",)}
    assert [label for _, label in task.rows][:3] == ["crane", "crane (1)", "dog"]


def test_tars_with_captions_and_with_several_labels(tmp_path: Path) -> None:
    shown = drawn(16)
    captions = [{"png": body, "txt": f"{caption}\n{name} again\n".encode()} for body, caption, name in shown]
    write_tars(tmp_path / "captions", captions, {"dataset_type.txt": "retrieval\n"})
    flags = [{"png": body, "npy": array([colour in name for colour in COLOURS])} for body, _, name in shown]
    lists = {"dataset_type.txt": "multilabel", "classnames.txt": "\n".join(COLOURS), **TEMPLATES}
    write_tars(tmp_path / "many", flags, lists)
    (task,) = load_suite(tmp_path / "captions").tasks
    assert task.kind == "retrieval" and len(task.rows) == 32
    assert task.rows[1] == ("test/0.tar/s0000000.png", f"{shown[0][2]} again")
    (task,) = load_suite(tmp_path / "many").tasks
    assert task.kind == "multilabel" and task.rows[3] == ("test/0.tar/s0000003.png", shown[3][2].split()[0])
    results = measured(
        suite(tmp_path, "name: m, kind: multilabel, images: many", "name: r, kind: retrieval, images: captions")
    )
    assert results.metrics["m"]["map"] == pytest.approx(1)
    assert results.metrics["r"]["auc"] > 0.8 and results.values["r"]["text_to_image_r1"].shape == (32,)


def test_groups_from_tars_and_tables(tmp_path: Path) -> None:
    shown = drawn(24)
    samples = [
        {"png": body, "cls": str(CLASSES.index(name)).encode(), "npy": array([place % 3, 7])}
        for place, (body, _, name) in enumerate(shown)
    ]
    write_tars(tmp_path / "w", samples, {"classnames.txt": "\n".join(CLASSES)})
    (tmp_path / "t.csv").write_text(
        "file,label,where\n" + "".join(f"{place}.png,{name},{place % 3}\n" for place, (_, _, name) in enumerate(shown))
    )
    for place, (body, _, _) in enumerate(shown):
        (tmp_path / f"{place}.png").write_bytes(body)
    path = suite(
        tmp_path,
        "name: tars, kind: zero_shot, webdataset: w, groups: {region: 0}, main: acc_worst_region",
        f"name: table, kind: zero_shot, images: t.csv, groups: where, main: worst_where_top1, classes: {CLASSES}",
    )
    results = measured(path)
    assert load_suite(path).tasks[0].groups == load_suite(path).tasks[1].groups
    assert results.metrics["tars"]["acc_worst_region"] == results.theirs["tars"]["acc_wg"]
    assert results.main == {"tars": "acc_worst_region", "table": "worst_where_top1"}
    assert results.average.value == pytest.approx(
        (results.metrics["tars"]["acc_worst_region"] + results.metrics["table"]["worst_where_top1"]) / 2
    )


def test_parquet_as_datasets_writes_it(tmp_path: Path) -> None:
    write_parquet(tmp_path / "d" / "data" / "test-00000.parquet")
    path = suite(
        tmp_path,
        f"name: z, kind: zero_shot, images: d, classes: {CLASSES}",
        "name: r, kind: retrieval, images: d",
        f"name: m, kind: multilabel, images: d, columns: {{labels: colours}}, classes: {list(COLOURS)}",
        "name: k, kind: knn, images: d",
    )
    loaded = load_suite(path)
    shown = drawn(24)
    assert [label for _, label in loaded.tasks[0].rows] == [name for _, _, name in shown]
    assert loaded.tasks[1].rows[1] == (loaded.tasks[0].rows[0][0], f"{shown[0][2]} once more")
    assert [body for _, body in loaded.bodies()] == [body for body, _, _ in shown]
    results = measured(path)
    assert results.metrics["m"]["map"] == pytest.approx(1)
    assert set(results.metrics["k"]) == {"knn20", "knn1"}
    pq.write_table(pq.read_table(tmp_path / "d/data/test-00000.parquet").drop(["image"]), tmp_path / "d/data/b.parquet")
    (tmp_path / "d/data/test-00000.parquet").unlink()
    with pytest.raises(SourceError, match="no column 'file'"):
        load_suite(path)


def test_bytes_in_a_plain_column(tmp_path: Path) -> None:
    shown = drawn(12)
    pq.write_table(
        pa.table({"jpg": [body for body, _, _ in shown], "label": [name for _, _, name in shown]}),
        tmp_path / "t.parquet",
    )
    path = suite(tmp_path, f"name: z, kind: zero_shot, images: t.parquet, columns: {{file: jpg}}, classes: {CLASSES}")
    assert measured(path).unreadable == ()


def test_sugar_crepe(tmp_path: Path) -> None:
    (tmp_path / "val").mkdir()
    entries = {}
    for place, (body, _, name) in enumerate(drawn(8)):
        (tmp_path / "val" / f"{place}.jpg").write_bytes(body)
        other = next(colour for colour in COLOURS if colour not in name)
        entries[str(place * 3)] = {"filename": f"{place}.jpg", "caption": name, "negative_caption": f"{other} thing"}
    (tmp_path / "swap_att.json").write_text(json.dumps(entries))
    path = suite(tmp_path, "name: swap_att, kind: pair_choice, images: swap_att.json, root: val")
    assert load_suite(path).tasks[0].rows[0][0] == "val/0.jpg"
    results = measured(path)
    assert results.metrics["swap_att"]["accuracy"] == results.theirs["swap_att"]["text_acc"] == 1


def test_winoground_and_winogavil(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    shown = [next(each for each in drawn(200) if each[2].startswith(colour)) for colour in COLOURS]
    for (body, _, _), colour in zip(shown, COLOURS, strict=True):
        (tmp_path / "images" / f"{colour}.png").write_bytes(body)
    (tmp_path / "examples.jsonl").write_text(
        json.dumps({"id": 0, "image_0": "red", "image_1": "blue", "caption_0": "red", "caption_1": "blue"})
        + "\n"
        + json.dumps({"id": 1, "image_0": "red", "image_1": "blue", "caption_0": "blue", "caption_1": "red"})
    )
    (tmp_path / "cues.csv").write_text(
        "cue,candidates,associations\n"
        "red,\"['red', 'blue', 'green', 'white', 'red.png']\",['red']\n"
        "Angry blue,blue|red|green,blue\n"
    )
    path = suite(
        tmp_path,
        "name: w, kind: winoground, images: examples.jsonl, root: images",
        "name: g, kind: winogavil, images: cues.csv, root: images",
    )
    results = measured(path)
    assert results.values["w"]["group_score"].tolist() == [1, 0]
    assert results.files["w"][0] == ("images/red.png", "images/blue.png")
    assert results.values["g"]["jaccard"].tolist() == [0, 1]  # the first picture stands twice: a tie is a miss
    assert len(results.files["g"][0]) == 5
    encoder = Colours()
    run_suite(encoder, load_suite(path), decode)
    assert {"A red", "An angry blue"} <= set(encoder.texts)


def test_winogavil_with_pictures_in_cells(tmp_path: Path) -> None:
    shown = [next(each for each in drawn(200) if each[2].startswith(colour)) for colour in COLOURS]
    kind = pa.list_(pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    cells = pa.array([[{"bytes": body, "path": ""} for body, _, _ in shown]], kind)
    table = {"cue": ["white"], "candidates": [list(COLOURS)], "associations": [["white"]], "candidate_images": cells}
    pq.write_table(pa.table(table), tmp_path / "t.parquet")
    path = suite(tmp_path, "name: g, kind: winogavil, images: t.parquet")
    assert measured(path).metrics["g"]["jaccard"] == 1


def test_training_rows_of_their_own(tmp_path: Path) -> None:
    write_classes(tmp_path / "train", 40)
    write_classes(tmp_path / "test", 24)
    path = suite(
        tmp_path,
        "name: l, kind: linear_probe, folder: test, train: train",
        "name: k, kind: knn, folder: test, train: train, main: knn1",
        "name: own, kind: knn, folder: test",
    )
    loaded = load_suite(path)
    assert len(loaded.tasks[0].train) == 40 and not loaded.tasks[2].train
    results = measured(path)
    assert len(results.files["l"]) == 24 and results.main["k"] == "knn1"
    assert results.guesses["k"] != results.guesses["own"]


def test_names_and_templates_as_clip_benchmark_has_them(tmp_path: Path) -> None:
    write_classes(tmp_path / "shapes", 8)
    folders = sorted(each.name for each in (tmp_path / "shapes").iterdir())
    (tmp_path / "names.json").write_text(
        json.dumps({"other": ["a"], "shapes": [f"n{at}" for at in range(len(folders))]})
    )
    (tmp_path / "own.json").write_text(
        json.dumps({"shapes": {f"n{at}": [f"p{at}", "q"] for at in range(len(folders))}})
    )
    (tmp_path / "all.json").write_text(json.dumps({"shapes": ["a {c}", "the {c}"]}))
    (tmp_path / "t.csv").write_text("file,label\na.png,1\nb.png,n0\n")
    for templates, prompts in (("own.json", ["p0", "q"]), ("all.json", ["a n0", "the n0"])):
        path = suite(
            tmp_path,
            f"name: t, kind: zero_shot, dataset: shapes, images: t.csv, classes: names.json, templates: {templates}",
        )
        (task,) = load_suite(path).tasks
        assert list(task.prompts_of("n0")) == prompts
        assert task.rows == (("a.png", "n1"), ("b.png", "n0"))
    path = suite(tmp_path, "name: t, kind: zero_shot, images: t.csv, classes: names.json")
    with pytest.raises(SourceError) as caught:
        load_suite(path)
    assert "nothing for 't'" in caught.value.message and "dataset" in caught.value.hint
    (tmp_path / "own.json").write_text(json.dumps({"shapes": {"n0": ["p"]}}))
    path = suite(
        tmp_path, "name: t, kind: zero_shot, dataset: shapes, images: t.csv, classes: names.json, templates: own.json"
    )
    with pytest.raises(SourceError, match="no prompts for 'n1'"):
        load_suite(path)


def test_the_suite_in_the_docs(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "evaluate.md").read_text("utf-8")
    found = re.search(r"^    name: mine\n(?:    .*\n|\n)+", page, re.MULTILINE)
    assert found is not None
    (tmp_path / "s.yaml").write_text(textwrap.dedent(found[0]))
    write_classes(tmp_path / "images" / "pets", 12)
    rows = []
    for number, (body, _, _) in enumerate(drawn(12)):
        (tmp_path / "images" / f"{number}.png").write_bytes(body)
        rows.append(f"{number}.png,{'35'[number % 2]},{'north south'.split()[number % 3 % 2]}\n")
    (tmp_path / "birds.csv").write_text("file,label,continent\n" + "".join(rows))
    results = measured(tmp_path / "s.yaml")
    assert results.main == {"pets": "top1", "birds": "worst_continent_top1"}
    assert results.averages["animals"].tasks == ("pets", "birds") and list(results.average.left_out) == ["eurosat"]
