from __future__ import annotations

import json
import random
from collections.abc import Iterator

import pytest
from protego import Protego

from tests.net.server import LoopbackServer
from vlcorpus.errors import UsageError
from vlcorpus.net.aitokens import AI_TOKENS, ANSWER_TOKENS
from vlcorpus.net.fetch import Fetcher
from vlcorpus.net.optout import MAX_EVIDENCE, MAX_VALUE, denied, evidence
from vlcorpus.net.robots import ROBOTS_LIMITS, Robots
from vlcorpus.net.sitefiles import MAX_RULES, PATHS, SiteFiles

SITE = "https://a.example"
TDM_ALL = b'[{"location": "/", "tdm-reservation": 1, "tdm-policy": "https://a.example/policy"}]'


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer() as started:
        yield started


def files_of(robots: str = "", tdm: bytes = b"", ai: str = "") -> SiteFiles:
    files = SiteFiles("vlcorpus")
    for path, body in zip(PATHS, (robots.encode(), tdm, ai.encode()), strict=True):
        files.learn(SITE + path, 200, body)
    return files


def said(files: SiteFiles, path: str = "/a", *, image: bool = False) -> list[str]:
    return [f"{one.signal}|{one.source}|{one.value}" for one in files.evidence(SITE + path, image=image)]


@pytest.mark.parametrize(
    ("robots", "path", "expected"),
    [
        ("User-agent: GPTBot|Disallow: /", "/a", ["ai-token|robots.txt|GPTBot"]),
        ("User-agent: gptbot/1.2|Disallow: /", "/a", ["ai-token|robots.txt|GPTBot"]),
        ("User-agent: GPTBot|Disallow: /b", "/a", []),
        ("User-agent: GPTBot|Disallow: /|Allow: /a", "/a", []),
        ("User-agent: GPTBot|Disallow:", "/a", []),
        ("User-agent: GPTBot", "/a", []),
        ("User-agent: *|Disallow: /", "/a", []),
        ("User-agent: *|Disallow: /|User-agent: GPTBot|Allow: /", "/a", []),
        ("User-agent: Googlebot|Disallow: /", "/a", []),
        ("User-agent: notgptbot|Disallow: /", "/a", []),
        ("User-agent: GPTBot|User-agent: *|Disallow: /", "/a", ["ai-token|robots.txt|GPTBot"]),
        ("User-agent: GPTBot|Disallow: /b|User-agent: GPTBot|Disallow: /a", "/a", ["ai-token|robots.txt|GPTBot"]),
        ("User-agent: GPTBot|Disallow: /a|User-agent: GPTBot|Allow: /a", "/a", []),
        ("User-agent: GPTBot|Disallow: /*.jpg$", "/x/y.jpg", ["ai-token|robots.txt|GPTBot"]),
        ("User-agent: img2dataset|Disallow: /", "/a", ["ai-token|robots.txt|img2dataset"]),
        ("User-agent: LAIONDownloader|Disallow: /", "/a", ["ai-token|robots.txt|LAIONDownloader"]),
        ("User-agent: ChatGPT-User|Disallow: /", "/a", ["ai-answer-token|robots.txt|ChatGPT-User"]),
        (
            "User-agent: CCBot|User-agent: GPTBot|Disallow: /|User-agent: PerplexityBot|Disallow: /",
            "/a",
            ["ai-token|robots.txt|GPTBot", "ai-token|robots.txt|CCBot", "ai-answer-token|robots.txt|PerplexityBot"],
        ),
        # The draft's example.
        ("User-agent: *|Content-Usage: train-ai=n|Content-Usage: /ai-ok/ train-ai=y", "/test",
         ["train-ai=n|robots.txt|train-ai=n"]),
        ("User-agent: *|Content-Usage: train-ai=n|Content-Usage: /ai-ok/ train-ai=y", "/ai-ok/test",
         ["train-ai=y|robots.txt|/ai-ok/ train-ai=y"]),
        ("User-agent: *|Content-Usage: train-ai=n|User-agent: vlcorpus|Content-Usage: train-ai=y", "/a",
         ["train-ai=y|robots.txt|train-ai=y"]),
        ("User-agent: *|Content-Usage: train-ai=n|User-agent: vlcorpus|Disallow: /x", "/a", []),
        ("User-agent: other|Content-Usage: train-ai=n", "/a", []),
        ("User-agent: *|Content-Usage: /a train-ai=n|Content-Usage: /a train-ai=y", "/a/b",
         ["train-ai=n|robots.txt|/a train-ai=n", "train-ai=y|robots.txt|/a train-ai=y"]),
        ("User-agent: *|Content-Usage: /*.jpg$ train-ai=n", "/a.jpg", ["train-ai=n|robots.txt|/*.jpg$ train-ai=n"]),
        ("User-agent: *|Content-Usage: /*.jpg$ train-ai=n", "/a.html", []),
        ("User-agent: *|Content-Usage: /a", "/a", []),
        ("Content-Usage: train-ai=n|User-agent: *|Disallow: /x", "/a", ["train-ai=n|robots.txt|train-ai=n"]),
        # What Cloudflare writes.
        ("User-agent: *|Content-Signal: search=yes,ai-train=no,use=reference|Allow: /", "/a",
         [f"{one}|robots.txt|search=yes,ai-train=no,use=reference" for one in
          ("search=yes", "ai-train=no", "use=reference")]),
        ("User-agent: *|Content-Signal: /news/ ai-train=no", "/news/1", ["ai-train=no|robots.txt|/news/ ai-train=no"]),
        ("User-agent: *|Content-Signal: /news/ ai-train=no", "/old/1", []),
    ],
)  # fmt: skip
def test_robots_txt(robots: str, path: str, expected: list[str]) -> None:
    assert said(files_of(robots.replace("|", "\n")), path) == expected


