"""What might be wrong with a comparison, looked for before it is believed.

    checks(compare, corpus, field, about, results, pictures, chance, counts)
        [{"check": "repetition", "arm": "raw", "state": "good", "words": "raw saw each pair 3.2 times", …}, …]

The judgement is `probe.checks`; here is where its figures come from. The costly one is contamination: without stored
hashes every image of every arm is decoded, 1 ms each, so above MOST pairs it waits to be asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..corpus import Corpus
from ..errors import VlcorpusError
from .contest import Field
from .contest_arm import MISMATCHED
from .suites import opened

if TYPE_CHECKING:
    from .compare import Compare
    from .contest_told import Pictured, Runs

MOST = 50_000
"""Pairs of the largest arm that are looked through unasked"""

Entry = dict[str, Any]


def checks(
    stage: Compare,
    corpus: Corpus,
    found: Field,
    about: Mapping[str, Mapping[str, Any]],
    every: Runs,
    pictures: Mapping[str, Mapping[int, Pictured]],
    chance: Mapping[str, float],
    counts: Mapping[str, int],
) -> list[Entry]:
    """every: results of all arms, controls too. counts: pictures of each task."""
    from ..probe.checks import entry, repetition

    made = [*_equal(about, found), *repetition(about), *_orders(every, pictures)]
    made += _shuffled(found, every, chance, counts)
    made += _contamination(stage, corpus, found, about)
    if found.no_random is not None:
        made.append(entry("random subset", "not done", found.no_random))
    return made


def _equal(about: Mapping[str, Mapping[str, Any]], found: Field) -> list[Entry]:
    """Whether all arms were trained in the same way, so that what differs is the pairs."""
    from ..probe.checks import entry

    arms = [each.name for each in found.compared if about[each.name]["seeds"]]
    differing = [
        f"{name.replace('_', ' ')}: " + ", ".join(f"{arm} {about[arm].get(name)}" for arm in arms)
        for name in ("recipe", "samples_seen", "architecture", "loss", "batch_size")
        if len({about[arm].get(name) for arm in arms}) > 1
    ]
    if len(arms) < len(found.compared):
        models = [each.name for each in found.compared if each.name not in arms]
        words = f"{', '.join(models)} {'was' if len(models) == 1 else 'were'} not trained here"
        return [entry("same training", "not done", f"{words}: what differs may be more than the pairs")]
    if differing:
        words = f"arms were trained differently ({'; '.join(differing)}), so it is not the pairs alone that differ"
        return [entry("same training", "warning", words)]
    first = about[arms[0]]
    words = f"every arm was trained in the same way, on {int(first['samples_seen'] or 0):,} samples a seed"
    return [entry("same training", "good", words, samples_seen=first["samples_seen"])]


def _orders(every: Runs, pictures: Mapping[str, Mapping[int, Pictured]]) -> list[Entry]:
    """Of each zero-shot task, whether its class list is in the labels' order, by the arm that knows the task best."""
    from ..probe.checks import label_order

    made = []
    tasks = dict.fromkeys(task for seeds in pictures.values() for seen in seeds.values() for task in seen)
    for task in tasks:
        runs = [
            (every[arm][seed][f"{task}.top1"], arm, seed)
            for arm, seeds in pictures.items()
            for seed in seeds
            if f"{task}.top1" in every[arm][seed]
        ]
        if not runs:
            continue
        _, arm, seed = max(runs, key=lambda run: run[0])
        _, label_N, guess_N = pictures[arm][seed][task]
        labels = ["" if each is None else str(each) for each in label_N]
        guesses = ["" if each is None else str(each) for each in guess_N]
        classes = sorted({*labels, *guesses} - {""})
        made.append(label_order(task, labels, guesses, classes, arm=arm))
    return made


def _shuffled(found: Field, every: Runs, chance: Mapping[str, float], counts: Mapping[str, int]) -> list[Entry]:
    from ..probe.checks import entry, shuffled

    controls = [each.name for each in found.entries if each.control == MISMATCHED]
    if not controls:
        words = "no arm was trained on mismatched captions: --control trains one, which must be at chance"
        return [entry("shuffled captions", "not done", words)]
    made = []
    for arm in controls:
        names = set.intersection(*(set(run) for run in every[arm].values()))
        metrics = {name: [run[name] for run in every[arm].values()] for name in sorted(names & chance.keys())}
        sizes = {name: counts.get(name.rpartition(".")[0], 1) for name in metrics}
        made.append(shuffled(arm, metrics, chance, sizes))
    return made


def _contamination(stage: Compare, corpus: Corpus, found: Field, about: Mapping[str, Mapping[str, Any]]) -> list[Entry]:
    from ..probe import checks
    from . import contamination

    arms = {found.probes[each.name]: each.name for each in found.compared if about[each.name]["seeds"]}
    most = max((int(about[arm]["pairs"] or 0) for arm in arms.values()), default=0)
    if not arms:
        return [checks.entry("contamination", "not done", "no arm was trained here")]
    if stage.contamination is False or (stage.contamination is None and most > MOST and not _hashed(corpus)):
        words = "the suite's pictures were not looked for among the pairs: --contamination looks for them"
        return [checks.entry("contamination", "not done", words)]
    try:
        suite, _ = _opened(stage, corpus, found)
        rows = contamination.found(corpus, suite, list(arms))
    except (VlcorpusError, OSError) as error:
        words = f"the suite's pictures were not looked for among the pairs: {error}"
        return [checks.entry("contamination", "not done", words)]
    return checks.contamination([row | {"arm": arms[row["arm"]]} for row in rows])


def _hashed(corpus: Corpus) -> bool:
    return bool(corpus.layer("scores/phash").units())


def _opened(stage: Compare, corpus: Corpus, found: Field) -> tuple[Any, str]:
    from .contest import measuring

    made = measuring(stage, corpus)[1]
    if made is None:
        raise VlcorpusError(f"it is not known where suite {found.suite} lies", "name its file: --suite PATH")
    return opened(made.suite, made.root)
