"""`GET /api/about`: what is served; `GET /api/pair/{uid}`: one pair as `vlcorpus show CORPUS UID --json` tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .. import __version__
from ..errors import VlcorpusError
from .answers import Refusal, answer
from .drawing import SIDES
from .limits import QUERY, TERMS, WHERE

if TYPE_CHECKING:
    from ..corpus import Corpus
    from .state import State

_LONGEST_UID = 64


def routes(state: State) -> list[Route]:
    async def about(request: Request) -> Response:
        return answer(await state.do(lambda: told(state)))

    async def pair(request: Request) -> Response:
        uid = request.path_params["uid"]
        if len(uid) > _LONGEST_UID:
            raise Refusal(404, "no such pair")
        return answer(await state.do(lambda: pair_of(state, uid)))

    return [Route("/api/about", about, methods=["GET"]), Route("/api/pair/{uid}", pair, methods=["GET"])]


def told(state: State) -> dict[str, Any]:
    collection, corpus, limits = state.collection, state.corpus, state.limits
    return {
        "name": collection.name,
        "model": collection.model,
        "dimension": collection.dimension,
        "rows": collection.rows,
        "sides": list(collection.sides),
        "shards": list(collection.shards),
        "columns": collection.columns(),
        "layers": _layers(corpus) if corpus is not None else [],
        "decisions": list(corpus.layers("decisions")) if corpus is not None else [],
        "duplicates": list(corpus.layers("duplicates")) if corpus is not None else [],
        "can": {
            "text": collection.can_encode,
            "image": collection.can_encode,
            "pictures": collection.has_pictures,
            "url_queries": state.fetching is not None and collection.can_encode,
            "pairs": corpus is not None,
        },
        "limits": {
            "k": limits.max_k,
            "upload_bytes": limits.upload_bytes,
            "upload_pixels": limits.upload_pixels,
            "where": WHERE,
            "query": QUERY,
            "terms": TERMS,
            "seconds": limits.seconds,
            "picture_sides": list(SIDES),
        },
        "notes": [state.told(each) for each in collection.notes],
        "version": __version__,
    }


def _layers(corpus: Corpus) -> list[dict[str, Any]]:
    """Each layer with the sums of its shards' stats, or those of its whole where it has no shards; damaged ones count
    as units that tell nothing."""
    from ..views.layers import ALL, present, stats_or_none, units

    found = []
    for layer in present(corpus):
        names = units(layer)
        counted = [name for name in names if name != ALL] or names
        stats = [each for name in counted if (each := stats_or_none(layer, name)) is not None]
        sums = {key: sum(int(each.get(key) or 0) for each in stats) for key in ("seen", "kept")}
        found.append({"name": layer.name, "units": len(names)} | sums)
    return found


def pair_of(state: State, uid: str) -> dict[str, Any]:
    """Refusal 404 where there is no such pair, 410 where it was taken down."""
    corpus = state.corpus
    if corpus is None:
        raise Refusal(404, "a folder of embeddings tells no more of a pair than a search does")
    from ..views.find import find
    from ..views.life import life
    from ..views.plain import plain

    place = find(corpus, uid)
    row: int | None
    try:
        row = state.collection.row_of(place.uid.hex())
    except VlcorpusError:  # without an embedding, as where no image could be had
        row = None
    from ..stages.takedowns import taken_down

    if place.uid in taken_down(corpus, place.shard).to_pylist():
        raise Refusal(410, "that pair was taken down")
    found: dict[str, Any] = plain(life(corpus, place))
    return found | {"row": row}
