from __future__ import annotations

from pathlib import Path

import pytest

from tests.probe.drawn import CLASSES, write_suite
from vlcorpus.errors import SourceError
from vlcorpus.probe.suite import load_suite

GOOD = "tasks:\n  - {name: t, kind: zero_shot, images: t.csv, classes: [car, dog]}\n"


def test_a_whole_suite(tmp_path: Path) -> None:
    suite = load_suite(write_suite(tmp_path, count=8))
    assert (suite.name, suite.version, suite.root) == ("shapes", 3, tmp_path / "images")
    zero, kinds, captions, swapped = suite.tasks
    assert list(zero.classes) == CLASSES
    assert zero.templates == ("a {}", "a photo of a {c}")
    assert zero.rows[0][0] == captions.rows[0][0] == swapped.rows[0][0] == "0.png"
    assert len(zero.rows) == 9 and len(captions.rows) == 8
    assert not captions.classes
    assert kinds.rows == zero.rows and not kinds.classes


def test_names_may_differ_from_labels(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("label,file,licence\n3,a.png,CC0\n")
    (tmp_path / "s.yaml").write_text(GOOD.replace("[car, dog]", "{'3': [car, automobile], '5': dog}"))
    (task,) = load_suite(tmp_path / "s.yaml").tasks
    assert task.classes == {"3": ("car", "automobile"), "5": ("dog",)}
    assert task.rows == (("a.png", "3"),)


@pytest.mark.parametrize(
    ("suite", "message", "hint"),
    [
        (GOOD.replace("images", "image"), "unknown key 'image'", "did you mean 'images'?"),
        ("rot: x\n" + GOOD, "unknown key 'rot'", "did you mean 'root'?"),
        (GOOD.replace("zero_shot", "zeroshot"), "kind 'zeroshot'", "did you mean 'zero_shot'?"),
        (GOOD.replace("zero_shot", "retrieval"), "unknown key 'classes'", "known"),
        (GOOD.replace("[car, dog]", "[car]"), "no two classes", "classes"),
        (GOOD.replace("[car, dog]", "[cat, dog]"), "label 'car' in line 2", "did you mean 'cat'?"),
        (GOOD.replace("[car, dog]", "[car, no]"), "False is not a text", "quote"),
        (GOOD.replace("[car, dog]", "[car, dog], templates: [photo]"), "no place for the class", "{}"),
        (GOOD.replace("t.csv", "missing.csv"), "missing.csv is not there", "images of task 1"),
        (GOOD.replace("t.csv", "t.xls"), "neither .csv nor .tsv", "save"),
        (GOOD.replace("t.csv", "narrow.csv"), "no column 'label'", "did you mean 'lable'?"),
        (GOOD.replace("t.csv", "short.csv"), "line 3", "fill"),
        (GOOD.replace("t.csv", "empty.csv"), "no rows", "images"),
        (GOOD.replace("t.csv", "outside.csv"), "points outside", "root"),
        (GOOD.replace("t.csv", "absolute.csv"), "points outside", "root"),
        (GOOD + GOOD.partition("\n")[2], "two tasks called 't'", "own name"),
        ("version: two\n" + GOOD, "version", "whole number"),
        ("tasks: []", "no tasks", "tasks"),
        ("tasks: [1]", "task 1", "kind"),
        ("[1, 2]", "not a suite", "tasks"),
        ("a: [", "cannot be read", "YAML"),
        ("!!python/object/apply:os.system ['true']", "cannot be read", "YAML"),
        ("x" * (5 << 20), "more than 4 MB", "suite"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, suite: str, message: str, hint: str) -> None:
    for name, table in (
        ("t.csv", "file,label\na.png,car\n"),
        ("narrow.csv", "file,lable\na.png,car\n"),
        ("short.csv", "file,label\na.png,car\nb.png\n"),
        ("empty.csv", "file,label\n"),
        ("outside.csv", "file,label\n../a.png,car\n"),
        ("absolute.csv", "file,label\n/etc/passwd,car\n"),
        ("t.xls", "file,label\na.png,car\n"),
    ):
        (tmp_path / name).write_text(table)
    (tmp_path / "s.yaml").write_text(suite)
    with pytest.raises(SourceError) as caught:
        load_suite(tmp_path / "s.yaml")
    assert message in caught.value.message
    assert hint in caught.value.hint
