"""Indices beside autofaiss's default: what building costs, what searching holds, what text queries find.

    python -m venv /tmp/af && /tmp/af/bin/pip install autofaiss 'pyarrow<20' 'setuptools<80'
    python benchmarks/index.py --peer /tmp/af/bin/python            200,000 vectors of 512: 5 minutes
    python benchmarks/index.py --small                              50,000 vectors of 512 within 50 MB; no peer

Vectors are those of vectors_world.py: clusters of CLIP-like vectors, and text queries that are not distributed as they
are. Both tools get the same folder of fp16 .npy files and one core, each in a process of its own, one after the other:
`vlcorpus index` as it stands (image and text side, recall measured and parameters tuned for 0.99 of text queries), and
autofaiss.build_index with its defaults and nb_cores=1, of the image side and of the text side. CPU seconds and peak
resident size are those of the whole process, imports included; ours maps the vectors, whose pages count as resident
although they can be dropped, so `own MB` is the peak without pages of files. Searching is timed in the same runs: one
core, one query at a time, the median of CPU milliseconds; recall@10 is of an exact search.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

K = 10
RATIOS = ("cpu", "peak", "own", "holds")

PEER_BUILDS = """
import json, sys
from autofaiss import build_index
folder, out = sys.argv[1:3]
for side, word in (("image", "img"), ("text", "text")):
    build_index(embeddings=f"{folder}/{word}_emb", index_path=f"{out}/{side}.index",
                index_infos_path=f"{out}/{side}.json", nb_cores=1, verbose=30)
infos = json.load(open(f"{out}/image.json"))
print(json.dumps({"kind": f"{infos['index_key']} {infos['index_param']}"}))
"""
PEER_SEARCHES = """
import json, statistics, sys, time
import faiss, numpy as np
folder, out = sys.argv[1:3]
queries, index = np.load(f"{folder}/queries.npy"), faiss.read_index(f"{out}/image.index")
faiss.omp_set_num_threads(1)
times, found = [], []
for query in queries:
    start = time.process_time()
    found.append(index.search(query[None], int(sys.argv[3]))[1][0].tolist())
    times.append((time.process_time() - start) * 1e3)
print(json.dumps({"ms": statistics.median(times), "found": found}))
"""


def builds(corpus: Path, memory: str, kind: str) -> dict[str, Any]:
    """`vlcorpus index`, without the command line."""
    from vlcorpus.corpus import Corpus
    from vlcorpus.stages import index_about
    from vlcorpus.stages.index import Index

    stage, opened = Index(memory=memory, kind=kind), Corpus.open(corpus)
    stage.open(opened)("all", lambda *_: None)
    about = index_about.read(stage.layer(opened))
    parameters = " ".join(f"{name}={value}" for name, value in about.image.parameters.items())
    return {"kind": f"{about.kind} {parameters}", "said": about.image.recalls["text"]}


def searches(folder: Path, corpus: Path) -> dict[str, Any]:
    """Every query, as `vlcorpus search` asks."""
    import numpy as np

    from vlcorpus.corpus import Corpus
    from vlcorpus.io import vectors
    from vlcorpus.knn.searcher import Searcher
    from vlcorpus.stages.index_opened import opened

    own = Corpus.open(corpus)
    source = own.layer("embeddings/" + own.layers("embeddings")[0])
    index, note = opened(own, source, "image")
    if note:
        sys.exit(note)  # an index that does not fit is not what is measured
    searcher = Searcher([vectors.read(source.path(f"img_emb/img_emb_{shard}.npy")) for shard in source.units()], index)
    times, found = [], []
    for query in np.load(folder / "queries.npy"):
        start = time.process_time()
        found.append(searcher.top(query, K).rows.tolist())
        times.append((time.process_time() - start) * 1e3)
    return {"ms": statistics.median(times), "found": found}


def measured(command: list[str]) -> dict[str, Any]:
    """What a command prints as JSON on its last line, its CPU seconds, peak resident MB, and the peak without pages of
    files."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    peaks = {"RssAnon": 0, "VmHWM": 0}
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.01):
            try:
                text = Path(f"/proc/{child.pid}/status").read_text()
            except OSError:
                return
            for line in text.splitlines():
                name = line.partition(":")[0]
                if name in peaks:
                    peaks[name] = max(peaks[name], int(line.split()[1]))

    watching = threading.Thread(target=watch)
    watching.start()
    assert child.stdout is not None and child.stderr is not None
    errors: list[str] = []
    draining = threading.Thread(target=lambda: errors.append(child.stderr.read()))
    draining.start()
    said = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    ended.set()
    watching.join()
    draining.join()
    if child.returncode:
        sys.exit(f"{command[0]} failed: {errors[0][-2000:]}")
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found | {
        "cpu": usage.ru_utime + usage.ru_stime,
        "peak": peaks["VmHWM"] / 1024,  # ru_maxrss would begin with what this process held when it forked
        "own": peaks["RssAnon"] / 1024,
    }


