from __future__ import annotations

import csv
from pathlib import Path

from PIL import Image

from vlcorpus.world.site import WorldSettings, write_site
from vlcorpus.world.trusted import write_trusted


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_trusted_folder_has_a_row_for_each_picture(tmp_path: Path) -> None:
    table = write_trusted(tmp_path / "a", 40, seed=1)
    assert write_trusted(tmp_path / "b", 40, seed=1) == tmp_path / "b" / "metadata.csv"
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    with table.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert list(rows[0]) == ["file_name", "text"]
    assert {row["file_name"] for row in rows} == {
        f"images/{path.name}" for path in (tmp_path / "a" / "images").iterdir()
    }
    assert len(rows) == 40 and all(row["text"] for row in rows)
    with Image.open(table.parent / rows[0]["file_name"]) as image:
        assert image.size == (64, 64)


def test_no_picture_is_on_the_site_of_the_same_seed(tmp_path: Path) -> None:
    write_trusted(tmp_path / "trusted", 40, seed=1)
    site = write_site(tmp_path / "world", WorldSettings(pairs=40, seed=1))
    trusted = {path.read_bytes() for path in (tmp_path / "trusted" / "images").iterdir()}
    assert len(trusted) == 40
    assert not trusted & {path.read_bytes() for path in (site.root / "images").iterdir()}
