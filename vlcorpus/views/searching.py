"""The pairs nearest to a text, an image or another pair, among the embeddings of one model.

    search(corpus, text="a red circle", k=10)
    search(corpus, image=Path("photo.jpg"), side="text")        texts that describe a photo
    search(corpus, uid="0123456789ab")                          pairs like this one, itself left out

Exact: the index is asked where there is one that fits the embeddings, else every stored row is read. The model is
loaded only to encode a text or an image, from this machine alone: weights are never downloaded for a search. A pair
is asked for by the embedding of its image.
Cost: 0.16 s a query over a million rows of 512 numbers, and the model's own loading time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..corpus import Corpus, Layer, read_json
from ..errors import CorpusError, SourceError, UsageError, VlcorpusError
from ..io import table, vectors
from ..stages import models, registry
from .find import Found, find
from .layers import ALL, stats_or_none

Side = Literal["image", "text"]
LARGEST_IMAGE = 100_000_000  # bytes of a query image
_WORD = {"image": "img", "text": "text"}


@dataclass(frozen=True)
class Hit:
    rank: int
    similarity: float
    key: str
    uid: str
    caption: str
    url: str | None


@dataclass(frozen=True)
class Hits:
    """how: "index" or "scan"; note: why an index was not asked, where there is one."""

    model: str
    side: Side
    how: str
    rows: int
    hits: tuple[Hit, ...]
    note: str = ""


@dataclass(frozen=True)
class IndexAbout:
    """index.json: whose rows, of which dimension, how many of each shard."""

    model: str
    dimension: int
    rows: int
    shards: dict[str, int]


def search(
    corpus: Corpus,
    *,
    text: str | None = None,
    image: Path | None = None,
    uid: str | None = None,
    k: int = 10,
    model: str | None = None,
    side: Side = "image",
) -> Hits:
    """The k pairs whose image (or text) embedding has the greatest cosine with the query.

    Raises UsageError unless one of text, image and uid is given; CorpusError where nothing is embedded.
    """
    if sum(each is not None for each in (text, image, uid)) != 1:
        raise UsageError("one query is wanted: a text, an image or a uid", "as in --text 'a red circle'")
    layer = _embeddings(corpus, model)
    shards = layer.units()
    rows = [vectors.read(layer.path(f"{_WORD[side]}_emb/{_WORD[side]}_emb_{shard}.npy")) for shard in shards]
    total = sum(map(len, rows))
    own = -1
    if uid is not None:
        query, own = _of_pair(corpus, layer, shards, uid)
    else:
        query = _encoded(corpus, layer, model, text=text, image=image)
    wanted = min(k + (own >= 0), total)
    if not wanted:
        return Hits(layer.folder.name, side, "scan", 0, ())
    index, note = _index(corpus, layer, shards, rows, side)
    if index is not None:
        from ..knn import index_file

        scores, numbers = index_file.search(index, query[None], wanted)
    else:
        from ..knn import scan

        scores, numbers = scan.top(rows, query[None], wanted)
    near = [(int(row), float(score)) for row, score in zip(numbers[0], scores[0], strict=True) if row not in (-1, own)]
    hits = _hits(layer, shards, [len(each) for each in rows], near[:k])
    return Hits(layer.folder.name, side, "scan" if index is None else "index", total, hits, note)


def _embeddings(corpus: Corpus, model: str | None) -> Layer:
    """The layer meant by a folder name, a model reference, or nothing: the only one, or the one that is scored."""
    known = corpus.layers("embeddings")
    given = [name for name in known if model is not None and _given(corpus.layer(f"embeddings/{name}")) == model]
    if len(given) == 1 and model not in known:
        return corpus.layer(f"embeddings/{given[0]}")
    if model is None or model not in known:
        if model is None or not known:
            return models.embedded(corpus, models.scored(corpus) if len(known) > 1 else None)
        from ..clip.model import describe

        slug = describe(models.reference(corpus, model), download=False).slug
        if slug not in known:
            raise UsageError(f"no embeddings of {slug} in {corpus.path}", f"there are: {', '.join(known)}")
        return corpus.layer(f"embeddings/{slug}")
    return corpus.layer(f"embeddings/{model}")


def _of_pair(corpus: Corpus, layer: Layer, shards: Sequence[str], uid: str) -> tuple[NDArray[np.float32], int]:
    """The pair's image embedding as a unit vector, and its row among all rows."""
    place = find(corpus, uid)
    if isinstance(place, Found) and place.shard in shards:
        before = 0
        for shard in shards:
            about = table.read(layer.path(f"metadata/metadata_{shard}.parquet"), "embeddings-metadata", only=["uid"])
            if shard == place.shard:
                uids = about.column("uid").to_pylist()
                if place.uid.hex() in uids:
                    row = uids.index(place.uid.hex())
                    stored = vectors.read(layer.path(f"img_emb/img_emb_{shard}.npy"))[row].astype(np.float32)
                    return _unit(stored, f"the image of {place.uid.hex()}"), before + row
            before += len(about)
    raise VlcorpusError(
        f"{place.uid.hex()} has no embedding in {layer.name}",
        f"see why: `vlcorpus show {corpus.path} {place.uid.hex()}`",
    )


def _unit(row: NDArray[np.float32], what: str) -> NDArray[np.float32]:
    length = float(np.linalg.norm(row.astype(np.float64)))
    if not np.isfinite(length) or length == 0:
        raise VlcorpusError(f"{what} could not be encoded, so nothing is near it", "ask with another query")
    return (row / length).astype(np.float32)


