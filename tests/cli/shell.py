"""vlcorpus as a user at a shell has it: another process, its exit code and what it printed.

said = vlcorpus("filter", "birds", "--min-sim", "7", cwd=tmp_path)
said.refused(2, "above its greatest value")
"""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
LONGEST_SECONDS = 100.0
COMMAND = (sys.executable, "-m", "vlcorpus")


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str

    def refused(self, code: int, *words: str) -> None:
        """One line of error, one of hint, the words in them, nothing on stdout and no traceback."""
        lines = self.err.splitlines()
        assert self.code == code, self
        assert [line for line in lines if line.startswith("error: ")] == lines[-2:-1], self
        assert [line for line in lines if line.startswith("hint: ")] == lines[-1:], self
        assert "Traceback" not in self.err and not self.out, self
        for word in words:
            assert word in "\n".join(lines[-2:]), (word, self)


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's, without settings of vlcorpus, such that a child finds this very source."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("VLCORPUS_")}
    return plain | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "TERM": "dumb"} | dict(more or {})


def vlcorpus(
    *arguments: str,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    before: Callable[[], None] | None = None,
) -> Said:
    """Run a command to its end. before: called in the child, to take something from it."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        cwd=cwd,
        env=environment(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=LONGEST_SECONDS,
        preexec_fn=before,
    )
    return Said(done.returncode, done.stdout.decode(), done.stderr.decode())


def start(*arguments: str, cwd: Path, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """Begin a command in a session of its own, as in a terminal of its own."""
    return subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=cwd,
        env=environment(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def files(folder: Path) -> dict[str, tuple[bool, int, int]]:
    """Every path below a folder with whether it is a folder, its size and when it was changed."""
    found = {}
    for each in sorted(folder.rglob("*")):
        about = each.lstat()
        found[str(each.relative_to(folder))] = (each.is_dir(), about.st_size, about.st_mtime_ns)
    return found


def as_anybody() -> None:
    """In the child: root, too, obeys the permissions of files from here on."""
    drop, override, search = 24, 1, 2  # PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    if os.geteuid() == 0:
        for capability in (override, search):
            if ctypes.CDLL(None, use_errno=True).prctl(drop, capability, 0, 0, 0):
                raise OSError(ctypes.get_errno(), "cannot give up a capability")


def with_files_of(size: int) -> Callable[[], None]:
    """In the child: no file may grow beyond `size` bytes, which is answered as a full disk is."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit
