"""Words near an image.

    contexts = Contexts(tree)
    for image in contexts.images(10_000):
        contexts.near(image)                    "A red kite over the hills"

A figure's caption, else the words in the block around the image, else the last heading before it; white space
collapsed, at most MAX_CONTEXT characters. Every look around is bounded, so that cost does not depend on a page's shape.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from selectolax.lexbor import LexborHTMLParser, LexborNode

MAX_CONTEXT = 200

_NODES = 60  # looked at around one image
_LEVELS = 3
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
_PAGE = frozenset(("body", "html", "main", "article"))
_SILENT = frozenset(("script", "style", "noscript", "template", "option", "textarea"))
_BLANKS = re.compile(r"\s+")


class Contexts:
    """Of one page. `near` is asked while `images` is read, because it knows the heading passed last."""

    def __init__(self, tree: LexborHTMLParser) -> None:
        self._sweep = tree.css("img,h1,h2,h3,h4,h5,h6")
        self._captions: dict[int, LexborNode] = {}
        for caption in tree.css("figcaption"):
            figure = caption.parent
            if figure is not None:
                self._captions.setdefault(figure.mem_id, caption)
        self._heading: LexborNode | None = None
        self._words: dict[int, str] = {}

    def images(self, most: int) -> Iterator[LexborNode]:
        """The first `most` image elements, in document order."""
        for node in self._sweep:
            if node.tag in _HEADINGS:
                self._heading = node
            elif most > 0:
                most -= 1
                yield node
            else:
                return

    def near(self, image: LexborNode) -> str:
        around: list[LexborNode] = []
        node = image.parent
        while node is not None and len(around) < _LEVELS and node.tag not in _PAGE:
            caption = self._captions.get(node.mem_id)
            if caption is not None and (words := self._text(caption)):
                return words
            around.append(node)
            node = node.parent
        for block in around:
            if words := self._text(block):
                return words
        return self._text(self._heading) if self._heading is not None else ""

    def _text(self, node: LexborNode) -> str:
        """The first words of an element."""
        words = self._words.get(node.mem_id)
        if words is None:
            words = self._words[node.mem_id] = _first_words(node)
        return words


def _first_words(node: LexborNode) -> str:
    found: list[str] = []
    length = 0
    for count, inner in enumerate(node.traverse(include_text=True)):
        if count >= _NODES or length >= MAX_CONTEXT:
            break
        if not inner.is_text_node:
            continue
        parent = inner.parent
        if parent is not None and parent.tag in _SILENT:
            continue
        words = _BLANKS.sub(" ", (inner.text_content or "")[: 20 * MAX_CONTEXT])
        found.append(words)
        length += len(words)
    return _BLANKS.sub(" ", "".join(found)).strip()[:MAX_CONTEXT].rstrip()
