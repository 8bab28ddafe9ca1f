"""Which row of which given array belongs to each pair with an image.

    pairs = Pairs(corpus)                           all of them, shard after shard
    places = find(pairs, found, tell)               pairs.shards[k] -> places.of(k): (file, row) of each of its pairs

The tables beside the arrays are compared with the pairs in several ways, and the way that finds most is taken, for one
folder one way; of two rows of the same pair the first one counts:

| way | the table has | the pair has |
|---|---|---|
| uid | uid, in 32 hex | the same uid |
| url and text | url and caption | the uid that import would give them |
| given uid and text | uid, or any identifier, and caption | that given_uid and words |
| given uid | uid of 16 characters or more, no texts | that given_uid |
| image path and text | image_path and caption | that given_uid (img2dataset's key) and words |
| key and text | image_path and caption | that image_key and words |

Words are asked for because identifiers as short as 000000012 are in every list. A pair's identifier that is another's,
too, finds nothing.

Cost: 1 to 3 microseconds a row of the tables and of the pairs for each way that is tried; some 100 bytes a pair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..corpus import Corpus
from ..io import table
from ..placement.keys import with_identities
from .base import Tell

if TYPE_CHECKING:
    from ..web.folders.vectors import VectorFile, Vectors

Keys = npt.NDArray[np.bytes_]  # 16 bytes each
Numbers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
_LEAST_UID = 16  # characters of an identifier that is believed without the words
_COLUMNS = ("status", "uid", "image_key", "caption")


class Pairs:
    """The pairs with images of all committed shards, in order."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus
        self.shards = corpus.layer("shards").units()
        sizes = [pc.sum(self._good(shard)).as_py() or 0 for shard in self.shards]
        self.starts = np.cumsum([0, *sizes], dtype=np.int64)

    def __len__(self) -> int:
        return int(self.starts[-1])

    def _good(self, shard: str) -> pa.ChunkedArray:
        path = self._corpus.layer("shards").path(f"{shard}.parquet")
        return pc.equal(table.read(path, "shards", only=["status"]).column("status"), "success")

    def rows(self, shard: str) -> pa.Table:
        """uid, image_key, caption and given_uid of a shard's pairs with images."""
        path = self._corpus.layer("shards").path(f"{shard}.parquet")
        found = table.read(path, "shards", only=list(_COLUMNS))
        path = self._corpus.layer("candidates").path(f"{shard}.parquet")
        given = table.read(path, "candidates", only=["given_uid"]).column("given_uid")
        whole = found.append_column("given_uid", given)
        return whole.filter(pc.equal(whole.column("status"), "success")).combine_chunks()


@dataclass(frozen=True)
class Places:
    """file, row: of each pair, in the order of Pairs; -1 where no table names it. ways: how they were found."""

    starts: Numbers
    files: tuple[VectorFile, ...]
    file: npt.NDArray[np.int32]
    row: Numbers
    ways: tuple[str, ...]

    @property
    def missing(self) -> Numbers:
        return np.flatnonzero(self.file < 0)

    def of(self, number: int) -> tuple[npt.NDArray[np.int32], Numbers]:
        """File and row of the pairs of shard `number`."""
        own = slice(self.starts[number], self.starts[number + 1])
        return self.file[own], self.row[own]


def find(pairs: Pairs, folders: Sequence[Vectors], tell: Tell) -> Places:
    """Look for every pair in the tables of the folders; an earlier folder goes first."""
    file, row = np.full(len(pairs), -1, np.int32), np.full(len(pairs), -1, np.int64)
    files: list[VectorFile] = []
    ways: list[str] = []
    for found in folders:
        best: tuple[int, str, npt.NDArray[np.int32], Numbers] | None = None
        for way in WAYS:
            own = _searched(pairs, found.files, way)
            count = int(np.count_nonzero((own[0] >= 0) & (file < 0)))
            if best is None or count > best[0]:
                best = count, way.name, *own
            tell(len(pairs), int(np.count_nonzero((file >= 0) | (best[2] >= 0))))
            if best[0] == np.count_nonzero(file < 0):
                break
        if best is not None and best[0]:
            new = (file < 0) & (best[2] >= 0)
            file[new], row[new] = best[2][new] + len(files), best[3][new]
            ways.append(best[1])
        files += found.files
    return Places(pairs.starts, tuple(files), file, row, tuple(dict.fromkeys(ways)))


@dataclass(frozen=True)
class _Way:
    """own, theirs: the key of each row of Pairs.rows, and of `described`; with the rows that have one."""

    name: str
    own: Callable[[pa.Table], tuple[Keys, Mask]]
    theirs: Callable[[pa.Table], tuple[Keys, Mask]]


