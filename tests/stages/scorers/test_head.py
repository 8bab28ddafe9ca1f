"""Heads of one's own, as real modules in a folder: what they are called with, and what comes of their answers."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from torch import nn

from tests.stages.given import Given, committed, give, given_corpus, pairs, run_here, write_probe
from tests.stages.running import contents, do
from vlcorpus.corpus import Corpus
from vlcorpus.errors import ShardsFailed, SourceError, UsageError
from vlcorpus.images.decode import Decoded, decode
from vlcorpus.io import table, vectors
from vlcorpus.pipeline.plan import make_plan
from vlcorpus.stages.columns import catalogue
from vlcorpus.stages.embed import Embed
from vlcorpus.stages.samples import stored
from vlcorpus.stages.score import Score
from vlcorpus.views.freshness import Freshness

DOCS = Path(__file__).resolve().parents[3] / "docs" / "scores-heads.md"
Write = Callable[[str, str], str]

PIXELS = """
import json, pathlib
class Head:
    reads = "pixels"
    def __init__(self, weights, device):
        self.log = pathlib.Path(weights) if weights else None
        assert device == "cpu"
    def __call__(self, images):
        if self.log:
            with open(self.log.with_suffix(".log"), "a") as file:
                print(json.dumps([list(image.shape) for image in images]), file=file)
        assert all(image.dtype == "uint8" for image in images)
        return [float(image.mean()) for image in images]
class Picky(Head):
    def __call__(self, images):
        if any(image.mean() > 130 for image in images):
            raise ValueError("too bright")
        return super().__call__(images)
class Wrong(Head):
    def __call__(self, images):
        return [[1.0] for _ in images]
class Never(Head):
    def __call__(self, images):
        raise ValueError("not today")
class Unmade:
    reads = "pixels"
    def __init__(self, weights, device):
        raise OSError("no such GPU")
def gives_nothing(weights, device):
    return None
gives_nothing.reads = "pixels"
"""

EMBEDDINGS = """
import numpy
def make(weights, device):
    def product(image_ND, text_ND):
        assert image_ND.dtype == text_ND.dtype == numpy.float32 and image_ND.shape == text_ND.shape
        assert abs((image_ND ** 2).sum(1) - 1).max() < 1e-6
        return image_ND[:, 0] * text_ND[:, 1]
    return product
