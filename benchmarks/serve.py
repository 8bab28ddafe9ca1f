"""How soon `vlcorpus serve` is ready over a million rows, how quick it is, and what memory it holds.

    python benchmarks/serve.py FOLDER [--rows 1000000] [--dimension 512] [--shards 100] [--queries 200]

FOLDER is made once, as clip-retrieval lays it out: clustered unit rows in fp16, a caption and a URL each. The server
runs as a person starts it; where FOLDER has an image.index, as autofaiss writes it, that is measured.
Times are of whole requests over one kept connection, seen by the client: wall clock, and beside it the CPU time of the
server, which other work on the machine cannot stretch. RSS is split: files that are mapped count as pages of the page
cache, which the system takes back when it likes.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def build(folder: Path, rows: int, dimension: int, shards: int) -> None:
    """Rows about 5,000 centres; nothing is made where it is there."""
    if (folder / "metadata").is_dir():
        return
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((5_000, dimension), dtype=np.float32)
    for name in ("img_emb", "text_emb", "metadata"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    done = 0
    for shard in range(shards):
        count = rows * (shard + 1) // shards - done
        for side, noise in (("img", 0.8), ("text", 1.5)):
            made = centres[rng.integers(0, len(centres), count)]
            made = made + noise * rng.standard_normal(made.shape, dtype=np.float32)
            made /= np.linalg.norm(made, axis=1, keepdims=True)
            np.save(folder / f"{side}_emb" / f"{side}_emb_{shard:05d}.npy", made.astype(np.float16))
        numbers = range(done, done + count)
        table = pa.table(
            {
                "image_path": [f"{number:09d}" for number in numbers],
                "caption": [f"caption {number} of a picture" for number in numbers],
                "url": [f"https://example.org/{number}.jpg" for number in numbers],
                "uid": [f"{number:032x}" for number in numbers],
                "width": pa.array([200 + number * 7919 % 1800 for number in numbers], pa.int32()),
            }
        )
        pq.write_table(table, folder / "metadata" / f"metadata_{shard:05d}.parquet")
        done += count


class Asked:
    """A server and one connection to it."""

    def __init__(self, folder: Path) -> None:
        begun = time.perf_counter()
        command = [sys.executable, "-m", "vlcorpus", "serve", str(folder), "--port", "0", "--seconds", "60"]
        self.child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.child.stdout is not None
        url = self.child.stdout.readline()
        self.connection = http.client.HTTPConnection("127.0.0.1", int(url.rsplit(":", 1)[1].strip("/\n")))
        self.ask("GET", "/api/about")
        self.ready = time.perf_counter() - begun

    def ask(self, method: str, path: str, value: Any = None) -> Any:
        body = json.dumps(value) if value is not None else None
        self.connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        response = self.connection.getresponse()
        found = json.loads(response.read())
        assert response.status == 200, found
        return found

    def cpu(self) -> float:
        """Seconds of CPU so far."""
        fields = Path(f"/proc/{self.child.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> dict[str, int]:
        """MB of its own, and of mapped files that happen to be in memory."""
        lines = Path(f"/proc/{self.child.pid}/status").read_text().splitlines()
        found = {line.split(":")[0]: int(line.split()[1]) // 1000 for line in lines if line.startswith("Rss")}
        return {"own": found["RssAnon"], "mapped": found["RssFile"]}

    def loaded(self, name: str) -> bool:
        return f"/{name}/" in Path(f"/proc/{self.child.pid}/maps").read_text()

    def timed(self, name: str, questions: list[tuple[str, Any]]) -> None:
        cpu, walls = self.cpu(), []
        for path, value in questions:
            begun = time.perf_counter()
            self.ask("POST", path, value)
            walls.append((time.perf_counter() - begun) * 1000)
        each = (self.cpu() - cpu) / len(questions) * 1000
        p50, p99 = np.percentile(walls, [50, 99])
        print(f"| {name:<34} | {p50:8.1f} | {p99:8.1f} | {each:8.1f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--shards", type=int, default=100)
    parser.add_argument("--queries", type=int, default=200)
    given = parser.parse_args()
    build(given.folder, given.rows, given.dimension, given.shards)
    rng = np.random.default_rng(1)
    server = Asked(given.folder)
    print(f"ready after {server.ready:.2f} s, memory {server.memory()} MB")
    try:
        begun = time.perf_counter()
        server.ask("POST", "/api/search", {"query": f"uid:{0:032x}", "k": 40})
        print(f"first search {time.perf_counter() - begun:.2f} s")
        print("| request                            | p50 ms   | p99 ms   | CPU ms   |")
        print("|------------------------------------|----------|----------|----------|")
        uids = [f"{number:032x}" for number in rng.integers(0, given.rows, given.queries)]
        numbers = rng.standard_normal((given.queries, given.dimension)).tolist()
        few = max(1, given.queries // 10)
        vectors = [{"terms": [{"kind": "vector", "value": each}], "k": 40} for each in numbers]
        server.timed("search by uid, k 40, folded", [("/api/search", {"query": f"uid:{uid}", "k": 40}) for uid in uids])
        server.timed("search by vector, k 40, folded", [("/api/search", each) for each in vectors])
        server.timed("the same, not folded", [("/api/search", each | {"folded": False}) for each in vectors])
        narrow = [each | {"where": "width < 218"} for each in vectors[:few]]
        server.timed("search by vector, 1 % pass a filter", [("/api/search", each) for each in narrow])
        ids = [server.ask("POST", "/api/search", each)["query"] for each in vectors[:few]]
        server.timed("histogram, first", [("/api/histogram", {"query": id}) for id in ids])
        server.timed("histogram, again", [("/api/histogram", {"query": id}) for id in ids])
        knn = {"indice_name": None, "modality": "image", "num_images": 40, "deduplicate": True}
        server.timed("knn-service, 40", [("/knn-service", knn | {"embedding_input": each}) for each in numbers])
        print(f"memory {server.memory()} MB, torch loaded: {server.loaded('torch')}")
    finally:
        server.child.terminate()
        server.child.wait()


if __name__ == "__main__":
    main()
