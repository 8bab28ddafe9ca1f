from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.corpora import Built, cut, overwrite, reseal, rewrite
from vlcorpus.corpus import write_json
from vlcorpus.io import tar
from vlcorpus.views.verify import Verified, verify

SHARD = "00001"
TAR = f"shards/{SHARD}.tar"


def found(verified: Verified) -> dict[str, list[str]]:
    told: dict[str, list[str]] = {}
    for each in verified.findings:
        told.setdefault(each.path, []).append(each.what)
    return told


def test_a_corpus_fresh_from_the_stages_is_whole(small_corpus: Built) -> None:
    verified = verify(small_corpus.corpus, export=small_corpus.out)
    assert verified.findings == ()
    assert verified.notes == ()
    kept = sum(stats["kept"] for shard in small_corpus.corpus.layer("shards").units()
               if (stats := small_corpus.corpus.layer("shards").stats(shard)))  # fmt: skip
    assert verified.checked["vectors"] == 2 * kept
    assert verified.checked["index rows"] == kept
    assert verified.checked["samples"] > 0 and verified.checked["rows"] > 8 * kept


def test_quick_reads_sizes_and_counts_only(small_corpus: Built) -> None:
    whole, quick = verify(small_corpus.corpus), verify(small_corpus.corpus, quick=True)
    assert quick.findings == () and quick.quick
    assert {name: quick.checked[name] for name in ("units", "files", "bytes")} == {
        name: whole.checked[name] for name in ("units", "files", "bytes")
    }
    assert "rows" not in quick.checked


def middle_header(path: Path) -> int:
    """Offset of the header of a member in the middle of the tar."""
    entries = tar.scan(path)
    return entries[len(entries) // 2].offset - 512


def halve(path: Path) -> None:
    cut(path, path.stat().st_size // 2 + 7)


def cut_at_a_block(path: Path) -> None:
    cut(path, middle_header(path))


def overwrite_header(path: Path) -> None:
    overwrite(path, middle_header(path), b"\xa5" * 512)


def zero_header(path: Path) -> None:
    overwrite(path, middle_header(path), bytes(512))


def overwrite_payload(path: Path) -> None:
    image = next(entry for entry in tar.scan(path) if entry.extension == "jpg")
    overwrite(path, image.offset + image.length // 2, b"\x00\xff\x00\xff")


def group_by_type(path: Path) -> None:
    with tarfile.open(path) as source:
        members = [(member, source.extractfile(member).read()) for member in source]  # type: ignore[union-attr]
    members.sort(key=lambda each: each[0].name.partition(".")[2])
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as target:
        for member, body in members:
            target.addfile(member, io.BytesIO(body))


DAMAGES = (
    (halve, "cut inside"),
    (cut_at_a_block, "ends without an end mark"),
    (overwrite_header, "no valid header"),
    (zero_header, "a header of zeros before the end"),
    (group_by_type, "do not stand together"),
)


@pytest.mark.parametrize(("damage", "said"), DAMAGES)
def test_each_damage_of_a_tar_is_found(own_corpus: Built, damage: Callable[[Path], None], said: str) -> None:
    damage(own_corpus.corpus.path / TAR)
    told = found(verify(own_corpus.corpus))
    assert set(told) == {TAR}
    assert any(said in each for each in told[TAR]), told
    assert any("its commit says" in each for each in told[TAR])


@pytest.mark.parametrize(("damage", "said"), DAMAGES)
def test_and_without_the_digest(own_corpus: Built, damage: Callable[[Path], None], said: str) -> None:
    damage(own_corpus.corpus.path / TAR)
    reseal(own_corpus.corpus.layer("shards"), SHARD)
    told = found(verify(own_corpus.corpus))
    assert set(told) == {TAR} and any(said in each for each in told[TAR]), told


def test_an_overwritten_payload_is_found_by_its_digest(own_corpus: Built) -> None:
    overwrite_payload(own_corpus.corpus.path / TAR)
    assert found(verify(own_corpus.corpus)) == {TAR: ["has other bytes than its commit says (sha256)"]}
    assert verify(own_corpus.corpus, quick=True).findings == ()


@pytest.mark.parametrize(
    "name",
    ["embeddings/*/img_emb/img_emb_00000.npy", "probes/raw/seed-1/weights.safetensors", "index/*/index.json",
     "reports/report.html", "candidates/rejected/00000.parquet", "sources/*/pages/00000.parquet"],
)  # fmt: skip
def test_a_flipped_bit_anywhere_is_found(own_corpus: Built, name: str) -> None:
    corpus = own_corpus.corpus
    path = next(corpus.path.glob(name))
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    path.write_bytes(body)
    where = path.relative_to(corpus.path).as_posix()
    assert "has other bytes than its commit says (sha256)" in found(verify(corpus))[where]


def test_missing_short_and_linked_files_are_found_even_quickly(own_corpus: Built, tmp_path: Path) -> None:
    corpus = own_corpus.corpus
    (corpus.path / "scores/phash/00000.parquet").unlink()
    cut(corpus.path / "splits/default/00001.parquet", 100)
    linked = corpus.path / "decisions/random/00002.parquet"
    shutil.move(linked, tmp_path / "elsewhere")
    linked.symlink_to(tmp_path / "elsewhere")
    told = found(verify(corpus, quick=True))
    assert told["scores/phash/00000.parquet"] == ["is missing"]
    assert told["splits/default/00001.parquet"][0].startswith("has 100 bytes")
    assert told["decisions/random/00002.parquet"] == ["is a link"]
    assert len(told) == 3


@pytest.mark.parametrize("text", ["", "{", "[]", '{"outputs": 3}', '{"outputs": {}}', "\x00" * 40])
def test_a_damaged_stats_file_is_a_finding(own_corpus: Built, text: str) -> None:
    corpus = own_corpus.corpus
    (corpus.path / "scores/phash/00001.json").write_text(text)
    told = found(verify(corpus))
    assert "scores/phash/00001.json" in told


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"stage": None}, "does not say its stage"),
        ({"settings": []}, "does not say its settings"),
        ({"inputs": "none"}, "does not say its inputs"),
        ({"unit": "00002"}, "is the commit of '00002'"),
        ({"outputs": {}}, "lists no files"),
        ({"outputs": {"00001.parquet": {"bytes": "many"}}}, "its commit does not say size and sha256"),
    ],
)
def test_a_commit_that_leaves_something_unsaid_is_a_finding(
    own_corpus: Built, change: dict[str, object], said: str
) -> None:
    layer = own_corpus.corpus.layer("scores/phash")
    stats = layer.stats("00001")
    assert stats is not None
    write_json(layer.path("00001.json"), stats | change)
    told = found(verify(own_corpus.corpus, quick=True))
    assert [each for whats in told.values() for each in whats] == [said]


