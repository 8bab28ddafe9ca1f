"""Which text of a pair is meant: its own, or one of several caption layers by probability.

    captions = parse(("alt_text=0.7", "recaption=0.3"))         Captions(("alt_text", "recaption"), (0.7, 0.3))
    of_rows(corpus, "00000", "recaption", rows)                 a text or None for each row of shards/00000.parquet
    of_members(members, "json:recaption")                       the text of a sample of any WebDataset tar

| name | in a corpus | in a tar |
|---|---|---|
| alt_text, txt | the pair's own caption | KEY.txt |
| json:NAME | NAME of the list's additional columns | NAME in KEY.json |
| NAME | captions/NAME/NNNNN.parquet: uid, caption | KEY.NAME |

A pair without a text in one layer has that of the first, which is counted; one without any has no caption. Texts are
looked at for their first 2,000 characters.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..corpus import Corpus
from ..errors import CorpusError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

OWN = "alt_text"
LONGEST = 2_000
_SAME = {"txt": OWN}
_JSON = "json:"
_NAME = re.compile(r"json:\S(?:.*\S)?|[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Captions:
    """shares add up to 1."""

    names: tuple[str, ...] = (OWN,)
    shares: tuple[float, ...] = (1.0,)

    def layers(self) -> tuple[str, ...]:
        """The layers of a corpus that hold them."""
        return tuple(f"captions/{name}" for name in self.names if is_layer(name))


def is_layer(name: str) -> bool:
    return name != OWN and not name.startswith(_JSON)


def parse(words: Sequence[str]) -> Captions:
    """NAME or NAME=SHARE, one a layer; none at all is the pair's own. UsageError for what means nothing."""
    names: list[str] = []
    shares: list[float] = []
    for word in words:
        name, equals, share = word.rpartition("=") if "=" in word else (word, "", "")
        name = _SAME.get(name, name)
        try:
            number = float(share) if equals else 1.0
        except ValueError:
            number = math.nan
        if not _NAME.fullmatch(name) or not 0 < number < math.inf:
            raise UsageError(f"{word!r} is no caption layer (captions)", "write NAME or NAME=SHARE, as recaption=0.3")
        if name in names:
            raise UsageError(f"{name!r} is named twice (captions)", "name each layer once")
        if ("=" in word) != ("=" in words[0]):
            raise UsageError(f"{word!r}: some layers have a share and some have none (captions)", "give each a share")
        names.append(name)
        shares.append(number)
    if not names:
        return Captions()
    return Captions(tuple(names), tuple(share / math.fsum(shares) for share in shares))


def of_rows(corpus: Corpus, shard: str, name: str, rows: Sequence[Mapping[str, Any]]) -> list[str | None]:
    """The text of each row, which has `uid` (hex), `caption` and, for json:NAME, `additional`."""
    if name == OWN:
        return [_text(row["caption"]) for row in rows]
    if name.startswith(_JSON):
        return [_of_json((row["additional"] or "").encode("utf-8", "replace"), name) for row in rows]
    known = _layer(corpus, shard, name)
    return [known.get(row["uid"]) for row in rows]


def of_members(members: Mapping[str, bytes], name: str) -> str | None:
    if name.startswith(_JSON):
        return _of_json(members.get("json", b""), name)
    body = members.get("txt" if name == OWN else name.lower())
    return None if body is None else _text(body[: 4 * LONGEST].decode("utf-8", "replace"))


def extensions(captions: Captions) -> set[str]:
    """Members of a tar that hold the texts."""
    return {"json" if name.startswith(_JSON) else "txt" if name == OWN else name.lower() for name in captions.names}


def digests(corpus: Corpus, captions: Captions) -> dict[str, str]:
    """A digest of each layer of the corpus that is read: by the layer's name, with a colon for one that was written by
    other means and has no commits. UsageError for one that is not there."""
    found = {}
    for name in captions.layers():
        layer, files = corpus.layer(name), files_of(corpus, name)
        if all(layer.stats(each.removesuffix(".parquet")) is not None for each in files):
            found[name] = layer.digest_all()
        else:
            found[name.replace("/", ":", 1)] = _of_files(layer.paths(files))
    return found


def files_of(corpus: Corpus, layer: str) -> tuple[str, ...]:
    """Names of the tables of a caption layer. UsageError where there are none."""
    files = corpus.layer(layer).names("*.parquet")
    if not files:
        known = ", ".join([OWN, *corpus.layers("captions")])
        raise UsageError(f"no {layer} in {corpus.place} (captions)", f"there are: {known}")
    return files


def chosen_layer(captions: Captions, uids_N16: NDArray[np.uint8], seed: int, epoch: int) -> NDArray[np.int64]:
    """(N,): the layer that each pair takes in an epoch, drawn by its uid alone."""
    import numpy as np

    from ..scores.draws import draws

    stream = int.from_bytes(hashlib.blake2b(f"captions {epoch}".encode(), digest_size=6).digest())
    drawn = (draws(uids_N16, seed, stream) >> np.uint64(11)) * 2.0**-53
    found: NDArray[np.int64] = np.searchsorted(np.cumsum(captions.shares), drawn, side="right")
    return np.minimum(found, len(captions.shares) - 1)


def _layer(corpus: Corpus, shard: str, name: str) -> dict[str, str]:
    """uid (hex) to text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = corpus.layer(f"captions/{name}").path(f"{shard}.parquet")
    if not path.is_file():
        return {}
    try:
        found = pq.read_table(path, columns=["uid", "caption"])
        uids, texts = found.column("uid").to_pylist(), found.column("caption").to_pylist()
    except (OSError, pa.ArrowException, KeyError) as error:
        raise CorpusError(f"{path} does not hold uid and caption: {error}", "write it again") from error
    if not all(isinstance(text, str | None) for text in texts):
        raise CorpusError(f"the captions in {path} are no texts", "write it again")
    named = zip(uids, texts, strict=True)
    return {uid.hex() if isinstance(uid, bytes) else str(uid): text for uid, text in named if _text(text) is not None}


def _of_json(body: bytes, name: str) -> str | None:
    try:
        value = json.loads(body)[name.removeprefix(_JSON)]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return _text(value.encode("utf-8", "replace").decode()) if isinstance(value, str) else None


def _text(text: str | None) -> str | None:
    return text[:LONGEST] if text and not text.isspace() else None


def _of_files(paths: Sequence[Path]) -> str:
    state = hashlib.blake2b(digest_size=16)
    for path in paths:
        with open(path, "rb") as file:
            state.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    return state.hexdigest()
