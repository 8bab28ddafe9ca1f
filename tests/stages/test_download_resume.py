"""Downloads that are killed, crash, or are asked to try again: nothing done is done twice, nothing good is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.images import drawn
from tests.net.server import LoopbackServer
from tests.stages.crashing.sitecustomize import CRASH, HANG
from tests.stages.running import contents, do, done, here, rows, write_list
from vlcorpus.corpus import Corpus
from vlcorpus.errors import UsageError
from vlcorpus.images import apart
from vlcorpus.io.journal import PREFIX, Journal
from vlcorpus.stages import making
from vlcorpus.stages.download import Download
from vlcorpus.stages.import_ import Import
from vlcorpus.stages.retrying import Retried

COUNT = 10
POLL_SECONDS = 0.01


def image(number: int) -> bytes:
    return drawn.saved(drawn.photo(number, 60, 40), "JPEG")


def settings(**more: Any) -> Download:
    return Download(
        **{"allow_private": ("127.0.0.0/8",), "retries": 0, "obey_robots": False, "site_files": False, **more}
    )


def listed(path: Path, urls: list[str], *, shard_rows: int = 100) -> Corpus:
    corpus = Corpus.create(path / "c", shard_rows=shard_rows)
    here(corpus, Import(source=write_list(path / "list.csv", [(url, f"picture {n}") for n, url in enumerate(urls)])))
    return corpus


def journals(corpus: Corpus) -> list[str]:
    return sorted(path.name for path in corpus.layer("shards").folder.glob(f"{PREFIX}*"))


# --- killed


def wait_for(corpus: Corpus, count: int, process: subprocess.Popen[bytes]) -> None:
    """Until the first shard's journal holds so many images."""
    path = corpus.layer("shards").folder / f"{PREFIX}00000"
    fingerprint = settings(timeout=60.0, concurrency=2).fingerprint(corpus, "00000")
    pause = threading.Event()
    while process.poll() is None:
        if path.exists() and len(path.read_bytes()) > 100:
            copy = path.parent.parent / f"{PREFIX}00000"
            copy.write_bytes(path.read_bytes())
            with Journal(copy.parent, "00000", fingerprint=fingerprint) as journal:
                if len(journal.done) >= count:
                    return
        pause.wait(POLL_SECONDS)
    raise AssertionError("the download ended")


