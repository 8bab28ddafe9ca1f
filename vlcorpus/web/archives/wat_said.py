"""What a page in a WAT says about its use: headers and metas, as opt-out evidence.

    optouts(found, "vlcorpus")     ["noai|x-robots-tag|noai"]

Headers and metas that never say anything about use are left out first: a page has forty, and they cost more than all
else that is done with it.
"""

from __future__ import annotations

import functools
import re
from typing import Any

from vlcorpus.net import optout
from vlcorpus.web.archives.wat_json import Found, Head, WholeHead, headers
from vlcorpus.web.found import written

MAX_METAS = 1_000
_MAX_CONTENT = 2_000
_MAX_NAME = 100

# Directives that are no wish to be left out.
PERMISSIVE = frozenset(
    ("all", "index", "follow", "archive", "snippet", "max-snippet", "max-image-preview", "max-video-preview")
)
# As servers and pages write them most often.
_NAMES = re.findall(
    r"[^|]+",
    "Accept-Ranges|Age|Alt-Svc|CF-Cache-Status|CF-RAY|Cache-Control|Connection|Content-Encoding|Content-Language"
    "|Content-Length|Content-Security-Policy|Content-Type|Date|ETag|Expires|Keep-Alive|Last-Modified|Link|NEL|P3P|Pragma"
    "|Referrer-Policy|Report-To|Server|Set-Cookie|Strict-Transport-Security|Transfer-Encoding|Vary|Via|X-Cache"
    "|X-Content-Type-Options|X-Crawler-Content-Encoding|X-Crawler-Content-Length|X-Crawler-Transfer-Encoding"
    "|X-Frame-Options|X-Powered-By|X-UA-Compatible|X-XSS-Protection"
    "|HTML@/lang|HTML@/xml:lang|HandheldFriendly|MobileOptimized|application-name|author|copyright|description"
    "|format-detection|generator|google-site-verification|keywords|msvalidate.01|news_keywords|p:domain_verify|referrer"
    "|thumbnail|theme-color|title|viewport"
    "|og:description|og:image|og:image:height|og:image:width|og:locale|og:site_name|og:title|og:type|og:url"
    "|article:author|article:modified_time|article:published_time|article:publisher|article:section|article:tag"
    "|fb:admins|fb:app_id|fb:pages"
    "|twitter:card|twitter:creator|twitter:description|twitter:image|twitter:site|twitter:title|twitter:url",
)
_SILENT = frozenset((*_NAMES, *map(str.lower, _NAMES)))
_SILENT_KINDS = ("og:", "twitter:", "article:", "fb:", "al:", "msapplication-", "apple-", "parsely-")

Named = list[tuple[str, str]]


def named(head: Head | WholeHead) -> Named:
    """(name, content) of each <meta>, as found."""
    return [
        (meta.name or meta.property or meta.equivalent or "", meta.content)
        for meta in head.metas[:MAX_METAS]
        if meta.content
    ]


def optouts(found: Found[Any, Any], token: str, metas: Named) -> list[str] | None:
    """The evidence in a page's headers and metas as tables hold it, without what only permits; None if there is none.

    metas: what `named` gives.
    """
    answer = headers(found)
    answered: Named = []
    if answer.keys() - _SILENT:
        for name, value in answer.items():
            if name not in _SILENT:
                answered += [(name, value)] if isinstance(value, str) else [(name, each) for each in value]
    told = [each for each in metas if each[0] not in _SILENT and not each[0].startswith(_SILENT_KINDS)]
    return _written(tuple(answered), tuple(told), token) if answered or told else None


@functools.lru_cache(maxsize=1024)
def _written(answered: tuple[tuple[str, str], ...], metas: tuple[tuple[str, str], ...], token: str) -> list[str] | None:
    """Of all pages, a few dozen ways of saying so make up nearly all."""
    told = [(name[:_MAX_NAME], content[:_MAX_CONTENT]) for name, content in metas]
    evidence = (*optout.evidence(answered, token), *optout.evidence(told, token, meta=True))
    return written([one for one in evidence if one.signal not in PERMISSIVE])
