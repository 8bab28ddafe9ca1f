"""The labelling page: one HTML file, offline, that shows pairs one after the other and takes a label for each.

    render("birds", "3f0c9a17…", [Shown("00c1e2…", "a dog on a lawn", "en", jpeg), ...])     -> str, write it as UTF-8

Blind: it knows no score and no verdict, and the pairs stand in an order that tells nothing. A content security policy
lets in one style sheet and one script, both named by their digests, and pictures inside the file; nothing else may load
or run, whatever a caption says. Captions travel as JSON in which no character can end the element, and are set as text.

Cost: 4/3 of the pictures' bytes; 400 pairs of 384 px make about 10 MB.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Sequence
from dataclasses import dataclass

from vlcorpus.audit.script import SCRIPT
from vlcorpus.audit.style import STYLE


@dataclass(frozen=True)
class Shown:
    """A pair as it is shown: uid in hex; words and language as they are to be read; picture a JPEG, or None."""

    uid: str
    words: str
    language: str | None
    picture: bytes | None


def render(title: str, audit: str, pairs: Sequence[Shown]) -> str:
    """The page. audit: the audit's id, under which the browser keeps the labels."""
    listed = [
        {
            "uid": each.uid,
            "words": each.words,
            "language": each.language or "",
            "picture": "data:image/jpeg;base64," + base64.b64encode(each.picture).decode() if each.picture else "",
        }
        for each in pairs
    ]
    told = _inert(json.dumps({"id": audit, "pairs": listed}, ensure_ascii=True, separators=(",", ":")))
    return _PAGE.format(
        policy=policy(), title=html.escape(title), style=STYLE, total=len(pairs), pairs=told, script=SCRIPT
    )


def policy() -> str:
    """Nothing may load but pictures inside the file; style sheet and script are named by their digests."""
    style, script = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (STYLE, SCRIPT))
    return (
        f"default-src 'none'; img-src data:; style-src 'sha256-{style}'; script-src 'sha256-{script}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _inert(text: str) -> str:
    """JSON with nothing in it that HTML has a meaning for."""
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<header>
<h1>{title}</h1>
<span class="count"><b id="labelled">0</b> of {total} labelled</span>
</header>
<progress id="progress" max="{total}" value="0" aria-label="Labelled pairs"></progress>
<noscript>This page needs JavaScript to take labels. It loads nothing from elsewhere.</noscript>
<main>
<figure><img id="picture" alt="The pair's picture"><div id="blank" class="blank" hidden>No picture can be shown.</div>
</figure>
<section class="side" aria-label="Pair">
<p class="where"><span id="number"></span><span id="language" class="tag" hidden></span>
<span id="label" hidden></span></p>
<blockquote id="words" dir="auto" tabindex="0" aria-live="polite"></blockquote>
<div class="guide">
<p>Do the words fit the picture?</p>
<p class="good"><b>good</b><span>They say something true about what is to be seen.</span></p>
<p class="bad"><b>bad</b><span>They speak of something else, or say nothing: a file name, a price, an advert.</span></p>
<p class="unsure"><b>unsure</b><span>You cannot tell, as with a language that you do not read.</span></p>
</div>
</section>
</main>
<footer>
<div class="bar">
<div class="choices" role="group" aria-label="Label">
<button type="button" class="choice good" id="good" aria-pressed="false">Good <kbd>1</kbd></button>
<button type="button" class="choice bad" id="bad" aria-pressed="false">Bad <kbd>2</kbd></button>
<button type="button" class="choice unsure" id="unsure" aria-pressed="false">Unsure <kbd>3</kbd></button>
</div>
<div class="tools">
<button type="button" class="tool" id="back" aria-label="Back">Back <kbd>←</kbd></button>
<button type="button" class="tool" id="forward" aria-label="Forward">Forward <kbd>→</kbd></button>
<button type="button" class="tool" id="undo">Undo <kbd>Z</kbd></button>
<button type="button" class="tool" id="import">Import</button>
<button type="button" class="tool main" id="export">Export <kbd>E</kbd></button>
<input type="file" id="file" accept=".csv,text/csv" hidden>
</div>
</div>
<div class="status">
<p id="said" role="status"></p>
<label>Your name <input id="who" autocomplete="off" spellcheck="false" placeholder="optional" maxlength="40"></label>
</div>
</footer>
<script type="application/json" id="pairs">{pairs}</script>
<script>{script}</script>
</body>
</html>
"""
