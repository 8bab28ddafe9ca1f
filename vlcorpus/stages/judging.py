"""A decision about a whole corpus, in parts: the passes that find the cuts, then every shard's verdicts.

    judge_all(stage, corpus, own, inputs, before, tell)

Each pass (scores/resolve.py) and the verdicts are done by all workers that are free, each some shards of 262,144 rows
together (1/1,024 of the corpus where that is more). What a part has to know (cuts of a million groups, say) lies in a
file; what it answers is added up in the order of the shards, in whole numbers but for the weight, which is summed shard
by shard. So neither parts nor workers change a byte.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..corpus import Corpus, Layer
from . import deciding, relay
from .base import ALL, Tell, UnitCommit
from .before import begun_of
from .deciding import Deciding, Tally
from .sharing import share

if TYPE_CHECKING:
    from ..scores.predicates import Resolved
    from ..scores.resolve import Ask, Found
    from .filter import Filter

_HELD = threading.local()


@dataclass(frozen=True)
class Part:
    """What a part is told. run: of the files it reads; time: names this one time that it is done; number: of the pass.
    interrupted: whether an earlier run of this very decision was; same: whether it was made before, as it is now."""

    run: str
    time: str
    shards: tuple[str, ...]
    number: int = 0
    inputs: Mapping[str, str] = field(default_factory=dict)
    interrupted: bool = False
    same: bool = False


def judge_all(
    stage: Filter,
    corpus: Corpus,
    own: Deciding,
    inputs: dict[str, str],
    before: Mapping[str, Any] | None,
    tell: Tell,
) -> None:
    """Find the cuts (or take the frozen ones), judge every shard and commit what was decided of it, then the whole."""
    layer, shards = stage.layer(corpus), own.known.shards()
    whole = UnitCommit(stage, corpus, layer, ALL, inputs)
    run = whole.fingerprint
    rows = corpus.layer("candidates" if stage.of == "candidates" else "shards")
    time = uuid.uuid4().hex
    parts = [Part(run, time, some) for _, some in relay.stretches(rows, shards)]
    with relay.Relay(layer, run) as files:
        if stage.frozen and before is not None:
            resolved = deciding.kept_cuts(before)
        else:
            resolved = _resolved(stage, corpus, own, files, parts)
        about = own.about(resolved)
        stats = layer.stats(ALL)
        begun = _first_begun(layer, shards, inputs) if stats is None else None
        earlier = (before or {}).get("predicates") if begun is None else begun.get("predicates_before")
        told = {
            "predicates": resolved.as_json(), "weights": resolved.weights_as_json(), "about": deciding.short(about),
            "predicates_before": deciding.short_cuts(earlier),
        }  # fmt: skip
        files.put(("resolved",), _bytes(told))
        same = stats is not None and stats["fingerprint"] == run
        parts = [replace(part, inputs=inputs, interrupted=stats is None, same=same) for part in parts]
        tally = Tally(len(resolved.predicates))
        changed = 0
        with whole as commit:
            for answers in share(stage, corpus, "judge", parts):
                for each, turned in answers:
                    tally.add(each)
                    changed += turned
                    tell(tally.seen, tally.kept)
            last = {"predicates_before": earlier, "changed": changed}
            commit.finish(**tally.counts(resolved), **about | tally.as_json() | last)


def look(stage: Filter, corpus: Corpus, part: Part) -> Found:
    """What a pass finds in some shards."""
    from ..scores import resolve

    own = _opened(stage, corpus, part.time)
    ask = resolve.Ask.from_arrays(relay.Relay(stage.layer(corpus), part.run).take(("ask", part.number), again=True))
    return resolve.look(own.ready, ask, own.read(ask.columns, part.shards), own.missing)


def judge(stage: Filter, corpus: Corpus, part: Part) -> list[tuple[Tally, int]]:
    """Commit some shards' verdicts; of each its tally, and how many rows' verdict is another than before."""
    layer, own = stage.layer(corpus), _opened(stage, corpus, part.time)
    told, resolved = _told(layer, part)
    answers = []
    for shard in part.shards:
        uids, made = own.decide(resolved, shard)
        tally = Tally.of(made)
        commit = UnitCommit(stage, corpus, layer, shard, {**part.inputs, "shard": shard})
        turned = _turned(layer, commit, part)
        turned = deciding.changed(layer, shard, uids, made) if turned is None else turned
        last = {"predicates_before": told["predicates_before"], "changed": turned}
        with commit:
            deciding.write(commit, shard, uids, made)
            commit.finish(**tally.counts(resolved), **told["about"] | tally.as_json() | last)
        answers.append((tally, turned))
    return answers


def _turned(layer: Layer, commit: UnitCommit, part: Part) -> int | None:
    """How many verdicts changed, as a run or a part that was interrupted has found before it wrote the new ones; None
    where none has come to this shard."""
    stats = layer.stats(commit.unit)
    if stats is None or stats["inputs"] != commit.inputs:
        return None
    if part.interrupted or (not part.same and stats["fingerprint"] == commit.fingerprint):
        return int(stats.get("changed", 0))
    return None


def _resolved(stage: Filter, corpus: Corpus, own: Deciding, files: relay.Relay, parts: list[Part]) -> Resolved:
    from ..scores.resolve import resolve_by

    passes = 0

    def looked(ask: Ask) -> Iterator[Found]:
        nonlocal passes
        number, passes = passes, passes + 1
        files.put(("ask", number), *ask.as_arrays())
        yield from share(stage, corpus, "look", [replace(part, number=number) for part in parts])

    return resolve_by(own.ready, looked)


def _first_begun(layer: Layer, shards: tuple[str, ...], inputs: dict[str, str]) -> dict[str, Any] | None:
    """Stats of the first shard that an interrupted run of this very decision came to."""
    for shard in shards:
        found = begun_of(layer, (shard,), inputs)
        if found:
            return found[shard]
    return None


def _opened(stage: Filter, corpus: Corpus, time: str) -> Deciding:
    """The predicates: read once for the parts that a thread does."""
    if getattr(_HELD, "opened", None) != time:
        _HELD.own, _HELD.opened = stage.opened_deciding(corpus), time
    found: Deciding = _HELD.own
    return found


def _told(layer: Layer, part: Part) -> tuple[dict[str, Any], Resolved]:
    """What there is to say in every shard's stats, and the cuts: read once, too."""
    from ..scores.predicates import Resolved

    if getattr(_HELD, "read", None) != part.time:
        told = json.loads(relay.Relay(layer, part.run).take(("resolved",), again=True)[0].tobytes())
        _HELD.told, _HELD.read = (told, Resolved.from_json(told["predicates"], told["weights"])), part.time
    found: tuple[dict[str, Any], Resolved] = _HELD.told
    return found


def _bytes(value: Any) -> Any:
    import numpy as np

    return np.frombuffer(json.dumps(value).encode(), np.uint8)