def test_lost_rows_are_found(own_corpus: Built) -> None:
    corpus = own_corpus.corpus
    layer = corpus.layer("candidates")
    stats = layer.stats("00000")
    assert stats is not None
    write_json(layer.path("00000.json"), stats | {"kept": stats["kept"] - 1})
    told = found(verify(corpus, quick=True))
    assert "rows in, but" in told["candidates/00000.json"][0]
    assert "candidates kept" in told["shards/00000"][0]


def test_layers_must_have_the_same_pairs(own_corpus: Built) -> None:
    corpus = own_corpus.corpus
    rewrite(corpus.layer("scores/similarity"), "00000", "00000.parquet", lambda rows: rows.reverse())
    rewrite(corpus.layer("decisions/filtered"), "00001", "00001.parquet", lambda rows: rows.pop())
    model = corpus.layers("embeddings")[0]
    rewrite(
        corpus.layer(f"embeddings/{model}"), "00002", "metadata/metadata_00002.parquet",
        lambda rows: rows[3].update(caption="another"),
    )  # fmt: skip
    told = found(verify(corpus))
    assert told["scores/similarity/00000.parquet"][0].startswith("column uid beside the shard, row 0")
    assert "rows, and" in told["decisions/filtered/00001.parquet"][0]
    assert told[f"embeddings/{model}/metadata/metadata_00002.parquet"][0].startswith(
        "column caption beside the shard, row 3"
    )


def test_a_shard_must_be_that_of_its_candidates_and_its_tar(own_corpus: Built) -> None:
    corpus = own_corpus.corpus

    def other_words(rows: list[dict[str, object]]) -> None:
        next(row for row in rows if row["status"] == "success").update(caption="other words")

    rewrite(corpus.layer("shards"), "00000", "00000.parquet", other_words)
    told = found(verify(corpus))
    assert any("column caption beside the candidates" in each for each in told["shards/00000.parquet"])
    assert any(".txt is not the caption" in each for each in told["shards/00000.tar"])


def test_a_lost_and_a_foreign_image_are_found(own_corpus: Built) -> None:
    corpus = own_corpus.corpus
    path = corpus.path / TAR
    samples = list(tar.read_samples(path))
    with open(path, "wb") as file:
        writer = tar.ShardWriter(file)
        writer.add("foreign", samples[0].members)
        for sample in samples[1:]:
            writer.add(sample.key, sample.members)
        writer.close()
    reseal(corpus.layer("shards"), SHARD)
    assert found(verify(corpus))[TAR] == [
        f"has no image {samples[0].key}", "has an image that no row wants: foreign"
    ]  # fmt: skip


