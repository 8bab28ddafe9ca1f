"""takedown: what a list may look like, which pairs it names, and that nothing gives them out from then on."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.stages.given import Given, committed, give, given_corpus, pairs, picture, run_here
from tests.stages.running import contents, do
from vlcorpus import api, identity
from vlcorpus.corpus import Corpus
from vlcorpus.errors import CorpusError, SourceError, UsageError
from vlcorpus.io import table
from vlcorpus.pipeline.plan import make_plan, state
from vlcorpus.stages import takedown_lists, takedowns
from vlcorpus.stages.choice import Choice
from vlcorpus.stages.dedup import Dedup
from vlcorpus.stages.export import Export
from vlcorpus.stages.subsets import Chosen
from vlcorpus.stages.takedown import Takedown
from vlcorpus.views.find import find
from vlcorpus.views.freshness import Freshness
from vlcorpus.views.life import life

HEX = "0123456789abcdef" * 2


def down(corpus: Corpus, name: str) -> list[dict[str, object]]:
    return table.read(corpus.layer(f"takedowns/{name}").path("pairs.parquet"), "takedowns").to_pylist()


def exported(out: Path) -> set[str]:
    found = (pq.read_table(path, columns=["uid"]).column("uid").to_pylist() for path in out.glob("*/*.parquet"))
    return {uid for uids in found for uid in uids}


def test_a_text_list_holds_uids_hashes_urls_and_domains_and_counts_what_is_none(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(
        b"\xef\xbb\xbf# removals\n\n" + HEX.upper().encode() + b"\nsha256:" + HEX.encode() * 2 + b"\nimage_id:"
        + HEX.encode() + b"\nHTTP://A.Test:80/x y.jpg#top\ndomain:*.B.test\nurl:https://a.test\n"
        + b"domain:com\nwhat is this\n\xff\xfe\n" + b"a" * 9000 + b"\n" + b"b" * 5_000_000 + b"\nurl:ftp://a.test/x\n"
    )  # fmt: skip
    asked = takedown_lists.read((str(path),))
    assert asked.values == (
        ("uid", HEX),
        ("image_id", HEX),
        ("sha256", HEX * 2),
        ("url", "a.test/"),
        ("url", "a.test/x y.jpg"),
        ("domain", "b.test"),
    )
    assert asked.unusable == Counter(unrecognised=3, too_long=2, not_text=1)


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet"])
def test_a_table_is_read_by_its_columns(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"list.{ending}"
    columns = {"url": ["https://a.test/1.jpg", None, "no URL"], "uid": [None, HEX, ""], "note": ["x", "y", "z"]}
    if ending == "parquet":
        pq.write_table(pa.table(columns), path)
    else:
        mark = "," if ending == "csv" else "\t"
        lines = [columns, *zip(*columns.values(), strict=True)]
        path.write_text("\n".join(mark.join(each or "" for each in line) for line in lines))
    asked = takedown_lists.read((str(path),))
    assert asked.values == (("uid", HEX), ("url", "a.test/1.jpg")) and asked.unusable == Counter(unrecognised=1)


def test_uids_may_be_sixteen_bytes_in_parquet(tmp_path: Path) -> None:
    pq.write_table(pa.table({"uid": pa.array([bytes.fromhex(HEX)], pa.binary(16))}), tmp_path / "l.parquet")
    assert takedown_lists.read((str(tmp_path / "l.parquet"),)).values == (("uid", HEX),)


def test_hostile_lists_end_in_an_error_that_says_what_is_wrong(tmp_path: Path) -> None:
    for name, payload in (
        ("a.csv", b"one,two\n1,2\n"),
        ("b.parquet", b"PAR1 no"),
        ("c.txt", b"junk\n"),
        ("d.csv", b""),
    ):
        (tmp_path / name).write_bytes(payload)
        with pytest.raises(SourceError, match=name):
            takedown_lists.read((str(tmp_path / name),))
    (tmp_path / "e.csv").write_bytes(b"uid\n" + b'"' + b"x" * 200_000 + b'"\n' + HEX.encode() + b"\n")
    assert takedown_lists.read((str(tmp_path / "e.csv"),)).values == (("uid", HEX),)
    with pytest.raises(UsageError, match="no file"):
        takedown_lists.read(("example.org",))
    with pytest.raises(UsageError, match="nothing"):
        Takedown().located()


def test_each_kind_of_value_names_its_pairs(tmp_path: Path) -> None:
    corpus = Corpus.create(tmp_path / "c", shard_rows=10)
    body = picture(7)
    given = [
        Given("https://a.test/1.jpg", "one", picture(1)),
        Given("https://a.test/1.jpg", "another", picture(1)),
        Given("http://IMG.b.test:80/2.jpg", "two", picture(2)),
        Given("http://notb.test/3.jpg", "three", picture(3)),
        Given("http://c.test/4.jpg?x=1#frag", "four", body),
        Given("http://d.test/5.jpg", "five", body),
        Given("http://e.test/6.jpg", "six"),
    ]
    give(corpus, "00000", given)
    wanted = {
        given[6].uid.hex(): {6},
        f"image_id:{identity.image_id(given[0].url).hex()}": {0, 1},
        "url:http://A.test/1.jpg": {0, 1},
        "url:https://c.test/4.jpg?x=1": {4},
        "domain:b.test": {2},
        "domain:test.invalid": set(),
        f"sha256:{hashlib.sha256(body).hexdigest()}": {4, 5},
    }
    for number, (value, places) in enumerate(wanted.items()):
        run_here(corpus, [Takedown(lists=(value,), named=f"n{number}")])
        assert [row["uid"] for row in down(corpus, f"n{number}")] == [given[place].uid for place in sorted(places)], (
            value
        )
        stats = corpus.layer(f"takedowns/n{number}").stats("all")
        assert stats is not None and stats["seen"] == 7 and stats["kept"] == 7 - len(places)
        assert stats["unmatched"] == ({} if places else {"no_such_pair": 1})
    union = {given[place].uid for places in wanted.values() for place in places}
    assert set(takedowns.taken_down(corpus, "00000").to_pylist()) == union
    assert takedowns.taken_down(corpus, "00000").type == pa.binary(16)


def test_the_name_is_that_of_the_content_and_the_same_command_does_nothing_more(tmp_path: Path) -> None:
    corpus = given_corpus(tmp_path / "c", 3)
    uid = pairs(0, 1)[0].uid.hex()
    (tmp_path / "list.txt").write_text(uid + "\n")
    made = committed(run_here(corpus, [Takedown(lists=(str(tmp_path / "list.txt"),))]))
    assert made == [f"takedowns/{Takedown(lists=(uid,)).located().named}/all"]
    assert committed(run_here(corpus, [Takedown(lists=(uid,))])) == []
    assert Takedown(lists=(uid,)).located().told(corpus)[0].endswith("1 of 1 values name 1 pairs")


@pytest.mark.parametrize("format", ["webdataset", "files", "parquet", "urls"])
def test_no_export_gives_out_what_is_taken_down(tmp_path: Path, format: str) -> None:
    corpus = given_corpus(tmp_path / "c", 4, 4)
    out = str(tmp_path / "out")
    run_here(corpus, [Export(out=out, output_format=format)])
    before = corpus.layer(f"out:{out}").stats("all")
    everyone = {each.uid.hex() for each in pairs(0, 8)}
    assert exported(tmp_path / "out") == everyone
    assert before is not None and Freshness(corpus).of("all", before) == "fresh"
    run_here(corpus, [Takedown(lists=("url:http://a.test/5.jpg", pairs(0, 1)[0].uid.hex()), named="t")])
    assert Freshness(corpus).of("all", before) == "stale"
    run_here(corpus, [Export(out=out, output_format=format)])
    assert exported(tmp_path / "out") == everyone - {pairs(0, 1)[0].uid.hex(), pairs(5, 1)[0].uid.hex()}
    after = corpus.layer(f"out:{out}").stats("all")
    assert before is not None and after is not None
    assert before["inputs"].items() < after["inputs"].items() and after["rejected"] == {"taken_down": 2}


def test_a_list_of_uids_and_samples_leave_them_out(tmp_path: Path) -> None:
    from vlcorpus.io import subset

    corpus = given_corpus(tmp_path / "c", 4, 4)
    run_here(corpus, [Takedown(lists=("url:http://a.test/5.jpg",), named="t")])
    run_here(corpus, [Export(out=str(tmp_path / "out"), output_format="uids")])
    assert len(subset.read(tmp_path / "out" / "all" / "00000.npy")) == 7
    given = [pair.uid for pair in api.open(corpus.path).samples()]
    assert given == [each.uid for each in pairs(0, 8) if not each.url.endswith("/5.jpg")]


def test_another_pair_stands_for_a_group_whose_keeper_is_taken_down(tmp_path: Path) -> None:
    corpus = Corpus.create(tmp_path / "c", shard_rows=10)
    given = [Given(f"http://a.test/{n}.jpg", f"text {n}", picture(1 if n < 2 else n)) for n in range(3)]
    give(corpus, "00000", given)
    run_here(corpus, [Dedup()])
    run_here(corpus, [Takedown(lists=(given[0].uid.hex(),), named="t")])
    found = Chosen(corpus, Choice(duplicates="default")).verdicts("00000")
    assert found.taken_N.tolist() == [False, True, True] and found.left() == Counter(taken_down=1)


def test_a_corpus_that_has_grown_is_gone_through_before_anything_is_given_out(tmp_path: Path) -> None:
    corpus = given_corpus(tmp_path / "c", 3)
    (tmp_path / "list.txt").write_text("domain:a.test\n")
    run_here(corpus, [Takedown(lists=(str(tmp_path / "list.txt"),), named="t")])
    (tmp_path / "list.txt").unlink()
    assert takedowns.stale(corpus) == ()
    give(corpus, "00001", [*pairs(3, 2), Given("http://b.test/1.jpg", "kept", picture(50))])
    assert takedowns.stale(corpus) == ("t",)
    with pytest.raises(CorpusError, match="has not seen all pairs") as raised:
        list(api.open(corpus.path).samples())
    assert "--named t" in raised.value.hint
    plan = make_plan(corpus, [Export(out=str(tmp_path / "out"))])
    assert [stage.made() for stage in plan.added] == ["takedowns/t"]
    run_here(corpus, [Export(out=str(tmp_path / "out"))])
    assert takedowns.stale(corpus) == () and len(down(corpus, "t")) == 5
    assert exported(tmp_path / "out") == {Given("http://b.test/1.jpg", "kept").uid.hex()}


def test_an_interrupted_takedown_binds_all_the_same(tmp_path: Path) -> None:
    corpus = given_corpus(tmp_path / "c", 3)
    run_here(corpus, [Takedown(lists=("url:http://a.test/1.jpg",), named="t")])
    wanted = contents(corpus, "takedowns/t")
    (corpus.path / "takedowns" / "t" / "all_stats.json").unlink()
    (corpus.path / "takedowns" / "t" / "pairs.parquet").unlink()
    assert takedowns.stale(corpus) == ("t",)
    with pytest.raises(CorpusError):
        Chosen(corpus, Choice())
    run_here(corpus, [Export(out=str(tmp_path / "out"))])
    assert contents(corpus, "takedowns/t") == wanted and pairs(1, 1)[0].uid.hex() not in exported(tmp_path / "out")
    (corpus.path / "takedowns" / "t" / "all_stats.json").unlink()
    (corpus.path / "takedowns" / "t" / "asked.parquet").unlink()
    with pytest.raises(CorpusError, match="does not say") as raised:
        make_plan(corpus, [Export(out=str(tmp_path / "out"))])
    assert "LIST --named t" in raised.value.hint


def test_the_same_bytes_by_workers_and_the_stage_is_done_again_when_it_is_fetched(tmp_path: Path) -> None:
    first, second = given_corpus(tmp_path / "a", 4, 4), given_corpus(tmp_path / "b", 4, 4)
    stage = Takedown(lists=("domain:a.test", "url:http://a.test/2.jpg"), named="t")
    run_here(first, [stage])
    do(second, [stage], workers=2)
    assert contents(first, "takedowns/t") == contents(second, "takedowns/t")
    assert state(stage, first, "all") == "done"
    for path in (first.path / "shards").glob("00001*"):
        path.unlink()
    assert state(stage, first, "all") == "stale" and takedowns.stale(first) == ("t",)


def test_show_tells_which_value_took_a_pair_down(tmp_path: Path) -> None:
    corpus = given_corpus(tmp_path / "c", 2)
    run_here(corpus, [Takedown(lists=("domain:a.test",), named="t")])
    uid = pairs(0, 1)[0].uid.hex()
    assert life(corpus, find(corpus, uid)).taken_down == {"t": "domain:a.test"}
