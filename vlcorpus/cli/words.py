"""Wrong words on the command line, as one line and a hint in the form of every other error.

explain(error)      typer's own error as a UsageError: no option --min-smi (vlcorpus filter), did you mean '--min-sim'?
Commands            the group of all commands; an unknown one is a UsageError with the nearest name
"""

from __future__ import annotations

from typing import Any

import typer.core

from ..errors import UsageError, nearest


def parser_error() -> type[Any]:
    """What the parser raises for wrong words; newer typers carry a copy of click, older ones import it."""
    return next(each for each in typer.BadParameter.__mro__ if each.__name__ == "ClickException")


class Commands(typer.core.TyperGroup):
    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            raise UsageError(f"no command {args[0]!r}", nearest(args[0], self.list_commands(ctx)))
        return super().resolve_command(ctx, args)


def explain(error: Any) -> UsageError:
    """The parser's error in our form."""
    ctx = getattr(error, "ctx", None)
    if ctx is None:
        return UsageError(_sentence(error.format_message()), "see `vlcorpus --help`")
    command = ctx.command_path
    hint = f"see `{command} --help`"
    unknown = getattr(error, "option_name", None)
    if unknown is not None and hasattr(error, "possibilities"):
        known = [name for each in ctx.command.params for name in (*each.opts, *each.secondary_opts) if name[:1] == "-"]
        close = nearest(unknown, known)
        return UsageError(f"no option {unknown} ({command})", close if close.startswith("did you mean") else hint)
    parameter = getattr(error, "param", None)
    if parameter is None:
        return UsageError(f"{_sentence(error.format_message())} ({command})", hint)
    argument = parameter.param_type_name == "argument"
    name = _shown(parameter) if argument else parameter.opts[0]
    if type(error).__name__ == "MissingParameter":
        return UsageError(f"missing {name} ({command})", f"usage: {' '.join([command, *_arguments(ctx)])} [OPTIONS]")
    return UsageError(f"{name}: {_sentence(error.message)} ({command})", hint)


def _arguments(ctx: Any) -> list[str]:
    return [_shown(each) for each in ctx.command.params if each.param_type_name == "argument" and each.required]


def _shown(argument: Any) -> str:
    name = str(argument.metavar or argument.name).upper()
    return name + ("..." if argument.nargs == -1 else "")


def _sentence(text: str) -> str:
    """The parser's sentence as the beginning of a line: no capital, no full stop."""
    return text[:1].lower() + text[1:].rstrip(".")
