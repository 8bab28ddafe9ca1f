"""CPU of a live crawl a page, beside Scrapy's, on one site on the loopback.

    python benchmarks/live_crawl.py --html FOLDER --scrapy /path/to/venv/bin/python

FOLDER holds pages (*.html) of any origin; without it, pages are drawn by seed. Each is served with a few links to
others of the site, one of them to a path that robots.txt denies, and under a <base> that leads elsewhere, so that the
pages' own links are out of scope. The server is a process of its own, whose CPU is not counted.

    ours          robots.txt, links, pairs extracted, requests and answers written as WARC (gzip)
    ours, bare    robots.txt, links, pairs extracted; nothing stored
    scrapy        ROBOTSTXT_OBEY, links by one XPath (its LinkExtractor takes longer), bodies appended to one file as
                  they are; no pairs, no WARC

Crawls run in turn, each in a process of its own: user and system time of it, less that of a crawl of one page (start
and imports), over the other pages; the median of the rounds, and the ratio round by round. Scrapy needs an environment
of its own (`pip install scrapy`); without --scrapy only ours are measured. Concurrency is 32 and there is no delay:
with one, as on the web, all of them only wait.
"""

from __future__ import annotations

import argparse
import http.server
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CONCURRENCY = 32
LINKS = 8
ROBOTS = b"User-agent: *\nDisallow: /denied/\n"

SCRAPY = """
import sys
import scrapy
from scrapy.crawler import CrawlerProcess

seed, most, out = sys.argv[1], int(sys.argv[2]), sys.argv[3]

class Pages(scrapy.Spider):
    name = "pages"
    start_urls = [seed]
    seen = 0
    file = open(out, "wb")

    def parse(self, response):
        Pages.seen += 1
        self.file.write(response.body)
        if most > 1:
            for link in response.xpath("//a/@href").getall():
                if link.startswith("http://127.0.0.1:"):
                    yield scrapy.Request(link)

process = CrawlerProcess({
    "CONCURRENT_REQUESTS": CONCURRENCY, "CONCURRENT_REQUESTS_PER_DOMAIN": CONCURRENCY, "DOWNLOAD_DELAY": 0,
    "ROBOTSTXT_OBEY": True, "LOG_LEVEL": "ERROR", "TELNETCONSOLE_ENABLED": False, "USER_AGENT": "benchmark",
})
process.crawl(Pages)
process.start()
print(Pages.seen)
""".replace("CONCURRENCY", str(CONCURRENCY))


# What the crawl itself imports.
OURS = ["pycurl", "certifi", "idna", "protego", "selectolax", "fastwarc"]
NEEDED = """
import re, sys
from importlib.metadata import PackageNotFoundError, requires

found, waiting = set(), [name.lower() for name in sys.argv[1:]]
while waiting:
    name = waiting.pop()
    try:
        needs = requires(name) or []
    except PackageNotFoundError:
        continue
    if name not in found:
        found.add(name)
        names = [re.match(r"[\\w.-]+", need)[0] for need in needs if "extra ==" not in need]
        waiting += [name.lower().replace("_", "-") for name in names]
print(*sorted(found))
"""


def ours(seed: str, most: int, out: str | None) -> int:
    from vlcorpus.net.response import Manners
    from vlcorpus.net.robots import Robots
    from vlcorpus.web.archives.warc_file import WarcFile
    from vlcorpus.web.live.crawl import Fetchers, LiveCrawl, visit_chunks
    from vlcorpus.web.live.frontier import Frontier
    from vlcorpus.web.pages.html import extract

    manners = Manners(
        user_agent="benchmark", concurrency=CONCURRENCY, per_host=CONCURRENCY, allow_private=("127.0.0.0/8",)
    )
    with open(out or os.devnull, "wb") as sink, Fetchers(manners, delay=0.0) as fetchers:
        robots = Robots(fetchers.robots.fetch, "benchmark")
        crawl = LiveCrawl(Frontier([seed], max_pages=most), fetchers, robots, extract)
        store = WarcFile(sink, about={"software": "benchmark"}) if out else None
        return sum(visit.page is not None for visits in visit_chunks(crawl, 64, store) for visit in visits)


def bodies(folder: Path | None, pages: int) -> list[bytes]:
    if folder is not None:
        return [path.read_bytes() for path in sorted(folder.glob("*.html"))[:pages]]
    rng = random.Random(0)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randrange(2, 10))) for _ in range(5_000)]
    found = []
    for _ in range(pages):
        parts = ["<!doctype html><html lang=en><head><title>page</title></head><body>"]
        for number in range(rng.randrange(50, 400)):
            text = " ".join(rng.choices(words, k=40))
            parts.append(f'<div class="a b c{number}"><p style="margin:0">{text}</p>')
            parts.append(f'<a href="/other/{number}"><img src="/i/{number}.jpg" alt="{text[:40]}"></a></div>')
        found.append("".join(parts).encode())
    return found


