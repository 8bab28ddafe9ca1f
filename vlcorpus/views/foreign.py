"""A folder of clip-retrieval's as a collection to be searched: its vectors, tables and indices as they lie there.

    FolderCollection(Path("laion-embeddings"), model="ViT-B-32/openai")

    img_emb/*.npy        vectors of images, text_emb/*.npy of texts: fp16 or fp32, (n, D); one side is enough
    metadata/*.parquet   what each row is: image_path, caption, url, ... ; or metadata/*.arrow (Arrow's file format)
    image.index          autofaiss's or any other faiss index whose ids are row numbers; text.index likewise

Files are taken in the lexical order of their names, as clip-retrieval and autofaiss take them, and the order is all
that joins them: so numbers of files and of rows must agree, or the folder is refused. It has uids only where its tables
have a column of that name. Texts and images are encoded by the model that a person names. A corpus's own
embeddings/<model> is such a folder, too. Stored images are not asked for: tables of strangers name paths, and those are
never followed.

Cost: opening reads headers and footers, 0.2 ms a file; a filter, the columns that it names.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .. import expression
from ..errors import CorpusError, SourceError, UsageError, VlcorpusError, nearest
from ..stages import queries
from .collection import SIDES, WORD, Pair, Side
from .foreign_tables import Described, short
from .masks import Masks

if TYPE_CHECKING:
    from ..expression.build import Predicate
    from ..knn.query import Term
    from ..knn.searcher import Searcher

Mask = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

FOREIGN = "foreign"  # a kind of index that others chose and tuned
DEPTH = 10  # rows of its shortlist for each row wanted: their codes are coarse
_KEYS = ("key", "image_path")
_ABOUT = ("uid", *_KEYS, "caption", "url", "width", "height")


def is_folder(path: Path) -> bool:
    """Whether a folder is laid out as clip-retrieval lays it out."""
    return any((path / f"{WORD[side]}_emb").is_dir() for side in SIDES)


class FolderCollection:
    """See views.collection.Collection."""

    has_pictures = False

    def __init__(self, path: Path, *, model: str | None = None) -> None:
        self.path = path
        self.name = path.resolve().name
        self.model = model or self.name
        self._named = model
        found = {side: _arrays(path / f"{WORD[side]}_emb") for side in SIDES}
        self.sides: tuple[Side, ...] = tuple(side for side in SIDES if found[side])
        if not self.sides:
            raise CorpusError(f"{path} has no vectors", "img_emb/ or text_emb/ holds .npy files of (n, D) numbers")
        self._arrays = {side: found[side] for side in self.sides}
        first = self._arrays[self.sides[0]]
        self.shards = tuple(name for name, _ in first)
        sizes = [len(rows) for _, rows in first]
        self.dimension = int(first[0][1].shape[1])
        self.starts: Ints = np.cumsum([0, *sizes], dtype=np.int64)
        self.rows = int(self.starts[-1])
        for side in self.sides:
            self._check(side, sizes)
        self._tables = Described(path / "metadata", sizes)
        self.notes: list[str] = []
        self._lock = threading.RLock()
        self._searchers: dict[Side, Searcher] = {}
        self._encoder: Any = None
        self._masks = Masks(self._mask, self._compiled)

    def _check(self, side: Side, sizes: Sequence[int]) -> None:
        """CorpusError unless a side has the rows and the dimension of the first one."""
        folder = self.path / f"{WORD[side]}_emb"
        found = [len(rows) for _, rows in self._arrays[side]]
        if found != list(sizes):
            raise CorpusError(
                f"{folder} has files of {short(found)} rows, and the others have {short(sizes)}",
                "both sides must come from one run; copy the folder again",
            )
        for name, rows in self._arrays[side]:
            if rows.shape[1] != self.dimension:
                raise CorpusError(
                    f"{folder / name} has vectors of {rows.shape[1]} numbers, and others have {self.dimension}",
                    "all vectors must be of one model",
                )

    @property
    def can_encode(self) -> bool:
        return self._named is not None

    def searcher(self, side: Side = "image") -> Searcher:
        if side not in self.sides:
            raise UsageError(f"{self.path} has no {side} vectors", f"it has: {', '.join(self.sides)}")
        with self._lock:
            if side not in self._searchers:
                self._searchers[side] = self._opened(side)
            return self._searchers[side]

    def _opened(self, side: Side) -> Searcher:
        """With the faiss index beside the vectors, or a note where there is one that does not fit."""
        from ..knn import quantised
        from ..knn.searcher import Searcher

        shards = [rows for _, rows in self._arrays[side]]
        path = self.path / f"{side}.index"
        if path.exists():
            try:
                index = quantised.read(path, dimension=self.dimension, vectors=self.rows)
                return Searcher(shards, quantised.OpenIndex(index, FOREIGN, {"depth": DEPTH}), removed=None)
            except VlcorpusError as error:
                self.notes.append(f"{side}.index cannot be used ({error.message}), so every row was read")
        return Searcher(shards, None, removed=None)

    def removed(self) -> Mask | None:
        return None

    def pairs(self, rows: Sequence[int], columns: Sequence[str] = ()) -> list[Pair]:
        known = self._tables.types
        for name in columns:
            if name not in known:
                raise UsageError(f"there is no column {name!r}", nearest(name, known))
        wanted = dict.fromkeys([*(name for name in _ABOUT if name in known), *columns])
        told = self._tables.take(rows, list(wanted))
        return [self._pair(int(row), each, columns) for row, each in zip(rows, told, strict=True)]

    def _pair(self, row: int, told: dict[str, Any], columns: Sequence[str]) -> Pair:
        number = int(np.searchsorted(self.starts, row, side="right")) - 1
        place = row - int(self.starts[number])
        uid, key = told.get("uid"), next((told[name] for name in _KEYS if told.get(name) is not None), None)
        width, height = (told.get(name) for name in ("width", "height"))
        return Pair(
            row=row,
            shard=self.shards[number],
            place=place,
            uid=uid.hex() if isinstance(uid, bytes) else None if uid is None else str(uid),
            key=f"{self.shards[number]}:{place}" if key is None else str(key),
            caption=str(told.get("caption") or ""),
            url=None if told.get("url") is None else str(told["url"]),
            width=width if isinstance(width, int) else None,
            height=height if isinstance(height, int) else None,
            more={name: told[name] for name in columns},
        )

    def columns(self) -> dict[str, str]:
        return dict(self._tables.types)

    def mask(self, where: str) -> Mask:
        return self._masks.of(where)

    def _compiled(self, where: str) -> Predicate:
        return expression.compile(where, self._tables.types)

    def _mask(self, part: str) -> Mask:
        wanted = self._compiled(part)
        found = [wanted.mask(batch).to_numpy(zero_copy_only=False) for batch in self._tables.batches(wanted.columns)]
        whole: Mask = np.concatenate([np.empty(0, bool), *found])
        if len(whole) != self.rows:
            raise CorpusError(f"{self.path / 'metadata'} has changed", "open the folder again")
        return whole

    def row_of(self, uid: str) -> int:
        if "uid" not in self._tables.types:
            raise UsageError(f"the tables of {self.path} have no uids", "search by --text, --image or --vector")
        found = self._tables.index("uid", uid.strip())
        if found is None:
            raise VlcorpusError(f"no pair {uid} in {self.path}", "uids stand in the uid column of metadata/*.parquet")
        return found

    def groups(self, rows: Sequence[int]) -> Ints:
        return np.full(len(rows), -1, np.int64)

    def picture(self, row: int) -> bytes | None:
        return None

    def encode(self, term: Term) -> npt.NDArray[np.float32]:
        if term.kind == "uid":
            row = self.row_of(term.value)
            number = int(np.searchsorted(self.starts, row, side="right")) - 1
            stored = self._arrays[self.sides[0]][number][1][row - int(self.starts[number])]
            return queries.unit(stored, f"the image of {term.value}")
        if term.kind == "vector":
            return queries.read_vector(Path(term.value), self.dimension)
        if term.kind == "image":
            return self.encode_picture(queries.read_image(Path(term.value)))
        if term.kind == "text":
            with self._lock:
                return queries.unit(self._model().encode_texts([term.value])[0], f"the text {term.value[:40]!r}")
        raise UsageError("upload: names a picture that a server holds", "name the file: image:photo.jpg")

    def encode_picture(self, body: bytes) -> npt.NDArray[np.float32]:
        rgb = queries.pixels(body, "the image")
        with self._lock:
            encoder = self._model()
            return queries.unit(encoder.encode_images(encoder.preprocess(rgb)[None])[0], "the image")

    def _model(self) -> Any:
        """The model that was named, loaded from this machine alone."""
        if self._encoder is None:
            if self._named is None:
                raise UsageError(
                    f"{self.path} does not say which model made its vectors", "name it, as --model ViT-B-32/openai"
                )
            from ..clip.model import load
            from ..stages.models import probe_folder

            encoder = load(str(probe_folder(Path(self._named)) or self._named), download=False)
            if encoder.dimension != self.dimension:
                raise UsageError(
                    f"{self._named} gives vectors of {encoder.dimension} numbers, and {self.path} has {self.dimension}",
                    "name the model that made them with --model",
                )
            self._encoder = encoder
        return self._encoder


def _arrays(folder: Path) -> list[tuple[str, npt.NDArray[np.floating]]]:
    """Name and rows of each .npy file, memory-mapped, in the order of names."""
    return [(re.sub(r"^(img|text)_emb_", "", path.stem), _rows(path)) for path in _files(folder, "*.npy")]


def _files(folder: Path, pattern: str) -> Iterator[Path]:
    yield from sorted(path for path in folder.glob(pattern) if path.is_file())


def _rows(path: Path) -> npt.NDArray[np.floating]:
    try:
        rows = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise SourceError(f"cannot read {path}: {error}", "copy the file again") from error
    if not isinstance(rows, np.ndarray) or rows.ndim != 2 or rows.dtype not in (np.float16, np.float32):
        raise SourceError(f"{path} does not hold (n, D) rows of float16 or float32", "nothing else can be searched")
    return rows
