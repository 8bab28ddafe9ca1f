"""Scenes of the picture world, and how they are drawn.

    scene = random_scene(stream(1, "example"))                          # Scene(shape='star', colour='red', ...)
    image = draw(scene, stream(1, "example.picture"), side=64)         # PIL RGB image, 64 x 64
    jpeg = encode(image, quality=90)                                   # about 2 kB

10 shapes x 8 colours x 4 textures x 1 to 3 of them x 3 backgrounds: 2,880 scenes. Rotation, size, place, tone and the
phase of the texture are random, so two pictures of one scene differ. Shapes are drawn at twice the side and averaged
down; textures are cut from antialiased sheets that are made once per side. About 9,000 pictures of 64 px a CPU
second, 6,000 with the JPEG. The same generator gives the same pixels; the JPEG bytes also depend on the JPEG library
Pillow was built with. Not a stand-in for photographs: a model that reads this world has learnt nothing about another.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from vlcorpus.world.chance import pick

SHAPES = ("circle", "ring", "square", "triangle", "star", "heart", "bar", "crescent", "arrow", "bolt")
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "black")
TEXTURES = ("solid", "striped", "dotted", "checked")
COUNTS = (1, 2, 3)
BACKGROUNDS = ("plain", "shaded", "speckled")

_RGB = {
    "red": (214, 30, 36),
    "orange": (245, 130, 20),
    "yellow": (246, 215, 30),
    "green": (40, 150, 60),
    "blue": (35, 80, 205),
    "purple": (120, 45, 160),
    "pink": (245, 120, 175),
    "black": (24, 24, 26),
}
# Light colours take a dark pattern and dark colours a light one, so that the texture shows on all.
_DARK_PATTERN = frozenset(("orange", "yellow", "pink"))
_TURNS = 8  # rotations of a texture sheet that are kept
_LEAN = 0.08  # of a full turn, to either side


@dataclass(frozen=True)
class Scene:
    """What a picture shows. `count` of the same shape, colour and texture stand before one background."""

    shape: str
    colour: str
    texture: str
    count: int
    background: str


def random_scene(rng: np.random.Generator) -> Scene:
    """A scene, all 2,880 equally likely."""
    return Scene(pick(rng, SHAPES), pick(rng, COLOURS), pick(rng, TEXTURES), pick(rng, COUNTS), pick(rng, BACKGROUNDS))


def draw(scene: Scene, rng: np.random.Generator, side: int = 64) -> Image.Image:
    """The scene as an RGB image of side x side pixels (32 to 128 are sensible; below 32 textures blur)."""
    chance = iter(rng.random(32).tolist())
    picture = _background(scene.background, side, next(chance), next(chance), next(chance), next(chance))
    red, green, blue = (_byte(channel + 30 * next(chance) - 15) for channel in _RGB[scene.colour])

    large = 2 * side
    mask = Image.new("L", (large, large), 0)
    pen = ImageDraw.Draw(mask)
    solid, hole = _outline(scene.shape)
    for x, y, radius in _places(scene.count, [next(chance) for _ in range(6)]):
        turn = 2 * math.pi * _LEAN * (2 * next(chance) - 1)
        placed = np.array(((math.cos(turn), math.sin(turn)), (-math.sin(turn), math.cos(turn)))) * (radius * large)
        centre = np.array((x * large, y * large))
        pen.polygon((solid @ placed + centre).ravel().tolist(), fill=255)
        if hole is not None:
            pen.polygon((hole @ placed + centre).ravel().tolist(), fill=0)
    mask = mask.reduce(2)
    picture.paste((red, green, blue), (0, 0, side, side), mask)

    if scene.texture != "solid":
        sheet = _sheets(scene.texture, side)[int(next(chance) * _TURNS)]
        left, top = int(next(chance) * side), int(next(chance) * side)
        pattern = ImageChops.multiply(mask, sheet.crop((left, top, left + side, top + side)))
        other = (red // 4, green // 4, blue // 4)
        if scene.colour not in _DARK_PATTERN:
            other = (255 - (255 - red) // 5, 255 - (255 - green) // 5, 255 - (255 - blue) // 5)
        picture.paste(other, (0, 0, side, side), pattern)
    return picture


def encode(image: Image.Image, quality: int = 90) -> bytes:
    """The image as a baseline JPEG."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _byte(value: float) -> int:
    return max(0, min(255, int(value)))


def _places(count: int, chance: list[float]) -> list[tuple[float, float, float]]:
    """(x, y, radius) of each shape as fractions of the side: apart, and inside but for the tips of stars and bolts."""
    if count == 1:
        radius = 0.26 + 0.14 * chance[0]
        room = 0.5 - radius
        return [(0.5 + (2 * chance[1] - 1) * room, 0.5 + (2 * chance[2] - 1) * room, radius)]
    radius = (0.185 if count == 2 else 0.16) + 0.035 * chance[0]
    distance = 0.245 + 0.025 * chance[1]
    angle = 2 * math.pi * chance[2]
    shift_x, shift_y = 0.03 * (chance[3] - 0.5), 0.03 * (chance[4] - 0.5)
    step = 2 * math.pi / count
    return [
        (
            0.5 + shift_x + distance * math.cos(angle + number * step),
            0.5 + shift_y + distance * math.sin(angle + number * step),
            radius,
        )
        for number in range(count)
    ]


