from __future__ import annotations

import os
from pathlib import Path

import pytest

from vlcorpus import assets, spec
from vlcorpus.errors import RecipeError, UsageError, VlcorpusError
from vlcorpus.pipeline import recipe
from vlcorpus.pipeline.recipe import Recipe
from vlcorpus.stages import registry
from vlcorpus.stages.filter import Filter


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("VLCORPUS_"):
            monkeypatch.delenv(name)


def load(tmp_path: Path, text: str | bytes, *overrides: str, corpus: str = "birds") -> Recipe:
    path = tmp_path / "own.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return recipe.load(path, corpus=Path(corpus), overrides=overrides)


def alias_bomb() -> str:
    lines = ["stages:", "  - import:", "      source: &a [x, x, x, x, x, x, x, x, x]"]
    for number in range(8):
        before, own = chr(ord("a") + number), chr(ord("b") + number)
        lines.append(f"      k{own}: &{own} [{', '.join([f'*{before}'] * 9)}]")
    return "\n".join(lines)


IMPORT = "stages:\n  - import: {source: urls.csv}\n"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "has no list `stages`", "recipes --show demo"),
        ("stages: import", "has no list `stages`", "recipes --show demo"),
        ("stages: []", "has no list `stages`", "recipes --show demo"),
        ("[import]", "has no list `stages`", "recipes --show demo"),
        ("stges: []", "own.yaml: unknown key 'stges'", "did you mean 'stages'?"),
        (IMPORT + "shards: 3", "own.yaml: unknown key 'shards'", "did you mean 'shard_rows'?"),
        (IMPORT + "about: [1]", "own.yaml: about is no text", ""),
        (IMPORT + "shard_rows: many", "'shard_rows' wants a whole number, got 'many' (own.yaml: shard_rows)", ">= 1"),
        (IMPORT + "shard_rows: -3", "below its least value 1 (own.yaml: shard_rows)", ">= 1"),
        (IMPORT + "  - flter: {min_sim: 0.3}", "own.yaml, stage 2: no stage 'flter'", "did you mean 'filter'?"),
        (IMPORT + "  - 7", "stage 2: not `name: {key: value}`", "one stage to an entry"),
        (IMPORT + "  - {filter: {}, dedup: {}}", "stage 2: not `name: {key: value}`", "one stage to an entry"),
        (IMPORT + "  - filter: 0.3", "stage 2 filter: keys are missing", "vlcorpus filter --help"),
        (
            IMPORT + "  - filter: {min_smi: 1}",
            "unknown key 'min_smi' (own.yaml, stage 2 filter)",
            "did you mean 'min_sim'?",
        ),
        (
            IMPORT + "  - filter: {min_sim: abc}",
            "'min_sim' wants a number, got 'abc' (own.yaml, stage 2 filter: min_sim)",
            ">= -1 and <= 1",
        ),
        (
            IMPORT + "  - filter: {min_sim: [1]}",
            "'min_sim' wants a number, got [1] (own.yaml, stage 2 filter: min_sim)",
            ">= -1 and <= 1",
        ),
        (
            IMPORT + "  - filter: {min_sim: 7}",
            "'min_sim' is 7, above its greatest value 1 (own.yaml, stage 2 filter: min_sim)",
            ">= -1 and <= 1",
        ),
        (IMPORT + "  - filter: {min_sim: .nan}", "'min_sim' is nan", ">= -1 and <= 1"),
        (
            IMPORT + "  - filter: {seed: .inf}",
            "'seed' wants a whole number, got inf (own.yaml, stage 2 filter: seed)",
            "",
        ),
        (IMPORT + "  - filter: {seed: 123456789012345678901}", "'seed' wants a whole number", ""),
        (IMPORT + "  - filter: {missing: maybe}", "'missing' is one of drop, keep, error; got 'maybe'", ""),
        (IMPORT + "  - filter: {decision: true}", "'decision' wants a text, got True", ""),
        ("stages: [{import: }]", "missing key 'source' (own.yaml, stage 1 import)", "URL list"),
        ("stages: [{import: {source: ''}}]", "'source' wants a text, got ''", "URL list"),
        ('stages: [{import: {source: "a\\0b"}}]', "'source' wants a text", "URL list"),
        (
            "stages: [{import: {source: '{beseid}/x'}}]",
            "no word {beseid} (own.yaml, stage 1 import)",
            "did you mean 'beside'?",
        ),
        ("stages:\n\t- import", "own.yaml, line 2, column 1: ", "recipes --show demo"),
        (IMPORT + "stages: []", "own.yaml, line 3, column 1: 'stages' stands here twice", ""),
        ("stages: [{import: {source: a, source: b}}]", "'source' stands here twice", ""),
        ("stages: !!python/object/apply:os.system ['touch pwned']", "line 1, column 9: tags are not read here", ""),
        ("stages: []\n---\nstages: []", "expected a single document", ""),
        ("stages: " + "[" * 3000, "nested too deep", ""),
        ("stages: [{[1]: {}}]", "a name is wanted here", ""),
        ("stages: [{import: {source: " + "9" * 5000 + "}}]", "own.yaml, ", ""),
        ("stages: &a [*a]", "anchors and aliases are not read", ""),
        (alias_bomb(), "own.yaml, line 3, column 15: anchors and aliases are not read", ""),
        ("#" * 2_000_000, "too large for a recipe", "a short YAML list"),
        (b"\xff\xfe\x00binary\x80", "is no text in UTF-8", "name a YAML file"),
        (b"stages: \x00", "own.yaml, ", ""),
    ],
)
def test_a_wrong_recipe_is_refused_with_file_and_place(
    tmp_path: Path, text: str | bytes, message: str, hint: str
) -> None:
    with pytest.raises(RecipeError) as raised:
        load(tmp_path, text)
    said = raised.value.message.replace(f"{tmp_path}/", "")
    assert message in said and hint in raised.value.hint, (said, raised.value.hint)
    assert "own.yaml" in said and len(said) < 6_000


