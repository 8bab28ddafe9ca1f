"""Pairs of a WAT file: how fast each profile finds them, beside cc2dataset 1.5.0 on the same file.

    python benchmarks/wat.py PAGES --peer VENV/bin/python [--rounds 5] [--megabytes 270] [--profiles compat full]

PAGES: a folder of *.html, of which the WAT is made as Common Crawl's extractor would (tests/web/wats.py), and repeated
up to the size asked for. The peer's environment needs cc2dataset==1.5.0 and what its process_wat imports; without
--peer, only ours are timed. Each measurement is a process of its own, that has imported and read a small file before;
rounds go in turn through all of them. Prints median CPU seconds, MB of uncompressed WAT a second, the ratio to the
peer's median, whether the rows are the same set as the peer's, and what only reading the records costs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

FLOOR, PEER = "read only", "cc2dataset"
_CANONICAL = re.compile(r"<link[^>]+rel=[\"']canonical[\"'][^>]*href=[\"'](https?://[^\"'\s]+)")
# As much as answers in Common Crawl say.
_HEADERS = [
    ("Date", "Sun, 19 May 2024 07:24:27 GMT"), ("Content-Type", "text/html; charset=utf-8"), ("Server", "nginx"),
    ("Connection", "keep-alive"), ("Vary", "Accept-Encoding"), ("Cache-Control", "max-age=600"),
    ("Set-Cookie", "session=1; path=/"), ("Set-Cookie", "lang=en; path=/"), ("X-Frame-Options", "SAMEORIGIN"),
    ("X-Crawler-Content-Encoding", "gzip"), ("X-Crawler-Content-Length", "15373"), ("Content-Length", "84390"),
]  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("pages", type=Path, help="folder of *.html")
    parser.add_argument("--peer", type=Path, help="Python of an environment with cc2dataset==1.5.0")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--megabytes", type=int, default=1000, help="of uncompressed WAT")
    parser.add_argument("--profiles", nargs="+", default=["compat", "full"])
    parser.add_argument("--run", nargs=3, metavar=("WHAT", "SMALL", "WAT"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.run:
        print(json.dumps(measured(*chosen.run)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        small, wat = Path(folder) / "small.warc.wat.gz", Path(folder) / "big.warc.wat.gz"
        size = build(chosen.pages, small, wat, chosen.megabytes * 1_000_000)
        print(f"{wat.stat().st_size / 1e6:.1f} MB of WAT, {size / 1e6:.1f} MB uncompressed")
        kinds = [FLOOR, *([PEER] if chosen.peer else []), *chosen.profiles]
        found: dict[str, list[dict[str, float | int | str]]] = {kind: [] for kind in kinds}
        for _ in range(chosen.rounds):
            for kind in kinds:
                python = str(chosen.peer) if kind == PEER else sys.executable
                command = [python, __file__, str(chosen.pages), "--run", kind, str(small), str(wat)]
                found[kind].append(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))
        table(found, size)
    return 0


def table(found: dict[str, list[dict[str, float | int | str]]], size: int) -> None:
    medians = {kind: statistics.median(float(one["seconds"]) for one in runs) for kind, runs in found.items()}
    print(f"\n{'':12} {'CPU s':>7} {'min':>7} {'max':>7} {'MB/s':>6} {'ratio':>6} {'rows':>8}  same rows")
    for kind, runs in found.items():
        seconds = [float(one["seconds"]) for one in runs]
        ratio = f"{medians[PEER] / medians[kind]:6.2f}" if PEER in medians else f"{'':6}"
        same = ""
        if PEER in found and kind == "compat":
            theirs = found[PEER][0]
            same = "yes" if all(one["rows"] == theirs["rows"] and one["set"] == theirs["set"] for one in runs) else "NO"
        line = (
            f"{kind:12} {medians[kind]:7.3f} {min(seconds):7.3f} {max(seconds):7.3f} {size / 1e6 / medians[kind]:6.0f}"
        )
        print(f"{line} {ratio} {runs[0]['rows']:>8}  {same}")


def build(pages: Path, small: Path, wat: Path, size: int) -> int:
    """Both files; gives the size of the second, uncompressed."""
    from tests.web import wats

    head, *records = wats.crawled(_pages(pages))
    times = max(1, round(size / sum(map(len, records))))
    wats.write(small, [head, *records[:300]])
    wats.write(wat, [head, *(records * times)])
    return len(head) + times * sum(map(len, records))


def _pages(folder: Path) -> Iterator[tuple[str, list[tuple[str, str]], str]]:
    for number, path in enumerate(sorted(folder.glob("*.html"))):
        html = path.read_text("utf-8", errors="replace")
        named = _CANONICAL.search(html)
        url = named[1] if named else f"https://www.site{number % 300}.example/news/2024/{path.stem}.html"
        yield url, [*_HEADERS, *([("X-Robots-Tag", "noarchive")] if number % 10 == 0 else [])], html


def measured(kind: str, small: str, wat: str) -> dict[str, float | int | str]:
    for _ in islice(_rows(kind, Path(small)), 10_000):
        pass
    start = time.process_time()
    rows = list(_rows(kind, Path(wat)))
    seconds = time.process_time() - start
    if kind not in (FLOOR, PEER):
        names = ("given_uid", "url", "alt_text", "warc_file", "page_url")
        rows = [row for table in rows for row in zip(*(table.column(name).to_pylist() for name in names), strict=True)]
    same = hashlib.sha256("\0".join(sorted({"\0".join(map(str, row)) for row in rows})).encode()).hexdigest()
    return {"seconds": seconds, "rows": len(rows), "set": same}


def _rows(kind: str, wat: Path) -> Iterator[object]:
    if kind == FLOOR:
        from fastwarc.warc import ArchiveIterator, WarcRecordType

        with wat.open("rb") as file:
            for record in ArchiveIterator(file, record_types=WarcRecordType.metadata, parse_http=False):
                record.reader.read()
    elif kind == PEER:
        from cc2dataset.main import process_wat
        from loguru import logger

        logger.remove()
        yield from process_wat(str(wat), "image")
    else:
        from vlcorpus.web.archives.wat import batches

        for read in batches(wat, profile=kind, evidence=False):
            yield read.table


if __name__ == "__main__":
    sys.exit(main())