def test_a_kill_costs_only_what_was_under_way(tmp_path: Path) -> None:
    with LoopbackServer() as server:
        urls = [server.put(f"/{number}.jpg", image(number)) for number in range(COUNT)]
        whole = listed(tmp_path / "whole", [*urls, server.url("/status/404")])
        do(whole, [settings(timeout=60.0, concurrency=2)])
        corpus = listed(tmp_path / "killed", [*urls, server.url("/hang")])
        server.requests.clear()
        command = [
            *(
                "-m",
                "vlcorpus",
                "download",
                str(corpus.path),
                "--no-obey-robots",
                "--no-site-files",
                "--retries",
                "0",
                "--workers",
                "1",
            ),
            *("--allow-private", "127.0.0.0/8", "--timeout", "60", "--concurrency", "2"),
        ]
        process = subprocess.Popen([sys.executable, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(corpus, COUNT, process)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert journals(corpus) == [f"{PREFIX}00000"] and corpus.layer("shards").units() == ()
        before = Counter(server.paths())
        assert before == Counter([*(f"/{number}.jpg" for number in range(COUNT)), "/hang"])
        # The same list again, but for the image that never comes: it was not done, so it is asked for anew.
        resumed = do(corpus, [settings(timeout=0.5, concurrency=2)])
        assert done(resumed) == ["shards/00000"]
    found, expected = rows(corpus, "shards"), rows(whole, "shards")
    assert [row["sha256"] for row in found[:COUNT]] == [row["sha256"] for row in expected[:COUNT]]
    assert found[COUNT]["reason"] == "timeout" and journals(corpus) == []


def test_what_is_in_the_journal_is_not_asked_for(tmp_path: Path) -> None:
    with LoopbackServer() as server:
        urls = [server.put(f"/{number}.jpg", image(number)) for number in range(COUNT)]
        whole, corpus = listed(tmp_path / "whole", urls), listed(tmp_path / "begun", urls)
        do(whole, [settings()])
        expected = contents(whole, "shards")
        # A journal as a killed run leaves it: some images, and the beginning of another.
        work = making.engine(settings(), settings().image_settings())
        from vlcorpus.io import table

        candidates = table.read(corpus.layer("candidates").path("00000.parquet"), "candidates").to_pylist()
        with Journal(
            corpus.layer("shards").folder, "00000", fingerprint=settings().fingerprint(corpus, "00000")
        ) as held:
            for number, outcome in work(candidates, [0, 3, 4, 9], held):
                held.add(number, outcome.row, outcome.members)
        path = corpus.layer("shards").folder / f"{PREFIX}00000"
        path.write_bytes(path.read_bytes() + b"\1\2\3")
        server.requests.clear()
        do(corpus, [settings()])
        assert sorted(server.paths()) == sorted(f"/{number}.jpg" for number in (1, 2, 5, 6, 7, 8))
    assert contents(corpus, "shards") == expected and journals(corpus) == []


def test_other_settings_do_not_go_on_with_a_journal(tmp_path: Path) -> None:
    with LoopbackServer() as server:
        urls = [server.put(f"/{number}.jpg", image(number)) for number in range(COUNT)]
        corpus = listed(tmp_path, urls)
        with Journal(corpus.layer("shards").folder, "00000", fingerprint="of other settings") as journal:
            journal.add(0, {"status": "success"}, {"jpg": b"x"})
        do(corpus, [settings()])
        assert len(server.paths()) == COUNT
    assert rows(corpus, "shards")[0]["width"] == 60


def test_a_journal_beside_a_finished_shard_is_removed(tmp_path: Path) -> None:
    with LoopbackServer() as server:
        corpus = listed(tmp_path, [server.put("/0.jpg", image(0))])
        do(corpus, [settings()])
        (corpus.layer("shards").folder / f"{PREFIX}00000").write_bytes(b"left by a kill after the commit")
        assert done(do(corpus, [settings()]), "unchanged") == ["shards/00000"]
    assert journals(corpus) == []


# --- decoders that crash


def crashing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers started from here on have such a decoder."""
    path = os.pathsep.join([str(Path(__file__).parent / "crashing"), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", path.rstrip(os.pathsep))


def test_images_at_which_the_decoder_crashes_cost_their_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = {1, 2, 6, 7, 9}
    with LoopbackServer() as server:
        bodies = [image(number) + (CRASH if number in bad else b"") for number in range(COUNT)]
        urls = [server.put(f"/{number}.jpg", body) for number, body in enumerate(bodies)]
        corpus, whole = listed(tmp_path / "bad", urls), listed(tmp_path / "whole", urls)
        do(whole, [settings()])
        crashing(monkeypatch)
        events = do(corpus, [settings()])
    assert [event.kind for event in events].count("lost") == 1, "from the first crash on, they run apart"
    found = rows(corpus, "shards")
    assert {number for number, row in enumerate(found) if row["reason"] == "decoder_crash"} == bad
    assert {row["error_message"] for row in found if row["reason"]} == {"decoder_crash: the decoder ended with SIGABRT"}
    good = [row for row in rows(whole, "shards") if int(row["caption"].split()[1]) not in bad]
    assert [row["sha256"] for row in found if not row["reason"]] == [row["sha256"] for row in good]
    assert {row["status"] for row in found if row["reason"]} == {"failed_to_resize"}


def test_an_image_at_which_the_decoder_hangs_costs_its_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crashing(monkeypatch)
    with apart.Apart(seconds=4) as one:
        refused = one.prepare(image(0) + HANG, settings().image_settings())
        assert (refused.reason, refused.message) == ("decoder_crash", "it took more than 4 s")  # type: ignore[union-attr]
        assert one.prepare(image(0), settings().image_settings()).width == 60  # type: ignore[union-attr]


# --- once more


def test_only_what_failed_is_tried_again(tmp_path: Path) -> None:
    with LoopbackServer() as server:
        urls = [server.put(f"/{number}.jpg", image(number)) for number in range(COUNT)]
        for number, status in ((2, 503), (3, 404), (7, 500)):
            server.put(f"/{number}.jpg", b"", status=status)
        corpus = listed(tmp_path, [*urls, urls[7]], shard_rows=4)
        do(corpus, [settings()])
        before = contents(corpus, "shards")
        assert done(do(corpus, [settings(retry_failed=("timeout",))]), "unchanged") == [
            f"shards/{n:05d}" for n in range(3)
        ]
        server.requests.clear()
        again = do(corpus, [settings(retry_failed=("transient",))])
        failed = {row["in"] for row in rows(corpus, "shards") if row["http_status"] in (500, 503)}
        assert set(done(again)) == {f"shards/{unit}" for unit in failed} and len(done(again, "unchanged")) == 1
        assert sorted(server.paths()) == ["/2.jpg", "/7.jpg"]
        assert contents(corpus, "shards") == before, "what fails in the same way gives the same bytes"
        for number in (2, 3, 7):
            server.put(f"/{number}.jpg", image(number))
        server.requests.clear()
        do(corpus, [settings(retry_failed=("http_error 404", "http_error 503"))])
        assert sorted(server.paths()) == ["/2.jpg", "/3.jpg"]
        do(corpus, [settings(retry_failed=("any",))])
        assert server.paths()[2:] == ["/7.jpg"]
        whole = listed(tmp_path / "whole", [*urls, urls[7]], shard_rows=4)
        do(whole, [settings()])
        assert contents(corpus, "shards") == contents(whole, "shards")
        server.requests.clear()
        assert len(done(do(corpus, [settings(retry_failed=("any",))]), "unchanged")) == 3
        assert server.paths() == [] and journals(corpus) == []


def test_reasons_that_are_none_are_refused(tmp_path: Path) -> None:
    corpus = Corpus.create(tmp_path / "c")
    for name in ("http_eror", "not_kept", "timeout 404", "http_error x"):
        with pytest.raises(UsageError, match="is no reason to try again"):
            settings(retry_failed=(name,)).check(corpus)
    settings(retry_failed=("http_error 503", "transient", "any", "timeout", "decode_error")).check(corpus)


def test_what_may_pass() -> None:
    again = Retried(("transient",))
    assert all(again.of(reason, None) for reason in ("timeout", "dns_failure", "robots_unreachable"))
    assert all(again.of("http_error", status) for status in (429, 500, 503))
    assert not any(again.of("http_error", status) for status in (400, 403, 404, 410))
    assert not any(again.of(reason, None) for reason in (None, "optout", "not_an_image", "not_kept", "blocked"))
