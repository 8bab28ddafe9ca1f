"""How an exported shard lies on disk: as a tar, as files, or whole in its table.

    write(commit, layer, "00000", samples, format="webdataset")    00000.tar, 00000.parquet
    write(commit, layer, "00000", samples, format="files")         00000/000000000.jpg .txt .json …, 00000.parquet
    write(commit, layer, "00000", samples, format="parquet", endings=("jpg", "png"))
                                                                   00000.parquet with the columns `jpg` and `png`

Two more hold no images and are written by export_lists.py: `uids` (00000.npy) and `urls` (00000.parquet).

These are img2dataset's layouts. In each, 00000.parquet has a row a sample, with the columns of schemas/exports.json. In
`parquet` the image's bytes follow them, in the column that is named by its format; the other such columns are null.
Which columns there are is the caller's to say, so that all tables of an export have the same.

Costs of 10,000 small samples, read and written: webdataset 1.3 s; parquet 1.6 s, and the memory of one row group (100
rows, or 64 MB and a row); files 8 s, as each of 30,000 files is brought to the disk on its own, eight samples at a
time, and 4 MB of stats, which list them. Choose `files` for what is to be looked at, not for what a training run reads.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..corpus import Layer
from ..io.commit import TEMPORARY, Commit, Sink, explained, sync_folder
from . import places

WEBDATASET, FILES, PARQUET, UIDS, URLS = FORMATS = ("webdataset", "files", "parquet", "uids", "urls")
LISTS = (UIDS, URLS)  # no images, so of candidates, too
TABLE, URL_TABLE = "exports", "exports-urls"
_GROUP_ROWS, _GROUP_BYTES = 100, 64_000_000
_WRITERS = 8
_MEMBER = re.compile(r"[0-9]+(?:-[0-9]+)?\.[a-z0-9]+")


class Sample(NamedTuple):
    """about: the sample's row. ending: of its image's name. members: bytes by ending: image, txt and json."""

    about: Mapping[str, Any]
    ending: str
    members: Mapping[str, bytes]


def holder(shard: str, format: str) -> str:
    """The file or folder that holds a shard's images, or its list."""
    return shard + {WEBDATASET: ".tar", FILES: "", PARQUET: ".parquet", UIDS: ".npy", URLS: ".parquet"}[format]


def key_of(shard: str, place: int, rows: int, copy: int) -> str:
    """The key of sample `place` of a shard of at most so many; a sample that repeats its pair says how often before."""
    return f"{shard}{place:0{len(str(rows - 1))}d}" + (f"-{copy}" if copy else "")


def table_of(stats: Mapping[str, Any] | None) -> str:
    """The declared table that a committed shard's parquet file holds."""
    return URL_TABLE if format_of(stats) == URLS else TABLE


def format_of(stats: Mapping[str, Any] | None) -> str:
    """How a committed shard lies on disk: a tar where its commit does not say, as all were before there were others."""
    settings = (stats or {}).get("settings")
    format = settings.get("output_format") if isinstance(settings, dict) else None
    return format if format in FORMATS else WEBDATASET


def write(
    commit: Commit,
    layer: Layer,
    shard: str,
    samples: Iterator[Sample],
    *,
    format: str,
    endings: Sequence[str] = (),
) -> tuple[str, ...]:
    """Write a shard's outputs. Returns the endings of its images, sorted.

    endings: of `parquet`, the image columns of its table; at least those of its samples.
    """
    clear(layer, shard, but=format)
    if format == PARQUET:
        return _write_parquet(commit, shard, samples, endings)
    rows: list[Mapping[str, Any]] = []
    found: set[str] = set()
    for sample in (_write_tar if format == WEBDATASET else _write_files)(commit, shard, samples):
        rows.append(sample.about)
        found.add(sample.ending)
    from ..io import table

    table.write(commit, f"{shard}.parquet", table.columns(rows, TABLE), TABLE)
    return tuple(sorted(found))


