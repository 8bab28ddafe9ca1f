"""`POST /api/upload`: a picture to search with. Only its vector is kept, and only for a while.

    POST /api/upload  (image/jpeg, 81 kB)      {"upload": "1f0a...", "width": 640, "height": 480}

The bytes are drawn anew in a program apart (`drawing`) before anything else looks at them.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .answers import Refusal, answer
from .limits import CLOSE, read_body

if TYPE_CHECKING:
    from .state import State, Upload

_NO_PICTURE = frozenset(("svg", "unsupported_format", "not_an_image"))


def routes(state: State) -> list[Route]:
    async def upload(request: Request) -> Response:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not kind.startswith("image/") and kind != "application/octet-stream":
            raise Refusal(415, "the body is not called a picture", "send it as image/jpeg or as what it is", CLOSE)
        body = await large_body(state, request, state.limits.upload_bytes)
        found = await state.do(lambda: vector_of_picture(state, body), seconds=state.model_seconds)
        id = hashlib.blake2b(found.vector_D.tobytes(), digest_size=16).hexdigest()
        state.uploads.put(id, found)
        return answer({"upload": id, "width": found.width, "height": found.height})

    return [Route("/api/upload", upload, methods=["POST"])]


async def large_body(state: State, request: Request, most: int) -> bytes:
    """A body that may have many bytes; of those that have, few come at a time. Refusal 429 where too many do."""
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) <= state.limits.json_bytes:
        return await read_body(request, state.limits.json_bytes, state.limits)
    if state.uploading >= state.limits.uploads_at_once:
        raise Refusal(429, "too many uploads at once", "send it again in a moment", CLOSE | {"Retry-After": "1"})
    state.uploading += 1
    try:
        return await read_body(request, most, state.limits)
    finally:
        state.uploading -= 1


def vector_of_picture(state: State, body: bytes) -> Upload:
    """The vector of a stranger's picture. Refusal 415 for what is no picture that is read, 400 for a damaged one."""
    from ..images.picture import Refused
    from .state import Upload

    found = state.drawer.lossless(body)
    if isinstance(found, Refused):
        status = 415 if found.reason in _NO_PICTURE else 400
        # What is no picture at all may have been fetched for a stranger: not a byte of it is told.
        why = "" if found.reason in _NO_PICTURE else f" ({found.message})"
        raise Refusal(status, f"the picture is refused: {found.reason}{why}", "send a JPEG, PNG or WebP")
    return Upload(state.of_picture(found.body), found.original_width, found.original_height)


def fetched(state: State, url: str) -> bytes:
    """The picture at an address. Refusal 403 unless the server was started with --allow-urls, 400 where it has none."""
    if state.fetching is None:
        raise Refusal(403, "this server fetches nothing", "upload the picture, or start it with --allow-urls")
    return state.fetching.picture(url)
