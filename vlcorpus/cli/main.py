"""The commands. Heavy libraries load inside the commands that need them, never for `--help`."""

from __future__ import annotations

import errno
import inspect
import io
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from .. import __version__, spec
from ..errors import UsageError, VlcorpusError
from ..pipeline import recipe as recipes
from ..stages import places, registry
from ..stages.base import Stage
from . import output, planning, reading, running
from .machines import OPTIONS, Address, Executors, Kind, Machines, ShardRange, Wait, Workers
from .options import given, parameters
from .words import Commands, explain, parser_error

app = typer.Typer(
    name="vlcorpus",
    cls=Commands,
    help="Build image-text corpora and know how good they are.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

CorpusPath = Annotated[str, typer.Argument(metavar="CORPUS", help="Folder of the corpus.", show_default=False)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the plan and write nothing.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]

_PANELS = {
    "crawl": "Gather",
    "import": "Gather",
    "download": "Gather",
    "import-embeddings": "Gather",
    "embed": "Judge",
    "score": "Judge",
    "filter": "Judge",
    "dedup": "Judge",
    "takedown": "Use",
    "split": "Use",
    "export": "Use",
    "index": "Use",
    "train-probe": "Measure",
    "evaluate": "Measure",
    "compare": "Measure",
    "sweep": "Measure",
    "report": "Measure",
}


def _stage_command(name: str) -> Callable[..., None]:
    cls = registry.stage(name)

    def command(*, corpus: str, dry_run: bool, json: bool, **values: Any) -> None:
        machines = Machines(**{key: values.pop(key) for key in OPTIONS})
        judged = name == "filter" and values.get("recipe") is not None
        stages = _judging(_place(corpus), values) if judged else [_built(cls, values)]
        if values.get("set_") and not judged:
            raise UsageError("--set belongs to --recipe", "say a filter's keys as flags, as --min-sim 0.3")
        if name == "download" and values.get("from_list") is not None:
            told = {"source": values["from_list"], "shard_rows": values.get("shard_rows")}
            stages.insert(0, _built(registry.stage("import"), told))
        elif name == "download" and values.get("shard_rows") is not None:
            raise UsageError("--shard-rows belongs to --from", "the rows of a shard are fixed when a corpus is created")
        if name == "import" and values.get("embeddings"):
            told = {key.removeprefix("embeddings_"): values[key] for key in ("embeddings_model", "embeddings_arrays")}
            stages.append(_built(registry.stage("import-embeddings"), told | {"folders": values["embeddings"]}))
        if values.get("sample") is not None and not dry_run:
            raise UsageError("--sample belongs to --dry-run", "add --dry-run, or leave --sample away")
        sample: int | None = values.get("sample")
        running.do(_place(corpus), stages, machines=machines, dry_run=dry_run, as_json=json, sample=sample)

    extra: dict[str, Any] = {}
    if name == "import":
        extra |= {
            key: Annotated[kind, typer.Option("--" + key.replace("_", "-"), metavar=meta, help=words)]
            for key, kind, meta, words in (
                ("embeddings", list[str] | None, "FOLDER", "Also bring the embeddings in this folder."),
                ("embeddings_model", str | None, "NAME", "Model that made them, as ViT-B-32/openai."),
                ("embeddings_arrays", str | None, "NAME", "Which arrays of .npz files, as l14."),
            )
        }
    if name == "download":
        extra["from_list"] = Annotated[
            str | None, typer.Option("--from", metavar="LIST", help="Import this URL list first.")
        ]
        extra["shard_rows"] = Annotated[
            int | None, typer.Option("--shard-rows", min=1, help="With --from: rows of a shard of a new corpus.")
        ]
        extra["sample"] = Annotated[
            int | None,
            typer.Option("--sample", metavar="N", min=1, help="With --dry-run: fetch N images, to foretell by."),
        ]
    if name == "filter":
        extra["recipe"] = Annotated[
            str | None,
            typer.Option("--recipe", metavar="NAME", help="Judge as this recipe does; flags go before its keys."),
        ]
        extra["set_"] = Annotated[
            list[str] | None,
            typer.Option("--set", metavar="STAGE.KEY=VALUE", help="With --recipe: override a key of it."),
        ]
    keyword = inspect.Parameter.KEYWORD_ONLY
    signature = [inspect.Parameter("corpus", keyword, annotation=CorpusPath), *parameters(cls)]
    signature += [inspect.Parameter(key, keyword, default=None, annotation=hint) for key, hint in extra.items()]
    common = {**OPTIONS, "dry_run": (DryRun, False), "json": (Json, False)}
    signature += [
        inspect.Parameter(key, keyword, default=default, annotation=kind) for key, (kind, default) in common.items()
    ]
    command.__signature__ = inspect.Signature(signature)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in signature}
    command.__doc__ = inspect.getdoc(cls)
    return command


