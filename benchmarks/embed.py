"""Shards to what an image tower wants: images a CPU second, beside clip-retrieval's reader; and what batches change.

    python benchmarks/embed.py --peer VENV/bin/python [--photos FOLDER]     both readers, in turn, over the same shards
    python benchmarks/embed.py --cosines                                     ViT-B-32 at random weights, by batch size

Both read the same tars of JPEGs whose short side has 256 pixels (quality 95) and end with batches of 256 for a tower of
224 pixels: ours uint8, as `embed` streams them; theirs float32, by open_clip's own transform. The peer is the class
WebdatasetReader of the installed clip-retrieval, loaded from its file, for the package imports its servers; texts are
left out of both. CPU seconds are of the process and its children over the whole loop, after one round of warming up;
medians of rounds that alternate.

    python3.11 -m venv VENV && VENV/bin/pip install torch torchvision 'webdataset<0.3' 'open-clip-torch<3'
    VENV/bin/pip install --no-deps clip-retrieval==2.45.0
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIZE, BATCH, SHARD = 224, 256, 1_000

# Run by the peer's Python: argv is batches' workers, then the tars. One line of JSON a round.
THEIRS = """
import importlib.metadata, importlib.util, json, resource, sys, warnings
warnings.simplefilter("ignore")
import open_clip, torch
torch.set_num_threads(1)
path = next(f for f in importlib.metadata.files("clip_retrieval") if str(f).endswith("clip_inference/reader.py"))
spec = importlib.util.spec_from_file_location("reader", path.locate())
reader = importlib.util.module_from_spec(spec)
spec.loader.exec_module(reader)
workers, tars = int(sys.argv[1]), sys.argv[2:]
transform = open_clip.image_transform(224, is_train=False)

def used():
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))

for line in sys.stdin:
    before, count = used(), 0
    for batch in reader.WebdatasetReader(lambda each: each, transform, None, tars, 256, workers, enable_text=False):
        count += len(batch["image_tensor"])
    print(json.dumps([count, used() - before]), flush=True)
