"""CPU of `vlcorpus download` an image, and its pixels, beside img2dataset 1.47.0 on the same URLs of the loopback.

    python3.11 -m venv VENV && VENV/bin/pip install img2dataset==1.47.0
    python benchmarks/download.py --peer VENV/bin/python --images 3000 --rounds 3
    python benchmarks/download.py --peer VENV/bin/python --images 3000 --rounds 3 --https

nginx serves the pictures of `pixels.build` from 64 hosts (`nginx.py`). Each round runs in turn, into new folders:

    img2dataset          2 processes of 32 threads, webdataset, center_crop, quality 95, sha256
    exact, good, fast    `vlcorpus download --from LIST --pixels ...` with 2 workers and the same settings
    ..., no robots       the same with --no-obey-robots; img2dataset never asks for robots.txt

for jobs of 200, of --short and of --images images. CPU is user and system time of the client and all its descendants,
those that outlive their parent included; ours is that of both commands.

    steady        CPU between the jobs of 200 and of --images images, an image more
    short         CPU of the whole job of --short images, start-up included
    times         img2dataset's CPU over ours in the same round, steady / short

Figures are medians of the rounds (least to greatest). All runs have to bring all images, or the benchmark fails. Then
what the longest jobs stored is compared, image by image, as decoded JPEG:

    identical     how many of the JPEGs are img2dataset's to the byte
    to peer       PSNR between ours and img2dataset's: median / 5th percentile / least; 99 dB where they are equal
    gold          PSNR to Pillow's antialiased Lanczos of the whole picture, cropped alike: ours minus img2dataset's

Pictures that EXIF turns are left out of the PSNRs, as img2dataset does not turn them; the JPEGs' own loss is in them,
36 dB on these pictures. Both use shards of 500 images, and of 100 in the job of 200: at least as many as workers, so
that all jobs start them all (img2dataset would start its processes anew after 5 shards; with 3,000 images it does not).
No names are looked up and there is no latency; wall seconds say little where clients and nginx share cores. A round
takes about 5 minutes on two cores, the comparison 3, the pictures 2 once (--cache keeps them).
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from nginx import NETWORK, Site, served

PEER, MODES = "img2dataset", ("exact", "good", "fast")
FIRST = 200
WORKERS = 2
EQUAL = 99.0
THEIRS = "import json, sys, img2dataset; img2dataset.download(**json.loads(sys.argv[1]))"
PR_SET_CHILD_SUBREAPER = 36


@dataclass
class Figures:
    """Of one way, by round: CPU seconds of the jobs by images, wall seconds of the longest."""

    cpu: list[dict[int, float]] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)

    def steady(self, images: int) -> list[float]:
        """CPU ms an image."""
        return [1000 * (each[images] - each[FIRST]) / (images - FIRST) for each in self.cpu]


def watched(command: list[str]) -> None:
    """Run a command, wait for all that comes of it, print CPU and wall seconds."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    start = time.monotonic()
    code = subprocess.run(command, stdout=sys.stderr, stdin=subprocess.DEVNULL).returncode
    wall = time.monotonic() - start
    while True:
        try:
            os.wait()
        except ChildProcessError:
            break
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(json.dumps({"code": code, "cpu": used.ru_utime + used.ru_stime, "wall": wall}))