def clear(layer: Layer, shard: str, *, but: str | None = None) -> None:
    """Remove the images of a shard that was written in another format than `but`, and what a killed run left of its
    files; the files of an earlier run, too, as they may be others. A table is left to who writes over it."""
    if but == UIDS:
        layer.remove(f"{shard}.parquet")
    for format in (WEBDATASET, UIDS):
        if but != format:
            layer.remove(holder(shard, format))
    within = layer.below(holder(shard, FILES))
    for name in within.names():
        if name.startswith(shard) and _MEMBER.fullmatch(name):
            within.remove(name)
    places.sweep(within, gone=True)


def write_sizes(layer: Layer, sizes: Mapping[str, int]) -> None:
    """The counts that open_clip asks for, beside the shards of a split."""
    layer.write("sizes.json", (json.dumps(sizes, indent=2, ensure_ascii=False) + "\n").encode())


def _write_tar(commit: Commit, shard: str, samples: Iterator[Sample]) -> Iterator[Sample]:
    from ..io.tar import ShardWriter

    with commit.file(holder(shard, WEBDATASET)) as sink:
        writer = ShardWriter(sink)
        for sample in samples:
            writer.add(sample.about["key"], sample.members)
            yield sample
        writer.close()


def _write_files(commit: Commit, shard: str, samples: Iterator[Sample]) -> Iterator[Sample]:
    """Each file under a temporary name, fsynced and renamed, as io.commit does, but the folder is synced once."""
    from .candidates import in_order

    name = holder(shard, FILES)
    folder = commit.folder / name
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)

        def store(sample: Sample) -> Sample:
            for ending, body in sorted(sample.members.items()):
                outputs[f"{sample.about['key']}.{ending}"] = _write_file(
                    folder, f"{sample.about['key']}.{ending}", body
                )
            return sample

        outputs: dict[str, dict[str, Any]] = {}
        yield from in_order(store, samples, threads=_WRITERS)
        sync_folder(folder)
        sync_folder(commit.folder)
    commit.outputs |= {f"{name}/{each}": about for each, about in sorted(outputs.items())}


def _write_file(folder: Path, name: str, body: bytes) -> dict[str, Any]:
    sink = Sink(folder / f"{TEMPORARY}{name}")
    try:
        sink.write(body)
        sha256 = sink.seal()
    finally:
        sink.close()
    (folder / f"{TEMPORARY}{name}").replace(folder / name)
    return {"bytes": len(body), "sha256": sha256}


def _write_parquet(commit: Commit, shard: str, samples: Iterator[Sample], endings: Sequence[str]) -> tuple[str, ...]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from .. import schema

    plain = schema.table(TABLE).arrow()
    wanted = pa.schema([*plain, *(pa.field(each, pa.binary()) for each in sorted(endings))], metadata=plain.metadata)
    found: set[str] = set()
    with (
        commit.file(holder(shard, PARQUET)) as sink,
        pq.ParquetWriter(
            sink,
            wanted,
            compression={name: "zstd" if name in plain.names else "none" for name in wanted.names},
            use_dictionary=plain.names,
            write_statistics=plain.names,
        ) as writer,
    ):
        for group in _groups(samples):
            writer.write_table(_table(group, plain, wanted), row_group_size=_GROUP_ROWS)
            found |= {sample.ending for sample in group}
    return tuple(sorted(found))


def _groups(samples: Iterator[Sample]) -> Iterator[list[Sample]]:
    """Samples of one row group each."""
    group: list[Sample] = []
    size = 0
    for sample in samples:
        group.append(sample)
        size += len(sample.members[sample.ending])
        if len(group) == _GROUP_ROWS or size >= _GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _table(group: Sequence[Sample], plain: Any, wanted: Any) -> Any:
    import pyarrow as pa

    from ..io import table

    described = table.columns([sample.about for sample in group], TABLE)
    images = [
        pa.array([sample.members[sample.ending] if sample.ending == ending else None for sample in group], pa.binary())
        for ending in wanted.names[len(plain) :]
    ]
    return pa.Table.from_arrays([*described.columns, *images], schema=wanted)
