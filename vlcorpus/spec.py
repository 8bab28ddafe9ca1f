"""Settings, declared once: a field of a stage's frozen dataclass is the CLI option, the recipe key, the Python
argument, the help, the bounds, the JSON Schema and a part of the resume fingerprint.

    @dataclass(frozen=True, kw_only=True)
    class Crop:
        side: int = setting(512, help="Longest side.", unit="px", least=1)
        workers: int = setting(1, help="Worker processes.", result=False)

    build(Crop, {"side": "64"}, where="crop")     -> Crop(side=64, workers=1)
    build(Crop, {"sdie": 64}, where="crop")       -> UsageError: unknown key 'sdie' … did you mean 'side'?
    fingerprint(Crop(side=64))                    -> the same whatever `workers` is

Value types: bool, int, float, str, tuples of str or int or float, and each of the first four `| None`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from .errors import UsageError, nearest

T = TypeVar("T")
_KEY = "vlcorpus.setting"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What one setting is: everything that a command line, a recipe or a person needs to know of it."""

    name: str
    kind: type
    many: bool
    optional: bool
    default: Any
    required: bool
    help: str
    unit: str | None
    least: float | None
    most: float | None
    choices: tuple[str, ...] | None
    result: bool
    positional: bool
    panel: str | None

    @property
    def option(self) -> str:
        return "--" + self.name.replace("_", "-")

    def bounds(self) -> str:
        low = f">= {self.least:g}" if self.least is not None else ""
        high = f"<= {self.most:g}" if self.most is not None else ""
        return " and ".join(part for part in (low, high) if part)

    def text(self) -> str:
        """The help line: meaning, unit and bounds."""
        notes = [note for note in (self.unit, self.bounds(), "|".join(self.choices or ())) if note]
        return self.help + (f" [{'; '.join(notes)}]" if notes else "")


def setting(
    default: Any = dataclasses.MISSING,
    *,
    help: str,
    unit: str | None = None,
    least: float | None = None,
    most: float | None = None,
    choices: tuple[str, ...] | None = None,
    result: bool = True,
    positional: bool = False,
    panel: str | None = None,
) -> Any:
    """Declare a setting. `result=False`: it cannot change the result, so it stays out of the fingerprint."""
    notes = {
        "help": help,
        "unit": unit,
        "least": least,
        "most": most,
        "choices": choices,
        "result": result,
        "positional": positional,
        "panel": panel,
    }
    return dataclasses.field(default=default, metadata={_KEY: notes})


def settings_of(cls: type) -> tuple[Setting, ...]:
    """The settings that a stage class declares, in order."""
    hints = typing.get_type_hints(cls)
    found = []
    for field in dataclasses.fields(cls):
        if _KEY not in field.metadata:
            continue
        kind, many, optional = _shape(hints[field.name])
        required = field.default is dataclasses.MISSING
        found.append(
            Setting(
                name=field.name,
                kind=kind,
                many=many,
                optional=optional,
                default=None if required else field.default,
                required=required,
                **field.metadata[_KEY],
            )
        )
    return tuple(found)


def _shape(hint: Any) -> tuple[type, bool, bool]:
    if typing.get_origin(hint) is tuple:
        return typing.get_args(hint)[0], True, False
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        inner = [arg for arg in typing.get_args(hint) if arg is not type(None)]
        return inner[0], False, True
    return hint, False, False


def build(cls: Callable[..., T], values: Mapping[str, Any], *, where: str) -> T:
    """A checked instance of `cls`.

    Raises UsageError naming `where` (a stage, or file and stage) and the key, for unknown keys, wrong types,
    values out of bounds and missing required ones.
    """
    known = {each.name: each for each in settings_of(typing.cast(type, cls))}
    cleaned: dict[str, Any] = {}
    for key, value in values.items():
        name = str(key).replace("-", "_")
        if name not in known:
            raise UsageError(f"unknown key {key!r} ({where})", nearest(name, known))
        cleaned[name] = check(known[name], value, where=where)
    for each in known.values():
        if each.required and each.name not in cleaned:
            raise UsageError(f"missing key {each.name!r} ({where})", each.text())
    return cls(**cleaned)


def check(each: Setting, value: Any, *, where: str) -> Any:
    """`value` as the type that the setting wants, or a UsageError."""
    place = f"{where}: {each.name}"
    if each.many:
        parts = [value] if isinstance(value, str | int | float) else value
        if not isinstance(parts, list | tuple):
            raise UsageError(f"{each.name!r} wants a list, got {value!r} ({place})", each.text())
        return tuple(_one(each, part, place) for part in parts)
    if value is None or (each.optional and isinstance(value, str) and value.lower() in {"none", "null"}):
        if each.optional:
            return None
        raise UsageError(f"{each.name!r} wants a value ({place})", each.text())
    return _one(each, value, place)


def _one(each: Setting, value: Any, place: str) -> Any:
    wrong = UsageError(f"{each.name!r} wants {_WORDS[each.kind]}, got {value!r} ({place})", each.text())
    if each.kind is bool:
        if isinstance(value, bool):
            return value
        if str(value).lower() in {"true", "yes", "on", "1"}:
            return True
        if str(value).lower() in {"false", "no", "off", "0"}:
            return False
        raise wrong
    if each.kind is str:
        if isinstance(value, bool | dict | list | tuple):
            raise wrong
        text = str(value)
        if each.choices and text not in each.choices:
            hint = nearest(text, each.choices)
            raise UsageError(f"{each.name!r} is one of {', '.join(each.choices)}; got {text!r} ({place})", hint)
        return text
    if isinstance(value, bool):
        raise wrong
    try:
        number = each.kind(value)
        if each.kind is int and float(value) != number:
            raise wrong
    except (TypeError, ValueError):
        raise wrong from None
    if math.isnan(number) or (each.least is not None and number < each.least):
        raise UsageError(f"{each.name!r} is {value}, below its least value {each.least} ({place})", each.text())
    if each.most is not None and number > each.most:
        raise UsageError(f"{each.name!r} is {value}, above its greatest value {each.most} ({place})", each.text())
    return number


_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def values_of(stage: Any, *, result_only: bool = False) -> dict[str, Any]:
    """The settings of an instance as plain JSON values."""
    return {
        each.name: _plain(getattr(stage, each.name))
        for each in settings_of(type(stage))
        if each.result or not result_only
    }


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float) and math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return value


def digest(value: Any) -> str:
    """32 hex characters that name a plain JSON value."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def fingerprint(stage: Any, *more: Any) -> str:
    """Names what a stage would make: its result-changing settings, and `more` (inputs, version)."""
    return digest([values_of(stage, result_only=True), list(more)])


def json_schema(cls: type) -> dict[str, Any]:
    """The JSON Schema of a stage's keys in a recipe."""
    names = {bool: "boolean", int: "integer", float: "number", str: "string"}
    properties: dict[str, Any] = {}
    required = []
    for each in settings_of(cls):
        one: dict[str, Any] = {"type": names[each.kind]}
        if each.choices:
            one["enum"] = list(each.choices)
        if each.least is not None:
            one["minimum"] = each.least
        if each.most is not None:
            one["maximum"] = each.most
        if each.many:
            one = {"type": "array", "items": one}
        elif each.optional:
            one["type"] = [one["type"], "null"]
        one["description"] = each.text()
        if each.required:
            required.append(each.name)
        else:
            one["default"] = _plain(each.default)
        properties[each.name] = one
    return {"type": "object", "additionalProperties": False, "properties": properties, "required": required}
