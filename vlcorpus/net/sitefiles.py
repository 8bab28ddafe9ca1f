"""What the files of a site say about use for AI, for any page or image of it: robots.txt, tdmrep.json, ai.txt.

    files = SiteFiles("vlcorpus")
    files.learn("https://a.example/robots.txt", 200, b"User-agent: GPTBot\\nDisallow: /")       fetched, or from a WARC
    files.evidence("https://a.example/x.html")      (Evidence("ai-token", "robots.txt", "GPTBot"),)
    files.missing("https://a.example")              ("https://a.example/.well-known/tdmrep.json", "https://a.example/ai.txt")

    robots.txt    every crawler of `aitokens` that is named and may not fetch the URL, each with its own groups alone:
                  what "*" may not fetch is about visits; Content-Usage and Content-Signal of the group for us, else
                  of "*", those of the longest path that matches
    tdmrep.json   the first rule that matches
    ai.txt        the longest rule that matches, where it refuses

Robots(..., seen=files.learn) hands each robots.txt on, so that a live crawl asks for it once. Evidence on an image
(`image=True`) can stand among that of the page it is on: its sources start with "image:".

Bounds: a file counts up to 512,000 bytes, MAX_RULES rules of a robots.txt, 1,000 of the others; the origins that were
asked about longest ago are forgotten first, above MAX_ORIGINS or MAX_KEPT_BYTES. Nothing in a file raises. Cost: 5
microseconds a URL where a site's rules hold for all of it, 25 where they do not; 50 microseconds for a file, a fifth of
a second for the most hostile one. Not for: whether a URL may be requested, which is robots.py's to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, lru_cache

from vlcorpus.errors import UsageError
from vlcorpus.net import aitxt, robotstxt, tdmrep
from vlcorpus.net.aipref import split_path
from vlcorpus.net.aitokens import ANSWERING, TRAINING
from vlcorpus.net.optout import (
    AI_ANSWER_TOKEN,
    AI_TOKEN,
    AI_TXT,
    IMAGE,
    MAX_EVIDENCE,
    MAX_VALUE,
    NOT_RESERVED,
    POLICY,
    RESERVED,
    TDMREP_JSON,
    Evidence,
    statement,
)
from vlcorpus.net.paths import Pattern, comparable, longest, pattern
from vlcorpus.net.url import origin, requestable

PATHS = ("/robots.txt", "/.well-known/tdmrep.json", "/ai.txt")

MAX_ORIGINS = 100_000
MAX_KEPT_BYTES = 200_000_000
MAX_RULES = 5_000

_EVERYTHING = Pattern(("",), False, 0)
# Rough sizes in memory.
_BASE_BYTES = 600
_RULE_BYTES = 300

_Rules = tuple[tuple[bool, Pattern], ...]


@dataclass(frozen=True, slots=True)
class _Statement:
    field: str
    pattern: Pattern
    signals: tuple[str, ...]
    value: str


@dataclass(frozen=True, slots=True)
class _Robots:
    """groups: rules of each group that names a token. tokens: (signal, token, its groups)."""

    groups: tuple[_Rules, ...] = ()
    tokens: tuple[tuple[str, str, tuple[int, ...]], ...] = ()
    statements: tuple[_Statement, ...] = ()


_NO_ROBOTS = _Robots()


@dataclass(slots=True)
class _Site:
    """answered: bit n for PATHS[n]. same: evidence on pages and on images, where it is the same for all URLs."""

    robots: _Robots = _NO_ROBOTS
    tdm: tuple[tdmrep.Rule, ...] = ()
    ai: tuple[aitxt.Rule, ...] = ()
    answered: int = 0
    size: int = _BASE_BYTES
    is_same: bool = True
    same: dict[bool, tuple[Evidence, ...]] = field(default_factory=dict)


class SiteFiles:
    """What origins' files said. token: our name, as in robots.txt. Not for use from several threads at once."""

    def __init__(self, token: str, *, max_origins: int = MAX_ORIGINS, max_bytes: int = MAX_KEPT_BYTES) -> None:
        if max_origins < 1:
            raise UsageError(f"max_origins is {max_origins}", "keep at least one origin")
        self._token = token.lower()
        self._wanted = frozenset((self._token, "*", *TRAINING, *ANSWERING))
        self._max_origins = max_origins
        self._max_bytes = max_bytes
        self._sites: dict[str, _Site] = {}
        self._size = 0

    def __len__(self) -> int:
        """Origins kept."""
        return len(self._sites)

    def learn(self, url: str, status: int, body: bytes) -> None:
        """Remember an answer. URLs other than those of PATHS are passed over.

        url: as asked for, not where a redirect led. status: 0 for no answer. With 400 to 499 the file says nothing;
        with another than these and 200 to 299 it says what it last said.
        """
        url = requestable(url)[0]
        site = origin(url) if url else ""
        path = url[len(site) :]
        if path not in PATHS:
            return
        number = PATHS.index(path)
        found = self._sites.pop(site, None) or _Site()
        self._sites[site] = found
        self._size -= found.size if found.answered else 0
        if 200 <= status <= 299:
            self._read(found, number, body)
        elif 400 <= status <= 499 and status != 429:
            self._read(found, number, b"")
        found.answered |= 1 << number
        self._size += found.size
        while len(self._sites) > self._max_origins or (self._size > self._max_bytes and len(self._sites) > 1):
            self._size -= self._sites.pop(next(iter(self._sites))).size

    def known(self, origin: str) -> bool:
        """Whether all of PATHS are answered for. Of a WARC, often some are and the rest never will be."""
        found = self._sites.get(origin)
        return found is not None and found.answered == (1 << len(PATHS)) - 1

    def missing(self, origin: str) -> tuple[str, ...]:
        """URLs of `origin` still to ask for."""
        found = self._sites.get(origin)
        answered = found.answered if found else 0
        return tuple(f"{origin}{path}" for number, path in enumerate(PATHS) if not answered & 1 << number)

    def evidence(self, url: str, *, image: bool = False) -> tuple[Evidence, ...]:
        """What is known to be said about a page or an image, at most 64. url: absolute, as found or normalised."""
        url = requestable(url)[0]
        if not url:
            return ()
        site = origin(url)
        found = self._sites.pop(site, None)
        if found is None:
            return ()
        self._sites[site] = found  # the latest asked about
        if not found.is_same:
            return _evidence(found, comparable(url), image)
        same = found.same.get(image)
        if same is None:
            same = found.same[image] = _evidence(found, "/", image)
        return same

    def _read(self, site: _Site, number: int, body: bytes) -> None:
        if number == 0:
            site.robots = _robots(body, self._token, self._wanted) if body else _NO_ROBOTS
        elif number == 1:
            site.tdm = tdmrep.read(body) if body else ()
        else:
            site.ai = aitxt.read(body, self._token) if body else ()
        patterns = list(_patterns(site))
        site.is_same = all(one.is_everything for one in patterns) and all(rule.pattern for rule in site.ai)
        site.same = {}
        said = [rule.location + (rule.policy or "") for rule in site.tdm] + [rule.line for rule in site.ai]
        said += [one.value for one in site.robots.statements]
        # Patterns are ASCII; of other text, a character can take four bytes.
        parts = [part for one in patterns for part in one.parts]
        rules = len(patterns) + len(site.ai) + sum(len(one.signals) for one in site.robots.statements)
        site.size = _BASE_BYTES + _RULE_BYTES * rules + 120 * len(site.robots.tokens)
        site.size += 60 * len(parts) + sum(map(len, parts)) + 4 * sum(map(len, said))


