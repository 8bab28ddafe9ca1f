"""Whether the layers of a corpus agree, shard by shard: the same pairs, in the same order, with the same words.

    agreement(ledger, corpus)

candidates = shards row for row; the tar holds the images, texts and uids that the shard's table says; embeddings,
scores, decisions and splits have the pairs with images, in order (scores that came with a list: the candidates);
similarity is the cosine of the stored vectors; duplicate groups name pairs that are there. Layers that are stale or
half made are compared as far as they go: `status` tells of those.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import numpy as np

from ..corpus import Corpus, Layer
from ..errors import VlcorpusError
from ..io import table, tar, vectors
from ..stages import scorers
from ..stages.samples import IMAGES
from .finding import Ledger
from .layers import ALL, stats_or_none

_TOLERANCE = 1e-6  # of a cosine: fp32 from the same fp16 rows
_NORM = 5e-3  # fp16 rounding of a unit vector's numbers
Row = dict[str, Any]


def agreement(ledger: Ledger, corpus: Corpus) -> None:
    """Compare all layers; findings and counts go to the ledger."""
    members = _Members(ledger, corpus)
    for shard in corpus.layer("shards").units():
        ledger.at(f"shards/{shard}")
        path = f"shards/{shard}.parquet"
        try:
            rows = table.read(corpus.layer("shards").path(f"{shard}.parquet"), "shards").to_pylist()
        except VlcorpusError:
            members.blind()
            continue  # told already, and nothing can be compared with it
        _candidates(ledger, corpus, shard, rows)
        _counts(ledger, corpus, shard, rows, path)
        _tar(ledger, corpus, shard, rows)
        good = [row for row in rows if row["status"] == "success"]
        for model in corpus.layers("embeddings"):
            _embeddings(ledger, corpus.layer(f"embeddings/{model}"), shard, good)
        for score in corpus.layers("scores"):
            layer = corpus.layer(f"scores/{score}")
            if not _of_candidates(layer, shard):
                _scores(ledger, corpus, layer, shard, good)
        for decision in corpus.layers("decisions"):
            layer = corpus.layer(f"decisions/{decision}")
            _decisions(ledger, layer, shard, rows if _of_candidates(layer, shard) else good)
        for split in corpus.layers("splits"):
            found = _aligned(ledger, corpus.layer(f"splits/{split}"), shard, "splits", good)
            members.split(split, found)
        members.seen(good)
    members.finish()
    _of_every_candidate(ledger, corpus)
    _indexes(ledger, corpus)


def _candidates(ledger: Ledger, corpus: Corpus, shard: str, rows: list[Row]) -> None:
    path = f"shards/{shard}.parquet"
    layer = corpus.layer("candidates")
    if stats_or_none(layer, shard) is None:
        ledger.wrong(path, "has no candidates of the same number", "restore candidates/, or import the list again")
        return
    try:
        found = table.read(layer.path(f"{shard}.parquet"), "candidates", only=["uid", "image_id", "alt_text"])
    except VlcorpusError:
        return
    fix = f"run the command that made it again: `vlcorpus download {corpus.place}`"
    for column, ours in (("uid", "uid"), ("image_id", "image_id"), ("alt_text", "caption")):
        there = [value.hex() if isinstance(value, bytes) else value for value in found.column(column).to_pylist()]
        if not _same(ledger, path, f"column {ours} beside the candidates", [row[ours] for row in rows], there, fix):
            return


def _counts(ledger: Ledger, corpus: Corpus, shard: str, rows: list[Row], path: str) -> None:
    """Keys by position; statuses and reasons as the commit counts them."""
    _same(ledger, path, "column key", [row["key"] for row in rows], [corpus.key(shard, n) for n in range(len(rows))])
    stats = stats_or_none(corpus.layer("shards"), shard)
    if stats is None:
        return
    reasons = Counter(row["reason"] for row in rows if row["reason"] is not None)
    ledger.agree(path, "reasons", dict(sorted(reasons.items())), dict(sorted(stats.get("rejected", {}).items())))
    ledger.agree(path, "rows with image", sum(row["status"] == "success" for row in rows), stats.get("kept"))
    odd = [row["key"] for row in rows if (row["status"] == "success") != (row["reason"] is None)]
    if odd:
        ledger.wrong(path, f"status and reason of {len(odd)} rows disagree, first {odd[0]}")


def _tar(ledger: Ledger, corpus: Corpus, shard: str, rows: list[Row]) -> None:
    """Each stored sample belongs to the row of its key: an image, its words, its uid."""
    path = f"shards/{shard}.tar"
    # The JSON in a tar that was taken over as it was is the tool's that wrote it.
    ours = (stats_or_none(corpus.layer("shards"), shard) or {}).get("taken") not in ("linked", "copied")
    by_key = {row["key"]: row for row in rows}
    wanted = {row["image_key"] for row in rows if row["status"] == "success"}
    found = set()
    try:
        for sample in tar.read_samples(corpus.layer("shards").path(f"{shard}.tar")):
            found.add(sample.key)
            row = by_key.get(sample.key)
            if row is None:
                continue
            if sum(extension in IMAGES for extension in sample.members) != 1:
                ledger.wrong(path, f"{sample.key} has not one image but {', '.join(sorted(sample.members))}")
            text = row["caption"].encode("utf-8", "surrogatepass")
            if sample.members.get("txt") != text:
                ledger.wrong(path, f"{sample.key}.txt is not the caption in the table")
            if ours and uid_in(sample.members.get("json", b"")) != row["uid"]:
                ledger.wrong(path, f"{sample.key}.json does not name the uid in the table")
    except VlcorpusError:
        return  # told when the file was read on its own
    for keys, what in ((wanted - found, "has no image"), (found - wanted, "has an image that no row wants:")):
        if keys:
            ledger.wrong(path, f"{what} {min(keys)}" + (f" and {len(keys) - 1} more" if len(keys) > 1 else ""))


def uid_in(text: bytes) -> str | None:
    """The uid that a sample's JSON member names."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found.get("uid") if isinstance(found, dict) else None