def _arc(start: float, stop: float, points: int, radius: float = 1.0, x: float = 0.0, y: float = 0.0) -> np.ndarray:
    """Points on an arc, in turns."""
    angles = 2 * np.pi * np.linspace(start, stop, points)
    return np.stack((x + radius * np.cos(angles), y + radius * np.sin(angles)), axis=1)


@cache
def _outline(shape: str) -> tuple[np.ndarray, np.ndarray | None]:
    """float64 (points, 2) outline within the unit circle, and that of a hole."""
    if shape == "circle":
        return _arc(0, 1, 33)[:-1] * 0.92, None
    if shape == "ring":
        return _arc(0, 1, 33)[:-1], _arc(0, 1, 33)[:-1] * 0.55
    if shape == "square":
        return _arc(0.125, 1.125, 5)[:-1] * 1.05, None
    if shape == "triangle":
        return _arc(0.25, 1.25, 4)[:-1] * 1.1, None
    if shape == "star":
        points = _arc(0.25, 1.25, 11)[:-1]
        points[1::2] *= 0.42
        return points * 1.1, None
    if shape == "heart":
        turn = 2 * np.pi * np.linspace(0, 1, 37)[:-1]
        across = 16 * np.sin(turn) ** 3
        down = 13 * np.cos(turn) - 5 * np.cos(2 * turn) - 2 * np.cos(3 * turn) - np.cos(4 * turn)
        return np.stack((across, -down - 2), axis=1) / 16, None
    if shape == "bar":
        return np.array(((-1.0, -0.28), (1.0, -0.28), (1.0, 0.28), (-1.0, 0.28))), None
    if shape == "crescent":
        # The inner arc has the outer one's end points and a centre to the right.
        outer = _arc(0.17, 0.83, 25)
        middle = float(outer[0, 0])
        reach = float(outer[0, 1])
        x = middle + 0.42
        angle = math.atan2(reach, middle - x) / (2 * math.pi)
        inner = _arc(1 - angle, angle, 17, math.hypot(reach, 0.42), x)
        return np.concatenate((outer, inner)) + np.array((0.25, 0.0)), None
    if shape == "arrow":
        right = [(-1.0, 0.22), (0.05, 0.22), (0.05, 0.72), (1.0, 0.0)]
        return np.array(right + [(x, -y) for x, y in reversed(right[:-1])]), None
    if shape == "bolt":
        half = [(0.2, -1.2), (-0.7, 0.25), (-0.05, 0.25)]
        return np.array(half + [(-x, -y) for x, y in half]), None
    raise KeyError(shape)


def _background(kind: str, side: int, tone: float, tint: float, x: float, y: float) -> Image.Image:
    grey = 150 + 95 * tone
    warm = 24 * tint - 12
    light = (_byte(grey + warm), _byte(grey), _byte(grey - warm))
    picture = Image.new("RGB", (side, side), light)
    if kind == "shaded":
        picture.paste(tuple(channel * 5 // 10 for channel in light), (0, 0), _ramps(side)[int(x * _TURNS)])
    elif kind == "speckled":
        left, top = int(x * 3 * side), int(y * 3 * side)
        specks = _specks(side).crop((left, top, left + side, top + side))
        picture.paste(tuple(channel * 5 // 10 for channel in light), (0, 0), specks)
    return picture


@cache
def _ramps(side: int) -> tuple[Image.Image, ...]:
    """Linear ramps, 0 to 255, in `_TURNS` directions."""
    rows, columns = np.mgrid[0:side, 0:side] / (side - 1) - 0.5
    ramps = []
    for turn in range(_TURNS):
        angle = 2 * math.pi * turn / _TURNS
        along = columns * math.cos(angle) + rows * math.sin(angle)
        ramps.append(Image.fromarray(np.uint8(255 * (along - along.min()) / (along.max() - along.min()))))
    return tuple(ramps)


@cache
def _specks(side: int) -> Image.Image:
    """A sheet of random dark specks, 4 side x 4 side, the specks about 1/32 of the side wide."""
    wide = max(1, side // 32)
    cells = np.random.Generator(np.random.PCG64(7)).random((4 * side // wide + 1,) * 2)
    specks = np.where(cells < 0.16, 255.0, 0.0).repeat(wide, axis=0).repeat(wide, axis=1)[: 4 * side, : 4 * side]
    return Image.fromarray(specks.astype(np.uint8))


@cache
def _sheets(texture: str, side: int) -> tuple[Image.Image, ...]:
    """Sheets of a texture, 2 side x 2 side, one per rotation: 255 where the second colour shows."""
    period = side / 7.5
    fine = 3  # samples per pixel and axis
    steps = (np.arange(2 * side * fine) + 0.5) / fine
    rows, columns = np.meshgrid(steps, steps, indexing="ij")
    sheets = []
    for turn in range(_TURNS):
        angle = math.pi * turn / _TURNS
        along = (columns * math.cos(angle) + rows * math.sin(angle)) / period
        across = (rows * math.cos(angle) - columns * math.sin(angle)) / period
        if texture == "striped":
            hit = along % 1 < 0.4
        elif texture == "checked":
            hit = (np.floor(along * 1.2) + np.floor(across * 1.2)) % 2 == 0
        else:
            hit = (along % 1 - 0.5) ** 2 + (across % 1 - 0.5) ** 2 < 0.25**2
        shown = hit.reshape(2 * side, fine, 2 * side, fine).mean(axis=(1, 3))
        sheets.append(Image.fromarray(np.uint8(255 * shown)))
    return tuple(sheets)