"""


def shards(folder: Path, count: int, photos: Path | None) -> list[Path]:
    """Tars of up to 1,000 JPEGs, made as download does with image_size 256, keep_ratio and encode_quality 95."""
    from pixels import build

    from vlcorpus.images.prepare import ImageSettings, Prepared, prepare
    from vlcorpus.io.tar import ShardWriter

    settings = ImageSettings(image_size=256, resize_mode="keep_ratio", encode_quality=95)
    made = [prepare(body, settings) for _, body in build(count, photos=photos)]
    bodies = [each.body for each in made if isinstance(each, Prepared)]
    found = []
    for start in range(0, len(bodies), SHARD):
        path = folder / "shards" / f"{start // SHARD:05d}.tar"
        path.parent.mkdir(exist_ok=True)
        with open(path, "wb") as file:
            writer = ShardWriter(file)
            for place, body in enumerate(bodies[start : start + SHARD], start):
                writer.add(f"{place:09d}", {"jpg": body, "json": b"{}", "txt": b"a photo"})
            writer.close()
        found.append(path)
    print(f"{len(bodies)} JPEGs, {np.mean([len(body) for body in bodies]) / 1000:.0f} kB in the mean")
    return found


def ours(folder: Path, tars: list[Path], loaders: int) -> Iterator[NDArray[np.uint8]]:
    """The batches that `embed` hands to its encoder, by the same functions."""
    from vlcorpus.clip.loader import Loader
    from vlcorpus.clip.preprocess import Preprocessing, prepare_into
    from vlcorpus.corpus import Corpus
    from vlcorpus.io.tar import scan
    from vlcorpus.stages import encoding

    corpus, how = Corpus(folder, "c", 5, SHARD, 0), Preprocessing(size=SIZE)
    for path in tars:
        keys = [entry.key for entry in scan(path) if entry.extension == "jpg"]
        loader = Loader(
            encoding.pictures(corpus, path.stem, keys),
            lambda picture, square: prepare_into(encoding.decoded(corpus, picture), how, square, bgr=True),
            size=SIZE,
            batch_size=BATCH,
            threads=loaders,
            buffers=3,
        )
        with loader:
            while (batch := loader.take()) is not None:
                yield batch.pixels.numpy()
                loader.release(batch)


def compare(peer: Path, folder: Path, tars: list[Path], rounds: int, loaders: int, workers: int) -> None:
    import cv2
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    command = [str(peer), "-c", THEIRS, str(workers), *map(str, tars)]
    spent: dict[str, list[float]] = {"ours": [], "clip-retrieval": []}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as theirs:
        assert theirs.stdin is not None and theirs.stdout is not None
        for number in range(rounds + 1):
            before, count = used(), 0
            for batch in ours(folder, tars, loaders):
                count += len(batch)
            own = count, used() - before
            theirs.stdin.write("\n")
            theirs.stdin.flush()
            other = json.loads(theirs.stdout.readline())
            assert other[0] == own[0], (other, own)
            if number:
                spent["ours"].append(own[1] / own[0])
                spent["clip-retrieval"].append(other[1] / other[0])
                own_ms, their_ms = (1000 * spent[name][-1] for name in ("ours", "clip-retrieval"))
                print(f"round {number}: ours {own_ms:.3f} ms, theirs {their_ms:.3f} ms")
        theirs.stdin.close()
    for name, each in spent.items():
        print(f"{name:<16}{1 / statistics.median(each):8,.0f} images a CPU second")
    ratio = statistics.median(b / a for a, b in zip(spent["ours"], spent["clip-retrieval"], strict=True))
    print(f"ratio {ratio:.2f} (median of the rounds; loaders {loaders}, their workers {workers})")


def pixels_apart(folder: Path, tars: list[Path], most: int) -> None:
    """Our bytes beside open_clip's transform, which is the peer's, over the first pictures of the first shard."""
    import open_clip

    from vlcorpus.clip.preprocess import CLIP_MEAN, CLIP_STD
    from vlcorpus.io.tar import read_members

    transform = open_clip.image_transform(SIZE, is_train=False)
    mean, std = (np.array(each)[:, None, None] for each in (CLIP_MEAN, CLIP_STD))
    batches = ours(folder, tars[:1], 1)
    squares = (square for batch in batches for square in batch)
    counts = np.zeros(256, int)
    for (_, body), square in zip(read_members(tars[0], extensions={"jpg"}), squares, strict=False):
        theirs = np.rint((transform(Image.open(io.BytesIO(body))).numpy() * std + mean) * 255).astype(int)
        counts += np.bincount(np.abs(square - theirs).ravel(), minlength=256)
        most -= 1
        if not most:
            break
    batches.close()  # type: ignore[attr-defined]
    shares = ", ".join(f"{step}: {share:.4%}" for step, share in enumerate(counts / counts.sum()) if share)
    print(f"pixels apart from open_clip's, in steps of 255: {shares}")


def cosines() -> None:
    """How far vectors of one picture are apart that came in batches of different sizes."""
    import open_clip
    import safetensors.torch
    import torch

    from vlcorpus.clip.model import load

    torch.set_num_threads(1)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "random.safetensors"
        model = open_clip.create_model("ViT-B-32", load_weights=False)
        safetensors.torch.save_file(model.state_dict(), weights)
        encoder = load(f"ViT-B-32@{weights}")
    batch = np.random.default_rng(0).integers(0, 256, (64, 3, SIZE, SIZE), np.uint8)
    start = time.perf_counter()
    whole = encoder.encode_images(batch)
    print(f"ViT-B-32, 64 images at once: {64 / (time.perf_counter() - start):.1f} images/s on one thread")
    for size in (1, 3, 16, 32):
        rows = np.concatenate([encoder.encode_images(batch[place : place + size]) for place in range(0, 64, size)])
        apart, cosine = np.abs(rows - whole).max(), (rows * whole).sum(1, dtype=np.float64)
        print(f"batches of {size:>2} beside 64: numbers {apart:.1e} apart, 1 - cosine up to {(1 - cosine).max():.1e}")


def used() -> float:
    """CPU seconds of this process and its children."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", type=Path, help="Python of an environment with clip-retrieval")
    parser.add_argument("--photos", type=Path, help="folder of JPEGs to take parts of")
    parser.add_argument("--count", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--loaders", type=int, default=1)
    parser.add_argument("--workers", type=int, default=0, help="of the peer's DataLoader; 0: in its own process")
    parser.add_argument("--cosines", action="store_true")
    options = parser.parse_args()
    if options.cosines:
        cosines()
    if options.peer is not None:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            tars = shards(folder, options.count, options.photos)
            pixels_apart(folder, tars, 200)
            compare(options.peer, folder, tars, options.rounds, options.loaders, options.workers)
    if not options.cosines and options.peer is None:
        sys.exit("--peer or --cosines?")


if __name__ == "__main__":
    main()
