"""evaluate: what probes can do, on pictures they have never seen.

    vlcorpus evaluate CORPUS exam/suite.yaml --probes raw --probes filtered
    vlcorpus evaluate CORPUS datacomp --root EVALSETS --models ViT-B-32/openai
    vlcorpus evaluate CORPUS wds_eurosat_test

SUITE is a YAML file, the name of a suite that ships with vlcorpus, a folder with a folder a class, or a folder of
WebDataset shards. One unit a probe and seed: evaluations/<suite>/<probe>.seed-<k>/ holds metrics.json, answers.parquet
(one value a picture and measure) and pictures.parquet; a model that is named by reference has its slug for a probe's
name, and seed 0. The stats name suite and evaluator versions, so that figures of different ones are never compared.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..corpus import Corpus, Layer
from ..errors import CorpusError, SourceError, UsageError
from ..spec import setting
from . import models, places
from .base import Needs, Stage, Tell, Work, on
from .suites import opened

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..probe.evaluate import Results

_AGAIN = "measure again: `vlcorpus evaluate CORPUS SUITE`"
_SPLITS = ("test", "train", "val")


@dataclass(frozen=True, kw_only=True)
class Evaluate(Stage):
    """Measure probes on a suite of tasks: zero-shot, retrieval, linear probes, hard negatives."""

    name = "evaluate"
    version = 2
    makes = "evaluations"
    libraries = ("torch", "open_clip_torch")

    suite: str = setting(
        help="YAML file that names tasks and tables, the name of a suite that ships with vlcorpus, or a folder: one a "
        "class, or WebDataset shards.",
        positional=True,
        result=False,
        path=True,
    )
    probes: tuple[str, ...] = setting(
        (), help="Probes to measure; all of the corpus if neither probes nor models are given.", result=False
    )
    models: tuple[str, ...] = setting(
        (), help="Models to measure beside probes: the references that embed takes.", result=False
    )
    root: str | None = setting(
        None, help="Folder with the suite's pictures and tables, instead of what it says.", result=False, path=True
    )
    device: str = setting("cpu", help="Where to compute: cpu, or cuda.", result=False)

    def suite_name(self) -> str:
        """The name of the suite's file or folder; the folder's of a file called suite.yaml."""
        path = places.here(self.suite, "a suite", "a file or a folder")
        if path.is_dir():
            whole = path.resolve()
            name = whole.parent.name if whole.name in _SPLITS else whole.name
        else:
            name = path.stem if path.stem != "suite" else path.resolve().parent.name
        return re.sub(r"[^A-Za-z0-9._-]+", "-", name).lstrip(".-") or "suite"

    def made(self) -> str:
        return f"evaluations/{self.suite_name()}"

    def wanted(self) -> tuple[str, ...]:
        own = tuple(layer for model in self.models for layer in models.probes(model))
        named = tuple(f"probes/{probe}" for probe in self.probes)
        return tuple(dict.fromkeys([*named, *own])) if named or self.models else ("probes",)

    def check(self, corpus: Corpus) -> None:
        if self.root is not None and not places.here(self.root, "--root").is_dir():
            raise SourceError(f"no folder {self.root}", "name the folder with the suite's pictures")
        opened(self.suite, self.root)

    def units(self, corpus: Corpus) -> Sequence[str]:
        trained = (
            f"{probe}.{seed}" for probe in self._names(corpus) for seed in corpus.layer(f"probes/{probe}").units()
        )
        return tuple(dict.fromkeys([*trained, *self._references(corpus)]))

    def inputs(self, corpus: Corpus, unit: str) -> dict[str, str]:
        suite = opened(self.suite, self.root)[1]
        if unit in self._references(corpus):
            return {"model": unit.removesuffix(".seed-0"), "suite": suite}
        layer, seed = _place(corpus, unit)
        return {"probe": layer.digest(seed), "suite": suite}

    def _names(self, corpus: Corpus) -> tuple[str, ...]:
        known = corpus.layers("probes")
        missing = [probe for probe in self.probes if probe not in known]
        if missing:
            raise UsageError(f"no probe {missing[0]!r} in {corpus.place}", f"there are: {', '.join(known) or 'none'}")
        return self.probes if self.probes or self.models else known

    def _references(self, corpus: Corpus) -> dict[str, str]:
        """Unit to reference of each model that is no probe to be measured by its name."""
        return {f"{models.slug(corpus, model)}.seed-0": models.reference(corpus, model) for model in self.models}

    def takes(self) -> Needs:
        return on(self.device)

    def open(self, corpus: Corpus) -> Work:
        from ..clip.model import load
        from ..images.decode import Refused, decode
        from ..io import table
        from ..probe.evaluate import run_suite
        from ..probe.suite_pixels import Seen

        suite, _ = opened(self.suite, self.root)
        seen = Seen()

        def rgb(body: bytes, /):  # type: ignore[no-untyped-def]
            picture = decode(body)
            return None if isinstance(picture, Refused) else picture.rgb

        def evaluate(unit: str, tell: Tell) -> None:
            named = self._references(corpus).get(unit)
            layer, seed = _place(corpus, unit)
            encoder = load(named if named is not None else str(models.fetched(layer, seed)), device=self.device)
            prepared = json.dumps([encoder.image_size, encoder.card.preprocessing], sort_keys=True)
            results = run_suite(encoder, suite, rgb, seen=seen, key=prepared)
            about = told(results) | {"model": encoder.slug}
            answered = _answers(results)
            with self.commit(corpus, unit) as commit:
                commit.write(f"{unit}/metrics.json", (json.dumps(about, indent=1) + "\n").encode())
                table.write(commit, f"{unit}/answers.parquet", table.from_columns(answered, "answers"), "answers")
                shown = table.columns(_pictures(results), "pictures")
                table.write(commit, f"{unit}/pictures.parquet", shown, "pictures")
                rows = len(answered["value"])
                commit.finish(
                    seen=rows,
                    kept=rows,
                    metrics=results.metrics,
                    average=about["average"],
                    suite_version=results.suite_version,
                    evaluator_version=results.evaluator_version,
                    device=str(encoder.device),
                )

        return evaluate


def told(results: Results) -> dict[str, Any]:
    """What metrics.json says of results."""
    averages = {
        name: {"value": each.value, "tasks": list(each.tasks), "left_out": dict(each.left_out)}
        for name, each in results.averages.items()
    }
    return {
        "suite": results.suite,
        "suite_version": results.suite_version,
        "evaluator_version": results.evaluator_version,
        "metrics": results.metrics,
        "chance": results.chance,
        "main": results.main,
        "average": averages.pop("all"),
        "averages": averages,
        "clip_benchmark": results.theirs,
        "weaknesses": list(results.weaknesses),
        "pictures": {task: len(files) for task, files in results.files.items()},
        "unreadable": list(results.unreadable),
        "failed_rows": results.failed_rows,
    }


def _answers(results: Results) -> dict[str, Any]:
    import numpy as np

    parts = [(task, name, each) for task, by in results.values.items() for name, each in by.items()]
    sizes = [len(each) for _, _, each in parts]
    return {
        "task": np.repeat(np.array([task for task, _, _ in parts], object), sizes),
        "measure": np.repeat(np.array([name for _, name, _ in parts], object), sizes),
        "sample": np.concatenate([np.arange(size, dtype=np.int32) for size in sizes] or [np.zeros(0, np.int32)]),
        "value": np.concatenate([each.astype(np.float32) for _, _, each in parts] or [np.zeros(0, np.float32)]),
    }


def _pictures(results: Results) -> list[dict[str, Any]]:
    rows = []
    for task, samples in results.files.items():
        labels, guesses = results.labels.get(task), results.guesses.get(task)
        for number, files in enumerate(samples):
            label, guess = labels[number] if labels else None, guesses[number] if guesses else None
            rows += [{"task": task, "sample": number, "file": file, "label": label, "guess": guess} for file in files]
    return rows


def measured(corpus: Corpus, suite: str) -> tuple[str, ...]:
    """The probes that a suite measured, in order."""
    units = corpus.layer(f"evaluations/{suite}").units()
    return tuple(dict.fromkeys(_place(corpus, unit)[0].folder.name for unit in units))


def results(corpus: Corpus, suite: str, probes: Sequence[str]) -> dict[str, dict[int, dict[str, float]]]:
    """probe -> seed -> `task.metric` -> value, of these probes, as a suite measured them.

    CorpusError where figures cannot be compared: of different suites or evaluators, or of a probe that is another now.
    """
    layer = corpus.layer(f"evaluations/{suite}")
    found: dict[str, dict[int, dict[str, float]]] = {}
    measured_with: dict[tuple[str, int, int], str] = {}
    for unit in layer.units():
        trained, seed = _place(corpus, unit)
        probe = trained.folder.name
        if probe not in probes:
            continue
        stats = layer.stats(unit)
        assert stats is not None
        if trained.stats(seed) is not None and trained.digest(seed) != stats["inputs"].get("probe"):
            raise CorpusError(f"probe {probe} was trained again since it was measured", _AGAIN)
        with_what = (stats["inputs"]["suite"], stats["suite_version"], stats["evaluator_version"])
        measured_with.setdefault(with_what, unit)
        if len(measured_with) > 1:
            raise CorpusError(f"{' and '.join(measured_with.values())} were measured with different suites", _AGAIN)
        flat = {f"{task}.{name}": value for task, by in stats["metrics"].items() for name, value in by.items()}
        found.setdefault(probe, {})[int(seed.removeprefix("seed-"))] = flat
    return found


def answers(corpus: Corpus, suite: str, probes: Sequence[str]) -> dict[str, dict[int, dict[str, NDArray[np.float64]]]]:
    """probe -> seed -> `task.metric` -> (N,) one value a picture, as far as a metric is the mean of such values.

    Sample k of a task is the same picture for every probe. CorpusError as of `results`.
    """
    return {
        probe: {seed: _values(corpus, suite, f"{probe}.seed-{seed}") for seed in seeds}
        for probe, seeds in results(corpus, suite, probes).items()
    }


def pictures(corpus: Corpus, suite: str, probe: str, seed: int) -> list[dict[str, Any]]:
    """The rows of pictures.parquet: task, sample, file, label and guess (None where the task has no classes)."""
    from ..io import table

    layer = corpus.layer(f"evaluations/{suite}")
    return list(table.rows(layer.path(f"{probe}.seed-{seed}/pictures.parquet"), "pictures"))


def described(corpus: Corpus, suite: str, probe: str, seed: int) -> Mapping[str, Any]:
    """metrics.json of one probe and seed: metrics, chance, main, average, averages, clip_benchmark, weaknesses."""
    path = corpus.layer(f"evaluations/{suite}").path(f"{probe}.seed-{seed}/metrics.json")
    try:
        found: Mapping[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CorpusError(f"cannot read {path}", _AGAIN) from error
    return found


def _values(corpus: Corpus, suite: str, unit: str) -> dict[str, NDArray[np.float64]]:
    import numpy as np

    from ..io import table

    read = table.read(corpus.layer(f"evaluations/{suite}").path(f"{unit}/answers.parquet"), "answers")
    found: dict[str, NDArray[np.float64]] = {}
    if not len(read):
        return found
    tasks, measures = (read.column(name).combine_chunks().dictionary_encode() for name in ("task", "measure"))
    task_N, measure_N = tasks.indices.to_numpy(), measures.indices.to_numpy()
    change_N = np.flatnonzero((np.diff(task_N) != 0) | (np.diff(measure_N) != 0)) + 1
    value_N = read.column("value").to_numpy().astype(np.float64)
    for start, stop in zip([0, *change_N], [*change_N, len(value_N)], strict=True):
        name = f"{tasks.dictionary[task_N[start]].as_py()}.{measures.dictionary[measure_N[start]].as_py()}"
        found[name] = value_N[start:stop]
    return found


def _place(corpus: Corpus, unit: str) -> tuple[Layer, str]:
    probe, _, seed = unit.rpartition(".")
    return corpus.layer(f"probes/{probe}"), seed
