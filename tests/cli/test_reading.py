from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.corpora import Built, overwrite, reseal, rewrite, small
from vlcorpus import identity
from vlcorpus.cli import output, shape
from vlcorpus.corpus import Corpus
from vlcorpus.errors import CorpusError, SourceError, UsageError, VlcorpusError
from vlcorpus.io import table

Run = Callable[..., tuple[int, str, str]]
HOSTILE = "\x1b[2J\x1b]0;title\x07 \u202eevil\u202c \x9b31m \r\n\t bell\x07"


def rows(corpus: Corpus, layer: str, name: str) -> list[dict[str, Any]]:
    place = corpus.layer(layer)
    return [row for shard in place.units() for row in table.rows(place.path(f"{shard}.parquet"), name)]


def test_status_says_what_there_is_and_what_is_next(run: Run, corpus: Corpus) -> None:
    code, out, err = run("status", corpus.path)
    assert code == 0 and err == ""
    lines = out.splitlines()
    assert lines[0].startswith("corpus corpus")
    assert any(line.startswith("decisions/filtered") and "outside_fraction" in line for line in lines)
    assert "rows: every row in is a row out, kept or with a reason" in lines
    assert lines[-1] == f"next: vlcorpus verify {corpus.path}"


def test_status_as_json_is_one_document(run: Run, corpus: Corpus) -> None:
    code, out, _ = run("status", corpus.path, "--json")
    told = json.loads(out)
    assert code == 0 and told["imbalances"] == [] and told["next"].startswith("vlcorpus verify")
    assert {each["name"] for each in told["layers"]} >= {"candidates", "shards", "splits/default"}
    assert "stale_stats" not in told


def test_status_ends_with_1_where_rows_are_lost(run: Run, own: Built) -> None:
    stats = own.corpus.layer("shards").stats("00000")
    assert stats is not None
    reseal(own.corpus.layer("shards"), "00000", kept=stats["kept"] + 3)
    code, out, _ = run("status", own.corpus.path)
    assert code == 1 and "does not add up: shards/00000" in out
    assert out.splitlines()[-1].startswith("next: vlcorpus verify")


@pytest.mark.parametrize("words", [["status"], ["show", "0123456"], ["verify"], ["search", "--text", "a"]])
def test_a_folder_without_a_corpus_is_an_error_with_a_hint(run: Run, tmp_path: Path, words: list[str]) -> None:
    with pytest.raises(CorpusError) as caught:
        run(words[0], tmp_path / "none", *words[1:])
    assert caught.value.exit_code == 1 and caught.value.hint


def test_show_tells_a_life(run: Run, corpus: Corpus) -> None:
    kept = next(row for row in rows(corpus, "decisions/filtered", "decisions") if row["keep"])
    code, out, err = run("show", corpus.path, kept["uid"].hex(), "--export", small().out)
    assert code == 0 and err == ""
    labels = [line.split()[0] for line in out.splitlines() if line[0] != " "]
    for label in ("pair", "text", "found", "fetched", "stored", "embedded", "score", "decision", "split", "exported"):
        assert label in labels
    assert "pass  similarity in the top 0.3: " in out
    told = json.loads(run("show", corpus.path, kept["uid"].hex(), "--json")[1])
    assert told["uid"] == kept["uid"].hex() and told["decisions"][0]["keep"] is True
    assert told["decisions"][0]["judgements"][0]["passed"] is True


def test_show_names_every_predicate_that_failed(run: Run, corpus: Corpus) -> None:
    lost = next(row for row in rows(corpus, "decisions/filtered", "decisions") if not row["keep"])
    out = run("show", corpus.path, lost["uid"].hex())[1]
    assert "filtered: not kept" in out and "FAIL  similarity in the top 0.3: " in out and ", threshold " in out


def test_show_says_why_there_is_no_image(run: Run, corpus: Corpus) -> None:
    failed = next(row for row in rows(corpus, "shards", "shards") if row["reason"] == "http_error")
    code, out, _ = run("show", corpus.path, failed["key"])
    assert code == 0 and "HTTP 404 http_error" in out and "The status is not 200." in out
    assert "stored" not in out and "decision" not in out


def test_show_says_why_a_pair_was_refused(run: Run, corpus: Corpus) -> None:
    planted = next(pair for pair in small().site.planted if pair.fault == "noai_page")
    code, out, _ = run("show", corpus.path, identity.uid(planted.url, planted.alt_text).hex())
    assert code == 0 and "rejected    optout: The page, the image or their site opts out of this use." in out


def test_show_of_an_unknown_uid_is_an_error(run: Run, corpus: Corpus) -> None:
    with pytest.raises(VlcorpusError) as caught:
        run("show", corpus.path, "f" * 32)
    assert caught.value.exit_code == 1 and "vlcorpus inspect" in caught.value.hint


def test_verify_of_a_whole_corpus_ends_with_0(run: Run, corpus: Corpus) -> None:
    code, out, err = run("verify", corpus.path, "--export", small().out)
    assert code == 0 and err == "" and out.startswith("all well: checked ")
    assert run("verify", corpus.path, "--quick")[1].startswith("all well: checked sizes and counts of ")


def test_verify_of_a_damaged_one_ends_with_1_and_says_what_to_do(run: Run, own: Built) -> None:
    overwrite(own.corpus.path / "shards/00001.tar", 1_000, b"\x00\x01\x02")
    code, out, _ = run("verify", own.corpus.path)
    assert code == 1 and "shards/00001.tar: has other bytes" in out and "    to do: " in out
    code, out, _ = run("verify", own.corpus.path, "--json")
    told = json.loads(out)
    assert code == 1 and told["findings"][0]["path"] == "shards/00001.tar" and told["checked"]["files"] > 50


