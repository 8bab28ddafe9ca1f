"""One layer of a corpus, or an export: a folder of committed units, on this machine or in an object store.

    shards = corpus.layer("shards")
    shards.units()                 ('00000', '00001')      what is committed, in order
    shards.stats("00000")["kept"]  9412
    shards.path("00000.tar")       where it lies on this machine, fetched first if it is stored elsewhere
    outside("s3://bucket/out")     the layer that an export is

Every file of a layer is read by way of `path`, and every one is written by a commit that is made in `making`: what
stands for a folder and what for a store is known here alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from .errors import CorpusError
from .io.commit import TEMPORARY, Stored, claimed, explained, write_bytes
from .io.mirror import Mirror, mirror_of
from .io.places import protocol

_UNIT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Layer:
    """folder: its own, or its place in the mirror of a store, where only that is which was fetched or put."""

    name: str
    folder: Path
    mirror: Mirror | None = None

    @property
    def remote(self) -> bool:
        """Whether it lies in an object store."""
        return self.mirror is not None

    @property
    def stored(self) -> Stored | None:
        """Where it lies in an object store."""
        if self.mirror is None:
            return None
        prefix = self.folder.relative_to(self.mirror.folder).as_posix()
        return Stored(self.mirror, "" if prefix == "." else prefix)

    @property
    def place(self) -> str:
        """What a person types for its folder."""
        stored = self.stored
        return str(self.folder) if stored is None else f"{stored.mirror.store.url}/{stored.prefix}".rstrip("/")

    @property
    def making(self) -> Path:
        """The folder on this machine where its files are made."""
        stored = self.stored
        return self.folder if stored is None else stored.mirror.making(stored.prefix)

    def below(self, folder: str) -> Layer:
        """The layer of a folder in it, as a split of an export."""
        return Layer(f"{self.name}/{folder}", self.folder / folder, self.mirror)

    # Units.

    def marker(self, unit: str) -> str:
        """The stats file whose presence is the commit: NNNNN.json, but NNNNN_stats.json in shards/ as img2dataset
        has it, and NAME_stats.json for units that are no shards."""
        return unit + (".json" if unit.isdigit() and self.name != "shards" else "_stats.json")

    def units(self) -> tuple[str, ...]:
        """Names of the committed units, sorted; "all" is not among them."""
        if self.remote:
            names = self.names("*.json")
            self.paths(names)  # their stats at once, rather than one after the other
            return self._committed(names)
        if not self.folder.is_dir():
            return ()
        with os.scandir(self.folder) as entries:
            return self._committed(each.name for each in entries if each.name.endswith(".json") and each.is_file())

    def _committed(self, names: Iterable[str]) -> tuple[str, ...]:
        """Names of the units whose stats files these are."""
        found = ((name.removesuffix(".json").removesuffix("_stats"), name) for name in names)
        committed = (unit for unit, name in found if _UNIT.fullmatch(unit) and self.marker(unit) == name)
        return tuple(sorted(unit for unit in committed if unit != "all"))

    def stats(self, unit: str) -> dict[str, Any] | None:
        """The stats of a committed unit, or None. CorpusError where the file is damaged."""
        stored = self.stored
        if stored is not None and stored.mirror.look(stored.name(self.marker(unit))) is None:
            return None
        path = self.path(self.marker(unit))
        try:
            text = path.read_text("utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            found = json.loads(text)
            if not isinstance(found, dict) or not isinstance(found["outputs"], dict):
                raise TypeError("no outputs")
        except (ValueError, TypeError, KeyError) as error:
            raise CorpusError(f"damaged {path} ({error})", "remove it; the unit is then made again") from error
        return found

    def digest(self, unit: str) -> str:
        """Names the content of a committed unit (without volatile columns); CorpusError where it is not committed."""
        stats = self.stats(unit)
        if stats is None:
            raise CorpusError(f"{self.name}/{unit} is not there", "run `vlcorpus status` to see what is")
        parts = sorted((name, each.get("digest", each["sha256"])) for name, each in stats["outputs"].items())
        return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()

    def digest_all(self) -> str:
        """Names the content of all committed units, a reduction's "all" included."""
        units = (*self.units(), "all") if self.is_file(self.marker("all")) else self.units()
        found = hashlib.blake2b(digest_size=16)
        for number, unit in enumerate(units):  # the JSON of all, which is long, a piece at a time
            found.update((", " if number else "[").encode() + json.dumps((unit, self.digest(unit))).encode())
        found.update(b"]" if units else b"[]")
        return found.hexdigest()

    def claimed(self, unit: str) -> bool:
        """Whether a commit of a unit with `claim` was begun here and never done."""
        stored = self.stored
        if stored is None:
            return claimed(self.folder, self.marker(unit))
        return stored.mirror.look(stored.name(f"{TEMPORARY}{self.marker(unit)}-stats")) is not None

    def noticed(self, unit: str) -> None:
        """A unit was committed or removed elsewhere: what is known of it is asked for anew."""
        stored = self.stored
        if stored is not None:
            stored.mirror.noticed([stored.name(self.marker(unit))])
            outputs = (self.stats(unit) or {"outputs": {}})["outputs"]
            stored.mirror.noticed([stored.name(name) for name in outputs])

    # Files.

    def path(self, name: str) -> Path:
        """Where a file of the layer lies on this machine; what is stored elsewhere is fetched first. The path of a
        file that is nowhere is returned, too: ask it."""
        stored = self.stored
        if stored is None:
            return self.folder / name
        return stored.mirror.path(stored.name(name))

    def paths(self, names: Sequence[str]) -> list[Path]:
        """Several at once."""
        stored = self.stored
        if stored is None:
            return [self.folder / name for name in names]
        return stored.mirror.paths([stored.name(name) for name in names])

    def is_file(self, name: str) -> bool:
        """Whether there is such a file; it is not fetched."""
        stored = self.stored
        if stored is None:
            return (self.folder / name).is_file()
        return stored.mirror.look(stored.name(name)) is not None

    def size(self, name: str) -> int | None:
        """Bytes of a file where it lies; None where there is none. It is not fetched."""
        stored = self.stored
        if stored is not None:
            told = stored.mirror.look(stored.name(name))
            return None if told is None else told.size
        path = self.folder / name
        return path.stat().st_size if path.is_file() else None

    def there(self) -> bool:
        """Whether the layer has a folder at all."""
        stored = self.stored
        return self.folder.is_dir() if stored is None else stored.mirror.there(stored.prefix)

    def names(self, pattern: str = "*") -> tuple[str, ...]:
        """Names of its files, relative to its folder, sorted, without hidden ones; `a/*.npy` looks one folder down,
        and `**/*` everywhere."""
        stored = self.stored
        if stored is None:
            if not self.folder.is_dir():
                return ()
            paths = (path.relative_to(self.folder) for path in self.folder.glob(pattern) if path.is_file())
            found = [path.as_posix() for path in paths]
        else:
            start = f"{stored.prefix}/" if stored.prefix else ""
            every = (name.removeprefix(start) for name in stored.mirror.names(stored.prefix))
            found = [name for name in every if _matches(name, pattern)]
        return tuple(sorted(name for name in found if not any(part.startswith(".") for part in name.split("/"))))

    def write(self, name: str, payload: bytes) -> None:
        """A small file that no commit lists, atomically."""
        path = self.making / name
        with explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, payload)
        stored = self.stored
        if stored is not None:
            stored.mirror.put({stored.name(name): path})

    def remove(self, name: str) -> None:
        """Remove a file of the layer, wherever it is."""
        stored = self.stored
        if stored is None:
            (self.folder / name).unlink(missing_ok=True)
        else:
            stored.mirror.remove([stored.name(name)])

    # Hidden files that outlive the machine: journals, parts of reductions.

    def keep(self, name: str) -> None:
        """Make a hidden file in `making` outlive this machine. Nothing to do where the layer is a folder."""
        stored = self.stored
        if stored is not None:
            stored.mirror.keep(stored.name(name), self.making / name)

    def recall(self, name: str) -> Path:
        """The place of a hidden file in `making`, with what was kept of it, unless this machine kept that itself."""
        path = self.making / name
        stored = self.stored
        if stored is not None:
            stored.mirror.recall(stored.name(name), path)
        return path

    def kept(self, prefix: str) -> tuple[str, ...]:
        """Names of the hidden files that are kept in a store and begin so, sorted; none where the layer is a folder."""
        stored = self.stored
        if stored is None:
            return ()
        start = stored.name("")
        names = (name.removeprefix(start) for name in stored.mirror.names(stored.prefix))
        return tuple(name for name in names if name.startswith(prefix) and "/" not in name)

    def forget(self, name: str) -> None:
        """Remove a hidden file, here and where it is kept."""
        with contextlib.suppress(NotADirectoryError):
            (self.making / name).unlink(missing_ok=True)
        stored = self.stored
        if stored is not None:
            stored.mirror.drop(stored.name(name))


def outside(place: str, name: str | None = None) -> Layer:
    """The layer of a folder that belongs to no corpus, by its path or its address in a store."""
    name = f"out:{place}" if name is None else name
    if protocol(place) in ("", "file"):
        return Layer(name, Path(place.removeprefix("file://")))
    mirror = mirror_of(place)
    return Layer(name, mirror.folder, mirror)


def _matches(name: str, pattern: str) -> bool:
    if pattern == "**/*":
        return True
    parts, wanted = name.split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))
