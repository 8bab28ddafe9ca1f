"""Corpora of given texts, and the columns that a score made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vlcorpus import identity
from vlcorpus.corpus import Corpus
from vlcorpus.io import table
from vlcorpus.stages.base import UnitCommit
from vlcorpus.stages.import_ import Import


def candidates(corpus: Corpus, shard: str, texts: Sequence[str], languages: Sequence[str | None] | None = None) -> None:
    """Commit a shard of candidates with these texts; languages: what a crawl or a list said of them."""
    rows = []
    for place, text in enumerate(texts):
        url = f"http://a.test/{shard}/{place}.jpg"
        rows.append(
            {
                "uid": identity.uid(url, text),
                "image_id": identity.image_id(url),
                "url": url,
                "alt_text": text,
                "language": languages[place] if languages else None,
                "source": "given",
                "offset": place,
            }
        )
    with UnitCommit(Import(source="given"), corpus, corpus.layer("candidates"), shard, {"given": shard}) as commit:
        table.write(commit, f"{shard}.parquet", table.columns(rows, "candidates"), "candidates")
        commit.finish(seen=len(rows), kept=len(rows), source="given", source_kind="list", slice=int(shard))


def corpus_of(folder: Path, *shards: Sequence[str], languages: Sequence[Sequence[str | None]] | None = None) -> Corpus:
    """A corpus of candidates with these texts, shard by shard."""
    corpus = Corpus.create(folder, shard_rows=1000)
    for number, texts in enumerate(shards):
        candidates(corpus, f"{number:05d}", texts, languages[number] if languages else None)
    return corpus


def scored(corpus: Corpus, kind: str, *, named: str = "") -> list[dict[str, Any]]:
    """Every row of a score, shard by shard; their uids are those of the candidates."""
    layer = corpus.layer(f"scores/{kind}" + (f"-{named}" if named else ""))
    rows = [row for shard in layer.units() for row in table.rows(layer.path(f"{shard}.parquet"), f"score-{kind}")]
    source = corpus.layer("candidates")
    uids = [row["uid"] for shard in source.units() for row in table.rows(source.path(f"{shard}.parquet"), "candidates")]
    assert [row["uid"] for row in rows] == uids
    return rows


def stats(corpus: Corpus, kind: str, unit: str = "00000") -> Mapping[str, Any]:
    found = corpus.layer(f"scores/{kind}").stats(unit)
    assert found is not None
    return found
