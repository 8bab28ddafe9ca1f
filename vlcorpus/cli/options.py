"""Command line options from settings: a stage's dataclass fields become typer parameters.

parameters(Filter)            -> inspect.Parameter objects for --min-sim, --top-fraction …
given({"min_sim": 0.3, "name": None})  -> {"min_sim": 0.3}: only what was typed
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from ..spec import Setting, settings_of
from ..stages.base import Stage


def parameters(cls: type[Stage]) -> list[inspect.Parameter]:
    """One keyword parameter a setting; None stands for "not typed", so that recipe and environment can speak."""
    return [_parameter(each) for each in settings_of(cls)]


def _parameter(each: Setting) -> inspect.Parameter:
    kind: Any = list[each.kind] if each.many else each.kind  # type: ignore[name-defined]
    if each.positional:
        words = each.help + (f" ({', '.join(each.choices)})" if each.choices else _notes(each))
        about: Any = typer.Argument(help=words, metavar=each.name.upper(), show_default=False)
        hint = kind if each.required else kind | None
        default: Any = inspect.Parameter.empty if each.required else None
    else:
        names = [f"{each.option}/--no-{each.option[2:]}"] if each.kind is bool and not each.many else [each.option]
        metavar = None if each.kind is bool else "|".join(each.choices) if each.choices else each.kind.__name__.upper()
        if each.optional and each.kind is not bool:
            metavar = f"{metavar}|{each.none}" if each.default is not None else metavar
        about = typer.Option(
            *names,
            help=each.help + _notes(each),
            metavar=metavar,
            show_default=False,
            rich_help_panel=each.panel or "Options",
        )
        # A number is taken as text, so that `none` can be said and errors name the setting's own bounds.
        typed: Any = bool if each.kind is bool else str
        hint = (list[typed] if each.many else typed) | None
        default = None
    return inspect.Parameter(
        each.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[hint, about]
    )


def _notes(each: Setting) -> str:
    notes = [note for note in (each.unit, each.bounds(), _default(each)) if note]
    return f" ({'; '.join(notes)})" if notes else ""


def _default(each: Setting) -> str:
    if each.required or each.default is None or each.default == ():
        return ""
    if each.many:
        return "default " + " ".join(str(part) for part in each.default)
    if isinstance(each.default, bool):
        return "default on" if each.default else ""
    if isinstance(each.default, float) and math.isinf(each.default):
        return ""
    return f"default {each.default}"


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that were typed."""
    return {name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items() if value is not None and value != []}  # fmt: skip