def _embeddings(ledger: Ledger, layer: Layer, shard: str, good: list[Row]) -> None:
    stats = stats_or_none(layer, shard)
    if stats is None:
        return
    path = f"{layer.name}/metadata/metadata_{shard}.parquet"
    fix = "run the command that made it again: `vlcorpus embed`"
    with ledger.trying(path, fix):
        about = table.read(layer.path(f"metadata/metadata_{shard}.parquet"), "embeddings-metadata")
        for column, ours in (("uid", "uid"), ("key", "key"), ("image_path", "image_key"), ("caption", "caption")):
            there = about.column(column).to_pylist()
            if not _same(ledger, path, f"column {column} beside the shard", there, [row[ours] for row in good], fix):
                break
    for side in ("img", "text"):
        name = f"{side}_emb/{side}_emb_{shard}.npy"
        with ledger.trying(f"{layer.name}/{name}", fix):
            rows = vectors.read(layer.path(name))
            ledger.checked["vectors"] += len(rows)
            shape = (len(good), stats.get("dimension"))
            if ledger.agree(f"{layer.name}/{name}", "rows and dimension", rows.shape, shape, fix) and len(rows):
                norms = np.linalg.norm(rows.astype(np.float32), axis=1)
                off = int(np.count_nonzero(np.abs(norms[np.isfinite(norms)] - 1) > _NORM))
                if off:
                    ledger.wrong(f"{layer.name}/{name}", f"{off} rows are no unit vectors", fix)
                failed = int(np.count_nonzero(~np.isfinite(norms)))
                if failed:
                    why = (
                        "no vector was given for"
                        if stats.get("stage") == "import-embeddings"
                        else "the model failed on"
                    )
                    ledger.note(f"{layer.name}/{name}", f"{why} {failed} rows; their score is missing")