def _patterns(site: _Site) -> Iterator[Pattern]:
    yield from (one for rules in site.robots.groups for _, one in rules)
    yield from (one.pattern for one in site.robots.statements)
    yield from (rule.pattern for rule in site.tdm)
    yield from (rule.pattern for rule in site.ai if rule.pattern is not None)


def _robots(body: bytes, token: str, wanted: frozenset[str]) -> _Robots:
    groups, _ = robotstxt.read(robotstxt.text(body), wanted)
    left = MAX_RULES
    kept: list[_Rules] = []
    tokens: dict[str, list[int]] = {}
    for group in groups:
        rules: list[tuple[bool, Pattern]] = []
        for name in group.agents:
            if name not in (token, "*"):
                tokens.setdefault(name, []).append(len(kept))
        if all(name in (token, "*") for name in group.agents):
            continue
        for kind, value in group.rules:
            if kind in ("allow", "disallow") and left and (one := _pattern(value)) is not None:
                rules.append((kind == "allow", one))
                left -= 1
        kept.append(tuple(rules))
    ours = [group for group in groups if token in group.agents] or [group for group in groups if "*" in group.agents]
    statements: list[_Statement] = []
    for group in ours:
        for kind, value in group.rules:
            if kind in robotstxt.STATEMENTS and left:
                path, said = split_path(value)
                signals = tuple(statement(said, kind))
                one = _pattern(path) if path else _EVERYTHING
                if one is not None and signals:
                    statements.append(_Statement(kind, one, signals, value[:MAX_VALUE]))
                    left -= 1
    named = tuple(
        (signal, spelt, tuple(tokens[name]))
        for signal, names in ((AI_TOKEN, TRAINING), (AI_ANSWER_TOKEN, ANSWERING))
        for name, spelt in names.items()
        if name in tokens
    )
    return _Robots(tuple(kept), named, tuple(statements))


