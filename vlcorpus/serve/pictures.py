"""`GET /api/picture/{row}?side=512`: the picture of a row, by its number and never by a path, drawn anew as JPEG."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .answers import Refusal
from .drawing import SIDES

if TYPE_CHECKING:
    from .state import State

_FRESH = "private, max-age=60"


def routes(state: State) -> list[Route]:
    async def picture(request: Request) -> Response:
        row = numbered(state, request.path_params["row"])
        side = request.query_params.get("side", str(SIDES[0]))
        if side not in map(str, SIDES):
            raise Refusal(400, "no such side", f"one of {', '.join(map(str, SIDES))}")
        body = await state.do(lambda: drawn(state, row, int(side)))
        if body is None:
            raise Refusal(404, f"row {row} has no picture that can be drawn")
        tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
        headers = {"ETag": tag, "Cache-Control": _FRESH}
        if tag in request.headers.get("if-none-match", ""):
            return Response(None, 304, headers)
        return Response(body, 200, headers, media_type="image/jpeg")

    return [Route("/api/picture/{row}", picture, methods=["GET"])]


def numbered(state: State, text: str) -> int:
    """The row that a path names. Refusal 404 where there is none."""
    if not (text.isascii() and text.isdigit() and len(text) < 16) or int(text) >= state.collection.rows:
        raise Refusal(404, "no such row", f"rows are numbered from 0 to {state.collection.rows - 1}")
    return int(text)


def drawn(state: State, row: int, side: int) -> bytes | None:
    """JPEG bytes, or None where the row has no picture. Refusal 410 where the pair was taken down."""
    if state.taken_down(row):
        raise Refusal(410, f"row {row} was taken down")
    return state.drawn.get((row, side), lambda: _made(state, row, side)) or None


def _made(state: State, row: int, side: int) -> bytes:
    """Nothing where there is no picture, or none that can be drawn."""
    stored = state.collection.picture(row)
    made = state.drawer.jpeg(stored, side=side) if stored is not None else b""
    return made if isinstance(made, bytes) else b""
