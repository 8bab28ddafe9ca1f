"""Suites of every form on disk, over the coloured shapes of `drawn`."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from tests.probe.drawn import pairs
from vlcorpus.io.tar import ShardWriter

NAMES = ("red square", "red disc", "green square", "blue bar", "white cross")


def png(rgb: np.ndarray) -> bytes:
    body = io.BytesIO()
    Image.fromarray(rgb).save(body, "PNG")
    return body.getvalue()


def drawn(count: int, seed: int = 5) -> list[tuple[bytes, str, str]]:
    """(PNG, caption, class)"""
    return [(png(rgb), caption, name) for _, rgb, caption, name in pairs(count, seed)]


def array(values: object) -> bytes:
    body = io.BytesIO()
    np.save(body, np.asarray(values))
    return body.getvalue()


def write_tars(
    folder: Path, samples: Sequence[Mapping[str, bytes]], lists: Mapping[str, str], *, size: int = 8
) -> Path:
    """CLIP_benchmark's layout: `size` samples a tar, in test/."""
    (folder / "test").mkdir(parents=True)
    for name, content in lists.items():
        (folder / name).write_text(content)
    for number, start in enumerate(range(0, len(samples), size)):
        with (folder / "test" / f"{number}.tar").open("wb") as file:
            writer = ShardWriter(file)
            for place, members in enumerate(samples[start : start + size], start):
                writer.add(f"s{place:07d}", members)
            writer.close()
    (folder / "test" / "nshards.txt").write_text(f"{-(-len(samples) // size)}\n")
    return folder


def write_classes(folder: Path, count: int = 24) -> Path:
    """A folder a class, as red_square/3.png."""
    for number, (body, _, name) in enumerate(drawn(count)):
        place = folder / name.replace(" ", "_")
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number}.png").write_bytes(body)
    return folder


def write_parquet(path: Path, count: int = 24, *, rows_of_a_group: int = 7) -> Path:
    """A table as `datasets` writes it: image as a struct, several captions, class by number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shown = drawn(count)
    names = sorted({name for _, _, name in shown})
    label = {"_type": "ClassLabel", "names": names}
    schema = pa.schema(
        [
            ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
            ("caption", pa.list_(pa.string())),
            ("label", pa.int64()),
            ("colours", pa.list_(pa.string())),
        ],
        metadata={"huggingface": json.dumps({"info": {"features": {"label": label}}})},
    )
    table = pa.table(
        {
            "image": [{"bytes": body, "path": "x.png"} for body, _, _ in shown],
            "caption": [[caption, f"{name} once more"] for _, caption, name in shown],
            "label": [names.index(name) for _, _, name in shown],
            "colours": [name.split()[:1] for _, _, name in shown],
        },
        schema=schema,
    )
    pq.write_table(table, path, row_group_size=rows_of_a_group)
    return path
