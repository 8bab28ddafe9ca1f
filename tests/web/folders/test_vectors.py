from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.web.vectors import drawn, write_numbered, write_packed, write_table
from vlcorpus.errors import SourceError, UsageError
from vlcorpus.web.folders.vectors import DESCRIBED, described, look
from vlcorpus.web.lists.rows import rows as list_rows


def named(start: int, count: int) -> list[dict[str, Any]]:
    return [
        {"url": f"http://a.test/{n}.jpg", "caption": f"text {n}", "uid": f"{n:032x}"}
        for n in range(start, start + count)
    ]


def numbered(folder: Path, *counts: int, digits: int = 1) -> Path:
    for number, count in enumerate(counts):
        both = drawn(count, 8, number), drawn(count, 8, 100 + number)
        write_numbered(folder, number, named(sum(counts[:number]), count), *both, digits=digits)
    return folder


def whole(folder: Path, **more: Any) -> list[tuple[str, Any, Any]]:
    """(uid, image, text) of every row."""
    found = []
    for file in look(folder, **more).files:
        uids = [uid for part in described(file) for uid in part.column("uid").to_pylist()]
        found += list(zip(uids, *(np.asarray(each).tolist() for each in file.arrays()), strict=True))
    return found


@pytest.mark.parametrize("digits", [1, 4])
def test_clip_retrievals_layout(tmp_path: Path, digits: int) -> None:
    folder = numbered(tmp_path / "in", *[2] * 11, digits=digits)
    found = look(folder)
    assert (len(found.files), found.dimension) == (11, 8)
    assert [each.name for each in found.files] == [f"metadata/metadata_{n:0{digits}d}.parquet" for n in range(11)]
    rows = whole(folder)
    assert [uid for uid, _, _ in rows] == [f"{n:032x}" for n in range(22)]
    assert rows[6][1] == drawn(2, 8, 3)[0].tolist() and rows[6][2] == drawn(2, 8, 103)[0].tolist()


def test_laions_names_for_it(tmp_path: Path) -> None:
    """LAION-400M has images/ and texts/, laion2B-en a folder of tables of another name; or all in one folder."""
    plain = whole(numbered(tmp_path / "in", 3, 2))
    for name, folders in {
        "400m": {"img_emb": "images", "text_emb": "texts", "metadata": "metadata"},
        "2b": {"img_emb": "img_emb", "text_emb": "text_emb", "metadata": "laion2B-en-metadata"},
        "deep": {"img_emb": "x/img_emb", "text_emb": "x/text_emb", "metadata": "x/metadata"},
        "flat": {"img_emb": "", "text_emb": "", "metadata": ""},
    }.items():
        for ours, theirs in folders.items():
            for path in (tmp_path / "in" / ours).iterdir():
                (tmp_path / name / theirs).mkdir(parents=True, exist_ok=True)
                shutil.copy(path, tmp_path / name / theirs / path.name)
        assert whole(tmp_path / name) == plain, name


@pytest.mark.parametrize("packed", [False, True])
def test_datacomps_layout(tmp_path: Path, packed: bool) -> None:
    for name in ("00b", "00a"):
        models = {"b32": (drawn(3, 8, 1), drawn(3, 8, 2)), "l14": (drawn(3, 16, 3), drawn(3, 16, 4))}
        write_packed(tmp_path / "in", name, named(0, 3), packed=packed, **models)
    found = look(tmp_path / "in", "l14")
    assert ([each.name for each in found.files], found.dimension) == (["00a.parquet", "00b.parquet"], 16)
    rows = whole(tmp_path / "in", arrays="b32")
    assert [image for _, image, _ in rows] == drawn(3, 8, 1).tolist() * 2
    assert [text for _, _, text in rows] == drawn(3, 8, 2).tolist() * 2
    with pytest.raises(UsageError, match="b32, l14") as told:
        look(tmp_path / "in")
    assert told.value.hint == "choose one, as --arrays b32"
    with pytest.raises(UsageError, match="no l41_img"):
        look(tmp_path / "in", "l41")


def test_one_pair_of_arrays_needs_no_name(tmp_path: Path) -> None:
    write_packed(tmp_path, "a", named(0, 3), b32=(drawn(3, 8, 1), drawn(3, 8, 2)))
    assert look(tmp_path) == look(tmp_path, "b32")


