"""The commands. Heavy libraries load inside the commands that need them, never for `--help`."""

from __future__ import annotations

import inspect
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from .. import __version__, spec
from ..errors import UsageError, VlcorpusError
from ..pipeline import recipe as recipes
from ..stages import registry
from ..stages.base import Stage
from . import output, running
from .options import given, parameters

app = typer.Typer(
    name="vlcorpus",
    help="Build image-text corpora and know how good they are.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

CorpusPath = Annotated[str, typer.Argument(metavar="CORPUS", help="Folder of the corpus.", show_default=False)]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="Worker processes; one per core if not given.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the plan and do nothing.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]

_PANELS = {
    "crawl": "Gather",
    "import": "Gather",
    "download": "Gather",
    "embed": "Judge",
    "score": "Judge",
    "filter": "Judge",
    "dedup": "Judge",
    "split": "Use",
    "export": "Use",
    "index": "Use",
    "train-probe": "Measure",
    "evaluate": "Measure",
    "compare": "Measure",
    "report": "Measure",
}


def _stage_command(name: str) -> Callable[..., None]:
    cls = registry.stage(name)

    def command(*, corpus: str, workers: int | None, dry_run: bool, json: bool, **values: Any) -> None:
        stages = [_built(cls, values)]
        if name == "download" and values.get("from_list"):
            stages.insert(0, _built(registry.stage("import"), {"source": values["from_list"]}))
        rows = getattr(stages[0], "shard_rows", None)
        running.do(Path(corpus), stages, workers=workers, dry_run=dry_run, as_json=json, shard_rows=rows)

    common = {"corpus": CorpusPath, "workers": Workers, "dry_run": DryRun, "json": Json}
    defaults = {"corpus": inspect.Parameter.empty, "workers": None, "dry_run": False, "json": False}
    extra = {}
    if name == "download":
        extra["from_list"] = Annotated[
            str | None, typer.Option("--from", metavar="LIST", help="Import this URL list first.")
        ]
    keyword = inspect.Parameter.KEYWORD_ONLY
    signature = [inspect.Parameter("corpus", keyword, annotation=CorpusPath), *parameters(cls)]
    signature += [inspect.Parameter(key, keyword, default=None, annotation=hint) for key, hint in extra.items()]
    signature += [
        inspect.Parameter(key, keyword, default=defaults[key], annotation=common[key])
        for key in ("workers", "dry_run", "json")
    ]
    command.__signature__ = inspect.Signature(signature)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in signature}
    command.__doc__ = inspect.getdoc(cls)
    return command


def _built(cls: type[Stage], values: dict[str, Any]) -> Stage:
    known = {each.name for each in spec.settings_of(cls)}
    typed = {key: value for key, value in given(values).items() if key in known}
    return spec.build(cls, recipes.from_environment(cls.name) | typed, where=cls.name)


for _name in registry.names():
    app.command(_name, rich_help_panel=_PANELS[_name])(_stage_command(_name))


@app.command("run", rich_help_panel="Pipelines")
def run_recipe(
    recipe: Annotated[str, typer.Argument(help="Recipe file, or the name of one that ships.", show_default=False)],
    corpus: CorpusPath,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="STAGE.KEY=VALUE", help="Override a key of the recipe.")
    ] = None,
    workers: Workers = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Run a recipe: a YAML list of stages, scheduled shard by shard."""
    path = Path(corpus)
    loaded = recipes.load(recipes.find(recipe), corpus=path, overrides=set_ or ())
    if not loaded.stages:
        raise UsageError(f"{loaded.path} has no stages", "see `vlcorpus recipes --show demo`")
    running.do(path, loaded.stages, workers=workers, dry_run=dry_run, as_json=json, shard_rows=loaded.shard_rows)


@app.command(rich_help_panel="Pipelines")
def demo(
    folder: Annotated[str, typer.Argument(help="Folder to work in.")] = "demo",
    pairs: Annotated[int, typer.Option(min=100, help="Pairs on the pages of the picture world.")] = 6_000,
    seeds: Annotated[int, typer.Option(min=1, max=20, help="Probes of each arm.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the picture world.")] = 1,
    steps: Annotated[int | None, typer.Option(min=1, help="Training steps of each probe.", show_default=False)] = None,
    workers: Workers = None,
) -> None:
    """Take a picture world from web pages to a verdict, offline, and write a report."""
    from . import demo as walk

    walk.run(walk.Demo(folder=Path(folder), pairs=pairs, seeds=seeds, seed=seed, steps=steps, workers=workers))


def _version(shown: bool) -> None:
    if shown:
        output.say(f"vlcorpus {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Entry point: runs the command line and turns errors into a line, a hint and an exit code."""
    signal.signal(signal.SIGTERM, _end)
    try:
        code = app(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except VlcorpusError as error:
        output.refuse(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        output.note("interrupted; the same command resumes")
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except _click_error() as error:
        error.show(file=sys.stderr)
        sys.exit(2)


def _click_error() -> type[Any]:
    """What the parser raises for wrong words; typer carries its own copy of click."""
    return next(each for each in typer.BadParameter.__mro__ if each.__name__ == "ClickException")


def _end(number: int, frame: object) -> None:
    output.note("ended; the same command resumes")
    sys.exit(128 + number)
