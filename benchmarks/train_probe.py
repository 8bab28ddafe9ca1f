"""Samples a CPU second of training: our loop beside open_clip's own, on the same model, and our small towers too.

    python benchmarks/train_probe.py --peer VENV/bin/python [--pairs 5120] [--rounds 3]

The model is a small CLIP (image 4 layers of width 96 in patches of 8 at 32 px, text 2 layers of width 96, context 16,
open_clip's vocabulary of 49,408): open_clip trains it by `open_clip_train.main` from WebDataset shards of 64 px JPEGs
(workers 0, fp32, one thread), ours from the pack of the same shards. Counted are CPU seconds within an epoch, after one
epoch of warming up in each process; rounds alternate; medians. What packing costs, once a corpus, stands beside it.

    python3.11 -m venv VENV && VENV/bin/pip install 'open_clip_torch[training]==3.3.0'
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

SIDE, BATCH, SHARD, CONTEXT = 64, 256, 512, 16
MODEL = {
    "embed_dim": 128,
    "vision_cfg": {"image_size": 32, "layers": 4, "width": 96, "patch_size": 8, "head_width": 32},
    "text_cfg": {"context_length": CONTEXT, "vocab_size": 49408, "width": 96, "heads": 3, "layers": 2},
}

# Run by the peer's Python: argv is the folder of the model's configuration, the shards, the number of pairs, a folder
# for logs, the precision. Prints CPU seconds of each epoch.
THEIRS = """
import json, logging, sys, time, warnings
warnings.simplefilter("ignore")
import torch
torch.set_num_threads(1)
import open_clip
import open_clip_train.main as program
configs, shards, pairs, logs, precision = sys.argv[1:]
open_clip.add_model_config(configs)
inner, spent = program.train_one_epoch, []

def timed(*args, **kwargs):
    start = time.process_time()
    inner(*args, **kwargs)
    spent.append(time.process_time() - start)

program.train_one_epoch = timed
program.main([
    "--train-data", shards, "--train-num-samples", pairs, "--dataset-type", "webdataset", "--batch-size", "256",
    "--epochs", "2", "--workers", "0", "--model", "small-clip", "--precision", precision,
    "--lr", "5e-4", "--warmup", "4",
    "--logs", logs, "--save-frequency", "0", "--log-every-n-steps", "1000", "--device", "cpu",
])
print("SPENT", json.dumps(spent))
"""


def shards(folder: Path, count: int) -> list[Path]:
    """Drawn pictures of 64 px with their captions, as WebDataset tars."""
    from vlcorpus.world.captions import caption
    from vlcorpus.world.chance import stream
    from vlcorpus.world.scene import draw, encode, random_scene

    made = []
    for start in range(0, count, SHARD):
        path = folder / f"{start // SHARD:05d}.tar"
        with tarfile.open(path, "w") as tar:
            for number in range(start, min(start + SHARD, count)):
                rng = stream(3, "train", number)
                scene = random_scene(rng)
                words = caption(scene, rng).encode()
                for extension, body in (("jpg", encode(draw(scene, rng, SIDE), 90)), ("txt", words)):
                    about = tarfile.TarInfo(f"{number:09d}.{extension}")
                    about.size = len(body)
                    tar.addfile(about, io.BytesIO(body))
        made.append(path)
    return made


def theirs(python: Path, folder: Path, pairs: int, precision: str) -> float:
    """Samples a CPU second of open_clip's second epoch."""
    last = (pairs - 1) // SHARD
    named = str(folder / "shards" / f"{{00000..{last:05d}}}.tar")
    command = [str(python), "-c", THEIRS, str(folder / "configs"), named, str(pairs), str(folder / "logs"), precision]
    told = subprocess.run(command, env=one_thread(), capture_output=True, text=True, check=False)
    spent = next((line for line in told.stdout.splitlines() if line.startswith("SPENT ")), None)
    if spent is None:
        raise SystemExit(f"open_clip's trainer failed:\n{told.stdout[-2000:]}\n{told.stderr[-3000:]}")
    return pairs // BATCH * BATCH / float(json.loads(spent.removeprefix("SPENT "))[1])


