"""filter in parts: the bytes that one process gives which goes through the shards one by one."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.stages.given import write_similarities
from tests.stages.lending import processes, shuffled
from tests.stages.running import contents, quiet
from vlcorpus.corpus import Corpus
from vlcorpus.errors import UsageError
from vlcorpus.io import table
from vlcorpus.scores import prepared, selection
from vlcorpus.stages import deciding, relay
from vlcorpus.stages.base import ALL, UnitCommit
from vlcorpus.stages.before import before_of, begun_of
from vlcorpus.stages.filter import Filter
from vlcorpus.stages.import_ import Import
from vlcorpus.stages.sharing import lent

LANGUAGES = ("en", "de", "fr", None)
FILTERS = [
    Filter(top_fraction=0.3, ties="keep", where=("width > 200",), missing="keep"),
    Filter(top_fraction=0.4, by="language", cap=9, cap_by="licence", target_rows=60),
    Filter(min_sim=0.2, soft_cap=5, by="language", weight="similarity"),
    Filter(cap=4, by="url", draw="similarity", random_fraction=0.9, seed=2),
]


def drawn(folder: Path, seed: int, *counts: int) -> Corpus:
    """Pairs with images, with similarities that are often equal or missing."""
    rng = random.Random(seed)
    corpus = Corpus.create(folder, shard_rows=1000)
    values: dict[bytes, float | None] = {}
    stage = Import(source="toy")
    for number, count in enumerate(counts):
        shard = corpus.shard_name(number)
        candidates, rows = [], []
        for place in range(count):
            uid = rng.randbytes(16)
            url = f"http://a.test/{rng.randrange(30)}"
            candidates.append(
                {
                    "uid": uid, "image_id": uid, "url": url, "alt_text": "x", "source": "toy", "offset": place,
                    "language": rng.choice(LANGUAGES), "licence": rng.choice("abc"),
                }
            )  # fmt: skip
            status = "success" if rng.random() < 0.9 else "failed_to_download"
            rows.append(
                {
                    "uid": uid.hex(), "image_id": uid.hex(), "key": corpus.key(shard, place), "status": status,
                    "image_key": corpus.key(shard, place), "url": url, "caption": "x", "width": rng.randrange(100, 400),
                }
            )  # fmt: skip
            values[uid] = None if rng.random() < 0.1 else rng.choice([0.1, 0.25, rng.random(), rng.random()])
        kept = sum(row["status"] == "success" for row in rows)
        for layer, own in (("candidates", candidates), ("shards", rows)):
            with UnitCommit(stage, corpus, corpus.layer(layer), shard, {"toy": f"{seed} {count}"}) as commit:
                table.write(commit, f"{shard}.parquet", table.columns(own, layer), layer)
                commit.finish(
                    seen=count,
                    kept=count if layer == "candidates" else kept,
                    **({} if layer == "candidates" else {"rejected": {"timeout": count - kept}}),
                )
    write_similarities(corpus, values)
    return corpus


def one_by_one(stage: Filter, corpus: Corpus) -> None:
    """What filter does, with nothing shared."""
    layer, inputs = stage.layer(corpus), stage.inputs(corpus, ALL)
    before = before_of(layer)
    own = stage.open_deciding(corpus)
    resolved = stage.resolved(corpus, own)
    about = own.about(resolved)
    short = deciding.short(about)
    begun = begun_of(layer, own.known.shards(), inputs)
    earlier = next(iter(begun.values())).get("predicates_before") if begun else (before or {}).get("predicates")
    tally = deciding.Tally(len(resolved.predicates))
    changed = 0
    with UnitCommit(stage, corpus, layer, ALL, inputs) as commit:
        for shard in own.known.shards():
            uids, made = own.decide(resolved, shard)
            part_tally = deciding.Tally.of(made)
            turned = begun[shard].get("changed", 0) if shard in begun else deciding.changed(layer, shard, uids, made)
            told: dict[str, Any] = {"predicates_before": deciding.short_cuts(earlier), "changed": turned}
            with UnitCommit(stage, corpus, layer, shard, inputs | {"shard": shard}) as part:
                deciding.write(part, shard, uids, made)
                part.finish(**part_tally.counts(resolved), **short | part_tally.as_json() | told)
            tally.add(part_tally)
            changed += turned
        told = {"predicates_before": earlier, "changed": changed}
        commit.finish(**tally.counts(resolved), **about | tally.as_json() | told)


def in_parts(stage: Filter, corpus: Corpus) -> None:
    stage.open(corpus)(ALL, quiet)


Decide = Callable[[Filter, Corpus], None]


def everything(stage: Filter, corpus: Corpus) -> dict[str, Any]:
    """All files and stats, but for times."""
    layer = corpus.layer(stage.made())
    found: dict[str, Any] = dict(contents(corpus, stage.made()))
    for unit in (ALL, *layer.units()):
        stats = layer.stats(unit)
        assert stats is not None
        found[unit] = {
            name: value for name, value in stats.items() if name not in ("start_time", "end_time", "duration")
        }
        assert list(found[unit]) == [name for name in stats if name in found[unit]]
    return found


def lived(folder: Path, stage: Filter, decide: Decide) -> list[dict[str, Any]]:
    """Made, grown, frozen, interrupted."""
    from dataclasses import replace

    stage = replace(stage, decision="d")
    states = []
    corpus = drawn(folder, 1, 30, 0, 45)
    decide(stage, corpus)
    states.append(everything(stage, corpus))
    drawn(folder, 1, 30, 0, 45, 40)
    decide(stage, corpus)
    states.append(everything(stage, corpus))
    decide(stage, corpus)
    states.append(everything(stage, corpus))
    layer = corpus.layer("decisions/d")
    drawn(folder, 2, 30, 20, 45, 40)
    layer.path("all_stats.json").unlink()  # as a run leaves it that was killed before it came to a shard
    decide(stage, corpus)
    states.append(everything(stage, corpus))
    layer.path("all_stats.json").unlink()  # ... and among the shards
    layer.path("00002.json").unlink()
    decide(stage, corpus)
    states.append(everything(stage, corpus))
    drawn(folder, 3, 35, 20, 45, 40)
    decide(replace(stage, frozen=True), corpus)
    states.append(everything(stage, corpus))
    return states


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "PART_ROWS", 40)
    monkeypatch.setattr(selection, "COLLECTED", 5)


@pytest.mark.parametrize("stage", FILTERS, ids=lambda stage: stage.decision_name())
def test_the_bytes_of_one_by_one(tmp_path: Path, stage: Filter, small: None) -> None:
    wanted = lived(tmp_path / "slow", stage, one_by_one)
    assert any(state["all"]["changed"] for state in wanted[1:]) or stage.top_fraction is None
    assert lived(tmp_path / "serial", stage, in_parts) == wanted
    asked: list[str] = []
    with lent(shuffled(1, asked)):
        assert lived(tmp_path / "lent", stage, in_parts) == wanted
    assert "judge" in asked and ("look" in asked) == (stage.min_sim is None or stage.soft_cap is not None)
    assert not list(tmp_path.rglob(".tmp-*"))


def test_workers_in_processes_of_their_own(tmp_path: Path, small: None) -> None:
    stage = FILTERS[1]
    wanted = lived(tmp_path / "slow", stage, one_by_one)
    with processes(2) as lend, lent(lend):
        assert lived(tmp_path / "lent", stage, in_parts) == wanted


def test_a_part_that_is_done_again_after_its_commit_says_the_same(tmp_path: Path, small: None) -> None:
    """A worker that died between its commit and its answer."""
    stage = Filter(top_fraction=0.3, decision="d")
    corpus = drawn(tmp_path / "c", 1, 30, 45)
    in_parts(stage, corpus)
    drawn(tmp_path / "c", 1, 30, 45, 40)
    shutil.copytree(tmp_path / "c", tmp_path / "other")
    in_parts(stage, corpus)
    other = Corpus.open(tmp_path / "other")
    with lent(shuffled(5)):
        in_parts(stage, other)
    assert everything(stage, other) == everything(stage, corpus)
    assert everything(stage, corpus)["all"]["changed"]


def test_too_many_groups_are_refused_before_anything_is_lost(
    tmp_path: Path, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = drawn(tmp_path / "c", 1, 30, 45)
    stage = Filter(cap=4, by="url", decision="d")
    in_parts(stage, corpus)
    monkeypatch.setattr(prepared, "MOST_GROUPS", 10)
    before = everything(stage, corpus)
    with lent(shuffled(5)), pytest.raises(UsageError, match="more than 10 groups"):
        in_parts(stage, corpus)
    assert everything(stage, corpus) == before
