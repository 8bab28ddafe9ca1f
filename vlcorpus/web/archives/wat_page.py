"""What a page in a WAT says of itself: the images that describe it, title, language, own name and licence.

    describing, _ = wat_said.metas(head, token)
    described(describing, shown, base)       [Described("https://a.example/og.jpg", "Cats", "og", None)]
    title(head), language(describing)        "Cats and dogs", "de"
    canonical(related(head), base)           "https://a.example/cats"
    licence(related(head), anchors, base)    ("https://creativecommons.org/licenses/by/4.0/", "link")

An image that describes the page has its own og:image:alt or twitter:image:alt, else the page's og:description, og:title
or description, in that order. It is left out where an image of the page is the same and has the same words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from vlcorpus.net.url import requestable
from vlcorpus.web.archives.wat_addresses import HTTP
from vlcorpus.web.archives.wat_join import MAX_URL, SPACE, Base
from vlcorpus.web.archives.wat_json import Anchor, HeadLink, TitledImage, WholeHead
from vlcorpus.web.archives.wat_said import ALTS, IMAGES, LANGUAGES, WORDS, Named

MAX_DESCRIBING = 100  # og:image and twitter:image of one page

_MAX_TITLE, _MAX_LANGUAGE = 1_000, 35
_COMMONS = re.compile(r"\s*(?:https?:)?//(?:www\.)?creativecommons\.org/(?:licenses|publicdomain)/")
# Relations of a page's head that are neither its own name nor its licence, as they are most often spelled.
_IDLE = frozenset((
    "EditURI", "alternate", "amphtml", "apple-touch-icon", "apple-touch-icon-precomposed", "dns-prefetch",
    "https://api.w.org/", "icon", "image_src", "manifest", "mask-icon", "next", "pingback", "preconnect", "prefetch",
    "preload", "prev", "profile", "publisher", "search", "shortcut icon", "shortlink", "stylesheet", "wlwmanifest",
))  # fmt: skip


class Described(NamedTuple):
    """url: absolute, of `reason` not None as found; but only relative ones have been judged. kind: og or twitter."""

    url: str
    words: str
    kind: str
    reason: str | None


def described(told: Named, shown: Sequence[TitledImage], base: Base) -> list[Described]:
    """Each URL once with its words. told: metas that describe the page. shown: its images that have words."""
    said: dict[str, str] = {}
    images: list[tuple[str, str, list[str]]] = []
    for name, content in told:
        kind = IMAGES.get(name)
        if kind is not None:
            if len(images) < MAX_DESCRIBING:
                images.append((kind, content, []))
        elif name in ALTS:
            # Structured properties belong to the image before them.
            before = [words for each, _, words in images if ALTS[name] == each]
            if before:
                before[-1].append(content)
            else:
                said.setdefault(name, content)
        elif not content.isspace():
            said.setdefault(name, content)
    if not images:
        return []
    words = next(filter(None, map(said.get, WORDS)), "")
    found: dict[tuple[str, str], Described] = {}
    for kind, address, own in images:
        text = next(filter(str.strip, (*own, said.get(f"{kind}:image:alt", ""), words)), "")
        url, reason = (address.strip(SPACE), None) if address.startswith(HTTP) else base.judge(address)
        if (url, text) not in found and not (reason is None and text and _is_there(url, text, shown, base)):
            found[url, text] = Described(url, text, kind, reason)
    return list(found.values())


def _is_there(url: str, words: str, shown: Sequence[TitledImage], base: Base) -> bool:
    """Whether one of the images is of this URL and has these words."""
    for image in shown:
        if (image.alt == words or image.title == words) and image.url is not None:
            alt = image.alt
            if (alt if alt and not alt.isspace() else image.title) == words and base.judge(image.url)[0] == url:
                return True
    return False


def title(head: WholeHead) -> str | None:
    return (" ".join(head.title[: 8 * _MAX_TITLE].split())[:_MAX_TITLE] or None) if head.title else None


def language(told: Named) -> str | None:
    for wanted in LANGUAGES:
        for name, content in told:
            if name == wanted and content.strip():
                return content.strip()[:_MAX_LANGUAGE]
    return None


def based(head: WholeHead, url: str) -> Base:
    """What the page's <base> says, if it can be one, else the page's own URL."""
    said = head.base
    return Base((requestable(said, url)[0] if said and said.strip() else "") or url)


def related(head: WholeHead) -> list[HeadLink]:
    """The links of the head that may be of interest."""
    return [link for link in head.link if link.rel not in _IDLE]


def canonical(links: Sequence[HeadLink], base: Base) -> str | None:
    for link in links:
        if link.rel and link.url and "canonical" in link.rel.lower().split():
            return _address(link.url, base)
    return None


def licence(head: Sequence[HeadLink], anchors: Sequence[Anchor], base: Base) -> tuple[str | None, str | None]:
    """The last licence of the page's links, and where it stood. What stands in the text wins over the head."""
    places: tuple[tuple[str, Sequence[HeadLink | Anchor]], ...] = (("anchor", anchors), ("link", head))
    for where, some in places:
        for link in reversed(some):
            href, relation = link.url, link.rel
            if not href:
                continue
            if (relation and "license" in relation.lower().split()) or ("ommons.org/" in href and _COMMONS.match(href)):
                url = _address(href, base)
                if url is not None:
                    return url, where
    return None, None


def _address(found: str, base: Base) -> str | None:
    url, reason = base.absolute(found)
    return url if reason is None and len(url) <= MAX_URL else None
