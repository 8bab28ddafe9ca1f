"""A folder on this machine that stands for one in an object store: what is read is fetched, what is made is put.

    mirror = mirror_of("s3://bucket/birds")
    mirror.path("shards/00000.tar")          fetched if it is not here, or is another there; its place here
    mirror.names("shards")                   what is there, as far as this task knows
    mirror.put({"shards/00000.tar": made})   what was made here is stored, checked, and now a copy
    with mirror.at_work(): ...               a task: what others stored before it began is seen in it

Several processes of a machine share a mirror; each machine has its own (VLCORPUS_MIRROR names the folder that they lie
in; in the user's cache if it is not set). What was fetched or put is a copy and may go (io.copies). Files that were
never put (journals, unfinished outputs) lie in `making` and stay.

Cost: a request for each file that a task uses first. Not for memory: it is a cache on disk.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from .attempt import current
from .copies import Copies
from .places import shown
from .store import Store, Told, together

FOLDER = "VLCORPUS_MIRROR"
_FETCHING = ".tmp-fetch-"
_MAKING = ".making"


def mirror_of(url: str) -> Mirror:
    """The mirror of a folder in a store: one for each in a process."""
    place = os.environ.get(FOLDER) or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "vlcorpus", "mirrors"
    )
    return _mirror(url.rstrip("/"), os.path.abspath(place))


@cache
def _mirror(url: str, place: str) -> Mirror:
    slug = re.sub(r"[^A-Za-z0-9.-]+", "-", shown(url).partition("://")[2]).strip("-.")[-60:]
    digest = hashlib.blake2b(url.encode(), digest_size=6).hexdigest()
    return Mirror(Store(url), Path(place) / f"{slug}-{digest}")


class Mirror:
    """Names are relative, with slashes, as the store's."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store, self.folder = store, folder
        self._copies = Copies(folder)
        self._lock = threading.RLock()
        self._listed: dict[str, dict[str, Told]] = {}  # whole listings, by folder
        self._known: dict[str, Told | None] = {}
        self._partial: set[str] = set()  # folders whose listings others have added to
        self._folders: dict[str, tuple[str, ...]] = {}
        self._tasks = 0

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return mirror_of, (self.store.url,)

    def __repr__(self) -> str:
        return f"mirror_of({shown(self.store.url)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mirror) and (self.store, self.folder) == (other.store, other.folder)

    def __hash__(self) -> int:
        return hash((self.store.url, self.folder))

    # What is there.

    def look(self, name: str) -> Told | None:
        """What the store tells of an object, asked once a task."""
        with self._lock:
            if name in self._known:
                return self._known[name]
            for prefix, listing in self._listed.items():
                if _below(name, prefix) and (name in listing or prefix not in self._partial):
                    return listing.get(name)
        told = self.store.look(name)
        with self._lock:
            self._known[name] = told
        return told

    def names(self, prefix: str) -> tuple[str, ...]:
        """Every object below a folder, sorted, asked once a task."""
        with self._lock:
            listing = None if prefix in self._partial else self._listed.get(prefix)
        if listing is None:
            listing = self.store.listed(prefix)
            with self._lock:
                self._listed[prefix] = listing
                self._partial.discard(prefix)
                self._known = {name: told for name, told in self._known.items() if not _below(name, prefix)}
        return tuple(sorted(listing))

    def there(self, prefix: str) -> bool:
        """Whether anything lies below a folder."""
        with self._lock:
            listing = self._listed.get(prefix)
        return bool(listing) if listing is not None else self.store.there(prefix)

    def folders(self, prefix: str) -> tuple[str, ...]:
        """Names of the folders directly below one, asked once a task."""
        with self._lock:
            found = self._folders.get(prefix)
        if found is None:
            found = self._folders[prefix] = self.store.folders(prefix)
        return found

    def refresh(self) -> None:
        """Forget what is known of the store."""
        with self._lock:
            self._folders.clear()
            self._listed.clear()
            self._partial.clear()
            self._known.clear()
            self._copies.forget_tags()

    def noticed(self, names: Iterable[str]) -> None:
        """Somebody else stored or removed these: what is known of them is asked for anew."""
        with self._lock:
            self._folders.clear()
            for name in names:
                self._known.pop(name, None)
                for prefix, listing in self._listed.items():
                    if _below(name, prefix):
                        listing.pop(name, None)
                        self._partial.add(prefix)

    # What is here.

    def path(self, name: str) -> Path:
        """The place of a file here, fetched first where the store has it, and another one than is here."""
        told = self.look(name)
        if told is not None:
            self._fetch(name, told)
        return self.folder / name

    def paths(self, names: Sequence[str]) -> list[Path]:
        """Several at once."""
        self._copies.pin(names)
        self._copies.learn(names)
        return together(self.path, list(names))

    def _fetch(self, name: str, told: Told) -> None:
        path = self.folder / name
        self._copies.pin([name])
        if told.tag and self._copies.tag(name) == told.tag and _size(path) == told.size:
            return
        self._copies.make_room(told.size)
        with self._beside(path) as temporary:
            told = self.store.get(name, temporary, told)
            self._adopt(name, temporary, told)

    @contextlib.contextmanager
    def _beside(self, path: Path) -> Iterator[Path]:
        """A temporary name for a while."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{_FETCHING}{os.getpid()}-{threading.get_ident()}-{path.name}")
        try:
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)

    def _adopt(self, name: str, path: Path, told: Told) -> None:
        """Put a whole file among the copies."""
        final = self.folder / name
        final.parent.mkdir(parents=True, exist_ok=True)
        self._copies.forget([name])
        os.replace(path, final)
        self._copies.note(name, told)
        self._know(name, told)

    # What is made.

    def making(self, prefix: str) -> Path:
        """Where files of a folder lie until they are put: not among the copies, which others may read meanwhile."""
        copy = current().copy
        return self.folder / (_MAKING + copy) / prefix

    def put(self, files: Mapping[str, Path]) -> None:
        """Store files that were made here, and check each. They then lie among the copies."""

        def send(name: str) -> None:
            told = self.store.put(name, files[name])
            self._copies.pin([name])
            self._adopt(name, files[name], told)

        with self._lock:
            self._folders.clear()
        together(send, list(files))

    def remove(self, names: Sequence[str]) -> None:
        """Remove files there and here."""
        self.store.remove(names)
        self._copies.forget(names)
        for name in names:
            (self.folder / name).unlink(missing_ok=True)
            self._know(name, None)

    def _know(self, name: str, told: Told | None) -> None:
        with self._lock:
            self._known[name] = told
            for prefix, listing in self._listed.items():
                if _below(name, prefix):
                    if told is None:
                        listing.pop(name, None)
                    else:
                        listing[name] = told

    # Hidden files, which lie where they are made.

    def keep(self, name: str, path: Path) -> None:
        """Store a hidden file, and remember that this machine did."""
        told = self.store.put(name, path)
        self._copies.keep(name, told)
        self._know(name, told)

    def recall(self, name: str, path: Path) -> None:
        """Fetch a hidden file that is stored, but not where it is here already as this machine kept it, or later."""
        told = self.store.look(name)
        if told is None or (path.is_file() and self._copies.kept(name) == told.tag):
            return
        with self._beside(path) as temporary:
            told = self.store.get(name, temporary, told)
            os.replace(temporary, path)
        self._copies.keep(name, told)

    def drop(self, name: str) -> None:
        """Remove a hidden file there."""
        self.store.remove([name])
        self._copies.keep(name, None)
        self._know(name, None)

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """A task of this process: it sees what is there when it begins, and what it uses stays here until it ends."""
        with self._lock:
            self._tasks += 1
        self.refresh()
        try:
            yield
        finally:
            with self._lock:
                self._tasks -= 1
                if not self._tasks:
                    self._copies.unpin()


def _below(name: str, prefix: str) -> bool:
    return not prefix or name.startswith(prefix + "/")


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
