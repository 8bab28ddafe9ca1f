"""YAML as people write settings: texts, numbers, true, false, null, lists and mappings, and nothing else.

    parse("on: yes\\nsteps: 1e3")         {"on": "yes", "steps": 1000.0}
    parse("a: 1\\na: 2")                  PlainYamlError: line 2, column 1: 'a' stands here twice

Left out on purpose: anchors and aliases (a few lines can mean a billion texts), tags, dates, and YAML 1.1's second
meanings of `on`, `no`, `1:30` and `010`. Costs 0.1 ms a line; not for tables.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

DEEPEST = 20


class PlainYamlError(ValueError):
    """Says where and what, in one line."""


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  (the base class's own way)
    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise PlainYamlError(f"{_place(event.start_mark)}: anchors and aliases are not read here")
        if getattr(event, "tag", None):
            raise PlainYamlError(f"{_place(event.start_mark)}: tags are not read here")
        if self.depth >= DEEPEST:
            raise PlainYamlError(f"{_place(event.start_mark)}: nested too deep")
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise PlainYamlError(f"{_place(key_node.start_mark)}: a name is wanted here")
            key = self.construct_object(key_node, deep=True)
            if key in found:
                raise PlainYamlError(f"{_place(key_node.start_mark)}: {key!r} stands here twice")
            found[key] = self.construct_object(value_node, deep=deep)
        return found


for _tag, _shape, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(?:0|[1-9][0-9_]*)", list("-+0123456789")),
    (
        "float",
        r"[-+]?(?:[0-9][0-9_]*)?\.[0-9]+(?:[eE][-+]?[0-9]+)?|[-+]?[0-9]+(?:\.|[eE][-+]?[0-9]+)|[-+]?\.inf|\.nan",
        list("-+.0123456789"),
    ),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_shape})$"), _first)


def parse(text: str) -> Any:
    """The one value that the text means. Raises PlainYamlError."""
    try:
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        what = ", ".join(part for part in (error.context, error.problem) if part)
        mark = error.problem_mark or error.context_mark
        raise PlainYamlError(f"{_place(mark)}: {what}" if mark else what) from error
    except yaml.YAMLError as error:
        raise PlainYamlError(" ".join(str(error).split())) from error
    except ValueError as error:  # a number too long to be read
        raise PlainYamlError(str(error)) from error


def _place(mark: Any) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}"
