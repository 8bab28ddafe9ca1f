"""Texts a second of the scores of words: text, pii, language, entities, metaclip.

    python benchmarks/scores_text.py TEXTS [--entries 500000]           TEXTS: a text a line

CPU seconds of one process, in shards of 10,000 texts, medians of the rounds. Terms and entries are made by seed: of the
texts' own words and pairs of neighbouring words, filled up with words that nobody writes. What a list costs to build,
and in memory, is said of the metadata. Repeated texts are looked at once a shard, as they are by the scores. Language
identifiers remember short texts: of few texts take one round.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa

from vlcorpus.scores import metaclip, pii, text_rules
from vlcorpus.scores.entities import Entities
from vlcorpus.web.words.distinct import distinct
from vlcorpus.web.words.language import NAMES, Identifier
from vlcorpus.web.words.match import fold, in_word

SHARD = 10_000


def listed(texts: list[str], count: int, *, least: int) -> list[str]:
    """Words of at least `least` letters and pairs of the texts, half of the list at most; the others are made up."""
    chance = random.Random(0)
    found: dict[str, None] = {}
    for text in chance.sample(texts, len(texts)):
        words = [word.strip(".,;:!?()\"'") for word in text.split()]
        for place, word in enumerate(words):
            if len(word) >= least:
                found[word] = None
                if place and chance.random() < 0.2:
                    found[f"{words[place - 1]} {word}"] = None
        if len(found) >= count // 2:
            break
    while len(found) < count:
        found["".join(chance.choices("aeiounrstlkdzq", k=chance.randint(4, 14)))] = None
    return list(found)[:count]


def measured(shards: list[pa.Array], look: Callable[[pa.Array], object], rounds: int) -> float:
    """Texts a CPU second."""
    found = []
    for _ in range(rounds):
        start = time.process_time()
        for shard in shards:
            look(shard)
        found.append(time.process_time() - start)
    return sum(map(len, shards)) / statistics.median(found)


def resident() -> float:
    """MB of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def ways(texts: list[str], entries: int) -> Iterator[tuple[str, Callable[[pa.Array], object]]]:
    yield "text", text_rules.measure
    yield "pii", pii.find
    for name in NAMES:
        identifier = Identifier(name)
        yield f"language, {name}", identifier.identify
    for count in (1_000, 20_000):
        terms = Entities([(each, each) for each in listed(texts, count, least=4)], fold=fold, in_word=in_word)
        yield f"entities, {count:,} terms", lambda shard, terms=terms: terms.find(distinct(shard)[0])
    metadata = listed(texts, entries, least=2)
    before, start = resident(), time.process_time()
    built = metaclip.Entries(metadata)
    took, grown = time.process_time() - start, resident() - before
    size = sum(map(len, metadata)) / len(metadata)
    print(f"{len(metadata):,} entries of {size:.1f} characters: built in {took:.1f} s, {grown:.0f} MB")
    yield "metaclip, a pass", lambda shard: built.match(distinct(shard)[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", type=Path, help="a file of texts, one a line")
    parser.add_argument("--entries", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    texts = [text for text in options.texts.read_text("utf-8", "replace").splitlines() if text]
    shards = [pa.array(texts[start : start + SHARD]) for start in range(0, len(texts), SHARD)]
    print(f"{len(texts):,} texts of {sum(map(len, texts)) / len(texts):.1f} characters")
    for name, look in ways(texts, options.entries):
        look(shards[0])
        print(f"{name:28}{measured(shards, look, options.rounds):12,.0f} texts a CPU second")


if __name__ == "__main__":
    main()