def test_only_names_of_training_crawlers_deny() -> None:
    for tokens, reason in ((AI_TOKENS, "optout"), (ANSWER_TOKENS, None)):
        for token in tokens:
            found = files_of(f"User-agent: {token}\nDisallow: /").evidence(f"{SITE}/a")
            assert [one.value for one in found] == [token]
            assert denied(found) == reason, token


def test_tokens_are_judged_as_protego_does() -> None:
    draw = random.Random(3)
    tokens = ("GPTBot", "CCBot", "ClaudeBot", "Bytespider")
    paths = ["/", "/a", "/a/", "/b", "/a/*.jpg", "/*b", "/a/c$", "/%7Eu"]
    refused = 0
    for _ in range(500):
        text = ""
        for _ in range(draw.randrange(1, 5)):
            text += "".join(f"User-agent: {agent}\n" for agent in draw.sample((*tokens, "*", "Other"), 2))
            for _ in range(draw.randrange(4)):
                text += f"{draw.choice(['Allow', 'Disallow', 'Disallow'])}: {draw.choice(paths)}\n"
            text += draw.choice(["", "Crawl-delay: 1\n", "Allow:\n"])
        reference = Protego.parse(text)
        named = {token for token in tokens if f"User-agent: {token}\n" in text}
        files = files_of(text)
        for path in ("/", "/a/c", "/a/x.jpg?q", "/xb", "/~u", "/z"):
            found = files.evidence(SITE + path)
            expected = {token for token in named if not reference.can_fetch(SITE + path, token)}
            assert {one.value for one in found} == expected, (text, path)
            refused += len(expected)
    assert refused > 500


def test_tdmrep_json() -> None:
    files = files_of(tdm=TDM_ALL)
    assert said(files) == ["tdm-reservation|tdmrep.json|/ 1", "tdm-policy|tdmrep.json|https://a.example/policy"]
    assert denied(files.evidence(f"{SITE}/a")) == "optout"
    files = files_of(tdm=b'[{"location": "/img/*.jpg", "tdm-reservation": 0}, {"location": "/", "tdm-reservation": 1}]')
    assert said(files, "/img/a.jpg") == ["tdm-reservation=0|tdmrep.json|/img/*.jpg 0"]
    assert said(files, "/img/a.png") == ["tdm-reservation|tdmrep.json|/ 1"]
    assert denied(files.evidence(f"{SITE}/img/a.jpg")) is None


@pytest.mark.parametrize(
    ("file", "header", "meta", "reason"),
    [
        (1, None, None, "optout"),
        (1, 0, None, None),
        (1, None, 0, None),
        (1, 0, 1, "optout"),
        (1, 1, 0, None),
        (0, 1, None, "optout"),
        (0, 1, 0, None),
        (0, 0, 1, "optout"),
        (0, None, None, None),
        (None, 1, 0, None),
        (None, 0, 1, "optout"),
    ],
)
def test_tdm_meta_over_header_over_file(
    file: int | None, header: int | None, meta: int | None, reason: str | None
) -> None:
    files = files_of(tdm=b"" if file is None else json.dumps([{"location": "/", "tdm-reservation": file}]).encode())
    found = [*files.evidence(f"{SITE}/a")]
    if header is not None:
        found += evidence([("TDM-Reservation", str(header))], "vlcorpus")
    if meta is not None:
        found += evidence([("tdm-reservation", str(meta))], "vlcorpus", meta=True)
    assert denied(found) == denied(reversed(found)) == reason


