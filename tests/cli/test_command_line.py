"""How a command behaves at a shell: signals, two at once, pipes, terminals, JSON."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.shell import COMMAND, REPOSITORY, environment, files, start, vlcorpus
from tests.net.server import Exchange, LoopbackServer
from vlcorpus.io.commit import TEMPORARY

LIST = "url,caption\nhttp://127.0.0.1:8999/a.jpg,a cat\n"
PAGE = b'<html><body><img src="/cat.jpg" alt="a cat in the sun"></body></html>'
HTML = {"Content-Type": "text/html"}


class Site:
    """A page whose answer is held back until `open` is set; `asked` is set when somebody waits for it."""

    def __init__(self, server: LoopbackServer) -> None:
        self.server = server
        self.asked, self.open = threading.Event(), threading.Event()
        server.put("/robots.txt", b"", {"Content-Type": "text/plain"})
        server.on("/page", self._answer)

    def _answer(self, exchange: Exchange) -> bool:
        self.asked.set()
        self.open.wait()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(PAGE)}\r\n\r\n"
        exchange.write(head.encode() + PAGE)
        return True

    def crawl(self, corpus: str) -> tuple[str, ...]:
        polite = ("--contact", "me@example.org", "--delay", "0", "--allow-private", "127.0.0.0/8")
        return ("crawl", corpus, self.server.url("/page"), *polite, "--workers", "1")


@pytest.fixture
def site() -> Iterator[Site]:
    with LoopbackServer() as server:
        found = Site(server)
        yield found
        found.open.set()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "urls.csv").write_text(LIST)
    return tmp_path


def test_a_second_run_is_told_who_holds_the_corpus(home: Path, site: Site) -> None:
    first = start(*site.crawl("birds"), cwd=home)
    assert site.asked.wait(60)
    held = f"birds is in use (pid {first.pid} on {os.uname().nodename}: vlcorpus crawl birds"
    for words in (site.crawl("birds"), ("import", "birds", "urls.csv")):
        vlcorpus(*words, cwd=home).refused(1, held, "wait until that run has ended, or end it")
    look = vlcorpus(*site.crawl("birds"), "--dry-run", cwd=home)
    assert look.code == 0 and "crawl" in look.out
    site.open.set()
    out, err = first.communicate(timeout=60)
    assert (first.returncode, out, "crawl: 1 of 1 kept" in err) == (0, "", True), err
    assert vlcorpus("import", "birds", "urls.csv", cwd=home).code == 0


@pytest.mark.parametrize(
    ("number", "code", "line"),
    [
        (signal.SIGINT, 130, "interrupted; the same command resumes\n"),
        (signal.SIGTERM, 143, "ended; the same command resumes\n"),
    ],
)
def test_a_signal_ends_it_with_a_line_and_the_same_command_resumes(
    home: Path, site: Site, number: int, code: int, line: str
) -> None:
    child = start(*site.crawl("birds"), cwd=home)
    assert site.asked.wait(60)
    os.killpg(child.pid, number) if number == signal.SIGINT else child.send_signal(number)
    assert (*child.communicate(timeout=60), child.returncode) == ("", line, code)
    assert [name for name in files(home / "birds") if not name.startswith(("log", "sources"))] == [
        ".lock",
        "corpus.yaml",
    ]
    left = [name for name, (is_folder, _, _) in files(home / "birds" / "sources").items() if not is_folder]
    assert all(Path(name).name.startswith(TEMPORARY) for name in left)
    site.open.set()
    again = vlcorpus(*site.crawl("birds"), cwd=home)
    assert (again.code, "crawl: 1 of 1 kept" in again.err) == (0, True), again


def test_json_is_one_document_on_stdout_and_nothing_else(home: Path) -> None:
    looked = vlcorpus("import", "birds", "urls.csv", "--dry-run", "--json", cwd=home)
    assert [(each["stage"], each["todo"]) for each in json.loads(looked.out)] == [("read", 1), ("import", 1)]
    assert looked.err == "" and not (home / "birds").exists()
    done = vlcorpus("import", "birds", "urls.csv", "--json", cwd=home)
    read, found = json.loads(done.out)
    assert (read["stage"], read["seen"]) == ("read", 1)
    assert (found["stage"], found["seen"], found["kept"], done.err) == ("import", 1, 1, "")
    again = vlcorpus("import", "birds", "urls.csv", "--json", cwd=home)
    assert json.loads(again.out)[0]["units"] == {"unchanged": 1}


def test_a_dry_run_shows_the_plan_and_writes_nothing(home: Path) -> None:
    looked = vlcorpus("import", "birds", "urls.csv", "--dry-run", cwd=home)
    assert [line.split()[0] for line in looked.out.splitlines()] == ["stage", "read", "import"]
    assert looked.out.splitlines()[2].split() == ["import", "candidates", "0", "0", "1"]
    assert (looked.code, looked.err, [*files(home)]) == (0, "", ["urls.csv"])
    (home / "own.yaml").write_text("stages: [{import: {source: urls.csv}}, {filter: {min_sim: 0.3}}]")
    looked = vlcorpus("run", "own.yaml", "birds", "--dry-run", cwd=home)
    assert [line.split()[0] for line in looked.out.splitlines()] == [
        "stage", "read", "import", "download", "embed", "score", "filter",
    ]  # fmt: skip
    assert sorted(files(home)) == ["own.yaml", "urls.csv"]
    assert vlcorpus("import", "birds", "urls.csv", cwd=home).code == 0
    before = files(home)
    looked = vlcorpus("filter", "birds", "--min-sim", "0.3", "--dry-run", cwd=home)
    assert looked.out.splitlines()[1].split() == ["download", "shards", "0", "0", "1", "put", "in", "front"]
    assert files(home) == before


def test_the_reader_of_a_pipe_may_go(home: Path) -> None:
    for words in (("--help",), ("import", "birds", "urls.csv", "--json")):
        reader, writer = os.pipe()
        os.close(reader)
        child = subprocess.run(
            [*COMMAND, *words], cwd=home, env=environment(), stdout=writer, stderr=subprocess.PIPE, text=True
        )
        os.close(writer)
        assert "Traceback" not in child.stderr and "Exception" not in child.stderr, child.stderr


def test_closed_and_full_streams_break_nothing(home: Path) -> None:
    shell = 'exec "$@" >&- 2>&- <&-'
    words = ["sh", "-c", shell, "sh", *COMMAND, "import", "birds", "urls.csv"]
    assert subprocess.run(words, cwd=home, env=environment()).returncode == 0
    assert b"import" not in (home / "birds" / "corpus.yaml").read_bytes()
    assert vlcorpus("download", "birds", "--dry-run", cwd=home).code == 0
    for command in (("--help",), ("import", "birds", "urls.csv", "--json")):
        with open("/dev/full", "wb") as full:
            child = subprocess.run(
                [*COMMAND, *command], cwd=home, env=environment(), stdout=full, stderr=subprocess.PIPE, text=True
            )
        assert child.returncode == 1
        assert child.stderr.startswith("error: no space left on device\nhint: make room"), child.stderr


def at_a_terminal(*words: str, cwd: Path, **env: str) -> str:
    """What a terminal is given, of both streams."""
    terminal, side = pty.openpty()
    child = subprocess.Popen(
        [*COMMAND, *words], cwd=cwd, env=environment(env), stdin=side, stdout=side, stderr=side, start_new_session=True
    )
    os.close(side)
    shown = b""
    while True:
        try:
            chunk = os.read(terminal, 65_536)
        except OSError:  # the other side is closed
            break
        if not chunk:
            break
        shown += chunk
    os.close(terminal)
    child.wait(60)
    return shown.decode()


def test_a_dumb_terminal_is_not_moved_about_on(home: Path) -> None:
    shown = at_a_terminal("import", "birds", "urls.csv", cwd=home, TERM="dumb")
    assert "import: 1 of 1 kept" in shown and "\x1b" not in shown and "\r\r" not in shown
    moved = at_a_terminal("import", "cats", "urls.csv", cwd=home, TERM="xterm")
    assert "import: 1 of 1 kept" in moved


def test_no_color_is_obeyed(home: Path) -> None:
    for words in (("--help",), ("filter", "--help"), ("flter",)):
        shown = at_a_terminal(*words, cwd=home, TERM="xterm-256color", NO_COLOR="1")
        assert "\x1b[3" not in shown and "\x1b[9" not in shown, shown


def test_nothing_typed_reaches_the_terminal_raw(home: Path) -> None:
    odd = "ev\x1b[31m\u202eil\x07"
    (home / f"{odd}.csv").write_text("a,b\n1,2\n")
    for words in (
        (odd,),
        ("import", f"--{odd}"),
        ("import", "new", f"{odd}.csv"),
        ("import", "new", f"no{odd}.csv"),
        ("download", odd),
        ("import", odd, "urls.csv", "--max-bytes", odd),
        ("import", "new", "urls.csv", odd),
        ("import", "new", "urls.csv", "--format", odd),
        ("crawl", "new", f"http://{odd}"),
        ("run", odd, "new"),
        ("run", "demo", "new", "--set", f"{odd}.x=1"),
        ("import", odd, "urls.csv"),
    ):
        said = vlcorpus(*words, cwd=home, env={"LC_ALL": "C.UTF-8"})
        assert said.err, words
        assert not set(said.out + said.err) & {"\x1b", "\u202e", "\x07"}, (words, said)


def test_a_locale_without_the_letters_is_no_reason_to_fail(home: Path) -> None:
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    assert vlcorpus("--help", cwd=home, env=ascii_only).code == 0
    (home / "über.csv").write_text("a,b\n")
    said = vlcorpus("import", "new", "über.csv", cwd=home, env=ascii_only)
    said.refused(2, r"\udcc3\udcbcber.csv has no column with URLs")


def test_without_words_it_shows_its_help(home: Path) -> None:
    said = vlcorpus(cwd=home)
    assert said.code == 2 and "Usage: vlcorpus [OPTIONS] COMMAND" in said.out + said.err
    assert vlcorpus("--version", cwd=home).out == f"vlcorpus {version()}\n"


def version() -> str:
    import vlcorpus as package

    assert Path(package.__file__).is_relative_to(REPOSITORY)
    return package.__version__
