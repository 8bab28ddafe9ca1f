"""Pictures at addresses that are searched with: fetched as `download` fetches, from public hosts, within bounds.

    Fetching((), Limits()).picture("https://example.org/a.jpg")      bytes, or Refusal 400 with the reason

The address of each connection is judged, on every redirect; size and time are bounded, and nothing of the answer but a
picture drawn anew goes further. Only where the server was started with --allow-urls.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .answers import Refusal
from .limits import Limits

if TYPE_CHECKING:
    from ..net.fetch import Fetcher

_ACCEPT = "image/*"
_AT_ONCE = 4


class Fetching:
    """May be used from several threads. allow_private: networks that may be fetched from though they are not public.
    Raises UsageError for what is no network."""

    def __init__(self, allow_private: Sequence[str], limits: Limits) -> None:
        from ..net.address import networks

        networks(allow_private)
        self._private = tuple(allow_private)
        self._limits = limits
        self._lock = threading.Lock()
        self._fetcher: Fetcher | None = None

    def picture(self, url: str) -> bytes:
        response = self._opened().fetch(url)
        if response.reason is not None:
            raise Refusal(400, f"the picture could not be had: {response.reason}", "upload it instead")
        return response.body

    def _opened(self) -> Fetcher:
        """The fetcher, whose thread starts with the first address."""
        from ..net.fetch import Fetcher
        from ..net.fetch import Limits as FetchLimits
        from ..stages.network import Network

        with self._lock:
            if self._fetcher is None:
                seconds = self._limits.seconds / 2  # the rest is for looking at it
                asked = Network(allow_private=self._private, concurrency=_AT_ONCE, retries=0)
                limits = FetchLimits(
                    max_bytes=self._limits.upload_bytes, total_seconds=seconds, connect_seconds=seconds, max_redirects=3
                )
                self._fetcher = Fetcher(asked.manners(), limits, _ACCEPT, encodings="identity")
            return self._fetcher

    def close(self) -> None:
        with self._lock:
            if self._fetcher is not None:
                self._fetcher.close()