def measured(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """(CPU seconds, wall seconds) of a command and its descendants."""
    wrapper = [sys.executable, __file__, "--watch", json.dumps(command)]
    ran = subprocess.run(wrapper, capture_output=True, text=True, env=environment)
    said = json.loads(ran.stdout) if ran.returncode == 0 else {"code": ran.returncode}
    if said["code"]:
        raise SystemExit(f"{' '.join(command)[:300]} ended with {said['code']}:\n{ran.stderr[-3000:]}")
    return said["cpu"], said["wall"]


def environment(site: Site) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    # Albumentations asks a server for its newest version at each start, otherwise.
    return kept | {"OMP_NUM_THREADS": "1", "NO_ALBUMENTATIONS_UPDATE": "1", "SSL_CERT_FILE": str(site.trusted)}


def listed(folder: Path, urls: list[str]) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / f"{len(urls)}.parquet"
    pq.write_table(pa.table({"url": urls, "text": [f"a picture, number {n}" for n in range(len(urls))]}), path)
    return path


def commands(way: str, chosen: argparse.Namespace, source: Path, out: Path, count: int) -> list[list[str]]:
    """What a way runs, in turn, so that the shards of `source` stand in `out`, or in `out`/shards if it is ours."""
    shard = min(500, count // WORKERS)
    if way == PEER:
        settings = {
            "url_list": str(source), "input_format": "parquet", "url_col": "url", "caption_col": "text",
            "output_folder": str(out), "output_format": "webdataset", "number_sample_per_shard": shard,
            "processes_count": WORKERS, "thread_count": 32, "image_size": chosen.size, "resize_mode": "center_crop",
            "encode_quality": 95, "compute_hash": "sha256",
        }  # fmt: skip
        return [[chosen.peer, "-c", THEIRS, json.dumps(settings)]]
    ours = [sys.executable, "-m", "vlcorpus"]
    mode, _, manners = way.partition(", ")
    sizes = ["--image-size", str(chosen.size), "--resize-mode", "center_crop", "--no-only-if-bigger"]
    more = [*sizes, "--encode-quality", "95", "--pixels", mode, "--allow-private", NETWORK, "--workers", str(WORKERS)]
    lists = ["--from", str(source), "--shard-rows", str(shard)]
    return [[*ours, "download", str(out), *lists, *more, *(["--no-obey-robots"] if manners else [])]]


def shards(way: str, out: Path) -> Path:
    return out if way == PEER else out / "shards"


def successes(folder: Path) -> int:
    return sum(json.loads(path.read_bytes())["successes"] for path in folder.glob("*_stats.json"))


def stored(folder: Path) -> dict[str, bytes]:
    """The JPEG of each URL."""
    import pyarrow.parquet as pq

    found: dict[str, bytes] = {}
    for path in sorted(folder.glob("*.tar")):
        rows = pq.read_table(path.with_suffix(".parquet"), columns=["key", "url"]).to_pydict()
        urls = dict(zip(rows["key"], rows["url"], strict=True))
        with tarfile.open(path) as tar:
            for member in tar:
                key, _, extension = member.name.rpartition(".")
                file = tar.extractfile(member)
                if extension == "jpg" and file is not None:
                    found[urls[key]] = file.read()
    return found


def psnr(one: object, other: object) -> float:
    import numpy as np

    difference = np.asarray(one, np.float64) - np.asarray(other, np.float64)
    error = float(np.mean(difference * difference))
    return EQUAL if not error else min(EQUAL, 10 * float(np.log10(255**2 / error)))


def upright(body: bytes) -> bool:
    from io import BytesIO

    from PIL import Image

    with Image.open(BytesIO(body)) as image:
        return bool(image.getexif().get(0x0112, 1) == 1)


def gold(body: bytes, size: int) -> object:
    """The whole picture on white, its shorter side made `size` px by Pillow's Lanczos, cropped in the middle."""
    from io import BytesIO

    from PIL import Image

    with Image.open(BytesIO(body)) as image:
        whole = image.convert("RGBA") if image.has_transparency_data else image.convert("RGB")
    if whole.mode == "RGBA":
        whole = Image.alpha_composite(Image.new("RGBA", whole.size, "white"), whole).convert("RGB")
    scale = size / min(whole.size)
    width, height = (round(side * scale) for side in whole.size)
    left, top = (width - size) // 2, (height - size) // 2
    return whole.resize((width, height), Image.Resampling.LANCZOS).crop((left, top, left + size, top + size))


def compared(bodies: dict[str, bytes], folders: dict[str, Path], size: int) -> Iterator[str]:
    """Lines that say how near each way's JPEGs are to img2dataset's and to the gold."""
    from io import BytesIO

    import numpy as np
    from PIL import Image

    made = {way: stored(folder) for way, folder in folders.items()}
    ours = [way for way in made if way != PEER]
    compared_urls = [url for url, body in bodies.items() if upright(body)]
    near: dict[str, list[float]] = {way: [] for way in ours}
    lead: dict[str, list[float]] = {way: [] for way in ours}
    theirs: list[float] = []
    for url in compared_urls:
        reference = gold(bodies[url], size)
        peer = Image.open(BytesIO(made[PEER][url])).convert("RGB")
        theirs.append(psnr(peer, reference))
        for way in ours:
            image = Image.open(BytesIO(made[way][url])).convert("RGB")
            near[way].append(psnr(image, peer))
            lead[way].append(psnr(image, reference) - theirs[-1])
    yield f"{len(compared_urls)} of {len(bodies)} images compared, the others are turned by EXIF"
    yield f"{PEER:<8} gold {np.median(theirs):.2f} dB"
    for way in ours:
        same = sum(made[way][url] == made[PEER][url] for url in bodies)
        middle, low, least = np.median(near[way]), np.percentile(near[way], 5), min(near[way])
        line = f"{way:<8} identical {same} of {len(bodies)} ({100 * same / len(bodies):.1f} %)"
        line += f"   to peer {middle:.1f} / {low:.1f} / {least:.1f} dB   gold {np.median(lead[way]):+.2f} dB"
        yield f"{line} ({np.percentile(lead[way], 5):+.2f} at the 5th percentile)"


def spread(values: list[float], digits: int) -> str:
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def table(figures: dict[str, Figures], images: int, short: int) -> Iterator[str]:
    heads = ("steady, CPU ms an image", "images/s/core", f"job of {short}, CPU s", "times", "wall s")
    yield f"{'way':<17} {heads[0]:<24} {heads[1]:<14} {heads[2]:<22} {heads[3]:<13} {heads[4]}"
    for way, each in figures.items():
        steady, jobs = each.steady(images), [cpu[short] for cpu in each.cpu]
        line = f"{way:<17} {spread(steady, 2):<24} {1000 / statistics.median(steady):<14.0f} {spread(jobs, 1):<22} "
        ratios = ""
        if PEER in figures:
            peer = figures[PEER]
            pairs = (
                zip(peer.steady(images), steady, strict=True),
                zip([cpu[short] for cpu in peer.cpu], jobs, strict=True),
            )
            ratios = " / ".join(f"{statistics.median([one / other for one, other in pair]):.2f}" for pair in pairs)
        yield f"{line}{ratios:<13} {spread(each.wall, 0)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", help="the Python of an environment that has img2dataset 1.47.0")
    parser.add_argument("--images", type=int, default=3000)
    parser.add_argument("--short", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, default=256, help="side of the stored images, px")
    parser.add_argument("--https", action="store_true")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES)
    parser.add_argument("--cache", type=Path, help="folder that keeps the pictures for the next time")
    parser.add_argument("--watch", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.watch:
        watched(json.loads(chosen.watch))
        return
    from pixels import build

    pictures = build(chosen.images, 0, cache=chosen.cache)
    ways = ([PEER] if chosen.peer else []) + [f"{mode}{more}" for mode in chosen.modes for more in ("", ", no robots")]
    figures = {way: Figures() for way in ways}
    with tempfile.TemporaryDirectory(prefix="vlcorpus-download-") as name, served(pictures) as site:
        urls = [site.url(number, tls=chosen.https) for number in range(chosen.images)]
        counts = sorted({FIRST, chosen.short, chosen.images})
        lists = {count: listed(Path(name), urls[:count]) for count in counts}
        size = sum(len(body) for _, body in pictures) / len(pictures)
        print(
            f"{len(pictures)} images of {size / 1000:.0f} kB on average, {'https' if chosen.https else 'http'}",
            flush=True,
        )
        kept = {way: Path(name, way) for way in ways}
        for round_ in range(chosen.rounds):
            for way in ways:
                jobs: dict[int, float] = {}
                for count in counts:
                    shutil.rmtree(kept[way], ignore_errors=True)
                    costs = [
                        measured(command, environment(site))
                        for command in commands(way, chosen, lists[count], kept[way], count)
                    ]
                    if (came := successes(shards(way, kept[way]))) != count:
                        raise SystemExit(f"{way} brought {came} of {count} images")
                    jobs[count] = sum(cpu for cpu, _ in costs)
                figures[way].cpu.append(jobs)
                figures[way].wall.append(sum(wall for _, wall in costs))
                each = ", ".join(f"{count}: {cpu:.2f}" for count, cpu in jobs.items())
                print(f"round {round_ + 1} {way:<17} CPU s {each}", file=sys.stderr, flush=True)
        print(*table(figures, chosen.images, chosen.short), sep="\n", flush=True)
        if chosen.peer:
            folders = {way: shards(way, kept[way]) for way in ways if "," not in way}
            bodies = {url: body for url, (_, body) in zip(urls, pictures, strict=True)}
            print(*compared(bodies, folders, chosen.size), sep="\n")


if __name__ == "__main__":
    main()
