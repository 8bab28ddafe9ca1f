"""The picture world as a small website with the web's noise, on disk, its truth beside it.

    site = write_site(Path("world"), WorldSettings(pairs=6000, seed=1))
    with Served(site.root) as served:                       # vlcorpus.world.server
        ...                                                 # crawl http://world.test/ through served.connect_to
    sum(pair.kind == "true" for pair in site.planted)

What is written:

    world/site/robots.txt  index.html  pages/0001.html ...  private/0001.html ...  files/0001.pdf ...  images/<hash>.jpg
    world/site/headers.json                       what the server adds to answers; never served
    world/planted.jsonl  world/pages.jsonl        the truth (vlcorpus.world.planted), outside what is served
    world/world.json                              the settings

6,000 pairs are 6,900 images in about 2.5 CPU seconds and 19 MB (more where the file system is slow to make files).
Everything is a function of the settings: the same bytes on every run with the same Pillow; URLs (but `data:`) and
texts are the same with any. A written site is never written again. The pages refer to http://world.test, whatever
port serves them, so that uids do not depend on it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from vlcorpus.errors import SourceError
from vlcorpus.io.commit import TEMPORARY, explained
from vlcorpus.world.captions import unrelated
from vlcorpus.world.chance import order, pick, stream
from vlcorpus.world.draft import Row, draft_rows, image_url
from vlcorpus.world.faults import broken, near_duplicate, tiny
from vlcorpus.world.pages import ROBOTS, page_html
from vlcorpus.world.planted import FAULTS, ORIGIN, Planted, PlantedPage, read_pages, read_planted, write_rows
from vlcorpus.world.scene import Scene, draw, encode
from vlcorpus.world.settings import WorldSettings

__all__ = ["Site", "WorldSettings", "read_site", "write_site"]

_VERSION = 1
_LICENCE = "https://creativecommons.org/licenses/by/4.0/"
_BLOCK = 8  # pages that one link of the front page leads to
_OTHERS = (("pdf", b"%PDF-1.4\n%%EOF\n"), ("json", b'{"pictures": []}\n'), ("txt", b"No pictures.\n"))
_OPTOUTS = ("noai", "noimageai, noai")


@dataclass(frozen=True)
class Site:
    """A written site. root: the folder to serve. images: files under images/."""

    root: Path
    settings: WorldSettings
    pages: tuple[PlantedPage, ...]
    planted: tuple[Planted, ...]
    images: int


def write_site(folder: Path, settings: WorldSettings) -> Site:
    """Write the site as `folder`, or read it if it is there with these settings.

    Everything is written beside it first, then renamed: `folder` is there and whole, or not there. Raises SourceError
    where `folder` holds something else, VlcorpusError where the disk refuses.
    """
    folder = folder.absolute()
    if (folder / "world.json").exists():
        site = read_site(folder)
        if site.settings != settings:
            raise SourceError(f"another world is at {folder}", "give another folder, or delete this one")
        return site
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SourceError(f"{folder} is there and no world", "give a folder that is empty or not there")
    beside = folder.with_name(f"{TEMPORARY}{folder.name}")
    root = beside / "site"
    with explained(folder):
        shutil.rmtree(beside, ignore_errors=True)
        for name in ("pages", "private", "files", "images"):
            (root / name).mkdir(parents=True)
        rows, headers, images = _write_images(root, draft_rows(settings), settings)
        planted, pages = _write_pages(root, rows, settings)
        (root / "robots.txt").write_bytes(ROBOTS.encode())
        (root / "headers.json").write_bytes(json.dumps(headers, indent=1, sort_keys=True).encode())
        write_rows(beside / "planted.jsonl", planted)
        write_rows(beside / "pages.jsonl", pages)
        world = {"version": _VERSION, "images": images, "settings": asdict(settings)}
        (beside / "world.json").write_bytes(json.dumps(world, indent=1).encode())
        os.replace(beside, folder)
    return Site(folder / "site", settings, pages, planted, images)


def read_site(folder: Path) -> Site:
    """A site that `write_site` wrote; SourceError if there is none or another version's."""
    try:
        world = json.loads((folder / "world.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SourceError(f"no world at {folder}: {error}", "write one with write_site") from error
    if world.get("version") != _VERSION:
        raise SourceError(f"the world at {folder} is of version {world.get('version')}", "delete it and write it again")
    return Site(
        root=folder / "site",
        settings=WorldSettings(**world["settings"]),
        pages=tuple(read_pages(folder / "pages.jsonl")),
        planted=tuple(read_planted(folder / "planted.jsonl")),
        images=world["images"],
    )


def _write_images(
    root: Path, rows: Sequence[Row], settings: WorldSettings
) -> tuple[list[Row], dict[str, dict[str, object]], int]:
    """Write every image; the rows with final URLs and details, the server's extra headers, the number of files."""
    headers: dict[str, dict[str, object]] = {}
    written: list[Row] = []
    images = 0
    for row in rows:
        rng = stream(settings.seed, "site.picture", row.number)
        payload: bytes | None = None
        if row.fault in ("exact_duplicate", "near_duplicate"):
            payload = (root / row.original.removeprefix(f"{ORIGIN}/")).read_bytes()
            if row.fault == "near_duplicate":
                payload, detail = near_duplicate(payload, rng, settings.quality)
                row = replace(row, detail=detail)
        elif row.fault == "tiny_image":
            payload, detail, suffix = tiny(rng)
            row = replace(row, detail=detail, url=image_url(settings.seed, row.number, suffix))
        elif row.scene is not None and row.fault not in ("missing", "inline_image", "extra_caption"):
            payload = encode(draw(row.scene, rng, settings.side), settings.quality)
            if row.fault == "broken_image":
                payload, detail = broken(payload, rng)
                row = replace(row, detail=detail)
            elif row.fault == "noai_image":
                tag = pick(rng, _OPTOUTS)
                headers[row.url.removeprefix(ORIGIN)] = {"headers": {"X-Robots-Tag": tag}}
                row = replace(row, detail=tag)
        if payload is not None:
            (root / row.url.removeprefix(f"{ORIGIN}/")).write_bytes(payload)
            images += 1
        written.append(row)
    return written, headers, images


def _write_pages(
    root: Path, rows: Sequence[Row], settings: WorldSettings
) -> tuple[tuple[Planted, ...], tuple[PlantedPage, ...]]:
    """Write the pages; the truth in page order."""
    rng = stream(settings.seed, "site.pages")
    sheets: dict[str, list[list[Row]]] = {"fetched": [], "noai": [], "robots_denied": []}
    outcome_of = {"noai_page": "noai", "robots_denied": "robots_denied"}
    for place in order(rng, len(rows)):
        row = rows[place]
        pile = sheets[outcome_of.get(row.fault, "fetched")]
        if not pile or len(pile[-1]) == settings.pairs_per_page:
            pile.append([])
        pile[-1].append(row)
    public = [("fetched", sheet) for sheet in sheets["fetched"]] + [("noai", sheet) for sheet in sheets["noai"]]
    public = [public[place] for place in order(rng, len(public))]
    plan = [(f"/pages/{number:04d}.html", outcome, sheet) for number, (outcome, sheet) in enumerate(public, 1)]
    private = [(f"/private/{n:04d}.html", "robots_denied", s) for n, s in enumerate(sheets["robots_denied"], 1)]

    planted: list[Planted] = []
    pages = [PlantedPage(f"{ORIGIN}/", "fetched", 0, "")]
    for number, (path, outcome, sheet) in enumerate(plan + private):
        licence = _LICENCE if number % 5 == 4 else ""
        html = page_html(
            f"Pictures {number + 1}",
            images=[(_source(row), row.alt) for row in sheet],
            texts=[unrelated(rng) for _ in range(6)],
            links=_links(number, [path for path, _, _ in plan]) if number < len(plan) else ["/"],
            robots=pick(rng, _OPTOUTS) if outcome == "noai" else "",
            licence=licence,
        )
        (root / path[1:]).write_bytes(html.encode())
        pages.append(PlantedPage(ORIGIN + path, outcome, len(sheet), licence))
        planted += [_truth(row, ORIGIN + path) for row in sheet]

    others = []
    for number in range(settings.other_files):
        suffix, payload = _OTHERS[number % len(_OTHERS)]
        others.append((f"/files/{number + 1:04d}.{suffix}", "not_html"))
        (root / others[-1][0][1:]).write_bytes(payload)
    others += [(f"/pages/gone-{number + 1}.html", "missing") for number in range(settings.dead_links)]
    pages += [PlantedPage(ORIGIN + path, outcome, 0, "") for path, outcome in others]

    front = [path for path, _, _ in plan[::_BLOCK]] + [path for path, _, _ in private] + [path for path, _ in others]
    (root / "index.html").write_bytes(page_html("A world of pictures", images=[], links=front).encode())
    return tuple(planted), tuple(pages)


def _links(number: int, paths: Sequence[str]) -> list[str]:
    """From a block's first page to the block's others, from every page to its neighbours.

    With the front page's links to the first pages, every page is two steps away."""
    first = number - number % _BLOCK
    near = {number - 1, number + 1} | (set(range(number + 1, first + _BLOCK)) if number == first else set())
    return ["/", *(paths[other].rpartition("/")[2] for other in sorted(near) if 0 <= other < len(paths))]


def _source(row: Row) -> str:
    """The ways in which pages name one image."""
    if row.fault == "inline_image":
        return row.url
    path = row.url.removeprefix(ORIGIN)
    return (path, f"..{path}", row.url, row.url.removeprefix("http:"))[row.number % 4]


def _truth(row: Row, page_url: str) -> Planted:
    stage, reason = FAULTS[row.fault]
    scene = row.scene or Scene("", "", "", 0, "")
    return Planted(
        url=row.url,
        page_url=page_url,
        alt_text=row.alt or "",
        kind=row.kind,
        fault=row.fault,
        detail=row.detail,
        original=row.original,
        expected_stage=stage,
        expected_reason=reason,
        **{field.name: getattr(scene, field.name) for field in fields(Scene)},
    )
