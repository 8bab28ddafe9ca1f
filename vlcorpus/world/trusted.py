"""A clean captioned folder of the same world, as a person would bring to train a filter.

    write_trusted(Path("trusted"), pairs=3000, seed=1)

    trusted/metadata.csv              file_name,text
    trusted/images/00000.jpg ...

Every caption is true. The pictures come from streams of their own: with the same seed none of them is on the site or
in the exam. 3,000 pairs take about 0.6 CPU seconds. `metadata.csv` is written last.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

from vlcorpus.io.commit import explained
from vlcorpus.world.captions import caption
from vlcorpus.world.chance import stream
from vlcorpus.world.scene import draw, encode, random_scene


def write_trusted(folder: Path, pairs: int, seed: int, *, side: int = 64, quality: int = 90) -> Path:
    """Write the folder; returns the path of its metadata.csv. CorpusError where the disk refuses."""
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(("file_name", "text"))
    with explained(folder):
        (folder / "images").mkdir(parents=True, exist_ok=True)
        for number in range(pairs):
            rng = stream(seed, "trusted", number)
            scene = random_scene(rng)
            text = caption(scene, rng)
            name = f"images/{number:05d}.jpg"
            (folder / name).write_bytes(encode(draw(scene, rng, side), quality))
            rows.writerow((name, text))
        metadata = folder / "metadata.csv"
        metadata.write_text(table.getvalue(), encoding="utf-8", newline="")
    return metadata
