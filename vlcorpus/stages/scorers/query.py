"""query: the similarity of an image with a query: a text, an image, a pair, or several with their weights.

    vlcorpus score CORPUS query --named red_car --query '+"red car" -toy'
    vlcorpus score CORPUS query --named like_this --query 'image:1 -drawing' --query-files photo.jpg

The column is query_NAME, and its values are those that `vlcorpus search` prints. Files are settings of their own, so
that they and the corpus can move together; their content, not their place, is part of what the score is.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ... import spec
from ...corpus import Corpus
from ...errors import CorpusError, UsageError
from ..base import Tell
from .base import OneShard, Scored, Scorer

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ...knn.query import Term
    from ..score import Score


class Query(Scorer):
    """Similarity of an image with a query."""

    follows = "embeddings"
    reads = ("model", "query", "query_files")
    needed = ("query",)
    libraries = ("torch", "numpy")

    def inputs(self, stage: Score, corpus: Corpus) -> dict[str, str]:
        """What the query is, wherever its files lie: words, and the content of files and of pairs' vectors."""
        if "query" not in stage.looked:
            stage.looked["query"] = _digest(stage, corpus)
        return {"query": stage.looked["query"]}

    def check(self, stage: Score, corpus: Corpus) -> None:
        from ..queries import Encoder, pixels, read_image

        # Files and pairs are looked at before any work; whether there is a model for words, when it is loaded.
        embeddings = stage.followed(corpus)
        encoder = Encoder(corpus, embeddings, stage.model) if embeddings.units() else None
        for term in terms(stage):
            if term.kind == "image":
                pixels(read_image(Path(term.value)), term.value)
            elif term.kind != "text" and encoder is not None:
                encoder.vector(term)

    def open(self, stage: Score, corpus: Corpus) -> OneShard:
        import numpy as np
        import pyarrow as pa

        from ...io import table, vectors
        from ...knn import scan
        from ..rows import binary

        embeddings = stage.followed(corpus)
        query_D = _vector(stage, corpus)

        def columns(unit: str, tell: Tell) -> Scored:
            rows_ND = vectors.read(embeddings.path(f"img_emb/img_emb_{unit}.npy"))
            path = embeddings.path(f"metadata/metadata_{unit}.parquet")
            uids = binary(table.read(path, "embeddings-metadata", only=["uid"]).column("uid").combine_chunks())
            if len(uids) != len(rows_ND):
                raise CorpusError(
                    f"{embeddings.name} {unit}: {len(rows_ND)} images, {len(uids)} rows",
                    f"run `vlcorpus verify {corpus.place}`",
                )
            found = scan.scores([rows_ND], query_D)
            return Scored({"uid": uids, "query": pa.array(found, pa.float32(), mask=~np.isfinite(found))})

        return columns


def terms(stage: Score) -> tuple[Term, ...]:
    """The terms of the query, files by their paths. UsageError for what is no query, or a number of no file."""
    from ...knn.query import parse

    found = []
    for term in parse(stage.query or ""):
        if term.kind == "upload":
            raise UsageError("upload: names a picture that a server holds", "give the file: --query-files photo.jpg")
        if term.kind in ("image", "vector"):
            number = int(term.value) if term.value.isascii() and term.value.isdigit() and len(term.value) < 4 else 0
            if not 0 < number <= len(stage.query_files):
                raise UsageError(
                    f"{term.kind}:{term.value} is the number of no file",
                    f"give the files, --query-files FILE, and write {term.kind}:1 for the first",
                )
            term = replace(term, value=stage.query_files[number - 1])
        found.append(term)
    return tuple(found)


def _vector(stage: Score, corpus: Corpus) -> npt.NDArray[np.float32]:
    """The query as a unit vector."""
    import numpy as np

    from ...knn.query import combine
    from ..queries import Encoder

    encoder = Encoder(corpus, stage.followed(corpus), stage.model)
    found = terms(stage)
    return combine([term.weight for term in found], np.stack([encoder.vector(term) for term in found]))


def _digest(stage: Score, corpus: Corpus) -> str:
    """Names what the query is, wherever its files lie."""
    from ..content import digest_of
    from ..queries import Encoder

    parts = []
    for term in terms(stage):
        content = term.value
        if term.kind in ("image", "vector"):
            content = digest_of(Path(term.value))
        elif term.kind == "uid":  # the embeddings of its shard are no input of the others
            vector_D = Encoder(corpus, stage.followed(corpus), stage.model).vector(term)
            content = spec.digest([float(number) for number in vector_D])
        parts.append([term.weight, term.kind, content])
    return spec.digest(parts)
