"""`vlcorpus show CORPUS UID`: one pair's life, on one page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import output, shape

if TYPE_CHECKING:
    from ..views.judging import Judgement
    from ..views.life import Decided, Grouped, Life

MOST_MEMBERS = 20
LABEL = 11


def show(
    corpus: Annotated[str, typer.Argument(metavar="CORPUS", help="Folder of the corpus.", show_default=False)],
    uid: Annotated[
        str,
        typer.Argument(metavar="UID", help="uid, its first 6 or more characters, or key.", show_default=False),
    ],
    export: Annotated[
        str | None, typer.Option("--export", metavar="OUT", help="Look for it in this export.", show_default=False)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Tell one pair's whole life: found, fetched, scored, decided on, exported."""
    from ..stages import places
    from ..views.find import find
    from ..views.life import life

    opened = places.opened(corpus)
    told = life(opened, find(opened, uid), export=export)
    if json:
        output.say_json(shape.plain(told))
        return
    for label, text in _lines(told, exported=export is not None):
        room = max(20, shape.width() - LABEL - 1)
        output.say(f"{label:<{LABEL}} {shape.shorten(text, room)}".rstrip())


def _lines(told: Life, *, exported: bool) -> Iterator[tuple[str, str]]:
    """(label, text) of each line; a label stands once."""
    yield "pair", told.uid + (f"  key {told.key}" if told.key else "")
    yield "text", str(told.found.get("caption", told.found.get("alt_text")))
    yield from _found(told)
    if told.rejected is not None:
        yield "rejected", f"{told.rejected}: {_meaning('candidates', told.rejected)}"
        return
    for name, value in told.taken_down.items():
        yield "taken down", f"by {value} of takedowns/{name}: nothing gives it out"
    yield from _image(told)
    for each in told.embedded:
        norms = f"norms {each.image_norm:.4f} (image), {each.text_norm:.4f} (text)"
        yield "embedded", f"{each.model}: row {each.row}, {each.dimension} numbers, {norms}"
    for name, value in told.scores.items():
        yield "score", f"{name} {f'{value:016x}' if name == 'phash' and value is not None else shape.cell(value)}"
    for decision in told.decisions:
        yield from _decision(decision)
    for group in told.groups:
        yield from _group(group, told.uid)
    for name, split in told.splits.items():
        yield "split", f"{name}: {split}"
    for place in told.exports:
        yield "exported", f"{place.folder}/{place.tar} as {place.key}"
    if exported and not told.exports:
        yield "exported", "no"


def _found(told: Life) -> Iterator[tuple[str, str]]:
    from ..views.origin import lines

    row = told.found
    place = f"on {row['page_url']}" if row.get("page_url") else f"as {row['file']}" if row.get("file") else ""
    yield "found", f"by {row['source']}, number {row['offset']} {place}".rstrip()
    if row.get("url"):
        yield "", str(row["url"])
    for line in lines(row):
        yield "", line
    if told.page is not None:
        fetched = told.page["fetched_at"]
        yield "", f"page visited {shape.cell(fetched)}, {told.page['depth']} links from a seed"
    for name in ("page_title", "context", "page_language", "licence", "given_uid"):
        if row.get(name):
            yield "", f"{name.replace('_', ' ')}: {row[name]}"
    if row.get("optout"):
        yield "", "opt-outs: " + ", ".join(row["optout"])


def _image(told: Life) -> Iterator[tuple[str, str]]:
    row = told.fetched
    if row is None:
        yield "fetched", "not yet"
        return
    status = f"HTTP {row['http_status']} " if row["http_status"] is not None else ""
    if row["status"] != "success":
        said = row["error_message"] or row["reason"]
        yield "fetched", f"{status}{said}: {_meaning(row['status'], row['reason'])}"
        return
    size = f", {row['original_width']}x{row['original_height']} px" if row["original_width"] is not None else ""
    kind = f"{row['content_type']}, " if row["content_type"] else ""
    amount = output.size(row["original_bytes"]) if row["original_bytes"] is not None else "unknown size"
    yield "fetched", f"{status}{kind}{amount}{size}"
    if row["final_url"] and row["final_url"] != row["url"]:
        yield "", f"from {row['final_url']}"
    if row["sha256"] is not None:
        yield "", f"sha256 {row['sha256']}"
    if row.get("optout"):
        yield "", f"opt-outs of the answer: {shape.cell(row['optout'])}"
    if told.stored is not None:
        own = "" if told.stored.key == told.key else ", with the first caption of the image"
        yield "stored", f"{told.stored.tar} as {told.stored.key}, {row['width']}x{row['height']} px{own}"
        for extension, (offset, length) in told.stored.members.items():
            yield "", f".{extension}: {output.count(length)} bytes at byte {output.count(offset)}"


def _decision(each: Decided) -> Iterator[tuple[str, str]]:
    weight = f", weight {each.weight:g}" if each.keep and each.weight != 1 else ""
    yield "decision", f"{each.decision}: {'kept' if each.keep else 'not kept'}{weight}"
    for one in each.judgements:
        yield "", f"  {'pass' if one.passed else 'FAIL'}  {_judged(one)}"


def _judged(one: Judgement) -> str:
    if one.column is None:
        return one.rule
    threshold = "" if one.threshold is None else f", threshold {shape.cell(one.threshold)}"
    return f"{one.rule}: {'no value' if one.value is None else shape.cell(one.value)}{threshold}"


def _group(each: Grouped, uid: str) -> Iterator[tuple[str, str]]:
    yield "duplicates", f"{each.duplicates}: one of {len(each.members)} in group {each.group}"
    images = {member.uid: member.image_id for member in each.members}
    for member in each.members[:MOST_MEMBERS]:
        same = "same image, other text" if member.image_id == images[uid] else member.kind
        yield "", f"  {member.uid}  key {member.key}  {'this pair' if member.uid == uid else same}"
    if len(each.members) > MOST_MEMBERS:
        yield "", f"  and {len(each.members) - MOST_MEMBERS} more"
    for decision, keeper in each.keepers.items():
        who = "none, as none is kept" if keeper is None else f"the image of {keeper}"
        who = "this pair's image" if keeper is not None and images[keeper] == images[uid] else who
        yield "", f"  stands for the group {'without a decision' if decision == 'all' else f'under {decision}'}: {who}"


def _meaning(kind: str, reason: Any) -> str:
    from .. import schema

    kinds: Mapping[str, tuple[str, ...]] = {"failed_to_download": ("fetch",), "failed_to_resize": ("image",)}
    for each in kinds.get(kind, (kind,)):
        if reason in schema.reasons().get(each, {}):
            return schema.reasons()[each][reason]
    return "a reason that this version does not know"
