"""Connections that say nothing, or half a request, are closed after a while: else a few of them would take every place.

    uvicorn.Config(app, http=patient(20.0))

uvicorn has a timer between two requests, and none for the first one or for one that began. Bodies have a deadline of
their own (`limits.read_body`).
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol


def patient(seconds: float) -> type[asyncio.Protocol]:
    """The protocol, with the longest that the head of a request may take."""

    class Patient(H11Protocol):
        _waiting: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._look()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._look()

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            self._stop()

        def _look(self) -> None:
            """The timer runs from the first moment without a request under way, whatever dribbles in meanwhile."""
            cycle = self.cycle
            if cycle is not None and not cycle.response_complete:
                self._stop()
            elif self._waiting is None:
                self._waiting = self.loop.call_later(seconds, self.transport.close)

        def _stop(self) -> None:
            if self._waiting is not None:
                self._waiting.cancel()
                self._waiting = None

    return Patient
