"""The formats of an export that hold no images: DataComp's subset file, and a list that img2dataset reads.

    uids    OUT/<split>/00000.npy        every uid that is taken, sorted, as often as it is taken (io/subset.py)
    urls    OUT/<split>/00000.parquet …  url, caption, uid and what is known of each pair, shard_rows rows a file

They need no images: their pairs are those of the decision, over candidates or images, and all candidates without one.

The uid is the corpus's own, or the one that the list gave (candidates.given_uid: DataComp's, img2dataset's), if it has
up to 32 hex digits. Where two pairs were given the same one, it stands once, as often as it is wanted most: a reader
takes each sample of that uid so often, and would take both twice. The other pair counts as `same_uid`. Weights repeat
entries of uids; a list of URLs has a pair once, with its weight beside it, since it is fetched once.

Cost: uids 0.25 microseconds a pair and 120 MB; urls 6 microseconds, and shard_rows rows of each split in memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..corpus import Corpus, Layer
from ..errors import UsageError
from . import export_formats as formats
from .base import Stage, Tell, UnitCommit
from .export_samples import NOT_DRAWN, SIMILARITY

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from .subsets import Chosen, Verdicts

OWN, GIVEN = UID_KINDS = ("own", "given")
SAME_UID, NO_URL = "same_uid", "no_url"
LIST = "scores/list"
UNIT = 0  # a subset file is one, however many rows a shard has


@dataclass
class Outcome:
    """sizes: entries or rows, by split and file. rejected: pairs by reason. about: what else the commit says."""

    kept: int = 0
    sizes: dict[str, dict[str, int]] = field(default_factory=dict)
    rejected: Counter[str] = field(default_factory=Counter)
    about: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Lists:
    """Where and how lists are written. uids: own, given, or None: given where every pair that is taken has one."""

    stage: Stage
    corpus: Corpus
    layer: Layer
    inputs: Mapping[str, str]
    shard_rows: int
    repeat: bool
    seed: int
    uids: str | None
    tell: Tell

    def folder(self, split: str) -> Layer:
        return self.layer.below(split)

    def commit(self, split: str, number: int) -> UnitCommit:
        shard = f"{number:0{self.corpus.digits}d}"
        inputs = {**self.inputs, "split": split, "shard": shard}
        return UnitCommit(self.stage, self.corpus, self.folder(split), shard, inputs)


class _NotGiven(UsageError):
    """A pair whose given uid cannot be one of 128 bits."""


def write_uids(lists: Lists, choose: Any) -> Outcome:
    """The subset files. choose: gives a Chosen, from its start."""
    if lists.uids is not None:
        return _uids(lists, choose(), lists.uids)
    try:
        return _uids(lists, choose(), GIVEN)
    except _NotGiven:
        return _uids(lists, choose(), OWN)


def _uids(lists: Lists, chosen: Chosen, kind: str) -> Outcome:
    from contextlib import ExitStack

    import numpy as np

    from ..io import subset

    made = Outcome(about={"uids": kind})
    with ExitStack() as stack:
        gathered: dict[str, subset.Gathering] = {}
        for verdicts in _verdicts(lists, chosen, made):
            for split, uids_T16, copies_T in entries(verdicts, kind, repeat=lists.repeat, seed=lists.seed):
                drawn = np.flatnonzero(copies_T)
                made.rejected[NOT_DRAWN] += len(copies_T) - len(drawn)
                if len(drawn):
                    if split not in gathered:
                        gathered[split] = stack.enter_context(subset.Gathering(lists.folder(split).folder))
                    gathered[split].add(*subset.rows(drawn, uids_T16, copies_T))
        for split, gathering in sorted(gathered.items()):
            listed = gathering.arrange()
            with lists.commit(split, UNIT) as commit:
                formats.clear(lists.folder(split), commit.unit, but=formats.UIDS)
                name = formats.holder(commit.unit, formats.UIDS)
                with commit.file(name) as sink:
                    gathering.write(sink)
                seen, merged = listed.uids + listed.merged, {SAME_UID: listed.merged}
                commit.finish(seen=seen, kept=listed.uids, rejected=merged, entries=listed.entries, endings=[])
            made.sizes[split] = {name: listed.entries}
            made.kept += listed.uids
            made.rejected[SAME_UID] += listed.merged
            formats.write_sizes(lists.folder(split), made.sizes[split])
    made.about["entries"] = sum(sum(each.values()) for each in made.sizes.values())
    return made


def entries(
    verdicts: Verdicts, kind: str, *, repeat: bool, seed: int
) -> Iterator[tuple[str, npt.NDArray[np.uint8], npt.NDArray[np.int64]]]:
    """(split, uids of the T pairs of a shard that are taken in it, how often each is listed, which may be 0)."""
    import numpy as np

    from ..io import subset
    from .subsets import copies

    taken = np.flatnonzero(verdicts.taken_N)
    own, weights, splits = subset.rows(taken, verdicts.uids_N16, verdicts.weights_N, verdicts.split_N)
    times = copies(weights, own, seed) if repeat else np.ones(len(taken), np.int64)
    uids = own if kind == OWN else _given(verdicts, taken)
    for number, split in enumerate(verdicts.splits):
        found, often = subset.rows(np.flatnonzero(splits == number), uids, times)
        yield split, found, often


def _given(verdicts: Verdicts, taken_T: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """The uids that the list gave. _NotGiven names the first pair that has none."""
    import numpy as np
    import pyarrow as pa

    from ..io import subset

    if not len(taken_T):
        return np.zeros((0, 16), np.uint8)
    texts = verdicts.rows.of_candidates(["given_uid"]).column("given_uid").combine_chunks()
    texts = texts if len(taken_T) == len(texts) else texts.take(pa.array(taken_T))
    uids, good = subset.from_hex(texts)
    if not good.all():
        first = int(np.flatnonzero(~good)[0])
        said, uid = texts[first].as_py(), verdicts.uids_N16[taken_T[first]].tobytes().hex()
        what = "was given no uid" if said is None else f"was given {said[:64]!r}, which is not 1 to 32 hex digits"
        raise _NotGiven(f"pair {uid} of shard {verdicts.rows.shard} {what}", "take the corpus's own: --uids own")
    return uids


def write_urls(lists: Lists, chosen: Chosen) -> Outcome:
    """The lists of URLs. all_stats.json says whose similarity stands in them."""
    import pyarrow as pa

    made = Outcome(about={"similarity_of": similarity_of(lists.corpus)})
    waiting: dict[str, list[pa.Table]] = {}
    rows: Counter[str] = Counter()

    def cut(split: str, *, least: int) -> None:
        while rows[split] >= least and rows[split]:
            whole = pa.concat_tables(waiting[split])
            count = min(len(whole), lists.shard_rows)
            _write_urls(lists, split, whole.slice(0, count), made)
            waiting[split], rows[split] = [whole.slice(count)], len(whole) - count

    for verdicts in _verdicts(lists, chosen, made):
        for split, found in _url_tables(lists.corpus, verdicts, made):
            waiting.setdefault(split, []).append(found)
            rows[split] += len(found)
            cut(split, least=lists.shard_rows)
    for split in sorted(waiting):
        cut(split, least=1)
        if split in made.sizes:
            formats.write_sizes(lists.folder(split), made.sizes[split])
    made.sizes = dict(sorted(made.sizes.items()))
    return made


def _write_urls(lists: Lists, split: str, found: pa.Table, made: Outcome) -> None:
    from ..io import table

    sizes = made.sizes.setdefault(split, {})
    with lists.commit(split, len(sizes)) as commit:
        formats.clear(lists.folder(split), commit.unit, but=formats.URLS)
        name = formats.holder(commit.unit, formats.URLS)
        varied = ("url", "caption", "uid", "given_uid", "sha256", "additional")
        table.write(commit, name, table.owned(found), formats.URL_TABLE, varied=varied)
        commit.finish(seen=len(found), kept=len(found), endings=[])
    sizes[name] = len(found)
    made.kept += len(found)


def _verdicts(lists: Lists, chosen: Chosen, made: Outcome) -> Iterator[Verdicts]:
    """Those of every shard; who is left out is counted."""
    seen = 0
    for shard in chosen.shards():
        found = chosen.verdicts(shard)
        made.rejected += found.left()
        yield found
        seen += len(found.why_N)
        lists.tell(seen, seen - made.rejected.total())


def _url_tables(corpus: Corpus, verdicts: Verdicts, made: Outcome) -> Iterator[tuple[str, pa.Table]]:
    """(split, rows of schemas/exports-urls.json) of a shard."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    from .. import schema

    taken = np.flatnonzero(verdicts.taken_N)
    if not len(taken):
        return
    whole = _described(corpus, verdicts, schema.table(formats.URL_TABLE).arrow())
    there = np.asarray(pc.is_valid(whole.column("url")))
    made.rejected[NO_URL] += int((~there[taken]).sum())
    for number, split in enumerate(verdicts.splits):
        rows = taken[there[taken] & (verdicts.split_N[taken] == number)]
        if len(rows):
            yield split, whole if len(rows) == len(whole) else whole.take(pa.array(rows))


def _described(corpus: Corpus, verdicts: Verdicts, wanted: pa.Schema) -> pa.Table:
    """All pairs of a shard, with what is known of each."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from .. import schema
    from ..io import table

    rows = verdicts.rows
    plain = ["url", "alt_text", "given_uid", "width", "height", "language", "licence", "page_url", "additional"]
    found = rows.of_candidates(plain)
    made = {name: found.column(name) for name in plain}
    made["caption"] = made.pop("alt_text")
    made["uid"] = _hex(verdicts.uids_N16)
    made["weight"] = pa.array(verdicts.weights_N)
    shards = corpus.layer("shards")
    if shards.stats(rows.shard) is not None:
        sizes = ["original_width", "original_height", "sha256"]
        fetched = rows.of_these(table.read(shards.path(f"{rows.shard}.parquet"), "shards", only=sizes))
        made["width"] = pc.coalesce(fetched.column("original_width"), made["width"])
        made["height"] = pc.coalesce(fetched.column("original_height"), made["height"])
        made["sha256"] = fetched.column("sha256")
    if corpus.layer(LIST).stats(rows.shard) is not None:
        names = [name for name in schema.table("score-list").names if name != "uid"]
        listed = rows.read(LIST, "score-list", names)
        made |= {"list_similarity" if name == "similarity" else name: listed.column(name) for name in names}
    if corpus.layer(SIMILARITY).units():
        if corpus.layer(SIMILARITY).stats(rows.shard) is not None:
            made["similarity"] = rows.read(SIMILARITY, "score-similarity", ["similarity"]).column("similarity")
    elif "list_similarity" in made:
        made["similarity"] = made["list_similarity"]
    arrays = [made[each.name] if each.name in made else pa.nulls(len(verdicts.why_N), each.type) for each in wanted]
    return pa.Table.from_arrays(arrays, schema=wanted)


def similarity_of(corpus: Corpus) -> dict[str, str | None]:
    """Whose `similarity` a list of URLs has: the layer, and the model where that is known."""
    for name in (SIMILARITY, LIST):
        layer = corpus.layer(name)
        stats = next((layer.stats(unit) for unit in layer.units()), None)
        if stats is not None:
            return {"layer": name, "model": stats.get("model")}
    return {"layer": None, "model": None}


def _hex(uids_N16: npt.NDArray[np.uint8]) -> pa.Array:
    """uids as texts of 32 hex characters."""
    import numpy as np
    import pyarrow as pa

    text = np.ascontiguousarray(uids_N16).tobytes().hex().encode()
    ends = np.arange(len(uids_N16) + 1, dtype=np.int32) * 32
    return pa.StringArray.from_buffers(len(uids_N16), pa.py_buffer(ends), pa.py_buffer(text))