def serve(folder: Path | None, pages: int) -> None:
    """Print the port, serve until the input ends, then print how often denied paths were asked for."""
    whole = bodies(folder, pages)
    asked = {"denied": 0}

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path == "/robots.txt":
                self.answer(200, "text/plain", ROBOTS)
            elif self.path.startswith("/p/") and int(self.path[3:]) < len(whole):
                number = int(self.path[3:])
                site = f"http://127.0.0.1:{self.server.server_address[1]}"
                below = range(number * LINKS + 1, min((number + 1) * LINKS + 1, len(whole)))
                links = "".join(f'<a href="{site}/p/{n}">x</a>' for n in below) + f'<a href="{site}/denied/{number}">'
                start = f'<!doctype html><base href="http://elsewhere.invalid/">{links}'.encode()
                self.answer(200, "text/html; charset=utf-8", start + whole[number])
            else:
                asked["denied"] += self.path.startswith("/denied/")
                self.answer(404, "text/plain", b"")

        def answer(self, status: int, kind: str, body: bytes) -> None:
            head = f"HTTP/1.1 {status} x\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
            self.wfile.write(head.encode() + body)

        def log_message(self, *said: object) -> None: ...

    class Server(http.server.ThreadingHTTPServer):
        request_queue_size = 256
        daemon_threads = True

    import threading

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], len(whole), sum(map(len, whole)), flush=True)
    sys.stdin.read()
    try:
        print(asked["denied"], flush=True)
    except BrokenPipeError:
        pass  # the benchmark ended with an error of its own


@contextmanager
def served(chosen: argparse.Namespace) -> Iterator[tuple[str, int, int]]:
    command = [sys.executable, __file__, "--serve", "--pages", str(chosen.pages)]
    command += ["--html", str(chosen.html)] if chosen.html else []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None and server.stdout is not None
        port, pages, size = map(int, server.stdout.readline().split())
        yield f"http://127.0.0.1:{port}/p/0", pages, size
        server.stdin.close()
        print(f"requests for denied paths: {server.stdout.read().strip()}")


def measured(command: list[str]) -> tuple[float, int]:
    """(CPU seconds, pages that it says it read)"""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, int(said.split()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--html", type=Path, help="folder of pages")
    parser.add_argument("--pages", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scrapy", help="the Python of an environment that has Scrapy")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--crawl", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        serve(chosen.html, chosen.pages)
        return
    if chosen.crawl:
        print(ours(chosen.crawl[0], int(chosen.crawl[1]), chosen.crawl[2] or None))
        return
    with tempfile.TemporaryDirectory() as folder, served(chosen) as (seed, pages, size):
        out = str(Path(folder, "out"))
        own = [sys.executable, __file__, "--crawl", seed]
        commands = {"ours": (own, out), "ours, bare": (own, "")}
        if chosen.scrapy:
            commands["scrapy"] = ([chosen.scrapy, "-c", SCRAPY, seed], out)
        found: dict[str, list[float]] = {name: [] for name in commands}
        starts: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(chosen.rounds):
            for name, (command, where) in commands.items():
                start, one = measured([*command, "1", where])
                cpu, read = measured([*command, "1000000", where])
                if (one, read) != (1, pages):
                    raise SystemExit(f"{name} read {one} and {read} pages, not 1 and {pages}")
                starts[name].append(start)
                found[name].append(1000 * (cpu - start) / (pages - 1))
        print(f"{pages} pages, {size / 1e6:.1f} MB; {chosen.rounds} rounds; CPU ms a page: median (least to greatest)")
        for name, values in found.items():
            print(f"{name:<11} {statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})", end="")
            print(f"   start {statistics.median(starts[name]):.2f} s", end="")
            if "scrapy" in found and name != "scrapy":
                ratios = [their / own_ for their, own_ in zip(found["scrapy"], values, strict=True)]
                print(f"   scrapy takes {statistics.median(ratios):.2f} times that", end="")
            print()
        if chosen.scrapy:
            for name, python, roots in (("ours", sys.executable, OURS), ("scrapy", chosen.scrapy, ["scrapy"])):
                needed = subprocess.run(
                    [python, "-c", NEEDED, *roots], check=True, capture_output=True, text=True
                ).stdout.split()
                print(f"packages that {name} needs: {len(needed)} ({' '.join(needed)})")


if __name__ == "__main__":
    main()
