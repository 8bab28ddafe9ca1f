"""index: what `search` asks, and what faiss, autofaiss and clip-retrieval users can open.

    vlcorpus index CORPUS

Exact search over fp16 rows: image.index and text.index hold every pair in shard order; index.json names model,
dimension, rows and the recall measured against a full scan.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..corpus import Corpus, Layer
from ..spec import setting
from . import models
from .base import Stage, Tell, UnitCommit, Work

if TYPE_CHECKING:
    from ..io.vectors import Vectors

RECALL_QUERIES = 32
RECALL_AT = 10


@dataclass(frozen=True, kw_only=True)
class Index(Stage):
    """Build the image and text index of a model's embeddings."""

    name = "index"
    makes = "index"
    needs = ("embeddings",)
    libraries = ("faiss-cpu",)

    model: str | None = setting(None, help="Whose embeddings; the only ones if not given.", result=False, path=True)

    def layer(self, corpus: Corpus) -> Layer:
        return corpus.layer(f"index/{models.embedded(corpus, self.model).folder.name}")

    def inputs(self, corpus: Corpus, unit: str) -> dict[str, str]:
        source = models.embedded(corpus, self.model)
        return {source.name: source.digest_all()}

    def open(self, corpus: Corpus) -> Work:
        import numpy as np

        from ..io import vectors
        from ..knn import index_file, scan

        def spread(parts: list[Vectors], step: int) -> Any:
            """Every `step`-th row that has a direction, as float32."""
            starts = np.cumsum([0, *map(len, parts)])
            found = np.concatenate([part[-start % step :: step] for start, part in zip(starts, parts, strict=False)])
            rows = found.astype(np.float32)
            return rows[np.isfinite(rows).all(1) & (rows != 0).any(1)][:RECALL_QUERIES]

        def build(unit: str, tell: Tell) -> None:
            source = models.embedded(corpus, self.model)
            shards = {
                side: [vectors.read(source.path(f"{word}_emb/{word}_emb_{name}.npy")) for name in source.units()]
                for side, word in (("image", "img"), ("text", "text"))
            }
            rows = sum(map(len, shards["image"]))
            recalls = {}
            with UnitCommit(self, corpus, self.layer(corpus), unit, self.inputs(corpus, unit)) as commit:
                for side in ("image", "text"):
                    index = index_file.build_index(shards[side])
                    commit.write(f"{side}.index", index_file.index_bytes(index))
                    # Text queries on the image index are what people type; self queries would flatter it.
                    queries = spread(shards["text" if side == "image" else "image"], max(1, rows // RECALL_QUERIES))
                    if len(queries):
                        k = min(RECALL_AT, rows)
                        exact = scan.top(shards[side], queries, k)[1]
                        found = index_file.recall(index_file.search(index, queries, k)[1], exact)
                        recalls[side] = found if np.isfinite(found) else None
                    tell(rows, rows)
                about = {
                    "model": source.folder.name,
                    "dimension": int(shards["image"][0].shape[1]),
                    "rows": rows,
                    "kind": "exact fp16 scan",
                    f"recall_at_{RECALL_AT}": recalls,
                    "recall_queries": RECALL_QUERIES,
                    "shards": {name: len(each) for name, each in zip(source.units(), shards["image"], strict=True)},
                }
                commit.write("index.json", (json.dumps(about, indent=2) + "\n").encode())
                commit.finish(seen=rows, kept=rows)

        return build
