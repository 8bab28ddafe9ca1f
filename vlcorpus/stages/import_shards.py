"""Taking over what img2dataset fetched: its rows become ours, its images stay the bytes that they are.

    take(stage, corpus, source, tell)            after the rows were cut into candidates

Each candidate knows its row of img2dataset's table (`source_file`, `record_offset`), and so its image in the tar. Where
a tar is already what shards/NNNNN.tar would be (the same keys, one image, text and JSON a sample, the texts those of
the table, nothing else), it is linked, or copied where links cannot be; a linked tar is one file with two names: who
changes it, changes both, and `verify` tells. Otherwise the images are written into a new tar under our keys. Images are
not decoded unless the stage's `decode` says so; only their kind and their end are looked at.

Costs one read of each tar for the images and one for its digest; 0.1 ms a row. Stats say `taken`: linked, copied or
rewritten. The tool's own JSON stays in tars that are linked or copied, so their samples do not name our uids.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ..corpus import Corpus
from . import import_folder
from .base import Tell, UnitCommit

if TYPE_CHECKING:
    from ..io.tar import Entry
    from ..web.folders.img2dataset import Left, ShardFile, Taken
    from .import_ import Import

HELD_SHARDS = 16
_CHUNK = 1 << 20
_MOST_JSON = 1 << 20
_WANTED = ("uid", "image_id", "url", "alt_text", "page_url", "source_file", "record_offset")
Row = dict[str, Any]


def take(stage: Import, corpus: Corpus, source: str, tell: Tell) -> None:
    """Write the shards of a source of img2dataset's."""
    from ..io import table
    from ..web.folders.img2dataset import shard_files

    found = {shard.table.name: shard for shard in shard_files(stage.path)}
    with _Opened(found) as opened:
        for unit, commit in import_folder.unwritten(stage, corpus, source):
            path = corpus.layer("candidates").path(f"{unit}.parquet")
            rows = table.read(path, "candidates", only=list(_WANTED)).to_pylist()
            _Shard(stage, corpus, unit, rows, opened).write(commit)
            tell(len(rows), len(rows))


class _Opened:
    """img2dataset's shards, looked up by their tables' names; a few are held open."""

    def __init__(self, shards: dict[str, ShardFile]) -> None:
        self._shards = shards
        self._held: OrderedDict[str, tuple[Taken, BinaryIO]] = OrderedDict()

    def __enter__(self) -> _Opened:
        return self

    def __exit__(self, *exception: object) -> None:
        for _, file in self._held.values():
            file.close()

    def shard(self, name: str) -> tuple[Taken, BinaryIO]:
        from ..web.folders.img2dataset import Taken

        if name not in self._held:
            while len(self._held) >= HELD_SHARDS:
                self._held.popitem(last=False)[1][1].close()
            taken = Taken(self._shards[name])
            self._held[name] = taken, open(taken.shard.tar, "rb")  # noqa: SIM115 - closed above
        self._held.move_to_end(name)
        return self._held[name]

    def body(self, name: str, entry: Entry) -> bytes:
        """A member's bytes; fewer than its length where the tar has changed meanwhile."""
        file = self.shard(name)[1]
        file.seek(entry.offset)
        return file.read(entry.length)


