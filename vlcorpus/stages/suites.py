"""The suite that a person means: a YAML file, a folder, or the name of one that ships with vlcorpus.

    suite_path("datacomp")           -> .../suites/datacomp.yaml
    opened("exam/suite.yaml")        -> (Suite, digest of its tables and pictures)

A suite is read once a process, and again when one of its files or folders changes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import assets
from ..errors import SourceError
from . import places

if TYPE_CHECKING:
    from ..probe.suite import Suite


def suite_path(suite: str) -> Path:
    """The file or folder that a person means by a suite; SourceError where there is none."""
    path = places.here(suite, "a suite", "a file or a folder")
    if path.exists():
        return path
    known = {each.stem: each for each in sorted(assets.folder("suites").glob("*.yaml"))}
    if suite in known:
        return known[suite]
    raise SourceError(f"no suite at {suite}", f"name a YAML file with tasks, a folder, or one of {', '.join(known)}")


_read: dict[tuple[str, str | None], tuple[Any, Suite, str]] = {}


def opened(suite: str, root: str | None = None) -> tuple[Suite, str]:
    """A suite and the digest of its content, read again when one of its files changes."""
    from ..probe.suite import load_suite

    asked = (suite, root)
    if asked in _read and _read[asked][0] == _touched(_read[asked][1]):
        return _read[asked][1:]
    loaded = load_suite(suite_path(suite), root)
    _read[asked] = (_touched(loaded), loaded, loaded.digest())
    return _read[asked][1:]


def _touched(suite: Suite) -> list[tuple[int, int, int] | None]:
    """What tells that a file of a suite was written, or that its folder has others."""
    files = dict.fromkeys([*suite.read, *(place.path for place in suite.places.values())])
    folders = dict.fromkeys([suite.root, *(file.parent for file in files)])
    return [_stat(each) for each in (*files, *folders)]


def _stat(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ino