def test_rows_are_read_as_a_list_reads_them(tmp_path: Path) -> None:
    """URLs, words and reasons are those that import gives to the same table."""
    urls = ["http://a.test/a.jpg", " ", "ftp://a.test/", "http://a.test/é.jpg", None, "http://[", "//a.test/x"]
    texts = ["a", None, "c" * 20_000, "é\u202e", "", "f", "g"]
    table = pa.table({"URL": urls, "TEXT": texts, "SAMPLE_ID": [1.0, 2.0, None, 4.0, 5.0, 6.0, 7.5]})
    (tmp_path / "metadata").mkdir()
    both = drawn(7, 4, 1), drawn(7, 4, 2)
    write_numbered(tmp_path, 0, [{}], *both)
    pq.write_table(table, tmp_path / "metadata" / "metadata_0.parquet")
    (part,) = described(look(tmp_path).files[0])
    assert part.schema == DESCRIBED
    listed = list(list_rows(tmp_path / "metadata" / "metadata_0.parquet"))
    assert [url or "" for url in part.column("url").to_pylist()] == [row.url for row in listed]
    assert part.column("alt_text").to_pylist() == [row.text or "" for row in listed]
    assert part.column("reason").to_pylist() == [row.reason for row in listed]
    assert part.column("uid").to_pylist() == ["1", "2", None, "4", "5", "6", "7.5"]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"uid": b"\x01" * 16}, (None, None, "01" * 16, None)),
        ({"image_path": "000000012", "caption": "a cat"}, (None, "a cat", None, "000000012")),
        ({"image_path": "12", "caption": 3}, (None, None, None, "12")),
        ({"url": "http://a.test/", "uid": "x"}, (None, None, "x", None)),
        ({"url": "http://a.test/"}, ("http://a.test/", "", None, None)),
    ],
)
def test_tables_say_more_or_less(tmp_path: Path, row: dict[str, Any], told: tuple[Any, ...]) -> None:
    kinds = {"uid": pa.binary(16)} if isinstance(row.get("uid"), bytes) else {}
    write_numbered(tmp_path, 0, [row], drawn(1, 4, 1), drawn(1, 4, 2))
    columns = {name: pa.array([value], kinds.get(name)) for name, value in row.items()}
    pq.write_table(pa.table(columns), tmp_path / "metadata" / "metadata_0.parquet")
    (part,) = described(look(tmp_path).files[0])
    assert tuple(part.column(name)[0].as_py() for name in ("url", "alt_text", "uid", "path")) == told
    assert (part.column("reason")[0].as_py() is None) == (told[0] is not None)


def test_a_table_that_names_nothing_is_refused(tmp_path: Path) -> None:
    write_numbered(tmp_path, 0, [{"width": 3, "similarity": 0.5}], drawn(1, 4, 1), drawn(1, 4, 2))
    with pytest.raises(SourceError, match="names no pairs"):
        list(described(look(tmp_path).files[0]))


def no_text(folder: Path) -> None:
    shutil.rmtree(folder / "text_emb")


def no_table(folder: Path) -> None:
    (folder / "metadata" / "metadata_1.parquet").unlink()


def short_table(folder: Path) -> None:
    write_table(folder / "metadata" / "metadata_1.parquet", named(3, 1))


def other_dimension(folder: Path) -> None:
    np.save(folder / "text_emb" / "text_emb_1.npy", drawn(2, 9, 1))


def twice(folder: Path) -> None:
    shutil.copy(folder / "img_emb" / "img_emb_1.npy", folder / "img_emb" / "img_emb_01.npy")


def damaged(folder: Path) -> None:
    (folder / "metadata" / "metadata_1.parquet").write_bytes(b"PAR1")


def pickled(folder: Path) -> None:
    np.save(folder / "img_emb" / "img_emb_0.npy", np.array([[{}]], dtype=object), allow_pickle=True)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (no_text, "has no text_emb of its number"),
        (no_table, "has no metadata of its number"),
        (short_table, r"img_emb_1.npy has 2 rows, and .*metadata_1.parquet describes 1"),
        (other_dimension, r"text_emb_1.npy has 9 numbers a row, and .*img_emb_0.npy has 8"),
        (twice, "are both number 1"),
        (damaged, r"metadata_1.parquet is no parquet file"),
        (pickled, r"img_emb_0.npy holds \|O"),
    ],
)
def test_a_folder_that_is_not_whole_is_refused(tmp_path: Path, change: Callable[[Path], None], said: str) -> None:
    folder = numbered(tmp_path / "in", 3, 2)
    change(folder)
    with pytest.raises(SourceError, match=said) as told:
        look(folder)
    assert told.value.hint


def test_what_is_no_folder_of_embeddings(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no folder of embeddings"):
        look(tmp_path / "nowhere")
    with pytest.raises(SourceError, match="holds no embeddings"):
        look(tmp_path)
    np.save(tmp_path / "00000.npy", drawn(2, 4, 1))
    with pytest.raises(SourceError, match="none called img_emb_N"):
        look(tmp_path)
    np.savez(tmp_path / "a.npz", b32_img=drawn(2, 4, 1))
    with pytest.raises(SourceError, match="no two arrays"):
        look(tmp_path)
    np.savez(tmp_path / "a.npz", b32_img=drawn(2, 4, 1), b32_txt=drawn(2, 4, 1))
    with pytest.raises(SourceError, match=r"a\.npz has no a\.parquet beside it"):
        look(tmp_path)
    with pytest.raises(UsageError, match="--arrays says nothing"):
        look(numbered(tmp_path / "in", 1), "b32")


def test_links_to_folders_and_hidden_ones_are_not_followed(tmp_path: Path) -> None:
    folder = numbered(tmp_path / "in", 2)
    (folder / "again").symlink_to(folder)
    shutil.copytree(folder / "img_emb", folder / ".img_emb")
    assert len(look(folder).files) == 1


def test_an_array_that_changed_meanwhile_is_told(tmp_path: Path) -> None:
    folder = numbered(tmp_path / "in", 2)
    (file,) = look(folder).files
    np.save(folder / "img_emb" / "img_emb_0.npy", drawn(3, 8, 1))
    with pytest.raises(SourceError, match="has changed: 3 rows"):
        file.arrays()
