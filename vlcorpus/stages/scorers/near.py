"""What `--near` names: vectors of images that are wanted, from wherever they come.

    look(Path("birds.npy"))           (M, D) vectors in a .npy file; nothing is unpickled
    look(Path("laion-embeddings"))    clip-retrieval's layout: img_emb/*.npy, or the .npy files of the folder itself
    look(Path("other-corpus"))        the image embeddings that another corpus has of the same model
    look(Path("photos"))              images, in folders of any depth: encoded with the model of the embeddings

Every source gives arrays (m, D), the same ones each time it is iterated, so that a million vectors need no memory of
their own. Images are encoded when a worker opens the score, once for each worker; of many thousands, make a corpus and
embed it once. A picture that does not decode is counted and left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ... import spec
from ...corpus import FILE, Corpus, Layer
from ...errors import CorpusError, SourceError
from .. import places
from ..content import digest_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ..score import Score

    Vectors = npt.NDArray[np.floating]

IMAGES = frozenset((".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif"))
MOST_IMAGES = 1_000_000
MOST_BYTES = 100_000_000
BATCH = 64


class Near(Protocol):
    """The arrays of a source, again and again; how many vectors they have, and how many of the source's gave none."""

    count: int
    lost: int

    def __iter__(self) -> Iterator[Vectors]: ...


class Source(Protocol):
    def digest(self, embeddings: Layer) -> str:
        """Names what is there, wherever it lies."""
        ...

    def open(self, stage: Score, corpus: Corpus, embeddings: Layer) -> Near: ...


def look(near: str | Path) -> Source:
    """What lies at a path, or which corpus at an address. SourceError where it is nothing of the kind."""
    if places.is_url(str(near)) and places.is_corpus(str(near)):
        return _OtherCorpus(str(near))
    path = places.fetched(str(near), "near", "a .npy file or a folder of images or embeddings")
    if path.is_file():
        if path.suffix.lower() != ".npy":
            raise SourceError(
                f"{path} is no .npy file of vectors", "give (M, D) vectors as numpy.save writes them, or a folder"
            )
        return _Files((path,))
    if not path.is_dir():
        raise SourceError(f"{path} is not there", "give a .npy file, a folder of images or embeddings, or a corpus")
    if (path / FILE).is_file():
        return _OtherCorpus(str(path))
    found = sorted((path / "img_emb").glob("*.npy")) or sorted(path.glob("*.npy"))
    if found:
        return _Files(tuple(found))
    images = _images(path)
    if not images:
        raise SourceError(f"{path} has neither images nor vectors", "name a folder with jpg, png, webp or .npy files")
    return _Images(path, tuple(images))


def digest(stage: Score, corpus: Corpus) -> str:
    """Names what is near, looked at once a plan."""
    assert stage.near is not None
    if "near" not in stage.looked:
        stage.looked["near"] = look(stage.near).digest(stage.followed(corpus))
    return stage.looked["near"]


def check(stage: Score) -> None:
    """Refuse what is no source of vectors, before any work."""
    if stage.near is not None:
        source = look(stage.near)
        if isinstance(source, _Files):
            source.shapes()


def vectors(stage: Score, corpus: Corpus, dimension: int) -> Near:
    """What is near, to be compared with embeddings of that dimension. SourceError where it has another, or nothing."""
    assert stage.near is not None
    found = look(stage.near).open(stage, corpus, stage.followed(corpus))
    for block in found:
        if block.shape[1] != dimension:
            raise SourceError(
                f"{stage.near} has vectors of {block.shape[1]} numbers, and the embeddings of {dimension}",
                "give vectors of the model that made the embeddings",
            )
    if not found.count:
        raise SourceError(f"no vector of {stage.near} has a direction: all are zero or not finite", "look at the file")
    return found


@dataclass(frozen=True)
class _Files:
    """.npy files, each (m, D)."""

    paths: tuple[Path, ...]

    def shapes(self) -> list[tuple[int, int]]:
        from ...web.folders.arrays import Place, shape

        return [shape(Place(path)) for path in self.paths]

    def digest(self, embeddings: Layer) -> str:
        return spec.digest([digest_of(path) for path in self.paths])

    def open(self, stage: Score, corpus: Corpus, embeddings: Layer) -> Near:
        from ...web.folders.arrays import Place, array

        return _Arrays([lambda path=path: array(Place(path)) for path in self.paths])


