"""The exam of the picture world: freshly drawn pictures and the tasks that are asked of a model.

    suite = write_exam(Path("exam"), pictures=2000, seed=1)

    exam/images/00000.jpg ...
    exam/exam.csv            file,caption,shape,colour,texture,count,background,colour_shape: the truth
    exam/colour_shape.csv    file,label                     likewise shape, colour, texture, count
    exam/retrieval.csv       file,caption
    exam/attribute_swap.csv  file,right,wrong,attribute     captions that differ in one attribute
    exam/suite.yaml          the tasks, with classes and prompts, written last

Tasks: zero-shot over 80 colour-shapes (balanced), shape, colour, texture and count; retrieval among 1,000 pictures;
choice between a caption and the same with one attribute changed. A class goes by its names for one and for several, as
pictures hold one to three shapes. 2,000 pictures take about 0.5 CPU seconds. They come from streams of their own: with
the same seed none is on the site or among the trusted pairs.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from vlcorpus.io.commit import explained
from vlcorpus.world.captions import COUNT_WORDS, PROMPTS, caption, full_caption, name, swapped
from vlcorpus.world.chance import order, stream
from vlcorpus.world.scene import COLOURS, COUNTS, SHAPES, TEXTURES, Scene, draw, encode, random_scene

COLUMNS = ("file", "caption", "shape", "colour", "texture", "count", "background", "colour_shape")


def write_exam(
    folder: Path, pictures: int = 2000, seed: int = 1, *, side: int = 64, quality: int = 90, limit: int = 1000
) -> Path:
    """Write the exam; returns the path of its suite.yaml.

    limit: pictures in retrieval and in attribute_swap. VlcorpusError where the disk refuses.
    """
    shown: list[tuple[str, str, Scene]] = []
    swaps: list[tuple[str, str, str, str]] = []
    with explained(folder):
        (folder / "images").mkdir(parents=True, exist_ok=True)
        for number, place in enumerate(order(stream(seed, "exam.order"), pictures)):
            rng = stream(seed, "exam", number)
            colour, shape = COLOURS[place // len(SHAPES) % len(COLOURS)], SHAPES[place % len(SHAPES)]
            drawn = random_scene(rng)
            scene = Scene(shape, colour, drawn.texture, drawn.count, drawn.background)
            file = f"images/{number:05d}.jpg"
            (folder / file).write_bytes(encode(draw(scene, rng, side), quality))
            shown.append((file, caption(scene, rng), scene))
            if number < limit:
                other, attribute = swapped(scene, rng)
                swaps.append((file, full_caption(scene), full_caption(other), attribute))
        _write_csv(
            folder / "exam.csv",
            COLUMNS,
            (
                (file, text, s.shape, s.colour, s.texture, s.count, s.background, f"{s.colour} {s.shape}")
                for file, text, s in shown
            ),
        )
        tasks: list[dict[str, Any]] = []
        for task, classes in _classes().items():
            _write_csv(folder / f"{task}.csv", ("file", "label"), ((file, _label(task, s)) for file, _, s in shown))
            tasks.append(
                {
                    "name": task,
                    "kind": "zero_shot",
                    "images": f"{task}.csv",
                    "classes": classes,
                    "templates": list(PROMPTS),
                }
            )
        _write_csv(folder / "retrieval.csv", ("file", "caption"), ((file, text) for file, text, _ in shown[:limit]))
        tasks.append({"name": "retrieval", "kind": "retrieval", "images": "retrieval.csv"})
        _write_csv(folder / "attribute_swap.csv", ("file", "right", "wrong", "attribute"), swaps)
        tasks.append({"name": "attribute_swap", "kind": "pair_choice", "images": "attribute_swap.csv"})
        suite = folder / "suite.yaml"
        stored = {"name": "picture world", "version": 1, "tasks": tasks}
        text = yaml.safe_dump(stored, sort_keys=False, default_flow_style=None, allow_unicode=True, width=120)
        suite.write_text(text, encoding="utf-8", newline="\n")
    return suite


def _classes() -> dict[str, dict[str, list[str]]]:
    """Task -> label -> names."""
    return {
        "colour_shape": {
            f"{colour} {shape}": [name(count, colour, shape) for count in COUNTS]
            for colour in COLOURS
            for shape in SHAPES
        },
        "shape": {shape: [name(count, "", shape) for count in COUNTS] for shape in SHAPES},
        "colour": {colour: [name(1, colour, shape) for shape in SHAPES] for colour in COLOURS},
        "texture": {
            texture: [name(count, texture, shape) for shape in SHAPES for count in COUNTS] for texture in TEXTURES
        },
        "count": {COUNT_WORDS[count][0]: [name(count, "", shape) for shape in SHAPES] for count in COUNTS},
    }


def _label(task: str, scene: Scene) -> str:
    if task == "colour_shape":
        return f"{scene.colour} {scene.shape}"
    if task == "count":
        return COUNT_WORDS[scene.count][0]
    return str(getattr(scene, task))


def _write_csv(path: Path, header: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    path.write_text(table.getvalue(), encoding="utf-8", newline="")
