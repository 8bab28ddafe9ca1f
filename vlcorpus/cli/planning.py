"""`vlcorpus plan`: what a recipe will take at any size, by this corpus's own rates.

    vlcorpus plan laion5b birds
    vlcorpus plan laion5b birds --rows 5.85B --machine cores=64,ram=256,net=25,price=2.5 --days 14
    vlcorpus plan laion5b birds --machines 20 --set embed.device=cuda

A sample goes through the recipe in a temporary folder; the corpus is only read. Every line says what it rests on.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import UsageError, nearest
from . import output, shape
from .planning_shown import MOST_SAMPLE, processor, say_basis, say_size

if TYPE_CHECKING:
    from ..pipeline.forecasting.measure import Found
    from ..pipeline.forecasting.projection import Asked, Projection
    from ..pipeline.forecasting.terms import Measured

SIZES = ("100M", "1B", "10B")


def plan(
    recipe: Annotated[str, typer.Argument(help="Recipe file, or the name of one that ships.", show_default=False)],
    corpus: Annotated[str, typer.Argument(metavar="CORPUS", help="Corpus to measure on.", show_default=False)],
    rows: Annotated[
        list[str] | None,
        typer.Option("--rows", metavar="N", help="Candidates, as 1e9, 400M or 5B; 100M, 1B and 10B if not given."),
    ] = None,
    sample: Annotated[int, typer.Option(min=20, max=MOST_SAMPLE, help="Candidates to measure on, about.")] = 500,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the sample.")] = 0,
    days: Annotated[float, typer.Option(min=0.01, max=3_650, help="Time that it may take.")] = 7.0,
    machine: Annotated[
        list[str] | None,
        typer.Option(
            "--machine",
            metavar="KEY=VALUE,...",
            help="Kind of machine: cores, gpus, ram and disk in GB, net in Gbit/s, price an hour, name.",
        ),
    ] = None,
    machines: Annotated[
        int | None, typer.Option(min=1, max=1_000_000, help="How many; as many as --days needs if not given.")
    ] = None,
    rate: Annotated[
        list[str] | None,
        typer.Option(
            "--rate", metavar="STAGE=ROWS", help="Rows a second of a core (of a GPU: ROWS/gpu), not measured."
        ),
    ] = None,
    fetch: Annotated[bool, typer.Option("--fetch", help="Fetch the sample's images, though they are there.")] = False,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="STAGE.KEY=VALUE", help="Override a key of the recipe.")
    ] = None,
    keep_scratch: Annotated[
        str | None, typer.Option("--keep-scratch", metavar="FOLDER", help="New folder for the scratch corpora, kept.")
    ] = None,
    shard_rows: Annotated[
        int | None,
        typer.Option(min=1, max=1_000_000, help="Candidates of a shard; as this corpus has them if not given."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Measure a recipe on a sample, and say what millions or billions will take."""
    from ..pipeline import recipe as recipes
    from ..pipeline.forecasting.measure import measure
    from ..pipeline.forecasting.projection import Asked, World, project
    from ..pipeline.forecasting.terms import DEFAULT_MACHINE, machine_of, rows_of
    from ..stages import places

    sizes = list(dict.fromkeys(rows_of(each) for each in rows or SIZES))
    kinds = tuple(machine_of(each) for each in machine or ()) or (DEFAULT_MACHINE,)
    typed = dict(_rate(each) for each in rate or ())
    opened = places.opened(corpus)
    loaded = recipes.load(
        recipes.find(recipe), corpus=corpus if places.is_url(corpus) else opened.path, overrides=set_ or ()
    )
    start = time.monotonic()
    with _scratch(keep_scratch) as folder:
        found = measure(
            opened,
            loaded.stages,
            folder=folder,
            sample=sample,
            seed=seed,
            fetch=fetch,
            say=output.note if not json else _no,
        )
    took = time.monotonic() - start
    measured = _with_rates(found.measured, typed)
    drawn = found.drawn
    world = World(
        shard_rows=shard_rows or opened.shard_rows,
        digits=opened.digits,
        looked=drawn.looked,
        images=drawn.different,
        hosts=drawn.hosts,
        top=drawn.top[1],
        dimension=found.dimension,
        index=found.index,
        open_files=open_files(),
    )
    asked = Asked(kinds, days, machines)
    projections = [project(each, measured, world, asked) for each in sizes]
    if json:
        output.say_json(_plain(found, measured, projections, asked, seed, took))
        return
    say_basis(recipe, opened.place, replace(found, measured=tuple(measured)), asked, took, given=machine is not None)
    for each in projections:
        say_size(each, asked)


def _no(words: str) -> None:
    """Nothing is said beside JSON."""


@contextmanager
def _scratch(kept: str | None) -> Iterator[Path]:
    if kept is None:
        with tempfile.TemporaryDirectory(prefix="vlcorpus-plan-") as name:
            yield Path(name)
        return
    folder = Path(kept)
    if "://" in kept or folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise UsageError(
            f"--keep-scratch {kept} is no new folder of this machine", "name a folder that is not there yet"
        )
    from ..io.commit import explained

    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
    yield folder
    output.note(f"the scratch corpora are in {folder}")


def _rate(text: str) -> tuple[str, tuple[float, bool]]:
    """STAGE=ROWS, or STAGE=ROWS/gpu."""
    from ..pipeline.forecasting.measure import MEASURED, SOURCES

    stage, equals, value = text.partition("=")
    number, slash, of = value.partition("/")
    known = (*MEASURED, *SOURCES)
    if not equals or (slash and of not in ("gpu", "core")):
        raise UsageError(f"--rate {text!r} is not STAGE=ROWS", "as embed=900/gpu or download=120")
    if stage not in known:
        raise UsageError(f"--rate: no stage {stage!r} is measured", nearest(stage, known))
    try:
        speed = float(number)
    except ValueError:
        speed = 0.0
    if not 0 < speed < 1e12:
        raise UsageError(f"--rate {text!r}: {number!r} is no number of rows a second", "as embed=900/gpu")
    return stage, (speed, of == "gpu")


def _with_rates(measured: Sequence[Measured], typed: dict[str, tuple[float, bool]]) -> list[Measured]:
    for stage in typed:
        if not any(each.stage == stage for each in measured):
            raise UsageError(f"--rate: the recipe has no {stage}", nearest(stage, [each.stage for each in measured]))
    found = []
    for each in measured:
        if each.stage in typed:
            speed, gpu = typed[each.stage]
            each = replace(
                each, per_row=1 / speed, serial_row=0.0, start=0.0, gpu=gpu, basis="given", why="your word",
                short=False, wall_row=None, device="GPU" if gpu else each.device, growth="n",
            )  # fmt: skip
        found.append(each)
    return found


def open_files() -> int:
    """As many as one program may have open or mapped here."""
    import resource

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    try:
        maps = int(Path("/proc/sys/vm/max_map_count").read_text())
    except (OSError, ValueError):
        maps = most
    return min(most, maps) if most > 0 else maps


def _plain(
    found: Found, measured: Sequence[Measured], projections: Sequence[Projection], asked: Asked, seed: int, took: float
) -> dict[str, Any]:
    drawn = found.drawn
    return {
        "sample": {
            "candidates": drawn.count,
            "shards": drawn.shards,
            "of_shards": drawn.of,
            "seed": seed,
            "fetched": found.fetched,
            "own_images": drawn.images,
            "seconds": took,
            "processor": processor(),
        },
        "left": list(found.left),
        "asked": shape.plain(asked),
        "rates": [shape.plain(each) for each in measured],
        "projections": [shape.plain(each) for each in projections],
    }
