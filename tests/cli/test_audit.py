from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.cli.shell import vlcorpus
from tests.corpora import small

Run = Callable[..., tuple[int, str, str]]


def label(folder: Path, name: str, *, good: int, unsure: int = 0, turned: int = 0) -> Path:
    """Labels of all drawn pairs: the `good` with the highest scores are good."""
    sample = json.loads((folder / "audit.json").read_text())["sample"]
    ranked = sorted(sample, key=lambda each: -(each["score"] if each["score"] is not None else -9))
    said = {each["uid"]: "good" if rank < good else "bad" for rank, each in enumerate(ranked)}
    for each in ranked[:turned]:
        said[each["uid"]] = "bad"
    for each in ranked[len(ranked) - unsure :]:
        said[each["uid"]] = "unsure"
    path = folder.parent / name
    path.write_text("uid,label\n" + "".join(f"{uid},{word}\n" for uid, word in said.items()))
    return path


def test_draw_label_and_read(run: Run, tmp_path: Path) -> None:
    corpus, out = small().corpus.path, tmp_path / "look"
    code, said, err = run("audit", corpus, "--decision", "filtered", "-n", 40, "--strata", 4, "--out", out)
    assert (code, err) == (0, "")
    lines = said.splitlines()
    assert lines[0].startswith("40 pairs of ") and lines[0].endswith("score: similarity")
    assert lines[2].split() == ["similarity", "pairs", "drawn", "probability"]
    assert [line.split()[0] for line in lines[3:7]] == ["kept", "kept", "dropped", "dropped"]
    assert f"label: {out}/index.html" in said and lines[-1] == f"then: vlcorpus audit {out} --labels FILE"
    labels = label(out, "labels.csv", good=15, unsure=3)
    code, said, err = run("audit", out, "--labels", labels, "--precision", 0.8)
    assert (code, err) == (0, "")
    lines = said.splitlines()
    assert "decision filtered (similarity in the top 0.3): keeps" in lines[0]
    assert lines[1] == "40 of 40 drawn pairs labelled, 3 unsure: left out below"
    heads = [line.split()[0] for line in lines[4:10]]
    assert heads == ["precision", "recall", "prevalence", "bad", "good", "good"]
    assert any(line.startswith("precision 80.0 % by estimate: similarity >= ") for line in lines)
    assert sum("  cut  " in line for line in lines) == 1
    assert len(lines) < 50


def test_json_says_all_of_it(run: Run, tmp_path: Path) -> None:
    corpus, out = small().corpus.path, tmp_path / "look"
    drawn = json.loads(run("audit", corpus, "--decision", "filtered", "-n", 40, "--out", out, "--json")[1])
    assert drawn["pairs"] == 40 and sum(each["drawn"] for each in drawn["strata"]) == 40
    words = ("audit", out, "--labels", label(out, "labels.csv", good=15), "--precision", "0.8", "--json")
    said = json.loads(run(*words)[1])
    assert said["audit"] == drawn["audit"] and said["labelled"] == 40 and said["agreement"] is None
    precision = said["figures"]["precision"]
    assert precision["low"] < precision["value"] <= precision["high"] <= 1
    assert len(said["curve"]) > 10 and set(said["curve"][0]) == {
        "threshold", "rows", "labelled", "precision", "recall",
    }  # fmt: skip
    assert said["reached"]["precision"] == 0.8


def test_two_people_are_compared(run: Run, tmp_path: Path) -> None:
    corpus, out = small().corpus.path, tmp_path / "look"
    run("audit", corpus, "--decision", "filtered", "-n", 40, "--out", out)
    first, second = label(out, "a.csv", good=15), label(out, "b.csv", good=15, turned=2)
    code, said, err = run("audit", out, "--labels", first, "--labels", second)
    assert code == 0 and "the figures are of the labels that both gave" in err
    assert "40 of 40 drawn pairs labelled, 2 labelled differently by the two: left out below" in said
    assert "agreement 95.0 % (" in said and "Cohen's kappa 0.8" in said
    assert said.count("  good, bad\n") == 2


def test_missing_labels_are_told(run: Run, tmp_path: Path) -> None:
    corpus, out = small().corpus.path, tmp_path / "look"
    run("audit", corpus, "--decision", "filtered", "-n", 40, "--out", out)
    labels = label(out, "labels.csv", good=15)
    labels.write_text("".join(labels.read_text().splitlines(keepends=True)[:31]))
    _, said, err = run("audit", out, "--labels", labels)
    assert err == "note: 10 drawn pairs have no label\n" and "30 of 40 drawn pairs labelled\n" in said


def test_wrong_words_are_refused(tmp_path: Path) -> None:
    corpus = str(small().corpus.path)
    for words, code, told in (
        ((corpus,), 2, "neither --out nor --labels"),
        ((corpus, "--out", "look"), 2, "several in"),
        ((corpus, "--decision", "filtered", "--out", "look", "-n", "0"), 2, "0 pairs cannot be looked at"),
        ((corpus, "--decision", "filtered", "--out", "look", "-n", "99999"), 2, "99999 pairs are wanted and there are"),
        (
            (corpus, "--decision", "filtered", "--out", "look", "--precision", "0.9"),
            2,
            "--precision belongs to --labels",
        ),
        ((corpus, "--decision", "filtered", "--labels", "x.csv"), 2, "--decision draws, --labels reads"),
        ((corpus, "--labels", "x.csv"), 1, "no audit in"),
        (("nowhere", "--out", "look"), 1, "no corpus at nowhere"),
        ((corpus, "--decision", "filtered", "--out", "look", "--score", "similarty"), 2, "similarity"),
        ((corpus, "--decision", "filtered", "--out", "look", "--format", "pdf"), 2, "--format"),
    ):
        vlcorpus("audit", *words, cwd=tmp_path).refused(code, told)
    assert not (tmp_path / "look").exists()