def _built(cls: type[Stage], values: dict[str, Any]) -> Stage:
    known = {each.name for each in spec.settings_of(cls)}
    typed = {key: value for key, value in given(values).items() if key in known}
    return spec.build(cls, recipes.from_environment(cls.name, but=typed) | typed, where=cls.name)


def _judging(corpus: Path | str, values: dict[str, Any]) -> list[Stage]:
    """The stages of a recipe that judge, with what was typed beside it."""
    known = {each.name for each in spec.settings_of(registry.stage("filter"))}
    typed = {key: value for key, value in given(values).items() if key in known}
    path = recipes.find(values["recipe"])
    loaded = recipes.load(path, corpus=corpus, overrides=values.get("set_") or (), flags=typed)
    return list(recipes.judging(loaded))


def _place(corpus: str) -> Path | str:
    """The folder of a corpus, or the address of one in a store."""
    if not corpus:
        raise UsageError("CORPUS is empty", "name the folder of a corpus")
    return corpus if places.is_url(corpus) else Path(corpus)


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
    executor: Executors = Kind.LOCAL,
    address: Address = None,
    shard_range: ShardRange = None,
    wait: Wait = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Run a recipe: a YAML list of stages, scheduled shard by shard."""
    place = _place(corpus)
    machines = Machines(workers=workers, executor=executor, address=address, shard_range=shard_range, wait=wait)
    loaded = recipes.load(recipes.find(recipe), corpus=place, overrides=set_ or ())
    running.do(place, loaded.stages, machines=machines, dry_run=dry_run, as_json=json, shard_rows=loaded.shard_rows)


app.command("plan", rich_help_panel="Pipelines")(planning.plan)
reading.register(app)


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


# What the system may refuse wherever a path of the user's is touched, and what to do about it.
_SYSTEM = {
    errno.EACCES: "ask for permission, or name another place",
    errno.EPERM: "ask for permission, or name another place",
    errno.EROFS: "choose a folder you may write to",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ELOOP: "a link leads in a circle",
    errno.ENOSPC: "make room and run the same command again: it resumes",
    errno.EDQUOT: "make room and run the same command again: it resumes",
    errno.EFBIG: "make room and run the same command again: it resumes",
}


def main() -> None:
    """Entry point: runs the command line and turns errors into a line, a hint and an exit code."""
    _open_streams()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    try:
        code = app(prog_name="vlcorpus", standalone_mode=False)
        sys.stdout.flush()
        sys.exit(code if isinstance(code, int) else 0)
    except VlcorpusError as error:
        _refuse(error)
    except BrokenPipeError:
        _drop_stdout()
        sys.exit(0)
    except OSError as error:
        if error.errno not in _SYSTEM:
            raise
        if error.filename is None:
            _drop_stdout()
        place = f" ({error.filename})" if error.filename is not None else ""
        _refuse(VlcorpusError(os.strerror(error.errno).lower() + place, _SYSTEM[error.errno]))
    except parser_error() as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            sys.exit(error.exit_code)
        _refuse(explain(error))


def _refuse(error: VlcorpusError) -> NoReturn:
    output.refuse(error)
    sys.exit(error.exit_code)


def _end(number: int, frame: object) -> None:
    output.note(f"{'interrupted' if number == signal.SIGINT else 'ended'}; the same command resumes")
    sys.exit(128 + number)


def _open_streams() -> None:
    """Where stdin, stdout or stderr is closed, open it to nothing: else the next file would get its number, and with it
    whatever a library prints."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)
    os.close(fd)
    sys.stdout = sys.stdout or os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", encoding="utf-8", closefd=False)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # what the terminal has no letter for is no reason to fail


def _drop_stdout() -> None:
    """What is still to be written to a stdout that takes no more goes nowhere, so that the exit is quiet."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
