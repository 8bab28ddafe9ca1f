"""Pages a second of the HTML extractor, and how many pairs it finds, on a folder of real pages.

    python benchmarks/extract.py FOLDER                  every *.html, *.htm in it: two minutes for 1,500 pages
    python benchmarks/extract.py FOLDER --pages 300 --rounds 3

Speed: CPU seconds of one process, median of interleaved rounds, of (1) parsing alone, (2) the floor: parsing and
img@src, img@alt, joined to the page's URL, (3) html.extract with all it gives, as the live crawl asks for it, and (4)
without links, which nobody follows from stored pages. Reading the files is not timed. Then (5), the same with all
that reading takes: a .warc.gz of the pages, written beforehand, from the disk's cache to what `extract` gives.

Recall: the WAT rule is what a WAT file and the tools that read them see: image elements with an alt text and a src that
is no data: URL. Some of these name a vector image or nothing that can be fetched, which `extract` rejects: the second
line is without them, and is what the percentages are of. Beside it, what `extract` keeps from image elements, and with
what the page says of itself (og, twitter, JSON-LD). All are counted once a page by (URL, words). Then, what named the
images that are kept, and where their words stood.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urljoin

from selectolax.lexbor import LexborHTMLParser

from vlcorpus.net.response import Response
from vlcorpus.web.archives import warc
from vlcorpus.web.archives.warc_file import WarcFile
from vlcorpus.web.pages.html import Page, extract
from vlcorpus.web.pages.join import Join

ROUNDS = 5
ARCHIVED = "WARC file, without links"


def url_of(path: Path) -> str:
    return f"https://pages.example/{path.stem}/page.html"


def parse(body: bytes, url: str) -> None:
    LexborHTMLParser(body)


def floor(body: bytes, url: str) -> set[tuple[str, str]]:
    """What the WAT rule sees, without what cannot be a URL."""
    found = set()
    for node in LexborHTMLParser(body).css("img"):
        attributes = node.attributes
        src, alt = (attributes.get("src") or "").strip(), attributes.get("alt")
        if src and alt and not src.lower().startswith("data:"):
            try:
                found.add((urljoin(url, src), alt))
            except ValueError:
                continue
    return found


def whole(body: bytes, url: str) -> Page:
    return extract(body, url=url)


def stored(body: bytes, url: str) -> Page:
    return extract(body, url=url, links=False)


def write(path: Path, pages: list[tuple[bytes, str]]) -> None:
    with open(path, "wb") as file:
        store = WarcFile(file)
        for body, url in pages:
            headers = (("content-type", "text/html"),)
            store.add(Response(url=url, final_url=url, status=200, headers=headers, body=body, asked_at=1.8e9))


def archived(path: Path) -> int:
    pages = 0
    for page in warc.pages(path):
        extract(page.body, url=page.url, headers=page.headers, links=False)
        pages += 1
    return pages


def speed(pages: list[tuple[bytes, str]], rounds: int) -> None:
    tasks: dict[str, Callable[[bytes, str], object]] = {
        "parse": parse,
        "img@src@alt": floor,
        "extract": whole,
        "without links": stored,
    }
    seconds: dict[str, list[float]] = {name: [] for name in (*tasks, ARCHIVED)}
    for task in tasks.values():
        for body, url in pages[:20]:
            task(body, url)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pages.warc.gz"
        write(file, pages)
        for _ in range(rounds):
            for name, task in tasks.items():
                before = time.process_time()
                for body, url in pages:
                    task(body, url)
                seconds[name].append(time.process_time() - before)
            before = time.process_time()
            read = archived(file)
            seconds[ARCHIVED].append(time.process_time() - before)
            assert read == len(pages)
    size = sum(len(body) for body, _ in pages) / 1e6
    print(f"CPU of one process, median of {rounds} rounds    pages/s     MB/s  x parse")
    for name, spent in seconds.items():
        median = statistics.median(spent)
        ratio = median / statistics.median(seconds["parse"])
        print(f"{name:<45} {len(pages) / median:8.0f} {size / median:8.0f} {ratio:8.2f}")


def recall(pages: list[tuple[bytes, str]]) -> None:
    wat = usable = elements = everything = larger = 0
    named: Counter[str | None] = Counter()
    words: Counter[str | None] = Counter()
    for body, url in pages:
        seen = floor(body, url)
        join = Join(url)
        wat += len(seen)
        usable += sum(join.image(image)[1] is None for image, _ in seen)
        found = [pair for pair in whole(body, url).pairs if pair.reason is None]
        on_page = {(pair.url, pair.alt_text) for pair in found if pair.position is not None}
        elements += len(on_page)
        everything += len(on_page | {(pair.url, pair.alt_text) for pair in found})
        larger += sum(pair.image_source in ("srcset", "picture") for pair in found)
        named.update(pair.image_source for pair in found)
        words.update(pair.text_source for pair in found)
    print(f"\n{'pairs, each once a page':<45} {'n':>8}")
    for name, count in (
        ("WAT rule", wat),
        ("WAT rule, of what can be fetched and is no SVG", usable),
        ("image elements", elements),
        ("with og, twitter, JSON-LD", everything),
    ):
        print(f"{name:<46} {count:7}  {100 * count / max(1, usable):7.1f} %")
    print(f"\nkept pairs that got a larger candidate of srcset or <picture>: {larger}")
    total = sum(named.values())
    for title, counter in (("image named by", named), ("words from", words)):
        print(f"\n{title:<45} {'n':>8}  of kept")
        for source, count in counter.most_common():
            print(f"{source!s:<45} {count:8}  {100 * count / max(1, total):7.1f} %")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pages", type=int, help="evenly drawn; all unless given")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    chosen = parser.parse_args()
    files = sorted(path for path in chosen.folder.iterdir() if path.suffix in (".html", ".htm"))
    if not files:
        parser.error(f"no .html files in {chosen.folder}")
    files = files[:: max(1, len(files) // (chosen.pages or len(files)))][: chosen.pages]
    pages = [(path.read_bytes(), url_of(path)) for path in files]
    size = sum(len(body) for body, _ in pages)
    print(f"{len(pages)} pages, {size / 1e6:.1f} MB, {size / len(pages) / 1e3:.0f} kB on average\n")
    speed(pages, chosen.rounds)
    recall(pages)


if __name__ == "__main__":
    main()