def test_verify_of_what_is_no_export_is_an_error(run: Run, corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no export at"):
        run("verify", corpus.path, "--export", tmp_path)


def test_inspect_lists_a_corpus_and_shows_a_table(run: Run, corpus: Corpus) -> None:
    code, out, _ = run("inspect", corpus.path)
    assert code == 0 and any(line.startswith("scores/phash") for line in out.splitlines())
    code, out, _ = run("inspect", corpus.path / "decisions/filtered", "--rows", 2)
    assert code == 0 and "table decisions: What a filter decided" in out and "first 2 rows" in out
    assert rows(corpus, "decisions/filtered", "decisions")[0]["uid"].hex() in out
    told = json.loads(run("inspect", corpus.path / "decisions/filtered", "--column", "uid", "--json")[1])
    assert [each["name"] for each in told["columns"]] == ["uid"] and len(told["head"]) == 5


def test_inspect_keeps_to_the_width_of_the_screen(run: Run, corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    out = run("inspect", corpus.path / "shards")[1]
    rows_shown = out[out.index("first 5 rows") :].splitlines()
    assert all(len(line) <= 100 for line in rows_shown) and "row 4" in rows_shown


def test_inspect_ends_with_1_where_a_table_cannot_be_read(run: Run, own: Built) -> None:
    (own.corpus.path / "shards/00001.parquet").write_bytes(b"PAR1PAR1")
    code, out, _ = run("inspect", own.corpus.path)
    assert code == 1 and "cannot be read: shards/00001.parquet" in out
    with pytest.raises(SourceError):
        run("inspect", own.corpus.path / "shards/00001.parquet")


def test_schema_lists_tables_columns_reasons_and_keys(run: Run) -> None:
    assert "decisions/<name>/NNNNN.parquet" in run("schema")[1]
    assert "Bit i is set where predicate i failed" in run("schema", "decisions")[1]
    assert "robots.txt forbids the page" in run("schema", "reasons")[1]
    assert "top_fraction" in run("schema", "--stage", "filter")[1]
    assert {each["table"] for each in json.loads(run("schema", "--json")[1])} >= {"shards", "splits"}
    assert json.loads(run("schema", "decisions", "--json")[1])["columns"][0]["name"] == "uid"
    assert "http_error" in json.loads(run("schema", "reasons", "--json")[1])["fetch"]
    keys = json.loads(run("schema", "--stage", "filter", "--json")[1])
    assert keys["additionalProperties"] is False and keys["properties"]["min_sim"]["maximum"] == 1
    with pytest.raises(UsageError) as caught:
        run("schema", "decsions")
    assert caught.value.hint == "did you mean 'decisions'?"
    with pytest.raises(UsageError):
        run("schema", "decisions", "--stage", "filter")


def test_recipes_are_listed_and_printed(run: Run) -> None:
    out = run("recipes")[1]
    assert any(line.startswith("demo ") for line in out.splitlines())
    assert run("recipes", "--show", "demo")[1].startswith("about:")
    assert {each["name"] for each in json.loads(run("recipes", "--json")[1])} >= {"demo"}
    assert "stages:" in json.loads(run("recipes", "--show", "demo", "--json")[1])["yaml"]


def test_search_notes_an_index_that_does_not_fit(run: Run, own: Built) -> None:
    next((own.corpus.path / "index").glob("*/index.json")).write_text("{}")
    code, out, err = run("search", own.corpus.path, "--text", "a circle", "--no-fold")
    assert code == 0 and err.startswith("note: the index cannot be used") and len(out.splitlines()) == 11


def spoilt(built: Built) -> Corpus:
    """A corpus whose texts want to take over the terminal."""
    corpus = built.corpus

    def spoil(column: str) -> Callable[[list[dict[str, Any]]], None]:
        return lambda rows: [row.update({column: HOSTILE}) for row in rows][:0] and None

    for shard in corpus.layer("candidates").units():
        rewrite(corpus.layer("candidates"), shard, f"{shard}.parquet", spoil("alt_text"))
        rewrite(corpus.layer("candidates"), shard, f"{shard}.parquet", spoil("context"))
        layer = corpus.layer(f"embeddings/{corpus.layers('embeddings')[0]}")
        rewrite(layer, shard, f"metadata/metadata_{shard}.parquet", spoil("caption"))
    return corpus


def test_texts_of_the_web_cannot_touch_the_terminal(run: Run, own: Built, tmp_path: Path) -> None:
    corpus = spoilt(own)
    path = tmp_path / "foreign.parquet"
    pq.write_table(pa.table({HOSTILE: [HOSTILE, HOSTILE], "list": [[HOSTILE], []]}), path)
    for words in (
        ["show", corpus.path, "0000000"],
        ["verify", corpus.path],
        ["search", corpus.path, "--text", "a"],
        ["inspect", corpus.path / "candidates"],
        ["inspect", path],
    ):
        _, out, err = run(*words)
        for character in ("\x1b", "\x07", "\x9b", "\u202e", "\r", "\t"):
            assert character not in out + err, (words, character)
        assert words[0] == "verify" or "\\u001b" in out, words


def test_values_for_people() -> None:
    assert shape.cell(bytes(range(16))) == bytes(range(16)).hex()
    assert shape.cell(b"x" * 100).endswith("… (100 bytes)")
    assert (shape.cell(None), shape.cell(0.123456789), shape.cell(True)) == ("null", "0.123457", "True")
    assert shape.shorten("日本語の文字", 7) == "日本語…"
    assert shape.shorten("abcdef", 6) == "abcdef" and shape.shorten("abcdefg", 6) == "abcde…"
    assert shape.plain({"a": (float("nan"), b"\x01", Path("x"))}) == {"a": [None, "01", "x"]}
    assert output.clean("\x1b") == "\\u001b"
