"""The licence that a page names.

    found = Licences()
    found.note("license", "/terms", "anchor")
    found.chosen(Join("https://example.com/"))          ("https://example.com/terms", "anchor")

Links that say rel=license, and links to Creative Commons: the last one in the text, else the last in <link>, else a
<meta> with such a name, else what JSON-LD says of the page. Only the last MOST of each place are remembered.
"""

from __future__ import annotations

import re
from collections import deque

from vlcorpus.net.url import requestable
from vlcorpus.web.pages.join import MAX_URL, Join

SCOPES = ("anchor", "link", "meta", "jsonld")
METAS = frozenset((
    "license", "licence", "dc.rights", "dc.rights.license", "dc.license", "dcterms.rights", "dcterms.license",
    "cc:license",
))  # fmt: skip

_MOST = 20
_CREATIVE_COMMONS = re.compile(r"\s*(?:https?:)?//(?:www\.)?creativecommons\.org/(?:licenses|publicdomain)/")
_URL = re.compile(r"\s*(?:https?:)?//", re.IGNORECASE)


class Licences:
    """What may be one, by where it stands."""

    def __init__(self) -> None:
        self._found: dict[str, deque[str]] = {scope: deque(maxlen=_MOST) for scope in SCOPES}

    def note(self, relation: str | None, href: str, scope: str) -> None:
        """A link. relation: its rel attribute."""
        if (relation and "license" in relation.lower().split()) or _CREATIVE_COMMONS.match(href):
            self._found[scope].append(href)

    def say(self, value: str, scope: str) -> None:
        """A value that is a licence if it is a URL."""
        if _URL.match(value):
            self._found[scope].append(value)

    def chosen(self, join: Join) -> tuple[str | None, str | None]:
        """(its URL, where it was found); (None, None) if there is none."""
        for scope, hrefs in self._found.items():
            for href in reversed(hrefs):
                url, reason = requestable(href, join.base)
                if reason is None and len(url) <= MAX_URL:
                    return url, scope
        return None, None
