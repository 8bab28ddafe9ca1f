"""The terms of a query as vectors, by the embeddings of a corpus and the model that made them.

    encoder = Encoder(corpus, layer)                       layer: embeddings/ViT-B-32.openai.1a2b3c4d
    encoder.vector(Term(1.0, "text", "a red car"))         float32 (D,), a unit vector
    encoder.vector(Term(1.0, "uid", "3f0c52a1"))           that of the pair's image, as it is stored
    row_of(corpus, layer, "3f0c52a1...")                   ("00003", 17): shard, and row of its embeddings

A pair is named by its uid, the beginning of one (6 characters and more) or its key. The model is loaded for the first
text or image, from this machine alone: weights are never downloaded for a query, and a pair or a .npy file needs none.
Cost: of a uid, reading the uid column up to the shard that has it: 1 ms for 10,000 rows; of a text or image the model's
own, once.
"""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..corpus import Corpus, Layer
from ..errors import CorpusError, SourceError, UsageError, VlcorpusError
from ..io import table, vectors
from . import models, registry

if TYPE_CHECKING:
    import pyarrow as pa

    from ..knn.query import Term

LARGEST_IMAGE = 100_000_000  # bytes of a query image
LARGEST_VECTOR = 16_000_000  # bytes of a .npy file with one vector
LEAST_PREFIX = 6
_MOST_NAMED = 5

Vector = npt.NDArray[np.float32]


class Encoder:
    """Vectors of terms. model: what encodes texts and images, where it is not what the corpus recorded. May be asked
    from several threads."""

    def __init__(self, corpus: Corpus, layer: Layer, model: str | None = None) -> None:
        units = layer.units()
        if not units:
            raise CorpusError(f"no {layer.name} in {corpus.place}", f"make them: `vlcorpus embed {corpus.place}`")
        self._corpus, self._layer, self._model = corpus, layer, model
        self.dimension = int(vectors.read(layer.path(f"img_emb/img_emb_{units[0]}.npy")).shape[1])
        self._loaded: Any = None
        self._lock = threading.Lock()

    @property
    def named(self) -> bool:
        """Whether it is known what encodes texts and images."""
        own = self._model is None or self._model == self._layer.folder.name
        return not own or given(self._layer) != ""

    def vector(self, term: Term) -> Vector:
        """The unit vector of a term, without its weight. A VlcorpusError of some kind where there is none."""
        if term.kind == "text":
            return self._text(term.value)
        if term.kind == "image":
            return self.picture(read_image(Path(term.value)), term.value)
        if term.kind == "uid":
            return self._pair(term.value)
        if term.kind == "vector":
            return read_vector(Path(term.value), self.dimension)
        raise UsageError("upload: names a picture that a server holds", "name the file: image:photo.jpg")

    def picture(self, body: bytes, name: str = "the image") -> Vector:
        """The unit vector of an image's bytes. SourceError for what is no image."""
        rgb = pixels(body, name)
        with self._lock:
            encoder = self._encoder()
            return unit(encoder.encode_images(encoder.preprocess(rgb)[None])[0], name)

    def _text(self, words: str) -> Vector:
        with self._lock:
            return unit(self._encoder().encode_texts([words])[0], f"the text {words[:40]!r}")

    def _pair(self, name: str) -> Vector:
        shard, row = row_of(self._corpus, self._layer, name)
        stored = vectors.read(self._layer.path(f"img_emb/img_emb_{shard}.npy"))
        return unit(stored[row], f"the image of {name}")

    def _encoder(self) -> Any:
        if self._loaded is None:
            self._loaded = _encoder(self._corpus, self._layer, self._model, self.dimension)
        return self._loaded


def unit(row: npt.ArrayLike, what: str) -> Vector:
    """A row as a unit vector. VlcorpusError where it has no direction."""
    wide = np.asarray(row, dtype=np.float64)
    length = float(np.linalg.norm(wide))
    if not np.isfinite(length) or length == 0:
        raise VlcorpusError(f"{what} has no direction, so nothing is near it", "ask with another query")
    return (wide / length).astype(np.float32)


def read_image(path: Path) -> bytes:
    """The bytes of an image file. SourceError where it cannot be read or is too large."""
    try:
        with open(path, "rb") as file:
            body = file.read(LARGEST_IMAGE + 1)
    except (OSError, ValueError) as error:
        raise SourceError(
            f"cannot read {path}: {getattr(error, 'strerror', None) or error}", "name an image file"
        ) from error
    if len(body) > LARGEST_IMAGE:
        raise SourceError(f"{path} has more than {LARGEST_IMAGE} bytes", "name a smaller image")
    return body


