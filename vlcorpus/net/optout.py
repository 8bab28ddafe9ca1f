"""What a page or an image says about its use, as evidence that can be judged again, and the judgement by default.

    found = evidence([("x-robots-tag", "unavailable_after: 25 Jun 2027 15:00:00 PST, noai")], "vlcorpus")
    found                        (Evidence(signal="unavailable_after", ...), Evidence(signal="noai", ...))
    denied(found)                "optout"
    denied(evidence([("x-robots-tag", "otherbot: noai")], "vlcorpus"))        None: not meant for us
    read("noai|x-robots-tag|noai")                  Evidence("noai", "x-robots-tag", "noai"): as tables hold it

Both kinds of source are pairs of name and value: response headers as they are, and (name or http-equiv, content) of
each <meta>, with `meta=True`. What robots.txt, tdmrep.json and ai.txt say comes from `sitefiles` as the same rows.
Several of one name, comma lists, and agents named within a list all count. Evidence is kept whatever is decided.

    signal                                  said by                                              by default
    noai noimageai noml                     robots directives (X-Robots-Tag, <meta robots>)      denies
    none noindex noimageindex               likewise                                             denies
    nofollow noarchive max-snippet ...      likewise                                             evidence only
    tdm-reservation                         TDMRep 1: header, <meta>, tdmrep.json                denies
    tdm-reservation=0                       TDMRep 0: overrides a 1 said at a lower place        evidence only
    tdm-policy                              TDMRep: where a licence may be had                   evidence only
    train-ai=n train-genai=n                Content-Usage (AIPREF): header, <meta>, robots.txt   denies
    bots=n ai=n genai=n tdm=n               its labels before 2026                               denies
    search=n ai-output=n ...=y              its other labels and answers                         evidence only
    ai-train=no                             Content-Signal: header, <meta>, robots.txt           denies
    search=no ai-input=no use=... ...=yes   its other labels and answers                         evidence only
    ai-token                                a crawler that trains models (aitokens) is refused   denies
                                            by name: in robots.txt, a header or a <meta>
    ai-answer-token                         one that answers questions is, in robots.txt         evidence only
    ai-txt                                  ai.txt                                               denies

Sources: a header's name; a <meta>'s, after "meta:" where a header may have it too; robots.txt, tdmrep.json, ai.txt.
What stands about an image among the evidence of its page starts with "image:", and is settled on its own.

Rules: developers.google.com/search/docs/crawling-indexing/robots-meta-tag for the grammar; noai and noimageai are
DeviantArt's, noml Bing's; TDM-Reservation is the W3C community group's TDMRep; aipref.py names the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from vlcorpus.net.aipref import SIGNAL, USAGE, preferences
from vlcorpus.net.aitokens import TRAINING

OPTOUT = "optout"

RESERVED = "tdm-reservation"
NOT_RESERVED = "tdm-reservation=0"
POLICY = "tdm-policy"
AI_TOKEN = "ai-token"
AI_ANSWER_TOKEN = "ai-answer-token"
AI_TXT = "ai-txt"
TDMREP_JSON = "tdmrep.json"
IMAGE = "image:"
META = "meta:"

_REFUSALS = ("noai", "noimageai", "noindex", "noimageindex", "none", "noml")
# Deny by default. Content-Usage and Content-Signal are mistaken for one another: each one's label counts in both.
DIRECTIVES = (
    *_REFUSALS, RESERVED, "train-ai=n", "train-genai=n", "bots=n", "ai=n", "genai=n", "tdm=n", "ai-train=n",
    "ai-train=no", "train-ai=no", AI_TOKEN, AI_TXT,
)  # fmt: skip

MAX_EVIDENCE = 64
MAX_VALUE = 500
_MAX_TEXT = 8192

# These take a value after a colon, so what stands before the colon is no agent.
_VALUED = frozenset(("unavailable_after", "max-snippet", "max-image-preview", "max-video-preview", RESERVED))
_WORDS = frozenset((*_REFUSALS, RESERVED, "nofollow", "noarchive", "nosnippet"))
# Not a number, and not what may stand before the colon of a time: `25-jun-27t15`.
_AGENT = re.compile(r"(?!\d+-)(?=[^:]*[a-z*])([a-z0-9_*.\-]+)(?:/[^\s:]*)?\s*")
_REFUSING = frozenset(_REFUSALS)
_SIGNAL = re.compile(r"[a-z0-9_\-]{1,40}")
_STATEMENTS = {"content-usage": USAGE, "content-signal": SIGNAL}
# Names that mean the same in a header and in a <meta>, so that the place must be told.
_EITHER = frozenset((RESERVED, POLICY, *_STATEMENTS))
# Labels of older drafts that take in training, and what then speaks of training itself.
_BROAD = frozenset(("bots=n", "tdm=n", "ai=n"))
_NARROW = "train-ai=y"


@dataclass(frozen=True, slots=True)
class Evidence:
    """signal: see the table above. source: where it was said. Both lower-case. value: the text it was found in."""

    signal: str
    source: str
    value: str


def evidence(pairs: Iterable[tuple[str, str]], token: str, *, meta: bool = False) -> tuple[Evidence, ...]:
    """All directives meant for everyone or for `token`, in the order found, at most 64.

    Each is there once a source; of Content-Usage and Content-Signal, once a statement.
    pairs: (name, value) of headers, or (name or http-equiv, content) of <meta> tags, in any case. meta: which of them.
    """
    ours = token.lower()
    found: dict[tuple[str, str, str], Evidence] = {}
    for name, value in pairs:
        source = name.strip().lower()
        signals: Iterable[str]
        if source in ("x-robots-tag", "robots", ours):
            signals = _signals(value[:_MAX_TEXT], ours)
        elif source in _STATEMENTS:
            signals = statement(value, source)
        elif source == RESERVED:
            signals = _reservation(value[:_MAX_TEXT])
        elif source == POLICY:
            signals = (POLICY,) if value.strip() else ()
        elif source in TRAINING:
            signals = (AI_TOKEN,) if not _REFUSING.isdisjoint(_signals(value[:_MAX_TEXT], ours)) else ()
        else:
            continue
        kept = value[:MAX_VALUE]
        if not kept.isascii():  # a lone surrogate cannot be written
            kept = kept.encode("utf-8", "replace").decode("utf-8")
        # Each statement of preference is settled by itself.
        apart = kept if source in _STATEMENTS else ""
        if meta and source in _EITHER:
            source = META + source
        for signal in signals:
            found.setdefault((signal, source, apart), Evidence(signal, source, kept))
            if len(found) == MAX_EVIDENCE:
                return tuple(found.values())
    return tuple(found.values())


def names(token: str) -> frozenset[str]:
    """The names, in lower case, of headers and metas that `evidence` looks at."""
    return frozenset(("x-robots-tag", "robots", token.lower(), RESERVED, POLICY, *_STATEMENTS, *TRAINING))


def statement(text: str, field: str) -> list[str]:
    """Signals of a Content-Usage or Content-Signal: "train-ai=n". field: which of them, in lower case."""
    return [f"{label}={value}" for label, value in preferences(text, _STATEMENTS[field]).items()]


def settled(found: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """The evidence that stands where some of it overrides other.

    TDMRep: a <meta> overrides a header, and that tdmrep.json; of two that contradict each other in one place, the
    reservation counts. Content-Usage: an explicit train-ai=y overrides, in the same statement, the broad labels of
    older drafts. Of two statements, the one that refuses counts (draft-ietf-aipref-vocab, "Combining Preferences"), so
    both stay. What is about images ("image:") neither overrides nor is overridden by the page's.
    """
    rows = tuple(found)
    best: dict[tuple[bool, bool], tuple[int, bool]] = {}
    for one in rows:
        if one.signal in (RESERVED, NOT_RESERVED, POLICY):
            key = _matter(one)
            best[key] = max(best.get(key, (0, False)), _weight(one))
    permitted = {(one.source, one.value) for one in rows if one.signal == _NARROW}
    return tuple(
        one
        for one in rows
        if not (
            (one.signal in (RESERVED, NOT_RESERVED, POLICY) and _weight(one) < best[_matter(one)])
            or (one.signal in _BROAD and (one.source, one.value) in permitted)
        )
    )


def denied(found: Iterable[Evidence], directives: Iterable[str] = DIRECTIVES) -> str | None:
    """ "optout" if one of `directives` is among the evidence that stands, else None."""
    wanted = frozenset(directive.lower() for directive in directives)
    return OPTOUT if any(one.signal in wanted for one in settled(found)) else None


def refuse_opted_out(
    token: str, directives: Iterable[str] = DIRECTIVES
) -> Callable[[Sequence[tuple[str, str]]], str | None]:
    """An `inspect_headers` for a Fetcher: bodies of opted-out answers are not fetched.

    For images. A page's <meta> could still override its headers' TDM-Reservation.
    """
    wanted = tuple(directives)

    def inspect(headers: Sequence[tuple[str, str]]) -> str | None:
        return denied(evidence(headers, token), wanted)

    return inspect


def read(written: str) -> Evidence:
    """Evidence as tables hold it, signal|source|value. What has fewer parts has an empty source or value."""
    signal, _, rest = written.partition("|")
    source, _, value = rest.partition("|")
    return Evidence(signal, source, value)


def _matter(one: Evidence) -> tuple[bool, bool]:
    """(is it about images, is it a policy): what overrides and is overridden among itself."""
    return one.source.startswith(IMAGE), one.signal == POLICY


def _weight(one: Evidence) -> tuple[int, bool]:
    place = one.source.removeprefix(IMAGE)
    rank = 1 if place == TDMREP_JSON else 3 if place == "robots" or place.startswith(META) else 2
    return rank, one.signal == RESERVED


def _reservation(value: str) -> tuple[str, ...]:
    """A proxy may have joined several with commas. Anything but 1 and 0 is no reservation and no absence of one."""
    said = {part.strip(" \t\"'") for part in value.split(",")}
    return (RESERVED,) if "1" in said else (NOT_RESERVED,) if said == {"0"} else ()


def _signals(value: str, ours: str) -> Iterator[str]:
    """The directives of one comma list that are meant for us. An agent rules from where it stands to the next one."""
    agent = "*"
    for part in value.lower().split(","):
        directive = part.strip()
        before, colon, after = directive.partition(":")
        if colon and before.strip() not in _VALUED:
            named = _AGENT.fullmatch(before)
            if named is None:
                continue  # the rest of a date, most likely
            agent = named[1]
            directive = after.strip()
            before, colon, after = directive.partition(":")
        if agent in ("*", ours):
            yield from _words(directive)
        elif agent in TRAINING and not _REFUSING.isdisjoint(_words(directive)):
            yield AI_TOKEN


def _words(directive: str) -> Iterator[str]:
    before, colon, after = directive.partition(":")
    if colon:
        name = before.strip()
        if name in _VALUED and (name != RESERVED or after.strip() == "1"):
            yield name
        return
    # Some write spaces for commas.
    words = directive.split()
    if words and all(word in _WORDS for word in words):
        yield from words
    elif len(words) == 1 and _SIGNAL.fullmatch(directive):
        yield directive
