"""`POST /api/search` and `POST /api/histogram`: the nearest pairs, and how near all pairs are.

{"query": "+\\"red car\\" -toy", "k": 40, "min_sim": 0.2, "where": "width >= 512"}
    {"hits": [{"rank": 1, "similarity": 0.31, "row": 17, ...}], "more": true, "query": "0f3a...", ...}
{"query": "0f3a...", "where": "width >= 512"}
    {"edges": [-1, 0.002], "counts": [0, 0, ...], "rows": 9871, "excluded": 12}
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..views.searching import near
from .answers import Refusal, answer
from .limits import QUERY, TERMS, WHERE, read_json
from .terms import AskedTerm, asked_for, needs_model

if TYPE_CHECKING:
    from .state import Query, State

Where = Annotated[str, msgspec.Meta(max_length=WHERE)]
Near = Annotated[float, msgspec.Meta(ge=-1, le=1)]
LOWEST, STEP, BINS = -1.0, 0.002, 1000


class Search(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    query: Annotated[str, msgspec.Meta(max_length=QUERY)] | None = None
    terms: Annotated[tuple[AskedTerm, ...], msgspec.Meta(max_length=TERMS)] = ()
    side: Literal["image", "text"] = "image"
    where: Where | None = None
    min_sim: Near | None = None
    k: Annotated[int, msgspec.Meta(ge=1)] = 40
    offset: Annotated[int, msgspec.Meta(ge=0)] = 0
    folded: bool = True
    nearness: Near = 0.94
    exact: bool = False


class Histogram(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    query: Annotated[str, msgspec.Meta(max_length=64)]
    where: Where | None = None
    side: Literal["image", "text"] = "image"


def routes(state: State) -> list[Route]:
    async def search(request: Request) -> Response:
        asked = await read_json(request, Search, state.limits)
        if asked.offset + asked.k > state.limits.max_k:
            raise Refusal(400, f"at most {state.limits.max_k} hits are told", "ask for fewer, or export them")
        state.sided(asked.side)
        seconds = state.model_seconds if needs_model(asked.query, asked.terms) else None
        return answer(await state.do(lambda: found(state, asked), seconds=seconds))

    async def histogram(request: Request) -> Response:
        asked = await read_json(request, Histogram, state.limits)
        state.sided(asked.side)
        query = state.query(asked.query)
        return answer(await state.do(lambda: counted(state, query, asked)))

    return [
        Route("/api/search", search, methods=["POST"]),
        Route("/api/histogram", histogram, methods=["POST"]),
    ]


def found(state: State, asked: Search) -> dict[str, Any]:
    """Hits from `offset` on, the id of the query, and how long it took (ms) in all."""
    begun = time.perf_counter()
    query = asked_for(state, asked.query, asked.terms)
    hits = near(
        state.collection,
        query.vector_D,
        side=asked.side,
        k=asked.offset + asked.k,
        where=asked.where if asked.where and asked.where.strip() else None,
        floor=asked.min_sim,
        folded=asked.folded,
        nearness=asked.nearness,
        exact=asked.exact,
        without=query.without,
    )
    for hit in hits.hits:
        state.met(hit.uid, hit.row)
    return {
        "hits": hits.hits[asked.offset :],
        "more": hits.more,
        "how": hits.how,
        "note": state.told(hits.note),
        "rows": hits.rows,
        "query": query.id,
        "ms": round((time.perf_counter() - begun) * 1000, 1),
    }


def counted(state: State, query: Query, asked: Histogram) -> dict[str, Any]:
    """excluded: rows that have no similarity: no direction, taken down, or the pair that was asked with."""
    scores_N = state.scores(query, asked.side)
    usable_N = np.isfinite(scores_N)
    excluded = len(scores_N) - int(np.count_nonzero(usable_N))
    mask_N = state.mask(asked.where)
    if mask_N is not None:
        usable_N &= mask_N
    places = np.floor((scores_N[usable_N].astype(np.float64) - LOWEST) / STEP)
    counts = np.bincount(np.clip(places, 0, BINS - 1).astype(np.int64), minlength=BINS)
    return {"edges": [LOWEST, STEP], "counts": counts.tolist(), "rows": int(counts.sum()), "excluded": excluded}
