"""What a download asks for and what it keeps: decisions over candidates, blocklists, hashes, parts, room on disk."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.images import drawn
from tests.net.server import LoopbackServer
from tests.stages.running import contents, do, done, rows
from vlcorpus.corpus import Corpus
from vlcorpus.errors import CorpusError, ShardsFailed, UsageError, VlcorpusError
from vlcorpus.io import table, tar
from vlcorpus.pipeline.ranks import Part
from vlcorpus.stages import registry
from vlcorpus.stages.download import Download
from vlcorpus.stages.filter import Filter
from vlcorpus.stages.import_ import Import

COUNT = 12


def image(number: int) -> bytes:
    return drawn.saved(drawn.photo(number, 60, 40), "JPEG")


def settings(**more: Any) -> Download:
    return Download(
        **{"allow_private": ("127.0.0.0/8",), "retries": 0, "obey_robots": False, "site_files": False, **more}
    )


def listed(path: Path, server: LoopbackServer, columns: dict[str, list[Any]] | None = None) -> Corpus:
    """Candidates of COUNT images in three shards."""
    urls = [server.put(f"/{number}.jpg", image(number)) for number in range(COUNT)]
    found = {"url": urls, "caption": [str(number) for number in range(COUNT)], **(columns or {})}
    path.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(found), path / "list.parquet")
    corpus = Corpus.create(path / "c", shard_rows=4)
    save = tuple(name for name in columns or {} if name in ("hash", "boxes"))
    do(corpus, [Import(source=str(path / "list.parquet"), **({"save_additional_columns": save} if save else {}))])
    return corpus


def reasons(corpus: Corpus) -> list[str | None]:
    return [row["reason"] for row in rows(corpus, "shards")]


def decided(corpus: Corpus, name: str) -> list[bool]:
    layer = corpus.layer(f"decisions/{name}")
    return [row["keep"] for unit in layer.units() for row in table.rows(layer.path(f"{unit}.parquet"), "decisions")]


# --- decisions


def test_only_what_a_decision_keeps_is_asked_for(tmp_path: Path) -> None:
    with LoopbackServer() as server:
        corpus = listed(tmp_path, server, {"similarity": [0.1 * number for number in range(COUNT)]})
        decide = Filter(of="candidates", min_sim=0.55, decision="near")
        do(corpus, [decide, settings(decision="near")])
        assert sorted(server.paths()) == sorted(f"/{number}.jpg" for number in range(6, COUNT))
    assert reasons(corpus) == ["not_kept"] * 6 + [None] * 6
    found = rows(corpus, "shards")
    assert {row["status"] for row in found[:6]} == {"failed_to_download"}
    assert found[0]["error_message"] == "not_kept: by decision near" and found[0]["image_key"] is None
    assert tar.scan(corpus.layer("shards").path("00000.tar")) == []


def test_a_decision_by_another_column_and_one_without_scores(tmp_path: Path) -> None:
    with LoopbackServer() as server:
        scores = {"clip_l14_similarity_score": [0.1 * number for number in range(COUNT)]}
        corpus = listed(tmp_path, server, scores)
        do(corpus, [Filter(of="candidates", score="clip_l14_similarity_score", top_fraction=0.25)])
        assert decided(corpus, "candidates-clip_l14_similarity_score-top-0.25") == [False] * 9 + [True] * 3
        plain = listed(tmp_path / "plain", server)
        with pytest.raises(UsageError, match="no column 'similarity'"):
            do(plain, [Filter(of="candidates", min_sim=0.3)])
        do(plain, [Filter(of="candidates", random_fraction=0.5)])
    assert len(decided(plain, "candidates-random-0.5-0")) == COUNT


def test_a_decision_that_changes_its_mind_makes_its_shards_again(tmp_path: Path) -> None:
    with LoopbackServer() as server:
        corpus = listed(tmp_path, server, {"similarity": [0.1 * number for number in range(COUNT)]})
        do(corpus, [Filter(of="candidates", min_sim=0.75, decision="a"), settings(decision="a")])
        do(corpus, [Filter(of="candidates", min_sim=0.95, decision="b")])
        events = do(corpus, [settings(decision="b")])
        assert sorted(done(events)) == ["shards/00000", "shards/00001", "shards/00002"]
    assert reasons(corpus) == ["not_kept"] * 10 + [None] * 2


# --- blocklists and hashes


def test_what_a_blocklist_names_is_never_stored(tmp_path: Path) -> None:
    (tmp_path / "md5").write_text(hashlib.md5(image(1)).hexdigest() + "\n")
    (tmp_path / "sha").write_text(hashlib.sha256(image(5)).hexdigest() + "\n")
    with LoopbackServer() as server:
        corpus = listed(tmp_path, server)
        do(corpus, [settings(blocklist=(str(tmp_path / "md5"), str(tmp_path / "sha")))])
        assert [number for number, reason in enumerate(reasons(corpus)) if reason == "blocked"] == [1, 5]
        stats = corpus.layer("shards").stats("00000")
        assert stats is not None and stats["rejected"] == {"blocked": 1} and stats["failed_hosts"] == {}
        for row in (rows(corpus, "shards")[1], rows(corpus, "shards")[5]):
            assert row["sha256"] is row["md5"] is row["width"] is row["etag"] is row["original_bytes"] is None
        held = b"".join(path.read_bytes() for path in sorted((tmp_path / "c").rglob("*")) if path.is_file())
        for number in (1, 5):
            for kind in ("md5", "sha256"):
                assert hashlib.new(kind, image(number)).hexdigest().encode() not in held
        # A longer list makes all shards again.
        (tmp_path / "sha").write_text(
            f"{hashlib.sha256(image(5)).hexdigest()}\n{hashlib.sha256(image(9)).hexdigest()}\n"
        )
        do(corpus, [settings(blocklist=(str(tmp_path / "md5"), str(tmp_path / "sha")))])
        assert [number for number, reason in enumerate(reasons(corpus)) if reason == "blocked"] == [1, 5, 9]
    with pytest.raises(UsageError, match="line 1 of"):
        (tmp_path / "md5").write_text("no hash\n")
        do(corpus, [settings(blocklist=(str(tmp_path / "md5"),))])


@pytest.mark.parametrize("kind", ["md5", "sha256", "sha512"])
def test_bytes_that_are_not_the_lists_are_refused(tmp_path: Path, kind: str) -> None:
    given = [hashlib.new(kind, image(number)).hexdigest() for number in range(COUNT)]
    given[3], given[4], given[5] = given[3].upper(), given[5], None  # type: ignore[call-overload]
    with LoopbackServer() as server:
        corpus = listed(tmp_path, server, {"hash": given})
        do(corpus, [settings(verify_hash=("hash", kind))])
    assert reasons(corpus) == [None] * 4 + ["hash_mismatch"] + [None] * 7


# --- parts of a corpus


def test_parts_are_the_whole_and_nothing_twice(tmp_path: Path) -> None:
    with LoopbackServer() as server:
        corpus, whole = listed(tmp_path / "parts", server), listed(tmp_path / "whole", server)
        do(whole, [settings()])
        server.requests.clear()
        parts = [sorted(done(do(corpus, [settings()], part=Part(number, 2)))) for number in (1, 2)]
        assert parts == [["shards/00000", "shards/00002"], ["shards/00001"]]
        assert sorted(server.paths()) == sorted(f"/{number}.jpg" for number in range(COUNT))
    assert contents(corpus, "shards") == contents(whole, "shards")
    assert done(do(corpus, [settings()])) == []


def test_a_corpus_that_remembers_a_part_of_a_download_is_read(tmp_path: Path) -> None:
    """Parts were a setting of this stage once, which said nothing of the result."""
    with LoopbackServer() as server:
        corpus = listed(tmp_path, server)
        do(corpus, [settings()])
    stats = corpus.layer("shards").stats("00000")
    assert stats is not None and "shard_range" not in stats["settings"]
    assert registry.recorded(corpus, {**stats, "settings": stats["settings"] | {"shard_range": "1/2"}}) == settings()


def test_parts_are_held_side_by_side_and_a_whole_by_one(tmp_path: Path) -> None:
    corpus = Corpus.create(tmp_path / "c")
    with corpus.lock("a", part="1/2"), corpus.lock("b", part="2/2"):
        for part in (None, "1/2"):
            with pytest.raises(CorpusError, match="is in use"), corpus.lock("c", part=part):
                pass
    with corpus.lock("d"), pytest.raises(CorpusError, match="is in use"), corpus.lock("e", part="1/2"):
        pass


# --- room on the disk


def test_a_full_share_of_the_disk_pauses_and_more_goes_on(tmp_path: Path) -> None:
    with LoopbackServer() as server:
        corpus, whole = listed(tmp_path / "small", server), listed(tmp_path / "whole", server)
        do(whole, [settings()])
        with pytest.raises((VlcorpusError, ShardsFailed), match="paused: shards/ holds") as raised:
            do(corpus, [settings(max_disk=1)])
        assert "--max-disk" in str(raised.value)
        before = corpus.layer("shards").units()
        assert len(before) < 3
        rest = done(do(corpus, [settings(max_disk=10**9)]))
        assert sorted([*rest, *(f"shards/{unit}" for unit in before)]) == [f"shards/{n:05d}" for n in range(3)]
    assert contents(corpus, "shards") == contents(whole, "shards")


# --- settings by img2dataset's names


def test_original_keeps_the_bytes(tmp_path: Path) -> None:
    from vlcorpus import spec

    made = spec.build(Download, {"image_size": "original"}, where="download")
    assert made.image_size is None
    with LoopbackServer() as server:
        corpus = listed(tmp_path, server)
        do(corpus, [settings(image_size=None)])
    stored = [
        body for entry, body in tar.read_members(corpus.layer("shards").path("00000.tar")) if entry.extension == "jpg"
    ]
    assert stored == [image(number) for number in range(4)]


def test_headers_and_names_of_an_image_are_kept(tmp_path: Path) -> None:
    with LoopbackServer() as server:
        corpus = listed(tmp_path, server)
        server.put("/0.jpg", image(0), {"ETag": '"abc"', "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"})
        do(corpus, [settings()])
    row = rows(corpus, "shards")[0]
    assert (row["etag"], row["last_modified"]) == ('"abc"', "Mon, 01 Jan 2024 00:00:00 GMT")
    assert row["url_md5"] == hashlib.md5(row["url"].encode()).hexdigest()
    assert row["md5"] == hashlib.md5(image(0)).hexdigest() and row["sha256"] == hashlib.sha256(image(0)).hexdigest()
