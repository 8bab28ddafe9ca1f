"""What the routes share: the corpus, its searcher, and memories of bounded size.

    state = State(collection, Limits(), path)
    query = state.remember(query_D, side="image", without=(17,))   Query, found again by state.query(query.id)
    scores_N = state.scores(query)                                 exact, of every row; kept for the next time
    mask_N = state.mask("width >= 512")                            bool of every row
    found = await state.do(lambda: state.scores(query))            in a thread, within the deadline

What is taken down while the server runs is told no more from then on: each piece of work looks first.

Nothing is read at the start but what `open_collection` reads; arrays are mapped by the first search, and the model is
loaded by the first text or picture, once.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from ..errors import UsageError
from ..stages.places import is_url
from ..views.kept import Kept
from ..views.layers import ALL
from .answers import Refusal
from .drawing import Drawer
from .fetching import Fetching
from .limits import WHERE, Limits
from .pool import Pool

if TYPE_CHECKING:
    from ..corpus import Corpus
    from ..views.collection import Collection

Side = Literal["image", "text"]
Float32s = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Found = TypeVar("Found")

_MET = 65_536  # rows whose uid is known
_CHUNK_SECONDS = 60.0


@dataclass(frozen=True)
class Query:
    """A unit vector that was asked for. id names it in later questions; without: rows that it leaves out (its own)."""

    id: str
    vector_D: Float32s
    without: tuple[int, ...]


@dataclass(frozen=True)
class Upload:
    """A picture that was sent: its vector, and its size as sent."""

    vector_D: Float32s
    width: int
    height: int


class State:
    """corpus: None where a folder of clip-retrieval's is served. model: as the collection was opened with."""

    def __init__(
        self,
        collection: Collection,
        limits: Limits,
        place: str | Path,
        *,
        allow_urls: bool = False,
        allow_private: Sequence[str] = (),
        model: str | None = None,
    ) -> None:
        self.collection = collection
        self.corpus: Corpus | None = getattr(collection, "corpus", None)
        self.limits = limits
        self.place = str(place)
        self.path = self.corpus.path if self.corpus is not None else Path(place)
        self._asked = time.monotonic()
        self._model = model
        self.pool = Pool(threads=limits.threads, waiting=limits.waiting)
        self.drawer = Drawer(limits)
        self.fetching = Fetching(allow_private, limits) if allow_urls else None
        self.uploads: Kept[Upload] = Kept(limits.uploads)
        self.queries: Kept[Query] = Kept(limits.queries)
        self.uploading = 0
        self._opening = threading.Lock()
        self._encoding = threading.Lock()
        self._seen: tuple[tuple[str, int], ...] = ()
        self._seen = self._takedowns()
        self._forget()

    def _forget(self) -> None:
        """Begin to keep what is computed."""
        self.vectors: Kept[Float32s] = Kept(self.limits.queries)
        self._rows: Kept[int] = Kept(_MET)
        self.drawn: Kept[bytes] = Kept(self.limits.picture_bytes, lambda body: len(body) + 64)
        self._scores: Kept[Float32s] = Kept(self.limits.score_bytes, lambda found: found.nbytes)
        self.encoded = False

    def _takedowns(self) -> tuple[tuple[str, int], ...]:
        """The takedowns that are there, and when each was written: cheap enough to look at each time."""
        from ..stages.takedowns import layers

        before, found = dict(self._seen), {}
        for layer in layers(self.corpus) if self.corpus is not None else ():
            try:
                found[layer.name] = layer.path(layer.marker(ALL)).stat().st_mtime_ns
            except OSError:  # it is being written: until it is there again, what it said before holds
                if layer.name in before:
                    found[layer.name] = before[layer.name]
        return tuple(sorted(found.items()))

    def follow(self) -> None:
        """Where something was taken down since, open the corpus again: what was taken down is told no more."""
        if self.corpus is None:
            return
        if is_url(self.corpus.place) and time.monotonic() - self._asked > self.limits.refresh_seconds:
            self._asked = time.monotonic()
            self.corpus.refresh()
        if self._takedowns() == self._seen:
            return
        from ..views.collection import open_collection

        with self._opening:
            seen = self._takedowns()
            if seen != self._seen:
                self.collection = open_collection(self.place, model=self._model)
                self._forget()
                self._seen = seen

    @property
    def name(self) -> str:
        return self.collection.name

    def told(self, text: str) -> str:
        """A text for whoever asks, who need not know where on this machine the corpus lies."""
        for place in dict.fromkeys((str(self.path.absolute()), self.place) if is_url(self.place) else ()):
            text = text.replace(place, self.name)
        return text.replace(str(self.path.absolute()), self.name)

    async def do(self, work: Callable[[], Found], *, seconds: float | None = None) -> Found:
        """What `work` gives, computed in a thread. Refusal 503 where it is late, 429 where too much else waits."""

        def followed() -> Found:
            self.follow()
            return work()

        return await self.pool.do(followed, seconds=seconds if seconds is not None else self.limits.seconds)

    async def stream(self, chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
        """`chunks`, each made in a thread when it is wanted."""
        source: Iterator[bytes] = iter(chunks)
        while (chunk := await self.pool.do(lambda: next(source, None), seconds=_CHUNK_SECONDS)) is not None:
            yield chunk

    @property
    def model_seconds(self) -> float:
        """The deadline of what needs the model: longer until it has been loaded."""
        return self.limits.seconds if self.encoded else self.limits.loading_seconds

    def row_of(self, uid: str) -> int:
        """The row of a uid. Refusal 410 where it was taken down, VlcorpusError where there is none."""
        row = self._rows.get(uid, lambda: self.collection.row_of(uid))
        if self.taken_down(row):
            raise Refusal(410, "that pair was taken down")
        return row

    def met(self, uid: str | None, row: int) -> None:
        """A row that is told: its uid is not looked for when it is asked with."""
        if uid is not None:
            self._rows.get(uid, lambda: row)

    def of_pair(self, uid: str) -> Float32s:
        """The unit vector of a pair, by its image where there are vectors of images: float32 (D,)."""
        from ..knn.query import Term, combine

        row = self.row_of(uid)
        stored_1D = self.collection.searcher(self.collection.sides[0]).vectors(np.array([row]))
        length = float(np.linalg.norm(stored_1D))
        if not np.isfinite(length) or not length:
            return self.collection.encode(Term(1.0, "uid", uid))  # it says what is wrong with it
        return combine([1.0], stored_1D)

    def of_words(self, words: str) -> Float32s:
        """The unit vector of a text: float32 (D,)."""
        from ..knn.query import Term

        with self._encoding:  # it loads once, and one at a time asks it
            found = self.collection.encode(Term(1.0, "text", words))
            self.encoded = True
        return found

    def of_picture(self, body: bytes) -> Float32s:
        """The unit vector of a picture that was drawn here: float32 (D,)."""
        with self._encoding:
            found = self.collection.encode_picture(body)
            self.encoded = True
        return found

    def remember(self, vector_D: Float32s, *, without: Sequence[int] = ()) -> Query:
        """The query of a vector; its id is the same for the same vector."""
        own = tuple(sorted(set(without)))
        seed = vector_D.astype("<f4").tobytes() + np.asarray(own, "<i8").tobytes()
        query = Query(hashlib.blake2b(seed, digest_size=16).hexdigest(), vector_D, own)
        self.queries.put(query.id, query)
        return query

    def query(self, id: str) -> Query:
        """Refusal 404 where it was never asked, or too long ago."""
        found = self.queries.held(id)
        if found is None:
            raise Refusal(404, "that query is not remembered", "search again, and use the id of the answer")
        return found

    def scores(self, query: Query, side: Side = "image") -> Float32s:
        """The exact similarity of every row: float32 (N,), NaN for rows without direction, taken down, or left out.

        Read only: it is kept.
        """
        return self._scores.get((query.id, side), lambda: self._scored(query, side))

    def _scored(self, query: Query, side: Side) -> Float32s:
        found = np.asarray(self.collection.searcher(side).scores(query.vector_D), np.float32)
        found[list(query.without)] = np.nan
        found.setflags(write=False)
        return found

    def mask(self, where: str | None) -> Bools | None:
        """Which rows a filter keeps: bool (N,); None without a filter. UsageError for what is none."""
        if where is None or not where.strip():
            return None
        if len(where) > WHERE:
            raise UsageError(f"the filter has more than {WHERE:,} characters", "ask for less")
        return self.collection.mask(where)

    def taken_down(self, row: int) -> bool:
        removed_N = self.collection.removed()
        return removed_N is not None and bool(removed_N[row])

    def sided(self, side: str) -> Side:
        """`side`, if the collection has it."""
        if side not in self.collection.sides:
            raise Refusal(400, f"there are no {side} vectors here", f"there are: {', '.join(self.collection.sides)}")
        return "image" if side == "image" else "text"

    def close(self) -> None:
        self.drawer.close()
        if self.fetching is not None:
            self.fetching.close()
