"""Whether the workers of a long `vlcorpus download` grow: memory and open files once a second, over 100,000 URLs.

    python benchmarks/download_rss.py
    python benchmarks/download_rss.py --urls 20000 --https

nginx serves 64 small JPEGs (about 4 kB) from 64 hosts on the loopback (`nginx.py`), each under as many URLs as it takes
(`?n=64`, `?n=128`, ...). A list of all URLs is imported in shards of 1,000 and downloaded by two workers; /proc tells
the resident memory and the open files of each of them while it runs, the finished shards how far it is.

    grows        bytes of resident memory a URL that the worker did: least squares, without the first fifth of the URLs
    most         greatest resident memory (the kernel's own figure, not a sample), open files

A worker's URLs are taken to be those of the finished shards over the number of workers. Memory that the kernel gets
back late shows as a slope for a while: the shorter a run, the less its slope says. All URLs have to bring an image, or
the benchmark fails. Takes about 3 minutes of two cores; Linux only.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from nginx import NETWORK, served
from PIL import Image

FILES = 64
SHARD_ROWS = 1_000
WARM_UP = 0.2
EVERY_SECONDS = 1.0


@dataclass(frozen=True)
class Sample:
    """done: URLs of finished shards, of all workers. resident, most: bytes, now and ever."""

    seconds: float
    done: int
    resident: int
    most: int
    files: int


def pictures(seed: int) -> list[tuple[str, bytes]]:
    """Small blurred noise, about 4 kB each as JPEG."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(FILES):
        coarse = Image.fromarray(rng.integers(0, 256, (15, 20, 3), np.uint8))
        sink = io.BytesIO()
        coarse.resize((160, 120), Image.Resampling.BICUBIC).save(sink, "jpeg", quality=75)
        made.append((f"{number}.jpg", sink.getvalue()))
    return made


def workers_of(parent: int) -> list[int]:
    """Process numbers of the children that work; multiprocessing's own tracker is none of them."""
    try:
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        return [int(pid) for pid in children if b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes()]
    except OSError:
        return []


def sample(pid: int, seconds: float, done: int) -> Sample | None:
    """None where the process has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        about = dict(line.split(":", 1) for line in lines)
        resident, most = (1024 * int(about[name].split()[0]) for name in ("VmRSS", "VmHWM"))
        return Sample(seconds, done, resident, most, len(os.listdir(f"/proc/{pid}/fd")))
    except (OSError, KeyError):
        return None


def observed(command: list[str], environment: dict[str, str], shards: Path) -> dict[int, list[Sample]]:
    """Run the command; samples by process number of its workers."""
    found: dict[int, list[Sample]] = defaultdict(list)
    start = time.monotonic()
    with tempfile.TemporaryFile() as log:
        running = subprocess.Popen(command, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        while running.poll() is None:
            done = SHARD_ROWS * sum(1 for _ in shards.glob("*_stats.json"))
            for pid in workers_of(running.pid):
                if (one := sample(pid, time.monotonic() - start, done)) is not None:
                    found[pid].append(one)
            time.sleep(EVERY_SECONDS)
        if running.returncode:
            log.seek(0)
            raise SystemExit(f"{' '.join(command)} ended with {running.returncode}:\n{log.read()[-3000:].decode()}")
    return found


def line(pid: int, samples: list[Sample], workers: int, urls: int) -> str:
    warm = [each for each in samples if each.done >= WARM_UP * urls]
    if len(warm) < 3 or warm[0].done == warm[-1].done:
        return f"worker {pid}: {len(samples)} samples, too few for a slope"
    done = np.array([each.done / workers for each in warm])
    slope = np.polyfit(done, [each.resident for each in warm], 1)[0]
    first, last = np.array_split([each.resident / 1e6 for each in warm], 5)[::4]
    said = f"worker {pid}: {len(warm)} samples of {len(samples)}   grows {slope:+.0f} bytes a URL"
    said += f"   {first.mean():.1f} MB in the first fifth of these, {last.mean():.1f} in the last"
    files = [each.files for each in warm]
    said += f", {max(each.most for each in samples) / 1e6:.1f} most"
    return f"{said}   open files {files[0]} first, {files[-1]} last, {max(files)} most"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--urls", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--https", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--csv", type=Path, help="file that takes all samples")
    chosen = parser.parse_args()
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = pictures(chosen.seed)
    with tempfile.TemporaryDirectory(prefix="vlcorpus-rss-") as name, served(files) as site:
        source, corpus = Path(name, "list.parquet"), Path(name, "corpus")
        urls = [site.url(number, tls=chosen.https) for number in range(chosen.urls)]
        pq.write_table(pa.table({"url": urls, "text": [f"picture {number}" for number in range(chosen.urls)]}), source)
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "SSL_CERT_FILE": str(site.trusted)}
        ours = [sys.executable, "-m", "vlcorpus"]
        brought = [*ours, "import", str(corpus), str(source), "--shard-rows", str(SHARD_ROWS)]
        subprocess.run(brought, check=True, env=environment, capture_output=True)
        manners = ["--workers", str(chosen.workers), "--allow-private", NETWORK]
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        found = observed([*ours, "download", str(corpus), *manners], environment, corpus / "shards")
        after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - start
        stats = [json.loads(path.read_bytes()) for path in (corpus / "shards").glob("*_stats.json")]
    came = sum(each["successes"] for each in stats)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    size = sum(len(body) for _, body in files) / len(files)
    print(f"{came} of {chosen.urls} URLs brought an image of {size / 1000:.1f} kB", end="; ")
    print(f"{1000 * cpu / chosen.urls:.2f} CPU ms a URL, {wall:.0f} s")
    for pid, samples in found.items():
        print(line(pid, samples, chosen.workers, chosen.urls))
    if chosen.csv:
        rows = [
            f"{pid},{one.seconds:.1f},{one.done},{one.resident},{one.files}\n" for pid in found for one in found[pid]
        ]
        chosen.csv.write_text("pid,seconds,urls_done,resident_bytes,open_files\n" + "".join(rows))
    if came != chosen.urls:
        raise SystemExit("not all URLs brought an image")


if __name__ == "__main__":
    main()
