"""One shard by img2dataset, in a child process that never outlives its parent nor hangs for ever.

    out = run_img2dataset({0: "https://example.com/a.jpg", 7: ...}, Img2DatasetSettings(), scratch)
    sorted(path.name for path in out.iterdir())      ["00000.parquet", "00000.tar", "00000_stats.json"]

The package is called through `img2dataset.download`. Its processes are one group, led by the child. The child's input
is a lifeline: it ends with the parent, however that one ends, and the child then ends the group, whose members would
otherwise wait for one another for ever. A server that sends a byte now and then, or a crash in a decoder, makes
img2dataset wait without end: where its files do not change for some time, the group is ended, too, and the tar holds
what was done by then.

Cost: 5 to 10 CPU seconds of starting. Not for more than one shard: all rows of a run go into one.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..io import attempt

if TYPE_CHECKING:
    from .engine_img2dataset import Img2DatasetSettings

ROW = "vlcorpus_row"  # the column that carries the row number through the tool
SHARD = "00000"

_POLL_SECONDS = 1.0
_ERROR = re.compile(r"[\w.]*(Error|Exception)\b")
_SAME_NAME = (
    "resize_mode",
    "resize_only_if_bigger",
    "encode_format",
    "encode_quality",
    "skip_reencode",
    "min_image_size",
    "max_image_area",
    "max_aspect_ratio",
    "timeout",
    "retries",
    "extract_exif",
    "user_agent_token",
)


def run_img2dataset(urls: dict[int, str], settings: Img2DatasetSettings, scratch: Path) -> Path:
    """Let it fetch all of `urls`, by row number; the folder it wrote, below `scratch`.

    Raises VlcorpusError where it ends by itself without having done the shard.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from ..errors import VlcorpusError

    scratch = scratch.resolve()
    out = scratch / "out"
    numbers = sorted(urls)
    pq.write_table(pa.table({ROW: numbers, "url": [urls[number] for number in numbers]}), scratch / "list.parquet")
    (scratch / "job.json").write_text(json.dumps(_options(len(urls), settings, scratch / "list.parquet", out)), "utf-8")
    with open(scratch / "log.txt", "wb") as log, start("job.json", scratch, log.fileno()) as process:
        try:
            ended = wait(process, out, settings.silence())
        finally:
            end_group(process)
    if ended and not (out / f"{SHARD}_stats.json").is_file():
        raise VlcorpusError(
            f"img2dataset stopped early with exit code {process.returncode}: {_complaint(scratch / 'log.txt')}",
            "the same command tries again; without --engine nothing of img2dataset is used",
        )
    return out


def start(job: str, folder: Path, log: int) -> subprocess.Popen[bytes]:
    """The child, working in `folder`. log: the file descriptor of what it says."""
    command = (sys.executable, "-m", __name__, job)
    return subprocess.Popen(
        command, cwd=folder, env=_environment(), stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
    )


def wait(process: subprocess.Popen[bytes], out: Path, silence: float) -> bool:
    """True once it ended by itself; False where the sizes of the files in `out` did not change in `silence` seconds."""
    size, since = -1, time.monotonic()
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(min(_POLL_SECONDS, silence))
            return True
        attempt.end_if_asked()
        now = _size(out)
        if now != size:
            size, since = now, time.monotonic()
        elif time.monotonic() - since >= silence:
            return False


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of a process that leads a group, and of those that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _options(count: int, settings: Img2DatasetSettings, urls: Path, out: Path) -> dict[str, Any]:
    """Arguments of `img2dataset.download`."""
    return {name: getattr(settings, name) for name in _SAME_NAME} | {
        "url_list": str(urls),
        "output_folder": str(out),
        "input_format": "parquet",
        "output_format": "webdataset",
        "save_additional_columns": [ROW],
        "number_sample_per_shard": max(10, count),
        "processes_count": 1,
        "thread_count": min(settings.thread_count, count),
        "max_shard_retry": 0,
        "compute_hash": "sha256",
        "image_size": settings.image_size or 256,
        "disable_all_reencoding": settings.keeps_bytes,
        "disallowed_header_directives": list(settings.disallowed_header_directives),
    }


def _environment() -> dict[str, str]:
    """Ours without proxies, behind which the addresses that were judged mean nothing; nobody asks for new versions."""
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    package = str(Path(__file__).resolve().parents[2])
    paths = os.pathsep.join(filter(None, (package, kept.get("PYTHONPATH"))))
    return kept | {"PYTHONPATH": paths, "NO_ALBUMENTATIONS_UPDATE": "1", "WANDB_MODE": "disabled"}


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # temporary files go
            total += path.stat().st_size
    return total


def _complaint(log: Path) -> str:
    """The first error it names, since others follow from that; else what it said last."""
    lines = [line for line in log.read_text("utf-8", "replace").splitlines() if line.strip()]
    errors = [line for line in lines if _ERROR.match(line)]
    text = next(iter(errors or lines[-1:]), "it said nothing")
    return "".join(character for character in text if character.isprintable())[:300]


def _end_with_parent() -> None:
    """Blocks until the other end of standard input is gone."""
    while os.read(0, 4096):
        pass
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _child(job: Path) -> None:
    if os.getpgrp() != os.getpid():
        raise SystemExit("this is started by vlcorpus, as the leader of a process group")
    threading.Thread(target=_end_with_parent, daemon=True).start()
    importlib.import_module("img2dataset").download(**json.loads(job.read_text("utf-8")))


if __name__ == "__main__":
    _child(Path(sys.argv[1]))