def _scores(ledger: Ledger, corpus: Corpus, layer: Layer, shard: str, good: list[Row]) -> None:
    found = _aligned(ledger, layer, shard, scorers.table_of(layer.name), good)
    stats = stats_or_none(layer, shard)
    if not found or stats is None or scorers.kind_of(layer.name) != "similarity":
        return
    source = corpus.layer(str(stats.get("source")))
    if stats_or_none(source, shard) is None:
        return
    from ..scores.similarity import cosine

    try:
        sides = [vectors.read(source.path(f"{side}_emb/{side}_emb_{shard}.npy")) for side in ("img", "text")]
        again = cosine(*sides)
    except VlcorpusError:
        return
    stored = np.array([np.nan if row["similarity"] is None else row["similarity"] for row in found], np.float32)
    if len(stored) != len(again) or not np.allclose(stored, again, rtol=0, atol=_TOLERANCE, equal_nan=True):
        ledger.wrong(
            f"{layer.name}/{shard}.parquet",
            f"is not the cosine of {source.name}",
            "run the command that made it again: `vlcorpus score CORPUS similarity`",
        )


def _of_candidates(layer: Layer, shard: str) -> bool:
    """Whether the rows of a unit are those of the candidates and not only of the pairs with images."""
    return (stats_or_none(layer, shard) or {}).get("of") == "candidates"


def _of_every_candidate(ledger: Ledger, corpus: Corpus) -> None:
    """Scores and decisions of candidates have all of them, in order, whether or not there is a shard of them."""
    layers = [(corpus.layer(f"scores/{name}"), scorers.table_of(name)) for name in corpus.layers("scores")]
    layers += [(corpus.layer(f"decisions/{name}"), "decisions") for name in corpus.layers("decisions")]
    for layer, name in layers:
        for shard in layer.units():
            if not _of_candidates(layer, shard):
                continue
            ledger.at(f"{layer.name}/{shard}")
            try:
                path = corpus.layer("candidates").path(f"{shard}.parquet")
                wanted = table.read(path, "candidates", only=["uid"]).column("uid")
                found = table.read(layer.path(f"{shard}.parquet"), name, only=["uid"]).column("uid")
            except VlcorpusError:
                continue  # told when the files were read on their own
            if not found.equals(wanted):
                there, ours = ([uid.hex() for uid in column.to_pylist()] for column in (found, wanted))
                fix = "import the list again" if layer.name == "scores/list" else ""
                _same(ledger, f"{layer.name}/{shard}.parquet", "column uid beside the candidates", there, ours, fix)


def _decisions(ledger: Ledger, layer: Layer, shard: str, good: list[Row]) -> None:
    path = f"{layer.name}/{shard}.parquet"
    rows = _aligned(ledger, layer, shard, "decisions", good)
    stats, whole = stats_or_none(layer, shard), stats_or_none(layer, ALL)
    if stats is None or not rows:
        return
    ledger.agree(path, "rows kept", sum(row["keep"] for row in rows), stats.get("kept"))
    predicates = len(whole.get("predicates", ())) if whole is not None else 64
    for row in rows:
        mask, first = row["fail_mask"], row["first_fail"]
        lowest = (mask & -mask).bit_length() - 1 if mask else -1
        if row["keep"] != (mask == 0) or first != lowest or mask >> predicates or row["keep"] != (row["weight"] > 0):
            ledger.wrong(path, f"keep, fail_mask, first_fail and weight of {row['uid'].hex()} disagree")
            return


def _aligned(ledger: Ledger, layer: Layer, shard: str, name: str, good: list[Row]) -> list[Row]:
    """Rows of a layer keyed by uid, having checked that they are the shard's pairs with images; [] if they are not."""
    if stats_or_none(layer, shard) is None:
        return []
    try:
        rows = table.read(layer.path(f"{shard}.parquet"), name).to_pylist()
    except VlcorpusError:
        return []  # told when the file was read on its own
    path = f"{layer.name}/{shard}.parquet"
    fix = f"the shard has changed: run the command that made {layer.name} again"
    uids = [row["uid"].hex() for row in rows]
    return rows if _same(ledger, path, "column uid beside the shard", uids, [row["uid"] for row in good], fix) else []


def _same(ledger: Ledger, path: str, what: str, found: list[Any], wanted: list[Any], fix: str = "") -> bool:
    """Two columns, value by value; the first difference is told."""
    if found == wanted:
        return True
    args = (fix,) if fix else ()
    if len(found) != len(wanted):
        ledger.wrong(path, f"{what}: {len(found)} rows, and {len(wanted)} were expected", *args)
        return False
    place = next(n for n, pair in enumerate(zip(found, wanted, strict=True)) if pair[0] != pair[1])
    return ledger.agree(path, f"{what}, row {place}", found[place], wanted[place], *args)