@dataclass(frozen=True)
class _OtherCorpus:
    place: str

    def _layer(self, embeddings: Layer) -> Layer:
        found = places.opened(self.place).layer(embeddings.name)
        if not found.units():
            slug = embeddings.name.partition("/")[2]
            raise CorpusError(f"{self.place} has no embeddings of {slug}", f"make them: `vlcorpus embed {self.place}`")
        return found

    def digest(self, embeddings: Layer) -> str:
        return self._layer(embeddings).digest_all()

    def open(self, stage: Score, corpus: Corpus, embeddings: Layer) -> Near:
        from ...io import vectors

        layer = self._layer(embeddings)
        names = [f"img_emb/img_emb_{unit}.npy" for unit in layer.units()]
        return _Arrays([lambda name=name: vectors.read(layer.path(name)) for name in names])


@dataclass(frozen=True)
class _Images:
    root: Path
    paths: tuple[Path, ...]

    def digest(self, embeddings: Layer) -> str:
        return spec.digest([(path.relative_to(self.root).as_posix(), digest_of(path)) for path in self.paths])

    def open(self, stage: Score, corpus: Corpus, embeddings: Layer) -> Near:
        import numpy as np

        from ...images.decode import Refused, decode

        encoder = _encoder(stage, corpus, embeddings)
        batch: list[Any] = []
        made: list[Vectors] = []
        lost = 0

        def encode() -> None:
            if batch:
                made.append(encoder.encode_images(np.stack(batch)).astype(np.float16))  # as embeddings are stored
                batch.clear()

        for path in self.paths:
            body = _bytes(path)
            picture = decode(body) if body is not None else None
            if picture is None or isinstance(picture, Refused):
                lost += 1
                continue
            batch.append(encoder.preprocess(picture.rgb))
            if len(batch) == (stage.batch_size or BATCH):
                encode()
        encode()
        if not made:
            raise SourceError(f"none of the {lost} images in {self.root} decodes", "give jpg, png or webp files")
        whole = np.concatenate(made)
        return _Arrays([lambda: whole], lost=lost)


class _Arrays:
    """Arrays that are opened when it is their turn."""

    def __init__(self, arrays: list[Any], *, lost: int = 0) -> None:
        from ...scores.directions import good_rows

        self._arrays = arrays
        rows = good = 0
        for each in self:
            rows += len(each)
            good += int(good_rows(each).sum())
        self.count, self.lost = good, lost + rows - good

    def __iter__(self) -> Iterator[Vectors]:
        for each in self._arrays:
            yield each()


def _encoder(stage: Score, corpus: Corpus, embeddings: Layer) -> Any:
    """The model that made the embeddings. SourceError where it is not known, or is no longer the same."""
    from ...clip.model import load
    from .. import models, registry
    from ..embed import Embed

    units = embeddings.units()
    stats = embeddings.stats(units[-1]) if units else None
    maker = registry.recorded(corpus, stats) if stats is not None else None
    slug = embeddings.name.partition("/")[2]
    if not isinstance(maker, Embed):
        raise SourceError(
            f"the model of {slug} is not known here, so images cannot be encoded with it",
            "give vectors of that model, as a .npy file",
        )
    encoder = load(models.reference(corpus, maker.model), device=stage.device, precision=maker.precision)
    if encoder.slug != slug:
        raise SourceError(f"{maker.model} is now {encoder.slug}, and the embeddings are of {slug}", "embed again")
    return encoder


def _images(root: Path) -> list[Path]:
    """Image files below a folder, by name. Links to folders are not entered."""
    import os

    found = []
    for folder, below, names in os.walk(root):
        below.sort()
        place = Path(folder)
        found += [place / name for name in sorted(names) if Path(name).suffix.lower() in IMAGES]
        if len(found) > MOST_IMAGES:
            raise SourceError(
                f"{root} has more than {MOST_IMAGES} images", "import it as a corpus, embed it, and name that"
            )
    return [path for path in found if path.is_file()]


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes() if path.stat().st_size <= MOST_BYTES else None
    except OSError:
        return None
