"""Writes docs/cli.md from the commands themselves: `python docs/generate.py`. A test compares the two."""

from __future__ import annotations

import enum
import inspect
import math
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from typer.models import ArgumentInfo, OptionInfo

from vlcorpus import spec
from vlcorpus.cli.main import app
from vlcorpus.stages import registry

HEAD = """\
# The command line

Made by `python docs/generate.py` from the commands themselves; `vlcorpus COMMAND --help` says the same.

    vlcorpus VERB CORPUS [what else] [OPTIONS]

- Results go to stdout, everything else to stderr. `--json` gives one JSON document on stdout and nothing else there.
- An option goes before its environment variable, that before the recipe, that before the default. An empty variable
  says nothing. A list is separated by spaces in a variable, and given by repeating the option on the command line.
- `--dry-run` shows the plan and writes nothing. The same command again resumes: what is done stays.
- One command writes to a corpus at a time; a second one is told who holds it.
- Exit codes: 0 done; 1 an error, or findings; 2 wrong words, values or recipe; 3 some units failed and the others are
  kept; 130 and 143 interrupted. Errors are one line, `error: what (where)`, and one that says what to do, `hint: …`.
- `NO_COLOR` and `TERM=dumb` are obeyed. Text from the web reaches a terminal with control characters made visible.
"""

_KINDS = {bool: "", int: "INT", float: "FLOAT", str: "TEXT"}


def text() -> str:
    """The whole page."""
    commands = sorted(app.registered_commands, key=_place)
    parts = [HEAD, *(_command(each.name or "", each.callback) for each in commands if each.callback is not None)]
    return "\n".join(parts)


def _place(command: Any) -> tuple[int, str]:
    order = [*registry.names(), "run"]
    return (order.index(command.name), "") if command.name in order else (len(order), command.name or "demo")


def _command(name: str, callback: Callable[..., Any]) -> str:
    name = name or callback.__name__
    own = {each.name: each for each in spec.settings_of(registry.stage(name))} if name in registry.names() else {}
    hints = typing.get_type_hints(callback, include_extras=True)
    arguments, options = [], []
    usage = [f"vlcorpus {name}"]
    for key, parameter in inspect.signature(callback).parameters.items():
        kind, about = typing.get_args(hints[key])[:2]
        required = parameter.default is inspect.Parameter.empty
        if isinstance(about, ArgumentInfo):
            shown = (about.metavar or key).upper() + ("..." if typing.get_origin(kind) is list else "")
            usage.append(shown if required else f"[{shown}]")
            default = "" if required or parameter.default is None else f" Default: `{parameter.default}`."
            arguments.append(f"- `{shown}`: {own[key].text() if key in own else about.help}{default}")
        elif key in own:
            options.append(_setting(name, own[key]))
        else:
            options.append(_option(kind, about, parameter.default, key))
    lines = [f"## vlcorpus {name}", "", inspect.getdoc(callback) or "", ""]
    lines += [f"    {' '.join([*usage, '[OPTIONS]'])}", ""]
    lines += [*arguments, ""] if arguments else []
    lines += ["| option | meaning | default | environment |", "|---|---|---|---|", *(_row(*each) for each in options)]
    return "\n".join(lines) + "\n"


def _setting(stage: str, each: spec.Setting) -> tuple[str, str, str, str]:
    kind = "|".join(each.choices) if each.choices else _KINDS[each.kind]
    kind += "|none" if each.optional and each.default is not None else ""
    words = f"{each.option}, --no-{each.option[2:]}" if each.kind is bool and not each.many else f"{each.option} {kind}"
    meaning = each.help + (f" ({'; '.join(notes)})" if (notes := [*_notes(each)]) else "")
    variable = f"VLCORPUS_{stage}_{each.name}".upper().replace("-", "_")
    return words, meaning, _default(each.default), variable


def _notes(each: spec.Setting) -> Iterator[str]:
    yield from (note for note in (each.unit, each.bounds()) if note)
    if each.many:
        yield "may be repeated"


def _option(kind: Any, about: OptionInfo, default: Any, key: str) -> tuple[str, str, str, str]:
    many = any(typing.get_origin(each) is list for each in (kind, *typing.get_args(kind)))
    plain = next((each for each in (kind, *typing.get_args(kind)) if isinstance(each, type)), str)
    declared = [each for each in (about.default, *(about.param_decls or ())) if isinstance(each, str)]
    names = ", ".join(declared or ["--" + key.replace("_", "-")]).replace("/", ", ")
    choices = "|".join(plain) if issubclass(plain, enum.StrEnum) else ""
    metavar = about.metavar or choices or _KINDS.get(plain, "TEXT")
    bounds = [f"{sign} {value}" for sign, value in ((">=", about.min), ("<=", about.max)) if value is not None]
    notes = [note for note in (" and ".join(bounds), "may be repeated" if many else "") if note]
    meaning = (about.help or "") + (f" ({'; '.join(notes)})" if notes else "")
    return f"{names} {metavar}".strip(), meaning, _default(default), str(about.envvar or "")


def _default(value: Any) -> str:
    if value is None or value is False or value == () or (isinstance(value, float) and math.isinf(value)):
        return ""
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return "on" if value is True else str(value)


def _row(words: str, meaning: str, default: str, variable: str) -> str:
    cells = (f"`{words}`", meaning, default and f"`{default}`", variable and f"`{variable}`")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def main() -> None:
    Path(__file__).with_name("cli.md").write_text(text(), "utf-8")


if __name__ == "__main__":
    main()
