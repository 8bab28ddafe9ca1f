from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.cli.shell import vlcorpus
from tests.corpora import Built, do, rewrite
from tests.views.test_collection import write_folder
from vlcorpus.cli.searching import named_of
from vlcorpus.corpus import Corpus
from vlcorpus.errors import SourceError, UsageError
from vlcorpus.io import table
from vlcorpus.io.subset import read as read_subset
from vlcorpus.knn.query import parse
from vlcorpus.stages.export import Export
from vlcorpus.views.collection import open_collection
from vlcorpus.views.find import Found, find
from vlcorpus.views.life import life
from vlcorpus.views.searching import search

Run = Callable[..., tuple[int, str, str]]


def told(run: Run, *words: object) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("search", *words, "--json")[1])
    return found


def test_a_table_or_json(run: Run, corpus: Corpus) -> None:
    code, out, err = run("search", corpus.path, "a red circle", "-k", 3, "--no-fold")
    lines = out.splitlines()
    heads = ["rank", "similarity", "copies", "key", "uid", "caption", "url"]
    assert code == 0 and err == "" and lines[0].split() == heads
    assert [line.split()[0] for line in lines[1:]] == ["1", "2", "3"]
    found = told(run, corpus.path, "a red circle", "-k", 3, "--no-fold")
    assert [each["uid"] for each in found["hits"]] == [line.split()[3] for line in lines[1:]]
    assert set(found) == {"model", "side", "how", "rows", "hits", "more", "note"}


def test_copies_are_counted_beside_the_best(run: Run, corpus: Corpus) -> None:
    found = told(run, corpus.path, "a red circle", "-k", 2)
    lines = run("search", corpus.path, "a red circle", "-k", 2)[1].splitlines()
    copies = [len(each["copies"]) for each in found["hits"]]
    assert any(copies)
    for line, number in zip(lines[1:], copies, strict=True):
        assert not number or line.split()[2] == str(number)
    assert {"row", "similarity", "key", "uid"} == set(
        next(each for each in found["hits"] if each["copies"])["copies"][0]
    )


def test_options_and_words_are_terms(run: Run, corpus: Corpus, tmp_path: Path) -> None:
    collection = open_collection(corpus.path)
    uids = [pair.uid for pair in collection.pairs([0, 5])]
    np.save(tmp_path / "my vector.npy", collection.searcher().vectors([9])[0])
    (tmp_path / "p.jpg").write_bytes(collection.picture(3) or b"")
    options: list[object] = ["--text", "a circle", "--uid", uids[0], "--uid", uids[1]]
    options += ["--vector", tmp_path / "my vector.npy", "--image", tmp_path / "p.jpg"]
    typed = f'-toy +"a circle" uid:{uids[0]} uid:{uids[1]} vector:"{tmp_path}/my vector.npy" image:{tmp_path}/p.jpg'
    want = search(collection, parse(typed), k=4, folded=False)
    found = told(run, corpus.path, "+toy -2*toy", *options, "-k", 4, "--no-fold")
    assert [each["uid"] for each in found["hits"]] == [hit.uid for hit in want.hits]
    assert np.allclose([each["similarity"] for each in found["hits"]], [h.similarity for h in want.hits], atol=1e-6)


