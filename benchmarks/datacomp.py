"""Whether our recipes keep what DataComp's own code keeps of the same lists, and the CPU seconds of both.

    python benchmarks/datacomp.py CHECKOUT                                    a checkout of mlfoundations/datacomp
    python benchmarks/datacomp.py CHECKOUT --rows 2000000 --peer VENV/bin/python

Writes parquet files with CommonPool's columns, full of edges: scores that tie at the cut, uids that begin with zeros,
texts with Unicode's spaces and with line ends, sides of exactly 200, aspects of exactly 3. Imports these very files,
judges their candidates by recipe, exports the uids, and compares them with what DataComp's functions
(baselines/apply_filter.py, as they stand) give: equal arrays, or the run ends with an error.

Languages are those of our detectors, for both: DataComp's calls of fastText and gcld3 are answered by stand-ins that
look the text up. So its detection costs nothing here, nor does ours, which is a column by then. VENV needs numpy,
pandas, pyarrow, fsspec and tqdm.

`--doubles` writes the scores as doubles. Pandas then compares doubles with DataComp's thresholds, where a list's scores
are float32 here and a threshold is rounded to it, so that 0.24 keeps the float32 next to 0.24 although that is a little
less; `--score "clip_l14_similarity_score + 0"` compares in doubles, too.

CPU seconds are of a process and its workers, start and imports included; ours are of `filter` and `export` apart.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

FILES = 5
WORDS = "the red small house by a lake with old trees blue car on sale photo of dog and cat in snow".split()
SPACES = (" ", " ", " ", " ", "\u00a0", "\u3000", "\u2003", "\t", "\n", "  ", "\u200b")
FOREIGN = (
    "ein Hund läuft im Sommer über die grüne Wiese",
    "кошка сидит на старом стуле у окна",
    "雪の中の黒い猫の写真",
)
SIDES = np.array([199, 200, 201, 599, 600, 601, 603, 1024])

# Name of the arm; DataComp's function with its arguments; ours.
LIST_L14, LIST_B32 = "clip_l14_similarity_score", "clip_b32_similarity_score"
CLIP = "load_uids_with_clip_score(metadata, {arch!r}, {threshold}, {fraction}, 2)"
ARMS: dict[str, tuple[str, list[str]]] = {
    "no_filter": ("load_uids(metadata, 2)", ["datacomp-no-filter"]),
    "basic_filter": ("load_uids_with_basic_filter(metadata, 2)", ["datacomp-basic"]),
    "clip_score l14 0.3": (
        CLIP.format(arch="l14", threshold=None, fraction=0.3),
        ["datacomp-clip-score", "--score", LIST_L14],
    ),
    "clip_score b32 0.29": (
        CLIP.format(arch="b32", threshold=None, fraction=0.29),
        ["datacomp-clip-score", "--score", LIST_B32, "--top-fraction", "0.29", "--made-for", "ViT-B-32/openai"],
    ),
    "clip_score l14 >= 0.24": (
        CLIP.format(arch="l14", threshold=0.24, fraction=None),
        ["datacomp-clip-score", "--score", LIST_L14, "--top-fraction", "none", "--min-sim", "0.24"],
    ),
    "clip_score b32 >= 0.28": (
        CLIP.format(arch="b32", threshold=0.28, fraction=None),
        ["datacomp-clip-score", "--score", LIST_B32, "--top-fraction", "none", "--min-sim", "0.28", "--made-for",
         "ViT-B-32/openai"],
    ),
    "laion2b": (
        "load_uids_with_clip_score(metadata, 'b32', 0.28, None, 2, gcld3_en_filter=True)",
        ["datacomp-laion2b", "--score", LIST_B32],
    ),
}  # fmt: skip

PEER = """
import sys, types
from types import SimpleNamespace
checkout, metadata, languages, out, call = sys.argv[1:]
sys.path.insert(0, checkout)
import pyarrow.parquet as pq
said = pq.read_table(languages).to_pydict()
fasttext_of, cld3_of = (dict(zip(said["text"], said[name])) for name in ("fasttext", "cld3"))

class Model:
    def predict(self, text, k=1):
        return [f"__label__{fasttext_of[text]}"], None

class Identifier:
    def __init__(self, **settings):
        pass
    def FindLanguage(self, text):
        return SimpleNamespace(language=cld3_of[text])

for name in ("fasttext", "gcld3", "nltk", "nltk.corpus", "torch"):
    module = sys.modules[name] = types.ModuleType(name)
    module.FastText, module.load_model = SimpleNamespace(), lambda path: Model()
    module.NNetLanguageIdentifier = Identifier
    module.no_grad = lambda: lambda function: function
    module.Tensor = module.wordnet = object
