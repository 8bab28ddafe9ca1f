"""The recipes that ship: what each keeps is what a plain rule of its source keeps, and both ways to run one agree.

Scores by models are given (edges.py), scores of words and decisions are made; the plain rules are in rules.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.shell import vlcorpus
from tests.stages.given import committed, give, pairs, run_here, write_probe
from tests.stages.running import contents, here
from tests.walks.edges import World, edges, read, write_scores
from tests.walks.rules import RULES
from vlcorpus import assets
from vlcorpus.corpus import Corpus
from vlcorpus.errors import UsageError
from vlcorpus.io import table
from vlcorpus.pipeline import recipe
from vlcorpus.stages.base import Stage
from vlcorpus.stages.score import Score

OWN = tuple(name for name in assets.recipes() if not name.startswith(("demo", "clip-filter")))
MORE = {"metaclip": ("score.limit=40",)}  # of a corpus of some hundred pairs


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return edges(tmp_path_factory.mktemp("recipes"))


def loaded(name: str, corpus: Corpus, *overrides: str, **flags: Any) -> tuple[Stage, ...]:
    found = recipe.load(recipe.find(name), corpus=corpus.path, overrides=overrides, flags=flags)
    return recipe.judging(found)


def of_words(stages: Iterable[Stage]) -> list[Stage]:
    return [each for each in stages if isinstance(each, Score) and each.scorer.of == "candidates"]


def decided(corpus: Corpus, name: str) -> dict[str, bool]:
    layer = corpus.layer(f"decisions/{name}")
    found = [row for shard in layer.units() for row in table.rows(layer.path(f"{shard}.parquet"), "decisions")]
    return {row["uid"].hex(): row["keep"] for row in found}


def kept(corpus: Corpus, name: str) -> set[str]:
    return {uid for uid, keep in decided(corpus, name).items() if keep}


def test_every_recipe_has_a_rule() -> None:
    assert set(RULES) == set(OWN)


@pytest.mark.parametrize("name", OWN)
def test_a_recipe_keeps_what_its_source_would(world: World, name: str) -> None:
    stages = loaded(name, world.corpus, *MORE.get(name, ()))
    run_here(world.corpus, of_words(stages))
    (own,) = (each for each in stages if each.name == "filter")
    here(world.corpus, own)
    assert own.made() == f"decisions/{name}"
    expected = RULES[name](world)
    assert kept(world.corpus, name) == expected
    assert set(decided(world.corpus, name)) == set(world.rows)
    assert name == "datacomp-no-filter" or 5 < len(expected) < len(world.rows) - 5


def test_each_rule_of_a_recipe_decides_something(world: World) -> None:
    """No condition of a recipe is idle on these pairs: each fails some alone."""
    for name in OWN:
        if not world.corpus.layer(f"decisions/{name}").units():
            test_a_recipe_keeps_what_its_source_would(world, name)
        stats = world.corpus.layer(f"decisions/{name}").stats("all")
        assert stats is not None
        alone = {mask: rows for mask, rows in stats["masks"]}
        for bit, predicate in enumerate(stats["predicates"]):
            assert stats["failed"][bit], (name, predicate["says"])
            # Of balanced the top fraction leaves few; CLD2 calls no text of four letters English.
            if name != "balanced" and (name, predicate["says"]) != ("laion400m", "text_length >= 5"):
                assert alone.get(1 << bit), (name, predicate["says"])


@pytest.mark.parametrize(
    ("name", "layer", "column"),
    [("laion400m", "similarity-b32", "similarity_b32"), ("datacomp-clip-score", "similarity-l14", "similarity_l14")],
)
def test_a_threshold_is_refused_to_scores_of_another_model(tmp_path: Path, name: str, layer: str, column: str) -> None:
    corpus = small(tmp_path, 12)
    run_here(corpus, of_words(loaded(name, corpus)))
    uids = [bytes.fromhex(uid) for shard in ("00000", "00001") for uid in read(corpus, shard, "uid")]
    write_scores(corpus, layer, "ViT-H-14.other.00000000", {"similarity": {uid: 0.4 for uid in uids}})
    (own,) = (each for each in loaded(name, corpus) if each.name == "filter")
    with pytest.raises(UsageError) as raised:
        here(corpus, own)
    assert f"the threshold of {column} was made for ViT-" in raised.value.message
    assert "not for ViT-H-14.other.00000000" in raised.value.message and "--any-model" in raised.value.hint
    (any_model,) = (each for each in loaded(name, corpus, any_model=True) if each.name == "filter")
    here(corpus, any_model)
    assert len(decided(corpus, name)) == 12


def small(folder: Path, count: int) -> Corpus:
    corpus = Corpus.create(folder / "c", shard_rows=1000)
    give(corpus, "00000", pairs(0, count // 2))
    give(corpus, "00001", pairs(count // 2, count - count // 2))
    return corpus


def with_probes(name: str, folder: Path) -> list[str]:
    """Overrides that put a probe in the place of each model that a recipe names."""
    found = [*MORE.get(name, ())]
    probes: dict[str, str] = {}
    stages = recipe.load(recipe.find(name), corpus=folder).stages
    for kind in ("embed", "score"):
        for number, each in enumerate((each for each in stages if each.name == kind), start=1):
            model = getattr(each, "model", None)
            if model is not None:
                if model not in probes:
                    probes[model] = write_probe(folder / f"probe{len(probes)}", seed=len(probes))
                found.append(f"{kind}[{number}].model={probes[model]}")
    return [*found, "filter.any_model=true"]


@pytest.mark.parametrize("name", OWN)
def test_run_and_filter_make_the_same_decision(tmp_path: Path, name: str) -> None:
    for side in ("a", "b"):
        (tmp_path / side).mkdir()
        chance = np.random.default_rng(1)
        np.save(tmp_path / side / "centroids.npy", chance.standard_normal((7, 128)).astype(np.float32))
        np.save(tmp_path / side / "imagenet1k.npy", chance.standard_normal((3, 128)).astype(np.float16))
        (tmp_path / side / "imagenet21k.txt").write_text("dog\nboat\n", "utf-8")
        (tmp_path / side / "metaclip.json").write_text(json.dumps(["dog", "and", "boat"]), "utf-8")
    by_run, by_filter = small(tmp_path / "a", 40), small(tmp_path / "b", 40)
    more = with_probes(name, tmp_path)
    if any("min_sim" in line for line in recipe.find(name).read_text("utf-8").splitlines()):
        more.append("filter.min_sim=-0.02")
    run_here(by_run, recipe.load(recipe.find(name), corpus=by_run.path, overrides=more).stages)
    run_here(by_filter, loaded(name, by_filter, *more))
    decision = contents(by_run, f"decisions/{name}")
    assert decision and contents(by_filter, f"decisions/{name}") == decision
    again = run_here(by_run, loaded(name, by_run, *more))
    assert committed(again) == []


def test_filter_by_recipe_at_a_shell(tmp_path: Path) -> None:
    corpus = small(tmp_path, 20)
    plan = vlcorpus("filter", "c", "--recipe", "datacomp-basic", "--dry-run", "--json", cwd=tmp_path)
    assert plan.code == 0, plan
    assert [(each["stage"], each["makes"], each["todo"]) for each in json.loads(plan.out)] == [
        ("score", "scores/language-fasttext", 2),
        ("score", "scores/text", 2),
        ("filter", "decisions/datacomp-basic", 1),
    ]
    assert not corpus.layer("scores/text").folder.exists()
    done = vlcorpus("filter", "c", "--recipe", "datacomp-basic", "--where", "short_side >= 30", cwd=tmp_path)
    assert done.code == 0 and "filter datacomp-basic: 20 of 20 kept" in done.err, done
    other = vlcorpus("filter", "c", "--recipe", "datacomp-basic", cwd=tmp_path)
    other.refused(2, "decisions/datacomp-basic exists with where", "choose another name")
    named = vlcorpus("filter", "c", "--recipe", "datacomp-basic", "--decision", "strict", cwd=tmp_path)
    assert named.code == 0 and "filter strict: 0 of 20 kept" in named.err, named
    vlcorpus("filter", "c", "--recipe", "datacomp-basc", cwd=tmp_path).refused(
        2, "no recipe datacomp-basc", "did you mean 'datacomp-basic'?"
    )
    vlcorpus("filter", "c", "--recipe", "datacomp-basic", "--min-sim", "7", cwd=tmp_path).refused(
        2, "'min_sim' is 7, above its greatest value 1 (filter: min_sim)"
    )
    vlcorpus("filter", "c", "--set", "filter.min_sim=0.3", cwd=tmp_path).refused(2, "--set belongs to --recipe")
    whole = vlcorpus("run", "datacomp-basic", "c", "--set", "filter.decision=strict", cwd=tmp_path)
    assert whole.code == 0 and "filter strict: unchanged" in whole.err, whole
