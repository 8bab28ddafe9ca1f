"""CPU seconds and memory of a decision over millions of candidates, beside DataComp's way.

    python benchmarks/decide.py --rows 12800000 --rounds 1 --datacomp FOLDER --peer VENV/bin/python
    python benchmarks/decide.py --rows 64000000 --rounds 1

Writes a seeded corpus of candidates with the columns of CommonPool's metadata (128,000 rows a shard) and the same rows
as CommonPool's parquet files, then measures in turn, in processes of their own:

    decide     vlcorpus filter: the highest 30 % by ViT-L/14 and six predicates, a verdict for every row; no funnel is
               missing from it: masks, marginal rates and exclusive rejections are counted in the same scan
    uids       vlcorpus export --output-format uids: the sorted u8,u8 .npy of what is kept
    rule       the same two steps for a rule that DataComp has, too: English, over 2 words and 5 characters, short side
               200, aspect 3, and the highest 30 % by ViT-L/14 with its ties
    datacomp   that rule by baselines/apply_filter.py of a checkout (FOLDER), its own functions unchanged: the uids of
               basic_filter and of clip_score, what both have, sorted, saved. Languages are not detected: a stand-in for
               fastText reads the last word. VENV needs numpy, pandas, pyarrow, fsspec, tqdm
    fraction   clip_score alone by those functions, no other predicate

The uids of `rule` and `datacomp` are compared. CPU seconds are of the process and its workers; memory is the largest of
any process.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vlcorpus import schema
from vlcorpus.corpus import Corpus
from vlcorpus.io import table
from vlcorpus.stages.base import UnitCommit
from vlcorpus.stages.import_ import Import

SHARD_ROWS = 128_000
LANGUAGES = ("en", "de", "fr", "es", "ru", "zh")
WORDS = np.array("the red small house by a lake with old trees blue car on sale photo of dog and cat in snow".split())
WHERE = (
    'language == "en" and short_side >= 200 and aspect <= 3 and clip_b32_similarity_score >= 0.2 and punsafe < 0.5 '
    "and pwatermark < 0.8"
)
RULE = 'language == "en" and words(alt_text) > 2 and length(alt_text) > 5 and short_side >= 200 and aspect <= 3'
PEER = """
import sys, types
from pathlib import Path
folder, metadata, out, basic = sys.argv[1:]
for name in ("fasttext", "gcld3", "nltk", "nltk.corpus", "torch"):
    module = sys.modules[name] = types.ModuleType(name)
    module.FastText = types.SimpleNamespace()
    module.no_grad = lambda: lambda function: function
    module.Tensor = module.wordnet = object
class Language:
    def predict(self, text):
        return (("__label__" + text.rsplit(" ", 1)[1],), (1.0,))
sys.modules["fasttext"].load_model = lambda path: Language()
sys.path.insert(0, folder)
import numpy as np
from baselines import apply_filter as theirs
theirs.download = lambda *names: ""
uids = theirs.load_uids_with_clip_score(metadata, "l14", None, 0.3, 2)
if basic:
    uids = np.intersect1d(uids, theirs.load_uids_with_basic_filter(metadata, 2))
uids.sort()
np.save(out, uids)
"""


def columns_of(shard: int, rows: int) -> dict[str, np.ndarray]:
    """The rows of one shard."""
    chance = np.random.default_rng(shard)
    drawn = WORDS[chance.integers(0, len(WORDS), (rows, 7))]
    b32 = chance.normal(0.22, 0.06, rows)
    languages = np.array(LANGUAGES, dtype=object)[chance.choice(6, rows, p=[0.5, 0.1, 0.1, 0.1, 0.1, 0.1])]
    lengths = chance.integers(1, 8, rows)
    texts = [" ".join([*row[:most], own]) for row, most, own in zip(drawn.tolist(), lengths, languages, strict=True)]
    return {
        "uid": chance.integers(0, 2**64, (rows, 2), dtype=np.uint64),
        "text": np.array(texts, dtype=object),
        "language": languages,
        "width": np.clip(chance.lognormal(6, 0.7, rows), 20, 6000).astype(np.int32),
        "height": np.clip(chance.lognormal(6, 0.7, rows), 20, 6000).astype(np.int32),
        "b32": b32.astype(np.float32),
        "l14": (0.7 * b32 + chance.normal(0.05, 0.04, rows)).astype(np.float32),
        "punsafe": chance.beta(0.5, 6, rows).astype(np.float32),
        "pwatermark": chance.beta(0.7, 3, rows).astype(np.float32),
    }


def build(folder: Path, rows: int, *, metadata: bool) -> None:
    """A corpus of candidates with the scores of a list, and CommonPool's files of the same rows."""
    corpus = Corpus.create(folder / "corpus", shard_rows=SHARD_ROWS)
    stage = Import(source="toy")
    (folder / "metadata").mkdir()
    for number, start in enumerate(range(0, rows, SHARD_ROWS)):
        count = min(SHARD_ROWS, rows - start)
        made = columns_of(number, count)
        uids = pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(16), count, [None, pa.py_buffer(made["uid"].astype(">u8").tobytes())]
        )
        urls = [f"https://images.example/{number}/{row}.jpg" for row in range(count)]
        given = {
            "uid": uids, "image_id": uids, "url": urls, "alt_text": made["text"], "language": made["language"],
            "width": made["width"], "height": made["height"], "source": ["toy"] * count,
            "offset": np.arange(start, start + count),
        }  # fmt: skip
        shard = corpus.shard_name(number)
        commit_table(stage, corpus, "candidates", shard, given)
        scores = {"clip_b32_similarity_score": made["b32"], "clip_l14_similarity_score": made["l14"]}
        scores |= {name: made[name] for name in ("punsafe", "pwatermark")}
        commit_table(stage, corpus, "scores/list", shard, {"uid": uids} | scores)
        if metadata:
            pool = {
                "uid": [f"{high:016x}{low:016x}" for high, low in made["uid"].tolist()], "url": urls,
                "text": made["text"], "original_width": made["width"], "original_height": made["height"], **scores,
            }  # fmt: skip
            pq.write_table(pa.table(pool), folder / "metadata" / f"{shard}.parquet")