make.reads = "embeddings"
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes a module where this Python and its workers find it, and gives its name."""
    folder = tmp_path / "modules"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder))

    def module(name: str, text: str) -> str:
        (folder / f"{name}.py").write_text(text, "utf-8")
        return name

    return module


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """Two shards; in the second one image has three captions."""
    corpus = given_corpus(tmp_path / "c", 9)
    one, *others = pairs(20, 4)
    give(corpus, "00001", [one, Given(one.url, "another", one.body), Given(one.url, "a third", one.body), *others])
    return corpus


def values(corpus: Corpus, named: str, shard: str) -> list[Any]:
    layer = corpus.layer(f"scores/head-{named}")
    rows = table.read(layer.path(f"{shard}.parquet"), "score-head")
    assert rows.column("uid").to_pylist() == [pair.uid for pair in stored(corpus, shard)]
    return rows.column("head").to_pylist()


def brightness(corpus: Corpus, shard: str) -> list[float]:
    found = []
    for pair in stored(corpus, shard):
        picture = decode(pair.body)
        assert isinstance(picture, Decoded)
        found.append(float(np.float32(picture.rgb.mean())))
    return found


def stats(corpus: Corpus, named: str, shard: str) -> dict[str, Any]:
    found = corpus.layer(f"scores/head-{named}").stats(shard)
    assert found is not None
    return found


def test_pixels_are_judged_once_an_image(corpus: Corpus, write: Write, tmp_path: Path) -> None:
    weights = tmp_path / "weights.bin"
    weights.write_bytes(b"any file: it is the head's")
    head = write("th_once", PIXELS) + ":Head"
    run_here(corpus, [Score(score="head", named="bright", head=head, weights=str(weights), batch_size=4)])
    for shard in ("00000", "00001"):
        assert values(corpus, "bright", shard) == brightness(corpus, shard)
    assert len(set(values(corpus, "bright", "00001"))) == 4
    calls = [len(json.loads(line)) for line in (tmp_path / "weights.log").read_text().splitlines()]
    assert calls == [4, 4, 1, 4], "four distinct images of six pairs"
    assert json.loads((tmp_path / "weights.log").read_text().splitlines()[0])[0][2] == 3


def test_the_column_bears_the_name(corpus: Corpus, write: Write) -> None:
    run_here(corpus, [Score(score="head", named="bright", head=write("th_column", PIXELS) + ":Head")])
    known = catalogue(corpus)
    assert known.types["head_bright"] == "float32"
    assert known.read("00000", ("head_bright",)).column("head_bright").to_pylist() == brightness(corpus, "00000")


def test_embeddings_are_unit_rows_of_whole_pairs(corpus: Corpus, write: Write, tmp_path: Path) -> None:
    run_here(corpus, [Embed(model=write_probe(tmp_path / "p", broken="dog"))])
    head = write("th_embeddings", EMBEDDINGS) + ":make"
    (slug,) = corpus.layers("embeddings")
    for named, batch_size in (("one", 1), ("four", 4), ("all", None)):
        run_here(corpus, [Score(score="head", named=named, head=head, batch_size=batch_size)])
        for shard in ("00000", "00001"):
            layer = corpus.layer(f"embeddings/{slug}")
            image = np.asarray(vectors.read(layer.path(f"img_emb/img_emb_{shard}.npy")), np.float64)
            text = np.asarray(vectors.read(layer.path(f"text_emb/text_emb_{shard}.npy")), np.float64)
            want = image[:, 0] / np.linalg.norm(image, axis=1) * text[:, 1] / np.linalg.norm(text, axis=1)
            got = values(corpus, named, shard)
            assert [value is None for value in got] == np.isnan(want).tolist()
            assert np.nanmax(np.abs(np.array(got, float) - want)) < 1e-6
            assert stats(corpus, named, shard)["model"] == slug
            assert stats(corpus, named, shard)["source"] == f"embeddings/{slug}"
    assert [value is None for value in values(corpus, "all", "00000")] == [True, *[False] * 7, True]


def test_only_the_picture_that_fails_has_no_score(corpus: Corpus, write: Write) -> None:
    head = write("th_picky", PIXELS) + ":Picky"
    run_here(corpus, [Score(score="head", named="picky", head=head)])
    for shard in ("00000", "00001"):
        want = [value if value <= 130 else None for value in brightness(corpus, shard)]
        assert values(corpus, "picky", shard) == want
        bright = {value for value in brightness(corpus, shard) if value > 130}
        found = stats(corpus, "picky", shard)
        assert found["failed"] == len(bright)
        assert found["first_error"] == ("ValueError: too bright" if bright else None)
        assert found["seen"] == found["kept"] == len(want)
    assert stats(corpus, "picky", "00000")["failed"] > 0


def test_an_image_that_does_not_decode_has_no_score(corpus: Corpus, write: Write) -> None:
    path = corpus.layer("shards").path("00000.tar")
    body = next(iter(stored(corpus, "00000"))).body
    path.write_bytes(path.read_bytes().replace(body, b"<html>" + bytes(len(body) - 6)))
    run_here(corpus, [Score(score="head", named="bright", head=write("th_broken", PIXELS) + ":Head")])
    assert values(corpus, "bright", "00000")[0] is None and None not in values(corpus, "bright", "00000")[1:]
    found = stats(corpus, "bright", "00000")
    assert (found["undecodable"], found["failed"]) == (1, 0)


def test_a_wrong_answer_names_the_head(corpus: Corpus, write: Write) -> None:
    head = write("th_wrong", PIXELS) + ":Wrong"
    with pytest.raises(ShardsFailed, match=r"head th_wrong:Wrong gave an array of shape \(9, 1\) for 9 rows"):
        run_here(corpus, [Score(score="head", named="wrong", head=head)])


def test_a_head_that_always_fails_fails_its_shards(tmp_path: Path, write: Write) -> None:
    corpus = given_corpus(tmp_path / "ten", 10, 11)
    head = write("th_never", PIXELS) + ":Never"
    with pytest.raises(ShardsFailed, match="th_never:Never failed at all of 10 rows: ValueError: not today"):
        run_here(corpus, [Score(score="head", named="never", head=head)])
    assert corpus.layer("scores/head-never").units() == ()


def test_a_factory_that_fails_is_named(corpus: Corpus, write: Write) -> None:
    module = write("th_unmade", PIXELS)
    with pytest.raises(SourceError, match="head th_unmade:Unmade cannot be made: OSError: no such GPU"):
        Score(score="head", named="a", head=f"{module}:Unmade").open(corpus)
    with pytest.raises(SourceError, match="made a NoneType, which cannot be called"):
        Score(score="head", named="a", head=f"{module}:gives_nothing").open(corpus)


def test_the_same_bytes_at_any_number_of_workers(tmp_path: Path, write: Write) -> None:
    corpus = given_corpus(tmp_path / "many", 7, 5, 6, 3)
    head = write("th_workers", PIXELS) + ":Picky"
    made = []
    for workers in (1, 2, 4):
        do(corpus, [Score(score="head", named=f"w{workers}", head=head, batch_size=3)], workers=workers)
        made.append(contents(corpus, f"scores/head-w{workers}"))
    assert made[0] == made[1] == made[2] and len(made[0]) == 4


def test_source_and_weights_are_inputs(corpus: Corpus, write: Write, tmp_path: Path) -> None:
    weights = tmp_path / "weights.bin"
    weights.write_bytes(b"first")
    first, second = write("th_first", PIXELS), write("th_second", PIXELS + "\n# changed")

    def made(module: str) -> int:
        stage = Score(score="head", named="bright", head=f"{module}:Head", weights=str(weights))
        return len(committed(run_here(corpus, [stage])))

    assert made(first) == 2
    found = stats(corpus, "bright", "00000")
    assert found["head"]["name"] == "th_first:Head" and found["head"]["reads"] == "pixels"
    assert len(found["head"]["source_hash"]) == len(found["weights_hash"]) == 64
    assert found["model"].startswith("bright.") and len(found["model"]) == len("bright.") + 8
    assert Freshness(corpus).of("00000", found) == "fresh"
    assert made(first) == 0
    weights.write_bytes(b"second one")
    assert Freshness(corpus).of("00000", found) == "stale"
    assert made(first) == 2
    assert stats(corpus, "bright", "00000")["model"] != found["model"]
    assert made(second) == 2


def test_a_head_that_is_gone_leaves_its_scores_readable(corpus: Corpus, write: Write) -> None:
    run_here(corpus, [Score(score="head", named="bright", head=write("th_gone", PIXELS) + ":Head")])
    found = stats(corpus, "bright", "00000")
    found["settings"]["head"] = "th_never_there:Head"
    assert Freshness(corpus).of("00000", found) == "unknown"


def test_what_is_missing_is_said_before_any_work(corpus: Corpus, write: Write) -> None:
    head = write("th_missing", PIXELS) + ":Head"
    for stage, says in (
        (Score(score="head", named="a"), "head has no --head"),
        (Score(score="head", head=head), "head has no --named"),
        (Score(score="head", named="A", head=head), "cannot be named"),
        (Score(score="head", named="a", head="th_nowhere:Head"), "th_nowhere cannot be imported"),
        (Score(score="head", named="a", head="subprocess:Popen"), "is not a factory"),
        (Score(score="head", named="a", head=head, model="probe:x"), "head does not read --model"),
        (Score(score="head", named="a", head=head, batches=2), "head does not read --batches"),
    ):
        with pytest.raises(UsageError, match=says):
            make_plan(corpus, [stage])
    with pytest.raises(SourceError, match="no weights at gone"):
        make_plan(corpus, [Score(score="head", named="a", head=head, weights="gone.pt")])


def blocks() -> list[str]:
    """The Python of the page about heads."""
    found: list[list[str]] = [[]]
    for line in DOCS.read_text("utf-8").splitlines():
        if line.startswith("    ") or not line:
            found[-1].append(line)
        elif found[-1]:
            found.append([])
    return [textwrap.dedent("\n".join(lines)) for lines in found]


def test_the_watermark_head_of_the_docs(tmp_path: Path, write: Write) -> None:
    (text,) = [block for block in blocks() if "class Watermark" in block]
    text = text.partition("\nPYTHONPATH")[0]
    torch.manual_seed(0)
    model = timm.create_model("efficientnet_b3", pretrained=False, num_classes=2)
    model.classifier = nn.Sequential(
        nn.Linear(1536, 625), nn.ReLU(), nn.Dropout(0.3), nn.Linear(625, 256), nn.ReLU(), nn.Linear(256, 2)
    )
    torch.save(model.state_dict(), tmp_path / "watermark.pt")
    corpus = given_corpus(tmp_path / "w", 3)
    head = write("th_watermark", text) + ":Watermark"
    run_here(corpus, [Score(score="head", named="watermark", head=head, weights=str(tmp_path / "watermark.pt"))])
    got = values(corpus, "watermark", "00000")
    assert all(0 < value < 1 for value in got) and len(set(got)) == 3

    from PIL import Image
    from torchvision import transforms

    prepare = transforms.Compose(
        [
            transforms.Resize((256, 256)),
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    for pair, value in zip(stored(corpus, "00000"), got, strict=True):
        found = decode(pair.body)
        assert isinstance(found, Decoded)
        with torch.inference_mode():
            want = model.eval()(prepare(Image.fromarray(found.rgb))[None]).softmax(1)[0, 0].item()
        assert abs(value - want) < 1e-5


def test_the_head_on_embeddings_of_the_docs(corpus: Corpus, write: Write, tmp_path: Path) -> None:
    (text,) = [block for block in blocks() if "def make(weights, device)" in block]
    run_here(corpus, [Embed(model=write_probe(tmp_path / "p"))])
    head = write("th_documented", text) + ":make"
    run_here(corpus, [Score(score="head", named="documented", head=head)])
    assert all(value > 0 for value in values(corpus, "documented", "00000"))