def test_a_similarity_that_is_not_the_cosine_is_found(own_corpus: Built) -> None:
    corpus = own_corpus.corpus
    rewrite(corpus.layer("scores/similarity"), "00000", "00000.parquet", lambda rows: rows[5].update(similarity=0.9))
    assert "is not the cosine" in found(verify(corpus))["scores/similarity/00000.parquet"][0]


def test_a_decision_that_contradicts_itself_is_found(own_corpus: Built) -> None:
    corpus = own_corpus.corpus

    def turn(rows: list[dict[str, object]]) -> None:
        kept = next(row for row in rows if row["keep"])
        lost = next(row for row in rows if not row["keep"])
        kept["keep"], lost["keep"] = False, True

    rewrite(corpus.layer("decisions/filtered"), "00000", "00000.parquet", turn)
    assert "disagree" in found(verify(corpus))["decisions/filtered/00000.parquet"][0]


def test_vectors_of_other_shape_and_length_are_found(own_corpus: Built) -> None:
    corpus = own_corpus.corpus
    layer = corpus.layer(f"embeddings/{corpus.layers('embeddings')[0]}")
    for shard, change in (("00000", lambda rows: rows[:-1]), ("00001", lambda rows: rows * np.float16(2))):
        path = layer.path(f"text_emb/text_emb_{shard}.npy")
        np.save(path, change(np.load(path)))
        reseal(layer, shard)
    told = found(verify(corpus))
    assert "rows and dimension" in told[f"{layer.name}/text_emb/text_emb_00000.npy"][0]
    assert "no unit vectors" in told[f"{layer.name}/text_emb/text_emb_00001.npy"][0]


def test_duplicate_groups_are_checked(own_corpus: Built) -> None:
    corpus = own_corpus.corpus

    def spoil(rows: list[dict[str, object]]) -> None:
        rows[0]["uid"] = bytes(16)

    rewrite(corpus.layer("duplicates/default"), "all", "groups.parquet", spoil)
    told = found(verify(corpus))["duplicates/default/groups.parquet"]
    assert any("smallest uid" in each for each in told)
    assert any("have no image in the corpus" in each for each in told)


def test_pickled_vectors_are_refused_and_not_run(own_corpus: Built) -> None:
    corpus = own_corpus.corpus
    layer = corpus.layer(f"embeddings/{corpus.layers('embeddings')[0]}")
    np.save(layer.path("img_emb/img_emb_00000.npy"), np.array([{"a": 1}], dtype=object), allow_pickle=True)
    reseal(layer, "00000")
    assert any("cannot read" in each for each in found(verify(corpus))[f"{layer.name}/img_emb/img_emb_00000.npy"])


def test_strays_are_notes(own_corpus: Built) -> None:
    corpus = own_corpus.corpus
    (corpus.path / "shards/00009.tar").write_bytes(b"half")
    (corpus.path / "shards/.tmp-00009_stats.json-00009.tar").write_bytes(b"half")
    (corpus.path / "notes.txt").write_text("mine")
    verified = verify(corpus)
    assert verified.findings == ()
    assert {note.path: note.what for note in verified.notes} == {
        "shards/00009.tar": "no commit lists it",
        "shards/.tmp-00009_stats.json-00009.tar": "left by an interrupted run; the same command removes it",
        "notes.txt": "no commit lists it",
    }


def test_an_unfinished_unit_is_not_wrong(own_corpus: Built) -> None:
    corpus = own_corpus.corpus
    (corpus.path / "scores/phash/00001.json").unlink()
    verified = verify(corpus)
    assert verified.findings == ()
    assert [note.path for note in verified.notes] == ["scores/phash/00001.parquet"]


def test_an_export_is_compared_with_its_corpus(own_corpus: Built) -> None:
    corpus, out = own_corpus.corpus, own_corpus.out
    split = out / "train"
    overwrite_payload(split / "00000.tar")
    write_json(split / "sizes.json", {"00000.tar": 1})

    def drop(rows: list[dict[str, object]]) -> None:
        for row in rows:
            row |= {"keep": False, "fail_mask": 1, "first_fail": 0, "weight": 0.0}

    for shard in corpus.layer("decisions/filtered").units():
        rewrite(corpus.layer("decisions/filtered"), shard, f"{shard}.parquet", drop)
    told = found(verify(corpus, export=out))
    assert "sha256" in told["filtered/train/00000.tar"][0]
    assert told["filtered/train/sizes.json"][0].startswith("samples:")
    assert "are not kept by filtered" in told["filtered"][0]


def test_an_export_of_another_corpus_is_found(small_corpus: Built, own_corpus: Built) -> None:
    told = found(verify(small_corpus.trusted, export=own_corpus.out))
    assert "are not in the corpus" in told["filtered"][0]
