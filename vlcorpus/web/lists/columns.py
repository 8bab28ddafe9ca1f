"""Which columns of a list hold the image's URL, its text, and what else came with the pair.

    find_columns(path, ["SAMPLE_ID", "URL", "TEXT", "similarity"], {}, None, None, ())
        url "URL", text "TEXT", uid "SAMPLE_ID", scores {"similarity": "similarity"}

Names are compared in lower case; of several that mean the same the first below is taken. So LAION's, Re-LAION's,
DataComp's, COYO's, cc2dataset's and img2dataset's lists are read as they stand. A URL or text column that cannot be
found is an error that lists what there is; all others are optional.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vlcorpus.errors import UsageError, nearest

URL_NAMES = ("url", "image_url", "img_url", "imageurl", "image_link", "image_src", "src", "uri", "link")
TEXT_NAMES = ("text", "caption", "alt_text", "alttext", "alt", "top_caption", "description", "title")
UID_NAMES = ("uid", "sample_id", "sampleid", "hash", "key", "id")
# What a list says of a pair, by the column of schemas/extracted.json that takes it.
MORE_NAMES: Mapping[str, tuple[str, ...]] = {
    "width": ("width", "original_width"),
    "height": ("height", "original_height"),
    "licence": ("license", "licence"),
    "language": ("language", "lang"),
    "page_url": ("page_url", "pageurl", "page"),
}
# Scores that lists bring, by the column of schemas/score-list.json that takes them.
SCORE_NAMES: Mapping[str, tuple[str, ...]] = {
    "similarity": ("similarity", "clip_similarity"),
    "clip_b32_similarity_score": ("clip_b32_similarity_score",),
    "clip_l14_similarity_score": ("clip_l14_similarity_score",),
    "clip_similarity_vitb32": ("clip_similarity_vitb32",),
    "clip_similarity_vitl14": ("clip_similarity_vitl14",),
    "aesthetic_score": ("aesthetic_score", "aesthetic", "aesthetics_score"),
    "aesthetic_score_laion_v2": ("aesthetic_score_laion_v2",),
    "punsafe": ("punsafe",),
    "pwatermark": ("pwatermark",),
    "watermark_score": ("watermark_score",),
    "nsfw_score_opennsfw2": ("nsfw_score_opennsfw2",),
    "nsfw_score_gantman": ("nsfw_score_gantman",),
    "nsfw": ("nsfw",),
}
_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Columns:
    """Names as the file writes them. names: all that are to be read. keep: additional columns, each as it was asked for
    and as the file writes it. more: column of schemas/extracted.json -> name; scores: column of schemas/score-list.json
    -> name. headed: whether the file's first line names the columns."""

    names: tuple[str, ...]
    url: str
    text: str | None
    uid: str | None
    keep: tuple[tuple[str, str], ...]
    more: Mapping[str, str] = field(default_factory=dict)
    scores: Mapping[str, str] = field(default_factory=dict)
    headed: bool = True


def find_columns(
    path: Path,
    names: Sequence[str],
    kinds: Mapping[str, str],
    url_column: str | None,
    text_column: str | None,
    keep: tuple[str, ...],
) -> Columns:
    """kinds: what is in the columns that hold no text. Raises UsageError."""
    shown = ", ".join(repr(name) for name in names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
    url = _named(path, names, url_column, shown) if url_column else _by_name(names, URL_NAMES)
    if url is None:
        hint = "name it with --url-column"
        if any(name.lower().startswith(("http://", "https://")) for name in names):
            hint = "the first line must name the columns, as url,caption"
        raise UsageError(f"{path} has no column with URLs; its columns are {shown}", hint)
    text = _named(path, names, text_column, shown) if text_column else None
    if text_column is None:
        text = _by_name(names, TEXT_NAMES)
        if text is None and len(names) > 1:
            raise UsageError(
                f"{path} has no column with texts; its columns are {shown}",
                'name it with --text-column, or give --text-column "" for a list without texts',
            )
    kept = tuple((name, _named(path, names, name, shown)) for name in keep)
    for name in (url, text):
        if name is not None and name in kinds:
            raise UsageError(f"column {name!r} of {path} holds {kinds[name]}, not text", "name another column")
    uid = _by_name(names, UID_NAMES)
    more, scores = (_all_by_name(names, known, {url, text}) for known in (MORE_NAMES, SCORE_NAMES))
    every = (url, text, uid, *(name for _, name in kept), *more.values(), *scores.values())
    wanted = tuple(dict.fromkeys(name for name in every if name is not None))
    return Columns(wanted, url, text, uid, kept, more, scores)


def without_header(first: Sequence[str]) -> Columns | None:
    """The columns of a list whose first line is a pair already, as CC3M (caption, url) and CC12M (url, caption) are;
    None where it is none."""
    if len(first) != 2:
        return None
    place = next((at for at, value in enumerate(first) if value.lower().startswith(("http://", "https://"))), None)
    if place is None:
        return None
    names = ("url", "caption") if place == 0 else ("caption", "url")
    return Columns(names, "url", "caption", None, (), headed=False)


def _all_by_name(names: Sequence[str], known: Mapping[str, Sequence[str]], taken: set[str | None]) -> dict[str, str]:
    found = {ours: _by_name(names, theirs) for ours, theirs in known.items()}
    return {ours: name for ours, name in found.items() if name is not None and name not in taken}


def _by_name(names: Sequence[str], known: Sequence[str]) -> str | None:
    lower = {name.lower(): name for name in reversed(names)}
    return next((lower[name] for name in known if name in lower), None)


def _named(path: Path, names: Sequence[str], wanted: str, shown: str) -> str:
    """The column of that name, in any case if there is none in this one."""
    found = wanted if wanted in names else _by_name(names, (wanted.lower(),))
    if found is None:
        hint = nearest(wanted, names) if len(names) <= _SHOWN else "compare the names"
        raise UsageError(f"{path} has no column {wanted!r}; its columns are {shown}", hint)
    return found
