from __future__ import annotations

import io
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from PIL import Image

from vlcorpus.world.chance import stream
from vlcorpus.world.scene import BACKGROUNDS, COLOURS, COUNTS, SHAPES, TEXTURES, Scene, draw, encode, random_scene


def small(scene: Scene, number: int) -> np.ndarray:
    """(32, 32, 3) float: a picture as a probe sees it."""
    image = draw(scene, stream(1, "test.scene", number), 64).resize((32, 32), Image.Resampling.BOX)
    return np.asarray(image, np.float64)


def test_the_same_chance_draws_the_same_picture() -> None:
    scene = Scene("star", "red", "striped", 2, "speckled")
    first, second = (encode(draw(scene, stream(3, "a"), 64)) for _ in range(2))
    assert first == second
    assert encode(draw(scene, stream(4, "a"), 64)) != first


@pytest.mark.parametrize("side", [32, 48, 64, 96])
def test_every_scene_is_drawn_at_every_side(side: int) -> None:
    for number, (shape, texture, count) in enumerate(product(SHAPES, TEXTURES, COUNTS)):
        scene = Scene(shape, COLOURS[number % 8], texture, count, BACKGROUNDS[number % 3])
        image = draw(scene, stream(1, "a", number), side)
        assert (image.mode, image.size) == ("RGB", (side, side))
        with Image.open(io.BytesIO(encode(image))) as decoded:
            assert (decoded.format, decoded.size) == ("JPEG", (side, side))


def test_random_scenes_reach_every_value() -> None:
    scenes = [random_scene(stream(1, "a", number)) for number in range(400)]
    for values, column in ((SHAPES, "shape"), (COLOURS, "colour"), (TEXTURES, "texture"), (BACKGROUNDS, "background")):
        assert {getattr(scene, column) for scene in scenes} == set(values)
    assert {scene.count for scene in scenes} == set(COUNTS)


@pytest.mark.parametrize(
    "changes",
    [
        [{"shape": shape} for shape in SHAPES],
        [{"colour": colour} for colour in COLOURS],
        [{"texture": texture} for texture in TEXTURES],
        [{"count": count} for count in COUNTS],
    ],
    ids=["shape", "colour", "texture", "count"],
)
def test_values_differ_at_32_pixels(changes: list[dict[str, object]]) -> None:
    """Drawn with the same chance, scenes that differ in one value differ in plainly more than JPEG noise."""
    plain = Scene("square", "blue", "dotted", 1, "plain")
    pictures = [small(replace(plain, **change), 5) for change in changes]
    for one in range(len(pictures)):
        for other in range(one):
            assert (np.abs(pictures[one] - pictures[other]).max(axis=2) > 40).sum() >= 20, (
                changes[one],
                changes[other],
            )


def test_several_shapes_lie_apart_and_inside() -> None:
    for number in range(60):
        for count in (2, 3):
            scene = Scene("circle", "black", "solid", count, "plain")
            dark = np.asarray(draw(scene, stream(1, "apart", number), 64)).max(axis=2) < 90
            assert not (dark[0].any() or dark[-1].any() or dark[:, 0].any() or dark[:, -1].any())
            assert islands(dark) == count


def islands(mask: np.ndarray) -> int:
    """Connected regions, counted the slow way."""
    left = {(int(y), int(x)) for y, x in np.argwhere(mask)}
    found = 0
    while left:
        found += 1
        edge = [left.pop()]
        while edge:
            y, x = edge.pop()
            for near in ((y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)):
                if near in left:
                    left.remove(near)
                    edge.append(near)
    return found
