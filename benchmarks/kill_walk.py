"""Kills the whole walk at 200 drawn points and compares what the same command makes of it afterwards.

    python benchmarks/kill_walk.py                                  200 points: 30 minutes, or 15 with --jobs 2
    python benchmarks/kill_walk.py --points 20 --seed 7 --jobs 2

As in tests/kill, with more points: of ten, seven kill the run that walks from pages to a report, two the run that
imports a captioned folder and trains on it, and one kills nothing but a worker. Every third run is killed again after
it resumed. The table says kind, n, the stage that was hit and the result. Exit code 1 if a byte of a file differs, a
file is missing or left over, a final name stands for half a file, or a run does not end well. The points depend on the
seed alone, not on --jobs.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.kill.harness import KINDS, Point, Run, Trial, Walk, contents, do, draw, draw_workers, trial
from tests.kill.walk import PAIRS, folder_walk, served, web_walk

Target = tuple[int, str, Point]  # number, walk, where


@dataclass(frozen=True)
class Known:
    walk: Walk
    calm: Run
    wanted: dict[str, str]


def known(walk: Walk) -> Known:
    calm = do(walk)
    if calm.code:
        sys.exit(f"the undisturbed walk failed: {calm.said}")
    return Known(walk, calm, contents(walk.home))


def targets(walks: dict[str, Known], points: int, seed: int) -> list[Target]:
    alone, folder = points // 10, points // 5
    web = walks["web"].calm.operations
    drawn = [("web", each) for each in draw(web, points - alone - folder, seed=seed, workers=(1, 2))]
    drawn += [("folder", each) for each in draw(walks["folder"].calm.operations, folder, seed=seed, workers=(1, 2))]
    drawn += [("web", each) for each in draw_workers(web, alone, seed=seed)]
    return [(number, name, point) for number, (name, point) in enumerate(drawn, start=1)]


class Board:
    """What is still to be struck, and the table of what was."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[Target] | None = None
        self.trials: list[Trial] = []

    def begin(self, walks: dict[str, Known], points: int, seed: int) -> None:
        with self._lock:
            if self._waiting is not None:
                return
            self._waiting = deque(targets(walks, points, seed))
            for name, each in walks.items():
                counts = ", ".join(f"{len(each.calm.operations[kind]):,} {kind}s" for kind in KINDS)
                print(f"undisturbed, {name}: {counts}; {len(each.wanted)} files")
            print(
                f"{'':>4} {'walk':<7} {'kind':<7} {'n':>5} {'who':<9} {'again':<10} {'stage hit':<17} {'s':>5} result"
            )

    def following(self) -> Target | None:
        with self._lock:
            return self._waiting.popleft() if self._waiting else None

    def add(self, target: Target, done: Trial, seconds: float) -> None:
        number, name, point = target
        who = "a worker" if point.worker else f"run, {point.workers} w."
        again = " ".join(map(str, point.again)) if point.again else ""
        with self._lock:
            self.trials.append(done)
            print(
                f"{number:>4} {name:<7} {point.kind:<7} {point.n:>5} {who:<9} {again:<10} {done.stage:<17} "
                f"{seconds:>5.1f} {'; '.join(done.problems)[:2000] or 'same bytes'}",
                flush=True,
            )


def strike(place: Path, board: Board, points: int, seed: int) -> None:
    """One point after another, in a place of its own, until none is left."""
    place.mkdir()
    with served(place) as world:
        walks = {"folder": known(folder_walk(place))}
        model = shutil.copytree(walks["folder"].walk.home / "corpus" / "probes" / "filter", place / "filter")
        walks["web"] = known(web_walk(place, world, model=model, at_once=2))
        board.begin(walks, points, seed)
        while target := board.following():
            own, start = walks[target[1]], time.monotonic()
            done = trial(own.walk, target[2], own.calm, own.wanted)
            board.add(target, done, time.monotonic() - start)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--points", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="points struck at the same time")
    chosen = parser.parse_args()
    board, start = Board(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kill-walk-") as top, ThreadPoolExecutor(chosen.jobs) as pool:
        places = [Path(top, f"job-{number}") for number in range(chosen.jobs)]
        for job in [pool.submit(strike, place, board, chosen.points, chosen.seed) for place in places]:
            job.result()
    wrong = [done for done in board.trials if done.problems]
    print(f"\n{'stage':<17} " + " ".join(f"{kind:>7}" for kind in KINDS) + "   wrong")
    hits = Counter((done.stage, done.point.kind) for done in board.trials)
    for stage in sorted({done.stage for done in board.trials}):
        counts = " ".join(f"{hits[stage, kind]:>7}" for kind in KINDS)
        print(f"{stage:<17} {counts} {sum(done.stage == stage for done in wrong):>7}")
    twice = sum(done.point.again is not None for done in board.trials)
    print(
        f"{len(board.trials)} points, {twice} of them struck again; seed {chosen.seed}; {PAIRS} pairs and their noise"
    )
    print(f"{len(wrong)} wrong; {time.monotonic() - start:.0f} s with {chosen.jobs} jobs")
    return 1 if wrong or len(board.trials) != chosen.points else 0


if __name__ == "__main__":
    sys.exit(main())
