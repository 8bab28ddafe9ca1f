"""A folder that clip-retrieval's back opens as it stands.

    OUT/image.index  text.index          faiss: fp16 rows, all of them read; or HNSW32
    OUT/img_emb/  text_emb/  metadata/   the embeddings' own files, under second names where the file system has those
    OUT/image.json  text.json            what autofaiss writes beside an index
    OUT/indices_paths.json               `cd OUT && clip-retrieval back` takes it

Row r of the files in the order of their names is id r of both indices: that is the only join there is. Pairs that are
taken down are in none of them; shards that hold one are written anew. A vector without direction is zeros in an index.
Times are left out of the two .json files, so that the same corpus gives the same bytes.

Cost: 1 KiB a row and side at 512 numbers for fp16, written as it is read; HNSW32 2.3 KiB of memory and 180 us a row.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..corpus import Corpus, Layer
from ..errors import VlcorpusError
from ..io import table, vectors
from . import models
from .takedowns import taken_down

if TYPE_CHECKING:
    from ..io.commit import Commit

FORMAT = "clip-retrieval"
WORDS = {"image": "img", "text": "text"}
_BLOCK = 4096
_EF_SEARCH = 256
_NTOTAL = 8  # byte of a faiss file at which the number of vectors stands

Rows = npt.NDArray[np.float16]


@dataclass(frozen=True)
class Part:
    """One shard of the folder: its rows, and which of them are given out (None: all)."""

    shard: str
    rows: int
    kept: npt.NDArray[np.bool_] | None

    @property
    def given(self) -> int:
        return self.rows if self.kept is None else int(np.count_nonzero(self.kept))


def parts(corpus: Corpus, source: Layer) -> list[Part]:
    """The shards of some embeddings, with what is taken down left out."""
    found = []
    for shard in source.units():
        path = source.path(f"metadata/metadata_{shard}.parquet")
        gone = {uid.hex() for uid in taken_down(corpus, shard).to_pylist()}
        if not gone:
            found.append(Part(shard, table.count(path, "embeddings-metadata"), None))
            continue
        uids = table.read(path, "embeddings-metadata", only=["uid"]).column("uid").to_pylist()
        kept = np.array([uid not in gone for uid in uids], bool)
        found.append(Part(shard, len(uids), None if kept.all() else kept))
    return found


def clear(layer: Layer, listed: Sequence[Part]) -> None:
    """Remove what an earlier, larger folder had and this one does not write over."""
    ours = {part.shard for part in listed}
    for folder in (*(f"{word}_emb" for word in WORDS.values()), "metadata"):
        for path in layer.path(folder).glob(f"{folder}_*"):
            if path.stem.removeprefix(f"{folder}_") not in ours:
                path.unlink()


def write(
    commit: Commit, corpus: Corpus, source: Layer, listed: Sequence[Part], *, hnsw: bool, tell: Callable[[int], None]
) -> None:
    """Write the whole folder. tell: called with the number of vectors written so far."""
    done = 0
    for part in listed:
        _metadata(commit, source, part)
        for word in WORDS.values():
            _embeddings(commit, source, part, f"{word}_emb/{word}_emb_{part.shard}.npy")
    for side, word in WORDS.items():

        def blocks(word: str = word) -> Iterator[Rows]:
            nonlocal done
            for part in listed:
                rows = vectors.read(source.path(f"{word}_emb/{word}_emb_{part.shard}.npy"))
                for low in range(0, len(rows), _BLOCK):
                    block = np.array(rows[low : low + _BLOCK])
                    block = block if part.kept is None else block[part.kept[low : low + _BLOCK]]
                    with np.errstate(all="ignore"):
                        block[~np.isfinite(block).all(axis=1)] = 0
                    done += len(block)
                    yield block
                tell(done)

        first = vectors.read(source.path(f"{word}_emb/{word}_emb_{listed[0].shard}.npy"))
        dimension, count = int(first.shape[1]), sum(part.given for part in listed)
        name = f"{side}.index"
        with commit.file(name) as sink:
            (_write_hnsw if hnsw else _write_fp16)(sink, blocks(), dimension, count)
        size = commit.outputs[name]["bytes"]
        commit.write(f"{side}.json", _json(_infos(name, dimension, count, size, hnsw=hnsw)))
    commit.write("indices_paths.json", _json({corpus.name: _options(corpus, source)}))


def _metadata(commit: Commit, source: Layer, part: Part) -> None:
    name = f"metadata/metadata_{part.shard}.parquet"
    if part.kept is None:
        commit.link(name, source.path(name))
    else:
        import pyarrow as pa

        found = table.read(source.path(name), "embeddings-metadata").filter(pa.array(part.kept))
        table.write(commit, name, found, "embeddings-metadata")


def _embeddings(commit: Commit, source: Layer, part: Part, name: str) -> None:
    if part.kept is None:
        commit.link(name, source.path(name))
    else:
        vectors.write(commit, name, np.ascontiguousarray(vectors.read(source.path(name))[part.kept]))


def _write_fp16(sink: Any, blocks: Iterator[Rows], dimension: int, count: int) -> None:
    """A faiss file of fp16 rows: the head of an empty one with the counts put in, then the rows as they are."""
    import faiss

    empty = faiss.serialize_index(faiss.index_factory(dimension, "SQfp16", faiss.METRIC_INNER_PRODUCT)).tobytes()
    head = bytearray(empty)
    struct.pack_into("<q", head, _NTOTAL, count)
    struct.pack_into("<Q", head, len(head) - 8, count * dimension * 2)
    sink.write(bytes(head))
    for block in blocks:
        sink.write(np.ascontiguousarray(block).data)


def _write_hnsw(sink: Any, blocks: Iterator[Rows], dimension: int, count: int) -> None:
    import faiss

    faiss.omp_set_num_threads(1)
    index = faiss.index_factory(dimension, "HNSW32", faiss.METRIC_INNER_PRODUCT)
    for block in blocks:
        index.add(block.astype(np.float32))
    faiss.ParameterSpace().set_index_parameter(index, "efSearch", _EF_SEARCH)
    faiss.write_index(index, faiss.PyCallbackIOWriter(sink.write))  # type: ignore[attr-defined]


def _infos(name: str, dimension: int, count: int, size: int, *, hnsw: bool) -> dict[str, Any]:
    """autofaiss's words for an index, but for its times."""
    return {
        "index_key": "HNSW32" if hnsw else "SQfp16",
        "index_param": f"efSearch={_EF_SEARCH}" if hnsw else "",
        "index_path": name,
        "size in bytes": size,
        "nb vectors": count,
        "vectors dimension": dimension,
        "compression ratio": 4 * count * dimension / size if size else 0.0,
    }


def _options(corpus: Corpus, source: Layer) -> dict[str, Any]:
    """What clip-retrieval's back needs to know; the model where it is one that all_clip knows."""
    options: dict[str, Any] = {
        "indice_folder": ".",
        "columns_to_return": ["url", "image_path", "caption", "uid"],
        "enable_mclip_option": False,
        "provide_aesthetic_embeddings": False,
    }
    try:
        named, _ = models.maker(corpus, source, None)
    except VlcorpusError:
        return options
    is_public = "/" in named and not Path(named).exists() and not named.startswith(("hf:", "hf-hub:", "image="))
    return options | ({"clip_model": f"open_clip:{named}"} if is_public else {})


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()
