"""Index files: they find what the exact scan finds, faiss opens them, and a wrong or hostile one is refused."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import faiss
import numpy as np
import pytest

from tests.knn.plain import build_index, index_bytes, recall, search
from vlcorpus.errors import SourceError
from vlcorpus.knn import quantised
from vlcorpus.knn.index_file import read
from vlcorpus.knn.scan import top


def unit(seed: int, n: int, d: int = 32) -> np.ndarray:
    x = np.random.default_rng(seed).standard_normal((n, d))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float16)


def made(key: str, x: np.ndarray, metric: int = faiss.METRIC_INNER_PRODUCT) -> faiss.Index:
    index = faiss.index_factory(x.shape[1], key, metric)
    index.train(x.astype(np.float32))
    index.add(x.astype(np.float32))
    return index


@pytest.mark.parametrize("key", ["SQfp16", "Flat"])
def test_finds_what_the_scan_finds(tmp_path: Path, key: str) -> None:
    shards = [unit(0, 300), unit(1, 5000)]
    path = tmp_path / "image.index"
    faiss.write_index(build_index(shards, key), str(path))
    queries = unit(2, 20).astype(np.float32)
    scores, rows = search(read(path, dimension=32, vectors=5300), queries, 10)
    exact_scores, exact_rows = top(shards, queries, 10)
    assert recall(rows, exact_rows) == 1.0
    assert np.abs(scores - exact_scores).max() < 1e-6


FOREIGN = [
    "Flat", "SQ8", "SQ4", "SQ6", "SQbf16", "PQ8x4", "RaBitQ", "HNSW16", "HNSW16_SQ8", "IVF8,Flat", "IVF8,SQ8",
    "IVF8,PQ8x4", "IVF8_HNSW16,PQ8x4", "OPQ8_32,IVF8,PQ8x4", "OPQ8,IVF8_HNSW8,PQ8x4fs", "PCA16,Flat", "RR32,SQfp16",
    "IVF8,RaBitQ",
]  # fmt: skip


@pytest.mark.parametrize("mapped", [True, False])
@pytest.mark.parametrize("key", FOREIGN)
def test_indices_of_other_kinds_open_too(tmp_path: Path, key: str, mapped: bool) -> None:
    x = unit(0, 700)
    index = made(key, x)
    faiss.write_index(index, str(tmp_path / "image.index"))
    opened = read(tmp_path / "image.index", dimension=32, vectors=700, mapped=mapped)
    queries = unit(1, 20).astype(np.float32)
    np.testing.assert_array_equal(search(opened, queries, 10)[1], search(index, queries, 10)[1])


def on_disk(folder: Path, x: np.ndarray) -> Path:
    """Lists merged on disk, as clip-retrieval's index_combiner leaves them."""
    from faiss.contrib.ondisk import merge_ondisk

    folder.mkdir()
    empty = faiss.index_factory(32, "IVF8,SQ8", faiss.METRIC_INNER_PRODUCT)
    empty.train(x.astype(np.float32))
    blocks = []
    for number, part in enumerate(np.array_split(x, 2)):
        block = faiss.clone_index(empty)
        start = sum(len(each) for each in np.array_split(x, 2)[:number])
        block.add_with_ids(part.astype(np.float32), np.arange(start, start + len(part)))
        blocks.append(str(folder.parent / f"block_{number}"))
        faiss.write_index(block, blocks[-1])
    merge_ondisk(empty, blocks, str(folder / "merged_index.ivfdata"))
    faiss.write_index(empty, str(folder / "populated.index"))
    return folder


def test_a_folder_of_lists_on_disk(tmp_path: Path) -> None:
    x = unit(0, 500)
    folder = on_disk(tmp_path / "image.index", x).rename(tmp_path / "moved.index")
    index = read(folder, dimension=32, vectors=500)
    faiss.extract_index_ivf(index).nprobe = 8
    rows = search(index, x[:50].astype(np.float32), 1)[1]
    assert (rows[:, 0] == np.arange(50)).mean() > 0.9
    with pytest.raises(SourceError, match="memory-mapped"):
        quantised.append(index, [x])
    (folder / "merged_index.ivfdata").unlink()
    with pytest.raises(SourceError, match="faiss can read"):
        read(folder, dimension=32, vectors=500)
    with pytest.raises(SourceError, match="cannot be read"):
        read(tmp_path, dimension=32, vectors=500)


def test_lists_on_disk_are_only_looked_for_beside_the_index(tmp_path: Path) -> None:
    """A file may name any path of the reader's machine."""
    x = unit(0, 500)
    folder = on_disk(tmp_path / "there", x)
    alone = tmp_path / "alone"
    alone.mkdir()
    (folder / "populated.index").rename(alone / "image.index")
    assert str(folder).encode() in (alone / "image.index").read_bytes()
    with pytest.raises(SourceError):
        read(alone / "image.index", dimension=32, vectors=500)


