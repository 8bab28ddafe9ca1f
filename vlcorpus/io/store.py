"""A folder in an object store: what lies there, fetched and put whole, and checked.

    store = Store("s3://bucket/birds")
    store.look("shards/00000.tar")            Told(size=31_457_280, tag="ETag \\"9b2c…\\""), or None
    store.listed("shards")                    {"shards/00000.tar": Told(...), ...}
    store.put("shards/00000.tar", path)       uploaded, then asked for: its size and checksum are those of the file
    store.create(".lease/1.json", b"{}")      True for the first who does so, False for all others

An object appears whole or not at all, so nothing is renamed. What fails in passing (500s, timeouts, broken connections)
is tried again TRIES times; what lasts (no such bucket, no permission) ends in one clear line. Where the store tells an
MD5, as s3 does by its ETag and gs by md5Hash, that is compared; else (multipart with other parts, encryption by KMS,
other stores) the object is read back and compared.

Cost: a request each for `look`, `create` and `remove`; two for `put` of up to 64 MiB; one for each 1,000 names listed.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import random
import re
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from ..errors import CorpusError, VlcorpusError
from .attempt import stopping
from .places import advice, brief, is_lasting, opened, shown, tag_of

TRIES = 6
FIRST_PAUSE = 0.2  # seconds; doubled at each try
PART = 32 << 20  # bytes of a part of a multipart upload; up to two parts go in one request
MOST_PARTS = 10_000
AT_ONCE = 16  # transfers
_CHUNK = 1 << 20
_ETAG = re.compile(r'"?([0-9a-f]{32})(?:-(\d+))?"?')

T = TypeVar("T")


@dataclass(frozen=True)
class Told:
    """What a store tells of an object. tag: changes with its content."""

    size: int
    tag: str


class Damaged(Exception):
    """What was transferred is not what was meant; worth another try."""


@dataclass(frozen=True)
class Store:
    """url: without a slash at its end. Names are relative to it, with slashes."""

    url: str

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        filesystem, root = opened(self.url, use_listings_cache=False)
        return filesystem, str(root).rstrip("/")

    def __reduce__(self) -> tuple[type[Store], tuple[str]]:
        return Store, (self.url,)

    @property
    def _files(self) -> Any:
        return self._opened[0]

    def at(self, name: str) -> str:
        """The store library's own path of a name."""
        return f"{self._opened[1]}/{name}" if name else self._opened[1]

    def look(self, name: str) -> Told | None:
        def ask() -> Told | None:
            try:
                told = self._files.info(self.at(name), refresh=True) if self._is_s3 else self._files.info(self.at(name))
            except FileNotFoundError:
                return None
            return None if told.get("type") == "directory" else _told(told)

        return self._tried(f"look at {name}", ask)

    def listed(self, prefix: str) -> dict[str, Told]:
        """Every object below a folder, by name."""
        root = self.at("").rstrip("/") + "/"

        def ask() -> dict[str, Told]:
            try:
                found = self._files.find(self.at(prefix), detail=True)
            except FileNotFoundError:
                return {}
            below = self.at(prefix).rstrip("/") + "/"
            return {
                str(path).removeprefix(root): _told(told)
                for path, told in found.items()
                if str(path).startswith(below) and told.get("type") != "directory"
            }

        return self._tried(f"list {prefix}", ask)

    def written(self, name: str) -> datetime.datetime | None:
        """When an object was written last, by the store's clock; None where it is not there or the store keeps none."""

        def ask() -> datetime.datetime | None:
            try:
                told = self._files.modified(self.at(name))
            except (FileNotFoundError, NotImplementedError):
                return None
            return told if isinstance(told, datetime.datetime) else None

        return self._tried(f"look at {name}", ask)

    def there(self, prefix: str) -> bool:
        """Whether anything lies below a folder."""
        return self._tried(f"look at {prefix}", lambda: bool(self._files.exists(self.at(prefix))))

    def folders(self, prefix: str) -> tuple[str, ...]:
        """Names of the folders directly below one, sorted."""

        def ask() -> tuple[str, ...]:
            try:
                found = self._files.ls(self.at(prefix), detail=True)
            except FileNotFoundError:
                return ()
            names = (str(each["name"]).rstrip("/").rpartition("/")[2] for each in found if each["type"] == "directory")
            return tuple(sorted(name for name in names if name))

        return self._tried(f"list {prefix}", ask)

    def read(self, name: str) -> bytes | None:
        """A small object whole; None where there is none."""

        def ask() -> bytes | None:
            try:
                return bytes(self._files.cat_file(self.at(name)))
            except FileNotFoundError:
                return None

        return self._tried(f"read {name}", ask)

    def get(self, name: str, path: Path, told: Told | None = None) -> Told:
        """Fetch an object to a path; what it is told of. told: what is known of it already. CorpusError where it is
        not there, or goes on changing."""
        known = [told]

        def fetch() -> Told:
            found = known.pop() if known else None
            found = found or self.look(name)
            if found is None:
                raise FileNotFoundError("it is not there")
            self._files.get_file(self.at(name), str(path))
            self._compare(name, path, found)
            if _same_md5(path, found.tag) is None and self.look(name) != found:
                raise Damaged("it is another now")
            return found

        return self._tried(f"fetch {name}", fetch)

    def put(self, name: str, path: Path) -> Told:
        """Store a file under a name, and see that it arrived as it is."""

        def send() -> Told:
            self._send(name, path)
            told = self.look(name)
            if told is None:
                raise Damaged("it is not there after the upload")
            self._compare(name, path, told)
            return told

        return self._tried(f"store {name}", send)

    def write(self, name: str, payload: bytes) -> Told:
        """Store a small object."""

        def send() -> Told:
            self._files.pipe_file(self.at(name), payload)
            told = self.look(name)
            if told is None or told.size != len(payload) or self.read(name) != payload:
                raise Damaged("it is another after the upload")
            return told

        return self._tried(f"store {name}", send)

    def create(self, name: str, payload: bytes) -> bool:
        """Store a small object where there is none yet: of all who try, True for one. payload: unlike anybody else's,
        so that an answer that was lost is no defeat."""

        def send() -> bool:
            found = self.read(name)
            if found is not None:
                return found == payload
            try:
                self._files.pipe_file(self.at(name), payload, mode="create")
            except FileExistsError:
                pass
            return self.read(name) == payload

        return self._tried(f"create {name}", send)

    def remove(self, names: Iterable[str]) -> None:
        """Remove objects; those that are not there are no error."""

        def drop(name: str) -> None:
            def ask() -> None:
                try:
                    self._files.rm_file(self.at(name))
                except FileNotFoundError:
                    pass

            self._tried(f"remove {name}", ask)

        together(drop, list(names))

    @property
    def _is_s3(self) -> bool:
        protocol = self._files.protocol
        return "s3" in ((protocol,) if isinstance(protocol, str) else protocol)

    def _send(self, name: str, path: Path) -> None:
        if self._is_s3:
            self._files.put_file(str(path), self.at(name), chunksize=_part(path.stat().st_size))
        else:
            self._files.put_file(str(path), self.at(name))

    def _compare(self, name: str, path: Path, told: Told) -> None:
        """Damaged where a file and an object differ."""
        size = path.stat().st_size
        if told.size != size:
            raise Damaged(f"{told.size:,} bytes there, {size:,} here")
        same = _same_md5(path, told.tag)
        if same is None:
            same = self._same_bytes(name, path)
        if not same:
            raise Damaged("the bytes there are not those here")

    def _same_bytes(self, name: str, path: Path) -> bool:
        with self._files.open(self.at(name), "rb") as there, open(path, "rb") as here:
            while block := here.read(_CHUNK):
                if there.read(len(block)) != block:
                    return False
            return not there.read(1)

    def _tried(self, what: str, action: Callable[[], T]) -> T:
        for number in range(1, TRIES + 1):
            try:
                return action()
            except VlcorpusError:
                raise
            except Exception as error:  # whatever a store's library makes of a bad moment
                if number == TRIES or (is_lasting(error) and not isinstance(error, Damaged)):
                    said = f"cannot {what} in {shown(self.url)}: {brief(error, self.at(''))}"
                    raise CorpusError(said, advice(error).partition(";")[0]) from error
            stopping.wait(FIRST_PAUSE * 2 ** (number - 1) * random.uniform(0.5, 1.5))
        raise AssertionError