@lru_cache(maxsize=4096)
def _shared(value: str) -> Pattern | None:
    return pattern(value)


def _pattern(value: str) -> Pattern | None:
    """Most sites write the same few: these are kept once."""
    return _shared(value) if len(value) <= 100 else pattern(value)


def _evidence(site: _Site, path: str, image: bool) -> tuple[Evidence, ...]:
    """path: as `comparable` gave it."""
    where = IMAGE if image else ""
    found: list[Evidence] = []
    decided = [longest(rules, path) for rules in site.robots.groups]
    for signal, token, groups in site.robots.tokens:
        # RFC 9309, 2.2.1: groups of one name are one group.
        if not max(decided[number] for number in groups)[1]:
            found.append(_named(signal, where, token))
    rule = tdmrep.first(site.tdm, path)
    if rule is not None:
        signal = RESERVED if rule.is_reserved else NOT_RESERVED
        said = f"{rule.location[: MAX_VALUE - 2]} {rule.is_reserved:d}"
        found.append(Evidence(signal, where + TDMREP_JSON, said))
        if rule.policy:
            found.append(Evidence(POLICY, where + TDMREP_JSON, rule.policy[:MAX_VALUE]))
    line = aitxt.refusal(site.ai, path, is_image=image) if site.ai else None
    if line is not None:
        found.append(Evidence(AI_TXT, f"{where}ai.txt", line[:MAX_VALUE]))
    found += _stated(site.robots.statements, path, f"{where}robots.txt")
    return tuple(found[:MAX_EVIDENCE])


@cache  # as many as there are tokens, twice
def _named(signal: str, where: str, token: str) -> Evidence:
    return Evidence(signal, f"{where}robots.txt", token)


def _stated(statements: tuple[_Statement, ...], path: str, source: str) -> Iterator[Evidence]:
    """Of each field, the statements of the longest path that matches; equal ones all count."""
    for kind in robotstxt.STATEMENTS:
        matched = [one for one in statements if one.field == kind and one.pattern.matches(path)]
        length = max((one.pattern.length for one in matched), default=0)
        stated = dict.fromkeys(
            (signal, one.value) for one in matched if one.pattern.length == length for signal in one.signals
        )
        yield from (Evidence(signal, source, value) for signal, value in list(stated)[:MAX_EVIDENCE])