def test_a_recipe_is_found_by_path_or_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("demo", "demo.yaml", "pipelines/demo.yaml"):
        assert recipe.find(name) == assets.recipes()["demo"]
    (tmp_path / "own.yaml").write_text(IMPORT)
    assert recipe.find("own.yaml") == Path("own.yaml")
    (tmp_path / "folder").mkdir()
    for name, message, hint in (
        ("dmeo", "no recipe dmeo", "did you mean 'demo'?"),
        ("nowhere/own.yaml", "no recipe nowhere/own.yaml", "demo"),
        ("folder", "folder is no file", "vlcorpus recipes"),
        (os.devnull, f"{os.devnull} is no file", "vlcorpus recipes"),
    ):
        with pytest.raises(UsageError) as raised:
            recipe.find(name)
        assert (raised.value.message, hint in raised.value.hint) == (message, True)


@pytest.mark.parametrize("name", sorted(assets.recipes()))
def test_every_recipe_that_ships_is_whole(name: str) -> None:
    loaded = recipe.load(recipe.find(name), corpus=Path("birds"))
    assert loaded.about.strip() and loaded.stages
    assert all(stage.name in registry.names() for stage in loaded.stages)


def test_words_in_braces_are_paths(tmp_path: Path) -> None:
    text = "stages: [{export: {out: '{corpus}|{beside}|{recipe}|{}|{A,B}'}}]"
    loaded = load(tmp_path, text, corpus="some/{beside}")
    assert loaded.stages[0].out == f"some/{{beside}}|some|{tmp_path}|{{}}|{{A,B}}"  # type: ignore[attr-defined]
    for corpus, beside in ((".", ".."), ("..", "../.."), ("birds", "."), ("/", "/..")):
        loaded = load(tmp_path, "stages: [{export: {out: '{beside}'}}]", corpus=corpus)
        assert loaded.stages[0].out == beside  # type: ignore[attr-defined]


def test_yaml_means_what_people_write(tmp_path: Path) -> None:
    keys = "{resize_mode: no, encode_quality: 1e1, contact: 2020-01-01, only_if_bigger: off, connect_to: [a:80:b:81]}"
    found = load(tmp_path, f"stages: [{{download: {keys}}}]").stages[0]
    meant = {"resize_mode": "no", "encode_quality": 10, "contact": "2020-01-01", "only_if_bigger": False}
    assert spec.values_of(found) == spec.values_of(found) | meant | {"connect_to": ["a:80:b:81"]}
    on = load(tmp_path, "stages: [{train-probe: {on: x, seeds: [0, 1]}}]").stages[0]
    assert (on.on, on.seeds) == (("x",), (0, 1))  # type: ignore[attr-defined]


