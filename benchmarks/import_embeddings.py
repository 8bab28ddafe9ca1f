"""CPU seconds in which given embeddings become those of a corpus, beside numpy's for reading and writing them alone.

    python benchmarks/import_embeddings.py                     100,000 pairs, vectors of 512 numbers

For each way in which tables can name pairs: the whole stage, and how many times as long as it takes numpy to take the
same rows out of the same arrays and to save them, which knows of no pair, looks at no number and hashes no file. Rows
stand in another order than pairs. One process, the two in turn within each round, medians.
"""

from __future__ import annotations

import argparse
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vlcorpus import identity
from vlcorpus.corpus import Corpus
from vlcorpus.io import table
from vlcorpus.stages.base import UnitCommit
from vlcorpus.stages.import_ import Import
from vlcorpus.stages.import_embeddings import ImportEmbeddings

WORDS = ("a", "photo", "of", "the", "red", "dog", "in", "my", "garden", "under", "blue", "sky", "near", "house", "sea")
SHARD, FILE = 10_000, 50_000
TABLES = {
    "uid": ("uid",),
    "url and text": ("url", "caption"),
    "given uid and text": ("id", "caption"),
    "image path and text": ("image_path", "caption"),
}


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def written(folder: Path, pairs: int) -> tuple[Corpus, dict[str, list[str]]]:
    """A corpus of pairs with images (tables only), and its columns as lists would have them."""
    chance = random.Random(1)
    url = [f"http://images.example{n % 997}.com/path/to/picture-{n}.jpg?w=300" for n in range(pairs)]
    text = [" ".join(chance.choices(WORDS, k=8)) for _ in range(pairs)]
    uid = [identity.uid(*each) for each in zip(url, text, strict=True)]
    given = [f"{n:09d}" for n in range(pairs)]
    corpus = Corpus.create(folder, shard_rows=SHARD)
    for number, start in enumerate(range(0, pairs, SHARD)):
        rows = range(start, min(start + SHARD, pairs))
        shard = corpus.shard_name(number)
        listed = [
            {"uid": uid[n], "image_id": uid[n], "url": url[n], "alt_text": text[n], "given_uid": given[n]}
            | {"source": "list", "offset": n}
            for n in rows
        ]
        stored = [
            {"url": url[n], "caption": text[n], "key": given[n], "status": "success", "width": 9, "height": 9}
            | {"uid": uid[n].hex(), "image_id": uid[n].hex(), "image_key": given[n]}
            for n in rows
        ]
        for layer, name, found in (("candidates", "candidates", listed), ("shards", "shards", stored)):
            with UnitCommit(Import(source="list"), corpus, corpus.layer(layer), shard, {}) as commit:
                table.write(commit, f"{shard}.parquet", table.columns(found, name), name)
                commit.finish(seen=len(found), kept=len(found), source="list", source_kind="list", slice=number)
    columns = {"uid": [each.hex() for each in uid], "url": url, "caption": text, "id": given, "image_path": given}
    return corpus, columns


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        corpus, columns = written(Path(place) / "corpus", options.pairs)
        given = Path(place) / "given"
        order = np.random.default_rng(1).permutation(options.pairs)
        vectors = np.random.default_rng(2).normal(size=(options.pairs, options.dimension)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        for side in ("img_emb", "text_emb", "metadata"):
            (given / side).mkdir(parents=True)
        parts = np.array_split(order, -(-options.pairs // FILE))
        for number, part in enumerate(parts):
            for side in ("img_emb", "text_emb"):
                np.save(given / side / f"{side}_{number}.npy", vectors[part].astype(np.float16))

        def plainly() -> None:
            arrays = [[np.load(given / side / f"{side}_{number}.npy", mmap_mode="r") for number in range(len(parts))]
                      for side in ("img_emb", "text_emb")]  # fmt: skip
            for number, part in enumerate(parts):
                rows = np.argsort(part)
                for side in arrays:
                    np.save(Path(place) / "plain.npy", side[number][rows])

        def stage() -> None:
            for layer in corpus.layers("embeddings"):
                shutil.rmtree(corpus.layer(f"embeddings/{layer}").folder)
            ImportEmbeddings(folders=(str(given),)).open(corpus)("all", lambda seen, kept: None)

        print(f"{options.pairs:,} pairs of {options.dimension} numbers; CPU seconds, and beside numpy's")
        for way, names in TABLES.items():
            for number, part in enumerate(parts):
                listed = {name: [columns[name][n] for n in part] for name in names}
                pq.write_table(pa.table(listed), given / "metadata" / f"metadata_{number}.parquet")
            found = [(seconds(stage), seconds(plainly)) for _ in range(options.rounds)]
            ours, least = (statistics.median(each) for each in zip(*found, strict=True))
            said = (corpus.layer("embeddings/given.given").stats("all") or {})["matched"]
            assert said == way, said
            print(f"{way:<22}{ours:>8.2f} s{ours / least:>8.1f} x{ours / options.pairs * 1e6:>8.1f} us a pair")


if __name__ == "__main__":
    main()
