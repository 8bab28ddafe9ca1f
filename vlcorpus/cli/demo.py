"""`vlcorpus demo`: the whole walk over a picture world, offline.

A small website of drawn pictures with the web's noise is written and served on loopback; the real stages crawl,
download, score, filter and train on it; a table and a report say what the filtering did. The same command resumes.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..corpus import Corpus, read_json
from ..pipeline import recipe as recipes
from . import output, running
from .machines import Machines

TRUSTED, EXAM = 3_000, 2_000


@dataclass(frozen=True, kw_only=True)
class Demo:
    folder: Path
    pairs: int
    seeds: int
    seed: int
    workers: int | None
    steps: int | None = None
    pictures: int = EXAM
    trusted: int = TRUSTED


def run(demo: Demo) -> Path:
    """Do the demo; returns the report's path."""
    from ..world.server import Served

    start = time.monotonic()
    world, trusted, corpus = (demo.folder / name for name in ("world", "trusted", "pictures"))
    site = draw_world(demo, world)
    output.note(f"the filter model learns from {demo.trusted:,} trusted pairs ({trusted})")
    _recipe("demo-filter", trusted, demo.workers, [])
    with Served(site) as served:
        where = " ".join(served.connect_to)
        output.note(f"the picture world is served on 127.0.0.1:{served.port}; the walk begins ({corpus})")
        seeds = ", ".join(map(str, range(demo.seeds)))
        settings = [f"train-probe.seeds=[{seeds}]", f"report.commands={commands(demo)}"]
        settings += [f"{stage}.connect_to=['{where}']" for stage in ("crawl", "download")]
        if demo.steps is not None:
            settings.append(f"train-probe.steps={demo.steps}")
        _recipe("demo", corpus, demo.workers, settings)
    report = corpus / "reports" / "report.html"
    show(Corpus.open(corpus), "exam", world / "site" / "planted.jsonl")
    output.note(f"the whole walk took {time.monotonic() - start:.1f} s")
    output.say(f"report: {report}")
    return report


def draw_world(demo: Demo, world: Path) -> Path:
    """Write site, trusted set and exam where they are not yet; returns the folder to serve."""
    from ..io.commit import explained, write_json
    from ..world.exam import write_exam
    from ..world.site import WorldSettings, write_site
    from ..world.trusted import write_trusted

    settings = {"pairs": demo.pairs, "seed": demo.seed, "trusted": demo.trusted, "pictures": demo.pictures}
    marker = world / "drawn.json"
    with explained(world):
        world.mkdir(parents=True, exist_ok=True)
    if not marker.is_file() or read_json(marker) != settings:
        output.note(
            f"drawing a picture world: {demo.pairs:,} pairs on its pages, {demo.pictures:,} pictures for the exam"
        )
        write_site(world / "site", WorldSettings(pairs=demo.pairs, seed=demo.seed))
        write_trusted(world / "trusted", demo.trusted, demo.seed)
        write_exam(world / "exam", demo.pictures, demo.seed)
        write_json(marker, settings)
    return world / "site" / "site"


def _recipe(name: str, corpus: Path, workers: int | None, settings: list[str]) -> None:
    loaded = recipes.load(recipes.find(name), corpus=corpus, overrides=settings)
    rows = loaded.shard_rows
    machines = Machines(workers=workers)
    running.do(corpus, loaded.stages, machines=machines, dry_run=False, as_json=False, shard_rows=rows, advise=False)


def commands(demo: Demo) -> list[str]:
    """How to do each step by hand, as STEP: COMMAND; the site must be served while crawl and download run."""
    corpus, exports = f"{demo.folder}/pictures", f"{demo.folder}/exports"
    network = "--allow-private 127.0.0.0/8 --connect-to world.test:80:127.0.0.1:PORT"
    decided = {"raw": "", "filtered": "--decision filtered --duplicates default ", "random": "--decision random "}
    training = " ".join(f"--seeds {seed}" for seed in range(demo.seeds))
    training += f" --steps {demo.steps}" if demo.steps is not None else ""
    return [
        f"serve: python -m vlcorpus.world.server {demo.folder}/world/site/site --port PORT",
        f"filter model: vlcorpus run demo-filter {demo.folder}/trusted",
        f"crawl: vlcorpus crawl {corpus} http://world.test/ --contact http://world.test/contact --delay 0 {network}",
        f"download: vlcorpus download {corpus} --image-size 64 --min-image-size 16 {network}",
        f"embed: vlcorpus embed {corpus} --model {demo.folder}/trusted/probes/filter",
        f"filter: vlcorpus filter {corpus} --top-fraction 0.3 --decision filtered",
        f"random control: vlcorpus filter {corpus} --random-like filtered --decision random",
        f"dedup: vlcorpus dedup {corpus} --radius 3",
        f"split: vlcorpus split {corpus} --train 0.95 --test 0.05",
        f"index: vlcorpus index {corpus}",
        *(f"export: vlcorpus export {corpus} {exports}/{arm} {how}--split default" for arm, how in decided.items()),
        *(f"train: vlcorpus train-probe {corpus} {arm} --on {exports}/{arm}/train {training}" for arm in decided),
        f"evaluate: vlcorpus evaluate {corpus} {demo.folder}/world/exam/suite.yaml",
        f"compare: vlcorpus compare {corpus} raw filtered random --suite exam --baseline raw",
    ]


def show(corpus: Corpus, suite: str, truth: Path) -> None:
    """How well the filter judged, and the comparison's main metrics, as a table on stdout."""
    from ..stages import findings
    from ..stages.planted import Truth

    rows = list(findings.scored(corpus, "filtered"))
    output.say(f"filter AUC, true captions against noise: {Truth.read(corpus, truth).auc(rows):.4f}")
    found: dict[str, Any] = read_json(corpus.layer(f"comparisons/{suite}").path("comparison.json"))
    lines = []
    for row in found["rows"]:
        if not findings.is_main(row["metric"]):
            continue
        interval = "" if row["lower"] is None else f"[{100 * row['lower']:+.1f}, {100 * row['upper']:+.1f}]"
        values = [f"{100 * row[name]:.1f}" for name in ("baseline_mean", "mean")]
        difference = f"{100 * row['difference']:+.1f}"
        mark = "worse" if row["regression"] else "better" if row["improvement"] else ""
        lines.append((row["metric"], row["arm"], *values, difference, interval, mark))
    heads = ("metric", "arm", found["baseline"], "arm's", "difference", f"{100 * found['confidence']:g} %", "")
    output.table(heads, lines, numbers=(2, 3, 4, 5))
