"""Arrays of machines: ranks that know nothing of each other share a corpus by `--shard-range`, as at a shell."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.cli.shell import LONGEST_SECONDS, Said, start, vlcorpus
from tests.kill.harness import contents, differences
from tests.net.server import Exchange, LoopbackServer
from tests.stages.given import picture, write_probe
from tests.stages.running import write_list
from vlcorpus.corpus import Corpus

COUNT, ROWS, RANKS = 21, 2, 4
MANNERS = '{image_size: 64, allow_private: ["127.0.0.0/8"], retries: 0, obey_robots: false, site_files: false}'
WHOLE = f"""
shard_rows: {ROWS}
stages:
  - import: {{source: "{{beside}}/list.csv"}}
  - download: {MANNERS}
  - embed: {{model: "{{beside}}/model"}}
  - score: {{score: similarity}}
  - score: {{score: phash}}
  - filter: {{top_fraction: 0.5, decision: half}}
  - dedup: {{radius: 3}}
  - split: {{train: 0.5, test: 0.5}}
  - export: {{out: "{{beside}}/out", decision: half, duplicates: default, split: default}}
"""
SHORT = f"""
shard_rows: {ROWS}
stages:
  - import: {{source: "{{beside}}/list.csv"}}
  - download: {MANNERS}
  - filter: {{random_fraction: 0.5, decision: drawn}}
  - split: {{train: 0.5, test: 0.5}}
"""


BODIES = [picture(number % 18) for number in range(COUNT)]  # some pictures twice


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer() as one:
        for number, body in enumerate(BODIES):
            one.put(f"/{number}.jpg", body)
        yield one


def home(folder: Path, server: LoopbackServer, recipe: str, *, held: int | None = None) -> Path:
    """A folder with a list, a model and a recipe; the corpus will be `c` in it. held: the image at /held.jpg."""
    folder.mkdir(parents=True)
    texts = ("a dog", "cat", "a tree by the house")
    names = ["held" if number == held else str(number) for number in range(COUNT)]
    write_list(folder / "list.csv", [(server.url(f"/{name}.jpg"), texts[n % 3]) for n, name in enumerate(names)])
    if "embed" in recipe:
        write_probe(folder / "model")
    (folder / "recipe.yaml").write_text(recipe)
    return folder


RUN = ("run", "recipe.yaml", "c", "--workers", "1")


def files(folder: Path) -> dict[str, str]:
    return {name: digest for name, digest in contents(folder).items() if ".lock" not in name}


def committed(folder: Path) -> dict[str, list[str]]:
    """layer/unit -> the logs that have it as committed."""
    found: dict[str, list[str]] = {}
    for log in sorted((folder / "c" / "log").glob("*.jsonl")):
        for line in log.read_text().splitlines():
            said: dict[str, Any] = json.loads(line)
            if said["kind"] == "committed":
                found.setdefault(f"{said['layer']}/{said['unit']}", []).append(log.stem)
    return found


def end(ranks: Sequence[subprocess.Popen[str]]) -> list[Said]:
    try:
        told = [rank.communicate(timeout=LONGEST_SECONDS) for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    return [Said(rank.returncode, *each) for rank, each in zip(ranks, told, strict=True)]


def slurm(number: int) -> Mapping[str, str]:
    named = {"ID": number + 10, "MIN": 11, "MAX": 10 + RANKS, "COUNT": RANKS, "STEP": 1}
    return {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in named.items()}


def test_four_at_the_same_time_are_one(tmp_path: Path, server: LoopbackServer) -> None:
    """Under Slurm's variables, all of a recipe; reductions are done once, and wait for everybody."""
    single = home(tmp_path / "single", server, WHOLE)
    said = vlcorpus(*RUN, cwd=single)
    assert said.code == 0, said.err
    wanted = committed(single)
    server.requests.clear()

    shared = home(tmp_path / "shared", server, WHOLE)
    ranks = [
        start(*RUN, "--shard-range", "auto", "--wait", cwd=shared, env=slurm(number)) for number in range(1, RANKS + 1)
    ]
    for number, each in enumerate(end(ranks), start=1):
        assert each.code == 0, each.err
        assert f"part {number}/{RANKS} (SLURM_ARRAY_TASK_ID)" in each.err

    assert differences(files(single), files(shared)) == []
    assert Counter(server.paths()) == Counter(f"/{number}.jpg" for number in range(COUNT))
    found = committed(shared)
    assert sorted(found) == sorted(wanted)
    assert {unit: logs for unit, logs in found.items() if len(logs) > 1} == {}
    for unit, (log,) in found.items():
        number = unit.rpartition("/")[2]
        if number.isdigit():
            assert log == f"export-{int(number) % RANKS + 1}-of-{RANKS}", unit
    assert len({log for (log,) in found.values()}) == RANKS


