"""Tiny coloured shapes with captions, and a suite about them on disk."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

COLOURS = {"red": (220, 40, 40), "green": (40, 180, 60), "blue": (50, 70, 220), "white": (240, 240, 240)}
SHAPES = ("square", "disc", "bar", "cross")
TEMPLATES = ("a {} {}", "a photo of a {} {}", "{} {} on a dark ground", "one {} {}, drawn")
CLASSES = [f"{colour} {shape}" for colour in COLOURS for shape in SHAPES]


def shape(generator: np.random.Generator, colour: str, form: str) -> NDArray[np.uint8]:
    """(32, 32, 3): one shape somewhere on a dark ground."""
    picture = np.full((32, 32, 3), generator.integers(0, 90, 3), np.float64)
    size = int(generator.integers(7, 12))
    middle = generator.integers(size + 1, 31 - size, 2)
    down, right = np.abs(np.mgrid[:32, :32] - middle[:, None, None])
    inside = {
        "square": np.maximum(down, right) < size * 0.85,
        "disc": down**2 + right**2 < size**2,
        "bar": (down < size * 0.35) & (right < size),
        "cross": (np.minimum(down, right) < size * 0.3) & (np.maximum(down, right) < size),
    }[form]
    picture[inside] = COLOURS[colour]
    return np.clip(picture + generator.normal(0, 8, picture.shape), 0, 255).astype(np.uint8)


def pairs(count: int, seed: int) -> Iterator[tuple[str, NDArray[np.uint8], str, str]]:
    """(uid, rgb, caption, class)"""
    generator = np.random.default_rng(seed)
    for number in range(count):
        colour, form = list(COLOURS)[generator.integers(4)], SHAPES[generator.integers(4)]
        caption = TEMPLATES[generator.integers(4)].format(colour, form)
        yield f"{number:032x}", shape(generator, colour, form), caption, f"{colour} {form}"


def write_suite(directory: Path, count: int = 160) -> Path:
    """A suite with a task of each kind; one of its files is no picture."""
    (directory / "images").mkdir(parents=True)
    labels, captions, swapped = ["file,label"], ["file\tcaption"], ["file,right,wrong"]
    for number, (_, rgb, caption, name) in enumerate(pairs(count, 99)):
        file = f"{number}.png"
        content = io.BytesIO()
        Image.fromarray(rgb).save(content, "PNG")
        (directory / "images" / file).write_bytes(content.getvalue())
        colour, form = name.split()
        other = next(known for known in COLOURS if known != colour)
        labels.append(f"{file},{name}")
        captions.append(f"{file}\t{caption}")
        swapped.append(f"{file},{name},{other} {form}")
    (directory / "images" / "broken.png").write_bytes(b"no picture")
    labels.append("broken.png,red disc")
    (directory / "labels.csv").write_text("\n".join(labels) + "\n")
    (directory / "captions.tsv").write_text("\n".join(captions) + "\n")
    (directory / "swapped.csv").write_text("\n".join(swapped) + "\n")
    classes = "\n".join(f"      {name}: [{name}]" for name in CLASSES)
    (directory / "suite.yaml").write_text(
        "name: shapes\nversion: 3\nroot: images\ntasks:\n"
        "  - name: colour_shape\n    kind: zero_shot\n    images: labels.csv\n"
        f'    templates: ["a {{}}", "a photo of a {{c}}"]\n    classes:\n{classes}\n'
        "  - name: kinds\n    kind: linear_probe\n    images: labels.csv\n"
        "  - name: captions\n    kind: retrieval\n    images: captions.tsv\n"
        "  - name: swapped\n    kind: pair_choice\n    images: swapped.csv\n"
    )
    return directory / "suite.yaml"


def decode(content: bytes) -> NDArray[np.uint8] | None:
    """Pillow's RGB, or None."""
    try:
        return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    except OSError:
        return None