def _searched(pairs: Pairs, files: Sequence[VectorFile], way: _Way) -> tuple[npt.NDArray[np.int32], Numbers]:
    """File and row of each pair that the tables name in one way."""
    from ..web.folders.vectors import described

    own, good = (np.concatenate(each) for each in zip(*_own_keys(pairs, way), strict=True))
    order = np.argsort(own, kind="stable")
    ordered = own[order]
    twice = ordered[1:] == ordered[:-1]
    alone = good[order] & ~np.append(twice, False) & ~np.insert(twice, 0, False)
    ordered, order = ordered[alone], order[alone]
    file, row = np.full(len(own), -1, np.int32), np.full(len(own), -1, np.int64)
    for number, each in enumerate(files):
        start = 0
        for part in described(each):
            keys, has = way.theirs(part)
            wanted = np.flatnonzero(has)
            if len(wanted) and len(ordered):
                place = np.minimum(np.searchsorted(ordered, keys[wanted]), len(ordered) - 1)
                hit = ordered[place] == keys[wanted]
                found, first = np.unique(order[place[hit]], return_index=True)
                new = file[found] < 0
                file[found[new]] = number
                row[found[new]] = start + wanted[hit][first[new]]
            start += len(part)
    return file, row


def _own_keys(pairs: Pairs, way: _Way) -> Iterator[tuple[Keys, Mask]]:
    yield np.empty(0, "S16"), np.empty(0, bool)
    for shard in pairs.shards:
        yield way.own(pairs.rows(shard))


def _of_uids(column: str) -> Callable[[pa.Table], tuple[Keys, Mask]]:
    """32 hex characters as the 16 bytes that they are."""

    def keys(rows: pa.Table) -> tuple[Keys, Mask]:
        texts = pc.ascii_lower(rows.column(column))
        good = pc.fill_null(pc.match_substring_regex(texts, "^[0-9a-f]{32}$"), False).combine_chunks()
        hexed = pc.if_else(good, texts, "0" * 32).to_pylist()
        return np.frombuffer(bytes.fromhex("".join(hexed)), "S16"), good.to_numpy(zero_copy_only=False)

    return keys


def _of_pairs(rows: pa.Table) -> tuple[Keys, Mask]:
    """The uid that import gives to URL and words."""
    asked = rows.select(["url", "alt_text", "reason"]).append_column("image_hash", pa.nulls(len(rows), pa.binary(16)))
    uids = with_identities(asked, texts=False).column("uid")
    filled = pc.fill_null(uids, bytes(16)).to_pylist()
    return np.frombuffer(b"".join(filled), "S16"), uids.is_valid().to_numpy()


def _of_texts(column: str, words: str | None) -> Callable[[pa.Table], tuple[Keys, Mask]]:
    """An identifier, with the words of its pair, or (None) long enough and without any."""

    def keys(rows: pa.Table) -> tuple[Keys, Mask]:
        names = rows.column(column).to_pylist()
        if words is not None:
            texts: list[Any] = rows.column(words).to_pylist()
            good = [name is not None and text is not None for name, text in zip(names, texts, strict=True)]
        else:
            good = [name is not None and len(name) >= _LEAST_UID for name in names]
            texts = [""] * len(names)
        hashed = [_hash(*each) if has else bytes(16) for has, *each in zip(good, names, texts, strict=True)]
        return np.frombuffer(b"".join(hashed), "S16"), np.array(good, bool)

    return keys


def _textless(rows: pa.Table) -> tuple[Keys, Mask]:
    """Identifiers of a table that has no texts."""
    keys, good = _of_texts("uid", None)(rows)
    return keys, good & rows.column("alt_text").is_null().to_numpy()


def _hash(name: str, text: str) -> bytes:
    said = name.encode("utf-8", "surrogatepass")
    return blake2b(b"%d:%b%b" % (len(said), said, text.encode("utf-8", "surrogatepass")), digest_size=16).digest()


WAYS = (
    _Way("uid", _of_uids("uid"), _of_uids("uid")),
    _Way("url and text", _of_uids("uid"), _of_pairs),
    _Way("given uid and text", _of_texts("given_uid", "caption"), _of_texts("uid", "alt_text")),
    _Way("given uid", _of_texts("given_uid", None), _textless),
    _Way("image path and text", _of_texts("given_uid", "caption"), _of_texts("path", "alt_text")),
    _Way("key and text", _of_texts("image_key", "caption"), _of_texts("path", "alt_text")),
)
