"""Which columns of a list hold the image's URL, its text and the list's own uid.

    find_columns(path, ["SAMPLE_ID", "URL", "TEXT"], {}, None, None, ())     url "URL", text "TEXT", uid None

Names are compared in lower case, the most common first; what cannot be found is an error that lists what there is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vlcorpus.errors import UsageError, nearest

URL_NAMES = ("url", "image_url", "img_url", "imageurl", "image_link", "image_src", "src", "uri", "link")
TEXT_NAMES = ("text", "caption", "alt_text", "alttext", "alt", "top_caption", "description", "title")
UID_NAMES = ("uid",)
_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Columns:
    """Names as the file writes them. names: all that are to be read."""

    names: tuple[str, ...]
    url: str
    text: str | None
    uid: str | None
    keep: tuple[str, ...]


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
    kept = tuple(found for name in keep if (found := _named(path, names, name, shown)))
    for name in (url, text):
        if name is not None and name in kinds:
            raise UsageError(f"column {name!r} of {path} holds {kinds[name]}, not text", "name another column")
    uid = _by_name(names, UID_NAMES)
    wanted = tuple(dict.fromkeys(name for name in (url, text, uid, *kept) if name is not None))
    return Columns(wanted, url, text, uid, kept)


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