def test_one_after_the_other_the_last_one_does_the_rest(tmp_path: Path, server: LoopbackServer) -> None:
    single = home(tmp_path / "single", server, SHORT)
    assert vlcorpus(*RUN, cwd=single).code == 0
    shared = home(tmp_path / "shared", server, SHORT)
    told = [vlcorpus(*RUN, "--shard-range", f"{number}/3", cwd=shared) for number in (1, 3, 2)]
    assert [each.code for each in told] == [0, 0, 0], told
    for each, left in zip(told, (7, 4), strict=False):
        assert f"filter waits for {left} units of other parts (download {left})" in each.err, each.err
        assert "--wait" in each.err and "next:" not in each.err
    assert "waits" not in told[2].err
    assert differences(files(single), files(shared)) == []
    assert {unit: logs for unit, logs in committed(shared).items() if len(logs) > 1} == {}
    again = vlcorpus(*RUN, "--shard-range", "1/3", cwd=shared)
    assert again.code == 0 and "filter drawn: unchanged" in again.err


def test_a_rank_that_was_killed_is_begun_again(tmp_path: Path, server: LoopbackServer) -> None:
    killed: list[int] = []
    ranks: list[subprocess.Popen[str]] = []

    def kill(exchange: Exchange) -> bool:
        """Its rank dies while it waits for this answer."""
        if ranks and not killed:
            killed.append(ranks[1].pid)
            os.kill(ranks[1].pid, signal.SIGKILL)
            exchange.socket.recv(1)  # ends when the rank's worker has: it must not learn of a closed connection
            return False
        exchange.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODIES[2]), BODIES[2]))
        return True

    server.on("/held.jpg", kill)
    single, shared = (home(tmp_path / name, server, SHORT, held=2) for name in ("single", "shared"))
    assert vlcorpus(*RUN, cwd=single).code == 0
    ranks += [start(*RUN, "--shard-range", f"{number}/2", "--wait", cwd=shared) for number in (1, 2)]
    ranks[1].communicate(timeout=LONGEST_SECONDS)
    assert ranks[1].returncode == -signal.SIGKILL
    assert ranks[0].poll() is None, "the other one waits"
    again = vlcorpus(*RUN, "--shard-range", "2/2", "--wait", cwd=shared)
    (first,) = end(ranks[:1])
    assert (again.code, first.code) == (0, 0), (again.err, first.err)
    assert killed and "filter waits for" in first.err
    assert differences(files(single), files(shared)) == []


def test_a_part_that_waits_ends_when_it_is_asked(tmp_path: Path, server: LoopbackServer) -> None:
    shared = home(tmp_path / "shared", server, SHORT)
    rank = start(*RUN, "--shard-range", "1/2", "--wait", cwd=shared)
    assert rank.stderr is not None
    lines = []
    for line in rank.stderr:
        lines.append(line)
        if line.startswith("filter waits for"):
            rank.send_signal(signal.SIGTERM)
    rank.wait(LONGEST_SECONDS)
    assert rank.returncode == 128 + signal.SIGTERM and lines[-1].startswith("ended; the same command resumes")
    assert Corpus.open(shared / "c").layer("shards").units() == tuple(f"{n:05d}" for n in range(0, 11, 2))
    assert vlcorpus(*RUN, "--shard-range", "2/2", cwd=shared).code == 0


@pytest.mark.parametrize(
    ("words", "env", "said"),
    [
        (["--shard-range", "0/2"], {}, "'0/2' is no part"),
        (["--shard-range", "auto"], {}, "no scheduler says which part this is"),
        (["--shard-range", "auto"], {"JOB_COMPLETION_INDEX": "1"}, "not how many there are"),
        ([], {"VLCORPUS_SHARD_RANGE": "3/2"}, "'3/2' is no part"),
        ([], {"VLCORPUS_DOWNLOAD_SHARD_RANGE": "3/2"}, "'3/2' is no part"),
        (["--wait"], {}, "--wait belongs to --shard-range"),
        (["--address", "auto"], {}, "--address belongs to --executor ray"),
    ],
)
def test_nonsense_is_refused_before_anything_is_made(
    tmp_path: Path, server: LoopbackServer, words: list[str], env: dict[str, str], said: str
) -> None:
    place = home(tmp_path / "h", server, SHORT)
    vlcorpus(*RUN, *words, cwd=place, env=env).refused(2, said)
    assert not (place / "c").exists()
