"""The page: files out of the package, read once and told by their names; nothing is looked for on disk afterwards.

GET /            static/index.html
GET /app.js      static/app.js, and so each file of static/ whose kind is known
"""

from __future__ import annotations

import hashlib
from importlib import resources
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

if TYPE_CHECKING:
    from .state import State

INDEX = "index.html"
KINDS = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
}


def routes(state: State) -> list[Route]:
    found = []
    for file in sorted((resources.files(__package__) / "static").iterdir(), key=lambda each: each.name):
        kind = KINDS.get(file.name.rpartition(".")[2])
        if kind is not None and file.is_file():
            path = "/" if file.name == INDEX else f"/{file.name}"
            found.append(_route(path, file.read_bytes(), kind))
    return found


def _route(path: str, body: bytes, kind: str) -> Route:
    tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache", "Content-Type": kind}

    async def file(request: Request) -> Response:
        if tag in request.headers.get("if-none-match", ""):
            return Response(None, 304, headers)
        return Response(body, 200, headers)

    return Route(path, file, methods=["GET"])
