"""Real photographs: a noisy corpus made of class folders as the demo makes one, filtered, and judged by probes.

    python benchmarks/photos.py PHOTOS --test TEST [--draws 3] [--workers 2]
    python benchmarks/photos.py train.tar --test test.tar                     # tars of CLASS/name.jpg
    python benchmarks/photos.py clothing/validation --test clothing/test --side 64

For each draw, the photographs are split: half are trusted (a photograph and what it shows), half stand in a corpus
whose alt texts are the demo's noise: 30 % true, 38.5 % of another class, and as many file names, spam and unrelated
sentences as there. `train-probe` makes a filter model of the trusted half, `embed` and `filter` keep the best quarter,
and `compare` trains probes on all pairs, on what was kept, on as many random ones, and on the true captions alone
(which only this benchmark knows), and tests them on the test photographs: by the commands that a person would type.
Printed is what the demo prints, and the share of the gap between unfiltered and true captions that the filter recovers.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vlcorpus.probe.measures import auc
from vlcorpus.world.captions import file_name, spam, unrelated
from vlcorpus.world.chance import stream

SHARES = {"true": 0.30, "wrong": 0.385, "file_name": 0.105, "spam": 0.105, "unrelated": 0.105}
TEMPLATES = (
    "a photo of a {}", "{} in the wild", "my {}", "a picture of the {}", "the {} we saw", "an old {}",
    "one {}, close up", "{}", "photo: {}", "a {} outside",
)  # fmt: skip
PROMPTS = ["a photo of a {}", "a picture of the {}", "{}"]
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


def photographs(place: Path) -> Iterator[tuple[str, str, bytes]]:
    """(class, name, bytes) of a folder of class folders, or a tar of one."""
    if place.is_file():
        with tarfile.open(place) as tar:
            for member in tar:
                path = Path(member.name)
                if member.isfile() and path.suffix.lower() in SUFFIXES:
                    body = tar.extractfile(member)
                    assert body is not None
                    yield path.parent.name, path.name, body.read()
        return
    for path in sorted(place.glob("*/*")):
        if path.suffix.lower() in SUFFIXES:
            yield path.parent.name, path.name, path.read_bytes()


def write(folder: Path, rows: list[tuple[str, bytes, str]]) -> None:
    """Photographs with captions, as a folder that `import` reads."""
    (folder / "images").mkdir(parents=True)
    with (folder / "metadata.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("file_name", "text"))
        for name, body, text in rows:
            (folder / "images" / name).write_bytes(body)
            table.writerow((f"images/{name}", text))


def draw(place: Path, test: Path, folder: Path, seed: int) -> dict[str, str]:
    """Trusted half, noisy half, true captions alone and the exam; file to kind of text in the noisy half."""
    every = list(photographs(place))
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(every))
    classes = sorted({label for label, _, _ in every})

    def named(label: str) -> str:
        return TEMPLATES[generator.integers(len(TEMPLATES))].format(label)

    half = len(every) // 2
    trusted = [(f"{at:05d}.jpg", every[at][2], named(every[at][0])) for at in order[:half]]
    counts = np.diff(np.round(np.cumsum([0, *SHARES.values()]) * (len(every) - half)).astype(int))
    kinds = generator.permutation(np.repeat(list(SHARES), counts))
    noisy, kind_of = [], {}
    for number, (at, kind) in enumerate(zip(order[half:], kinds, strict=True)):
        label, _, body = every[at]
        rng = stream(seed, f"photos.{kind}", number)
        if kind == "true":
            text = named(label)
        elif kind == "wrong":
            text = named(str(generator.choice([each for each in classes if each != label])))
        else:
            text = {"file_name": file_name, "spam": spam, "unrelated": unrelated}[kind](rng)
        kind_of[f"{number:05d}.jpg"] = str(kind)
        noisy.append((f"{number:05d}.jpg", body, text))
    write(folder / "trusted", trusted)
    write(folder / "noisy", noisy)
    write(folder / "true", [row for row in noisy if kind_of[row[0]] == "true"])
    exam = folder / "photos"
    for number, (label, _, body) in enumerate(photographs(test)):
        path = exam / label / f"{number:05d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    tasks = [{"name": "classes", "kind": "zero_shot", "folder": ".", "templates": PROMPTS}]
    tasks.append({"name": "features", "kind": "linear_probe", "folder": "."})
    (folder / "photos.yaml").write_text(json.dumps({"name": "photos", "version": 1, "root": "photos", "tasks": tasks}))
    return kind_of


def vlcorpus(*words: object) -> None:
    subprocess.run([sys.executable, "-m", "vlcorpus", *map(str, words)], check=True, stdout=subprocess.DEVNULL)


def filter_auc(corpus: Path, kind_of: dict[str, str]) -> float:
    """Of true captions against all others, by the filter model's similarity."""
    import pyarrow.parquet as pq

    scores, truth = [], []
    for path in sorted((corpus / "scores" / "similarity").glob("*.parquet")):
        similarity = pq.read_table(path, columns=["uid", "similarity"]).to_pylist()
        files = pq.read_table(corpus / "candidates" / path.name, columns=["uid", "file"]).to_pylist()
        name = {row["uid"]: Path(row["file"]).name for row in files}
        for row in similarity:
            if row["similarity"] is not None:
                scores.append(row["similarity"])
                truth.append(kind_of[name[row["uid"]]] == "true")
    return auc(np.array(scores), np.array(truth))


