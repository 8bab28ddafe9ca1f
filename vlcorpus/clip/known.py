"""Where this machine has the encoders below probes of heads.

    >>> remember(digest, "hf:models/distilbert")
    >>> find({"reference": None, "name": "distilbert", "digest": digest})
    'hf:/home/me/models/distilbert'

A probe keeps no paths: they would mean nothing elsewhere, and one that came from a stranger could name any file. It
keeps names on the Hugging Face Hub, or nothing; then a small file of this machine's own says by digest where the
encoder was last opened from ($XDG_CACHE_HOME/vlcorpus/encoders). On another machine VLCORPUS_FROZEN, or opening the
encoders there once, does the same. Digests are compared anyway.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vlcorpus.clip import two
from vlcorpus.clip.located import read_settings
from vlcorpus.errors import SourceError

VARIABLE = "VLCORPUS_FROZEN"
HINT = f"name the probe's encoders: {VARIABLE}=image=REFERENCE,text=REFERENCE"
_REFERENCE = re.compile(
    r"(timm:[A-Za-z0-9_.-]{1,100}(@random:[0-9]{1,18})?|(hf:|hf-hub:)?[A-Za-z0-9][\w.-]{0,99}/[A-Za-z0-9][\w.-]{0,99})",
    re.ASCII,
)
_DIGEST = re.compile(r"[0-9a-f]{64}")


def is_local(reference: str) -> bool:
    """Whether a reference is, or may be, a path of this machine."""
    return _REFERENCE.fullmatch(reference) is None or Path(reference.removeprefix("hf:")).exists()


def check(side: str, about: Any) -> None:
    """Raises SourceError for an entry of `Frozen.about` that is damaged, or whose reference is a path."""
    if not isinstance(about, Mapping):
        raise SourceError(f"the probe names no {side} encoder", "train the probe again")
    reference, digest, width = about.get("reference"), about.get("digest"), about.get("dimension")
    if reference is not None and not (isinstance(reference, str) and _REFERENCE.fullmatch(reference)):
        raise SourceError(f"the probe's {side} encoder is {reference!r:.100}", "a name is read there, never a path")
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest) or not isinstance(about.get("name"), str):
        raise SourceError(f"the probe's {side} encoder has no digest and name", "train the probe again")
    if type(width) is not int or not 1 <= width <= 1 << 16:
        raise SourceError(f"the probe's {side} encoder has {width!r:.40} dimensions", "1 to 65,536 are read")


def named() -> list[str] | None:
    """Both encoders, where the environment names them."""
    said = os.environ.get(VARIABLE)
    if not said:
        return None
    parts = list(two.towers(said))
    if len(parts) != 2:
        raise SourceError(f"{VARIABLE} names one encoder", HINT)
    return parts


def find(about: Mapping[str, Any]) -> str:
    """The reference of an encoder that `check` has passed. SourceError where this machine knows none."""
    if about["reference"] is not None:
        return str(about["reference"])
    note = _folder() / f"{about['digest']}.json"
    reference = read_settings(note).get("reference") if note.is_file() else None
    if not isinstance(reference, str):
        raise SourceError(f"the encoder {about['name']:.60} is not known on this machine", HINT)
    return reference


def remember(digest: str, reference: str) -> None:
    """Where a local encoder lies. A machine without a place for that does without."""
    if not is_local(reference):
        return
    note = _folder() / f"{digest}.json"
    text = json.dumps({"reference": absolute(reference)}) + "\n"
    beside = note.with_name(f"{note.name}.{os.getpid()}.tmp")
    try:
        if note.is_file() and note.read_text(encoding="utf-8") == text:
            return
        note.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(text, encoding="utf-8")
        beside.replace(note)
    except OSError:
        return


def absolute(reference: str) -> str:
    """The reference with its path from the root, so that it holds in any folder."""
    for lead in ("local-dir:", "hf:"):
        if reference.startswith(lead):
            return lead + str(Path(reference.removeprefix(lead)).resolve())
    name, at, file = reference.partition("@")
    return f"{name}@{Path(file).resolve()}" if at else str(Path(reference).resolve())


def _folder() -> Path:
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "vlcorpus" / "encoders"