def test_set_goes_before_environment_before_recipe_before_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = IMPORT + "  - filter: {min_sim: 0.1}\n  - filter: {min_sim: 0.2}\n"

    def cuts(*overrides: str, own: str = text) -> list[object]:
        return [stage.min_sim for stage in load(tmp_path, own, *overrides).stages[1:]]  # type: ignore[attr-defined]

    assert cuts(own=IMPORT + "  - filter\n") == [None]
    assert cuts() == [0.1, 0.2]
    monkeypatch.setenv("VLCORPUS_FILTER_MIN_SIM", "0.3")
    assert cuts() == [0.3, 0.3]
    assert cuts("filter.min_sim=0.4") == [0.4, 0.4]
    assert cuts("filter.min_sim=0.4", "filter[2].min-sim=0.5") == [0.4, 0.5]
    monkeypatch.setenv("VLCORPUS_FILTER_MIN_SIM", "")
    assert cuts() == [0.1, 0.2]
    monkeypatch.setenv("VLCORPUS_FILTER_MIN_SIM", "abc")
    assert cuts("filter.min_sim=0.4") == [0.4, 0.4]
    with pytest.raises(RecipeError, match=r"got 'abc' \(environment, VLCORPUS_FILTER_MIN_SIM"):
        cuts()


def test_the_environment_gives_lists_and_refuses_unknown_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLCORPUS_TRAIN_PROBE_SEEDS", "3 4")
    assert recipe.from_environment("train-probe") == {"seeds": (3, 4)}
    monkeypatch.setenv("VLCORPUS_FILTER_MIN_SMI", "0.3")
    with pytest.raises(UsageError) as raised:
        recipe.from_environment("filter")
    assert raised.value.message == "unknown environment variable VLCORPUS_FILTER_MIN_SMI"
    assert raised.value.hint == "did you mean 'VLCORPUS_FILTER_MIN_SIM'?"
    assert recipe.from_environment("export") == {}


@pytest.mark.parametrize(
    ("override", "message", "hint"),
    [
        ("filter.min_sim", "--set 'filter.min_sim' is not stage.key=value", "--set filter.min_sim=0.3"),
        ("min_sim=1", "is not stage.key=value", "--set filter.min_sim=0.3"),
        ("filter[x].min_sim=1", "is not stage.key=value", "--set filter.min_sim=0.3"),
        ("flter.min_sim=1", "--set flter: ", "did you mean 'filter'?"),
        ("filter[2].min_sim=1", "--set filter[2]: ", "filter"),
        ("filter.min_smi=1", "unknown key 'min_smi' (--set filter)", "did you mean 'min_sim'?"),
        ("filter.min_sim=abc", "got 'abc' (--set filter: min_sim)", ">= -1 and <= 1"),
        ("filter.min_sim=[1", "got '[1' (--set filter: min_sim)", ">= -1 and <= 1"),
    ],
)
def test_a_wrong_override_is_named(tmp_path: Path, override: str, message: str, hint: str) -> None:
    with pytest.raises(VlcorpusError) as raised:
        load(tmp_path, IMPORT + "  - filter: {min_sim: 0.1}\n", override)
    assert raised.value.exit_code == 2
    assert message in raised.value.message and hint in raised.value.hint, raised.value.args


def test_only_the_stages_that_judge(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(
        "stages:\n  - import: {source: urls.csv}\n  - download\n  - embed\n  - score: {score: text}\n"
        "  - filter: {min_sim: 0.3}\n  - dedup\n  - export: {out: x}\n  - train-probe: {probe: p}\n",
        "utf-8",
    )
    whole = recipe.load(path, corpus=tmp_path / "c")
    assert [each.name for each in recipe.judging(whole)] == ["embed", "score", "filter"]
    typed = recipe.load(path, corpus=tmp_path / "c", flags={"min_sim": "0.4", "of": "candidates"})
    judged = recipe.judging(typed)
    assert [each.name for each in judged] == ["score", "filter"], "candidates have no images to encode"
    assert isinstance(judged[1], Filter) and (judged[1].min_sim, judged[1].of) == (0.4, "candidates")


def test_flags_need_one_filter(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("stages:\n  - filter: {min_sim: 0.3}\n  - filter: {random_fraction: 0.3}\n", "utf-8")
    assert len(recipe.judging(recipe.load(path, corpus=tmp_path / "c"))) == 2
    with pytest.raises(RecipeError, match=r"own\.yaml has 2 filters") as raised:
        recipe.load(path, corpus=tmp_path / "c", flags={"min_sim": "0.4"})
    assert "--set filter[1].min_sim" in raised.value.hint
    path.write_text("stages:\n  - embed\n", "utf-8")
    with pytest.raises(RecipeError, match="has no filter"):
        recipe.load(path, corpus=tmp_path / "c", flags={"min_sim": "0.4"})
    with pytest.raises(RecipeError, match="decides nothing"):
        recipe.judging(recipe.load(path, corpus=tmp_path / "c"))
