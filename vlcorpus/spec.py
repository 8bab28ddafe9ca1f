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
import functools
import hashlib
import json
import math
import os
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from .errors import UsageError, nearest

T = TypeVar("T")
_KEY = "vlcorpus.setting"
_TOWERS = re.compile(r"image=(.+?),text=(.+)", re.DOTALL)  # a reference to two models
_USER = re.compile(r"//[^/?#@]*@")
_SIGNATURE = re.compile(
    r"(?:X-Amz-|X-Goog-|AWSAccessKeyId=|GoogleAccessId=|Signature=|Expires=|Policy=|Key-Pair-Id=|sig=|se=|sv=|sp=|sr=)",
    re.I,
)
MOST_INT = 2**53  # what every reader of JSON takes for the same number


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
    path: bool
    none: str

    @property
    def option(self) -> str:
        return "--" + self.name.replace("_", "-")

    def bounds(self) -> str:
        low = f">= {_number(self.least)}" if self.least is not None else ""
        high = f"<= {_number(self.most)}" if self.most is not None else ""
        return " and ".join(part for part in (low, high) if part)

    def text(self) -> str:
        """The help line: meaning, unit and bounds."""
        notes = [note for note in (self.unit, self.bounds(), "|".join(self.choices or ())) if note]
        return self.help + (f" [{'; '.join(notes)}]" if notes else "")


def _number(value: float) -> str:
    return f"{value:.0f}" if float(value).is_integer() else f"{value:g}"


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
    path: bool = False,
    none: str = "none",
) -> Any:
    """Declare a setting. `result=False`: it cannot change the result, so it stays out of the fingerprint.
    `path=True`: it may name a file or a folder (see `kept_values`). `none`: what a person says for None, beside "none".
    """
    notes = {
        "help": help,
        "unit": unit,
        "least": least,
        "most": most,
        "choices": choices,
        "result": result,
        "positional": positional,
        "panel": panel,
        "path": path,
        "none": none,
    }
    return dataclasses.field(default=default, metadata={_KEY: notes})


def settings_of(cls: type) -> tuple[Setting, ...]:
    """The settings that a stage class declares, in order."""
    return _settings_of(cls)


@functools.cache
def _settings_of(cls: type) -> tuple[Setting, ...]:
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
    cleaned = checked(cls, values, where=where)
    for each in settings_of(typing.cast(type, cls)):
        if each.required and each.name not in cleaned:
            raise UsageError(f"missing key {each.name!r} ({where})", each.text())
    return cls(**cleaned)


def checked(cls: Callable[..., Any], values: Mapping[str, Any], *, where: str) -> dict[str, Any]:
    """Some settings of `cls` as the types that it wants, or a UsageError."""
    known = {each.name: each for each in settings_of(typing.cast(type, cls))}
    cleaned: dict[str, Any] = {}
    for key, value in values.items():
        name = str(key).replace("-", "_")
        if name not in known:
            raise UsageError(f"unknown key {key!r} ({where})", nearest(name, known))
        cleaned[name] = check(known[name], value, where=where)
    return cleaned


def check(each: Setting, value: Any, *, where: str) -> Any:
    """`value` as the type that the setting wants, or a UsageError."""
    place = f"{where}: {each.name}"
    if each.many:
        parts = [value] if isinstance(value, str | int | float) else value
        if not isinstance(parts, list | tuple):
            raise UsageError(f"{each.name!r} wants a list, got {value!r} ({place})", each.text())
        return tuple(_one(each, part, place) for part in parts)
    if value is None or (each.optional and isinstance(value, str) and value.lower() in {"none", "null", each.none}):
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
        if (each.positional and not text) or "\0" in text:
            raise wrong
        if each.choices and text not in each.choices:
            hint = nearest(text, each.choices)
            raise UsageError(f"{each.name!r} is one of {', '.join(each.choices)}; got {text!r} ({place})", hint)
        return text
    if isinstance(value, bool):
        raise wrong
    try:
        number = each.kind(value)
    except (TypeError, ValueError, OverflowError):
        raise wrong from None
    if each.kind is int and (abs(number) > MOST_INT or (isinstance(value, float) and number != value)):
        raise wrong
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


def kept_values(stage: Any, folder: Path | None) -> dict[str, Any]:
    """The settings of an instance as a file in `folder` keeps them: paths are relative to it and begin with a dot, so
    that folder and paths can move together. Where that is no folder of this machine (None), they are absolute."""
    return _with_paths(type(stage), values_of(stage), lambda text: _kept(text, folder))


def opened_values(cls: type, kept: Mapping[str, Any], folder: Path | None) -> dict[str, Any]:
    """What `kept_values` gave, with paths as they are today."""
    return _with_paths(cls, kept, lambda text: _opened(text, folder))


def _with_paths(cls: type, values: Mapping[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    paths = {each.name for each in settings_of(cls) if each.path}

    def changed(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [changed(part) for part in value]
        return change(value) if isinstance(value, str) else value

    return {name: changed(value) if name in paths else value for name, value in values.items()}


def _last_name(text: str) -> str:
    return _unsigned(text) if "://" in text else os.path.basename(os.path.normpath(text))


def _unsigned(url: str) -> str:
    """A URL without what lets whoever reads it in: user name, password, and the signature of a presigned address."""
    url = _USER.sub("//", url, count=1)
    path, mark, query = url.partition("?")
    if not mark or not _SIGNATURE.search(query):
        return url
    left = "&".join(part for part in query.split("&") if not _SIGNATURE.match(part))
    return f"{path}?{left}" if left else path


def _kept(text: str, folder: Path | None) -> str:
    if (both := _TOWERS.fullmatch(text)) is not None:
        return f"image={_kept(both[1], folder)},text={_kept(both[2], folder)}"
    lead, place = ("", text) if os.path.exists(text) else _split(text)
    there = os.path.exists(place) or os.path.exists(place.rpartition("#")[0])  # CORPUS#DECISION
    is_path = lead not in {"", "hf:"} or os.path.isabs(place) or place.startswith(".") or there
    if "://" in text or not place or not is_path:
        return _unsigned(text) if "://" in text else text
    if folder is None:
        return lead + os.path.abspath(place)
    relative = os.path.relpath(place, folder)
    return lead + (relative if relative.split(os.sep)[0] in {".", ".."} else os.path.join(".", relative))


def _opened(text: str, folder: Path | None) -> str:
    if (both := _TOWERS.fullmatch(text)) is not None:
        return f"image={_opened(both[1], folder)},text={_opened(both[2], folder)}"
    lead, place = ("", text) if text.startswith(".") else _split(text)
    if folder is None or place.split(os.sep)[0] not in {".", ".."}:
        return text
    return lead + os.path.normpath(os.path.join(folder, place))


def _split(text: str) -> tuple[str, str]:
    """A path may stand behind `NAME@`, `local-dir:` or `hf:`, as in a reference to a model."""
    found = re.fullmatch(r"(local-dir:|hf:|[^/@]+@)?(.*)", text, re.DOTALL)
    assert found is not None
    return found[1] or "", found[2]


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
    """Names what a stage would make: its result-changing settings, and `more` (inputs, version). Of a path only the
    last name counts: what lies there is an input."""
    values = _with_paths(type(stage), values_of(stage, result_only=True), _last_name)
    return digest([values, list(more)])


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
