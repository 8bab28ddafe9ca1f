"""CPU seconds of `vlcorpus --help`, beside those of a Python that does nothing.

    python benchmarks/help_startup.py

Ten runs each, in turn, after one run that warms the disk's cache; user and system time of the child; the median.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys

RUNS = 10
COMMANDS = {
    "python -c pass": ("-c", "pass"),
    "vlcorpus --help": ("-m", "vlcorpus", "--help"),
    "vlcorpus filter --help": ("-m", "vlcorpus", "filter", "--help"),
}


def cpu_seconds(arguments: tuple[str, ...]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> None:
    found: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for run in range(RUNS + 1):
        for name, arguments in COMMANDS.items():
            seconds = cpu_seconds(arguments)
            if run:
                found[name].append(seconds)
    print(f"CPU seconds, median of {RUNS} runs (least to greatest)")
    for name, values in found.items():
        print(f"{name:<24} {statistics.median(values):.3f}  ({min(values):.3f} to {max(values):.3f})")


if __name__ == "__main__":
    main()
