"""What a page in a WAT says of itself in its headers and metas: as words, and as opt-out evidence.

    describing, told = metas(found.head, "vlcorpus")     [("og:title", "Cats")], [("robots", "noai")]
    optouts(found.headers, told, "vlcorpus")             ["noai|robots|noai"]

A page has forty headers and metas, of which two or three are looked for here. Which name is one of them, however it is
spelled, is remembered: asking anew would cost more than all else that is done with them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import msgspec

from vlcorpus.net import optout
from vlcorpus.web.archives.wat_json import Head, WholeHead, headers
from vlcorpus.web.found import written

MAX_METAS = 1_000
_MAX_CONTENT = 2_000
_MAX_NAME = 100
_REMEMBERED = 4_096  # spellings of names
_FEW, _SHORT = 6, 200  # headers and metas that are worth to be remembered, and characters of one

# Directives that are no wish to be left out.
PERMISSIVE = frozenset(
    ("all", "index", "follow", "archive", "snippet", "max-snippet", "max-image-preview", "max-video-preview")
)
LANGUAGES = ("html@/lang", "html@/xml:lang")
WORDS = ("og:description", "og:title", "description")  # of the page, best first
IMAGES = {
    "og:image": "og", "og:image:url": "og", "og:image:secure_url": "og",
    "twitter:image": "twitter", "twitter:image:src": "twitter",
}  # fmt: skip
ALTS = {"og:image:alt": "og", "twitter:image:alt": "twitter"}
# By which a page and its images are described. None of them is evidence.
DESCRIBING = frozenset((*LANGUAGES, *WORDS, *IMAGES, *ALTS))

Named = list[tuple[str, str]]


def metas(head: Head | WholeHead, token: str) -> tuple[Named, Named]:
    """(name in lower case, content) of each <meta> that describes the page, and of each that may be evidence."""
    some = head.metas
    if len(some) > MAX_METAS:
        some = some[:MAX_METAS]
    wanted = _wanted(token)
    found = [
        (name, content)
        for meta in some
        if (name := wanted(meta.name or meta.property or meta.equivalent)) is not None and (content := meta.content)
    ]
    return [each for each in found if each[0] in DESCRIBING], [each for each in found if each[0] not in DESCRIBING]


def optouts(answered: msgspec.Raw, told: Named, token: str) -> list[str] | None:
    """The evidence in a page's headers and metas as tables hold it, without what only permits; None if there is none.

    answered: the headers, as JSON. told: the second of what `metas` gives.
    """
    wanted, said = _wanted(token), []
    answer = headers(answered)
    for name in filter(wanted, answer):
        value = answer[name]
        said += [(name, value)] if isinstance(value, str) else [(name, each) for each in value]
    if not said and not told:
        return None
    if len(said) + len(told) > _FEW or any(len(value) > _SHORT for _, value in (*said, *told)):
        return _written.__wrapped__(tuple(said), tuple(told), token)
    return _written(tuple(said), tuple(told), token)


@functools.lru_cache(maxsize=1024)
def _written(said: tuple[tuple[str, str], ...], told: tuple[tuple[str, str], ...], token: str) -> list[str] | None:
    """Of all pages, a few dozen ways of saying so make up nearly all."""
    told = tuple((name, content[:_MAX_CONTENT]) for name, content in told)
    evidence = (*optout.evidence(said, token), *optout.evidence(told, token, meta=True))
    return written([one for one in evidence if one.signal not in PERMISSIVE])


@functools.cache
def _wanted(token: str) -> Callable[[str | None], str | None]:
    """Gives a name in lower case, if it is one of those looked for, else None."""
    known = DESCRIBING | optout.names(token)

    @functools.lru_cache(_REMEMBERED)
    def wanted(name: str | None) -> str | None:
        plain = name[:_MAX_NAME].strip().lower() if name else ""
        return plain if plain in known else None

    return wanted