def commit_table(stage: Import, corpus: Corpus, layer: str, shard: str, columns: dict[str, object]) -> None:
    name = "score-list" if layer == "scores/list" else layer
    wanted = schema.table(name).arrow()
    rows = len(columns["uid"])  # type: ignore[arg-type]
    arrays = [
        pa.array(columns[each.name], each.type) if each.name in columns else pa.nulls(rows, each.type)
        for each in wanted
    ]
    with UnitCommit(stage, corpus, corpus.layer(layer), shard, {}) as commit:
        table.write(commit, f"{shard}.parquet", pa.Table.from_arrays(arrays, schema=wanted), name, varied=("uid",))
        commit.finish(seen=rows, kept=rows, source="toy", of="candidates", model=None)


def measured(command: list[str]) -> tuple[float, float, float]:
    """CPU seconds, wall seconds, and MB of the largest process."""
    env = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    with tempfile.NamedTemporaryFile("r") as told:
        subprocess.run(["/usr/bin/time", "-f", "%M", "-o", told.name, *command], check=True, env=env, stdout=2)
        memory = int(told.read().split()[-1]) / 1000
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, time.monotonic() - start, memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=12_800_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--datacomp", type=Path, help="a checkout of DataComp")
    parser.add_argument("--peer", default=sys.executable, help="Python that runs it")
    parser.add_argument("--folder", type=Path, help="where to work; made anew, and kept")
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp())
    if not (folder / "corpus").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        build(folder, given.rows, metadata=given.datacomp is not None)
    corpus = str(folder / "corpus")
    ours = [sys.executable, "-m", "vlcorpus"]
    fraction = ["--of", "candidates", "--score", "clip_l14_similarity_score", "--top-fraction", "0.3", "--workers", "1"]

    def decide(name: str, *settings: str) -> tuple[Callable[[], None], list[str]]:
        decided = folder / "corpus" / "decisions" / name
        command = [*ours, "filter", corpus, *fraction, *settings, "--decision", name]
        return lambda: shutil.rmtree(decided, ignore_errors=True), command

    def uids(name: str) -> tuple[Callable[[], None], list[str]]:
        out = folder / f"uids-{name}"
        command = [*ours, "export", corpus, str(out), "--decision", name, "--output-format", "uids", "--workers", "1"]
        return lambda: shutil.rmtree(out, ignore_errors=True), command

    runs = {"decide": decide("d", "--where", WHERE), "uids": uids("d")}
    if given.datacomp is not None:
        arguments = [given.peer, "-c", PEER, str(given.datacomp), str(folder / "metadata")]
        runs["rule"], runs["rule uids"] = decide("rule", "--where", RULE, "--ties", "keep"), uids("rule")
        runs["datacomp"] = (lambda: None, [*arguments, str(folder / "theirs.npy"), "basic"])
        runs["fraction"] = (lambda: None, [*arguments, str(folder / "fraction.npy"), ""])
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in runs}
    for _ in range(given.rounds):
        for name, (before, command) in runs.items():
            before()
            found[name].append(measured(command))
    print(f"{given.rows:,} rows; median of {given.rounds} rounds")
    print("            CPU s   wall s   MB")
    for name, each in found.items():
        cpu, wall, memory = (statistics.median(one[place] for one in each) for place in range(3))
        print(f"{name:<10}{cpu:>8.2f}{wall:>9.2f}{memory:>7.0f}")
    if given.datacomp is not None:
        same = np.array_equal(np.load(folder / "uids-rule" / "all" / "00000.npy"), np.load(folder / "theirs.npy"))
        print(f"uids of the rule: {'the same' if same else 'NOT the same'} as DataComp's")
    if given.folder is None:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
