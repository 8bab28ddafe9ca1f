"""What each recipe that ships keeps of a world of edges, written from the sources that it names, one pair at a time."""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Callable, Mapping
from typing import Any

from tests.walks.edges import Row, World, facts, narrow


def tokens(text: str) -> list[str]:
    """fastText's: parts between ASCII white space and NUL; a line's end is one."""
    return [part for part in re.split(r"[ \t\r\v\f\x00]+|(\n)", text) if part]


def by_rank(values: Mapping[str, float | None], fraction: float) -> set[str]:
    """DataComp's top fraction: all that score at least as high as number int(fraction * rows) from the top."""
    there = sorted((value for value in values.values() if value is not None), reverse=True)
    cut = there[int(len(there) * fraction)]
    return {uid for uid, value in values.items() if value is not None and value >= cut}


def drawn(uid: str, seed: int = 0, stream: int = 1) -> float:
    """A number in 0..1 by SplitMix64's finaliser over seed, stream (1: draws with a probability) and uid."""
    high, low = struct.unpack(">QQ", bytes.fromhex(uid))

    def mixed(x: int) -> int:
        x = (x + 0x9E3779B97F4A7C15) % 2**64
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB % 2**64
        return x ^ (x >> 31)

    return mixed(mixed(mixed(mixed(seed) ^ (stream + 1)) ^ high) ^ low) / 2**64


Rule = Callable[[World], set[str]]


def each_pair(rule: Callable[[dict[str, Any], Row], bool]) -> Rule:
    def kept(world: World) -> set[str]:
        known = facts(world)
        return {uid for uid, row in world.rows.items() if rule(known[uid], row)}

    return kept


def _laion_image(said: Mapping[str, Any], row: Row) -> bool:
    by_url = not any(part in row.url for part in (".svg", ".gif", "data:image", "javascript:"))
    small = said["bytes"] is not None and said["bytes"] < 5000
    return by_url and not small and row.width * row.height <= 89_478_484


@each_pair
def laion400m(said: dict[str, Any], row: Row) -> bool:
    english = said["pycld2"]["detected_language"] == "en"
    return english and len(row.text) >= 5 and _laion_image(said, row) and (row.b32 or 0) >= narrow(0.3)


@each_pair
def laion5b(said: dict[str, Any], row: Row) -> bool:
    host = row.url.split("/")[2]
    if len(host) > 60 or len(row.text) < 5 or not _laion_image(said, row):
        return False
    if said["cld3"]["detected_language"] == "en":
        return (row.b32 or 0) >= narrow(0.28)
    return row.multilingual >= narrow(0.26)


@each_pair
def basic(said: dict[str, Any], row: Row) -> bool:
    short, long = sorted((row.width, row.height))
    words = len(row.text.split()) > 2 and len(row.text) > 5
    return said["fasttext"]["detected_language"] == "en" and words and short >= 200 and long / short <= 3.0


@each_pair
def text(said: dict[str, Any], row: Row) -> bool:
    words = re.findall(r"\w+", row.text.casefold())
    return said["fasttext"]["detected_language"] == "en" and bool({"house", "cat", "tree"} & set(words))


def _image(said: Mapping[str, Any], row: Row) -> bool:
    caption = len(tokens(row.text)) > 1 and len(row.text) > 5
    return said["fasttext"]["detected_language"] == "en" and caption and row.wanted is True


def clip_score(world: World) -> set[str]:
    return by_rank({uid: row.l14 for uid, row in world.rows.items()}, 0.3)


def image_clip(world: World) -> set[str]:
    return each_pair(_image)(world) & clip_score(world)


@each_pair
def laion2b(said: dict[str, Any], row: Row) -> bool:
    return said["cld3"]["detected_language"] == "en" and (row.b32 or 0) >= narrow(0.28)


def metaclip(world: World, limit: int = 40) -> set[str]:
    entries = json.loads((world.corpus.path.parent / "metaclip.json").read_text("utf-8"))
    spaced = {uid: re.sub(r"[\t\n]", " ", f" {row.text} ".replace(".", " . ")) for uid, row in world.rows.items()}
    found = {uid: [entry for entry in entries if f" {entry} " in text] for uid, text in spaced.items()}
    counts = {entry: sum(entry in own for own in found.values()) for entry in entries}
    keep = {uid: 1 - math.prod(1 - min(1, limit / counts[entry]) for entry in own) for uid, own in found.items()}
    assert min(counts.values()) <= limit < max(counts.values())
    return {uid for uid, chance in keep.items() if drawn(uid) < narrow(chance)}


def balanced(world: World) -> set[str]:
    groups: dict[str, list[tuple[float, str]]] = {}
    known = facts(world)
    for uid, row in world.rows.items():
        if row.l14 is not None:
            groups.setdefault(known[uid]["pycld2"]["detected_split"], []).append((-row.l14, uid))
    assert len(groups) == 3
    best = {uid for each in groups.values() for _, uid in sorted(each)[: math.floor(0.3 * len(each))]}
    unfit = {"IMG_2034.jpg", "photo", "+++ !!!", "write to jane.doe@example.com about the red house"}

    def plain(row: Row) -> bool:
        short, long = sorted((row.width, row.height))
        return len(row.text) >= 5 and row.text not in unfit and short >= 200 and long <= 3 * short

    return {uid for uid in best if plain(world.rows[uid])}


RULES: dict[str, Rule] = {
    "laion400m": laion400m,
    "laion5b": laion5b,
    "datacomp-no-filter": lambda world: set(world.rows),
    "datacomp-basic": basic,
    "datacomp-text": text,
    "datacomp-image": each_pair(_image),
    "datacomp-clip-score": clip_score,
    "datacomp-image-clip": image_clip,
    "datacomp-laion2b": laion2b,
    "metaclip": metaclip,
    "balanced": balanced,
}
