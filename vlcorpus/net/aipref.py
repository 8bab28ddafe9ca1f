"""Statements of preference: the text of Content-Usage and of Content-Signal.

    preferences("train-ai=n, search=y", USAGE)                {"train-ai": "n", "search": "y"}
    preferences("search=yes,ai-train=no", SIGNAL)             {"search": "yes", "ai-train": "no"}
    split_path("/ai-ok/ train-ai=y")                          ("/ai-ok/", "train-ai=y")

Both are dictionaries of labels and values (RFC 9651, 3.2; draft-ietf-aipref-vocab, draft-ietf-aipref-attach,
contentsignals.org): parameters and values of other kinds say nothing, the last of equal labels counts. More is heard
than the drafts ask for: labels in any case, "yes" for "y" and the reverse, and what stands beside a part that cannot
be read, for a slip of the pen takes no wish back.

The drafts' labels changed, and what was written under an older one stays on the web: train-ai and search today; before,
bots (all automated processing), tdm, ai and genai (both training), train-genai, ai-output and inference.
"""

from __future__ import annotations

import re

USAGE = {"y": "y", "n": "n", "yes": "y", "no": "n"}
SIGNAL = {"y": "yes", "n": "no", "yes": "yes", "no": "no"}
LEVELS = ("immediate", "reference", "full")  # of `use`, a Content-Signal

MAX_LABELS = 16
MAX_CHARACTERS = 8192

_KEY = re.compile(r"[a-z*][a-z0-9_\-.*]{0,39}")
# Commas of a string do not part members. An unclosed one runs to the end.
_MEMBER = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*(?:"|$))+')


def preferences(text: str, values: dict[str, str]) -> dict[str, str]:
    """What is allowed or not, by label, in lower case. values: USAGE or SIGNAL."""
    found: dict[str, str] = {}
    for member in _MEMBER.findall(text[:MAX_CHARACTERS]):
        key, _, rest = member.partition("=")
        key = key.partition(";")[0].strip().lower()
        if not _KEY.fullmatch(key):
            continue
        said = rest.partition(";")[0].strip().lower()
        value = said if key == "use" and values is SIGNAL and said in LEVELS else values.get(said)
        if value is None:
            found.pop(key, None)
        elif key in found or len(found) < MAX_LABELS:
            found[key] = value
    return found


def split_path(value: str) -> tuple[str, str]:
    """The path and the statement of a line in robots.txt; "" where it is about all paths."""
    if not value.startswith("/"):
        return "", value
    path, *rest = value.split(None, 1)
    return path, rest[0] if rest else ""
