"""Which files of a mirror are copies of what a store has, and may go: a table that a machine's processes share.

    copies = Copies(folder)
    copies.pin(["shards/00000.tar"])          in use by this process until `unpin`
    copies.note("shards/00000.tar", told)     it is here, as the store told of it
    copies.tag("shards/00000.tar")            "ETag …", or None
    copies.make_room(30_000_000)              what was not used for longest goes, if the disk is short or the limit near

Where the disk has less free than a tenth, or the copies have more bytes than VLCORPUS_MIRROR_BYTES, those go that were
not used for longest, but none that a process under way has pinned. Cost: a transaction of SQLite, some 50 us. What a
power cut takes of the table is fetched again.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ..errors import UsageError
from .alive import runs
from .store import Told

BYTES = "VLCORPUS_MIRROR_BYTES"
LEAST_FREE = 0.1  # of the disk
_DATABASE = ".mirror.sqlite"
_USED_SECONDS = 60.0
_TABLES = """
    CREATE TABLE IF NOT EXISTS copies (
        name TEXT PRIMARY KEY, tag TEXT NOT NULL, size INTEGER NOT NULL, used REAL NOT NULL
    );
    CREATE TABLE IF NOT EXISTS kept (name TEXT PRIMARY KEY, tag TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS pins (pid INTEGER NOT NULL, name TEXT NOT NULL, PRIMARY KEY (pid, name));
"""


class Copies:
    """folder: the mirror's. Tags are remembered until `forget_tags`; nothing that is pinned goes meanwhile."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._tags: dict[str, str] = {}
        self._pinned: set[str] = set()
        self._connections = threading.local()

    def pin(self, names: Sequence[str]) -> None:
        with self._lock:
            new = [name for name in names if name not in self._pinned]
            self._pinned.update(new)
        if new:
            with self._transaction() as table:
                table.executemany("INSERT OR IGNORE INTO pins VALUES (?, ?)", [(os.getpid(), name) for name in new])

    def unpin(self) -> None:
        """Nothing is in use by this process any more."""
        with self._lock:
            pinned = bool(self._pinned)
            self._pinned.clear()
            if pinned:
                with self._transaction() as table:
                    table.execute("DELETE FROM pins WHERE pid = ?", (os.getpid(),))

    def tag(self, name: str) -> str | None:
        """What the store told of a copy when it came; None where there is none."""
        with self._lock:
            if name in self._tags:
                return self._tags[name]
        self.learn([name])
        with self._lock:
            return self._tags.get(name)

    def learn(self, names: Sequence[str]) -> None:
        """Look up the tags of many at once."""
        with self._transaction() as table:
            for name in names:
                row = table.execute("SELECT tag, used FROM copies WHERE name = ?", (name,)).fetchone()
                if row is None:
                    continue
                with self._lock:
                    self._tags[name] = row[0]
                if time.time() - row[1] > _USED_SECONDS:
                    table.execute("UPDATE copies SET used = ? WHERE name = ?", (time.time(), name))

    def forget_tags(self) -> None:
        with self._lock:
            self._tags.clear()

    def note(self, name: str, told: Told) -> None:
        with self._transaction() as table:
            row = (name, told.tag, told.size, time.time())
            table.execute("INSERT OR REPLACE INTO copies VALUES (?, ?, ?, ?)", row)
        with self._lock:
            self._tags[name] = told.tag

    def forget(self, names: Iterable[str]) -> None:
        """These are copies no more."""
        names = list(names)
        with self._transaction() as table:
            table.executemany("DELETE FROM copies WHERE name = ?", [(name,) for name in names])
        with self._lock:
            for name in names:
                self._tags.pop(name, None)

    def make_room(self, size: int) -> None:
        """Remove what was not used for longest, where there is too little room for so many bytes."""
        with self._transaction() as table:
            (held,) = table.execute("SELECT coalesce(sum(size), 0) FROM copies").fetchone()
            usage = shutil.disk_usage(self._folder)
            lacking = size + int(LEAST_FREE * usage.total) - usage.free
            over = max(held + size - most_bytes(), min(lacking, held))
            if over <= 0:
                return
            running = {pid for (pid,) in table.execute("SELECT DISTINCT pid FROM pins").fetchall() if runs(pid)}
            pinned = {name for pid, name in table.execute("SELECT pid, name FROM pins") if pid in running}
            for name, bytes_ in table.execute("SELECT name, size FROM copies ORDER BY used").fetchall():
                if over <= 0:
                    break
                if name not in pinned:
                    (self._folder / name).unlink(missing_ok=True)
                    table.execute("DELETE FROM copies WHERE name = ?", (name,))
                    over -= bytes_
            table.executemany(
                "DELETE FROM pins WHERE pid = ?",
                [(pid,) for (pid,) in table.execute("SELECT DISTINCT pid FROM pins").fetchall() if pid not in running],
            )

    # Hidden files, which are no copies and stay.

    def kept(self, name: str) -> str | None:
        """The tag of a hidden file as this machine stored or fetched it last."""
        with self._transaction() as table:
            row = table.execute("SELECT tag FROM kept WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def keep(self, name: str, told: Told | None) -> None:
        """Remember that; None forgets it."""
        with self._transaction() as table:
            if told is None:
                table.execute("DELETE FROM kept WHERE name = ?", (name,))
            else:
                table.execute("INSERT OR REPLACE INTO kept VALUES (?, ?)", (name, told.tag))

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """One that no other of this machine overlaps."""
        connection: sqlite3.Connection | None = getattr(self._connections, "own", None)
        if connection is None or not (self._folder / _DATABASE).exists():  # a mirror may be removed at any time
            self._folder.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self._folder / _DATABASE, timeout=120, isolation_level=None)
            connection.execute("PRAGMA synchronous = OFF")
            connection.executescript(_TABLES)
            self._connections.own = connection
            self.forget_tags()
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")


def most_bytes() -> float:
    """How many bytes the copies may have: VLCORPUS_MIRROR_BYTES, as 200000000000 or 200e9."""
    text = os.environ.get(BYTES, "")
    try:
        return float(text) if text else float("inf")
    except ValueError:
        raise UsageError(f"{BYTES}={text!r} is no number of bytes", "as 200e9") from None
