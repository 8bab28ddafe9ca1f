from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

from vlcorpus.probe.suite import load_suite
from vlcorpus.world.exam import COLUMNS, write_exam
from vlcorpus.world.trusted import write_trusted


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def test_an_exam_names_what_it_has(tmp_path: Path) -> None:
    suite = write_exam(tmp_path / "a", 160, seed=1, limit=50)
    write_exam(tmp_path / "b", 160, seed=1, limit=50)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    folder = suite.parent
    rows = rows_of(folder / "exam.csv")
    assert tuple(rows[0]) == COLUMNS
    assert [row["file"] for row in rows] == sorted(f"images/{path.name}" for path in (folder / "images").iterdir())
    assert set(Counter(row["colour_shape"] for row in rows).values()) == {2}
    tasks = load_suite(suite).tasks
    assert [(task.name, task.kind, len(task.rows)) for task in tasks] == [
        ("colour_shape", "zero_shot", 160),
        ("shape", "zero_shot", 160),
        ("colour", "zero_shot", 160),
        ("texture", "zero_shot", 160),
        ("count", "zero_shot", 160),
        ("retrieval", "retrieval", 50),
        ("attribute_swap", "pair_choice", 50),
    ]
    for task in tasks[:5]:
        assert {label for _, label in task.rows} == set(task.classes)
        names = [name for names in task.classes.values() for name in names]
        assert len(names) == len(set(names))
        truth = [row[task.name] for row in rows]
        numbers = {"1": "one", "2": "two", "3": "three"}
        assert [label for _, label in task.rows] == [numbers.get(value, value) for value in truth]
    assert tasks[5].rows == tuple((row["file"], row["caption"]) for row in rows[:50])
    assert (len(tasks[0].classes), len(tasks[4].classes)) == (80, 3)


def test_swaps_have_a_right_and_a_wrong_caption(tmp_path: Path) -> None:
    suite = write_exam(tmp_path, 120, seed=2, limit=100)
    swaps = rows_of(suite.parent / "attribute_swap.csv")
    shown = {row["file"]: row for row in rows_of(suite.parent / "exam.csv")}
    assert len(swaps) == 100
    assert {swap["attribute"] for swap in swaps} == {"colour", "shape", "texture", "count"}
    for swap in swaps:
        row = shown[swap["file"]]
        assert swap["right"] != swap["wrong"]
        assert row["colour"] in swap["right"].split() and row["texture"] in swap["right"].split()


def test_no_picture_of_the_exam_is_trusted(tmp_path: Path) -> None:
    write_exam(tmp_path / "exam", 80, seed=1)
    write_trusted(tmp_path / "trusted", 80, seed=1)
    exam = {path.read_bytes() for path in (tmp_path / "exam" / "images").iterdir()}
    assert len(exam) == 80
    assert not exam & {path.read_bytes() for path in (tmp_path / "trusted" / "images").iterdir()}