class _Shard:
    """One shard of ours: which image each row has, and the tar that holds them."""

    def __init__(self, stage: Import, corpus: Corpus, unit: str, rows: list[Row], opened: _Opened) -> None:
        self._stage, self._corpus, self._unit, self._rows, self._opened = stage, corpus, unit, rows, opened
        self._first: dict[bytes, int] = {}
        self._outcomes: dict[int, Row] = {}
        self._images: dict[int, tuple[str, Left, str]] = {}
        """First row of an image -> (table's name, what is left of it, extension of its bytes)."""

    def write(self, commit: UnitCommit) -> None:
        from ..io import table
        from . import shards

        for number, row in enumerate(self._rows):
            first = self._first.setdefault(row["image_id"], number)
            # Of several rows of one image, the first that has it gives it.
            if first == number or self._outcomes[first]["reason"] is not None:
                outcome = self._outcome(first, row)
                if first == number or outcome["reason"] is None:
                    self._outcomes[first] = outcome
        name = f"{self._unit}.tar"
        with commit:
            whole = self._as_it_stands()
            taken = (
                commit.link(name, whole, copied=self._stage.take != "link")
                if whole is not None
                else self._rewrite(commit, name)
            )
            listed = list(shards.rows_of(self._corpus, self._unit, self._rows, self._first, self._outcomes))
            table.write(commit, f"{self._unit}.parquet", table.columns(listed, "shards"), "shards")
            commit.finish(**shards.counts_of(listed), taken=taken)

    def _outcome(self, first: int, row: Row) -> Row:
        """The row of an image, by what one of its rows left."""
        from .outcome import failed

        name = row["source_file"]
        left = self._opened.shard(name)[0].row(row["record_offset"])
        outcome: Row = {
            "status": "success",
            "error_message": None,
            "reason": None,
            "http_status": left.http_status,
            "sha256": left.sha256,
            "md5": left.md5,
            "exif": left.exif,
            "width": left.width,
            "height": left.height,
            "original_width": left.original_width,
            "original_height": left.original_height,
        }
        if left.entry is None or left.reason is not None:
            blank = dict.fromkeys(("width", "height", "original_width", "original_height"))
            return failed(outcome | blank, left.status, left.reason or "unreadable", left.message)
        sizes, refused = self._looked_at(name, left, first)
        if refused is not None:
            return failed(outcome, *refused)
        return outcome | sizes

    def _looked_at(self, name: str, left: Left, first: int) -> tuple[Row, tuple[str, str, str] | None]:
        """Sizes that the table does not say, or (status, reason, message) of what is no image."""
        from ..images.decode import Refused
        from ..images.prepare import EXTENSIONS, ImageSettings, prepare
        from ..images.sniff import SUPPORTED, ends_early, sniff
        from .outcome import DOWNLOAD, RESIZE

        assert left.entry is not None
        if left.entry.length > self._stage.max_bytes:
            return {}, (DOWNLOAD, "too_large", f"{left.entry.length} bytes")
        body = self._opened.body(name, left.entry)
        if len(body) != left.entry.length:
            return {}, (DOWNLOAD, "unreadable", "the tar is shorter than it was")
        kind = sniff(body)
        if kind not in SUPPORTED:
            reason = {"svg": "svg", "unsupported": "unsupported_format"}.get(kind, "not_an_image")
            return {}, (RESIZE, reason, "")
        if ends_early(body, kind):
            return {}, (RESIZE, "truncated_image", "")
        sizes: Row = {}
        if self._stage.decode or left.width is None or left.height is None:
            made = prepare(body, ImageSettings(image_size=None))
            if isinstance(made, Refused):
                return {}, (RESIZE, made.reason, made.message)
            sizes = {"width": made.width, "height": made.height}
        self._images[first] = name, left, EXTENSIONS[kind]
        return sizes, None

    def _as_it_stands(self) -> Path | None:
        """The tar that is this shard's already, or None."""
        names = {name for name, _, _ in self._images.values()}
        if len(names) != 1:
            return None
        (name,) = names
        taken, _ = self._opened.shard(name)
        if len(taken.members) != len(self._images):
            return None
        for first, (_, left, extension) in self._images.items():
            members = taken.members.get(left.key, {})
            if left.key != self._corpus.key(self._unit, first) or set(members) != {extension, "txt", "json"}:
                return None
            text = self._rows[first]["alt_text"].encode("utf-8", "surrogatepass")
            if members["txt"].length != len(text) or self._opened.body(name, members["txt"]) != text:
                return None
            if members["json"].length > _MOST_JSON or not _is_object(self._opened.body(name, members["json"])):
                return None
        return taken.shard.tar

    def _rewrite(self, commit: UnitCommit, name: str) -> str:
        """The same images in a tar of ours, read from where they are one by one."""
        from ..io.tar import ShardWriter
        from . import shards

        with commit.file(name) as sink:
            writer = ShardWriter(sink)
            for first, (table, left, extension) in sorted(self._images.items()):
                assert left.entry is not None
                key = self._corpus.key(self._unit, first)
                about = shards.sample(self._rows[first], key, self._outcomes[first])
                writer.add(key, {extension: self._opened.body(table, left.entry), **about})
            writer.close()
        return "rewritten"


def _is_object(text: bytes) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
