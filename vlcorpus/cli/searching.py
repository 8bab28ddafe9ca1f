"""`vlcorpus search CORPUS`: the pairs nearest to a text, an image or another pair."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import output, shape

if TYPE_CHECKING:
    from ..views.searching import Hits

MOST = 10_000


class Side(StrEnum):
    image = "image"
    text = "text"


def search(
    corpus: Annotated[str, typer.Argument(metavar="CORPUS", help="Folder of the corpus.", show_default=False)],
    text: Annotated[str | None, typer.Option("--text", help="Find what these words describe.")] = None,
    image: Annotated[str | None, typer.Option("--image", metavar="FILE", help="Find what is like this image.")] = None,
    uid: Annotated[str | None, typer.Option("--uid", help="Find what is like the image of this pair.")] = None,
    k: Annotated[int, typer.Option("-k", min=1, max=MOST, help="How many.")] = 10,
    model: Annotated[str | None, typer.Option("--model", help="Whose embeddings; the only ones if not given.")] = None,
    side: Annotated[Side, typer.Option("--side", help="Compare with images or with texts.")] = Side.image,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Find the pairs nearest to a text, an image or another pair."""
    from ..corpus import Corpus
    from ..views import searching

    found = searching.search(
        Corpus.open(Path(corpus)),
        text=text,
        image=Path(image) if image is not None else None,
        uid=uid,
        k=k,
        model=model,
        side="image" if side is Side.image else "text",
    )
    if found.note:
        output.note(f"note: {output.clean(found.note)}")
    if json:
        output.say_json(shape.plain(found))
    else:
        _print_hits(found)


def _print_hits(found: Hits) -> None:
    keys = max((len(each.key) for each in found.hits), default=0)
    room = max(20, shape.width() - (4 + 2 + 10 + 2 + keys + 2 + 32 + 2 + 2))
    rows = [
        (
            each.rank,
            f"{each.similarity:.4f}",
            each.key,
            each.uid,
            shape.shorten(each.caption, room // 2),
            shape.shorten(each.url or "", room - room // 2),
        )
        for each in found.hits
    ]
    output.table(("rank", "similarity", "key", "uid", "caption", "url"), rows, numbers=(0, 1))
