"""The application: the page, the API, and clip-retrieval's three addresses, behind the guard.

    app = application(state, Door(hosts, port, token))       an ASGI app, to be run by any server

| address                                    | file               |
|--------------------------------------------|--------------------|
| /, /app.js and so on                       | page.py            |
| /api/about, /api/pair/{uid}                | about.py           |
| /api/search, /api/histogram                | queries.py         |
| /api/upload                                | uploads.py         |
| /api/picture/{row}                         | pictures.py        |
| /api/layers, /api/table, /api/decision     | browse.py          |
| /api/export                                | exports.py         |
| /knn-service, /metadata, /indices-list     | clip_retrieval.py  |
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from ..errors import VlcorpusError
from . import about, browse, clip_retrieval, exports, page, pictures, queries, uploads
from .answers import Refusal, by_status, explained, refused
from .guard import Door, Guard

if TYPE_CHECKING:
    from .state import State

_PARTS = (page, about, queries, uploads, pictures, browse, exports, clip_retrieval)


def application(state: State, door: Door) -> ASGIApp:
    routes = [route for part in _PARTS for route in part.routes(state)]
    app = Starlette(routes=routes, exception_handlers=_handlers(state))
    app.router.redirect_slashes = False
    return Guard(app, door)


def _handlers(state: State) -> dict[Any, Callable[[Request, Any], Awaitable[Response]]]:
    async def refusal(request: Request, error: Refusal) -> Response:
        return refused(error)

    async def wrong(request: Request, error: VlcorpusError) -> Response:
        return refused(explained(error, state.told))

    async def unknown(request: Request, error: HTTPException) -> Response:
        return refused(by_status(error.status_code, error.detail))

    async def bug(request: Request, error: Exception) -> Response:
        return refused(Refusal(500, "the server met a bug", "its traceback stands where `vlcorpus serve` runs"))

    return {Refusal: refusal, VlcorpusError: wrong, HTTPException: unknown, Exception: bug}
