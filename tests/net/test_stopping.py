"""A process that is asked to end: fetches begin no more, give what comes, and do not wait for the rest."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.net.server import Exchange, LoopbackServer, reply
from vlcorpus.io import attempt
from vlcorpus.net import fetch
from vlcorpus.net.fetch import Fetcher

SLOW = 4


@pytest.fixture
def asked() -> Iterator[threading.Event]:
    yield attempt.stopping
    attempt.stopping.clear()


@pytest.mark.parametrize("comes", [True, False])
def test_what_is_under_way_may_come(asked: threading.Event, comes: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    may = threading.Event()

    def holding(exchange: Exchange) -> bool:
        while not may.is_set() and not exchange.server.closing.is_set():
            may.wait(0.02)
        return reply(exchange, b"late")

    monkeypatch.setattr(fetch, "LAST_SECONDS", 60.0 if comes else 0.3)
    with LoopbackServer() as server, Fetcher(server.manners(concurrency=SLOW, per_host=SLOW, retries=0)) as fetcher:
        urls = [server.on(f"/slow/{number}", holding) for number in range(SLOW)]
        urls += [server.put(f"/{number}", b"quick") for number in range(500)]
        given: list[tuple[int, bytes]] = []
        pause = threading.Event()

        def end() -> None:
            while len(server.requests) < SLOW:
                pause.wait(0.01)
            asked.set()
            if comes:
                while not quiet.is_set():
                    quiet.wait(0.01)
                may.set()

        quiet = threading.Event()
        thread = threading.Thread(target=end)
        begin_no_more = fetcher._loop.begin_no_more

        def noticed(batch: fetch.Batch) -> None:
            begin_no_more(batch)
            quiet.set()

        monkeypatch.setattr(fetcher._loop, "begin_no_more", noticed)
        thread.start()
        with pytest.raises(attempt.Stopped):
            for place, answer in fetcher.fetch_all(urls):
                given.append((place, answer.body))
        thread.join()
        may.set()
        assert sorted(given) == ([(number, b"late") for number in range(SLOW)] if comes else [])
        assert sorted(server.paths()) == [f"/slow/{number}" for number in range(SLOW)]
        asked.clear()
        assert fetcher.fetch(urls[-1]).body == b"quick", "it is as good as before"


def test_nothing_is_begun_afterwards(asked: threading.Event) -> None:
    asked.set()
    with LoopbackServer() as server, Fetcher(server.manners()) as fetcher:
        with pytest.raises(attempt.Stopped):
            fetcher.fetch(server.put("/a", b"a"))
        assert list(fetcher.fetch_all([])) == [] and server.paths() == []
