"""What is looked at on a page, gathered in one walk over its elements.

    swept = Sweep(LexborHTMLParser(b'<title>Cats</title><h1>Old</h1><img src=a.jpg alt="a cat"><a href=b.html>b</a>'))
    swept.images[0].attributes["src"]          "a.jpg"
    list(swept.hrefs)                          ["b.html"]

One walk that looks at numbers of tags costs as much as one CSS query, and a query for each kind is the greater part of
what a page costs. Of each kind only so many are kept as the constants say, so that no page costs more memory than its
tree.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

from selectolax.lexbor import LexborHTMLParser, LexborNode

from vlcorpus.web.licence import Licences

MAX_IMAGES = 10_000
MAX_LINKS = 10_000
MAX_METAS = 1_000
MAX_CAPTIONS = 10_000
MAX_BLOCKS = 64  # of JSON-LD
MAX_BLOCK = 1_000_000  # characters of one
MAX_CONTENT = 10_000  # characters of a <meta>

# Of links, when they are not wanted, those that may name a licence (licence.py decides); none twice.
_MAY_BE_LICENCES = 'a[rel*="license" i], a[href*="ommons."]:not([rel*="license" i])'

HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_DRAWINGS = frozenset(("svg", "symbol", "g", "use", "path", "defs"))

Attributes = dict[str, str | None]


class Image(NamedTuple):
    """An <img>. heading: the last one before it."""

    node: LexborNode
    attributes: Attributes
    heading: LexborNode | None


@functools.cache
def tag_id(name: str) -> int:
    """The number by which the parser knows a tag: cheaper to ask a node for than its name."""
    node = LexborHTMLParser(f"<{name}>").css_first(name)
    assert node is not None
    return int(node.tag_id)


class Sweep:
    """The page's elements, by kind. Links of one href are kept once; those that say nofollow, only as licences.

    links: whether hrefs are wanted.
    """

    def __init__(self, tree: LexborHTMLParser, links: bool = True) -> None:
        self.images: list[Image] = []
        self.metas: list[tuple[str, str]] = []
        self.hrefs: dict[str, None] = {}
        self.captions: dict[int, LexborNode] = {}  # by their parents' mem_id
        self.blocks: list[str] = []
        self.licences = Licences()
        self.canonical: str | None = None
        self.base: str | None = None
        self.language = ""
        self.title: LexborNode | None = None
        self._title_in_head = False
        self._heading: LexborNode | None = None
        root = tree.root
        if root is None:
            return
        handlers = self._handlers()
        if not links:
            del handlers["a"]
            for node in root.css(_MAY_BE_LICENCES):
                self._anchor(node)
        take = {tag_id(name): handler for name, handler in handlers.items()}.get
        for node in root.traverse():
            handler = take(node.tag_id)
            if handler is not None:
                handler(node)

    def _handlers(self) -> dict[str, Callable[[LexborNode], None]]:
        return {
            "a": self._anchor,
            "img": self._image,
            "meta": self._meta,
            "link": self._link,
            "script": self._script,
            "figcaption": self._caption,
            "title": self._named,
            "base": self._based,
            "html": self._root,
            **dict.fromkeys(HEADINGS, self._headed),
        }

    def _anchor(self, node: LexborNode) -> None:
        attributes = node.attributes
        href = attributes.get("href")
        if not href:
            return
        relation = attributes.get("rel")
        # Most links have no relation.
        if relation is not None or "ommons." in href:
            self.licences.note(relation, href, "anchor")
            if relation is not None and "nofollow" in relation.lower().split():
                return
        if len(self.hrefs) < MAX_LINKS:
            self.hrefs[href] = None

    def _image(self, node: LexborNode) -> None:
        if len(self.images) < MAX_IMAGES:
            self.images.append(Image(node, node.attributes, self._heading))

    def _headed(self, node: LexborNode) -> None:
        self._heading = node

    def _meta(self, node: LexborNode) -> None:
        if len(self.metas) >= MAX_METAS:
            return
        attributes = node.attributes
        content = attributes.get("content")
        if not content:
            return
        content = content[:MAX_CONTENT]
        name = attributes.get("name")
        if name:
            self.metas.append((name.strip().lower()[:100], content))
        for key in ("property", "http-equiv"):
            other = attributes.get(key)
            if other and other != name:
                self.metas.append((other.strip().lower()[:100], content))

    def _link(self, node: LexborNode) -> None:
        attributes = node.attributes
        href, relation = attributes.get("href"), attributes.get("rel")
        if not href:
            return
        self.licences.note(relation, href, "link")
        if self.canonical is None and relation and "canonical" in relation.lower().split():
            self.canonical = href

    def _script(self, node: LexborNode) -> None:
        kind = node.attributes.get("type")
        if kind is None or "ld+json" not in kind.lower() or len(self.blocks) >= MAX_BLOCKS:
            return
        text = node.first_child
        content = text.text_content if text is not None else None
        if content and len(content) <= MAX_BLOCK:
            self.blocks.append(content)

    def _caption(self, node: LexborNode) -> None:
        figure = node.parent
        if figure is not None and len(self.captions) < MAX_CAPTIONS:
            self.captions.setdefault(figure.mem_id, node)

    def _named(self, node: LexborNode) -> None:
        if self._title_in_head:
            return
        parent = node.parent
        tag = parent.tag if parent is not None else None
        self._title_in_head = tag == "head"
        if self._title_in_head or (self.title is None and tag not in _DRAWINGS):
            self.title = node

    def _based(self, node: LexborNode) -> None:
        if self.base is None:
            self.base = node.attributes.get("href")

    def _root(self, node: LexborNode) -> None:
        if not self.language:
            attributes = node.attributes
            self.language = (attributes.get("lang") or attributes.get("xml:lang") or "").strip()[:35]
