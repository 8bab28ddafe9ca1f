"""Every reason that a row can have stands in schemas/reasons.json, with its meaning."""

from __future__ import annotations

import ast
from pathlib import Path

from vlcorpus import schema, stages
from vlcorpus.images import decode
from vlcorpus.net import optout, response, robots
from vlcorpus.web import folder, html, lists, live, warc


def listed(kind: str) -> set[str]:
    return set(schema.reasons()[kind])


def test_engines_give_only_listed_reasons() -> None:
    asked = {robots.ROBOTS_DENIED, robots.ROBOTS_UNREACHABLE, optout.OPTOUT}
    assert listed("fetch") == {*response.REASONS, *asked, "unreadable"}
    assert listed("image") == set(decode.REASONS)
    assert listed("pages") == {*live.REASONS, *warc.REASONS}
    own = {"duplicate_pair", "too_large", optout.OPTOUT}
    assert listed("candidates") == {*html.REASONS, *lists.REASONS, *folder.FOLDER_REASONS, *own}


def test_stages_write_no_reason_that_is_not_listed() -> None:
    """Texts given as a row's reason in the source of the stages."""
    every = {reason for kind in schema.reasons().values() for reason in kind}
    found = set()
    for path in Path(stages.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            found |= reasons_in(node)
    assert found >= {"duplicate_pair", "not_kept"} and found <= every


def reasons_in(node: ast.AST) -> set[str]:
    """Of `row["reason"] = "x"`, `reason="x"` and `{"reason": "x"}`."""
    values: list[ast.AST] = []
    if isinstance(node, ast.Assign):
        values += [node.value for target in node.targets if "reason" in ast.unparse(target)]
    elif isinstance(node, ast.keyword):
        values += [node.value] if node.arg == "reason" else []
    elif isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        values += [value for key, value in pairs if isinstance(key, ast.Constant) and key.value == "reason"]
    elif isinstance(node, ast.FunctionDef) and node.name in {"_reason", "_refusal"}:
        values += [each.value for each in ast.walk(node) if isinstance(each, ast.Return) and each.value is not None]
    return {value.value for value in values if isinstance(value, ast.Constant) and isinstance(value.value, str)}


def test_every_reason_has_a_meaning() -> None:
    for kind in schema.reasons().values():
        for reason, meaning in kind.items():
            assert reason == reason.lower() and " " not in reason and meaning.endswith(".")