import numpy as np
from baselines import apply_filter as theirs
theirs.download = lambda name, root=None: ""
uids = eval(f"theirs.{call}")
uids.sort()
np.save(out, uids)
"""


def drawn(chance: np.random.Generator) -> str:
    """A text of 1 to 6 words; some are in other languages or have no words."""
    kind = chance.random()
    if kind < 0.1:
        return FOREIGN[chance.integers(len(FOREIGN))]
    if kind < 0.15:
        return str(chance.integers(10**6))
    words = [WORDS[number] for number in chance.integers(0, len(WORDS), chance.integers(1, 7))]
    spaces = [SPACES[number] for number in chance.integers(0, len(SPACES), len(words))]
    return "".join(word + space for word, space in zip(words, spaces, strict=True)).strip(" ")


def write_pool(folder: Path, rows: int, kind: type[np.floating]) -> None:
    """Files as CommonPool's: scores in steps, so that many tie."""
    folder.mkdir()
    for number in range(FILES):
        chance = np.random.default_rng(number)
        count = rows // FILES + (number < rows % FILES)
        scores = {
            LIST_B32: np.float32(chance.integers(150, 400, count)) / np.float32(1000),
            LIST_L14: np.float32(chance.integers(100, 350, count)) / np.float32(1000),
        }
        width = chance.choice(SIDES, count)
        wide = chance.random(count) < 0.3
        high = chance.integers(0, 2**62, count) >> 50 * wide
        columns = {
            "uid": [f"{each:016x}{number:04x}{row:012x}" for row, each in enumerate(high)],
            "url": [f"https://images.example/{number}/{row}.jpg" for row in range(count)],
            "text": [drawn(chance) for _ in range(count)],
            "original_width": width,
            "original_height": np.where(wide, width * 3 + chance.integers(-1, 2, count), chance.choice(SIDES, count)),
            **{name: values.astype(kind) for name, values in scores.items()},
            "sha256": ["0" * 64] * count,
        }  # fmt: skip
        pq.write_table(pa.table(columns), folder / f"{number:08d}.parquet")


def run(*command: str) -> float:
    """CPU seconds of a command and its workers."""
    env = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)[-300:]}\n{done.stderr[-3000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def write_languages(corpus: Path, out: Path) -> None:
    """What our detectors said of each text, under the text as DataComp asks about it."""
    said: dict[str, tuple[str, ...]] = {}
    for path in sorted((corpus / "candidates").glob("*.parquet")):
        texts = pq.read_table(path, columns=["alt_text"]).column("alt_text").to_pylist()
        by_detector = [
            pq.read_table(corpus / f"scores/language-{name}" / path.name).column("detected_language").to_pylist()
            for name in ("fasttext", "cld3")
        ]
        for text, *languages in zip(texts, *by_detector, strict=True):
            asked, own = text.replace("\n", " "), tuple(each or "none" for each in languages)
            if said.setdefault(asked, own) != own:
                raise SystemExit(f"{text!r} has another language where its line ends are spaces")
    columns = {"text": list(said)} | {
        name: [each[place] for each in said.values()] for place, name in enumerate(("fasttext", "cld3"))
    }
    pq.write_table(pa.table(columns), out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path, help="of github.com/mlfoundations/datacomp")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--doubles", action="store_true", help="scores as doubles")
    parser.add_argument("--peer", default=sys.executable, help="Python that runs it")
    parser.add_argument("--folder", type=Path, help="where to work; made anew, and kept")
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    pool, corpus, languages = folder / "metadata", folder / "corpus", folder / "languages.parquet"
    ours = (sys.executable, "-m", "vlcorpus")
    start = time.monotonic()
    write_pool(pool, given.rows, np.float64 if given.doubles else np.float32)
    run(*ours, "import", str(corpus), str(pool))
    for name in ("fasttext", "cld3"):
        run(*ours, "score", str(corpus), "language", "--named", name, "--detector", name)
    run(*ours, "score", str(corpus), "text")
    write_languages(corpus, languages)
    print(f"{given.rows:,} rows, written, imported and scored in {time.monotonic() - start:.0f} s", file=sys.stderr)
    print(f"{'':<24}{'rows kept':>12}{'equal':>8}   CPU s: {'filter':>8}{'export':>8}{'DataComp':>10}")
    different = []
    for number, (name, (call, recipe)) in enumerate(ARMS.items()):
        made, out = folder / f"theirs-{number}.npy", folder / f"ours-{number}"
        theirs = run(given.peer, "-c", PEER, str(given.checkout), str(pool), str(languages), str(made), call)
        decision = f"arm{number}"
        if given.doubles and ">=" in name:
            recipe = [f"{each} + 0" if each in (LIST_L14, LIST_B32) else each for each in recipe]
        flags = ["--of", "candidates", "--decision", decision, "--workers", "1"]
        judged = run(*ours, "filter", str(corpus), "--recipe", *recipe, *flags)
        written = run(
            *ours, "export", str(corpus), str(out), "--decision", decision, "--output-format", "uids", "--workers", "1"
        )
        own, other = np.load(out / "all" / "00000.npy"), np.load(made)
        equal = own.dtype == other.dtype and np.array_equal(own, other)
        different += [] if equal else [name]
        told = f"{judged:>8.2f}{written:>8.2f}{theirs:>10.2f}"
        print(f"{name:<24}{len(own):>12,}{'yes' if equal else 'NO':>8}          {told}")
        if not equal:
            both = np.intersect1d(own, other)
            print(f"  DataComp keeps {len(other):,}; {len(both):,} are in both")
    if given.folder is None:
        shutil.rmtree(folder)
    if different:
        raise SystemExit(f"other uids: {', '.join(different)}")


if __name__ == "__main__":
    main()
