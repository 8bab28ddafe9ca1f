"""A folder's images: named by their bytes, then stored in shards through the checks that downloaded ones go through.

    parts(folder, captions=None, template=None, max_bytes=20_000_000)     what import_lists.extract commits
    store(stage, corpus, source, tell)                                    after the rows were cut into candidates

An image without a URL cannot be fetched again, so it is written into shards/ at once. Each file is read twice.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import identity
from ..corpus import Corpus
from .base import Tell, UnitCommit

if TYPE_CHECKING:
    from ..web.lists.parts import Part
    from .import_ import Import

PART_ROWS = 100_000


def parts(folder: Path, *, captions: Path | None, template: str | None, max_bytes: int) -> Iterator[Part]:
    """The pairs of a captioned folder, PART_ROWS at a time; at least one part, if empty."""
    from ..io import table
    from ..web.lists.parts import Part

    rows = _rows(folder, captions, template, max_bytes)
    part = list(itertools.islice(rows, PART_ROWS))
    while True:
        yield Part(table.columns(part, "extracted"), None)
        part = list(itertools.islice(rows, PART_ROWS))
        if not part:
            return


def _rows(folder: Path, captions: Path | None, template: str | None, max_bytes: int) -> Iterator[dict[str, Any]]:
    from ..web.lists import rows as lists

    last: tuple[Path, bytes | None, str | None] | None = None
    for pair in lists.folder_pairs(folder, captions=captions, template=template):
        named, reason = None, pair.reason
        if reason is None:
            if last is None or last[0] != pair.path:
                body, why = read(pair.path, max_bytes)
                last = (pair.path, identity.content_id(body) if why is None else None, why)
            _, named, reason = last
        yield {
            "file": pair.name,
            "alt_text": pair.text or "",
            "licence": pair.licence,
            "licence_scope": "list" if pair.licence else None,
            "source_kind": "folder",
            "image_hash": named,
            "reason": reason,
        }


def store(stage: Import, corpus: Corpus, source: str, tell: Tell) -> None:
    """Write a folder's images into shards/, as download does for fetched ones."""
    from ..images.prepare import ImageSettings
    from ..io import table
    from . import shards

    settings = ImageSettings(image_size=stage.image_size)
    for unit, commit in unwritten(stage, corpus, source):
        rows = table.read(corpus.layer("candidates").path(f"{unit}.parquet"), "candidates").to_pylist()
        bodies = _bodies(stage.path, rows, stage.max_bytes)
        shards.write(commit, corpus, unit, rows, shards.made(bodies, settings), tell)


def unwritten(stage: Import, corpus: Corpus, source: str) -> Iterator[tuple[str, UnitCommit]]:
    """The shards of a source that are still to be written, with their commits."""
    layer = corpus.layer("candidates")
    for unit in layer.units():
        stats = layer.stats(unit)
        if stats is None or stats["source"] != source:
            continue
        commit = UnitCommit(stage, corpus, corpus.layer("shards"), unit, {"candidates": layer.digest(unit)})
        done = corpus.layer("shards").stats(unit)
        if done is None or done["fingerprint"] != commit.fingerprint:
            yield unit, commit


def _bodies(folder: Path, rows: list[dict[str, Any]], most: int) -> Callable[[list[int]], Iterator[Any]]:
    from .outcome import Fetched

    def bodies(wanted: list[int]) -> Iterator[Any]:
        for number in wanted:
            body, reason = read(folder / rows[number]["file"], most)
            yield number, Fetched(body=body, reason=reason)

    return bodies


def read(path: Path, most: int) -> tuple[bytes, str | None]:
    """The file's bytes, or why there are none."""
    try:
        with open(path, "rb") as file:
            body = file.read(most + 1)
    except OSError:
        return b"", "unreadable"
    if len(body) > most:
        return b"", "too_large"
    return body, None if body else "unreadable"
