"""The pixels of a download: CPU time and nearness of each of our modes beside img2dataset's Resizer.

    python benchmarks/pixels.py --count 300
    python benchmarks/pixels.py --photos PHOTOS        parts of real photographs are drawn in
    python benchmarks/pixels.py --files PHOTOS         real files are measured as they are

`build` makes the pictures that are measured, seeded and photo-like: 84 % JPEG (12 % of them progressive, 2 % grey, 12 %
with EXIF, of which one in ten lies on its side), 10 % PNG (a fifth with alpha) and 6 % WebP, 400-1600 pixels wide, 113
kB and 0.84 megapixels in the mean.

CPU milliseconds a picture, means of the medians of the rounds, in which the ways take turns picture by picture; ours
include two hashes of the body (0.2 ms), a full check of the file and the EXIF block, theirs only pixels. Gold is
Pillow's Lanczos reduction of all pixels, in floats; "nearer" is the PSNR to gold less that of img2dataset, in the
pixels and in the stored JPEG; "theirs" is the PSNR to img2dataset's picture; each as median and 5 %. Needs
img2dataset in the same environment.
"""

from __future__ import annotations

import argparse
import functools
import io
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vlcorpus.images.decode import Decoded, decode
from vlcorpus.images.hush import c_libraries_silenced
from vlcorpus.images.prepare import ImageSettings, Prepared, prepare
from vlcorpus.images.resize import middle, scaled_size
from vlcorpus.images.settings import PIXEL_MODES

Pixels = NDArray[np.uint8]

_SIDE = 1600
_SCENES = 6


def build(
    count: int, seed: int = 0, *, photos: Path | None = None, cache: Path | None = None, processes: int = 2
) -> list[tuple[str, bytes]]:
    """`count` (name, body) pairs, the same for the same arguments but `cache` and `processes`.

    File n depends on `seed` and n only, so a longer set begins with the shorter one. Costs 40 CPU ms a file and 2 s to
    begin. With `cache` the files are kept in that folder and read from there the next time.
    """
    place = None if cache is None else cache / f"pixels-{seed}-{'drawn' if photos is None else photos.name}"
    done: dict[int, tuple[str, bytes]] = {}
    if place is not None and place.is_dir():
        done = {int(path.stem): (path.name, path.read_bytes()) for path in place.glob("[0-9]*.*")}
    wanted = [n for n in range(count) if n not in done]
    if processes > 1 and len(wanted) > 100:
        with multiprocessing.get_context("spawn").Pool(processes) as pool:
            made = pool.starmap(draw, [(n, seed, photos) for n in wanted], chunksize=25)
    else:
        made = [draw(n, seed, photos) for n in wanted]
    for n, (name, body) in zip(wanted, made, strict=True):
        done[n] = name, body
        if place is not None:
            place.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(body)
    return [done[n] for n in range(count)]


def draw(n: int, seed: int = 0, photos: Path | None = None) -> tuple[str, bytes]:
    """Picture `n` of the set of `seed`: name and bytes."""
    rng = np.random.default_rng([seed, n])
    place = n % 50  # kinds are dealt out in turn, so that a part of the set has the shares of the whole
    width = int(rng.integers(400, 1601))
    height = int(width / rng.choice([4 / 3, 3 / 2, 16 / 9, 4 / 3, 1, 4 / 5]))
    height = min(height, 1280)
    if place % 10 == 4:
        width, height = width * 2 // 3, height * 2 // 3
        return f"{n:06d}.png", _png(_graphic(_scene(rng, width, height, seed, photos), rng), rng, place % 50 == 4)
    rgb = _scene(rng, width, height, seed, photos)
    if place in (7, 23, 39):
        return f"{n:06d}.webp", _saved(rgb, "WEBP", quality=int(rng.integers(75, 92)), method=2)
    return f"{n:06d}.jpg", _jpeg(rgb, rng)


def _jpeg(rgb: Pixels, rng: np.random.Generator) -> bytes:
    options: dict[str, object] = {"quality": int(rng.choice([60, 72, 75, 80, 85, 90]))}
    options["subsampling"] = str(rng.choice(["4:2:0", "4:2:0", "4:2:0", "4:4:4", "4:2:2"]))
    if rng.random() < 0.12:
        options["progressive"] = True
    if rng.random() < 0.12:
        exif = Image.Exif()
        exif[0x010F], exif[0x0110], exif[0x0112] = "Camera Makers", "Model 7", 1
        if rng.random() < 0.1:
            exif[0x0112] = int(rng.choice([3, 6, 8]))
        options["exif"] = exif
    if rng.random() < 0.02:
        return _saved(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), "JPEG", **options)
    return _saved(rgb, "JPEG", **options)