def test_filters_and_a_floor(run: Run, corpus: Corpus) -> None:
    words = (corpus.path, "a red circle", "-k", 500, "--no-fold")
    every = told(run, *words)["hits"]
    floor = every[len(every) // 2]["similarity"]
    above = told(run, *words, "--min-sim", floor)["hits"]
    assert above == [each for each in every if each["similarity"] >= floor] and len(above) < len(every)
    known = open_collection(corpus.path)
    kept = known.mask("short_side >= 64 and similarity > 0.02")
    found = told(run, *words, "--where", "short_side >= 64", "--where", "similarity > 0.02")["hits"]
    assert [each["row"] for each in found] == [each["row"] for each in every if kept[each["row"]]]
    assert 0 < len(found) < len(every)
    assert told(run, *words, "--exact")["how"] == "scan"
    with pytest.raises(UsageError, match="no column 'widht'"):
        run("search", *words, "--where", "widht > 3")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "nothing is asked for"),
        ([" "], "the query is empty"),
        (["+a -"], "a term is missing (character 4"),
        (["a", "-k", 10_001], "-k 10001 is above 10,000"),
        (["a", "-k", 10_001, "--out", "x.csv"], "-k 10001 is above 10,000"),
        (["a", "--out", "x.docx"], "x.docx ends with none of"),
        (["a", "--decision", "d", "--out", "x.csv"], "--out does not go with --decision"),
        (["a", "--decision", "d", "--side", "text"], "--side text does not go with --decision"),
    ],
)
def test_words_that_do_not_go_together(run: Run, corpus: Corpus, words: list[object], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        run("search", corpus.path, *words)
    assert said in caught.value.message and caught.value.hint


def test_a_query_that_begins_with_a_minus_stands_behind_two(corpus: Corpus, tmp_path: Path) -> None:
    uid = open_collection(corpus.path).pairs([0])[0].uid
    said = vlcorpus("search", str(corpus.path), "-k", "1", "--", f"-uid:{uid}", cwd=tmp_path)
    assert said.code == 0 and len(said.out.splitlines()) == 2, said


# -- files


@pytest.mark.parametrize("ending", ["parquet", "jsonl", "csv", "txt"])
def test_hits_are_written_as_a_list(run: Run, corpus: Corpus, tmp_path: Path, ending: str) -> None:
    hits = told(run, corpus.path, "a red circle", "-k", 7)["hits"]
    out = tmp_path / f"found.{ending}"
    code, said, err = run("search", corpus.path, "a red circle", "-k", 7, "--out", out)
    assert (code, said) == (0, "") and err.strip() == f"{len(hits)} pairs in {out}"
    names = ("uid", "url", "caption", "similarity", "key")
    want = [tuple(each[name] for name in names) for each in hits]
    if ending == "txt":
        assert out.read_text().splitlines() == [each["uid"] for each in hits]
        return
    if ending == "parquet":
        rows = pq.read_table(out).to_pylist()
    elif ending == "jsonl":
        rows = [json.loads(line) for line in out.read_text().splitlines()]
    else:
        rows = [row | {"similarity": float(row["similarity"])} for row in csv.DictReader(out.open(newline=""))]
    assert [tuple(row) for row in rows] == [names] * len(hits)
    assert [tuple(row[name] for name in names[:3]) for row in rows] == [each[:3] for each in want]
    assert [row["key"] for row in rows] == [each[4] for each in want]
    assert np.allclose([row["similarity"] for row in rows], [each[3] for each in want], atol=1e-7)
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


@pytest.mark.parametrize("ending", ["parquet", "jsonl", "csv"])
def test_a_written_list_can_be_imported(run: Run, corpus: Corpus, tmp_path: Path, ending: str) -> None:
    from vlcorpus.stages.import_ import Import

    out = tmp_path / f"found.{ending}"
    hits = told(run, corpus.path, "a red circle", "-k", 7, "--out", out)["hits"]
    new = do(tmp_path / "new", [Import(source=str(out))])
    rows = list(table.rows(new.layer("candidates").path("00000.parquet"), "candidates"))
    assert {(row["url"], row["alt_text"], row["given_uid"]) for row in rows} == {
        (each["url"], each["caption"], each["uid"]) for each in hits
    }
    similarities = new.layer("scores/list").path("00000.parquet")
    assert sorted(row["similarity"] for row in table.rows(similarities, "score-list")) == pytest.approx(
        sorted(each["similarity"] for each in hits)
    )


def test_a_spreadsheet_computes_nothing(run: Run, own: Built, tmp_path: Path) -> None:
    layer = own.corpus.layer(f"embeddings/{own.corpus.layers('embeddings')[0]}")
    evil = ["=1+1", "+1", "-1", "@a", "\t=1", "\r=1", "a=1", '"=1', "\n=1", ""]

    def spoil(rows: list[dict[str, Any]]) -> None:
        for number, row in enumerate(rows):
            row["caption"], row["url"] = evil[number % len(evil)], "=cmd()"

    for shard in layer.units():
        rewrite(layer, shard, f"metadata/metadata_{shard}.parquet", spoil)
    words = ("search", own.corpus.path, "a", "-k", 500, "--no-fold")
    run(*words, "--out", tmp_path / "x.csv")
    run(*words, "--out", tmp_path / "x.jsonl")
    cells = list(csv.reader((tmp_path / "x.csv").open(newline="")))[1:]
    plain = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    assert len(cells) == len(plain) > len(evil)
    for cell, row in zip(cells, plain, strict=True):
        assert cell[1] == "'=cmd()" and not cell[2].startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
        assert cell[2] in (row["caption"], "'" + row["caption"]) and float(cell[3]) == row["similarity"]
    assert {row["caption"] for row in plain} == set(evil)


def test_files_that_cannot_be_written(run: Run, corpus: Corpus, tmp_path: Path) -> None:
    (tmp_path / "x.csv").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        run("search", corpus.path, "a", "--out", tmp_path / "x.csv")
    with pytest.raises(UsageError, match="no folder"):
        run("search", corpus.path, "a", "--out", tmp_path / "none/x.csv")


# -- a folder of embeddings


def test_a_folder_of_embeddings_is_searched_too(run: Run, tmp_path: Path) -> None:
    images, _, rows = write_folder(tmp_path / "f", uid=False)
    np.save(tmp_path / "q.npy", images[4].astype(np.float32))
    words = (tmp_path / "f", "--vector", tmp_path / "q.npy", "-k", 3)
    found = told(run, *words, "--where", "number > 1")["hits"]
    products = images.astype(np.float64) @ images[4].astype(np.float64) / np.linalg.norm(images[4].astype(np.float64))
    order = [row for row in np.argsort(-products) if row > 1][:3]
    assert [each["row"] for each in found] == order and found[0]["uid"] is None
    assert found[0]["caption"] == rows[4]["caption"]
    out = run("search", *words)[1]
    assert "/etc/" in out and "root:" not in out  # a path of a stranger's table is shown, and not followed
    with pytest.raises(UsageError, match="have no uids"):
        run("search", *words, "--out", tmp_path / "x.txt")
    with pytest.raises(UsageError, match="does not say which model"):
        run("search", tmp_path / "f", "a dog")


# -- decisions


def decided(corpus: Corpus, name: str) -> set[str]:
    layer = corpus.layer(f"decisions/{name}")
    rows = (row for shard in layer.units() for row in table.rows(layer.path(f"{shard}.parquet"), "decisions"))
    return {row["uid"].hex() for row in rows if row["keep"]}


def test_a_decision_made_by_search_keeps_what_search_finds_and_is_exported(
    run: Run, own: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = own.corpus
    collection = open_collection(corpus.path)
    (tmp_path / "my picture.jpg").write_bytes(collection.picture(3) or b"")
    query = '+"red circle" -0.5*toy'
    words = (corpus.path, query, "--image", tmp_path / "my picture.jpg", "-k", 20, "--where", "short_side >= 64")
    found = told(run, *words, "--no-fold")["hits"]
    assert run("search", *words, "--decision", "red")[0] == 0
    kept = decided(corpus, "red")
    assert len(kept) == len(found) == 20
    layer = corpus.layer("scores/query-red")
    scores = {
        row["uid"].hex(): row["query"]
        for shard in layer.units()
        for row in table.rows(layer.path(f"{shard}.parquet"), "score-query")
    }
    for each in found:
        assert scores[each["uid"]] == np.float32(each["similarity"])
    # Pairs of one picture are as near as each other: of those at the end either may be taken.
    assert sorted(scores[uid] for uid in kept) == sorted(np.float32(each["similarity"]) for each in found)
    stats = layer.stats("00000") or {}
    assert stats["model"] == collection.model and "toy" in stats["settings"]["query"]
    assert str(tmp_path) not in json.dumps(stats), "an absolute path"

    # The same again does nothing, from any folder; more of the same keeps what there is.
    monkeypatch.chdir(tmp_path)
    again = json.loads(run("search", *words, "--decision", "red", "--json")[1])
    assert [set(step["units"]) for step in again] == [{"unchanged"}, {"unchanged"}]
    place = find(corpus, found[0]["uid"])
    assert isinstance(place, Found)
    walk = json.dumps(life(corpus, place), default=str)
    assert "query_red" in walk and "red" in walk

    do(corpus.path, [Export(out=str(tmp_path / "out"), decision="red", output_format="uids")])
    listed = read_subset(next((tmp_path / "out").rglob("*.npy")))
    assert {f"{high:016x}{low:016x}" for high, low in listed.tolist()} == decided(corpus, "red")


def test_a_floor_of_a_decision(run: Run, own: Built) -> None:
    every = told(run, own.corpus.path, "a circle", "-k", 500, "--no-fold")["hits"]
    floor = every[9]["similarity"]
    run("search", own.corpus.path, "a circle", "-k", 500, "--min-sim", floor, "--decision", "Near: circles")
    kept = decided(own.corpus, "Near: circles")
    assert kept == {each["uid"] for each in every if each["similarity"] >= floor} and 10 <= len(kept) < len(every)
    assert own.corpus.layer(f"scores/query-{named_of('Near: circles')}").units()


def test_names_of_scores_behind_decisions() -> None:
    assert named_of("red_car2") == "red_car2"
    others = [named_of(name) for name in ("Red car", "red-car", "red car", "日本", "x" * 60, "_a", "-")]
    assert len(set(others)) == len(others)
    assert all(len(name) <= 40 and name.replace("_", "").isalnum() and name.isascii() for name in others)
    assert all(name == name.lower() and name[0].isalnum() for name in others)


@pytest.mark.parametrize("value", ["image:photo.jpg", "image:2", "image:0", "vector:1x", "upload:a1"])
def test_a_score_names_its_files_apart(own: Built, value: str, tmp_path: Path) -> None:
    from vlcorpus.stages.score import Score

    (tmp_path / "photo.jpg").write_bytes(b"")
    with pytest.raises(UsageError) as caught:
        do(own.corpus.path, [Score(score="query", named="a", query=value, query_files=(str(tmp_path / "photo.jpg"),))])
    assert "--query-files" in caught.value.hint


def test_a_decision_by_a_file_that_is_none(run: Run, own: Built, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot read"):
        run("search", own.corpus.path, "--image", tmp_path / "none.jpg", "--decision", "none")
    assert not own.corpus.layer("decisions/none").units()
