"""import-embeddings: vectors that came with a list become the embeddings of the pairs that have images.

    vlcorpus import-embeddings CORPUS laion/embeddings --model ViT-B-32/openai
    vlcorpus import-embeddings CORPUS datacomp/metadata --arrays l14

What img2dataset, clip-retrieval, LAION and DataComp leave beside a list (web.folders.vectors tells the layouts) is
written as embeddings/NAME.given/, in the layout that `embed` writes: row r is the r-th pair with an image of its shard.
So `score similarity`, `filter --min-sim`, `index` and `search` work on them at once. NAME is the model where it is
named, else the arrays' name or the folder's; .given says that nobody here knows its weights: no threshold of a model of
ours is taken for it.

Vectors are unit rows in fp16; what is no unit vector is made one. A vector that has no direction (zero, NaN) is
`bad_vector`; a pair that the tables do not name is refused, or, with --missing null, `no_vector`. Both are NaN, and
their similarity is null. Nothing but names, sizes, tables and three pieces of each array names the source.

Cost: 10 to 18 microseconds a pair of 512 numbers a vector (benchmarks/import_embeddings.py); where arrays are packed
(numpy.savez_compressed) and far from the order of the pairs, each is unpacked again for every shard. Not for pairs
without images: download first.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, OrderedDict
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import spec
from ..corpus import Corpus, Layer
from ..errors import CorpusError, SourceError, UsageError
from ..spec import setting
from . import places
from .base import ALL, Stage, Tell, Work
from .content import digest_of_all

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ..io.vectors import Vectors as Halves
    from ..web.folders.vectors import VectorFile, Vectors
    from .vector_rows import Pairs, Places

GIVEN = "given"
NO_VECTOR, BAD_VECTOR = "no_vector", "bad_vector"
HELD_FILES = 4
_PIECE = 1 << 16  # bytes of each of the three pieces that name an array
_STEP = 16_384  # rows that are made unit vectors at once
_LONGEST = 100
_ABOUT = ("image_key", "caption", "url", "key", "uid", "width", "height")


@dataclass(frozen=True, kw_only=True)
class ImportEmbeddings(Stage):
    """Bring embeddings that came with a list (clip-retrieval, LAION, DataComp)."""

    name = "import-embeddings"
    makes = "embeddings"

    folders: tuple[str, ...] = setting(
        help="Folders with img_emb, text_emb and metadata, or with .npz files beside their tables.",
        positional=True,
        result=False,  # what is in them is an input
        path=True,
    )
    model: str | None = setting(
        None,
        help="Model that made them, as ViT-B-32/openai: names them; the arrays or the first folder do if not given.",
        result=False,  # the layer's name
    )
    arrays: str | None = setting(None, help="Which arrays of .npz files, as l14; may be left out if they have one.")
    missing: str = setting(
        "refuse",
        help="What pairs without a vector are: an error, or null, which has no similarity.",
        choices=("refuse", "null"),
        result=False,  # where all have one, both are the same
    )

    def located(self) -> Stage:
        return replace(self)

    def uses(self) -> tuple[str, ...]:
        return ("shards",)

    def layer(self, corpus: Corpus) -> Layer:
        return corpus.layer(f"embeddings/{self.slug}")

    @property
    def slug(self) -> str:
        named = self.model or self.arrays or (places.name(self.folders[0]) if self.folders else "")
        words = re.sub(r"[^A-Za-z0-9._-]+", ".", named).strip("._-")[:_LONGEST]
        return f"{words or 'embeddings'}.{GIVEN}"

    def _path(self, folder: str) -> Path:
        return places.fetched(folder, "import-embeddings")

    def inputs(self, corpus: Corpus, unit: str) -> dict[str, str]:
        shards = corpus.layer("shards")
        own = shards.digest_all() if unit == ALL else shards.digest(unit)
        return {"shards": own, "source": self._source(corpus)}

    def _source(self, corpus: Corpus) -> str:
        """Names the vectors; folders that are gone are taken to hold what they held."""
        if any(self._path(folder).is_dir() for folder in self.folders):
            return self.content
        return str(((self.layer(corpus).stats(ALL) or {}).get("inputs") or {}).get("source", ""))

    def check(self, corpus: Corpus) -> None:
        if not self.folders:
            raise UsageError("no embeddings are named (import-embeddings: folders)", "name the folder that holds them")
        if self._source(corpus) and not any(self._path(folder).is_dir() for folder in self.folders):
            return  # what was made of them is there; if it has to be made again, open says what is missing
        assert self.looked

    @cached_property
    def looked(self) -> tuple[Vectors, ...]:
        """What is in the folders. SourceError where that are no embeddings of one model."""
        from ..web.folders.vectors import look

        found = tuple(look(self._path(folder), self.arrays) for folder in self.folders)
        for folder, each in zip(self.folders, found, strict=True):
            if each.dimension != found[0].dimension:
                raise SourceError(
                    f"{folder} has vectors of {each.dimension} numbers, and {self.folders[0]} of {found[0].dimension}",
                    "import the embeddings of each model on their own",
                )
        return found

    @cached_property
    def content(self) -> str:
        """Names what is in the folders, wherever they lie."""
        parts = []
        for folder, found in zip(self.folders, self.looked, strict=True):
            root = self._path(folder)
            arrays = {place.path for each in found.files for place in (each.image, each.text)}
            named = [(path.relative_to(root).as_posix(), _pieces(path)) for path in sorted(arrays)]
            parts.append([digest_of_all(root, [each.table for each in found.files]), named])
        return spec.digest(parts)

    def open(self, corpus: Corpus) -> Work:
        from .vector_rows import Pairs, find

        def bring(unit: str, tell: Tell) -> None:
            if not corpus.layer("shards").units():
                raise CorpusError(
                    f"no pair of {corpus.place} has an image yet",
                    f"download first: `vlcorpus download {corpus.place}`, then give the embeddings again",
                )
            pairs = Pairs(corpus)
            places = find(pairs, self.looked, tell)
            self._refuse(corpus, pairs, places)
            totals: Counter[str] = Counter()
            with _Opened(places.files) as opened:
                about: dict[str, Any] = {
                    "model": self.slug,
                    "dimension": self.looked[0].dimension,
                    "matched": ", ".join(places.ways),
                }
                for number, shard in enumerate(pairs.shards):
                    stats = self._shard(corpus, shard, *places.of(number), opened, about)
                    totals += Counter({"seen": stats["seen"], "kept": stats["kept"]}) + Counter(stats["rejected"])
                    tell(totals["seen"], totals["kept"])
            with self.commit(corpus, unit) as commit:
                seen, kept = totals.pop("seen", 0), totals.pop("kept", 0)
                commit.finish(seen=seen, kept=kept, rejected=totals, **about)

        return bring

    def _refuse(self, corpus: Corpus, pairs: Pairs, places: Places) -> None:
        """Refuse vectors of something else, and, unless told otherwise, pairs that have none."""
        lost, named = places.missing, ", ".join(self.folders)
        if not len(lost):
            return
        if len(lost) == len(pairs):
            raise SourceError(
                f"{named} names none of the {len(pairs)} pairs with images in {corpus.place}",
                "are these the embeddings of this list? their tables need uid, or url and caption as in the list",
            )
        if self.missing == "refuse":
            import numpy as np

            shard = pairs.shards[int(np.searchsorted(pairs.starts, lost[0], side="right")) - 1]
            raise SourceError(
                f"{len(lost)} of {len(pairs)} pairs have no vector in {named}, the first in shard {shard}",
                "name all folders at once, or leave those pairs without similarity: --missing null",
            )

    def _shard(
        self,
        corpus: Corpus,
        shard: str,
        file_N: npt.NDArray[np.int32],
        row_N: npt.NDArray[np.int64],
        opened: _Opened,
        about: dict[str, Any],
    ) -> dict[str, Any]:
        """Commit the vectors of one shard, where that is not done; its stats."""
        from ..io import table, vectors
        from .samples import with_image

        commit = self.commit(corpus, shard)
        done = self.layer(corpus).stats(shard)
        if done is not None and done["fingerprint"] == commit.fingerprint:
            return done
        rows = with_image(corpus, shard, _ABOUT)
        listed = [{"image_path": row["image_key"], **{name: row[name] for name in _ABOUT[1:]}} for row in rows]
        image_ND, text_ND, good_N = opened.rows(file_N, row_N, about["dimension"])
        lost = int((file_N < 0).sum())
        kept = int(good_N.sum())
        rejected = {NO_VECTOR: lost, BAD_VECTOR: len(rows) - lost - kept}
        with commit:
            vectors.write(commit, f"img_emb/img_emb_{shard}.npy", image_ND)
            vectors.write(commit, f"text_emb/text_emb_{shard}.npy", text_ND)
            made = table.columns(listed, "embeddings-metadata")
            table.write(commit, f"metadata/metadata_{shard}.parquet", made, "embeddings-metadata")
            return commit.finish(seen=len(rows), kept=kept, rejected=rejected, **about)


class _Opened:
    """The given arrays by number of their file; a few are held."""

    def __init__(self, files: tuple[VectorFile, ...]) -> None:
        self._files = files
        self._held: OrderedDict[int, tuple[Any, Any]] = OrderedDict()

    def __enter__(self) -> _Opened:
        return self

    def __exit__(self, *exception: object) -> None:
        self._held.clear()

    def rows(
        self, file_N: npt.NDArray[np.int32], row_N: npt.NDArray[np.int64], dimension: int
    ) -> tuple[Halves, Halves, npt.NDArray[np.bool_]]:
        """Unit vectors of images and texts, and which rows have both; NaN where there is none."""
        import numpy as np

        from ..web.folders.arrays import unit

        sides: list[Halves] = [np.full((len(file_N), dimension), np.nan, np.float16) for _ in range(2)]
        good_N = file_N >= 0
        for number in np.unique(file_N[good_N]).tolist():
            own = np.flatnonzero(file_N == number)
            own = own[np.argsort(row_N[own], kind="stable")]  # read forwards
            for side, given in zip(sides, self._arrays(number), strict=True):
                for start in range(0, len(own), _STEP):
                    some = own[start : start + _STEP]
                    side[some], has = unit(given[row_N[some]])
                    good_N[some] &= has
        return sides[0], sides[1], good_N

    def _arrays(self, number: int) -> tuple[Any, Any]:
        if number not in self._held:
            while len(self._held) >= HELD_FILES:
                self._held.popitem(last=False)
            self._held[number] = self._files[number].arrays()
        self._held.move_to_end(number)
        return self._held[number]


def _pieces(path: Path) -> tuple[int, str]:
    """The size of a file, and a digest of its beginning, middle and end."""
    state = hashlib.blake2b(digest_size=16)
    try:
        size = path.stat().st_size
        with open(path, "rb") as file:
            for at in (0, size // 2, max(0, size - _PIECE)):
                file.seek(at)
                state.update(file.read(_PIECE))
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}", "give a file that you may read") from error
    return size, state.hexdigest()
