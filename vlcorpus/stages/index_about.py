"""index.json: what an index is, and whose rows its ids are.

    about = read(layer)                              CorpusError where it is not what `index` writes
    about.side("image").parameters                   {"depth": 40}
    about.row_of_id(shards, sizes)                   the row of each id, -1 for a dead one; None: ids are rows

Ids are given once: those of a shard that came later stand behind those of all earlier ones, and a shard that was made
anew leaves dead ids where it was and has new ones at the end. So an index grows without being built again, and
segments say which is which.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from .. import schema
from ..corpus import Layer, read_json
from ..errors import CorpusError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

FILE = "index.json"
VERSION = 2
SIDES = ("image", "text")
EXACT, ADOPTED = "exact", "adopted"
_AGAIN = "build the index again: `vlcorpus index CORPUS --rebuild`"


@dataclass(frozen=True)
class Segment:
    """Ids of one shard, as its embeddings with that digest were. dead: they stand for nothing any more."""

    shard: str
    digest: str
    rows: int
    dead: bool = False


@dataclass(frozen=True)
class Side:
    """One side of an index. file is None where every stored row is read; bytes: of it, which searching holds."""

    kind: str
    file: str | None
    vectors: int
    bytes: int
    factory: str
    parameters: Mapping[str, int]
    recalls: Mapping[str, Mapping[str, float | int | None]]
    sweep: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class About:
    model: str
    dimension: int
    rows: int
    segments: tuple[Segment, ...]
    kind: str
    why: str
    seed: int
    target: float
    image: Side
    text: Side

    def side(self, name: str) -> Side:
        return self.image if name == "image" else self.text

    @property
    def ids(self) -> int:
        """Ids that were given, dead ones included."""
        return sum(segment.rows for segment in self.segments)

    @property
    def shards(self) -> dict[str, str]:
        """Digest of each shard that is in the index."""
        return {segment.shard: segment.digest for segment in self.segments if not segment.dead}

    def row_of_id(self, shards: Sequence[str], sizes: Sequence[int]) -> npt.NDArray[np.int64] | None:
        return row_of_id(self.segments, shards, sizes)


def row_of_id(segments: Sequence[Segment], shards: Sequence[str], sizes: Sequence[int]) -> npt.NDArray[np.int64] | None:
    """Rows of ids, int64 (ids,): None where id r is row r. shards, sizes: the embeddings, in order."""
    import numpy as np

    live = [(segment.shard, segment.rows) for segment in segments if segment.rows and not segment.dead]
    if live == [each for each in zip(shards, sizes, strict=True) if each[1]] and not any(
        segment.dead and segment.rows for segment in segments
    ):
        return None
    starts = dict(zip(shards, np.cumsum([0, *sizes]).tolist(), strict=False))
    parts = [
        np.full(segment.rows, -1, np.int64)
        if segment.dead
        else np.arange(starts[segment.shard], starts[segment.shard] + segment.rows, dtype=np.int64)
        for segment in segments
    ]
    return np.concatenate([np.zeros(0, np.int64), *parts])


def written(about: About, latency: Mapping[str, Any]) -> dict[str, Any]:
    """What index.json says."""
    plain = asdict(about)
    plain["segments"] = [_without_false(segment) for segment in plain["segments"]]
    return {"version": VERSION, **plain, "latency": dict(latency)}


def _without_false(segment: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in segment.items() if value is not False}


def digest(text: Mapping[str, Any]) -> str:
    """Names what index.json says, without what differs between two equal runs."""
    from .. import spec

    volatile = schema.table("index").volatile
    return spec.digest({name: value for name, value in text.items() if name not in volatile})


def dumped(text: Mapping[str, Any]) -> bytes:
    return (json.dumps(text, indent=1) + "\n").encode()


def read(layer: Layer) -> About:
    """index.json of a built index. CorpusError where it is missing, damaged or of an earlier version."""
    path = layer.path(FILE)
    found = read_json(path)
    if isinstance(found, dict) and isinstance(version := found.get("version", 1), int) and version < VERSION:
        raise CorpusError("it is of an earlier version", _AGAIN)
    try:
        return parsed(found)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise CorpusError(f"damaged {path} ({error})", _AGAIN) from error


def parsed(found: Any) -> About:
    """What index.json says. TypeError, KeyError, ValueError or AttributeError where it is none."""
    if found.get("version") != VERSION:
        raise ValueError(f"version {found.get('version', 1)}, not {VERSION}")
    segments = tuple(
        Segment(str(each["shard"]), str(each["digest"]), _count(each["rows"]), bool(each.get("dead", False)))
        for each in found["segments"]
    )
    image, text = (_side(found[name]) for name in SIDES)
    return About(
        model=str(found["model"]), dimension=_count(found["dimension"]), rows=_count(found["rows"]),
        segments=segments, kind=str(found["kind"]), why=str(found["why"]), seed=int(found["seed"]),
        target=float(found["target"]), image=image, text=text,
    )  # fmt: skip


def _side(found: Any) -> Side:
    file = found["file"]
    if file is not None and file not in {"image.index", "text.index"}:
        raise ValueError(f"file {file!r}")
    parameters = {str(name): _count(value) for name, value in found["parameters"].items()}
    return Side(
        str(found["kind"]), file, _count(found["vectors"]), _count(found["bytes"]),
        str(found["factory"]), parameters, dict(found["recalls"]), list(found["sweep"]),
    )  # fmt: skip


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is no count")
    return value