def test_wrong_and_damaged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "image.index"
    faiss.write_index(build_index([unit(0, 100)]), str(path))
    good = path.read_bytes()
    for dimension, rows in ((32, 99), (16, 100)):
        with pytest.raises(SourceError, match="holds 100 vectors of 32"):
            read(path, dimension=dimension, vectors=rows)
    huge = good[:4] + struct.pack("<iq", 32, 2**50) + good[16:]
    for bad, rows in (
        (b"", 100),
        (good[:20], 100),
        (good[:-1000], 100),
        (good + b"x" * 9999, 100),
        (b"<html>" * 99, 100),
        (huge, 2**50),
    ):
        path.write_bytes(bad)
        with pytest.raises(SourceError):
            read(path, dimension=32, vectors=rows)
    with pytest.raises(SourceError, match="cannot be read"):
        read(tmp_path / "none.index", dimension=32, vectors=100)


@pytest.mark.parametrize("key", ["Flat", "HNSW16", "IVF8,Flat", "PCA16,Flat"])
def test_another_distance_is_refused_in_plain_words(tmp_path: Path, key: str) -> None:
    faiss.write_index(made(key, unit(0, 400), faiss.METRIC_L2), str(tmp_path / "image.index"))
    with pytest.raises(SourceError, match="L2") as caught:
        read(tmp_path / "image.index", dimension=32, vectors=400)
    assert "metric_type='ip'" in caught.value.hint


@pytest.mark.parametrize("key", ["IDMap,Flat", "IDMap2,IVF8,Flat", "NSG16", "IVF8,Flat,Refine(SQ8)", "L2norm,Flat"])
def test_kinds_that_are_not_read_here(tmp_path: Path, key: str) -> None:
    x = unit(0, 400)
    index = faiss.index_factory(32, key, faiss.METRIC_INNER_PRODUCT)
    index.train(x.astype(np.float32))
    add = index.add_with_ids if key.startswith("IDMap") else lambda rows, _: index.add(rows)
    add(x.astype(np.float32), np.arange(400))
    faiss.write_index(index, str(tmp_path / "image.index"))
    with pytest.raises(SourceError, match="not read here"):
        read(tmp_path / "image.index", dimension=32, vectors=400)


def nested(tmp_path: Path) -> list[bytes]:
    x = unit(0, 400)
    files = []
    for index in (
        *(made(key, x) for key in ("OPQ4_16,IVF8,PQ4x4", "IVF8_HNSW8,PQ4x4", "HNSW8_SQ8", "PCA16,Flat", "IVF8,Flat")),
        *(quantised.build([x], kind) for kind in ("rabitq", "ivf", "hnsw")),
    ):
        files.append(index_bytes(index))
    return files


@pytest.mark.parametrize("end", [0.02, 0.3, 0.7, 0.999])
def test_a_file_that_ends_too_soon(tmp_path: Path, end: float) -> None:
    path = tmp_path / "image.index"
    for good in nested(tmp_path):
        path.write_bytes(good[: int(len(good) * end)])
        for mapped in (True, False):
            with pytest.raises(SourceError):
                read(path, dimension=32, vectors=400, mapped=mapped)


HOSTILE = """
import resource, struct, sys
from pathlib import Path
import faiss
from vlcorpus.errors import SourceError
from vlcorpus.knn.index_file import read
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
folder = Path(sys.argv[1])
opened = refused = 0
for file in sorted(folder.glob("good_*")):
    good = file.read_bytes()
    # Every number of the heads is made absurd, 1 byte after the other.
    for place in [*range(0, min(len(good) - 8, 200)), *range(200, len(good) - 8, max(1, len(good) // 50))]:
        for value in (2**62, 2**40, 2**31 - 1):
            bad = good[:place] + struct.pack("<q", value) + good[place + 8 :]
            (folder / "bad").write_bytes(bad)
            try:
                read(folder / "bad", dimension=32, vectors=400, mapped=place % 2 == 0)
                opened += 1
            except SourceError:
                refused += 1
# Not getrusage: what it says is at least what the parent held.
status = Path("/proc/self/status").read_text()
print(opened, refused, status.partition("VmHWM:")[2].split()[0])
"""


def test_absurd_numbers_anywhere_in_a_file_allocate_nothing(tmp_path: Path) -> None:
    for number, good in enumerate(nested(tmp_path)):
        (tmp_path / f"good_{number}").write_bytes(good)
    done = subprocess.run(
        [sys.executable, "-c", HOSTILE, str(tmp_path)], capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )
    assert done.returncode == 0, done.stderr[-2000:]
    opened, refused, peak = map(int, done.stdout.split())
    assert refused > opened / 4 and peak < 400_000


def test_the_limits_of_faiss_are_put_back(tmp_path: Path) -> None:
    before = faiss.get_deserialization_vector_byte_limit(), faiss.get_deserialization_loop_limit()
    (tmp_path / "image.index").write_bytes(nested(tmp_path)[1][:-200])
    with pytest.raises(SourceError):
        read(tmp_path / "image.index", dimension=32, vectors=400)
    assert (faiss.get_deserialization_vector_byte_limit(), faiss.get_deserialization_loop_limit()) == before
