"""What img2dataset and lists leave for import: small, and told row by row.

write_tool_shard(folder, "00000", [Row("http://a.test/1.jpg", "a cat", picture(1), similarity=0.3)])
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


@dataclass(frozen=True)
class Row:
    """body: the image's bytes; none where it could not be had."""

    url: str
    text: str
    body: bytes = b""
    similarity: float | None = None


def write_tool_shard(folder: Path, name: str, rows: Sequence[Row], *, digits: int = 1) -> None:
    """A tar and its table as img2dataset writes them, keys by position with so many digits of row."""
    folder.mkdir(parents=True, exist_ok=True)
    listed = []
    with tarfile.open(folder / f"{name}.tar", "w") as tar:
        for number, row in enumerate(rows):
            key = f"{name}{number:0{digits}d}"
            about = {
                "url": row.url,
                "caption": row.text,
                "key": key,
                "status": "success" if row.body else "failed_to_download",
                "error_message": None if row.body else "<urlopen error timed out>",
                "width": 48 if row.body else None,
                "height": 40 if row.body else None,
                "similarity": row.similarity,
            }
            listed.append(about)
            if row.body:
                members = {"jpg": row.body, "txt": row.text.encode(), "json": json.dumps(about).encode()}
                for extension, body in members.items():
                    header = tarfile.TarInfo(f"{key}.{extension}")
                    header.size = len(body)
                    tar.addfile(header, io.BytesIO(body))
    pq.write_table(pa.Table.from_pylist(listed), folder / f"{name}.parquet")


def write_scored_list(path: Path, rows: Sequence[Row]) -> str:
    """A parquet list with a similarity a row; its path as text."""
    columns = {"url": [each.url for each in rows], "text": [each.text for each in rows]}
    pq.write_table(pa.table(columns | {"similarity": [each.similarity for each in rows]}), path)
    return str(path)
