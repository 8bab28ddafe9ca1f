"""evaluate: what probes can do, on pictures they have never seen.

    vlcorpus evaluate CORPUS exam/suite.yaml --probes raw filtered

One unit a probe and seed: evaluations/<suite>/<probe>.seed-<k>/ holds metrics.json and answers.parquet. The stats
name suite and evaluator versions, so that figures of different ones are never compared.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..corpus import Corpus, Layer
from ..errors import CorpusError, SourceError, UsageError
from ..spec import setting
from .base import Stage, Tell, Work

_AGAIN = "measure again: `vlcorpus evaluate CORPUS SUITE.yaml`"


@dataclass(frozen=True, kw_only=True)
class Evaluate(Stage):
    """Measure probes on a suite of tasks: zero-shot, retrieval, hard negatives."""

    name = "evaluate"
    makes = "evaluations"
    libraries = ("torch",)

    suite: str = setting(
        help="Suite: a YAML file that names tasks and tables.", positional=True, result=False, path=True
    )
    probes: tuple[str, ...] = setting((), help="Probes to measure; all of the corpus if none are given.", result=False)

    def suite_name(self) -> str:
        """The suite's own name, or its folder's."""
        path = Path(self.suite)
        return path.stem if path.stem != "suite" else path.resolve().parent.name

    def made(self) -> str:
        return f"evaluations/{self.suite_name()}"

    def wanted(self) -> tuple[str, ...]:
        return tuple(f"probes/{probe}" for probe in self.probes) or ("probes",)

    def check(self, corpus: Corpus) -> None:
        if not Path(self.suite).is_file():
            raise SourceError(f"no suite at {self.suite}", "name a YAML file with tasks")

    def _names(self, corpus: Corpus) -> tuple[str, ...]:
        known = corpus.layers("probes")
        missing = [probe for probe in self.probes if probe not in known]
        if missing:
            raise UsageError(f"no probe {missing[0]!r} in {corpus.path}", f"there are: {', '.join(known) or 'none'}")
        return self.probes or known

    def units(self, corpus: Corpus) -> Sequence[str]:
        return tuple(
            f"{probe}.{seed}" for probe in self._names(corpus) for seed in corpus.layer(f"probes/{probe}").units()
        )

    def inputs(self, corpus: Corpus, unit: str) -> dict[str, str]:
        layer, seed = _place(corpus, unit)
        return {"probe": layer.digest(seed), "suite": _digest(Path(self.suite))}

    def open(self, corpus: Corpus) -> Work:
        from ..clip.model import load
        from ..images.decode import Refused, decode
        from ..io import table
        from ..probe.evaluate import run_suite
        from ..probe.suite import load_suite

        suite = load_suite(self.suite)

        def evaluate(unit: str, tell: Tell) -> None:
            layer, seed = _place(corpus, unit)
            encoder = load(str(layer.path(seed)))

            def rgb(body: bytes):  # type: ignore[no-untyped-def]
                picture = decode(body)
                return None if isinstance(picture, Refused) else picture.rgb

            results = run_suite(encoder, suite, rgb)
            rows = [
                {"task": task, "measure": measure, "sample": number, "hit": bool(hit)}
                for task, by_measure in results.hits.items()
                for measure, hits in by_measure.items()
                for number, hit in enumerate(hits)
            ]
            about = {
                "suite": results.suite,
                "suite_version": results.suite_version,
                "evaluator_version": results.evaluator_version,
                "model": encoder.slug,
                "metrics": results.metrics,
                "chance": results.chance,
                "unreadable": list(results.unreadable),
                "failed_rows": results.failed_rows,
            }
            with self.commit(corpus, unit) as commit:
                commit.write(f"{unit}/metrics.json", (json.dumps(about, indent=1) + "\n").encode())
                table.write(commit, f"{unit}/answers.parquet", table.columns(rows, "answers"), "answers")
                commit.finish(
                    seen=len(rows),
                    kept=len(rows),
                    metrics=results.metrics,
                    suite_version=results.suite_version,
                    evaluator_version=results.evaluator_version,
                )

        return evaluate


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
        if trained.stats(seed) is not None and trained.digest(seed) != stats["inputs"]["probe"]:
            raise CorpusError(f"probe {probe} was trained again since it was measured", _AGAIN)
        with_what = (stats["inputs"]["suite"], stats["suite_version"], stats["evaluator_version"])
        measured_with.setdefault(with_what, unit)
        if len(measured_with) > 1:
            raise CorpusError(f"{' and '.join(measured_with.values())} were measured with different suites", _AGAIN)
        flat = {f"{task}.{name}": value for task, by in stats["metrics"].items() for name, value in by.items()}
        found.setdefault(probe, {})[int(seed.removeprefix("seed-"))] = flat
    return found


def _place(corpus: Corpus, unit: str) -> tuple[Layer, str]:
    probe, _, seed = unit.rpartition(".")
    return corpus.layer(f"probes/{probe}"), seed


def _digest(suite: Path) -> str:
    """Names the suite and the tables beside it; pictures are named by the tables and are not read here."""
    state = hashlib.blake2b(digest_size=16)
    for path in [suite, *sorted(suite.parent.glob("*.csv")), *sorted(suite.parent.glob("*.tsv"))]:
        state.update(path.name.encode("utf-8", "surrogateescape") + b"\0" + path.read_bytes() + b"\0")
    return state.hexdigest()
