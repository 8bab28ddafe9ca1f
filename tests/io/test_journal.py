"""Journals cut anywhere, damaged, of other settings: what was whole before the cut is there, and nothing else."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from vlcorpus.io.journal import PREFIX, Journal

Kept = dict[int, tuple[dict[str, Any], dict[str, bytes]]]


def entries(seed: int = 0) -> Kept:
    rng = random.Random(seed)
    sizes = [0, 1, 255, 256, 65_535, 65_536, 70_000]

    def members() -> dict[str, bytes]:
        names = rng.sample(("jpg", "json", "txt"), rng.randrange(4))
        return {extension: rng.randbytes(rng.choice(sizes)) for extension in names}

    numbers = rng.sample(range(100), 12)
    return {n: ({"status": "success", "number": n, "message": rng.choice((None, "é😀"))}, members()) for n in numbers}


def fill(folder: Path, kept: Kept, fingerprint: str = "a") -> Path:
    with Journal(folder, "00000", fingerprint=fingerprint) as journal:
        for number, (row, members) in kept.items():
            journal.begin(number)
            journal.add(number, row, members)
            assert journal.members(number) == members
    return folder / f"{PREFIX}00000"


def held(folder: Path, fingerprint: str = "a") -> tuple[Kept, int | None]:
    with Journal(folder, "00000", fingerprint=fingerprint) as journal:
        return {number: (row, journal.members(number)) for number, row in journal.done.items()}, journal.suspect


@pytest.mark.parametrize("seed", range(5))
def test_what_was_added_is_there_again(tmp_path: Path, seed: int) -> None:
    kept = entries(seed)
    fill(tmp_path, kept)
    assert held(tmp_path) == (kept, None)
    more = {200 + number: entry for number, entry in entries(seed + 10).items()}
    fill(tmp_path, more)
    assert held(tmp_path) == (kept | more, None)


def test_a_journal_cut_anywhere_holds_what_was_whole(tmp_path: Path) -> None:
    kept = {number: ({"status": "success"}, {"jpg": bytes([number]) * number * 10}) for number in range(12)}
    path = fill(tmp_path, kept)
    whole = path.read_bytes()
    before = -1
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        found, suspect = held(tmp_path)
        assert found.items() <= kept.items() and list(found) == list(range(len(found)))
        assert len(found) >= before and suspect in (None, len(found))
        before = len(found)
        if cut % 37 == 0:  # and it can be gone on with
            fill(tmp_path, {50: kept[3]})
            assert held(tmp_path)[0] == found | {50: kept[3]}
    assert before == 12


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_journal_is_never_believed(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    kept = entries(seed)
    path = fill(tmp_path, kept)
    damaged = bytearray(path.read_bytes())
    at = rng.randrange(len(damaged))
    damaged[at : at + rng.randrange(1, 30)] = rng.randbytes(rng.randrange(1, 30))
    path.write_bytes(bytes(damaged))
    found, _ = held(tmp_path)
    assert found.items() <= kept.items()


def test_other_settings_begin_anew(tmp_path: Path) -> None:
    fill(tmp_path, entries())
    assert held(tmp_path, "b") == ({}, None)
    assert held(tmp_path, "a") == ({}, None)


def test_a_row_that_was_begun_and_not_ended_is_suspect(tmp_path: Path) -> None:
    with Journal(tmp_path, "00000", fingerprint="a") as journal:
        journal.add(1, {}, {})
        journal.begin(2)
    assert held(tmp_path) == ({1: ({}, {})}, 2)
    with Journal(tmp_path, "00000", fingerprint="a") as journal:
        assert journal.suspect == 2
        journal.add(2, {"reason": "decoder_crash"}, {})
    assert held(tmp_path)[1] is None


def test_removed_is_gone(tmp_path: Path) -> None:
    with Journal(tmp_path, "00000", fingerprint="a") as journal:
        journal.add(1, {}, {"jpg": b"x"})
        journal.remove()
        journal.remove()
    assert list(tmp_path.iterdir()) == []
