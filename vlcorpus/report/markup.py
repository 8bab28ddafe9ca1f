"""HTML that cannot be broken out of: every string is escaped unless this file made it.

    element("td", "<b>&", class_="n")   ->   <td class="n">&lt;b&gt;&amp;</td>

Text from the web is shown, never obeyed: markup is escaped, and characters that hide, reorder or break text (controls,
bidirectional overrides, line separators, lone surrogates) are written out, as \\u202e. Right-to-left text is kept from
moving what stands beside it by a `bdi` round it.
"""

from __future__ import annotations

import html
import unicodedata

MAX_TEXT = 2000
"""Characters of one string that are shown."""

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_JOINERS = frozenset("\u200c\u200d")
"""Zero-width joiners: hidden too, but Persian, Hindi and family emoji are spelt with them."""
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_VOID = frozenset({"meta", "img", "br", "wbr"})


class Html(str):
    """Markup made by `element` or `join`: not escaped again."""

    __slots__ = ()


def shown(text: str) -> str:
    """`text` with what hides or reorders it written out, cut at MAX_TEXT characters. Not yet escaped."""
    cut = text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
    if cut.isascii() and cut.isprintable():
        return cut
    return "".join(_visible(character) for character in cut)


def shorten(text: str, length: int) -> str:
    """At most `length` characters, the last an ellipsis where something was cut."""
    return text if len(text) <= length else text[: length - 1] + "…"


def element(tag: str, /, *children: str, **attributes: str | int | float | bool | None) -> Html:
    """One element. Children and values are escaped unless they are Html. `class_` is class, `a_b` is a-b.

    An attribute that is None or False is left out; True stands without a value.
    """
    head = tag
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        key = key.rstrip("_").replace("_", "-")
        head += f" {key}" if value is True else f' {key}="{_escaped(_written(value))}"'
    if tag in _VOID:
        return Html(f"<{head}>")
    return Html(f"<{head}>{join(*children)}</{tag}>")


def join(*children: str) -> Html:
    """Children one after the other, escaped unless they are Html."""
    return Html("".join(child if isinstance(child, Html) else _escaped(child) for child in children))


def _escaped(text: str) -> str:
    return html.escape(shown(text), quote=True) if not isinstance(text, Html) else text


def _written(value: str | int | float) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def _visible(character: str) -> str:
    if unicodedata.category(character) not in _HIDDEN or character in _JOINERS:
        return character
    if character in _SHORT:
        return _SHORT[character]
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
