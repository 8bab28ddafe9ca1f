from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from tests.clip.checkpoints import write_sentence
from tests.clip.drawn import photo, tiny_directory
from tests.images.drawn import saved
from tests.stages.given import (
    Given,
    committed,
    give,
    given_corpus,
    pairs,
    picture,
    run_here,
    write_probe,
)
from tests.stages.running import contents, do
from vlcorpus import schema
from vlcorpus.clip.model import load
from vlcorpus.corpus import Corpus
from vlcorpus.errors import CorpusError, SourceError, UsageError
from vlcorpus.images.decode import Decoded, decode
from vlcorpus.io import table, tar, vectors
from vlcorpus.stages import encoding
from vlcorpus.stages.embed import Embed
from vlcorpus.stages.samples import stored
from vlcorpus.stages.score import Score
from vlcorpus.stages.train_probe import TrainProbe

SWAPPED = {b"rXYZ": b"bXYZ", b"bXYZ": b"rXYZ", b"desc": b"dddd"}

TWO_CAPTIONS = [
    Given("http://a.test/one.jpg", "a red boat", picture(900)),
    Given("http://a.test/one.jpg", "my holiday", picture(900)),
    Given("http://a.test/lost.jpg", "lost"),
    Given("http://a.test/two.jpg", "a red boat", picture(901)),
]


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    corpus = given_corpus(tmp_path / "c", 9, 5)
    give(corpus, "00002", TWO_CAPTIONS)
    return corpus


def read(corpus: Corpus, shard: str, slug: str | None = None) -> tuple[np.ndarray, np.ndarray, list[dict[str, object]]]:
    folder = corpus.path / "embeddings" / (slug or corpus.layers("embeddings")[0])
    return (
        np.array(vectors.read(folder / "img_emb" / f"img_emb_{shard}.npy"), np.float32),
        np.array(vectors.read(folder / "text_emb" / f"text_emb_{shard}.npy"), np.float32),
        table.read(folder / "metadata" / f"metadata_{shard}.parquet", "embeddings-metadata").to_pylist(),
    )