class _Members:
    """The members of duplicate groups: that they are there, are two and more, and do not cross splits."""

    def __init__(self, ledger: Ledger, corpus: Corpus) -> None:
        self._ledger = ledger
        self._groups: dict[str, dict[str, str]] = {}
        self._missing: dict[str, set[str]] = {}
        self._splits: dict[tuple[str, str], dict[str, set[str]]] = {}
        self._grouping: dict[str, str] = {}
        for name in corpus.layers("duplicates"):
            layer = corpus.layer(f"duplicates/{name}")
            stats = stats_or_none(layer, ALL)
            if stats is not None:
                self._read(layer, name, stats)
        for name in corpus.layers("splits"):
            stats = stats_or_none(corpus.layer(f"splits/{name}"), ALL)
            self._grouping[name] = str((stats or {}).get("settings", {}).get("duplicates"))

    def _read(self, layer: Layer, name: str, stats: dict[str, Any]) -> None:
        path = f"{layer.name}/groups.parquet"
        with self._ledger.trying(path):
            rows = table.read(layer.path("groups.parquet"), "duplicates").to_pylist()
            groups = {row["uid"].hex(): row["group"].hex() for row in rows}
            self._groups[name], self._missing[name] = groups, set(groups)
            smallest: dict[str, str] = {}
            for uid, group in groups.items():
                smallest[group] = min(uid, smallest.get(group, uid))
            sizes = Counter(groups.values())
            if any(group != least for group, least in smallest.items()):
                self._ledger.wrong(path, "a group is not named by its smallest uid")
            if any(size < 2 for size in sizes.values()):
                self._ledger.wrong(path, "a group has one member only")
            self._ledger.agree(path, "members", len(rows), stats.get("members"))
            self._ledger.agree(path, "groups", len(sizes), stats.get("groups"))

    def blind(self) -> None:
        """A shard cannot be read, so no member can be called missing."""
        self._missing.clear()

    def seen(self, good: list[Row]) -> None:
        for missing in self._missing.values():
            missing.difference_update(row["uid"] for row in good)

    def split(self, split: str, rows: list[Row]) -> None:
        groups = self._groups.get(self._grouping.get(split, ""), {})
        for row in rows:
            group = groups.get(row["uid"].hex())
            if group is not None:
                self._splits.setdefault((split, group), {}).setdefault(row["split"], set()).add(row["uid"].hex())

    def finish(self) -> None:
        for name, missing in self._missing.items():
            if missing:
                what = f"{len(missing)} members have no image in the corpus, first {min(missing)}"
                self._ledger.wrong(f"duplicates/{name}/groups.parquet", what, "run `vlcorpus dedup` again")
        crossing: Counter[str] = Counter(split for (split, _), sides in self._splits.items() if len(sides) > 1)
        for split, number in crossing.items():
            # Not wrong: a split is for life, and pairs can become duplicates through one that came later.
            self._ledger.note(f"splits/{split}", f"{number} duplicate groups cross splits, as the corpus has grown")


def _indexes(ledger: Ledger, corpus: Corpus) -> None:
    from ..stages import index_about, index_opened

    for model in corpus.layers("index"):
        layer = corpus.layer(f"index/{model}")
        if stats_or_none(layer, ALL) is None:
            continue
        fix = f"build it again: `vlcorpus index {corpus.place} --rebuild`"
        with ledger.trying(f"{layer.name}/{index_about.FILE}", fix):
            about = index_about.read(layer)
            live = sum(segment.rows for segment in about.segments if not segment.dead)
            ledger.agree(f"{layer.name}/{index_about.FILE}", "rows of its shards", live, about.rows, fix)
            for side in index_about.SIDES:
                own = about.side(side)
                if own.file is not None:
                    ledger.agree(f"{layer.name}/{own.file}", "vectors", own.vectors, about.ids, fix)
                    index_opened.read(layer, about, side)
            ledger.checked["index rows"] += about.rows
