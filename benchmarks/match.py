"""Texts a second that are looked through for a list of phrases, beside one regular expression of all phrases.

    python benchmarks/match.py PLACE               PLACE: a text a line, or a folder of HTML pages (their alt texts)

The phrases are made by seed: up to 200, a fifth at most, are words of the texts, half of them with the word that
follows; the others are seldom found. CPU seconds of one process, the ways in turn within each round, medians; the texts
are distinct. The regular expression is not tried with more than 1,000 phrases: its time grows with their number.
"""

from __future__ import annotations

import argparse
import random
import re
import statistics
from pathlib import Path

import pyarrow as pa
from language import seconds, texts_of

from vlcorpus.web.words.match import Terms, fold


def phrases(texts: list[str], count: int) -> list[str]:
    chance = random.Random(0)
    found: dict[str, None] = {}
    while len(found) < min(200, count // 5):
        words = re.findall(r"\w{4,}", chance.choice(texts))
        if words:
            start = chance.randrange(len(words))
            found[" ".join(words[start : start + chance.choice([1, 2])])] = None
    while len(found) < count:
        found["".join(chance.choices("aeiounrstlkdzq", k=chance.randint(4, 12)))] = None
    return list(found)


def measured(listed: list[str], texts: list[str], rounds: int) -> list[float]:
    """Texts a second of the whole column, of one text at a time, and of the regular expression."""
    column = pa.array(texts)
    terms = Terms(listed)
    ways = [lambda: terms.mask(column), lambda: [terms.matches(text) for text in texts]]
    if len(listed) <= 1_000:
        folded = sorted(map(fold, listed), key=len, reverse=True)
        whole = re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, folded)) + r")(?!\w)")
        ways.append(lambda: [whole.search(fold(text)) for text in texts])
    found = [[seconds(way) for way in ways] for _ in range(rounds)]
    return [len(texts) / statistics.median(each) for each in zip(*found, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("place", type=Path, help="a file of texts or a folder of HTML pages")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    texts = list(dict.fromkeys(texts_of(options.place)))
    print(f"{len(texts):,} distinct texts; texts a CPU second")
    print(f"{'phrases':>9}{'matched':>9}{'ours':>12}{'one by one':>12}{'expression':>12}")
    for count in (10, 1_000, 100_000):
        terms = Terms(phrases(texts, count))
        speeds = measured(phrases(texts, count), texts, options.rounds)
        share = terms.mask(texts)[0].true_count / len(texts)
        print(f"{count:>9,}{share:>9.0%}" + "".join(f"{speed:>12,.0f}" for speed in speeds))


if __name__ == "__main__":
    main()
