from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from vlcorpus import identity
from vlcorpus.corpus import Corpus
from vlcorpus.errors import CorpusError, UsageError
from vlcorpus.io.commit import Commit


def test_a_corpus_is_created_once_and_opened_after(tmp_path: Path) -> None:
    made = Corpus.create(tmp_path / "birds", shard_rows=100)
    assert made == Corpus.open(tmp_path / "birds") == Corpus.create(tmp_path / "birds")
    assert (made.name, made.shard_rows, made.digits) == ("birds", 100, 5)


def test_a_newer_schema_version_is_refused(tmp_path: Path) -> None:
    Corpus.create(tmp_path / "c")
    file = tmp_path / "c" / "corpus.yaml"
    file.write_text(file.read_text().replace("schema_version: 1", "schema_version: 99"))
    with pytest.raises(CorpusError, match="schema version 99"):
        Corpus.open(tmp_path / "c")


@pytest.mark.parametrize("text", ["", "[]", "a: [", "name: x", "schema_version: many", "\xff"])
def test_a_damaged_corpus_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "corpus.yaml").write_bytes(text.encode("latin-1"))
    with pytest.raises(CorpusError, match="damaged"):
        Corpus.open(tmp_path)


def test_what_is_no_corpus_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no corpus at"):
        Corpus.open(tmp_path / "missing")
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(CorpusError, match="is not empty and is no corpus"):
        Corpus.create(tmp_path)
    with pytest.raises(CorpusError, match="no corpus at"):
        Corpus.open(tmp_path / "thesis.txt")


@pytest.mark.parametrize("url", ["https://example.com/a", "HTTP://example.com/a"])
def test_a_url_is_no_corpus(url: str) -> None:
    with pytest.raises(UsageError, match="a URL stands where a corpus folder is wanted"):
        Corpus.open(Path(url))


def test_shard_rows_are_fixed_at_creation(tmp_path: Path) -> None:
    Corpus.create(tmp_path / "c", shard_rows=100)
    with pytest.raises(UsageError, match="shard_rows 100, not 50"):
        Corpus.create(tmp_path / "c", shard_rows=50)
    with pytest.raises(UsageError, match="shard_digits 5, not 7"):
        Corpus.create(tmp_path / "c", digits=7)
    assert Corpus.create(tmp_path / "large", digits=7).shard_name(1_234_567) == "1234567"


def test_keys_follow_img2dataset(tmp_path: Path) -> None:
    corpus = Corpus.create(tmp_path / "c")
    assert corpus.key("00012", 345) == "000120345"
    assert Corpus.create(tmp_path / "small", shard_rows=750).key("00001", 7) == "00001007"


def test_only_units_with_stats_exist(tmp_path: Path) -> None:
    layer = Corpus.create(tmp_path / "c").layer("counts")
    assert layer.units() == ()
    with Commit(layer.folder, layer.marker("00001")) as commit:
        commit.write("00001.txt", b"one")
        assert layer.units() == () and layer.stats("00001") is None
        commit.done({"seen": 1})
    assert layer.units() == ("00001",)
    (layer.folder / "00002.txt").write_bytes(b"orphan")
    assert layer.units() == ("00001",)


def test_the_digest_names_the_content(tmp_path: Path) -> None:
    corpus = Corpus.create(tmp_path / "c")
    digests = []
    for number, body in enumerate((b"one", b"one", b"two")):
        layer = corpus.layer(f"counts{number}")
        with Commit(layer.folder, "00000.json") as commit:
            commit.write("00000.txt", body)
            commit.done({"duration": number})
        digests.append(layer.digest("00000"))
    assert digests[0] == digests[1] != digests[2]


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    corpus = Corpus.create(tmp_path / "c")
    other = "import sys; from pathlib import Path; from vlcorpus.corpus import Corpus\n"
    other += "with Corpus.open(Path(sys.argv[1])).lock('second'): print('held')"
    with corpus.lock("vlcorpus filter c"):
        refused = subprocess.run([sys.executable, "-c", other, corpus.path], capture_output=True, text=True)
        assert refused.returncode != 0 and "is in use (pid" in refused.stderr
        assert "vlcorpus filter c" in refused.stderr
    free = subprocess.run([sys.executable, "-c", other, corpus.path], capture_output=True, text=True)
    assert free.stdout == "held\n"


def test_uids_depend_on_where_url_and_text_divide() -> None:
    assert identity.uid("ab", "c") != identity.uid("a", "bc")
    assert len(identity.uid("http://a/ü", "\ud800")) == 16
    assert identity.image_id("u") != identity.content_id(b"u")


@pytest.mark.parametrize("text", ["", "12", "zz" * 16, "00" * 17])
def test_what_is_no_uid_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no uid"):
        identity.parse_uid(text)


def test_the_corpus_names_no_absolute_path(tmp_path: Path) -> None:
    Corpus.create(tmp_path / "c")
    assert str(tmp_path) not in yaml.safe_dump(yaml.safe_load((tmp_path / "c" / "corpus.yaml").read_text()))
