"""import: URL lists and captioned image folders become candidates.

    vlcorpus import CORPUS urls.parquet          a list: parquet, csv, tsv, txt, jsonl
    vlcorpus import CORPUS pictures/             images with captions in .txt files beside them or in a metadata table

A list is read once and cut into candidate shards. A folder's images have no URL to come back to, so they are written
into shards/ at once, through the same checks as downloaded ones.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import identity, spec
from ..corpus import Corpus, Layer
from ..errors import SourceError, UsageError
from ..spec import setting
from .base import Stage, Tell, UnitCommit, Work, count
from .content import digest_of, digest_of_all

PART_ROWS = 100_000


@dataclass(frozen=True, kw_only=True)
class Import(Stage):
    """Bring pairs from URL lists or captioned image folders."""

    name = "import"
    makes = "candidates"
    creates = True

    source: str = setting(
        help="URL list (parquet, csv, tsv, txt, jsonl), folder of lists, or captioned image folder.",
        positional=True,
        result=False,
        path=True,
    )
    format: str | None = setting(
        None,
        help="Format of the list, where its name does not tell.",
        choices=("parquet", "csv", "tsv", "txt", "jsonl"),
    )
    url_column: str | None = setting(None, help="Column with image URLs; found by name where not given.")
    text_column: str | None = setting(None, help="Column with texts; found by name where not given.")
    image_size: int | None = setting(
        512, help="Longest side of stored images (folders only); none keeps bytes.", unit="px", least=1, most=16_383
    )
    max_bytes: int = setting(20_000_000, help="Largest image file (folders only).", unit="bytes", least=1)
    shard_rows: int | None = setting(
        None, help="Rows of a shard; fixed when the corpus is created.", least=1, most=1_000_000, result=False
    )

    def brings(self) -> tuple[str, ...]:
        return ("candidates", "shards") if self._is_folder() else ("candidates",)

    def layer(self, corpus: Corpus) -> Layer:
        return corpus.layer(f"sources/{self._source_name()}")

    def inputs(self, corpus: Corpus, unit: str) -> dict[str, str]:
        from . import candidates

        return self._content() | {"candidates": candidates.digest(corpus, self._source_name())}

    def check(self, corpus: Corpus) -> None:
        from ..web import lists

        path = Path(self.source)
        if "://" in self.source:
            raise UsageError(f"{self.source} is a URL, not a list", f"crawl it: `vlcorpus crawl {corpus.path} URL`")
        if not path.exists():
            raise SourceError(f"{path} does not exist", "name a URL list or a folder of captioned images")
        if self._is_folder():
            lists.folder_pairs(path)
            return
        for part in self._lists():
            lists.check(part, format=self.format, url_column=self.url_column, text_column=self.text_column)

    def open(self, corpus: Corpus) -> Work:
        from . import candidates

        def bring(unit: str, tell: Tell) -> None:
            source = self._source_name()
            folder = self._is_folder()
            _extract(self, corpus, source, self._folder_rows() if folder else self._list_rows())
            kind = "folder" if folder else "list"
            seen, kept, rejected = candidates.cut(self, corpus, source, kind=kind, tell=tell)
            if folder:
                self._store(corpus, source, tell)
            with self.commit(corpus, unit) as commit:
                commit.finish(seen=seen, kept=kept, rejected=rejected)

        return bring

    def _source_name(self) -> str:
        return f"import-{spec.fingerprint(self, self._content())[:8]}"

    def _content(self) -> dict[str, str]:
        """Name and digest of the list or folder; where it lies does not matter."""
        path = Path(self.source)
        if path.is_dir():
            return {path.resolve().name: digest_of_all(path, self._lists() or _captioned(path))}
        return {path.resolve().name: digest_of(path)}

    def _is_folder(self) -> bool:
        from ..web import lists

        path = Path(self.source)
        return path.is_dir() and not lists.list_files(path)

    def _lists(self) -> list[Path]:
        from ..web import lists

        path = Path(self.source)
        return lists.list_files(path) if path.is_dir() else [path]

    def _list_rows(self) -> Iterator[dict[str, Any]]:
        from ..web import lists

        for path in self._lists():
            for row in lists.rows(path, format=self.format, url_column=self.url_column, text_column=self.text_column):
                yield {"url": row.url, "alt_text": row.text or "", "given_uid": row.uid, "reason": row.reason}

    def _folder_rows(self) -> Iterator[dict[str, Any]]:
        from ..web import lists

        for pair in lists.folder_pairs(Path(self.source)):
            body, reason = _read(pair.path, self.max_bytes) if pair.reason is None else (b"", pair.reason)
            yield {
                "file": pair.name,
                "alt_text": pair.text or "",
                "image_hash": identity.content_id(body) if reason is None else None,
                "reason": reason,
            }

    def _store(self, corpus: Corpus, source: str, tell: Tell) -> None:
        """Write this folder's images into shards/, as download does for fetched ones."""
        from ..images.prepare import ImageSettings
        from ..io import table
        from . import shards

        layer = corpus.layer("candidates")
        for unit in layer.units():
            stats = layer.stats(unit)
            if stats is None or stats["source"] != source:
                continue
            commit = UnitCommit(self, corpus, corpus.layer("shards"), unit, {"candidates": layer.digest(unit)})
            done = corpus.layer("shards").stats(unit)
            if done is not None and done["fingerprint"] == commit.fingerprint:
                continue
            rows = table.read(layer.path(f"{unit}.parquet"), "candidates").to_pylist()
            settings = ImageSettings(image_size=self.image_size)
            shards.write(commit, corpus, unit, rows, self._bodies(rows), settings, tell)

    def _bodies(self, rows: list[dict[str, Any]]) -> Callable[[list[int]], Iterator[Any]]:
        from . import shards

        def read(wanted: list[int]) -> Iterator[Any]:
            for number in wanted:
                body, reason = _read(Path(self.source) / rows[number]["file"], self.max_bytes)
                yield number, shards.Fetched(body=body, reason=reason)

        return read


def _extract(stage: Import, corpus: Corpus, source: str, rows: Iterator[dict[str, Any]]) -> None:
    """Write the rows of a source as the parts of sources/<source>/."""
    from ..io import table

    layer = corpus.layer(f"sources/{source}")
    for number, part in enumerate(_parts(rows)):
        unit = f"{number:05d}"
        with UnitCommit(stage, corpus, layer, unit, {"source": source, "part": unit}) as commit:
            table.write(commit, f"pairs/{unit}.parquet", table.columns(part, "extracted"), "extracted")
            reasons = count([row["reason"] for row in part])
            commit.finish(seen=len(part), kept=len(part) - reasons.total(), rejected=reasons)


def _parts(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Lists of PART_ROWS rows; at least one, if empty."""
    part = list(itertools.islice(rows, PART_ROWS))
    yield part
    while part := list(itertools.islice(rows, PART_ROWS)):
        yield part


def _read(path: Path, most: int) -> tuple[bytes, str | None]:
    """The file's bytes, or why there are none."""
    try:
        with open(path, "rb") as file:
            body = file.read(most + 1)
    except OSError:
        return b"", "unreadable"
    if len(body) > most:
        return b"", "too_large"
    return body, None if body else "unreadable"


def _captioned(folder: Path) -> Iterator[Path]:
    """What an import reads of a captioned folder: images, texts and tables."""
    from ..web.folder import IMAGE_SUFFIXES, TABLES

    for path in folder.rglob("*"):
        if path.suffix.lower() in IMAGE_SUFFIXES or path.suffix == ".txt" or path.name in TABLES:
            yield path
