"""Bad input, as a user at a shell gives it: a line of error, a hint, and nothing created, destroyed or fetched."""

from __future__ import annotations

import os
import shutil
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.cli.shell import Said, as_anybody, files, vlcorpus, with_files_of
from tests.net.server import LoopbackServer
from vlcorpus.errors import CorpusError
from vlcorpus.pipeline.recipe import from_environment

LIST = "url,caption\nhttp://127.0.0.1:8999/a.jpg,a cat\n"


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a corpus of one candidate, `birds`, and the list that it came from."""
    folder = tmp_path_factory.mktemp("imported")
    (folder / "urls.csv").write_text(LIST)
    assert vlcorpus("import", "birds", "urls.csv", cwd=folder).code == 0
    return folder


@pytest.fixture
def home(imported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(imported, tmp_path / "home"))


def refused(home: Path, words: str, code: int, *parts: str, env: dict[str, str] | None = None) -> Said:
    """Run a command that is refused and leaves everything as it was."""
    before = files(home)
    said = vlcorpus(*words.split(" "), cwd=home, env=env)
    said.refused(code, *parts)
    assert files(home) == before
    return said


@pytest.mark.parametrize(
    ("words", "error", "hint"),
    [
        ("flter birds", "no command 'flter'", "did you mean 'filter'?"),
        ("--nope", "no option --nope (vlcorpus)", "see `vlcorpus --help`"),
        ("import", "missing CORPUS (vlcorpus import)", "usage: vlcorpus import CORPUS SOURCE [OPTIONS]"),
        ("crawl birds", "missing SOURCES... (vlcorpus crawl)", "usage: vlcorpus crawl CORPUS SOURCES... [OPTIONS]"),
        ("filter birds --min-smi 1", "no option --min-smi (vlcorpus filter)", "did you mean '--min-sim'?"),
        ("filter birds more", "unexpected extra argument", "see `vlcorpus filter --help`"),
        ("filter birds --min-sim", "'--min-sim' requires an argument", ""),
        ("filter birds --min-sim abc", "'min_sim' wants a number, got 'abc' (filter: min_sim)", ">= -1 and <= 1"),
        ("filter birds --min-sim nan", "'min_sim' is nan", ">= -1 and <= 1"),
        ("filter birds --missing maybe", "'missing' is one of drop, keep, error; got 'maybe'", "drop"),
        ("download birds --retries 99", "'retries' is 99, above its greatest value 10 (download: retries)", "<= 10"),
        ("download birds --max-bytes 1e30", "'max_bytes' wants a whole number", ">= 1"),
        ("download birds --timeout inf", "is inf, above its greatest value 86400", "<= 86400"),
        ("filter birds --workers 0", "--workers: ", "see `vlcorpus filter --help`"),
        ("filter birds --workers x", "--workers: ", "see `vlcorpus filter --help`"),
        ("run dmeo birds", "no recipe dmeo", "did you mean 'demo'?"),
        ("run demo birds --set flter.min_sim=1", "has no such stage", "did you mean 'filter'?"),
        ("import new", "missing SOURCE (vlcorpus import)", "usage: vlcorpus import CORPUS SOURCE [OPTIONS]"),
    ],
)
def test_wrong_words_are_named_with_the_nearest_right_ones(home: Path, words: str, error: str, hint: str) -> None:
    said = refused(home, words, 2, error)
    assert hint in said.err.splitlines()[-1]


def test_a_wrong_variable_of_the_environment_is_named(home: Path) -> None:
    named = "'min_sim' wants a number, got 'abc' (environment, VLCORPUS_FILTER_MIN_SIM: min_sim)"
    refused(home, "filter birds", 2, named, env={"VLCORPUS_FILTER_MIN_SIM": "abc"})
    unknown = "unknown environment variable VLCORPUS_FILTER_MIN_SMI"
    refused(home, "filter birds", 2, unknown, "VLCORPUS_FILTER_MIN_SIM", env={"VLCORPUS_FILTER_MIN_SMI": "1"})


def test_a_wrong_recipe_is_refused_before_anything_runs(home: Path) -> None:
    with LoopbackServer() as server:
        polite = "contact: me@example.org, allow_private: [127.0.0.0/8]"
        crawl = f"stages:\n  - crawl: {{sources: ['{server.url('/ok')}'], {polite}}}\n"
        for entry, error, hint in (
            ("flter: {}", "own.yaml, stage 2: no stage 'flter'", "did you mean 'filter'?"),
            ("filter: {min_smi: 1}", "unknown key 'min_smi' (own.yaml, stage 2 filter)", "did you mean 'min_sim'?"),
            ("filter: {min_sim: 7}", "(own.yaml, stage 2 filter: min_sim)", ">= -1 and <= 1"),
            ("export: {out: kept, decision: nowhere}", "decisions/nowhere", "vlcorpus filter"),
            ("compare: {arms: [a, b]}", "evaluations", "vlcorpus evaluate"),
        ):
            (home / "own.yaml").write_text(crawl + f"  - {entry}\n")
            refused(home, "run own.yaml new", 2, error, hint)
        assert server.requests == []


def test_no_seed_is_asked_for_when_another_is_wrong(home: Path) -> None:
    with LoopbackServer() as server:
        good = server.url("/ok")
        for seed, code, words in (
            ("ftp://example.org/", 2, "cannot be crawled: bad_scheme"),
            ("http://", 2, "cannot be crawled: bad_url"),
            ("example.org", 1, "no WARC file at example.org"),
            ("nowhere-*.warc.gz", 1, "no WARC file at nowhere-*.warc.gz"),
        ):
            refused(home, f"crawl new {good} {seed} --allow-private 127.0.0.0/8", code, words)
        refused(home, f"crawl new {good} --allow-private x/y", 2, "'x/y' is not an IP address or network")
        assert server.requests == []


def test_a_corpus_that_is_none_is_refused(home: Path) -> None:
    (home / "full").mkdir()
    (home / "full" / "thesis.txt").write_text("years of work")
    for words, code, parts in (
        ("download nowhere", 1, ("no corpus at nowhere", "vlcorpus import nowhere LIST")),
        ("import full urls.csv", 1, ("full is not empty and is no corpus", "name a new folder")),
        ("import urls.csv birds", 1, ("urls.csv is a file, not a corpus", "the corpus folder first")),
        (
            "import http://example.org/ urls.csv",
            2,
            ("a URL stands where a corpus folder is wanted (http://example.org/)", "name a folder first"),
        ),
        ("import /proc/nowhere urls.csv", 1, ("/proc/nowhere",)),
        (f"import {'x' * 300} urls.csv", 1, ("file name too long", "another name")),
        ("download urls.csv", 1, ("no corpus at urls.csv",)),
    ):
        refused(home, words, code, *parts)
    vlcorpus("import", "", "urls.csv", cwd=home).refused(2, "CORPUS is empty")


def test_a_corpus_that_cannot_be_understood_is_left_alone(home: Path) -> None:
    about = home / "birds" / "corpus.yaml"
    good = about.read_text()
    for text, parts in (
        (good.replace("schema_version: 1", "schema_version: 99"), ("birds has schema version 99", "reads up to 1")),
        (good.replace("shard_rows: 10000", "shard_rows: 0"), ("damaged birds/corpus.yaml",)),
        (good.replace("digits: 5", "digits: 500"), ("damaged birds/corpus.yaml",)),
        ("{{{", ("damaged birds/corpus.yaml", "restore it from a copy")),
        ("", ("damaged birds/corpus.yaml",)),
    ):
        about.write_text(text)
        refused(home, "download birds", 1, *parts)
        refused(home, "import birds urls.csv", 1, *parts)
    about.unlink()
    about.mkdir()
    refused(home, "import birds urls.csv", 1, "cannot read birds/corpus.yaml: is a directory")


def test_a_list_that_is_none_is_refused(home: Path) -> None:
    (home / "empty.csv").touch()
    (home / "other.csv").write_text("a,b\n1,2\n")
    (home / "noise.parquet").write_bytes(bytes(range(256)) * 20)
    (home / "list.doc").write_text(LIST)
    (home / "pictures").mkdir()
    (home / "odd.csv").write_text("\x1b[31mred\x07,b\n1,2\n")
    for source, code, parts in (
        ("nowhere.csv", 1, ("nowhere.csv does not exist",)),
        ("empty.csv", 1, ("empty.csv is empty",)),
        ("other.csv", 2, ("other.csv has no column with URLs; its columns are 'a', 'b'", "--url-column")),
        ("noise.parquet", 1, ("noise.parquet is no parquet file, or damaged",)),
        ("list.doc", 1, ("list.doc: .doc does not tell what it is", "parquet, csv, tsv, txt, jsonl")),
        ("https://example.org/urls.csv", 2, ("is a URL, not a list",)),
        ("odd.csv", 2, (r"\x1b[31mred",)),
        ("urls.csv --url-column nowhere", 2, ("has no column 'nowhere'", "url")),
        ("urls.csv --shard-rows 0", 2, ("'shard_rows' is 0, below its least value 1",)),
    ):
        refused(home, f"import new {source}", code, *parts)


def test_rows_of_a_list_that_cannot_be_fetched_are_rejected_for_a_reason(home: Path) -> None:
    (home / "hostile.csv").write_text(
        "url,caption\n"
        '"https://example.org/a,b;c.jpg",commas\n'
        "https://example.org/with space.jpg,a space\n"
        "https://bücher.example/straße.jpg,umlauts\n"
        "file:///etc/passwd,a file\n"
        '"data:image/png;base64,AAAA",bytes\n'
        "javascript:alert(1),a script\n"
        "ftp://example.org/a.jpg,old\n"
        "http://,nothing\n"
        ",empty\n"
        "https://example.org/a.jpg\n"
    )
    said = vlcorpus("import", "hostile", "hostile.csv", "--json", cwd=home)
    assert said.code == 0, said
    rejected = pq.read_table(home / "hostile/candidates/rejected/00000.parquet").to_pylist()
    assert Counter(row["reason"] for row in rejected) == {"bad_scheme": 4, "bad_url": 1, "empty_url": 1, "bad_row": 1}
    kept = [row["url"] for row in pq.read_table(home / "hostile/candidates/00000.parquet").to_pylist()]
    assert kept == [
        "https://example.org/a,b;c.jpg",
        "https://example.org/with space.jpg",
        "https://bücher.example/straße.jpg",
    ]


@pytest.fixture
def closed(home: Path) -> Iterator[Path]:
    """Home, where folders may lose permissions for the length of a test."""
    yield home
    for folder, _, _ in os.walk(home):
        os.chmod(folder, stat.S_IRWXU)


def test_what_may_not_be_read_or_written_is_refused(closed: Path) -> None:
    home = closed
    (home / "shut").mkdir(mode=0o500)
    (home / "secret.csv").write_text(LIST)
    (home / "secret.csv").chmod(0)
    (home / "dark").mkdir(mode=0)
    (home / "birds").chmod(0o500)
    before = files(home)
    for words, parts in (
        ("import shut/new urls.csv", ("cannot write here (shut/new)", "may write to")),
        ("import shut urls.csv", ("cannot write here (shut/corpus.yaml)", "may write to")),
        ("import new secret.csv", ("secret.csv cannot be read: Permission denied",)),
        ("run secret.csv new", ("cannot read secret.csv: Permission denied",)),
        ("import dark/new urls.csv", ("cannot write here (dark/new)",)),
        ("download dark/birds", ("cannot read dark/birds/corpus.yaml: permission denied",)),
        ("import new dark/urls.csv", ("permission denied (dark/urls.csv)",)),
        ("run dark/own.yaml new", ("permission denied (dark/own.yaml)",)),
        ("download birds", ("cannot write to birds", "may write to")),
    ):
        said = vlcorpus(*words.split(), cwd=home, before=as_anybody)
        said.refused(said.code, *parts)
        assert said.code in {1, 2} and files(home) == before, words


def test_a_full_disk_is_said_and_the_same_command_resumes(home: Path) -> None:
    (home / "long.csv").write_text("url,caption\n" + "".join(f"http://e.org/{n}.jpg,cat {n}\n" for n in range(999)))
    said = vlcorpus("import", "new", "long.csv", cwd=home, before=with_files_of(4_000))
    said.refused(1, "the disk is full (new/sources/import-", "make room and run the same command again: it resumes")
    assert not [name for name in files(home / "new") if name.endswith((".parquet", "_stats.json")) or ".tmp-" in name]
    said = vlcorpus("import", "new", "long.csv", cwd=home)
    assert (said.code, "import: 999 of 999 kept" in said.err) == (0, True), said


def test_a_flag_goes_before_the_environment_before_the_default(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env = {"VLCORPUS_IMPORT_SOURCE": "nowhere.csv", "VLCORPUS_IMPORT_URL_COLUMN": "nowhere"}
    said = vlcorpus("import", "birds", "urls.csv", "--url-column", "url", "--dry-run", cwd=home, env=env)
    assert said.code == 0, said
    refused(home, "import birds urls.csv --dry-run", 2, "has no column 'nowhere'", env=env)
    monkeypatch.setenv("VLCORPUS_FILTER_MIN_SIM", "0.3")
    assert from_environment("filter") == {"min_sim": 0.3}


def test_a_folder_that_was_being_made_is_taken_up_again(tmp_path: Path) -> None:
    from vlcorpus.corpus import Corpus
    from vlcorpus.io.commit import TEMPORARY

    (tmp_path / "birds").mkdir()
    (tmp_path / "birds" / f"{TEMPORARY}corpus.yaml").write_text("name: bi")
    assert Corpus.create(tmp_path / "birds", shard_rows=3).shard_rows == 3
    with pytest.raises(CorpusError, match="no corpus at"):
        Corpus.open(tmp_path / "cats")
    assert Corpus.foreseen(tmp_path / "cats").name == "cats" and not (tmp_path / "cats").exists()
