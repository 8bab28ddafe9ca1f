"""What a comparison says of its arms: comparison.json.

    told = comparison(compare, corpus, field)            everything, as docs/compare.md describes it
    curves(compare, corpus, field)["raw"][0]                      [(256, 5.1), (512, 4.6), …]     (samples seen, loss)

Figures come from evaluations/, what is known of the arms from the stats of their probes. Values of every picture are
read once: 1 s for 18 runs of 100,000.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..corpus import Corpus, read_json
from ..errors import CorpusError
from . import contest_checks, evaluate
from .contest import Field
from .contest_arm import NONE, Entry

if TYPE_CHECKING:
    from .compare import Compare

VERSION = 2

Runs = dict[str, dict[int, dict[str, float]]]
Answers = dict[str, dict[int, dict[str, NDArray[np.float64]]]]
Pictured = dict[str, tuple[list[str], NDArray[np.object_], NDArray[np.object_]]]
"""Task to the picture, the label and the guess of each sample"""


def comparison(stage: Compare, corpus: Corpus, found: Field) -> dict[str, Any]:
    """All of it. CorpusError where runs cannot be compared."""
    from ..probe import compare as engine
    from ..probe.verdict import verdict

    about = {each.name: _about(stage, corpus, each, found.probes[each.name]) for each in found.entries}
    parts = _parts(about, [each.name for each in found.compared])
    results, every = _results(stage, corpus, found)
    baseline = found.entries[0].name
    first = evaluate.described(corpus, found.suite, found.probes[baseline], min(results[baseline]))
    answers = _answers(corpus, found, results)
    pictures = {arm: _pictures(corpus, found, arm, results[arm]) for arm in results}
    averaged = _with_average(corpus, found, results, answers, first, pictures)
    chance = {f"{task}.{name}": value for task, by in first["chance"].items() for name, value in by.items()}
    if averaged and all(f"{task}.{first['main'][task]}" in chance for task in averaged):
        mains = [chance[f"{task}.{first['main'][task]}"] for task in averaged]
        chance[engine.AVERAGE] = sum(mains) / len(mains)
    judged = engine.compare(
        results,
        baseline,
        answers=answers,
        confidence=stage.confidence,
        chance=chance,
        main=first["main"],
        headline=stage.headline,
        parts=parts,
        pictures=first["pictures"],
    )
    checks = contest_checks.checks(stage, corpus, found, about, every, pictures, chance, first["pictures"])
    controls = {each.name: each.control for each in found.compared[1:] if each.control != NONE}
    said = verdict(
        judged,
        controls,
        repetitions=max(float(about[each.name]["repetitions"] or 0) for each in found.compared),
        parts=parts,
        failed=tuple(check["words"] for check in checks if check["state"] == "failed"),
    )
    return {
        "version": VERSION,
        "suite": found.suite,
        "suite_version": first["suite_version"],
        "evaluator_version": first["evaluator_version"],
        "baseline": baseline,
        "arms": list(judged.arms),
        "confidence": judged.confidence,
        "headline": judged.headline,
        "main": dict(first["main"]),
        "parts": parts,
        "about": about,
        "rows": [_row(row) for row in judged.rows],
        "ranking": [
            {"arm": each.arm, "place": each.place, "mean": each.mean, "better_than": list(each.better_than)}
            for each in judged.ranking
        ],
        "classes": _classes(stage, results, pictures, baseline, parts),
        "averages": {"tasks": list(averaged), "left_out": sorted(first["average"]["left_out"])},
        "checks": checks,
        "software": _software(corpus, found.probes[baseline]),
        "verdict": {"words": said.words, "tone": said.tone},
    }


def curves(stage: Compare, corpus: Corpus, found: Field) -> dict[str, dict[int, list[tuple[float, float]]]]:
    """Arm to seed to (samples seen, loss)."""
    made: dict[str, dict[int, list[tuple[float, float]]]] = {}
    for each in found.compared:
        layer = corpus.layer(f"probes/{found.probes[each.name]}")
        for unit in layer.units():
            if not each.counts(unit, stage.seeds):
                continue
            steps = read_json(layer.path(f"{unit}/metrics.json")).get("curve", ())
            points = [(float(step["samples_seen"]), float(step["loss"])) for step in steps]
            made.setdefault(each.name, {})[_seed(unit)] = points
    return made


def _seed(unit: str) -> int:
    return int(unit.removeprefix("seed-"))


def _about(stage: Compare, corpus: Corpus, each: Entry, probe: str) -> dict[str, Any]:
    """What is known of an arm, from the stats of its probe."""
    layer = corpus.layer(f"probes/{probe}")
    runs = {
        _seed(unit): stats
        for unit in layer.units()
        if each.counts(unit, stage.seeds) and (stats := layer.stats(unit)) is not None
    }
    settings: dict[str, Any] = next((stats["settings"] for stats in runs.values()), {})
    told = next(iter(runs.values()), {})

    def largest(name: str) -> Any:
        known = [stats[name] for stats in runs.values() if stats.get(name) is not None]
        return max(known, default=None)

    control = settings.get("control", NONE) if each.control == NONE else each.control
    about = {
        "probe": probe,
        "source": each.source,
        "pairs": largest("pairs") or largest("kept"),
        "samples_seen": largest("samples_seen"),
        "repetitions": largest("repetitions"),
        "recipe": str(told.get("recipe") or settings.get("recipe") or ""),
        "seeds": sorted(runs),
        "control": control,
        "parts": int(told.get("parts") or settings.get("parts") or 1),
    }
    return about | {name: settings[name] for name in ("loss", "batch_size", "architecture") if settings.get(name)}


def _parts(about: Mapping[str, Mapping[str, Any]], arms: Sequence[str]) -> int:
    """The shares that seeds trained on; CorpusError where arms differ in that."""
    found = {about[arm]["parts"]: arm for arm in arms if about[arm]["seeds"]}
    if len(found) > 1:
        words = " and ".join(f"{arm} in {parts}" for parts, arm in found.items())
        raise CorpusError(f"seeds trained on shares of their pairs, {words}", "train all with the same --parts")
    return next(iter(found), 1)


def _results(stage: Compare, corpus: Corpus, found: Field) -> tuple[Runs, Runs]:
    """Metrics of the arms that are compared, and of all. Of an arm that is trained here, of the seeds asked for."""
    by_probe = evaluate.results(corpus, found.suite, [*found.probes.values()])
    every: Runs = {}
    for each in found.entries:
        runs = by_probe[found.probes[each.name]]
        asked = {seed: run for seed, run in runs.items() if each.counts(f"seed-{seed}", stage.seeds)}
        every[each.name] = asked
    return {name: runs for name, runs in every.items() if name in {each.name for each in found.compared}}, every


def _answers(corpus: Corpus, found: Field, results: Runs) -> Answers:
    made: Answers = {}
    for arm, runs in results.items():
        own = evaluate.answers(corpus, found.suite, [found.probes[arm]])[found.probes[arm]]
        made[arm] = {seed: dict(own[seed]) for seed in runs}
    return made


def _pictures(corpus: Corpus, found: Field, arm: str, seeds: Sequence[int] | Mapping[int, Any]) -> dict[int, Pictured]:
    """Seed to task to what it saw."""
    from ..io import table

    made: dict[int, Pictured] = {}
    layer = corpus.layer(f"evaluations/{found.suite}")
    for seed in seeds:
        read = table.read(layer.path(f"{found.probes[arm]}.seed-{seed}/pictures.parquet"), "pictures")
        columns = {name: read.column(name).to_numpy(zero_copy_only=False) for name in read.column_names}
        tasks: Pictured = {}
        for task in dict.fromkeys(columns["task"]):
            own = np.flatnonzero(columns["task"] == task)
            _, first = np.unique(columns["sample"][own], return_index=True)  # a case of several pictures is one
            rows = own[first]
            tasks[str(task)] = (list(columns["file"][rows]), columns["label"][rows], columns["guess"][rows])
        made[seed] = tasks
    return made


def _with_average(
    corpus: Corpus,
    found: Field,
    results: Runs,
    answers: Answers,
    first: Mapping[str, Any],
    pictures: Mapping[str, Mapping[int, Pictured]],
) -> tuple[str, ...]:
    """Give every run the average of main metrics, and the tasks that are in it; none where there is one task."""
    from ..probe.compare import AVERAGE
    from ..probe.joined import joined

    tasks = tuple(first["average"]["tasks"])
    mains = [f"{task}.{first['main'][task]}" for task in tasks]
    if len(tasks) < 2:
        return tasks
    for arm, runs in results.items():
        for seed, run in runs.items():
            told = evaluate.described(corpus, found.suite, found.probes[arm], seed)["average"]
            if tuple(told["tasks"]) != tasks:
                raise CorpusError(
                    f"the averages of {arm} and {found.entries[0].name} are of other tasks",
                    f"measure both again: `vlcorpus evaluate {corpus.place} SUITE`",
                )
            run[AVERAGE] = float(told["value"])
        seeds = list(runs)
        if not all(name in answers[arm][seed] for name in mains for seed in seeds):
            continue
        parts: list[tuple[NDArray[np.float64], list[Any]]] = []
        for task, name in zip(tasks, mains, strict=True):
            files = pictures[arm][seeds[0]].get(task, ([], None, None))[0]
            value_nN = np.stack([answers[arm][seed][name] for seed in seeds])
            own: list[Any] = files if len(files) == value_nN.shape[1] else [(task, k) for k in range(value_nN.shape[1])]
            parts.append((value_nN, own))
        for seed, values in zip(seeds, joined(parts), strict=True):
            answers[arm][seed][AVERAGE] = values
    return tasks


def _classes(
    stage: Compare,
    results: Runs,
    pictures: Mapping[str, Mapping[int, Pictured]],
    baseline: str,
    parts: int,
) -> list[dict[str, Any]]:
    """Recall by class of each zero-shot task, over the seeds that all arms have."""
    from ..probe.parts import spread
    from ..probe.recalls import recalls

    seeds = sorted(set.intersection(*(set(runs) for runs in results.values())))
    if not seeds:
        return []
    found: list[dict[str, Any]] = []
    for task, (_, label_N, _) in pictures[baseline][seeds[0]].items():
        if f"{task}.top1" not in results[baseline][seeds[0]] or any(label is None for label in label_N):
            continue
        hits = {
            arm: np.stack([(pictures[arm][seed][task][2] == label_N).astype(np.float64) for seed in seeds])
            for arm in results
        }
        factor = spread(parts, seeds) if len(seeds) > 1 else None
        rows = recalls(task, list(label_N), hits, baseline, confidence=stage.confidence, factor=factor)
        found += [asdict(row) for row in rows]
    return found


def _row(row: Any) -> dict[str, Any]:
    task, _, measure = row.metric.rpartition(".")
    told = {"metric": row.metric, "task": task or row.metric, "measure": measure}
    return told | asdict(row) | {
        "improvement": row.improvement,
        "regression": row.regression,
        "verdict": row.verdict,
    }  # fmt: skip


def _software(corpus: Corpus, probe: str) -> dict[str, str]:
    """Versions of what trained the baseline."""
    layer = corpus.layer(f"probes/{probe}")
    stats = next((layer.stats(unit) for unit in layer.units()), None)
    return dict((stats or {}).get("software", {}))
