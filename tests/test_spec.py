from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from vlcorpus import spec
from vlcorpus.errors import UsageError
from vlcorpus.spec import setting
from vlcorpus.stages.crawl import Crawl


@dataclass(frozen=True, kw_only=True)
class Crop:
    side: int = setting(512, help="Longest side.", unit="px", least=1, most=9_999)
    share: float | None = setting(None, help="Share.", least=0, most=1)
    mode: str = setting("fit", help="Mode.", choices=("fit", "crop"))
    names: tuple[str, ...] = setting((), help="Names.")
    seeds: tuple[int, ...] = setting((0,), help="Seeds.", least=0)
    fast: bool = setting(False, help="Faster.")
    workers: int = setting(1, help="Workers.", result=False)


@dataclass(frozen=True, kw_only=True)
class Needs:
    source: str = setting(help="Source.", positional=True)


def test_values_are_read_from_text_and_yaml_alike() -> None:
    texts = {"side": "64", "share": "0.5", "fast": "true", "seeds": ["1", "2"], "names": ["a"]}
    plain = {"side": 64, "share": 0.5, "fast": True, "seeds": [1, 2], "names": "a"}
    assert spec.build(Crop, texts, where="crop") == spec.build(Crop, plain, where="crop")


def test_none_is_said_as_text_for_optional_settings_only() -> None:
    assert spec.build(Crop, {"share": "none"}, where="crop").share is None
    with pytest.raises(UsageError, match="wants a value"):
        spec.build(Crop, {"side": None}, where="crop")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"sdie": 64}, "unknown key 'sdie'"),
        ({"side": 0}, "below its least value"),
        ({"side": 10_000}, "above its greatest value"),
        ({"side": 2.5}, "wants a whole number"),
        ({"side": True}, "wants a whole number"),
        ({"side": "wide"}, "wants a whole number"),
        ({"side": float("nan")}, "wants a whole number"),
        ({"share": float("nan")}, "below its least"),
        ({"share": "half"}, "wants a number"),
        ({"mode": "fill"}, "is one of fit, crop"),
        ({"fast": "perhaps"}, "wants true or false"),
        ({"names": {"a": 1}}, "wants a list"),
        ({"mode": ["fit"]}, "wants a text"),
        ({"seeds": [0, -1]}, "below its least"),
    ],
)
def test_wrong_values_name_the_place_and_the_key(values: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words) as raised:
        spec.build(Crop, values, where="recipe.yaml, stage 2 crop")
    assert "recipe.yaml, stage 2 crop" in raised.value.message
    assert next(iter(values)) in raised.value.message


def test_an_unknown_key_names_the_nearest() -> None:
    with pytest.raises(UsageError) as raised:
        spec.build(Crop, {"sdie": 64}, where="crop")
    assert raised.value.hint == "did you mean 'side'?"


def test_a_required_key_is_missed() -> None:
    with pytest.raises(UsageError, match="missing key 'source'"):
        spec.build(Needs, {}, where="import")


def test_the_fingerprint_sees_results_and_nothing_else() -> None:
    assert spec.fingerprint(Crop(workers=1)) == spec.fingerprint(Crop(workers=8))
    assert spec.fingerprint(Crop(side=1)) != spec.fingerprint(Crop(side=2))
    assert spec.fingerprint(Crop()) != spec.fingerprint(Crop(), {"shards": "abc"})


def test_the_json_schema_says_what_build_accepts() -> None:
    found = spec.json_schema(Crop)
    assert found["properties"]["side"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 9999,
        "description": "Longest side. [px; >= 1 and <= 9999]",
        "default": 512,
    }
    assert found["properties"]["share"]["type"] == ["number", "null"]
    assert found["properties"]["seeds"]["items"] == {"type": "integer", "minimum": 0}
    assert found["additionalProperties"] is False
    assert spec.json_schema(Needs)["required"] == ["source"]


def test_values_survive_json() -> None:
    own = Crop(side=3, share=0.25, names=("a", "b"))
    assert spec.build(Crop, spec.values_of(own), where="again") == own


@dataclass(frozen=True, kw_only=True)
class Look:
    at: str | None = setting(None, help="Where to look.", path=True)
    others: tuple[str, ...] = setting((), help="Where else.", path=True)
    word: str = setting("/not/a/path", help="A word.")


def test_paths_are_kept_relative_to_a_folder_and_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus, beside = tmp_path / "c", tmp_path / "x" / "list.csv"
    (tmp_path / "x").mkdir()
    beside.write_text("")
    monkeypatch.chdir(tmp_path)
    for given in ("x/list.csv", "./x/list.csv", str(beside), "x/../x/list.csv"):
        kept = spec.kept_values(Look(at=given), corpus)
        assert kept == {"at": "../x/list.csv", "others": [], "word": "/not/a/path"}
        assert spec.opened_values(Look, kept, corpus)["at"] == str(beside)
        moved = spec.opened_values(Look, kept, Path("/mnt/d/c"))
        assert moved["at"] == "/mnt/d/x/list.csv"
    inside = spec.kept_values(Look(others=(str(corpus / "q"), "c/probes/p")), corpus)["others"]
    assert inside == ["./q", "c/probes/p"], "a relative path is one if it is there"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("ViT-B-32/openai", "ViT-B-32/openai"),
        ("hf-hub:org/repo", "hf-hub:org/repo"),
        ("probe:mine", "probe:mine"),
        ("http://world.test/a", "http://world.test/a"),
        ("ViT-B-32@/m/w.safetensors", "ViT-B-32@../m/w.safetensors"),
        ("local-dir:/m/tiny", "local-dir:../m/tiny"),
        ("/m/tiny", "../m/tiny"),
    ],
)
def test_references_to_models_are_kept(given: str, kept: str) -> None:
    found = spec.kept_values(Look(at=given), Path("/c"))
    assert found["at"] == kept
    assert spec.opened_values(Look, found, Path("/c"))["at"] == given


def test_where_a_path_leads_does_not_change_the_fingerprint() -> None:
    one, moved, other = (spec.fingerprint(Look(at=each)) for each in ("/a/list.csv", "../b/list.csv", "/a/c.csv"))
    assert one == moved != other
    assert spec.fingerprint(Look(at="http://a/x")) != spec.fingerprint(Look(at="http://b/x"))


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("https://b.test/a.warc.gz?X-Amz-Date=1&X-Amz-Signature=canary", "https://b.test/a.warc.gz"),
        ("https://b.test/a.warc.gz?v=2&Signature=canary&Expires=9", "https://b.test/a.warc.gz?v=2"),
        ("https://me:canary@b.test/a.warc.gz", "https://b.test/a.warc.gz"),
        ("https://b.test/?page=2&sort=a", "https://b.test/?page=2&sort=a"),
    ],
)
def test_no_secret_of_a_url_is_kept(tmp_path: Path, typed: str, kept: str) -> None:
    crawl = spec.build(Crawl, {"sources": [typed]}, where="crawl")
    assert spec.kept_values(crawl, tmp_path)["sources"] == [kept]
    assert spec.fingerprint(crawl) == spec.fingerprint(spec.build(Crawl, {"sources": [kept]}, where="crawl"))
