"""A corpus: a directory of layers, each layer a set of committed units.

    corpus = Corpus.open(Path("birds"))
    shards = corpus.layer("shards")
    shards.units()                 ('00000', '00001')      what is committed, in order
    shards.stats("00000")["kept"]  9412
    shards.path("00000.tar")

A unit (a shard, a seed, or "all" for a reduction) exists when its stats file does; everything else on disk is
invisible. Nothing inside a corpus names an absolute path, so moving it leaves it whole. One writer at a time holds
`lock`. A layer called `out:FOLDER` lies outside: what an export wrote.
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import hashlib
import json
import os
import re
import shutil
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from . import schema
from .errors import CorpusError, UsageError
from .io.commit import TEMPORARY, explained, write_json, write_text

FILE = "corpus.yaml"
LEAST_FREE_BYTES = 32 * 1024 * 1024
SHARD_ROWS = 10_000
MOST_DIGITS = 9
LONGEST_HOLDER = 65_536
_UNIT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Layer:
    """One layer's folder and its committed units."""

    name: str
    folder: Path

    def marker(self, unit: str) -> str:
        """The stats file whose presence is the commit: NNNNN.json, but NNNNN_stats.json in shards/ as img2dataset
        has it, and NAME_stats.json for units that are no shards."""
        return unit + (".json" if unit.isdigit() and self.name != "shards" else "_stats.json")

    def units(self) -> tuple[str, ...]:
        """Names of the committed units, sorted; "all" is not among them."""
        if not self.folder.is_dir():
            return ()
        names = [entry.name for entry in os.scandir(self.folder) if entry.name.endswith(".json") and entry.is_file()]
        found = ((name.removesuffix(".json").removesuffix("_stats"), name) for name in names)
        committed = (unit for unit, name in found if _UNIT.fullmatch(unit) and self.marker(unit) == name)
        return tuple(sorted(unit for unit in committed if unit != "all"))

    def path(self, name: str) -> Path:
        """Where a file of the layer lies on this machine; what is stored elsewhere is fetched first. The path of a
        file that is nowhere is returned, too: ask it."""
        return self.folder / name

    def paths(self, names: Sequence[str]) -> list[Path]:
        """Several at once."""
        return [self.path(name) for name in names]

    def there(self) -> bool:
        """Whether the layer has a folder at all."""
        return self.folder.is_dir()

    def names(self, pattern: str = "*") -> tuple[str, ...]:
        """Names of its files, relative to its folder, sorted, without hidden ones; `a/*.npy` looks one folder down,
        and `**/*` everywhere."""
        if not self.folder.is_dir():
            return ()
        found = (path.relative_to(self.folder) for path in self.folder.glob(pattern) if path.is_file())
        return tuple(sorted(name.as_posix() for name in found if not any(part[0] == "." for part in name.parts)))

    def keep(self, name: str) -> None:
        """Make a hidden file of the layer (a journal, a part of a reduction) outlive this machine. Nothing where the
        corpus is a folder: there it does."""

    def recall(self, name: str) -> Path:
        """The path of a hidden file, with what `keep` stored of it, if anything."""
        return self.folder / name

    def forget(self, name: str) -> None:
        """Remove a hidden file, here and where it is kept."""
        (self.folder / name).unlink(missing_ok=True)

    def stats(self, unit: str) -> dict[str, Any] | None:
        """The stats of a committed unit, or None. CorpusError where the file is damaged."""
        path = self.folder / self.marker(unit)
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
        units = (*self.units(), "all") if (self.folder / self.marker("all")).is_file() else self.units()
        parts = [(unit, self.digest(unit)) for unit in units]
        return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class Corpus:
    """A corpus directory, opened. Cheap to make and to send to a worker."""

    path: Path
    name: str
    digits: int
    shard_rows: int
    seed: int

    @classmethod
    def foreseen(cls, path: Path, *, shard_rows: int | None = None, digits: int = 5, seed: int = 0) -> Corpus:
        """The corpus that `create` would give, before anything is written; refuses what `create` would refuse."""
        _refuse_url(path)
        with explained(path):
            if path.is_file():
                raise CorpusError(f"{path} is a file, not a corpus", "name the corpus folder first, then the source")
            if os.path.lexists(path / FILE):
                corpus = cls.open(path)
                if shard_rows is not None and shard_rows != corpus.shard_rows:
                    raise UsageError(
                        f"{path} was created with shard_rows {corpus.shard_rows}, not {shard_rows}",
                        "leave --shard-rows away: it is fixed when a corpus is created",
                    )
                return corpus
            if path.is_dir() and any(each.name != TEMPORARY + FILE for each in path.iterdir()):
                raise CorpusError(
                    f"{path} is not empty and is no corpus", "name a new folder, or the folder that holds corpus.yaml"
                )
            name = path.resolve().name
        return cls(path, name, digits, SHARD_ROWS if shard_rows is None else shard_rows, seed)

    @classmethod
    def create(cls, path: Path, *, shard_rows: int | None = None, digits: int = 5, seed: int = 0) -> Corpus:
        """Make an empty corpus, or open the one that is there."""
        corpus = cls.foreseen(path, shard_rows=shard_rows, digits=digits, seed=seed)
        if (path / FILE).exists():
            return corpus
        with explained(path):
            try:
                path.mkdir(parents=True, exist_ok=True)
            except FileNotFoundError:  # file systems that make no folders, as /proc
                raise CorpusError(f"cannot make the folder {path}", "choose a folder you may write to") from None
            about = {
                "name": corpus.name,
                "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
                "schema_version": schema.VERSION,
                "digits": digits,
                "shard_rows": corpus.shard_rows,
                "seed": seed,
            }
            write_text(path / FILE, yaml.safe_dump(about, sort_keys=False))
        return corpus

    @classmethod
    def open(cls, path: Path) -> Corpus:
        """The corpus at `path`. CorpusError where there is none, or one that a newer vlcorpus wrote."""
        _refuse_url(path)
        file = path / FILE
        try:
            about = yaml.safe_load(file.read_text("utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            hint = f"make one: `vlcorpus import {path} LIST` or `vlcorpus crawl {path} URL`"
            if path.is_dir() and any(path.glob("*_stats.json")):
                hint = f"it holds img2dataset's shards; `vlcorpus import NEW {path}` takes them over, to go on there"
            raise CorpusError(f"no corpus at {path}", hint) from None
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise CorpusError(f"cannot read {file}: {why}", "name a corpus that you may read") from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise CorpusError(f"damaged {file}", "restore it from a copy") from error
        try:
            version = int(about["schema_version"])
            if version > schema.VERSION:
                raise CorpusError(
                    f"{path} has schema version {version}; this vlcorpus reads up to {schema.VERSION}",
                    "install a newer vlcorpus: `pip install -U vlcorpus`",
                )
            corpus = cls(path, str(about["name"]), int(about["digits"]), int(about["shard_rows"]), int(about["seed"]))
            if not (0 < corpus.digits <= MOST_DIGITS and corpus.shard_rows > 0):
                raise ValueError("digits and shard_rows are counts")
        except (KeyError, TypeError, ValueError) as error:
            raise CorpusError(f"damaged {file} ({error})", "restore it from a copy") from error
        return corpus

    @property
    def place(self) -> str:
        """What a person types for it."""
        return str(self.path)

    def file(self, name: str) -> Path:
        """Where a file of the corpus that is in no layer lies on this machine."""
        return self.path / name

    def layer(self, name: str) -> Layer:
        outside = name.removeprefix("out:")
        return Layer(name, Path(outside) if outside != name else self.path / name)

    def layers(self, below: str) -> tuple[str, ...]:
        """Names of the layers directly below a folder, as `scores` -> `similarity`, `phash`."""
        folder = self.path / below
        if not folder.is_dir():
            return ()
        return tuple(sorted(each.name for each in folder.iterdir() if each.is_dir()))

    def shard_name(self, number: int) -> str:
        if number >= 10**self.digits:
            raise CorpusError(f"more shards than {self.digits} digits can name", "begin a second corpus")
        return f"{number:0{self.digits}d}"

    def key(self, shard: str, row: int) -> str:
        """Position name of a row: the shard's number, then the row's, zero-padded (img2dataset's rule)."""
        return f"{shard}{row:0{len(str(self.shard_rows - 1))}d}"

    @contextlib.contextmanager
    def lock(self, command: str, *, part: str | None = None) -> Iterator[None]:
        """Hold the corpus for writing; CorpusError naming the holder where somebody else does.

        part: one of several parts, as "2/4", that different machines may hold at the same time. Also refuses a folder
        that cannot be written to or a disk that is nearly full, before any work.
        """
        with self._held(".lock", command, shared=part is not None):
            if part is None:
                yield
                return
            with self._held(f".lock-{part.replace('/', '-of-')}", command):
                yield

    @contextlib.contextmanager
    def _held(self, name: str, command: str, *, shared: bool = False) -> Iterator[None]:
        file = self.path / name
        if not os.access(self.path, os.W_OK):
            raise CorpusError(f"cannot write to {self.path}", "choose a folder you may write to")
        if shutil.disk_usage(self.path).free < LEAST_FREE_BYTES:
            raise CorpusError(f"the disk is full ({self.path})", "make room and run the same command again: it resumes")
        with explained(file):
            held = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            with explained(file):
                try:
                    fcntl.flock(held, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise CorpusError(
                        f"{self.path} is in use ({_holder(os.read(held, LONGEST_HOLDER))})",
                        "wait until that run has ended, or end it",
                    ) from None
                if shared:  # who holds a part says so there
                    yield
                    return
                about = {"pid": os.getpid(), "host": socket.gethostname(), "command": command}
                os.ftruncate(held, 0)
                os.write(held, json.dumps(about).encode())
            try:
                yield
            finally:
                os.ftruncate(held, 0)
        finally:
            os.close(held)

    def log(self, name: str) -> Path:
        """Where a run writes its events."""
        folder = self.path / "log"
        with explained(folder):
            folder.mkdir(exist_ok=True)
        return folder / f"{name}.jsonl"

    def find(self, below: str, name: str | None, *, flag: str, make: str) -> str:
        """The one layer below `below`, or the one called `name`; the error lists them or says how to make one."""
        known = self.layers(below)
        if name is not None:
            if name not in known:
                raise UsageError(f"no {below}/{name} in {self.path}", _known(known, make))
            return name
        if len(known) == 1:
            return known[0]
        if not known:
            raise UsageError(f"nothing in {self.path}/{below}", f"make it: `{make}`")
        raise UsageError(f"several in {self.path}/{below}: {', '.join(known)}", f"choose one with {flag}")


def _known(known: Sequence[str], make: str) -> str:
    return f"there are: {', '.join(known)}" if known else f"make it: `{make}`"


def _holder(text: bytes) -> str:
    try:
        about = json.loads(text)
        return f"pid {about['pid']} on {about['host']}: {about['command']}"
    except (ValueError, KeyError, TypeError):
        return "by another run"


def _refuse_url(path: Path) -> None:
    if re.match(r"[a-z][a-z0-9+.-]*:/", str(path), re.IGNORECASE):
        raise UsageError(f"a URL stands where a corpus folder is wanted ({path})", "name a folder first, then the URL")


def read_json(path: Path) -> Any:
    """A JSON file of ours; CorpusError where it is missing or damaged."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CorpusError(f"cannot read {path}: {error}", "run the command that makes it again") from error


__all__ = ["Corpus", "Layer", "read_json", "write_json"]