def _encoded(
    corpus: Corpus, layer: Layer, model: str | None, *, text: str | None, image: Path | None
) -> NDArray[np.float32]:
    """The query's unit vector, by the model that made the layer."""
    encoder = _encoder(corpus, layer, model)
    if text is not None:
        return _unit(encoder.encode_texts([text])[0], "the text")
    from ..images.decode import Refused, decode

    assert image is not None
    try:
        with open(image, "rb") as file:
            body = file.read(LARGEST_IMAGE + 1)
    except OSError as error:
        raise SourceError(f"cannot read {image}: {error.strerror}", "name an image file") from error
    if len(body) > LARGEST_IMAGE:
        raise SourceError(f"{image} has more than {LARGEST_IMAGE} bytes", "name a smaller image")
    picture = decode(body)
    if isinstance(picture, Refused):
        raise SourceError(f"{image} is no image that can be read: {picture.reason}", "name a JPEG, PNG or WebP file")
    return _unit(encoder.encode_images(encoder.preprocess(picture.rgb)[None])[0], str(image))


def _encoder(corpus: Corpus, layer: Layer, model: str | None) -> Any:
    """The model of a layer: the one named, the one that the corpus recorded, or a probe of the corpus."""
    from ..clip.model import load

    named, given = model, _given(layer)
    own = model is None or model == layer.folder.name
    if own and given == "":
        raise UsageError(
            f"the model that made {layer.folder.name} is not known",
            "search by --uid, or import the embeddings again with --model",
        )
    try:
        if own and given is not None:
            named = given
        elif own:
            stats = layer.stats(layer.units()[-1])
            named = getattr(registry.recorded(corpus, stats), "model", None) if stats is not None else None
        encoder = load(models.reference(corpus, named), download=False)
    except VlcorpusError as error:
        raise type(error)(error.message, f"name the model of {layer.folder.name} with --model") from error
    dimension = vectors.read(layer.path(f"img_emb/img_emb_{layer.units()[0]}.npy")).shape[1]
    if given == named and encoder.dimension == dimension:
        return encoder  # who imported the vectors says that they are of this model
    if encoder.slug != layer.folder.name:
        raise UsageError(
            f"{named} is {encoder.slug}, and the embeddings are of {layer.folder.name}",
            "name the model that made them with --model",
        )
    return encoder


def _given(layer: Layer) -> str | None:
    """The model of imported embeddings as it was named, "" where it was not; None for those that were made here."""
    unit = next(iter(layer.units()), None)
    stats = stats_or_none(layer, unit) if unit is not None else None
    if stats is None or stats.get("stage") != "import-embeddings":
        return None
    return str(stats["settings"].get("model") or "")


def index_about(layer: Layer) -> IndexAbout:
    """index.json of a built index; CorpusError where it is not what `index` writes."""
    path = layer.path("index.json")
    found = read_json(path)
    try:
        shards = {str(name): int(rows) for name, rows in found["shards"].items()}
        return IndexAbout(str(found["model"]), int(found["dimension"]), int(found["rows"]), shards)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise CorpusError(f"damaged {path} ({error})", "build the index again: `vlcorpus index`") from error


def _index(
    corpus: Corpus, embeddings: Layer, shards: Sequence[str], rows: Sequence[Any], side: Side
) -> tuple[Any, str]:
    """The index to ask, or None with the reason where there is one that does not fit."""
    layer = corpus.layer(f"index/{embeddings.folder.name}")
    stats = stats_or_none(layer, ALL)
    if stats is None:
        return None, ""
    from ..knn import index_file

    try:
        about = index_about(layer)
        if about.model != embeddings.folder.name:
            return None, f"the index is of {about.model}; every row was read"
        if about.shards != dict(zip(shards, map(len, rows), strict=True)) or (
            stats.get("inputs", {}).get(embeddings.name) != embeddings.digest_all()
        ):
            return None, "the index is stale, so every row was read; `vlcorpus index` builds it again"
        return index_file.read_index(layer.path(f"{side}.index"), dimension=about.dimension, rows=about.rows), ""
    except VlcorpusError as error:
        return None, f"the index cannot be used ({error.message}), so every row was read"


def _hits(
    layer: Layer, shards: Sequence[str], sizes: Sequence[int], near: Sequence[tuple[int, float]]
) -> tuple[Hit, ...]:
    """Rows by number as pairs; only the tables of shards that hold one are read."""
    starts = np.concatenate([[0], np.cumsum(sizes)])
    by_shard: dict[int, list[int]] = {}
    for row, _ in near:
        by_shard.setdefault(int(np.searchsorted(starts, row, side="right")) - 1, []).append(row)
    about: dict[int, dict[str, Any]] = {}
    columns = ["key", "uid", "caption", "url"]
    for place, wanted in by_shard.items():
        path = layer.path(f"metadata/metadata_{shards[place]}.parquet")
        read = table.read(path, "embeddings-metadata", only=columns)
        if len(read) != sizes[place]:
            raise CorpusError(f"{path} has not the rows of its vectors", "run `vlcorpus verify` on the corpus")
        for row in wanted:
            about[row] = read.slice(row - int(starts[place]), 1).to_pylist()[0]
    return tuple(Hit(rank, score, **about[row]) for rank, (row, score) in enumerate(near, start=1))