def test_what_is_said_of_an_image_is_no_word_about_its_page() -> None:
    files = files_of(tdm=TDM_ALL)
    page = evidence([("tdm-reservation", "0")], "vlcorpus", meta=True)
    image = files.evidence(f"{SITE}/a.jpg", image=True)
    assert [one.source for one in image] == ["image:tdmrep.json"] * 2
    assert denied(page) is None
    assert denied((*page, *image)) == "optout"
    header = evidence([("tdm-reservation", "1")], "vlcorpus")
    allowed = files_of(tdm=b'{"location": "/", "tdm-reservation": 0}').evidence(f"{SITE}/a.jpg", image=True)
    assert denied((*header, *allowed)) == "optout"


def test_ai_txt() -> None:
    files = files_of(ai="User-Agent: *\nDisallow: *.jpg\nAllow: *.html\nDisallow: image/*")
    assert said(files, "/a.jpg", image=True) == ["ai-txt|image:ai.txt|Disallow: image/*"]
    assert said(files, "/a.jpg") == ["ai-txt|ai.txt|Disallow: *.jpg"]
    assert said(files, "/a.html") == []
    assert denied(files.evidence(f"{SITE}/a.jpg", image=True)) == "optout"


def test_files_are_told_by_their_path_and_kept_by_origin() -> None:
    files = SiteFiles("vlcorpus")
    refusing = b"User-agent: GPTBot\nDisallow: /"
    for url in (f"{SITE}/robots.txt?x", f"{SITE}/a/robots.txt", f"{SITE}/ROBOTS.TXT", SITE, "robots.txt", "", "\x00"):
        files.learn(url, 200, refusing)
    assert len(files) == 0
    files.learn("HTTPS://A.example:443/robots.txt", 200, refusing)
    assert len(said(files)) == 1
    for url in (f"{SITE}:8443/a", "http://a.example/a", "https://b.example/a", "", "no url", "data:,x"):
        assert files.evidence(url) == ()
    assert len(files.evidence("https://A.EXAMPLE/a b.jpg#top")) == 1


def test_what_is_known() -> None:
    files = SiteFiles("vlcorpus")
    assert not files.known(SITE) and files.missing(SITE) == tuple(SITE + path for path in PATHS)
    files.learn(f"{SITE}/ai.txt", 404, b"")
    assert not files.known(SITE) and files.missing(SITE) == (f"{SITE}/robots.txt", f"{SITE}/.well-known/tdmrep.json")
    files.learn(f"{SITE}/robots.txt", 0, b"")
    files.learn(f"{SITE}/.well-known/tdmrep.json", 503, b"")
    assert files.known(SITE) and files.missing(SITE) == () and said(files) == []


@pytest.mark.parametrize(
    ("status", "kept"),
    [(200, False), (204, False), (404, False), (410, False), (0, True), (429, True), (500, True), (503, True),
     (301, True), (-1, True), (999, True)],
)  # fmt: skip
def test_a_file_says_what_it_last_said(status: int, kept: bool) -> None:
    files = files_of("User-agent: GPTBot\nDisallow: /", TDM_ALL)
    files.learn(f"{SITE}/robots.txt", status, b"")
    assert said(files)[0].startswith("ai-token") is kept
    assert len(said(files)) == 2 + kept


def test_an_error_page_is_no_file() -> None:
    files = SiteFiles("vlcorpus")
    for path in PATHS:
        files.learn(SITE + path, 404, b"User-agent: *\nContent-Usage: train-ai=n\nDisallow: /")
    assert said(files, image=True) == []


