"""`POST /api/export` takes a selection and gives a ticket; `GET /api/export/{ticket}` sends the file.

    {"format": "webdataset", "query": "0f3a...", "min_sim": 0.28, "where": "width >= 512", "most": 10000}
        {"ticket": "k2P...", "rows": 812, "bytes_estimate": 41000000, "name": "birds-k2Pq8xVd.tar"}
    GET /api/export/k2P...                 the tar, made while it is sent

A ticket is a random word that lives for ten minutes and may be used again; so many are remembered. The file is made in
the threads of the server, a piece at a time, when the browser has taken the piece before: a slow one holds nothing.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from ..views.kept import Kept
from .answers import Refusal, answer
from .limits import WHERE, read_json

if TYPE_CHECKING:
    from ..views.selection import Selection
    from .state import State

MOST_TICKETS = 64
SECONDS = 600.0
MOST_UIDS = 20_000
AT_ONCE = 4
_TYPES = {
    "uids": "text/plain; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "jsonl": "application/x-ndjson",
    "webdataset": "application/x-tar",
}

Near = Annotated[float, msgspec.Meta(ge=-1, le=1)]
Uid = Annotated[str, msgspec.Meta(max_length=128)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class Export(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Pairs by uid or by row, or all that a query and a filter leave."""

    format: Literal["uids", "parquet", "jsonl", "webdataset"]
    uids: Annotated[tuple[Uid, ...], msgspec.Meta(max_length=MOST_UIDS)] | None = None
    rows: Annotated[tuple[Count, ...], msgspec.Meta(max_length=MOST_UIDS)] | None = None
    query: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    where: Annotated[str, msgspec.Meta(max_length=WHERE)] | None = None
    min_sim: Near | None = None
    most: Count | None = None
    side: Literal["image", "text"] = "image"


@dataclass(frozen=True)
class Ticket:
    """chosen: gives the pairs. They are not kept where a query gives them again."""

    id: str
    chosen: Callable[[], Selection]
    format: str
    made: float

    def file_name(self, corpus: str) -> str:
        """A name of letters, digits and dashes, whatever the corpus is called."""
        from ..views.selected_files import ENDINGS

        safe = re.sub(r"[^A-Za-z0-9]+", "-", corpus).strip("-")[:40] or "corpus"
        return f"{safe}-{re.sub(r'[^A-Za-z0-9]', '', self.id)[:8]}{ENDINGS[self.format]}"


class Exports:
    """The tickets, and how many files are under way."""

    def __init__(self) -> None:
        self._tickets: Kept[Ticket] = Kept(MOST_TICKETS)
        self._under_way = 0

    def issue(self, chosen: Callable[[], Selection], format: str) -> Ticket:
        ticket = Ticket(secrets.token_urlsafe(24), chosen, format, time.monotonic())
        self._tickets.put(ticket.id, ticket)
        return ticket

    def find(self, id: str) -> Ticket:
        """Refusal 404 where it was never issued or is forgotten, 410 where it is too old."""
        ticket = self._tickets.held(id)
        if ticket is None:
            raise Refusal(404, "no such export", "ask for it again")
        if time.monotonic() - ticket.made > SECONDS:
            raise Refusal(410, "that export is too old", "ask for it again")
        return ticket

    async def sent(self, state: State, chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
        self._under_way += 1
        try:
            async for chunk in state.stream(chunks):
                yield chunk
        finally:
            self._under_way -= 1

    def refuse_too_many(self) -> None:
        if self._under_way >= AT_ONCE:
            raise Refusal(429, f"{self._under_way} exports are under way", "wait for one to end", {"Retry-After": "10"})


def routes(state: State) -> list[Route]:
    exports = Exports()

    async def ask(request: Request) -> Response:
        asked = await read_json(request, Export, state.limits)
        ticket, told = await state.do(lambda: _issued(state, exports, asked))
        return answer({"ticket": ticket.id, "name": ticket.file_name(state.name)} | told)

    async def send(request: Request) -> Response:
        from ..views.selected_files import written

        ticket = exports.find(request.path_params["ticket"])
        exports.refuse_too_many()
        chunks = await state.do(lambda: written(state.collection, ticket.chosen(), ticket.format))
        headers = {
            "Content-Disposition": f'attachment; filename="{ticket.file_name(state.name)}"',
            "Cache-Control": "no-store",
        }
        return StreamingResponse(exports.sent(state, chunks), headers=headers, media_type=_TYPES[ticket.format])

    return [
        Route("/api/export", ask, methods=["POST"]),
        Route("/api/export/{ticket}", send, methods=["GET"]),
    ]


def _issued(state: State, exports: Exports, asked: Export) -> tuple[Ticket, dict[str, Any]]:
    from ..views.selected_files import estimate, written

    chosen = choice(state, asked)
    selection = chosen()
    written(state.collection, selection, asked.format)  # refuses what cannot be given; nothing is made yet
    told = {"rows": len(selection), "bytes_estimate": estimate(state.collection, selection, asked.format)}
    return exports.issue(chosen, asked.format), told


def choice(state: State, asked: Export) -> Callable[[], Selection]:
    """What gives the pairs that are asked for. Refusal 400 where it is not said what is wanted, or twice."""
    from ..views import selection

    ways = [asked.uids is not None, asked.rows is not None, asked.query is not None or asked.where is not None]
    if sum(ways) != 1:
        raise Refusal(400, "what is exported is not said, or twice", "name uids, or rows, or a query, a filter or both")
    if asked.uids is not None or asked.rows is not None:
        if asked.uids is not None:
            found = selection.of_uids(state.collection, asked.uids)
        else:
            found = selection.of_rows(state.collection, asked.rows or ())
        return lambda: found
    if asked.query is None:
        if asked.min_sim is not None:
            raise Refusal(400, "a least similarity is that to a query", "name a query, as a search answers it")
        return lambda: _of_filter(state, asked)
    query, side = state.query(asked.query), state.sided(asked.side)

    def near() -> Selection:
        scores_N, mask_N = state.scores(query, side), state.mask(asked.where)
        return selection.of_scores(scores_N, mask_N=mask_N, floor=asked.min_sim, most=asked.most)

    return near


def _of_filter(state: State, asked: Export) -> Selection:
    from ..views import selection

    mask_N = state.mask(asked.where)
    if mask_N is None:
        raise Refusal(400, "the filter is empty", "name a query, uids or rows")
    return selection.of_mask(mask_N, removed_N=state.collection.removed(), most=asked.most)