def _png(rgb: Pixels, rng: np.random.Generator, alpha: bool) -> bytes:
    if not alpha:
        return _saved(rgb, "PNG", compress_level=6)
    height, width = rgb.shape[:2]
    y, x = _axes(width, height)
    oval = np.clip((1.1 - x**2 - y**2) * 255 * rng.uniform(2, 20), 0, 255).astype(np.uint8)
    return _saved(np.dstack([rgb, oval]), "PNG", compress_level=6)


def _saved(pixels: Pixels, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind, **options)
    return out.getvalue()


def _graphic(rgb: Pixels, rng: np.random.Generator) -> Pixels:
    """Fewer tones and flat parts, as what the web stores as PNG has."""
    step = int(rng.choice([8, 16, 32]))
    flat = cv2.medianBlur(rgb, 5) // step * step
    height, width = rgb.shape[:2]
    for _ in range(int(rng.integers(2, 8))):
        left, top = int(rng.integers(0, width)), int(rng.integers(0, height))
        colour = tuple(map(int, rng.integers(0, 256, 3)))
        cv2.rectangle(flat, (left, top), (left + width // 3, top + height // 4), colour, -1)
        cv2.putText(flat, "Offer of the day", (left // 2, top), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (20, 20, 20), 2)
    return flat


def _scene(rng: np.random.Generator, width: int, height: int, seed: int, photos: Path | None) -> Pixels:
    """uint8 (height, width, 3): parts of two sources, blended along a soft line, lit, a little unsharp, grained."""
    scenes, grain = _sources(seed, photos)
    one, two = (_part(scenes[int(rng.integers(len(scenes)))], rng, width, height) for _ in range(2))
    slope = rng.normal(0, 1, 2) * rng.uniform(0.5, 8)
    y, x = _axes(width, height)
    share = np.clip(0.5 + (slope[0] * x + slope[1] * y), 0, 1).astype(np.float32)
    rgb = cv2.blendLinear(one, two, share, 1 - share)
    if rng.random() < 0.7:
        rgb = cv2.GaussianBlur(rgb, (0, 0), rng.uniform(0.4, 1.4))
    top, left = rng.integers(0, _SIDE - height + 1), rng.integers(0, _SIDE - width + 1)
    noise = cv2.cvtColor(grain[top : top + height, left : left + width] * rng.uniform(0.1, 0.9), cv2.COLOR_GRAY2RGB)
    light = rng.uniform(0.75, 1.15) + rng.normal(0, 0.12) * x
    lit = cv2.multiply(rgb, cv2.cvtColor(np.repeat(light, height, 0), cv2.COLOR_GRAY2RGB), dtype=cv2.CV_32F)
    return np.asarray(cv2.add(lit, noise, dtype=cv2.CV_8U), np.uint8)


def _axes(width: int, height: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """y as (height, 1) and x as (1, width), both from -1 to 1."""
    return np.linspace(-1, 1, height, dtype=np.float32)[:, None], np.linspace(-1, 1, width, dtype=np.float32)[None]


def _part(scene: Pixels, rng: np.random.Generator, width: int, height: int) -> Pixels:
    zoom = rng.uniform(0.8, 2)
    wide, high = min(int(width * zoom), scene.shape[1]), min(int(height * zoom), scene.shape[0])
    left, top = int(rng.integers(0, scene.shape[1] - wide + 1)), int(rng.integers(0, scene.shape[0] - high + 1))
    part = scene[top : top + high, left : left + wide]
    way = cv2.INTER_AREA if wide > width else cv2.INTER_CUBIC
    part = np.asarray(cv2.resize(part, (width, height), interpolation=way), np.uint8)
    return np.asarray(cv2.flip(part, 1), np.uint8) if rng.random() < 0.5 else part


@functools.cache
def _sources(seed: int, photos: Path | None) -> tuple[list[Pixels], NDArray[np.float32]]:
    """Large pictures to take parts of, and a plane of grain."""
    rng = np.random.default_rng([seed, 1 << 40])
    grain = cv2.GaussianBlur(rng.standard_normal((_SIDE, _SIDE), np.float32), (0, 0), 0.6)
    grain = np.asarray(grain / grain.std(), np.float32)
    if photos is not None:
        found = [cv2.imread(str(path)) for path in sorted(photos.rglob("*.jp*g"))[:200]]
        return [
            np.asarray(cv2.cvtColor(each, cv2.COLOR_BGR2RGB), np.uint8) for each in found if each is not None
        ], grain
    planes = [_texture(rng, fall) for fall in (1.15, 1.25, 1.4, 1.55, 1.7)]
    return [_drawn(rng, planes) for _ in range(_SCENES)], grain


def _drawn(rng: np.random.Generator, planes: list[NDArray[np.float32]]) -> Pixels:
    """A scene of (_SIDE, _SIDE, 3): a falling spectrum as of landscapes, and textured shapes with edges."""
    rgb = _tinted(rng, planes, 38)
    for _ in range(4):
        layer = _tinted(rng, planes, 25)
        mask = np.zeros((_SIDE, _SIDE), np.uint8)
        for _ in range(8):
            middle = rng.integers(0, _SIDE, 2)
            if rng.random() < 0.5:
                axes = rng.integers(20, 300, 2).tolist()
                cv2.ellipse(mask, middle.tolist(), axes, int(rng.integers(0, 180)), 0, 360, 255, -1, cv2.LINE_AA)
            else:
                corners = middle + rng.integers(-300, 300, (5, 2))
                cv2.fillPoly(mask, [corners.astype(np.int32)], (255,), cv2.LINE_AA)
            for _ in range(6):
                start = middle + rng.integers(-200, 200, 2)
                end = start + rng.integers(-200, 200, 2)
                cv2.line(mask, start.tolist(), end.tolist(), 255, int(rng.integers(1, 4)), cv2.LINE_AA)
        share = mask * np.float32(1 / 255)
        rgb = np.asarray(cv2.blendLinear(layer, rgb, share, 1 - share), np.uint8)
    return rgb


def _tinted(rng: np.random.Generator, planes: list[NDArray[np.float32]], contrast: float) -> Pixels:
    """Two of the planes, shifted at random: brightness, and a colour that changes slower."""
    luma = np.roll(planes[int(rng.integers(len(planes)))], rng.integers(0, _SIDE, 2), (0, 1))
    chroma = np.roll(planes[-1], rng.integers(0, _SIDE, 2), (0, 1))
    tint, cast = rng.normal(0, 12, 3), rng.uniform(60, 190, 3)
    layers = [cv2.addWeighted(luma, contrast, chroma, tint[n], cast[n], dtype=cv2.CV_8U) for n in range(3)]
    return np.asarray(cv2.merge(layers), np.uint8)


def _texture(rng: np.random.Generator, fall: float) -> NDArray[np.float32]:
    """Noise whose amplitude falls with frequency ** fall; float32 (_SIDE, _SIDE), deviation 1, tiles."""
    frequency = np.hypot(np.fft.fftfreq(_SIDE)[:, None], np.fft.rfftfreq(_SIDE)[None]).astype(np.float32)
    frequency[0, 0] = 1
    white = np.fft.rfft2(rng.standard_normal((_SIDE, _SIDE), np.float32))
    plane = np.fft.irfft2(white / frequency**fall, s=(_SIDE, _SIDE))
    return np.asarray((plane - plane.mean()) / plane.std(), np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--photos", type=Path, help="folder of JPEGs to take parts of")
    parser.add_argument("--files", type=Path, help="folder of files to measure instead")
    parser.add_argument("--cache", type=Path, help="folder that keeps the pictures for the next time")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    if options.files is None:
        bodies = [body for _, body in build(options.count, options.seed, photos=options.photos, cache=options.cache)]
    else:
        bodies = [path.read_bytes() for path in sorted(options.files.rglob("*.*"))][: options.count]
        bodies = [body for body in bodies if isinstance(prepare(body, ImageSettings()), Prepared)]
    print(f"{len(bodies)} files, {np.mean([len(body) for body in bodies]) / 1000:.0f} kB in the mean")
    for size, mode in ((256, "center_crop"), (512, "keep_ratio_largest")):
        report(bodies, ImageSettings(image_size=size, resize_mode=mode), options.rounds)  # type: ignore[arg-type]


def report(bodies: list[bytes], settings: ImageSettings, rounds: int) -> None:
    ways = {mode: functools.partial(_ours, settings=replace(settings, pixels=mode)) for mode in PIXEL_MODES}
    ways = {"img2dataset": _theirs(settings), **ways}  # type: ignore[arg-type]
    times = _cpu(bodies, ways, rounds)
    png = replace(settings, encode_format="png", encode_quality=1)
    lossless: dict[str, Any] = {"img2dataset": _theirs(png)}
    lossless |= {mode: functools.partial(_ours, settings=replace(png, pixels=mode)) for mode in PIXEL_MODES}
    found: dict[str, list[tuple[float, ...]]] = {mode: [] for mode in PIXEL_MODES}
    for body in bodies:
        gold = _gold(body, settings)
        if gold is None:
            continue
        pixels, stored = ({way: each(body) for way, each in kind.items()} for kind in (lossless, ways))
        theirs, their_file = _bgr(pixels["img2dataset"]), _bgr(stored["img2dataset"])
        if theirs.shape != gold.shape:
            continue
        for mode in PIXEL_MODES:
            ours, our_file = _bgr(pixels[mode]), _bgr(stored[mode])
            nearer = psnr(ours, gold) - psnr(theirs, gold), psnr(our_file, gold) - psnr(their_file, gold)
            same = float(stored[mode] == stored["img2dataset"])
            found[mode].append((*nearer, psnr(ours, theirs), psnr(our_file, their_file), same))
    print(
        f"\n{settings.image_size} {settings.resize_mode}; quality of {len(found['good'])} that are reduced and upright"
    )
    heads = "nearer: pixels", "nearer: stored", "theirs: pixels", "theirs: stored"
    print(f"{'':12}{'CPU ms':>8}{'share':>7}" + "".join(f"{head:>17}" for head in heads) + f"{'same':>6}")
    base = times["img2dataset"]
    print(f"{'img2dataset':12}{base:8.2f}")
    for mode in PIXEL_MODES:
        columns = np.array(found[mode]).T
        told = "".join(f"{np.median(column):11.2f}{np.percentile(column, 5):6.1f}" for column in columns[:4])
        print(f"{mode:12}{times[mode]:8.2f}{times[mode] / base:7.2f}{told}{100 * columns[4].mean():5.0f}%")


def _cpu(bodies: list[bytes], ways: dict[str, Callable[[bytes], bytes]], rounds: int) -> dict[str, float]:
    """Mean over the bodies of the median over the rounds."""
    spent: dict[str, list[float]] = {way: [] for way in ways}
    for body in bodies:
        tries: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(rounds):
            for way, each in ways.items():
                begin = time.process_time()
                each(body)
                tries[way].append(time.process_time() - begin)
        for way in ways:
            spent[way].append(statistics.median(tries[way]))
    return {way: 1000 * statistics.fmean(spent[way]) for way in ways}


def _ours(body: bytes, settings: ImageSettings) -> bytes:
    made = prepare(body, settings)
    assert isinstance(made, Prepared), made
    return made.body


def _theirs(settings: ImageSettings) -> Callable[[bytes], bytes]:
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
    from img2dataset.resizer import Resizer

    resizer = Resizer(
        settings.image_size,
        settings.resize_mode,
        settings.only_if_bigger,
        encode_format=settings.encode_format,
        encode_quality=settings.encode_quality,
    )
    return lambda body: resizer(io.BytesIO(body))[0]


def _gold(body: bytes, settings: ImageSettings) -> NDArray[np.float32] | None:
    """float32 (h, w, 3), blue first; None where the picture is not reduced, or turned."""
    picture, size = decode(body), settings.image_size
    assert isinstance(picture, Decoded) and size is not None
    target = scaled_size(picture.width, picture.height, size=size, mode=settings.resize_mode)
    if target is None:
        return None
    planes = [Image.fromarray(picture.rgb[..., plane].astype(np.float32)) for plane in (2, 1, 0)]
    whole = np.stack([plane.resize(target, Image.Resampling.LANCZOS) for plane in planes], -1)
    if settings.resize_mode != "center_crop":
        return whole
    window = middle(*target, size)
    return whole[window.rows, window.columns]


def _bgr(body: bytes) -> Pixels:
    return np.asarray(cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR), np.uint8)


def psnr(a: NDArray[Any], b: NDArray[Any]) -> float:
    """In dB; 99 where nothing differs."""
    error = float(np.mean((a.astype(np.float32) - b.astype(np.float32)) ** 2))
    return min(99.0, 10 * float(np.log10(255**2 / max(error, 1e-9))))


if __name__ == "__main__":
    with c_libraries_silenced():
        main()