HOSTILE = {
    "long": b"User-agent: GPTBot\nDisallow: /" + b"a" * 10_000_000,
    "lines": b"\n" * 1_000_000,
    "agents": b"".join(b"User-agent: GPTBot\nUser-agent: CCBot\nDisallow: /%d\n" % n for n in range(1_000_000 // 40)),
    "rules": b"User-agent: GPTBot\n" + b"Disallow: /*x\n" * 1_000_000,
    "stars": b"User-agent: GPTBot\nDisallow: /" + b"*a" * 200_000,
    "statements": b"User-agent: *\n" + b"".join(b"Content-Usage: /a a%d=n\n" % n for n in range(30_000)),
    "nuls": b"\x00" * 1_000_000,
    "bytes": bytes(range(256)) * 4000,
    "deep": b"[" * 500_000,
    "deep objects": b'{"a":' * 100_000,
    "types": b'[1, null, {"location": {}, "tdm-reservation": []}, {"location": "/", "tdm-reservation": "1"}]',
    "surrogates": b'[{"location": "/\\ud800", "tdm-reservation": 1}]',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files(name: str) -> None:
    files = SiteFiles("vlcorpus")
    for path in PATHS:
        files.learn(SITE + path, 200, HOSTILE[name])
    for path in ("/a", "/axx", "/" + "a" * 8000):
        for image in (False, True):
            found = files.evidence(SITE + path, image=image)
            assert len(found) <= MAX_EVIDENCE
            for one in found:
                assert len(one.value.encode()) <= 4 * MAX_VALUE
    assert len(files) == 1


def test_every_token_at_once_stays_within_the_bound_and_hides_nothing_else() -> None:
    names = "".join(f"User-agent: {token}\n" for token in (*AI_TOKENS, *ANSWER_TOKENS))
    flood = "".join(f"Content-Signal: a{n}=no\n" for n in range(1000))
    files = files_of(f"{names}Disallow: /\n\nUser-agent: *\n{flood}", TDM_ALL, "User-agent: *\nDisallow: /")
    found = files.evidence(f"{SITE}/a")
    assert len(found) == MAX_EVIDENCE
    assert {one.source for one in found} == {"robots.txt", "tdmrep.json", "ai.txt"}


def test_rules_beyond_the_bound_do_not_count() -> None:
    rules = "".join(f"Disallow: /{n}$\n" for n in range(MAX_RULES))
    files = files_of(f"User-agent: GPTBot\n{rules}Disallow: /late\n")
    assert (len(said(files, f"/{MAX_RULES - 1}")), len(said(files, "/late"))) == (1, 0)


def test_origins_are_bounded_and_those_in_use_stay() -> None:
    files = SiteFiles("vlcorpus", max_origins=1000)
    body = b"User-agent: GPTBot\nDisallow: /"
    files.learn(f"{SITE}/robots.txt", 200, body)
    for number in range(100_000):
        files.learn(f"https://s{number}.example/robots.txt", 200, body)
        if number % 500 == 0:
            assert len(files.evidence(f"{SITE}/a")) == 1
    assert len(files) == 1000
    assert len(files.evidence("https://s99999.example/a")) == 1
    assert files.evidence("https://s5.example/a") == ()
    assert not files.known("https://s5.example")


def test_bytes_are_bounded() -> None:
    files = SiteFiles("vlcorpus", max_bytes=3_000_000)
    large = b"User-agent: GPTBot\n" + b"".join(b"Disallow: /%d\n" % n for n in range(2000))
    for number in range(20):
        for _ in range(3):  # learnt again, it counts once
            files.learn(f"https://s{number}.example/robots.txt", 200, large)
    assert 2 <= len(files) <= 4
    small = SiteFiles("vlcorpus", max_bytes=1)
    small.learn(f"{SITE}/robots.txt", 200, large)
    assert len(small) == 1


def test_no_origin_at_all_is_refused() -> None:
    with pytest.raises(UsageError):
        SiteFiles("vlcorpus", max_origins=0)


def test_a_live_crawl_asks_for_robots_txt_once(server: LoopbackServer) -> None:
    server.put("/robots.txt", b"User-agent: CCBot\nDisallow: /\nUser-agent: *\nContent-Signal: ai-train=no")
    server.put("/ai.txt", b"User-Agent: *\nDisallow: *.jpg")
    site = server.url("")
    files = SiteFiles("vlcorpus")
    with Fetcher(server.manners(), ROBOTS_LIMITS) as fetcher:
        robots = Robots(fetcher.fetch, "vlcorpus", seen=files.learn)
        assert robots.verdict(f"{site}/a.jpg") is None
        for url in files.missing(site):
            answer = fetcher.fetch(url)
            files.learn(url, answer.status or 0, answer.body)
    assert server.paths() == list(PATHS)
    assert files.known(site)
    assert [one.signal for one in files.evidence(f"{site}/a.jpg")] == ["ai-token", "ai-txt", "ai-train=no"]
