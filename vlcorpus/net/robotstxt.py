"""The groups of a robots.txt, and of other files written like one (RFC 9309, 2.2).

    groups, sitemaps = read("User-agent: GPTBot\\nUser-agent: Foo\\nDisallow: /a\\nSitemap: /s.xml", {"gptbot"})
    groups          [Group(agents=["gptbot"], rules=[("disallow", "/a")])]
    sitemaps        ["/s.xml"], as found

Only groups that name one of the wanted agents are kept, and of their agents only these: a file may name thousands of
agents for thousands of rules, and who keeps them all keeps millions. Content-Usage is a rule like Allow
(draft-ietf-aipref-attach updates RFC 9309), and Content-Signal is read as one; before any group, where a rule means
nothing, these two are taken as said to everyone.

Cost: a microsecond a line, of which `text` lets through MAX_BYTES.
"""

from __future__ import annotations

import re
from collections.abc import Container
from typing import NamedTuple

MAX_BYTES = 512_000  # RFC 9309, 2.5: at least 500 KiB
MAX_SITEMAPS = 100

STATEMENTS = ("content-usage", "content-signal")

_FIELDS = {
    name: name for name in ("user-agent", "allow", "disallow", "crawl-delay", "sitemap", *STATEMENTS)
} | {"useragent": "user-agent", "user agent": "user-agent", "content-signals": "content-signal"}  # fmt: skip
# RFC 9309, 2.2.1; and, tried first, names as they are in use: AI2Bot, img2dataset.
_TOKEN = re.compile(r"[a-z_\-]+")
_NAME = re.compile(r"[a-z0-9_.\-]+")


class Group(NamedTuple):
    """agents: those wanted, lower-case, "*" for all others. rules: (field in lower case, value), in file order."""

    agents: list[str]
    rules: list[tuple[str, str]]


def text(body: bytes) -> str:
    """The part of a file that counts."""
    return body[:MAX_BYTES].decode("utf-8", "replace").removeprefix("\ufeff")


def read(text: str, wanted: Container[str]) -> tuple[list[Group], list[str]]:
    """The groups for one of `wanted` (lower-case names; "*" for the group of all others), and the sitemaps as found."""
    everyone = Group(["*"], [])
    groups: list[Group] = []
    sitemaps: list[str] = []
    group: Group | None = None
    in_rules = False
    for line in text.splitlines():
        field, colon, value = line.partition("#")[0].partition(":")
        if not colon:
            continue
        known = _FIELDS.get(field.strip().lower())
        if known is None:
            continue
        value = value.strip()
        if known == "sitemap":
            if value and len(sitemaps) < MAX_SITEMAPS:
                sitemaps.append(value)
        elif known == "user-agent":
            if group is None or in_rules:
                if group is not None and group.agents:
                    groups.append(group)
                group, in_rules = Group([], []), False
            agent = _named(value, wanted)
            if agent is not None and agent not in group.agents:
                group.agents.append(agent)
        elif group is None:
            if known in STATEMENTS:
                everyone.rules.append((known, value))
        else:
            in_rules = True
            if group.agents:
                group.rules.append((known, value))
    if group is not None and group.agents:
        groups.append(group)
    if everyone.rules and "*" in wanted:
        groups.insert(0, everyone)
    return groups, sitemaps


def _named(value: str, wanted: Container[str]) -> str | None:
    if value == "*":
        return "*" if "*" in wanted else None
    value = value[:100].lower()
    for form in (_NAME, _TOKEN):
        named = form.match(value)
        if named and named[0] in wanted:
            return named[0]
    return None
