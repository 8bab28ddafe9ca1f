"""The rows of each slice are all there, in order, whatever is wanted and however little memory there is."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.placement.plainly import Seen, place
from vlcorpus.io import table
from vlcorpus.placement import travellers
from vlcorpus.placement.duplicates import REASONS, Places, Search
from vlcorpus.placement.gather import gather
from vlcorpus.placement.keys import with_identities
from vlcorpus.placement.parts import Parts
from vlcorpus.placement.slices import cut


def draw(rng: random.Random, count: int, images: int) -> list[dict[str, Any]]:
    return [
        {
            "url": f"http://a.test/{rng.randrange(images)}.jpg",
            "alt_text": f"text {rng.randrange(3)}",
            "context": "x" * rng.randrange(50),
            "reason": "bad_url" if rng.random() < 0.1 else None,
        }
        for _ in range(count)
    ]


def write_parts(folder: Path, rng: random.Random, rows: list[dict[str, Any]]) -> list[Path]:
    """Some without rows, some without identities, in small row groups."""
    folder.mkdir()
    cuts = sorted(rng.choices(range(len(rows) + 1), k=4))
    paths = []
    for number, (start, stop) in enumerate(zip([0, *cuts], [*cuts, len(rows)], strict=True)):
        part = table.columns(rows[start:stop], "extracted")
        paths.append(folder / f"{number:05d}.parquet")
        pq.write_table(with_identities(part) if rng.random() < 0.7 else part, paths[-1], row_group_size=9)
    return paths


def placed(parts: Parts, folder: Path, memory: int) -> Places:
    with Search(folder, rows=parts.rows, memory=memory) as search:
        for each in parts.identities():
            search.add(*each)
        return search.places()


@pytest.mark.parametrize("seed", range(24))
def test_every_slice_has_its_rows(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(seed)
    monkeypatch.setattr(travellers, "_FILE_ROWS", rng.choice((1, 5, 65_536)))
    memory, size = rng.choice((0, 4_000, 1 << 30)), rng.choice((1, 3, 20, 1_000))
    rows = draw(rng, rng.choice((0, 1, 60, 200)), rng.choice((1, 5, 100, 10_000)))
    parts = Parts(write_parts(tmp_path / "parts", rng, rows))
    places = placed(parts, tmp_path / "work", memory)
    slices = cut(rows=parts.rows, size=size, places=places)
    plain = place([Seen((r["url"], r["alt_text"]), r["url"], "", r["reason"]) for r in rows], size=size)
    some = [number for number in range(len(slices)) if rng.random() < rng.choice((0.1, 0.5, 1.0))]
    found = list(gather(parts, slices, places, wanted=some, folder=tmp_path / "work", memory=memory))
    assert [each.number for each in found] == some
    for each in found:
        taken = each.table.take(each.order).to_pylist()
        reasons = [REASONS[why] or row["reason"] for why, row in zip(each.why.tolist(), taken, strict=True)]
        assert list(zip(each.offset.tolist(), reasons, strict=True)) == plain[each.number]
        for offset, row in zip(each.offset.tolist(), taken, strict=True):
            assert {name: row[name] for name in rows[offset]} == rows[offset]


def test_no_parts(tmp_path: Path) -> None:
    parts = Parts([])
    places = placed(parts, tmp_path, 0)
    slices = cut(rows=0, size=10, places=places)
    assert (parts.rows, len(slices)) == (0, 0)
    assert not list(gather(parts, slices, places, wanted=[], folder=tmp_path, memory=0))
