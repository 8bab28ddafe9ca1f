"""The subset file is DataComp's: as numpy's own save would write it, and as resharder.py looks into it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from vlcorpus.errors import CorpusError
from vlcorpus.io import subset
from vlcorpus.io.commit import Commit

Uids = npt.NDArray[np.uint8]


def drawn(rng: np.random.Generator, count: int, *, alike: int = 0) -> Uids:
    """Uids of which the first `alike` bytes are the same."""
    uids = rng.integers(0, 256, (count, 16), dtype=np.uint8)
    uids[:, :alike] = 7
    return uids


def slowly(uids: Uids, copies: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """The entries, by the obvious rule."""
    most: dict[bytes, int] = {}
    for uid, often in zip(map(bytes, uids), copies.tolist(), strict=True):
        most[uid] = max(often, most.get(uid, 0))
    return [
        (int.from_bytes(uid[:8], "big"), int.from_bytes(uid[8:], "big"))
        for uid in sorted(most)
        for _ in range(most[uid])
    ]


def made(folder: Path, parts: list[tuple[Any, ...]]) -> subset.Listed:
    with Commit(folder, "x.json") as commit, subset.Gathering(folder) as gathering:
        for part in parts:
            gathering.add(*part)
        listed = gathering.arrange()
        with commit.file("x.npy") as sink:
            gathering.write(sink)
        commit.done({})
    return listed


@pytest.mark.parametrize("alike", [0, 4, 8, 12])
@pytest.mark.parametrize("sizes", [[0], [1], [3, 0, 5], [400] * 9, [5000, 1]])
def test_entries_are_those_of_the_obvious_rule(
    tmp_path: Path, alike: int, sizes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("_LEAST_RUN", 700), ("_MOST_RUN", 900), ("_RANGE", 300), ("_SAMPLED", 16), ("_COPIED", 1000)):
        monkeypatch.setattr(subset, name, value)
    rng = np.random.default_rng(len(sizes) + alike)
    parts = [drawn(rng, size, alike=alike) for size in sizes]
    parts.append(parts[0][: len(parts[0]) // 2])  # again
    copies = [rng.integers(1, 4, len(part)) for part in parts]
    listed = made(tmp_path, list(zip(parts, copies, strict=True)))
    wanted = slowly(np.concatenate(parts), np.concatenate(copies))
    found = np.load(tmp_path / "x.npy")
    assert found.tolist() == wanted
    assert listed == subset.Listed(len(wanted), len(set(wanted)), sum(map(len, parts)) - len(set(wanted)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.json", "x.npy"], "no temporary file stays"


def test_bytes_are_those_of_numpy(tmp_path: Path) -> None:
    uids = drawn(np.random.default_rng(0), 1000)
    made(tmp_path, [(uids,)])
    wanted = np.array(slowly(uids, np.ones(1000, np.int64)), np.dtype("u8,u8"))
    np.save(tmp_path / "wanted.npy", wanted)
    assert (tmp_path / "x.npy").read_bytes() == (tmp_path / "wanted.npy").read_bytes()
    found = np.load(tmp_path / "x.npy")
    assert found.dtype == np.dtype("u8,u8") == np.dtype([("f0", "<u8"), ("f1", "<u8")])
    assert subset.ordered(subset.read(tmp_path / "x.npy"))


def test_resharder_finds_how_often_a_uid_is_taken(tmp_path: Path) -> None:
    """resharder.py: uid = int(hex, 16); a = (uid // 2**64, uid % 2**64); searchsorted right less left."""
    uids = drawn(np.random.default_rng(1), 50)
    copies = np.arange(50) % 4
    made(tmp_path, [(uids[copies > 0], copies[copies > 0])])
    entries = np.load(tmp_path / "x.npy")
    for uid, often in zip(uids, copies, strict=True):
        number = int(bytes(uid).hex(), 16)
        asked = np.array([divmod(number, 2**64)], np.dtype("u8,u8"))
        left, right = (np.searchsorted(entries, asked, side=side)[0] for side in ("left", "right"))
        assert right - left == often


def test_shards_and_their_order_do_not_matter(tmp_path: Path) -> None:
    uids = drawn(np.random.default_rng(2), 3000)
    copies = np.random.default_rng(3).integers(1, 3, 3000)
    turn = np.random.default_rng(4).permutation(3000)
    made(tmp_path / "one", [(uids, copies)])
    made(tmp_path / "many", [(uids[rows], copies[rows]) for rows in np.array_split(turn, 7)])
    assert (tmp_path / "one" / "x.npy").read_bytes() == (tmp_path / "many" / "x.npy").read_bytes()


@pytest.mark.parametrize("alike", [0, 4, 6, 8, 15])
def test_order_is_that_of_the_bytes(alike: int) -> None:
    uids = drawn(np.random.default_rng(alike), 2000, alike=alike)
    found = [bytes(uid) for uid in uids[subset.order(*subset.halves(uids))]]
    assert found == sorted(map(bytes, uids))
    assert len(subset.order(*subset.halves(uids[:0]))) == 0


@pytest.mark.parametrize("alike", [0, 8, 15])
def test_uids_are_found(alike: int) -> None:
    rng = np.random.default_rng(alike)
    held = np.array(sorted({bytes(uid) for uid in drawn(rng, 300, alike=alike)}), "S16")
    held = np.frombuffer(b"".join(uid.ljust(16, b"\0") for uid in held.tolist()), np.uint8).reshape(-1, 16)
    asked = np.concatenate([held[::3], drawn(rng, 300, alike=alike), drawn(rng, 5)])
    place = {bytes(uid): number for number, uid in enumerate(held)}
    found = subset.find(*subset.halves(held), *subset.halves(asked))
    assert found.tolist() == [place.get(bytes(uid), -1) for uid in asked]
    assert subset.find(*subset.halves(held[:0]), *subset.halves(asked)).tolist() == [-1] * len(asked)


def test_hex_texts_are_padded_on_the_left() -> None:
    full = "00112233445566778899aabbccddeeff"
    texts = [full, full.upper(), "1", "abc", "", None, full + "0", "g" * 32, "0x12", " 12", "é" * 16, "é", "ab\0", "-1"]
    uids, good = subset.from_hex(pa.array(texts))
    assert good.tolist() == [True] * 4 + [False] * 10
    assert [bytes(uid).hex() for uid in uids[:4]] == [full, full, "1".rjust(32, "0"), "abc".rjust(32, "0")]
    assert not uids[4:].any()
    for start, stop in ((0, 2), (1, 4), (2, 2), (0, 14)):
        part, fine = subset.from_hex(pa.array(texts).slice(start, stop - start))
        assert (part == uids[start:stop]).all() and (fine == good[start:stop]).all()


def test_what_is_no_subset_file(tmp_path: Path) -> None:
    np.save(tmp_path / "half.npy", np.zeros((3, 4), np.float16))
    np.save(tmp_path / "objects.npy", np.array([{}], object), allow_pickle=True)
    (tmp_path / "text.npy").write_text("uids")
    for name in ("half.npy", "objects.npy", "text.npy", "none.npy"):
        with pytest.raises(CorpusError):
            subset.read(tmp_path / name)
    wrong = np.array([(1, 2), (1, 1)], subset.DTYPE)
    assert not subset.ordered(wrong) and subset.ordered(wrong[::-1]) and subset.ordered(wrong[:0])
