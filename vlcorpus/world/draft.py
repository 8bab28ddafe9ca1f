"""Every pair of a site before anything is written: which scene, which text, what is the matter with it.

    rows = draft_rows(WorldSettings(pairs=600, seed=1))      # 600 without a fault, then the faulty ones
    rows[0].alt, rows[0].kind, rows[0].fault                 # ('a red star', 'true', 'none')

A function of the settings, 0.2 ms a row; no two rows share URL and text.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from vlcorpus.world.captions import caption, file_name, spam, unrelated, wrong_caption
from vlcorpus.world.chance import below, order, pick, shares_of, stream
from vlcorpus.world.planted import KINDS, ORIGIN
from vlcorpus.world.scene import Scene, draw, encode, random_scene
from vlcorpus.world.settings import FAULTY, WorldSettings

_BLANKS = ((None, "absent"), ("", "empty"), ("  ", "blank"))


@dataclass(frozen=True)
class Row:
    """A pair on its way: `alt` may be None (no attribute), `number` gives its place in every stream."""

    number: int
    scene: Scene | None
    kind: str
    alt: str | None
    fault: str
    url: str = ""
    detail: str = ""
    original: str = ""


def image_url(seed: int, number: int, suffix: str = ".jpg") -> str:
    name = hashlib.blake2b(f"{seed}/{number}".encode(), digest_size=10).hexdigest()
    return f"{ORIGIN}/images/{name}{suffix}"


def _text(kind: str, scene: Scene, seed: int, number: int, attempt: int = 0) -> str:
    rng = stream(seed, f"site.text.{attempt}", number)
    if kind == "true":
        return caption(scene, rng)
    if kind == "wrong":
        return wrong_caption(scene, rng)
    return {"file_name": file_name, "spam": spam, "unrelated": unrelated}[kind](rng)


def draft_rows(settings: WorldSettings) -> list[Row]:
    """Every pair with its text; images and pages come later."""
    seed = settings.seed
    counts = shares_of(settings.pairs, settings.shares())
    kinds = [kind for kind in KINDS for _ in range(counts[kind])]
    rows = []
    for number, place in enumerate(order(stream(seed, "site.kinds"), settings.pairs)):
        scene = random_scene(stream(seed, "site.scene", number))
        alt = _text(kinds[place], scene, seed, number)
        rows.append(Row(number, scene, kinds[place], alt, "none", image_url(seed, number)))
    taken = {(row.url, row.alt) for row in rows}
    for fault in FAULTY:
        wanted = settings.planted(fault)
        # A few popular pictures are repeated several times, as on the web.
        popular = order(stream(seed, f"site.{fault}"), settings.pairs)[: max(1, wanted // 2)]
        for _ in range(wanted):
            row = _faulty_row(fault, len(rows), rows, popular, kinds, settings)
            attempt = 0
            while (row.url, row.alt) in taken and row.fault != "empty_alt" and row.scene is not None:
                attempt += 1
                row = replace(row, alt=_text(row.kind, row.scene, seed, row.number, attempt))
            taken.add((row.url, row.alt))
            rows.append(row)
    return rows


def _faulty_row(
    fault: str, number: int, rows: Sequence[Row], popular: Sequence[int], kinds: Sequence[str], settings: WorldSettings
) -> Row:
    seed = settings.seed
    rng = stream(seed, "site.fault", number)
    kind = pick(rng, kinds)
    url = image_url(seed, number)
    scene = random_scene(stream(seed, "site.scene", number))
    if fault == "empty_alt":
        alt, detail = pick(rng, _BLANKS)
        return Row(number, scene, "none", alt, fault, url, detail)
    if fault == "tiny_image":
        # Nothing is pictured, so no text can be true of it or of another.
        kind = pick(rng, ("file_name", "spam", "unrelated"))
        return Row(number, None, kind, _text(kind, scene, seed, number), fault, url)
    if fault in ("exact_duplicate", "near_duplicate", "extra_caption"):
        original = rows[popular[below(rng, len(popular))]]
        assert original.scene is not None
        alt = _text(kind, original.scene, seed, number)
        url = original.url if fault == "extra_caption" else url
        return Row(number, original.scene, kind, alt, fault, url, original=original.url)
    alt = _text(kind, scene, seed, number)
    if fault == "inline_image":
        small = encode(draw(scene, stream(seed, "site.picture", number), 32), 60)
        url = "data:image/jpeg;base64," + base64.b64encode(small).decode()
    return Row(number, scene, kind, alt, fault, url)
