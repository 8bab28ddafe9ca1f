"""A shard's pictures and texts through a model: what `embed` and `score flipped` share.

    model = encoding.opened(reference, devices="cuda", precision="fp32", batch_size=256, loaders=None, threads=1)
    found = model.shard(corpus, "00000", tell)         found.rows, found.image_ND, found.text_ND, found.waits
    found = model.shard(corpus, "00000", tell, kept=blocks)        the same, from where an earlier run stood (io.blocks)

A picture is read from its shard's tar, decoded as `images.decode` has it, made as large as the model wants it and
handed on as bytes; several captions share it. Threads do this while the device computes (clip/stream.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..corpus import Corpus
from ..errors import CorpusError
from .base import Tell

if TYPE_CHECKING:
    from ..clip.encoder import Encoder
    from ..clip.stream import Waits
    from ..io.blocks import Blocks

_COLUMNS = ("uid", "key", "image_key", "caption", "url", "width", "height")
_CUDA_LOADERS = 8
IMAGE, TEXT = "image", "text"  # sides of what is kept


@dataclass(frozen=True)
class Picture:
    """One stored image, and where its bytes are."""

    shard: str
    key: str
    body: bytes


@dataclass(frozen=True)
class Encoded:
    """Row r of all three is the same pair. `rows` are of shards/NNNNN.parquet, with the columns _COLUMNS."""

    rows: list[dict[str, Any]]
    image_ND: Any
    text_ND: Any
    """Both float32 unit rows; a failed one is all NaN"""
    waits: Waits

    @property
    def about(self) -> dict[str, Any]:
        """What the stats say: pictures, and who waited for whom."""
        waits = self.waits
        return {
            "images": waits.images,
            "device_waited": round(waits.device, 6),
            "loader_waited": round(waits.loader, 6),
        }


@dataclass(frozen=True)
class Model:
    """A model on its devices, and how it is fed."""

    encoders: Sequence[Encoder]
    batch_size: int
    loaders: int
    threads: int

    @property
    def slug(self) -> str:
        return self.encoders[0].slug

    @property
    def dimension(self) -> int:
        return self.encoders[0].dimension

    @property
    def device(self) -> str:
        """What kind its devices are: vectors of one unit are all of one kind."""
        return self.encoders[0].device.type

    @property
    def about(self) -> dict[str, Any]:
        """What made the vectors: digest of the weights, preprocessing, arithmetic."""
        card, encoder = self.encoders[0].card, self.encoders[0]
        return {
            "name": card.name,
            "weights_hash": card.weights_hash,
            "preprocessing": card.preprocessing,
            "precision": encoder.precision,
        }

    def shard(
        self,
        corpus: Corpus,
        shard: str,
        tell: Tell,
        *,
        mirrored: bool = False,
        texts: bool = True,
        kept: Blocks | None = None,
    ) -> Encoded:
        """The pairs of a shard whose image is there. mirrored: pictures with left and right changed. kept: takes the
        vectors of each batch as they come, and gives those that are there already: in float16, so that all are to be
        stored so. CorpusError where table and tar disagree or a picture does not decode."""
        import contextlib

        from ..clip import stream

        rows = _rows(corpus, shard)
        waits = stream.Waits()
        with contextlib.ExitStack() as stack:
            stack.enter_context(stream.compute_threads(self.threads))
            told = None
            if texts:
                done = kept.of(TEXT) if kept is not None else ()
                told = stream.Texts([row["caption"] for row in rows], self.encoders, done=done)
                stack.enter_context(told)
            image_ND = self._images(corpus, shard, rows, tell, waits, mirrored, kept)

            def keep(vectors: Any) -> None:
                if kept is not None:
                    kept.add(TEXT, vectors)
                tell(len(rows), len(rows))

            return Encoded(rows, image_ND, told.rows(keep) if told is not None else None, waits)

    def _images(
        self,
        corpus: Corpus,
        shard: str,
        rows: list[dict[str, Any]],
        tell: Tell,
        waits: Waits,
        mirrored: bool,
        kept: Blocks | None,
    ) -> Any:
        import numpy as np

        from ..clip import stream

        # Rows of one image stand together.
        first = [n for n, row in enumerate(rows) if not n or row["image_key"] != rows[n - 1]["image_key"]]
        keys = [rows[n]["image_key"] for n in first]
        encoder = self.encoders[0]
        distinct = [np.zeros((0, self.dimension), np.float32)]
        distinct += [vectors.astype(np.float32) for vectors in (kept.of(IMAGE) if kept is not None else ())]
        waits.images = sum(map(len, distinct))
        batches = stream.images(
            pictures(corpus, shard, keys[waits.images :]),
            lambda picture, square: encoder.preprocess_into(decoded(corpus, picture), square),
            self.encoders,
            batch_size=encoder.block * -(-self.batch_size // encoder.block),
            loaders=self.loaders,
            waits=waits,
            mirrored=mirrored,
        )
        for vectors in batches:
            distinct.append(vectors)
            if kept is not None:
                kept.add(IMAGE, vectors)
            seen = first[waits.images] if waits.images < len(first) else len(rows)
            tell(seen, seen, lambda: {"waits": milliseconds(waits)})
        captions = np.diff([*first, len(rows)])
        return np.concatenate(distinct).repeat(captions, axis=0)


def milliseconds(waits: Waits) -> dict[str, int]:
    """What progress shows of them."""
    return {"device": round(1000 * waits.device), "loader": round(1000 * waits.loader), "images": waits.images}


def opened(
    reference: str,
    *,
    devices: str,
    precision: str,
    batch_size: int,
    loaders: int | None,
    threads: int,
) -> Model:
    """Load a model onto its devices. Errors as of `clip.model.load_copies`."""
    import os

    import cv2

    from ..clip.model import load_copies

    cv2.setNumThreads(1)  # its own threads would fight with the loaders
    encoders = load_copies(reference, devices, precision=precision)
    if loaders is None:
        loaders = 1 if encoders[0].device.type == "cpu" else min(_CUDA_LOADERS, os.cpu_count() or 1)
    return Model(encoders, batch_size, loaders, threads)


def pictures(corpus: Corpus, shard: str, keys: Sequence[str]) -> Iterator[Picture]:
    """The stored images of those keys, in order. CorpusError where one is not there."""
    from ..io import tar
    from .samples import IMAGES

    path = corpus.layer("shards").path(f"{shard}.tar")
    places = {entry.key: entry for entry in tar.scan(path) if entry.extension in IMAGES}
    with open(path, "rb") as file:
        for key in keys:
            if key not in places:
                raise CorpusError(f"{path} has no image {key}", f"run `vlcorpus verify {corpus.path}`")
            entry = places[key]
            file.seek(entry.offset)
            yield Picture(shard, key, file.read(entry.length))


def _rows(corpus: Corpus, shard: str) -> list[dict[str, Any]]:
    from .samples import with_image

    return with_image(corpus, shard, _COLUMNS)


def decoded(corpus: Corpus, picture: Picture) -> Any:
    """What `images.decode.decode` gives, blue first: (H, W, 3) uint8."""
    from ..images.colour import bgr_to_srgb
    from ..images.decode import Refused, read

    found = read(picture.body)
    if isinstance(found, Refused):
        raise CorpusError(
            f"image {picture.key} of shard {picture.shard} does not decode: {found.reason}",
            f"run `vlcorpus verify {corpus.path}`",
        )
    upright = found.upright()
    converted = None if upright.profile is None else bgr_to_srgb(upright.bgr, upright.profile)
    return upright.bgr if converted is None else converted
