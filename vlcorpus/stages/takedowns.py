"""What has been taken down, for everything that gives pairs out.

    refuse_stale(corpus)                   CorpusError where a takedown has not seen today's candidates
    taken_down(corpus, "00000")            uids of the shard that are taken down, binary16; mostly none
    inputs(corpus)                         {"takedowns/2026-11": its digest}, {} where nothing is taken down

Readers of pairs ask all three; `views/` and servers the first by `stale`, as a note. Cost: a look at one folder where
there are no takedowns; else their tables, once.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..corpus import Corpus, Layer
from ..errors import CorpusError
from .base import ALL

if TYPE_CHECKING:
    import pyarrow as pa

BELOW = "takedowns"
ASKED, PAIRS = "asked.parquet", "pairs.parquet"
TAKEN_DOWN = "taken_down"


def layers(corpus: Corpus) -> tuple[Layer, ...]:
    """The takedowns, also those whose run was interrupted."""
    return tuple(corpus.layer(f"{BELOW}/{name}") for name in corpus.layers(BELOW))


def stale(corpus: Corpus) -> tuple[str, ...]:
    """Names of the takedowns that have not seen today's candidates or fetched images, or did not come to their end."""
    found = []
    today: dict[str, str] = {}
    for layer in layers(corpus):
        stats = layer.stats(ALL)
        if stats is None or any(_today(corpus, name, today) != said for name, said in _seen(corpus, stats).items()):
            found.append(layer.folder.name)
    return tuple(found)


def refuse_stale(corpus: Corpus) -> None:
    """CorpusError where a takedown would have to be gone through once more before pairs are given out."""
    names = stale(corpus)
    if names:
        raise CorpusError(
            f"takedowns/{names[0]} has not seen all pairs of {corpus.place}",
            f"go through it again: `vlcorpus takedown {corpus.place} --named {names[0]}`",
        )


def inputs(corpus: Corpus) -> dict[str, str]:
    """Digest of each takedown, by name; there are none where nothing was ever taken down."""
    return {layer.name: layer.digest_all() for layer in layers(corpus)}


def taken_down(corpus: Corpus, shard: str) -> pa.Array:
    """uids (binary16) of the shard's pairs that any takedown names, each once, in no order of use."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = [pa.array([], pa.binary(16))]
    for layer in layers(corpus):
        stats = layer.stats(ALL)
        if stats is not None:
            found.append(_of(layer.path(PAIRS), str(stats["outputs"][PAIRS]["sha256"])).get(shard, found[0]))
    return pc.unique(pa.concat_arrays(found)) if len(found) > 1 else found[0]


def named_by(corpus: Corpus, uid: bytes) -> dict[str, str]:
    """Takedowns that name a pair, with the value that does, as `domain:example.org`."""
    from ..io import table

    found = {}
    for layer in layers(corpus):
        if layer.stats(ALL) is not None:
            for row in table.rows(layer.path(PAIRS), "takedowns", only=["uid", "by", "value"]):
                if row["uid"] == uid:
                    found[layer.folder.name] = f"{row['by']}:{row['value']}"
    return found


@lru_cache(maxsize=64)
def _of(path: Path, sha256: str) -> dict[str, pa.Array]:
    """uids by shard, of the file with that hash."""
    import numpy as np
    import pyarrow as pa

    from ..io import table

    found = table.read(path, "takedowns", only=["uid", "shard"])
    coded = found.column("shard").combine_chunks().dictionary_encode()
    uids, codes = found.column("uid").combine_chunks(), coded.indices.to_numpy()
    return {name: uids.take(pa.array(np.flatnonzero(codes == number)))
            for number, name in enumerate(coded.dictionary.to_pylist())}  # fmt: skip


def _seen(corpus: Corpus, stats: dict[str, Any]) -> dict[str, str]:
    """The layers that a takedown has seen, and what they were. One that came since counts as not seen."""
    said = dict(stats.get("inputs", {}))
    found = {"candidates": str(said.get("candidates"))}
    if "shards" in said or (stats.get("fetched") and corpus.layer("shards").units()):
        found["shards"] = str(said.get("shards"))
    return found


def _today(corpus: Corpus, name: str, known: dict[str, str]) -> str:
    if name not in known:
        known[name] = corpus.layer(name).digest_all()
    return known[name]
