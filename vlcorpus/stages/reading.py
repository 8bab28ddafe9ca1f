"""The one way from a stored or fetched page to its pairs.

    reader = Reader("vlcorpus", drops=True)
    reader.learn(stored)                  a robots.txt, tdmrep.json or ai.txt
    page, reason = reader.read(stored)    reason: why the page gives no candidates, None where it does
    for part in reader.apart(page): ...   the page in runs of pairs whose images have the same evidence

What the site's files say of a page is added to the evidence in its headers and metas, and what they say of an image to
that of its pairs.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from ..net import optout
from ..net.optout import Evidence
from ..net.sitefiles import SiteFiles
from ..net.url import requestable
from ..web.pages import html

if TYPE_CHECKING:
    from ..web.archives.warc import WarcPage
    from ..web.found import Page


class Reader:
    """drops: whether a page that opts out gives a reason."""

    def __init__(self, token: str, *, drops: bool) -> None:
        self._token, self._drops = token, drops
        self.sites = SiteFiles(token)

    def learn(self, stored: WarcPage) -> None:
        self.sites.learn(stored.url, stored.status or 0, stored.body)

    def read(self, stored: WarcPage) -> tuple[Page | None, str | None]:
        if stored.reason is not None:
            return None, stored.reason
        page = html.extract(stored.body, url=stored.url, headers=stored.headers, token=self._token, links=False)
        said = self.sites.evidence(page.url)
        if said:
            page = replace(page, optout=(*page.optout, *said))
        return page, optout.denied(page.optout) if self._drops and page.optout else None

    def apart(self, page: Page) -> Iterator[Page]:
        """Parts of the page, in order, whose pairs have the same evidence."""
        if not len(self.sites):
            yield page
            return
        runs = itertools.groupby(page.pairs, lambda pair: self._of_image(pair.url) if pair.reason is None else ())
        for said, pairs in runs:
            yield replace(page, pairs=tuple(pairs), optout=(*page.optout, *said))

    def _of_image(self, url: str) -> tuple[Evidence, ...]:
        clean, reason = requestable(url)
        return self.sites.evidence(clean, image=True) if reason is None else ()
