"""What a page or an image says about its use: robots directives and TDM reservations, in headers and in <meta> tags.

    found = evidence([("x-robots-tag", "unavailable_after: 25 Jun 2027 15:00:00 PST, noai")], "vlcorpus")
    found                        (Evidence(signal="unavailable_after", ...), Evidence(signal="noai", ...))
    denied(found)                "optout"
    denied(evidence([("x-robots-tag", "otherbot: noai")], "vlcorpus"))        None: not meant for us

Both kinds of source are pairs of name and value: response headers as they are, and (name or http-equiv, content) of
each <meta>. Several of one name, comma lists, and agents named within a list all count. Evidence is kept whatever is
decided, so that the decision can be made again later with other directives.

Rules: developers.google.com/search/docs/crawling-indexing/robots-meta-tag for the grammar; noai and noimageai are
DeviantArt's, noml Bing's; TDM-Reservation is the W3C community group's TDMRep.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

OPTOUT = "optout"

# Deny by default.
DIRECTIVES = ("noai", "noimageai", "noindex", "noimageindex", "none", "noml", "tdm-reservation")

MAX_EVIDENCE = 64
_MAX_VALUE = 500
_MAX_TEXT = 8192

# These take a value after a colon, so what stands before the colon is no agent.
_VALUED = frozenset(("unavailable_after", "max-snippet", "max-image-preview", "max-video-preview", "tdm-reservation"))
# Not a number, and not what may stand before the colon of a time: `25-jun-27t15`.
_AGENT = re.compile(r"(?!\d+-)(?=[^:]*[a-z*])([a-z0-9_*.\-]+)(?:/[^\s:]*)?\s*")
_SIGNAL = re.compile(r"[a-z0-9_\-]{1,40}")


@dataclass(frozen=True)
class Evidence:
    """signal: the directive. source: the header or meta name. Both lower-case. value: the text it was found in."""

    signal: str
    source: str
    value: str


def evidence(pairs: Iterable[tuple[str, str]], token: str) -> tuple[Evidence, ...]:
    """All directives meant for everyone or for `token`, each once a source, in the order found, at most 64.

    pairs: (name, value) of headers, or (name or http-equiv, content) of <meta> tags, in any case.
    """
    ours = token.lower()
    found: dict[tuple[str, str], Evidence] = {}
    for name, value in pairs:
        source = name.strip().lower()
        if source == "tdm-reservation":
            signals: Iterator[str] = iter([source] if value.strip(" \t\"'") == "1" else [])
        elif source in ("x-robots-tag", "robots", ours):
            signals = _signals(value[:_MAX_TEXT], ours)
        else:
            continue
        for signal in signals:
            found.setdefault((signal, source), Evidence(signal, source, value[:_MAX_VALUE]))
            if len(found) == MAX_EVIDENCE:
                return tuple(found.values())
    return tuple(found.values())


def denied(found: Iterable[Evidence], directives: Iterable[str] = DIRECTIVES) -> str | None:
    """ "optout" if one of `directives` is among the evidence, else None."""
    wanted = frozenset(directive.lower() for directive in directives)
    return OPTOUT if any(one.signal in wanted for one in found) else None


def refuse_opted_out(
    token: str, directives: Iterable[str] = DIRECTIVES
) -> Callable[[Sequence[tuple[str, str]]], str | None]:
    """An `inspect_headers` for a Fetcher: bodies of opted-out answers are not fetched."""
    wanted = tuple(directives)

    def inspect(headers: Sequence[tuple[str, str]]) -> str | None:
        return denied(evidence(headers, token), wanted)

    return inspect


def _signals(value: str, ours: str) -> Iterator[str]:
    """The directives of one comma list that are meant for us. An agent rules from where it stands to the next one."""
    for_us = True
    for part in value.lower().split(","):
        directive = part.strip()
        before, colon, after = directive.partition(":")
        if colon and before.strip() not in _VALUED:
            agent = _AGENT.fullmatch(before)
            if agent is None:
                continue  # the rest of a date, most likely
            for_us = agent[1] in ("*", ours)
            directive = after.strip()
            before, colon, after = directive.partition(":")
        if not for_us:
            continue
        if colon:
            name = before.strip()
            if name == "tdm-reservation" and after.strip() != "1":
                continue
            if name in _VALUED:
                yield name
            continue
        # Some write spaces for commas.
        words = directive.split()
        if words and all(word in DIRECTIVES or word in ("nofollow", "noarchive", "nosnippet") for word in words):
            yield from words
        elif len(words) == 1 and _SIGNAL.fullmatch(directive):
            yield directive