def prepare(folder: Path, rows: int, queries: int) -> None:
    """Vectors as .npy files, a corpus with them as its embeddings, queries, and their exact neighbours."""
    import numpy as np

    from benchmarks.vectors_world import World
    from vlcorpus.corpus import Corpus
    from vlcorpus.io import vectors
    from vlcorpus.knn import scan
    from vlcorpus.stages.base import UnitCommit
    from vlcorpus.stages.embed import Embed

    world = World(seed=0)
    corpus = Corpus.create(folder / "corpus", shard_rows=10_000)
    layer = corpus.layer("embeddings/world.00000000")
    stored = []
    texts = world.texts(rows, set=1).astype(np.float16)
    for number, start in enumerate(range(0, rows, 10_000)):
        shard = corpus.shard_name(number)
        stop = min(start + 10_000, rows)
        both = {"img": world.images(start, stop), "text": texts[start:stop]}
        with UnitCommit(Embed(), corpus, layer, shard, {"shards": shard}) as commit:
            for word, each in both.items():
                vectors.write(commit, f"{word}_emb/{word}_emb_{shard}.npy", np.ascontiguousarray(each))
            commit.finish(seen=stop - start, kept=stop - start)
        stored.append(both["img"])
    for word in ("img", "text"):
        (folder / f"{word}_emb").symlink_to(layer.path(f"{word}_emb"))
    asked = world.texts(queries, set=2)
    np.save(folder / "queries.npy", asked)
    np.save(folder / "exact.npy", scan.top(stored, asked, K)[1])


def recall(found: list[list[int]], exact: Any) -> float:
    return sum(len(set(own) & set(true)) for own, true in zip(found, exact.tolist(), strict=True)) / exact.size


def holds(folder: Path) -> float:
    """MB of index files: what searching holds beside the vectors."""
    return sum(path.stat().st_size for path in folder.glob("*.index")) / 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--peer", help="Python of an environment that has autofaiss")
    parser.add_argument("--small", action="store_true", help="50,000 vectors within 50 MB")
    parser.add_argument("--memory", default="4GB")
    parser.add_argument("--build", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--search", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.build:
        print(json.dumps(builds(Path(chosen.build[0]), chosen.memory, chosen.build[1])))
        return 0
    if chosen.search:
        print(json.dumps(searches(Path(chosen.search[0]), Path(chosen.search[1]))))
        return 0
    import numpy as np

    rows, memory = (50_000, "50MB") if chosen.small else (chosen.rows, chosen.memory)
    with tempfile.TemporaryDirectory(prefix="index-") as top:
        folder, corpus, peer = Path(top), Path(top, "corpus"), Path(top, "peer")
        prepare(folder, rows, chosen.queries)
        exact = np.load(folder / "exact.npy")
        built: dict[str, dict[str, Any]] = {}
        asked: dict[str, dict[str, Any]] = {}
        own = [sys.executable, __file__, "--memory", memory]
        for name, kind in (("as chosen", "auto"), ("exact", "exact")):
            built[name] = measured([*own, "--build", str(corpus), kind])
            built[name]["holds"] = holds(next((corpus / "index").iterdir()))
            asked[name] = measured([*own, "--search", str(folder), str(corpus)])
        if chosen.peer:
            peer.mkdir()
            names = [str(folder), str(peer), str(K)]
            built["autofaiss"] = measured([chosen.peer, "-c", PEER_BUILDS, *names])
            built["autofaiss"]["holds"] = holds(peer)
            asked["autofaiss"] = measured([chosen.peer, "-c", PEER_SEARCHES, *names])
        print(f"{rows:,} images and texts of 512 numbers, one core, memory {memory}; {chosen.queries} text queries")
        print(f"{'building':<10} {'CPU s':>9} {'peak MB':>9} {'own MB':>9} {'file MB':>9}  kind of the image side")
        for name, each in built.items():
            words = " ".join(f"{each[key]:>9.4g}" for key in RATIOS)
            print(f"{name:<10} {words}  {each['kind']}")
        if chosen.peer:
            for name in ("as chosen", "exact"):
                theirs = built["autofaiss"]
                words = " ".join(
                    f"{theirs[key] / built[name][key]:>8.1f}x" if built[name][key] else " " * 9 for key in RATIOS
                )
                print(f"{'  against':<10} {words}  {name}")
        print(f"{'searching':<10} {'recall@10':>9} {'ms':>9} {'peak MB':>9} {'own MB':>9}")
        for name, each in asked.items():
            numbers = (recall(each["found"], exact), each["ms"], each["peak"], each["own"])
            print(f"{name:<10} " + " ".join(f"{number:>9.4g}" for number in numbers))
        for name in ("as chosen", "exact"):
            said = built[name]["said"]
            print(f"index.json, {name}: {said['recall']:.4f} of text queries ({said['low']:.4f} to {said['high']:.4f})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