def together(does: Callable[[Any], T], arguments: list[Any]) -> list[T]:
    """Transfers at the same time; the first error in their order is raised when all have ended."""
    if len(arguments) <= 1:
        return [does(each) for each in arguments]
    with ThreadPoolExecutor(min(AT_ONCE, len(arguments))) as pool:
        return list(pool.map(does, arguments))


def _told(told: dict[str, Any]) -> Told:
    # Some stores tell the same time in two ways.
    times = {key: value.timestamp() for key, value in told.items() if isinstance(value, datetime.datetime)}
    md5 = told.get("md5Hash")  # of gs, whose etag names the object's state
    return Told(int(told.get("size") or 0), f"md5Hash {md5}" if md5 else tag_of({**told, **times}))


def _part(size: int) -> int:
    return max(PART, -(-size // MOST_PARTS))


def _same_md5(path: Path, tag: str) -> bool | None:
    """Whether a file has the MD5 that a tag tells; None where it tells none that could be computed."""
    kind, _, value = tag.partition(" ")
    if kind == "md5Hash":
        return base64.b64encode(_md5(path).digest()).decode() == value
    found = _ETAG.fullmatch(value) if kind in ("ETag", "etag") else None
    if found is None:
        return None
    if found[2] is None:
        return True if _md5(path).hexdigest() == found[1] else None  # an encrypted object's is of other bytes
    size, part = path.stat().st_size, _part(path.stat().st_size)
    if int(found[2]) != max(1, -(-size // part)):
        return None
    whole = hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        while block := file.read(part):
            whole.update(hashlib.md5(block, usedforsecurity=False).digest())
    return True if whole.hexdigest() == found[1] else None


def _md5(path: Path) -> Any:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
