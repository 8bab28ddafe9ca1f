"""What can be wrong with a comparison though every figure is right, each told as one entry.

    >>> repetition({"raw": {"pairs": 6000, "samples_seen": 76800, "repetitions": 12.8}})
    [{'check': 'repetition', 'arm': 'raw', 'state': 'warning', 'words': 'raw saw each pair 12.8 times: …', …}]
    >>> label_order("birds", labels, guesses, classes)["state"]
    'failed'

An entry is JSON: check, arm (null where it is about no arm), state ("good", "warning", "failed" or "not done"), words
for a person, and figures, which are numbers and texts by name. Pure functions of figures, texts and arrays; all of them
together take a second for 1,000 classes and 50,000 pictures.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlcorpus.probe.assignment import assign
from vlcorpus.probe.student import incomplete_beta, quantile

Entry = dict[str, Any]

MOST_REPETITIONS = 10.0
"""Beyond this, more compute favours a larger corpus ("Scaling Laws for Data Filtering", arXiv 2404.07177)."""

ALARM = 0.001
"""How often label_order or shuffled says of something sound that it is not."""

TOLERANCE = 0.02
"""So much above chance an arm of mismatched captions may be for other reasons than a leak"""

_FEWEST = 20  # pictures by which an order of names can be judged
_GAIN, _LESS_GAIN = 0.10, 0.05  # what another order has to win to have failed, or to be worth a warning
_SKILL = 0.25  # and how far it has to get from chance (0) to perfect (1)
_NAMED = 5
_AT_CHANCE = re.compile(r"(?:^|[._])(?:top\d+|acc[15]|mean_per_class_recall|r\d+|recall@\d+|auc)$")
_OF_NAMES = re.compile(r"(?:^|[._])(?:top\d+|acc[15]|mean_per_class_recall)$")
_WORD = re.compile(r"\w+")


def entry(check: str, state: str, words: str, arm: str | None = None, **figures: Any) -> Entry:
    """One check as comparison.json has it."""
    return {"check": check, "arm": arm, "state": state, "words": words, "figures": figures}


def repetition(about: Mapping[str, Mapping[str, Any]], most: float = MOST_REPETITIONS) -> list[Entry]:
    """How often each arm saw its pairs. about: arm to its pairs, samples_seen and repetitions."""
    found = []
    for arm, told in about.items():
        pairs, seen = int(told.get("pairs") or 0), int(told.get("samples_seen") or 0)
        if told.get("repetitions") is None and not pairs:
            found.append(entry("repetition", "not done", f"it is not known how often {arm} saw its pairs", arm))
            continue
        times = float(told["repetitions"] if told.get("repetitions") is not None else seen / pairs)
        words, state = f"{arm} saw each pair {times:.1f} times", "good"
        if times > most:
            state = "warning"
            words += (
                f": more than {most:g}. With more compute a larger corpus would gain on it; and other seeds draw "
                "another order of the same few pairs, so the interval does not tell what other pairs would have done"
            )
        figures = {"repetitions": times, "most": most, "pairs": pairs, "samples_seen": seen}
        found.append(entry("repetition", state, words, arm, **figures))
    return found


def label_order(
    task: str,
    labels: Sequence[str],
    guesses: Sequence[str],
    classes: Sequence[str],
    *,
    arm: str | None = None,
    seed: int = 0,
) -> Entry:
    """Whether the names fit the pictures much better in another order: then the class list is probably in another
    order than the labels, which is the commonest way to measure chance.

    labels, guesses: (N,) names out of `classes`. The best one-to-one exchange of names is found on one half of the
    pictures of each label and tried on the other, both ways, so that what it wins by luck does not count: with two
    pictures a class, the best exchange for a model at chance seems to make it right a third of the time. `failed`: it
    wins 10 points, gets a quarter of the way from chance to perfect, and is no luck (McNemar's exact test, 0.001).
    `warning`: no luck either, but less: a weak model that takes one thing for another does that too, so does one that
    has not learned the names. One swap among many classes is too little to be told here; its recall shows it.
    """
    place = {name: number for number, name in enumerate(classes)}
    known = [(place[a], place[b]) for a, b in zip(labels, guesses, strict=True) if a in place and b in place]
    label_N, guess_N = np.array(known, np.int64).reshape(-1, 2).T
    if len(known) < _FEWEST or len(place) < 2 or len(np.unique(label_N)) < 2:
        words = f"{task}: the order of the names cannot be judged by {len(known)} pictures"
        return entry("label order", "not done", words, arm, task=task, pictures=len(known))
    half_N = _halves(label_N, seed)
    right_N, swapped_N = guess_N == label_N, np.zeros(len(known), bool)
    luck = 1.0
    for half in (0, 1):
        learn, test = half_N != half, half_N == half
        order = _order(guess_N[learn], label_N[learn], len(place))
        swapped_N[test] = order[guess_N[test]] == label_N[test]
        luck = min(luck, 2 * _one_sided(swapped_N[test] & ~right_N[test], right_N[test] & ~swapped_N[test]))
    as_labelled, otherwise = float(right_N.mean()), float(swapped_N.mean())
    commonest = np.bincount(label_N).max() / len(label_N)
    chance = max(1 / len(place), float(commonest))
    skill = (otherwise - chance) / (1 - chance)
    gain = otherwise - as_labelled
    state = "good"
    if luck < ALARM and gain >= _LESS_GAIN and skill > 0:
        state = "failed" if gain >= _GAIN and skill >= _SKILL else "warning"
    swaps = _swaps(guess_N, label_N, list(place)) if state != "good" else []
    share = f"{100 * as_labelled:.1f} % right as labelled"
    if state == "good":
        words = f"{task}: {share}, and no other order of the names does much better"
    else:
        why = {
            "failed": "the class list is probably in another order than the labels",
            "warning": "the class list may be in another order than the labels, or the model takes one for another",
        }[state]
        words = f"{task}: {share}, {100 * otherwise:.1f} % with the names exchanged: {why} ({'; '.join(swaps[:3])})"
    figures = {"task": task, "as_labelled": as_labelled, "exchanged": otherwise, "pictures": len(known)}
    return entry("label order", state, words, arm, **figures, p=luck, swapped="; ".join(swaps))


def shuffled(
    arm: str,
    metrics: Mapping[str, float | Sequence[float]],
    chance: Mapping[str, float],
    pictures: Mapping[str, int] | int,
    *,
    tolerance: float = TOLERANCE,
) -> Entry:
    """Whether an arm that was trained on mismatched captions is at chance, as it must be: what it knows of the tests
    it can only have from the harness.

    metrics: `task.metric` to its value, or to one value a seed; only those that hang on captions are looked at (top-k,
    recalls, auc; not a linear probe, k-NN, or hard negatives, whose wrong texts can be told without a picture).
    pictures: how many each is a mean of. Above chance is what exceeds `tolerance` and what luck gives once in a
    thousand such checks: a normal bound whose variance is that of N pictures and, for top-k, of C = 1/chance names,
    since a model that has learned nothing gives one name to all that looks alike; or Student's over the seeds, where
    that is narrower.
    """
    looked = {name: value for name, value in metrics.items() if _AT_CHANCE.search(name) and name in chance}
    if not looked:
        return entry("shuffled captions", "not done", f"{arm} has no figure that should be at chance", arm)
    sure = 1 - ALARM / len(looked)
    above: list[tuple[float, str, float]] = []
    worst = (-math.inf, "", 0.0)
    for name, value in looked.items():
        values = [float(each) for each in value] if isinstance(value, Sequence) else [float(value)]
        count = pictures if isinstance(pictures, int) else pictures[name]
        mean, expected = sum(values) / len(values), float(chance[name])
        luck = _luck(name, values, expected, max(1, count), sure)
        worst = max(worst, (mean - expected, name, mean))
        if mean - expected > tolerance + luck:
            above.append((mean - expected, name, mean))
    _, name, value = max(above) if above else worst
    figures = {"metric": name, "value": value, "chance": float(chance[name]), "metrics": len(looked)}
    figures |= {"above": len(above), "tolerance": tolerance}
    told = f"{name} is {value:.3f}, and {chance[name]:.3f} is chance"
    if above:
        words = f"{arm} was trained on mismatched captions and is above chance in {len(above)} of {len(looked)} figures"
        return entry("shuffled captions", "failed", f"{words} ({told}): the harness leaks", arm, **figures)
    words = f"{arm} was trained on mismatched captions and is at chance in all {len(looked)} figures (at most {told})"
    return entry("shuffled captions", "good", words, arm, **figures)


def contamination(found: Sequence[Mapping[str, Any]]) -> list[Entry]:
    """One entry an arm. found: for each arm and task its pictures, exact, near and share, and whether all could be
    looked for (`unknown`: pictures too flat to be recognised)."""
    arms = dict.fromkeys(str(row["arm"]) for row in found)
    return [_contaminated(arm, [row for row in found if row["arm"] == arm]) for arm in arms]


def _contaminated(arm: str, rows: Sequence[Mapping[str, Any]]) -> Entry:
    exact, near = sum(int(row["exact"]) for row in rows), sum(int(row["near"]) for row in rows)
    pictures = sum(int(row["pictures"]) for row in rows)
    unknown = sum(int(row.get("unknown", 0)) for row in rows)
    figures: dict[str, float] = {"pictures": pictures, "exact": exact, "near": near, "unknown": unknown}
    figures["share"] = (exact + near) / pictures if pictures else 0.0
    beside = f"; {unknown:,} are too flat for near copies to be recognised" if unknown else ""
    if not exact + near:
        words = f"none of the {pictures:,} pictures of the tests is among the pairs of {arm}{beside}"
        return entry("contamination", "good", words, arm, **figures)
    tasks = ", ".join(f"{row['task']} {100 * float(row['share']):.1f} %" for row in rows if row["exact"] or row["near"])
    words = f"{exact + near:,} of {pictures:,} pictures of the tests are among the pairs of {arm}"
    words += f" ({exact:,} the same file, {near:,} nearly the same): {tasks}{beside}"
    return entry("contamination", "warning", words, arm, **figures)


def _halves(label_N: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """0 or 1 for each picture: half of each label's, drawn."""
    drawn = np.random.default_rng(seed).permutation(len(label_N))
    order = drawn[np.argsort(label_N[drawn], kind="stable")]
    half = np.empty(len(label_N), np.int64)
    half[order] = np.arange(len(label_N)) % 2
    return half


def _order(guess_N: NDArray[np.int64], label_N: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """(C,): the label that each guess stands for in the best one-to-one order; its own where nothing is won."""
    counts = np.zeros((classes, classes))
    np.add.at(counts, (guess_N, label_N), 1)
    gain = counts * (classes + 1)
    gain[np.diag_indices(classes)] += 1
    given = np.unique(guess_N)
    rows = given if 2 * len(given) < classes else np.arange(classes)  # the square is solved faster
    order = np.full(classes, -1, np.int64)
    order[rows] = assign(gain[rows])
    for guess in np.flatnonzero(order < 0):  # never given here, so nothing is known of it
        order[guess] = guess if guess not in order else -1
    return order


def _swaps(guess_N: NDArray[np.int64], label_N: NDArray[np.int64], classes: list[str]) -> list[str]:
    """The exchanges that explain most pictures, in words."""
    order = _order(guess_N, label_N, len(classes))
    moved = Counter[int](guess_N[(order[guess_N] == label_N) & (guess_N != label_N)].tolist())
    ranked = sorted(moved, key=lambda guess: (-moved[guess], guess))[:_NAMED]
    return [f"pictures of {classes[order[guess]]!r} are called {classes[guess]!r}" for guess in ranked]


def _one_sided(won_N: NDArray[np.bool_], lost_N: NDArray[np.bool_]) -> float:
    """McNemar's exact test: how probable it is that so many are won of those that differ, were it luck."""
    won, lost = int(won_N.sum()), int(lost_N.sum())
    return incomplete_beta(won, lost + 1, 0.5) if won else 1.0


def _luck(name: str, values: Sequence[float], chance: float, pictures: int, sure: float) -> float:
    """How far above chance luck may carry the mean of a figure over seeds."""
    of_pictures = chance * (1 - chance) / pictures / len(values)
    of_names = chance * chance * (1 - chance) / len(values) if _OF_NAMES.search(name) else 0.0
    normal = NormalDist().inv_cdf(sure)
    bound = normal * math.sqrt(of_pictures + of_names)
    if len(values) == 1:
        return bound
    mean = sum(values) / len(values)
    error = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1) / len(values))
    return max(min(quantile(sure, len(values) - 1) * error, bound), normal * math.sqrt(of_pictures))


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(map(repr, names[:_NAMED])) + more
