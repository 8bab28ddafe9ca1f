"""Every reason that a row can have stands in schemas/reasons.json, with its meaning."""

from __future__ import annotations

import ast
from pathlib import Path

from vlcorpus import schema, stages
from vlcorpus.images import apart, decode
from vlcorpus.net import optout, response, robots
from vlcorpus.placement import duplicates
from vlcorpus.stages import (
    choosing,
    download,
    engine_img2dataset_left,
    export_lists,
    export_samples,
    import_embeddings,
    outcome,
    subsets,
)
from vlcorpus.web.archives import warc, wat_full, wat_join, wat_profiles
from vlcorpus.web.folders import folder
from vlcorpus.web.folders import img2dataset as img2dataset_folder
from vlcorpus.web.lists import rows as lists
from vlcorpus.web.live import crawl as live
from vlcorpus.web.pages import html, join


def listed(kind: str) -> set[str]:
    return set(schema.reasons()[kind])


def test_engines_give_only_listed_reasons() -> None:
    asked = {robots.ROBOTS_DENIED, robots.ROBOTS_UNREACHABLE, optout.OPTOUT}
    taken = {img2dataset_folder.UNREADABLE, img2dataset_folder.UNKNOWN}
    chosen = {download.NOT_KEPT, outcome.BLOCKED, outcome.HASH_MISMATCH, engine_img2dataset_left.LOST}
    assert listed("fetch") == {*response.REASONS, *asked, *taken, *chosen}
    assert listed("image") == {*decode.REASONS, apart.DECODER_CRASH}
    assert listed("embeddings") == {import_embeddings.NO_VECTOR, import_embeddings.BAD_VECTOR}
    wat = {wat_full.BAD_WARC_RECORD, wat_full.HTTP_ERROR}
    assert listed("pages") == {*live.REASONS, *warc.REASONS, *wat}
    found = {*html.REASONS, *join.REASONS, *lists.REASONS, *folder.FOLDER_REASONS}
    wat = {wat_full.EMPTY_ALT, wat_full.TEXT_TOO_LONG, wat_join.NO_SOURCE, wat_join.INLINE_IMAGE, wat_join.SVG}
    wat |= {wat_profiles.TEXT_TOO_SHORT, wat_profiles.BLOCKED_FORMAT, wat_profiles.DUPLICATE_URL}
    chosen = {*duplicates.REASONS, choosing.NOT_MATCHED, choosing.NOT_WANTED} - {""}
    assert listed("candidates") == found | wat | chosen | {"too_large", optout.OPTOUT}


def test_exports_leave_out_pairs_for_listed_reasons_only() -> None:
    lists = {export_lists.SAME_UID, export_lists.NO_URL}
    assert listed("exports") == {*subsets.REASONS, export_samples.NOT_DRAWN} | lists


def test_what_img2dataset_says_is_given_a_listed_reason() -> None:
    said = [
        "disallowed by X-Robots-Tag", "HTTP Error 404: Not Found", "<urlopen error timed out>", "[SSL: WRONG]", "",
        "[Errno 104] Connection reset by peer", "Name or service not known", "a reason of tomorrow",
    ]  # fmt: skip
    for status, kind in ((img2dataset_folder.DOWNLOAD, "fetch"), (img2dataset_folder.RESIZE, "image")):
        found = {img2dataset_folder.reason_of(status, message)[0] for message in said}
        assert found <= listed(kind)
    assert img2dataset_folder.reason_of(img2dataset_folder.DOWNLOAD, said[-1]) == (img2dataset_folder.UNKNOWN, None)


def test_stages_write_no_reason_that_is_not_listed() -> None:
    """Texts given as a row's reason in the source of the stages."""
    every = {reason for kind in schema.reasons().values() for reason in kind}
    found = set()
    for path in Path(stages.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            found |= reasons_in(node)
    assert found <= every


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