def pixels(body: bytes, name: str) -> Any:
    """An image's bytes as RGB pixels. SourceError with the reason for what is no image."""
    from ..images.decode import Refused, decode

    found = decode(body)
    if isinstance(found, Refused):
        raise SourceError(f"{name} is no image that can be read: {found.reason}", "name a JPEG, PNG or WebP file")
    return found.rgb


def read_vector(path: Path, dimension: int) -> Vector:
    """The one vector of a .npy file, (D,) or (1, D), as a unit vector. Nothing is unpickled. SourceError for others."""
    hint = f"give one vector of {dimension} numbers, as numpy.save writes it"
    try:
        if path.stat().st_size > LARGEST_VECTOR:
            raise SourceError(f"{path} is larger than one vector", hint)
        rows = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise SourceError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}", hint) from error
    if not isinstance(rows, np.ndarray) or rows.dtype.kind != "f" or rows.shape not in ((dimension,), (1, dimension)):
        what = f"{rows.dtype} of shape {rows.shape}" if isinstance(rows, np.ndarray) else "several arrays"
        raise SourceError(f"{path} holds {what}, and the embeddings have {dimension} numbers", hint)
    return unit(rows.reshape(dimension), str(path))


def row_of(corpus: Corpus, layer: Layer, name: str) -> tuple[str, int]:
    """Shard, and row within its embeddings, of the pair that a uid, the beginning of one, or a key names.

    UsageError for what names no pair, or several; VlcorpusError where there is none with an embedding.
    """
    import pyarrow.compute as pc

    name = name.strip().lower()
    if re.fullmatch(r"[0-9]+", name) and len(name) == len(corpus.key("0" * corpus.digits, 0)):
        shard = name[: corpus.digits]
        if shard in layer.units():
            place = pc.index(_column(layer, shard, "key"), name).as_py()
            if place >= 0:
                return shard, place
    if not re.fullmatch(r"[0-9a-f]{1,32}", name):
        raise UsageError(f"{name!r} is neither a uid nor a key", "a uid has 32 hex characters; a key only digits")
    if len(name) < LEAST_PREFIX:
        raise UsageError(f"{name!r} is too short", f"give at least {LEAST_PREFIX} characters of the uid")
    found: list[tuple[str, int, str]] = []
    for shard in layer.units():
        column = _column(layer, shard, "uid")
        if len(name) == 32:
            place = pc.index(column, name).as_py()
            if place >= 0:
                return shard, place
            continue
        places = pc.indices_nonzero(pc.starts_with(column, name)).to_pylist()
        found += [(shard, place, column[place].as_py()) for place in places]
    if len(found) > 1:
        named = ", ".join(uid for _, _, uid in found[:_MOST_NAMED])
        more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
        raise UsageError(f"{len(found)} uids begin with {name}", f"give more of it: {named}{more}")
    if not found:
        raise VlcorpusError(
            f"{name} has no embedding in {layer.name}", f"see why: `vlcorpus show {corpus.place} {name}`"
        )
    return found[0][:2]


def _column(layer: Layer, shard: str, name: str) -> pa.ChunkedArray:
    return table.read(layer.path(f"metadata/metadata_{shard}.parquet"), "embeddings-metadata", only=[name]).column(name)


def _encoder(corpus: Corpus, layer: Layer, model: str | None, dimension: int) -> Any:
    """The model of a layer: the one named, the one that the corpus recorded, or a probe of the corpus."""
    named, imported = model, given(layer)
    own = model is None or model == layer.folder.name
    if own and imported == "":
        raise UsageError(
            f"the model that made {layer.folder.name} is not known",
            "search by --uid, or import the embeddings again with --model",
        )
    from ..clip.model import load

    try:
        if own and imported is not None:
            named = imported
        elif own:
            stats = layer.stats(layer.units()[-1])
            named = getattr(registry.recorded(corpus, stats), "model", None) if stats is not None else None
        encoder = load(models.reference(corpus, named), download=False)
    except VlcorpusError as error:
        raise type(error)(error.message, f"name the model of {layer.folder.name} with --model") from error
    if imported == named and encoder.dimension == dimension:
        return encoder  # who imported the vectors says that they are of this model
    if encoder.slug != layer.folder.name:
        raise UsageError(
            f"{named} is {encoder.slug}, and the embeddings are of {layer.folder.name}",
            "name the model that made them with --model",
        )
    return encoder


def given(layer: Layer) -> str | None:
    """The model of imported embeddings as it was named, "" where it was not; None for those that were made here."""
    unit = next(iter(layer.units()), None)
    stats = layer.stats(unit) if unit is not None else None
    if stats is None or stats.get("stage") != "import-embeddings":
        return None
    return str(stats["settings"].get("model") or "")
