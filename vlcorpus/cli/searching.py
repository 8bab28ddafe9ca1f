"""`vlcorpus search CORPUS QUERY`: the pairs nearest to words, images, pairs or vectors, or a subset by search.

    vlcorpus search birds 'a red bird'
    vlcorpus search birds '+"red bird" -drawing' --where 'short_side >= 256' --min-sim 0.2 -k 50
    vlcorpus search birds --image photo.jpg --json
    vlcorpus search birds 'a red bird' -k 1000 --out red.parquet        `vlcorpus download NEW --from red.parquet`
    vlcorpus search birds 'a red bird' -k 100000 --decision red         `vlcorpus export birds OUT --decision red`

A decision is two stages, run as any others are: the score query_NAME of every pair, and a filter by it. So it resumes,
grows with the corpus, and is shown by `funnel` and `show`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UsageError
from . import output, shape

if TYPE_CHECKING:
    from ..knn.query import Term
    from ..views.searching import Hits

MOST = 10_000  # hits that are shown, or folded
MOST_WRITTEN = 1_000_000
MOST_DECIDED = 10_000_000_000
_NAMED = re.compile(r"[a-z0-9][a-z0-9_]{0,39}")


class Side(StrEnum):
    image = "image"
    text = "text"


def search(
    corpus: Annotated[
        str, typer.Argument(metavar="CORPUS", help="Folder of a corpus, or of embeddings.", show_default=False)
    ],
    query: Annotated[
        str | None,
        typer.Argument(
            metavar="[QUERY]", help="Words, or terms with weights: '+\"red car\" -toy'.", show_default=False
        ),
    ] = None,
    text: Annotated[list[str] | None, typer.Option("--text", help="Find what these words describe.")] = None,
    image: Annotated[
        list[str] | None, typer.Option("--image", metavar="FILE", help="Find what is like this image.")
    ] = None,
    uid: Annotated[list[str] | None, typer.Option("--uid", help="Find what is like the image of this pair.")] = None,
    vector: Annotated[
        list[str] | None, typer.Option("--vector", metavar="FILE", help="Find what is near the vector in a .npy file.")
    ] = None,
    side: Annotated[Side, typer.Option("--side", help="Compare with images or with texts.")] = Side.image,
    k: Annotated[int, typer.Option("-k", min=1, max=MOST_DECIDED, help="How many.")] = 10,
    min_sim: Annotated[
        float | None, typer.Option("--min-sim", metavar="FLOOR", min=-1, max=1, help="No similarity below this.")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option("--where", metavar="EXPR", help="Only pairs for which this holds; repeat it."),
    ] = None,
    fold: Annotated[bool, typer.Option("--fold/--no-fold", help="Fold near-duplicates under the best of them.")] = True,
    nearness: Annotated[
        float, typer.Option("--nearness", min=-1, max=1, help="Cosine from which two images are folded.")
    ] = 0.94,
    exact: Annotated[bool, typer.Option("--exact", help="Read every row, though there is an index.")] = False,
    model: Annotated[str | None, typer.Option("--model", help="Whose embeddings; the only ones if not given.")] = None,
    decision: Annotated[
        str | None, typer.Option("--decision", metavar="NAME", help="Keep the result as a decision of this name.")
    ] = None,
    out: Annotated[
        str | None,
        typer.Option("--out", metavar="FILE", help="Write it: .parquet, .jsonl, .csv, or .txt (uids alone)."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Find the pairs nearest to words, images, pairs or vectors; or keep them as a decision or a list."""
    from ..knn.query import Term, parse

    given = (("text", text), ("image", image), ("uid", uid), ("vector", vector))
    terms = [*(parse(query) if query is not None else ())]
    terms += [Term(1.0, kind, value) for kind, values in given for value in values or ()]  # type: ignore[arg-type]
    if not terms:
        raise UsageError("nothing is asked for", "give words, or --text, --image, --uid or --vector")
    if decision is not None:
        if out is not None or side is not Side.image or exact:
            extra = "--out" if out is not None else "--exact" if exact else "--side text"
            raise UsageError(f"{extra} does not go with --decision", "leave one of them away")
        _decide(corpus, terms, decision, k, min_sim, where or (), model, as_json=json)
        return
    most = MOST if out is None or fold else MOST_WRITTEN
    if k > most:
        more = "add --no-fold" if out is not None and k <= MOST_WRITTEN else "keep so many with --decision NAME"
        raise UsageError(f"-k {k} is above {most:,}", more)
    from ..views.collection import open_collection
    from ..views.searching import search as found_by

    found = found_by(
        open_collection(corpus, model=model),
        terms,
        side="image" if side is Side.image else "text",
        k=k,
        where=where,
        floor=min_sim,
        folded=fold,
        nearness=nearness,
        exact=exact,
    )
    if found.note:
        output.note(f"note: {output.clean(found.note)}")
    if out is not None:
        from ..stages import places
        from ..views.hit_list import write

        written = write(places.here(out, "--out", places.A_FILE), found.hits)
        output.note(f"{output.count(written)} pairs in {output.clean(out)}")
    if json:
        output.say_json(shape.plain(found))
    elif out is None:
        _print_hits(found)


def _decide(
    place: str,
    terms: Sequence[Term],
    name: str,
    k: int,
    min_sim: float | None,
    where: Sequence[str],
    model: str | None,
    *,
    as_json: bool,
) -> None:
    """The k pairs of greatest similarity, as a decision: a score of every pair, then a filter by it."""
    from ..knn.query import written
    from ..stages import places
    from ..stages.filter import Filter
    from ..stages.score import Score
    from ..views.embedded import embeddings
    from . import running

    corpus = places.opened(place)
    named = named_of(name)
    numbered, files = _numbered(terms)
    chosen = embeddings(corpus, model).folder.name
    stages = [
        Score(score="query", named=named, query=written(numbered), query_files=files, model=chosen),
        Filter(score=f"query_{named}", target_rows=k, min_sim=min_sim, where=tuple(where), decision=name),
    ]
    running.do(place, stages, dry_run=False, as_json=as_json)


def named_of(decision: str) -> str:
    """What the score behind a decision is called: its name, or what can be had of it and a digest of all of it."""
    if _NAMED.fullmatch(decision):
        return decision
    from ..spec import digest

    plain = re.sub(r"[^a-z0-9]+", "_", decision.lower()).strip("_")[:31]
    return f"{plain or 'search'}_{digest(decision)[:8]}"


def _numbered(terms: Sequence[Term]) -> tuple[list[Term], tuple[str, ...]]:
    """The terms with files by number, and the files."""
    from dataclasses import replace

    files = tuple(dict.fromkeys(term.value for term in terms if term.kind in ("image", "vector")))
    numbers = {file: str(number) for number, file in enumerate(files, start=1)}
    return [
        replace(term, value=numbers[term.value]) if term.kind in ("image", "vector") else term for term in terms
    ], files


def _print_hits(found: Hits) -> None:
    keys = max((len(output.clean(each.key, most=40)) for each in found.hits), default=0)
    room = max(20, shape.width() - (4 + 2 + 10 + 2 + 6 + 2 + keys + 2 + 32 + 2 + 2))
    rows = [
        (
            each.rank,
            f"{each.similarity:.4f}",
            len(each.copies) or "",
            output.clean(each.key, most=40),
            each.uid or "",
            shape.shorten(each.caption, room // 2),
            shape.shorten(each.url or "", room - room // 2),
        )
        for each in found.hits
    ]
    heads = ("rank", "similarity", "copies", "key", "uid", "caption", "url")
    output.table(heads, rows, numbers=(0, 1, 2))
