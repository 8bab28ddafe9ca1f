"""Words near an image.

    contexts = Contexts()
    contexts.near(image, heading)                    "A red kite over the hills"

The words before and after the image in the innermost element around it that has any (not the body or main, where they
would be anyone's), else the last heading before it; white space collapsed, at most MAX_CONTEXT characters, as close to
the image as they stand. Every look around is bounded, so that cost does not depend on a page's shape.
"""

from __future__ import annotations

import functools

from selectolax.lexbor import LexborNode

from vlcorpus.web.pages.sweep import tag_id

MAX_CONTEXT = 200

_NODES = 30  # looked at on each side of an image
_LEVELS = 3
_LONG = 20 * MAX_CONTEXT  # characters of one text that are looked at
_PAGE = ("body", "html", "main", "article")
_SILENT = ("script", "style", "noscript", "template", "option", "textarea")


@functools.cache
def _numbers(names: tuple[str, ...]) -> frozenset[int]:
    return frozenset(map(tag_id, names))


class Contexts:
    """Of one page: remembers what it read of headings and captions."""

    def __init__(self) -> None:
        self._words: dict[int, str] = {}
        self._page, self._silent = _numbers(_PAGE), _numbers(_SILENT)

    def near(self, image: LexborNode, heading: LexborNode | None) -> str:
        node = image
        for _ in range(_LEVELS):
            parent = node.parent
            if parent is None or parent.tag_id in self._page:
                break
            left, right = node.prev, node.next
            before = self._side(left, False) if left is not None else ""
            after = self._side(right, True) if right is not None else ""
            if before or after:
                return _around(before, after)
            node = parent
        return self.words(heading) if heading is not None else ""

    def words(self, node: LexborNode, most: int = MAX_CONTEXT) -> str:
        """The first words of an element."""
        words = self._words.get(node.mem_id)
        if words is None:
            found: list[str] = []
            self._read(node, 2 * _NODES, found)
            words = self._words[node.mem_id] = " ".join("".join(found).split())
        return words[:most].rstrip()

    def _side(self, beside: LexborNode | None, after: bool) -> str:
        """The words of a node and of those before or after it, until there are MAX_CONTEXT characters."""
        found: list[str] = []
        left, length = _NODES, 0
        while beside is not None and left > 0 and length < MAX_CONTEXT:
            left -= 1
            text = beside.text_content
            if text is None:
                only = beside.first_child
                if only is not None:
                    # Most that stands beside an image is one text in an element.
                    text = only.text_content if only.next is None else None
                    if text is not None and beside.tag_id not in self._silent:
                        text = text[:_LONG]
                        left -= 1
                    else:
                        inside: list[str] = []
                        left = self._read(beside, left, inside)
                        text = "".join(inside)
            if text:
                if text.isspace():
                    found.append(" ")
                else:
                    # Of a long text, what is next to the image.
                    found.append(text[:_LONG] if after else text[-_LONG:])
                    length += len(found[-1])
            beside = beside.next if after else beside.prev
        if not length:
            return ""
        if not after:
            found.reverse()
        return " ".join("".join(found).split())

    def _read(self, node: LexborNode, left: int, found: list[str]) -> int:
        """Append the texts of at most `left` nodes; how many are left."""
        silent = self._silent
        if node.tag_id in silent:
            return left
        only = node.first_child
        if only is not None and only.next is None:
            text = only.text_content
            if text is not None:
                found.append(text[:_LONG])
                return left - 1
        length, met_silent = 0, False
        for inner in node.traverse(include_text=True):
            left -= 1
            if left < 0 or length >= _LONG:
                break
            text = inner.text_content
            if text is None:
                met_silent = met_silent or inner.tag_id in silent
            else:
                parent = inner.parent if met_silent else None
                if parent is None or parent.tag_id not in silent:
                    text = text[:_LONG]
                    found.append(text)
                    length += len(text)
        return left


def _around(before: str, after: str) -> str:
    """Both, cut to MAX_CONTEXT at their far ends: half each, or what the other leaves."""
    if len(before) + len(after) >= MAX_CONTEXT:
        after = after[: max(MAX_CONTEXT // 2, MAX_CONTEXT - 1 - len(before))]
        before = before[-(MAX_CONTEXT - 1 - len(after)) :]
    return f"{before} {after}".strip()
