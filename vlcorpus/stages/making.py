"""Engines: what makes outcomes of a shard's wanted images.

    make = engine(stage, settings)                  once a worker
    for number, outcome in make(rows, wanted, journal): ...

Ours fetches (fetching.py) and prepares (images.prepare) in the worker itself. Before a body goes to a decoder, the
journal is told; where a run before died at an image, all images of that shard are decoded in a process of their own. A
decoder that hangs ends its worker, and so comes to the same.
"""

from __future__ import annotations

import functools
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..images import blocklist
from ..images.hush import c_libraries_silenced
from ..images.prepare import ImageSettings, prepare
from ..net.url import requestable
from .download import IMG2DATASET, additional
from .outcome import Fetched, Outcome, Row, outcome

if TYPE_CHECKING:
    from ..io.journal import Journal
    from .download import Download

Engine = Callable[[list[Row], list[int], "Journal"], Iterator[tuple[int, Outcome]]]

HANGING_SECONDS = 120.0
_HUNG = 86  # exit code


def engine(stage: Download, settings: ImageSettings) -> Engine:
    return _by_img2dataset(stage) if stage.engine == IMG2DATASET else _ours(stage, settings)


def _ours(stage: Download, settings: ImageSettings) -> Engine:
    import cv2

    from ..images.apart import Apart
    from .fetching import Images

    cv2.setNumThreads(1)
    _silence()
    images = Images(stage)
    blocked = blocklist.read([Path(each) for each in stage.blocklist], [Path(each) for each in stage.blocklist_pdq])
    watch = _Watch()

    def make(rows: list[Row], wanted: list[int], journal: Journal) -> Iterator[tuple[int, Outcome]]:
        def made(number: int, fetched: Fetched) -> Outcome:
            column, kind = stage.verify_hash or (None, "")
            expected = additional(rows[number], column)
            return outcome(
                fetched,
                settings,
                prepare=preparing,
                blocklist=blocked if len(blocked) else None,
                expected=(kind, str(expected)) if expected is not None else None,
                boxes=additional(rows[number], stage.blur_column),
            )

        with ExitStack() as stack:
            apart = stack.enter_context(Apart()) if journal.suspect is not None else None
            preparing = prepare if apart is None else apart.prepare
            urls, refused = _requestable(rows, wanted)
            for number, reason in refused.items():
                yield number, made(number, Fetched(reason=reason))
            for number, fetched in images.fetch(urls):
                if apart is not None or fetched.reason is not None:
                    yield number, made(number, fetched)
                    continue
                journal.begin(number)
                with watch.over():
                    found = made(number, fetched)
                yield number, found

    return make


def _by_img2dataset(stage: Download) -> Engine:
    from .allowed import Allowed
    from .engine_img2dataset import fetch_with_img2dataset, settings_of
    from .network import written

    settings, allowed = settings_of(stage), Allowed(stage)

    def make(rows: list[Row], wanted: list[int], journal: Journal) -> Iterator[tuple[int, Outcome]]:
        urls, refused = _requestable(rows, wanted)
        said: dict[int, list[str] | None] = {}
        for number, verdict in allowed.verdicts(urls):
            if verdict.reason is not None:
                refused[number], said[number] = verdict.reason, written(verdict.said)
        for number, reason in refused.items():
            fetched = Fetched(reason=reason, optout=said.get(number))
            yield number, outcome(fetched, ImageSettings(), prepare=prepare)
        with journal.scratch() as scratch:
            free = {number: url for number, url in urls.items() if number not in refused}
            yield from fetch_with_img2dataset(free, settings, scratch)

    return make


def _requestable(rows: list[Row], wanted: list[int]) -> tuple[dict[int, str], dict[int, str]]:
    """URLs by number, and the reason against those that are none."""
    found = {number: requestable(rows[number]["url"]) for number in wanted}
    urls = {number: url for number, (url, reason) in found.items() if reason is None}
    return urls, {number: reason for number, (_, reason) in found.items() if reason is not None}


@functools.cache
def _silence() -> object:
    """What decoders print about damaged files, from here on for all this worker's life."""
    silenced = c_libraries_silenced()
    silenced.__enter__()
    return silenced


class _Watch:
    """Ends this process if a decoder hangs: another worker then does without it."""

    def __init__(self) -> None:
        self._since: dict[int, float] = {}
        self._started = threading.Lock()
        self._running = False

    @contextmanager
    def over(self) -> Iterator[None]:
        own = threading.get_ident()
        self._since[own] = time.monotonic()
        if not self._running:
            with self._started:
                if not self._running:
                    self._running = True
                    threading.Thread(target=self._look, daemon=True).start()
        try:
            yield
        finally:
            self._since.pop(own, None)

    def _look(self) -> None:
        while True:
            time.sleep(1)
            now = time.monotonic()
            if any(now - since > HANGING_SECONDS for since in list(self._since.values())):
                os._exit(_HUNG)