def ours(folder: Path, pairs: int, model: str, precision: str) -> dict[str, float]:
    """Samples a CPU second of our second epoch, in a process of its own."""
    command = [sys.executable, __file__, "--only", model, "--folder", str(folder), "--pairs", str(pairs)]
    command += ["--precision", precision]
    told = subprocess.run(command, env=one_thread(), stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(told.stdout.splitlines()[-1])
    return found


def one_thread() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "WANDB_MODE": "disabled"}


def train_here(folder: Path, pairs: int, model: str, precision: str) -> dict[str, float]:
    """One run of ours: packs the shards, trains two epochs, counts the second."""
    import open_clip
    import torch

    from vlcorpus.clip import trainable
    from vlcorpus.images.decode import Refused, decode
    from vlcorpus.io import tar
    from vlcorpus.probe.pack import gather
    from vlcorpus.probe.train import TrainSettings, train

    torch.set_num_threads(1)
    open_clip.add_model_config(folder / "configs")
    built = trainable.build(model, seed=0)
    before = time.process_time()

    def samples():  # type: ignore[no-untyped-def]
        for path in sorted((folder / "shards").glob("*.tar")):
            for sample in tar.read_samples(path):
                picture = decode(sample.members["jpg"])
                assert not isinstance(picture, Refused)
                yield sample.key, picture.rgb, sample.members["txt"].decode()

    pack = gather(samples(), preprocess=built.preprocess, tokenize=built.tokenize)
    packing = time.process_time() - before
    epoch = pairs // BATCH
    stamps = [time.process_time()]
    settings = TrainSettings(
        steps=2 * epoch,
        batch_size=BATCH,
        learning_rate=5e-4,
        precision=precision,  # type: ignore[arg-type]
        augment="flip+shift",
    )
    train(built.model, pack, settings, on_step=lambda step: stamps.append(time.process_time()))
    return {"rate": epoch * BATCH / (stamps[2 * epoch] - stamps[epoch]), "packing": 1000 * packing / pairs}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", type=Path, help="Python of an environment with open_clip_torch[training]")
    parser.add_argument("--pairs", type=int, default=5_120)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--precision", default="fp32", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.only:
        print(json.dumps(train_here(given.folder, given.pairs, given.only, given.precision)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for each in ("shards", "configs", "logs"):
            (folder / each).mkdir()
        shards(folder / "shards", given.pairs)
        (folder / "configs" / "small-clip.json").write_text(json.dumps(MODEL))
        ways: dict[str, Callable[[], float]] = {}
        packing: list[float] = []

        def way(model: str, precision: str) -> Callable[[], float]:
            def run() -> float:
                found = ours(folder, given.pairs, model, precision)
                packing.append(found["packing"])
                return found["rate"]

            return run

        if given.peer:
            ways["open_clip's loop, small-clip, fp32"] = lambda: theirs(given.peer, folder, given.pairs, "fp32")
        ways["ours, small-clip, fp32"] = way("small-clip", "fp32")
        ways["ours, conv-micro, auto"] = way("conv-micro", "auto")
        ways["ours, conv-nano, auto"] = way("conv-nano", "auto")
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(given.rounds):
            for name, run in ways.items():
                rates[name].append(run())
                print(f"round {number}: {name}: {rates[name][-1]:,.0f} samples a CPU second", flush=True)
        base = statistics.median(rates[next(iter(ways))])
        for name, each in rates.items():
            rate = statistics.median(each)
            print(f"{name:40} {rate:8,.0f} samples a CPU second, {rate / base:.2f} x")
        print(f"packing, once a corpus: {statistics.median(packing):.3f} CPU ms a pair")


if __name__ == "__main__":
    main()
