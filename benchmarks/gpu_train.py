"""Training on one GPU: open_clip's ViT-B-32 through our loop, in samples a second, and what must hold there.

    PYTHONPATH=.:OPEN_CLIP python benchmarks/gpu_train.py [--batch 1024] [--minutes 4]

Pairs are 20,000 drawn pictures of 224 pixels (blocks of colour, 500 kinds) with tokens of their kind, in contexts of 77
and 32. One JSON line a measurement: equality of the two ways to augment, a run stopped and resumed (bf16, bit for bit),
then rates, each with a loss that falls: eager, compiled, pictures streamed from memory, half of the patches left out.
FLOP are open_clip's own count, 44.3 GFLOP a sample of training with context 77 (image 8.82 forward, text 5.96, times
three); `mfu` is their share of the card's dense bf16 peak. None is begun after `--minutes`; those left out are named.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vlcorpus.probe import augment
from vlcorpus.probe.settings import TrainSettings
from vlcorpus.probe.train import train

SIDE, KINDS, PAIRS, DRAWN = 224, 500, 20_000, 2_000
IMAGE_GFLOP, TEXT_GFLOP, CONTEXT = 8.82, 5.96, 77
PEAK_TFLOP = 989.0  # H100 SXM and H200, dense bf16
WARM = 10  # updates before the clock runs


class Blocks:
    """Each kind has its own 7 x 7 blocks of colour, each picture its own noise."""

    def __init__(self, context: int) -> None:
        generator = np.random.default_rng(0)
        self.name = f"blocks-{context}"
        kind_D = np.arange(DRAWN) % KINDS
        blocks = generator.integers(0, 256, (KINDS, 3, 7, 7), dtype=np.uint8)
        self._images = blocks[kind_D].repeat(SIDE // 7, 2).repeat(SIDE // 7, 3)
        self._images ^= generator.integers(0, 32, self._images.shape, dtype=np.uint8)
        self._tokens = np.zeros((KINDS, context), np.int32)
        self._tokens[:, 0] = 49406
        self._tokens[:, 1:9] = generator.integers(1, 49_000, (KINDS, 8))
        self._tokens[:, 9] = 49407

    def __len__(self) -> int:
        return PAIRS

    def images(self, rows_B: NDArray[np.int64], /) -> NDArray[np.uint8]:
        return self._images[rows_B % DRAWN]

    def texts(self, rows_B: NDArray[np.int64], draw_B: NDArray[np.float64], /) -> NDArray[np.int32]:
        return self._tokens[rows_B % DRAWN % KINDS]


class Kept:
    def __init__(self, every: int, state: bytes | None = None) -> None:
        self.every, self.state = every, state

    def load(self) -> bytes | None:
        return self.state

    def save(self, state: bytes) -> None:
        self.state = state


def model(patch_dropout: float = 0.0) -> Any:
    from vlcorpus.clip import trainable

    return trainable.build("ViT-B-32", seed=0, device="cuda", patch_dropout=patch_dropout).model


def tell(measurement: str, **figures: Any) -> None:
    print(json.dumps({"measurement": measurement, **figures}), flush=True)


def equal_augmentation() -> None:
    image = np.random.default_rng(1).integers(0, 256, (256, 3, SIDE, SIDE), dtype=np.uint8)
    on_gpu = torch.from_numpy(image).cuda()
    for kind in augment.GROUPS:
        drawn = augment.draw(kind, SIDE, np.random.default_rng(2))
        here = augment.by_numpy(image, drawn)
        torch.cuda.synchronize()
        start = time.perf_counter()
        there = augment.by_torch(on_gpu, drawn)
        torch.cuda.synchronize()
        spent = time.perf_counter() - start
        tell("augment", kind=kind, equal=bool(np.array_equal(here, there.cpu().numpy())), ms=1000 * spent)


def resumed(pairs: Blocks, settings: TrainSettings) -> None:
    """Six updates in one go, and stopped after the third."""
    settings = dataclasses.replace(settings, steps=6, batch_size=256, patch_dropout=0.0)
    found = []
    kept = Kept(3)
    for state in (None, "kept"):
        one = model()
        given = kept if state is None else Kept(100, kept.state)
        curve = train(one, pairs, settings, checkpoint=given)
        found.append({name: value.cpu() for name, value in one.state_dict().items()})
        del one
    equal = all(torch.equal(found[0][name], found[1][name]) for name in found[0])
    worst = max(float((found[0][name].float() - found[1][name].float()).abs().max()) for name in found[0])
    size = len(kept.state or b"")
    tell("resume", bit_identical=equal, worst=worst, resumed=curve.resumed, refused=curve.refused, mb=size >> 20)


def rate(measurement: str, pairs: Blocks, settings: TrainSettings) -> None:
    """Samples a second after warming up, before the patches are whole again."""
    torch.compiler.reset()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    one = model(settings.patch_dropout)
    stamps = [time.perf_counter()]
    curve = train(one, pairs, settings, on_step=lambda step: stamps.append(time.perf_counter()))
    stop = math.floor(0.9 * settings.steps) - 3
    speed = (stop - WARM) * settings.batch_size / (stamps[stop] - stamps[WARM])
    context = pairs.texts(np.zeros(1, np.int64), np.zeros(1)).shape[1]
    # Patches that are left out cost nothing; attention's own part is small at 50 tokens.
    image = IMAGE_GFLOP * (1 - settings.patch_dropout)
    gflop = 3 * (image + TEXT_GFLOP * context / CONTEXT)
    tell(
        measurement,
        samples_per_second=round(speed),
        mfu=round(speed * gflop / 1000 / PEAK_TFLOP, 3),
        mfu_of_whole_samples=round(speed * 44.3 / 1000 / PEAK_TFLOP, 3),
        context=context,
        batch=settings.batch_size,
        first_step_s=round(stamps[1] - stamps[0], 1),
        loss=[round(curve.steps[place].loss, 3) for place in (0, len(curve.steps) // 2, -1)],
        falls=curve.steps[-1].loss < 0.8 * curve.steps[0].loss,
        peak_gb=round(torch.cuda.max_memory_allocated() / 2**30, 1),
        device=torch.cuda.get_device_name(),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--minutes", type=float, default=4.0)
    given = parser.parse_args()
    start = time.perf_counter()
    long, short = Blocks(CONTEXT), Blocks(32)
    settings = TrainSettings(
        steps=40, batch_size=given.batch, learning_rate=5e-4, schedule="cosine", epsilon=1e-6, weight_decay=0.2,
        precision="bf16", augment="crop",
    )  # fmt: skip
    compiled = dataclasses.replace(settings, compile=True)
    # Fewer samples than a pass over the pairs: the pictures stay in memory and are streamed.
    streamed = dataclasses.replace(compiled, steps=min(40, (PAIRS - 1) // given.batch))
    pieces = dataclasses.replace(settings, steps=20, batch_size=4 * given.batch, accumulate=4)
    measurements: list[tuple[str, Callable[[], None]]] = [
        ("eager", lambda: rate("eager", long, settings)),
        ("compiled", lambda: rate("compiled", long, compiled)),
        ("compiled, context 32", lambda: rate("compiled, context 32", short, compiled)),
        (
            "compiled, context 32, patch dropout 0.5",
            lambda: rate(
                "compiled, context 32, patch dropout 0.5", short, dataclasses.replace(compiled, patch_dropout=0.5)
            ),
        ),
        ("augment", equal_augmentation),
        ("resume", lambda: resumed(long, settings)),
        ("compiled, context 32, streamed", lambda: rate("compiled, context 32, streamed", short, streamed)),
        ("eager, four micro-batches", lambda: rate("eager, four micro-batches", long, pieces)),
    ]
    for name, measure in measurements:
        if time.perf_counter() - start > 60 * given.minutes:
            tell(name, left_out=True)
            continue
        before = time.perf_counter()
        try:
            measure()
        except Exception as error:
            tell(name, error=f"{type(error).__name__}: {error}"[:500])
        tell("spent", of=name, seconds=round(time.perf_counter() - before, 1))


if __name__ == "__main__":
    main()
