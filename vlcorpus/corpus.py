"""A corpus: a directory of layers, each layer a set of committed units.

    corpus = Corpus.open(Path("birds"))
    shards = corpus.layer("shards")
    shards.units()                 ('00000', '00001')      what is committed, in order
    shards.stats("00000")["kept"]  9412
    shards.path("00000.tar")

A unit (a shard, a seed, or "all" for a reduction) exists when its stats file does; everything else on disk is
invisible. Nothing inside a corpus names an absolute path, so moving it leaves it whole. One writer at a time holds
`lock`. A layer called `out:FOLDER` lies outside: what an export wrote. Corpora and exports lie in folders or, by their
address (s3://bucket/birds), in object stores.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import re
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from . import schema
from .errors import CorpusError, UsageError
from .io.commit import TEMPORARY, explained, write_json
from .io.locks import holder_of, locked, locked_reduction
from .io.mirror import Mirror, mirror_of
from .io.places import shown
from .layer import Layer, outside

FILE = "corpus.yaml"
SHARD_ROWS = 10_000
DIGITS = 5
MOST_DIGITS = 9
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]*):/+", re.IGNORECASE)


@dataclass(frozen=True)
class Corpus:
    """A corpus, opened. Cheap to make and to send to a worker. path: its folder, or that of its mirror."""

    path: Path
    name: str
    digits: int
    shard_rows: int
    seed: int
    mirror: Mirror | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        about = (self.name, self.digits, self.shard_rows, self.seed)
        if self.mirror is None:
            return Corpus, (self.path, *about)
        return _mirrored, (self.mirror.store.url, *about)  # another machine's mirror is in another place

    @classmethod
    def foreseen(
        cls, path: Path | str, *, shard_rows: int | None = None, digits: int | None = None, seed: int = 0
    ) -> Corpus:
        """The corpus that `create` would give, before anything is written; refuses what `create` would refuse."""
        url = address(path)
        if url is not None:
            own = outside(url)
            if own.is_file(FILE):
                return _same(cls.open(url), shard_rows, digits)
            if own.there():
                raise CorpusError(f"{own.place} is not empty and is no corpus", "name a new folder in the store")
            name = url.rstrip("/").rpartition("/")[2]
            return cls(own.folder, name, digits or DIGITS, shard_rows or SHARD_ROWS, seed, own.mirror)
        path = _folder(path)
        with explained(path):
            if path.is_file():
                raise CorpusError(f"{path} is a file, not a corpus", "name the corpus folder first, then the source")
            if os.path.lexists(path / FILE):
                return _same(cls.open(path), shard_rows, digits)
            if path.is_dir() and any(each.name != TEMPORARY + FILE for each in path.iterdir()):
                raise CorpusError(
                    f"{path} is not empty and is no corpus", "name a new folder, or the folder that holds corpus.yaml"
                )
            name = path.resolve().name
        return cls(path, name, digits or DIGITS, shard_rows or SHARD_ROWS, seed)

    @classmethod
    def create(
        cls, path: Path | str, *, shard_rows: int | None = None, digits: int | None = None, seed: int = 0
    ) -> Corpus:
        """Make an empty corpus, or open the one that is there."""
        corpus = cls.foreseen(path, shard_rows=shard_rows, digits=digits, seed=seed)
        if corpus.layer("").is_file(FILE):
            return corpus
        about = {
            "name": corpus.name,
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "schema_version": schema.VERSION,
            "digits": corpus.digits,
            "shard_rows": corpus.shard_rows,
            "seed": seed,
        }
        with explained(corpus.path):
            try:
                corpus.path.mkdir(parents=True, exist_ok=True)
            except FileNotFoundError:  # file systems that make no folders, as /proc
                raise CorpusError(f"cannot make the folder {path}", "choose a folder you may write to") from None
            corpus.layer("").write(FILE, yaml.safe_dump(about, sort_keys=False).encode())
        return corpus

    @classmethod
    def open(cls, path: Path | str) -> Corpus:
        """The corpus at a path or an address. CorpusError where there is none, or one that a newer vlcorpus wrote."""
        url = address(path)
        own = outside(url if url is not None else str(_folder(path)))
        if own.mirror is not None:
            own.mirror.refresh()
        file = own.path(FILE)
        try:
            about = yaml.safe_load(file.read_text("utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            hint = f"make one: `vlcorpus import {own.place} LIST` or `vlcorpus crawl {own.place} URL`"
            if own.names("*_stats.json"):
                hint = (
                    f"it holds img2dataset's shards; `vlcorpus import NEW {own.place}` takes them over, to go on there"
                )
            raise CorpusError(f"no corpus at {own.place}", hint) from None
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise CorpusError(f"cannot read {file}: {why}", "name a corpus that you may read") from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise CorpusError(f"damaged {file}", "restore it from a copy") from error
        try:
            version = int(about["schema_version"])
            if version > schema.VERSION:
                raise CorpusError(
                    f"{own.place} has schema version {version}; this vlcorpus reads up to {schema.VERSION}",
                    "install a newer vlcorpus: `pip install -U vlcorpus`",
                )
            counts = (int(about["digits"]), int(about["shard_rows"]), int(about["seed"]))
            corpus = cls(own.folder, str(about["name"]), *counts, own.mirror)
            if not (0 < corpus.digits <= MOST_DIGITS and corpus.shard_rows > 0):
                raise ValueError("digits and shard_rows are counts")
        except (KeyError, TypeError, ValueError) as error:
            raise CorpusError(f"damaged {file} ({error})", "restore it from a copy") from error
        return corpus

    @property
    def place(self) -> str:
        """What a person types for it."""
        return str(self.path) if self.mirror is None else shown(self.mirror.store.url)

    @property
    def root(self) -> Path | None:
        """The folder that paths in it are relative to; None where it lies in a store."""
        return self.path if self.mirror is None else None

    def file(self, name: str) -> Path:
        """Where a file of the corpus that is in no layer lies on this machine."""
        return self.path / name if self.mirror is None else self.mirror.path(name)

    def layer(self, name: str) -> Layer:
        if name.startswith("out:"):
            return outside(name.removeprefix("out:"), name)
        return Layer(name, self.path / name, self.mirror)

    def layers(self, below: str) -> tuple[str, ...]:
        """Names of the layers directly below a folder, as `scores` -> `similarity`, `phash`."""
        if self.mirror is not None:
            return tuple(name for name in self.mirror.folders(below) if not name.startswith("."))
        folder = self.path / below
        if not folder.is_dir():
            return ()
        return tuple(sorted(each.name for each in folder.iterdir() if each.is_dir()))

    def shard_name(self, number: int) -> str:
        if number >= 10**self.digits:
            raise CorpusError(
                f"more shards than {self.digits} digits can name",
                "begin a corpus with larger --shard-rows or more --shard-digits",
            )
        return f"{number:0{self.digits}d}"

    def key(self, shard: str, row: int) -> str:
        """Position name of a row: the shard's number, then the row's, zero-padded (img2dataset's rule)."""
        return f"{shard}{row:0{len(str(self.shard_rows - 1))}d}"

    @contextlib.contextmanager
    def lock(self, command: str, *, part: str | None = None) -> Iterator[None]:
        """Hold the corpus for writing, or one of several parts of it, as "2/4", that different machines may hold at the
        same time; CorpusError naming the holder where somebody else does."""
        if self.mirror is not None:
            self.path.mkdir(parents=True, exist_ok=True)
        with locked(self.path, self.mirror, command, place=self.place, part=part):
            yield

    @contextlib.contextmanager
    def lock_reduction(self, layer: str, command: str = "") -> Iterator[bool]:
        """Whether this part, of several, is the one that does a reduction. Does not wait."""
        with locked_reduction(self.path, self.mirror, layer, command) as ours:
            yield ours

    def holder(self) -> dict[str, Any] | None:
        """What who holds it for writing says: pid, host, command; None where nobody does."""
        return holder_of(self.path, self.mirror)

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """A task: it sees what was stored before it begins, and what it fetches stays until it ends."""
        with contextlib.nullcontext() if self.mirror is None else self.mirror.at_work():
            yield

    def refresh(self) -> None:
        """Forget what is known of a store: others may have added to it."""
        if self.mirror is not None:
            self.mirror.refresh()

    def log(self, name: str) -> Path:
        """Where a run writes its events."""
        folder = self.path / "log"
        with explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
        if self.mirror is not None:  # of each run its own: an object cannot be added to
            name += f".{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%S}-{socket.gethostname()}-{os.getpid()}"
        return folder / f"{name}.jsonl"

    def keep_log(self, path: Path) -> None:
        """Store a log that is written."""
        if self.mirror is not None and path.is_file():
            self.mirror.put({f"log/{path.name}": path})

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


def _mirrored(url: str, name: str, digits: int, shard_rows: int, seed: int) -> Corpus:
    mirror = mirror_of(url)
    return Corpus(mirror.folder, name, digits, shard_rows, seed, mirror)


def _same(corpus: Corpus, shard_rows: int | None, digits: int | None) -> Corpus:
    """UsageError where what is fixed at creation is asked for otherwise."""
    for name, asked, has in (
        ("shard_rows", shard_rows, corpus.shard_rows),
        ("shard_digits", digits, corpus.digits),
    ):
        if asked is not None and asked != has:
            raise UsageError(
                f"{corpus.place} was created with {name} {has}, not {asked}",
                f"leave --{name.replace('_', '-')} away: it is fixed when a corpus is created",
            )
    return corpus


def address(place: Path | str) -> str | None:
    """The address of a corpus in an object store; None for a folder. A `Path` that was made of an address has lost a
    slash, which it is given back. UsageError for what is no place for a corpus (http)."""
    found = _ADDRESS.match(str(place))
    if found is None or found[1].lower() == "file":
        return None
    if found[1].lower() in ("http", "https"):
        raise UsageError(f"a URL stands where a corpus folder is wanted ({place})", "name a folder first, then the URL")
    return f"{found[1].lower()}://{str(place)[found.end() :].rstrip('/')}"


def _folder(place: Path | str) -> Path:
    return Path(re.sub(r"\Afile:/+", "/", str(place), flags=re.IGNORECASE))


def read_json(path: Path) -> Any:
    """A JSON file of ours; CorpusError where it is missing or damaged."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CorpusError(f"cannot read {path}: {error}", "run the command that makes it again") from error


__all__ = ["Corpus", "Layer", "outside", "read_json", "write_json"]
