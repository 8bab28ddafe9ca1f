"""/ai.txt: which files of a site are not for AI (Spawning). Written like robots.txt, about use and not about visits.

    rules = read(b"User-Agent: *\\nDisallow: *.jpg\\nAllow: /press/*.jpg", "vlcorpus")
    refusal(rules, "/a/B.JPG?w=1", is_image=True)         "Disallow: *.jpg"
    refusal(rules, "/press/b.jpg", is_image=True)         None

Rules are those of the group for us, else for everyone; the longest that matches decides, then Allow. Upper and lower
case are one. `*.jpg` is about the type: it matches `.jpg` wherever no letter or digit follows, so that `*.c` is no
word about `.css`. Media types are read too: `image/*` matches any image, `image/jpeg` one that has such a name. A URL
that gives no type away (/img/123) is reached by rules for paths and for `image/*` alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from vlcorpus.net import robotstxt
from vlcorpus.net.paths import Pattern, pattern

MAX_RULES = 1000
MAX_CHARACTERS = 500

_TYPE = re.compile(r"\*?\.([a-z0-9]{1,8})\$?")
_MEDIA = re.compile(r"(image|text)/([a-z0-9.+\-]+|\*)")
_NAMES = {
    "image/jpeg": ("jpg", "jpeg", "jpe", "jfif"), "image/jpg": ("jpg", "jpeg"), "image/tiff": ("tif", "tiff"),
    "image/svg+xml": ("svg",), "image/x-icon": ("ico",), "text/html": ("html", "htm"), "text/plain": ("txt",),
}  # fmt: skip
_EXTENSIONS = re.compile(r"\.([a-z0-9]{1,8})(?![a-z0-9])")


class Rule(NamedTuple):
    """line: as found. length: which of two counts. pattern: of paths; None where it is about types.

    kind: "image" or "text", where only such are meant. extensions: () for any of the kind.
    """

    allows: bool
    line: str
    length: int
    pattern: Pattern | None
    kind: str = ""
    extensions: tuple[str, ...] = ()


def read(body: bytes, token: str) -> tuple[Rule, ...]:
    """The rules for `token`, in lower case. Any body will do: HTML gives none."""
    groups, _ = robotstxt.read(robotstxt.text(body), (token, "*"))
    ours = [group for group in groups if token in group.agents] or groups
    rules: list[Rule] = []
    for group in ours:
        for field, value in group.rules:
            if field in ("allow", "disallow") and value and len(value) <= MAX_CHARACTERS:
                rules.append(_rule(field, value))
                if len(rules) == MAX_RULES:
                    return tuple(rules)
    return tuple(rules)


def refusal(rules: Sequence[Rule], path: str, *, is_image: bool) -> str | None:
    """The line that refuses the path, None if none does. path: as `paths.comparable` gave it."""
    path = path.lower()
    extensions = frozenset(_EXTENSIONS.findall(path))
    longest, line = (0, True), None
    for rule in rules:
        if (rule.length, rule.allows) > longest and _matches(rule, path, extensions, is_image):
            longest, line = (rule.length, rule.allows), rule.line
    return None if longest[1] else line


def _rule(field: str, value: str) -> Rule:
    allows, line, length, low = field == "allow", f"{field.capitalize()}: {value}", len(value), value.lower()
    if named := _TYPE.fullmatch(low):
        return Rule(allows, line, length, None, "", (named[1],))
    if media := _MEDIA.fullmatch(low):
        return Rule(allows, line, length, None, media[1], () if media[2] == "*" else _NAMES.get(low, (media[2],)))
    return Rule(allows, line, length, pattern(value if value.startswith(("/", "*")) else f"/{value}", fold=True))


def _matches(rule: Rule, path: str, extensions: frozenset[str], is_image: bool) -> bool:
    if rule.pattern is not None:
        return rule.pattern.matches(path)
    if rule.kind and (rule.kind == "image") is not is_image:
        return False
    return not rule.extensions or not extensions.isdisjoint(rule.extensions)
