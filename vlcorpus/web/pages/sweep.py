"""What is looked at on a page, gathered in one walk over its elements.

    swept = Sweep(LexborHTMLParser(b'<title>Cats</title><h1>Old</h1><img src=a.jpg alt="a cat"><a href=b.html>b</a>'))
    swept.images[0][1]["src"]                  "a.jpg"
    list(swept.hrefs)                          ["b.html"]

One walk that looks at numbers of tags costs less than a CSS query for as many kinds; where links are not wanted, one
query finds the few that name a licence, at a third of what it costs to look at all. Of each kind only so many are kept
as the constants say, so that no page costs more memory than its tree.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable

from selectolax.lexbor import LexborCSSSelector, LexborHTMLParser, LexborNode

from vlcorpus.web.pages.licence import Licences

MAX_IMAGES = 10_000
MAX_LINKS = 10_000
MAX_METAS = 1_000
MAX_CAPTIONS = 10_000
MAX_BLOCKS = 64  # of JSON-LD
MAX_BLOCK = 1_000_000  # characters of one
MAX_CONTENT = 10_000  # characters of a <meta>

# Of links, when they are not wanted, those that may name a licence (licence.py decides); none twice.
_MAY_BE_LICENCES = 'a:is([href*="mmons."], [rel*="license" i])'

HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_DRAWINGS = frozenset(("svg", "symbol", "g", "use", "path", "defs"))

_USUAL_RELATIONS = frozenset((
    None, "stylesheet", "preload", "preconnect", "dns-prefetch", "icon", "shortcut icon", "apple-touch-icon",
    "alternate", "canonical", "modulepreload", "prefetch", "manifest", "search",
))  # fmt: skip
_OF_THREAD = threading.local()

Attributes = dict[str, str | None]


# An <img>, and the last heading before it.
Image = tuple[LexborNode, Attributes, LexborNode | None]


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
        root = tree.root
        if root is None:
            return
        if not links:
            for node in _selector().find(_MAY_BE_LICENCES, root):
                self._anchor(node)
        handlers = _handlers(links)
        images, image = self.images, tag_id("img")
        heading: LexborNode | None = None
        for node in root.traverse():
            tag = node.tag_id
            if tag not in handlers:
                continue
            handler = handlers[tag]
            if handler is not None:
                handler(self, node)
            elif tag != image:
                heading = node
            elif len(images) < MAX_IMAGES:
                images.append((node, node.attributes, heading))

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
        if len(attributes) == 2 and name:
            return
        for key in ("property", "http-equiv"):
            other = attributes.get(key)
            if other and other != name:
                self.metas.append((other.strip().lower()[:100], content))

    def _link(self, node: LexborNode) -> None:
        attributes = node.attributes
        href, relation = attributes.get("href"), attributes.get("rel")
        if not href:
            return
        # Most have one of a few relations, each a word.
        if relation not in _USUAL_RELATIONS or "ommons." in href:
            self.licences.note(relation, href, "link")
        if self.canonical is None and relation and "canonical" in relation.lower().split():
            self.canonical = href

    def _script(self, node: LexborNode) -> None:
        text = node.first_child
        if text is None or len(self.blocks) >= MAX_BLOCKS:
            return
        kind = node.attributes.get("type")
        if kind is None or "ld+json" not in kind.lower():
            return
        content = text.text_content
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


@functools.cache
def _handlers(links: bool) -> dict[int, Callable[[Sweep, LexborNode], None] | None]:
    """Those of headings and images are None: there are so many that a call each would show."""
    handlers: dict[str, Callable[[Sweep, LexborNode], None] | None] = {
        "img": None,
        **dict.fromkeys(HEADINGS),
        "a": Sweep._anchor,
        "meta": Sweep._meta,
        "link": Sweep._link,
        "script": Sweep._script,
        "figcaption": Sweep._caption,
        "title": Sweep._named,
        "base": Sweep._based,
        "html": Sweep._root,
    }
    return {tag_id(name): handler for name, handler in handlers.items() if links or name != "a"}


def _selector() -> LexborCSSSelector:
    """The thread's: to make one costs as much as to search a page."""
    if not hasattr(_OF_THREAD, "selector"):
        _OF_THREAD.selector = LexborCSSSelector()  # type: ignore[no-untyped-call]
    selector: LexborCSSSelector = _OF_THREAD.selector
    return selector
