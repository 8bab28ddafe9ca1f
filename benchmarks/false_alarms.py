"""How often `compare` finds a difference where there is none, and how often it finds one that is there.

    python benchmarks/false_alarms.py [--comparisons 200] [--jobs 2]        two random samples of one picture world
    python benchmarks/false_alarms.py --shares 0.25 0.40 --comparisons 60   corpora with so many true captions

Each comparison draws two disjoint samples of --pairs pairs from one pool of a picture world, gives the captions of a
share of either to other pictures, trains nano probes on both, each seed on its share of the pairs as `compare` does,
measures them by retrieval among fresh pictures, and asks `vlcorpus.probe.compare` for its verdict on one metric, fixed
beforehand (--metric). Counted are verdicts of a difference at 95 %, with the exact binomial interval (Clopper and
Pearson); beside them those of the plain Student over seeds on full samples would need another run: --parts 1.
A comparison of six seeds takes some 25 CPU seconds.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from vlcorpus.audit.binomial import limits

POOL, EXAM, SIDE = 24_000, 1_000, 32


@dataclass(frozen=True)
class Asked:
    pairs: int
    seeds: int
    parts: int | None
    shares: tuple[float, float]
    metric: str
    seed: int


def world(seed: int) -> tuple[Any, Any, Any, Any]:
    """Pictures and tokens of the pool and of the exam."""
    from vlcorpus.clip import preprocess, saved, words
    from vlcorpus.world.captions import caption
    from vlcorpus.world.chance import stream
    from vlcorpus.world.scene import draw, random_scene

    how = saved.probe_preprocessing(SIDE)

    def drawn(name: str, count: int) -> tuple[Any, Any]:
        pictures, captions = [], []
        for number in range(count):
            rng = stream(seed, name, number)
            scene = random_scene(rng)
            captions.append(caption(scene, rng))
            pictures.append(np.asarray(preprocess.prepare(np.asarray(draw(scene, rng, SIDE)), how)))
        return np.stack(pictures), words.tokenize(captions, words.CONTEXT, 4096)

    return *drawn("alarms.pool", POOL), *drawn("alarms.exam", EXAM)


_world: tuple[Any, Any, Any, Any] | None = None


def one(job: tuple[int, Asked]) -> tuple[bool, bool, float, float]:
    """One comparison: (found a difference, in favour of the second, difference, smallest detectable)."""
    global _world
    import torch

    from vlcorpus.clip import towers
    from vlcorpus.probe import measures, parts
    from vlcorpus.probe.compare import compare
    from vlcorpus.probe.pack import Pack
    from vlcorpus.probe.train import RECIPES, train

    torch.set_num_threads(1)
    number, asked = job
    if _world is None:
        _world = world(asked.seed)
    pictures, tokens, exam, exam_tokens = _world
    generator = np.random.default_rng([asked.seed, number])
    order = generator.permutation(POOL)
    seeds = range(asked.seeds)
    recipe = RECIPES["nano"]
    count = asked.parts or parts.best(asked.pairs, recipe.steps * recipe.batch_size, asked.seeds)
    results: dict[str, dict[int, dict[str, float]]] = {"A": {}, "B": {}}
    answers: dict[str, dict[int, dict[str, Any]]] = {"A": {}, "B": {}}
    for arm, (name, share) in enumerate(zip("AB", asked.shares, strict=True)):
        rows = order[arm * asked.pairs : (arm + 1) * asked.pairs]
        words = tokens[rows].copy()
        wrong = generator.permutation(asked.pairs)[round(share * asked.pairs) :]
        words[wrong] = words[np.roll(wrong, 1)]
        uids = parts.named(f"{number} {row}" for row in rows)
        for seed in seeds:
            own = np.flatnonzero(parts.taken(uids, seed, count))
            pack = Pack.of(pictures[rows[own]], words[own], name=name)
            start = 100 * number + seed
            model = towers.build(recipe.architecture, seed=start)
            train(model, pack, recipe.settings(seed=start))
            with torch.inference_mode():
                image = model.encode_image(torch.from_numpy(exam)).numpy()
                text = model.encode_text(torch.from_numpy(exam_tokens)).numpy()
            found = measures.retrieval(image, text, np.arange(EXAM))
            results[name][seed] = {f"captions.{key}": value for key, value in found.metrics.items()}
            answers[name][seed] = {f"captions.{key}": value for key, value in found.values.items()}
    made = compare(results, "A", [asked.metric], answers=answers, parts=count)
    row = made.rows[0]
    assert row.smallest_detectable is not None
    return row.improvement or row.regression, row.improvement, row.difference, row.smallest_detectable


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--comparisons", type=int, default=200)
    parser.add_argument("--pairs", type=int, default=4_000, help="of each sample")
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument(
        "--parts", type=int, help="shares that a sample is dealt into; as `compare` chooses if not given"
    )
    parser.add_argument("--shares", type=float, nargs=2, default=(0.3, 0.3), help="true captions of either sample")
    parser.add_argument("--metric", default="captions.text_to_image_r10")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    asked = Asked(given.pairs, given.seeds, given.parts, tuple(given.shares), given.metric, given.seed)
    start, found, right, differences, detectable = time.monotonic(), 0, 0, [], []
    with multiprocessing.get_context("spawn").Pool(given.jobs) as pool:
        jobs = ((number, asked) for number in range(given.comparisons))
        for done, (differs, better, difference, least) in enumerate(pool.imap_unordered(one, jobs), 1):
            found, right = found + differs, right + better
            differences.append(difference)
            detectable.append(least)
            if sys.stderr.isatty() or done % 10 == 0:
                print(f"{done} comparisons, {found} with a difference, {time.monotonic() - start:.0f} s", flush=True)
    lower, upper = limits(found, given.comparisons)
    print(f"difference found in {found} of {given.comparisons}: {100 * found / given.comparisons:.1f} % ", end="")
    print(f"[{100 * lower:.1f}, {100 * upper:.1f}]; in favour of the second {right}")
    print(f"mean difference {np.mean(differences):+.4f}, smallest detectable (median) {np.median(detectable):.4f}")


if __name__ == "__main__":
    main()