def one_by_one(corpus: Corpus, shard: str, model: str) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Each pair encoded alone, in float32."""
    encoder = load(model)
    images, texts, uids = [], [], []
    for pair in stored(corpus, shard):
        rgb = decode(pair.body)
        assert isinstance(rgb, Decoded)
        images.append(encoder.encode_images(encoder.preprocess(rgb.rgb)[None])[0])
        texts.append(encoder.encode_texts([pair.caption])[0])
        uids.append(pair.row["uid"])
    return np.stack(images), np.stack(texts), uids


def check_shard(corpus: Corpus, shard: str, model: str) -> None:
    image_ND, text_ND, about = read(corpus, shard)
    want_image, want_text, uids = one_by_one(corpus, shard, model)
    assert [row["uid"] for row in about] == uids
    assert [row["caption"] for row in about] == [pair.caption for pair in stored(corpus, shard)]
    for made, want in ((image_ND, want_image), (text_ND, want_text)):
        # Stored in fp16, so the nearest half of what was encoded alone, or its neighbour.
        assert np.abs(made - want.astype(np.float16).astype(np.float32)).max() <= np.spacing(np.float16(0.5))
        assert np.abs((made * want).sum(1) / np.linalg.norm(made, axis=1) - 1).max() < 1e-6


def test_every_row_is_its_pair_as_if_encoded_alone(corpus: Corpus, tmp_path: Path) -> None:
    probe = write_probe(tmp_path / "p")
    events = run_here(corpus, [Embed(model=probe, batch_size=4)])
    assert committed(events) == [f"embeddings/{shard}" for shard in ("00000", "00001", "00002")]
    for shard in corpus.layer("shards").units():
        check_shard(corpus, shard, probe)


def test_an_open_clip_folder_and_a_probe_side_by_side(corpus: Corpus, tmp_path: Path) -> None:
    tiny_directory(tmp_path / "tiny")
    run_here(corpus, [Embed(model=str(tmp_path / "tiny"), batch_size=3)])
    check_shard(corpus, "00000", str(tmp_path / "tiny"))
    run_here(corpus, [Embed(model=write_probe(tmp_path / "p"))])
    known = corpus.layers("embeddings")
    assert len(known) == 2
    with pytest.raises(UsageError, match="several models") as caught:
        run_here(corpus, [Score(score="similarity")])
    assert all(slug in caught.value.message for slug in known)
    for slug in known:  # what is listed can be typed
        run_here(corpus, [Score(score="similarity", model=slug)])
        stats = corpus.layer("scores/similarity").stats("00000")
        assert stats is not None and stats["source"] == f"embeddings/{slug}"


def test_an_image_is_encoded_once(corpus: Corpus, tmp_path: Path) -> None:
    run_here(corpus, [Embed(model=write_probe(tmp_path / "p"), batch_size=1)])
    image_ND, text_ND, about = read(corpus, "00002")
    assert (image_ND[0] == image_ND[1]).all() and (image_ND[0] != image_ND[2]).any()
    assert (text_ND[0] == text_ND[2]).all() and (text_ND[0] != text_ND[1]).any()
    assert [row["image_path"] for row in about] == ["00002000", "00002000", "00002003"]
    assert [row["key"] for row in about] == ["00002000", "00002001", "00002003"]
    keys = {entry.key for entry in tar.scan(corpus.path / "shards" / "00002.tar")}
    assert {row["image_path"] for row in about} <= keys


def test_no_vector_and_no_score_hangs_on_the_batch_size(tmp_path: Path) -> None:
    probe = write_probe(tmp_path / "p")
    found = []
    for size in (1, 3, 33, 64):
        corpus = given_corpus(tmp_path / f"c{size}", 75)
        run_here(corpus, [Embed(model=probe, batch_size=size), Score(score="similarity")])
        found.append(contents(corpus, "embeddings") | contents(corpus, "scores"))
    assert all(each == found[0] for each in found[1:])


def test_workers_do_not_change_a_byte(tmp_path: Path) -> None:
    probe = write_probe(tmp_path / "p")
    made = []
    for workers in (0, 2):
        corpus = given_corpus(tmp_path / f"c{workers}", 6, 6, 6)
        stages = [Embed(model=probe), Score(score="similarity"), Score(score="phash")]
        do(corpus, stages, workers=workers) if workers else run_here(corpus, stages)
        made.append(contents(corpus, "embeddings") | contents(corpus, "scores"))
    assert made[0] == made[1]


def test_the_layout_is_clip_retrievals(corpus: Corpus, tmp_path: Path) -> None:
    run_here(corpus, [Embed(model=write_probe(tmp_path / "p"))])
    (slug,) = corpus.layers("embeddings")
    folder = corpus.path / "embeddings" / slug
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert names == [
        *(f"{shard}.json" for shard in ("00000", "00001", "00002")),
        *(f"img_emb/img_emb_{shard}.npy" for shard in ("00000", "00001", "00002")),
        *(f"metadata/metadata_{shard}.parquet" for shard in ("00000", "00001", "00002")),
        *(f"text_emb/text_emb_{shard}.npy" for shard in ("00000", "00001", "00002")),
    ]
    assert np.load(folder / "img_emb" / "img_emb_00000.npy").dtype == np.float16


def test_a_vector_that_failed_is_seen(tmp_path: Path) -> None:
    corpus = given_corpus(tmp_path / "c", 16)
    run_here(corpus, [Embed(model=write_probe(tmp_path / "p", broken="dog")), Score(score="similarity")])
    _, text_ND, about = read(corpus, "00000")
    broken = ["dog" in str(row["caption"]) for row in about]
    assert sum(broken) == 2 and (~np.isfinite(text_ND)).all(1).tolist() == broken
    scores = table.read(corpus.path / "scores" / "similarity" / "00000.parquet", "score-similarity")
    assert [value is None for value in scores.column("similarity").to_pylist()] == broken


def test_a_probe_of_the_corpus_trained_in_the_same_plan(tmp_path: Path) -> None:
    corpus = given_corpus(tmp_path / "c", 12)
    train = TrainProbe(probe="own", steps=1, batch_size=4)
    run_here(corpus, [train, Embed(model="probe:own"), Score(score="similarity", model="probe:own")])
    (slug,) = corpus.layers("embeddings")
    assert slug.startswith("conv-nano.own.")
    again = run_here(corpus, [Score(score="similarity", model="probe:own")])
    assert not committed(again)
    with pytest.raises(UsageError, match="needs probes/other"):
        run_here(corpus, [Embed(model="probe:other")])


def test_how_a_model_is_named_does_not_matter(corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    probe = write_probe(tmp_path / "p")
    run_here(corpus, [Embed(model=probe)])
    monkeypatch.chdir(tmp_path)
    assert not committed(run_here(corpus, [Embed(model="p")]))
    assert not committed(run_here(corpus, [Embed(model=f"{tmp_path}/c/../p")]))
    stats = corpus.layer(f"embeddings/{corpus.layers('embeddings')[0]}").stats("00000")
    assert stats is not None and stats["settings"]["model"] == "../p"


def test_shards_that_shrink_and_grow_are_embedded_again(corpus: Corpus, tmp_path: Path) -> None:
    stages = [Embed(model=write_probe(tmp_path / "p")), Score(score="similarity"), Score(score="phash")]
    run_here(corpus, stages)
    give(corpus, "00000", pairs(0, 4))
    give(corpus, "00001", pairs(100, 12))
    give(corpus, "00003", pairs(200, 3))
    made = committed(run_here(corpus, stages))
    assert sorted(made) == sorted(
        f"{layer}/{shard}"
        for layer in ("embeddings", "scores/similarity", "scores/phash")
        for shard in ("00000", "00001", "00003")
    )
    assert [len(read(corpus, shard)[2]) for shard in ("00000", "00001", "00003")] == [4, 12, 3]


def test_a_model_that_was_moved(corpus: Corpus, tmp_path: Path) -> None:
    run_here(corpus, [Embed(model=write_probe(tmp_path / "p")), Score(score="similarity")])
    (tmp_path / "p").rename(tmp_path / "q")
    give(corpus, "00003", pairs(200, 3))
    with pytest.raises(SourceError, match=f"no model at {tmp_path / 'p'}"):
        run_here(corpus, [Score(score="similarity")])
    run_here(corpus, [Embed(model=str(tmp_path / "q"))])
    assert committed(run_here(corpus, [Score(score="similarity")])) == ["scores/similarity/00003"]


def test_threads_devices_and_loaders_do_not_change_a_byte(tmp_path: Path) -> None:
    probe = write_probe(tmp_path / "p")
    made = []
    ways: list[dict[str, Any]] = [{}, {"loaders": 3}, {"device": "cpu,cpu,cpu"}, {"loaders": 2, "device": "cpu,cpu"}]
    for number, more in enumerate(ways):
        corpus = given_corpus(tmp_path / f"c{number}", 9, 110)
        run_here(corpus, [Embed(model=probe, batch_size=4, **more)])
        made.append(contents(corpus, "embeddings"))
        assert not committed(run_here(corpus, [Embed(model=probe)])), "none of them is part of the fingerprint"
    assert all(each == made[0] for each in made[1:])


def test_who_waited_is_told_and_is_no_result(corpus: Corpus, tmp_path: Path) -> None:
    events = run_here(corpus, [Embed(model=write_probe(tmp_path / "p"), batch_size=2)])
    layer = corpus.layer(f"embeddings/{corpus.layers('embeddings')[0]}")
    stats = layer.stats("00002")
    assert stats is not None and (stats["images"], stats["kept"]) == (2, 3)
    assert stats["device_waited"] > 0 and stats["loader_waited"] >= 0 and stats["duration"] > 0
    volatile = schema.table("stats").volatile
    assert {"device_waited", "loader_waited"} <= set(volatile) and "images" not in volatile
    told = [event.about["waits"] for event in events if event.kind == "committed" and event.unit == "00002"]
    assert told[0]["images"] == 2 and set(told[0]) == {"images", "device", "loader"}


@pytest.mark.parametrize("loaders", [1, 4])
def test_a_picture_that_does_not_decode(tmp_path: Path, loaders: int) -> None:
    corpus = given_corpus(tmp_path / "c", 9)
    path = corpus.path / "shards" / "00000.tar"
    torn = bytearray(path.read_bytes())
    for number in (5, 7):
        entry = next(each for each in tar.scan(path) if each.extension == "jpg" and each.key.endswith(str(number)))
        torn[entry.offset : entry.offset + entry.length] = b"x" * entry.length
    path.write_bytes(torn)
    embed = Embed(model=write_probe(tmp_path / "p"), batch_size=2, loaders=loaders)
    with pytest.raises(CorpusError, match=r"image 00000005 of shard 00000 does not decode: not_an_image"):
        run_here(corpus, [embed])
    assert not embed.layer(corpus).units()


def test_a_picture_is_what_decode_makes_of_it(corpus: Corpus) -> None:
    """Turned, transparent, grey, of four colours, of sixteen bits, of another colour space."""
    rgb = Image.fromarray(photo(41, 62))
    turned = Image.Exif()
    turned[0x0112] = 6
    clear = rgb.copy()
    clear.putalpha(Image.linear_gradient("L").resize(rgb.size))
    deep = Image.fromarray(np.arange(41 * 62, dtype=np.uint16).reshape(41, 62) * 20)
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for at in range(132, 132 + 12 * int.from_bytes(profile[128:132], "big"), 12):  # red and blue change places
        profile[at : at + 4] = SWAPPED.get(bytes(profile[at : at + 4]), profile[at : at + 4])
    bodies = [
        saved(rgb, "JPEG", quality=95),
        saved(rgb, "JPEG", exif=turned),
        saved(rgb, "JPEG", progressive=True),
        saved(rgb.convert("CMYK"), "JPEG"),
        saved(rgb.convert("L"), "JPEG"),
        saved(rgb, "PNG"),
        saved(clear, "PNG"),
        saved(clear, "WEBP"),
        saved(rgb.convert("P"), "GIF"),
        saved(deep, "PNG"),
        saved(rgb, "JPEG", icc_profile=bytes(profile)),
    ]
    assert sum(decode(body).adjusted for body in bodies) == 6  # type: ignore[union-attr]
    for body in bodies:
        want = decode(body)
        assert isinstance(want, Decoded)
        assert (encoding.decoded(corpus, encoding.Picture("00000", "k", body))[..., ::-1] == want.rgb).all()


def test_towers_of_two_models(corpus: Corpus, tmp_path: Path) -> None:
    tiny_directory(tmp_path / "tiny")
    write_sentence(tmp_path / "many", dimension=32)
    named = f"image={tmp_path / 'tiny'},text=hf:{tmp_path / 'many'}"
    run_here(corpus, [Embed(model=named), Score(score="similarity")])
    check_shard(corpus, "00002", named)
    (slug,) = corpus.layers("embeddings")
    assert slug.startswith("tiny-local.many.")
    stats = corpus.layer(f"embeddings/{slug}").stats("00000")
    assert stats is not None and stats["settings"]["model"] == "image=../tiny,text=hf:../many"
    give(corpus, "00003", pairs(200, 3))  # by the model that was recorded
    made = committed(run_here(corpus, [Score(score="similarity")]))
    assert made == ["embeddings/00003", "scores/similarity/00003"]


def test_a_probe_of_the_corpus_as_one_of_two_towers(tmp_path: Path) -> None:
    corpus = given_corpus(tmp_path / "c", 12)
    other = write_probe(tmp_path / "p")
    train = TrainProbe(probe="own", steps=1, batch_size=4)
    run_here(corpus, [train, Embed(model=f"image={other},text=probe:own")])
    assert corpus.layers("embeddings")[0].startswith("conv-nano-p.conv-nano.")
    with pytest.raises(UsageError, match="needs probes/gone"):
        run_here(corpus, [Embed(model=f"image=probe:gone,text={other}")])