def judge(folder: Path, given: argparse.Namespace, kind_of: dict[str, str]) -> dict[str, float]:
    """The walk over one draw: arm to mean top-1, and the filter's AUC."""
    size = ("--image-size", given.side)
    seeds = [word for seed in range(given.seeds) for word in ("--seeds", seed)]
    workers = ("--workers", given.workers)
    for name in ("trusted", "noisy", "true"):
        vlcorpus("import", folder / f"{name}-corpus", folder / name, "--image-size", "none")
    filtering = ["--recipe", given.filter_recipe, "--steps", given.filter_steps, *size]
    vlcorpus("train-probe", folder / "trusted-corpus", "filter", *filtering)
    model = folder / "trusted-corpus" / "probes" / "filter" / "seed-0"
    corpus = folder / "noisy-corpus"
    vlcorpus("embed", corpus, "--model", model, *workers)
    vlcorpus("filter", corpus, "--top-fraction", given.keep, "--decision", "filtered")
    probing = ["--recipe", given.recipe, "--suite", folder / "photos.yaml", "--parts", "1", *size, *seeds, *workers]
    if given.steps:
        probing += ["--steps", given.steps]
    vlcorpus("compare", corpus, "all", "filtered", folder / "true-corpus", "--baseline", "all", *probing)
    found = json.loads((corpus / "comparisons" / "photos" / "comparison.json").read_text())
    top = [row for row in found["rows"] if row["metric"] == "classes.top1"]
    values = {row["arm"]: row["mean"] for row in top} | {found["baseline"]: top[0]["baseline_mean"]}
    for row in found["rows"]:
        if row["measure"] in ("top1", "nll", "accuracy"):
            print(f"    {row['metric']:20} {row['verdict']}", flush=True)
    return values | {"auc": filter_auc(corpus, kind_of)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, help="folder of class folders, or a tar of one")
    parser.add_argument("--test", type=Path, required=True, help="likewise, of the photographs to be tested on")
    parser.add_argument("--draws", type=int, default=3, help="draws of halves and noise")
    parser.add_argument("--seeds", type=int, default=3, help="probes of each arm and draw")
    parser.add_argument("--keep", type=float, default=0.25, help="share kept by similarity")
    parser.add_argument("--side", type=int, default=32, help="pixels of the probes")
    parser.add_argument("--recipe", default="demo", help="of the probes")
    parser.add_argument("--steps", type=int, help="of the probes, instead of the recipe's")
    parser.add_argument("--filter-recipe", default="micro")
    parser.add_argument("--filter-steps", type=int, default=250)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    gaps = []
    for seed in range(given.draws):
        with tempfile.TemporaryDirectory() as name:
            kind_of = draw(given.photos, given.test, Path(name), seed)
            found = judge(Path(name), given, kind_of)
        arms = {arm: value for arm, value in found.items() if arm != "auc"}
        true = next(value for arm, value in arms.items() if "true-corpus" in arm)
        gaps.append((arms["filtered"] - arms["all"]) / (true - arms["all"]))
        told = ", ".join(f"{arm} {100 * value:.1f} %" for arm, value in arms.items())
        print(
            f"draw {seed}: filter AUC {found['auc']:.3f}; top-1: {told}; {100 * gaps[-1]:.0f} % of the gap", flush=True
        )
    spread = f" (standard deviation {100 * statistics.stdev(gaps):.0f})" if len(gaps) > 1 else ""
    print(f"recovered, mean over {len(gaps)} draws: {100 * statistics.mean(gaps):.0f} %{spread}")


if __name__ == "__main__":
    main()
