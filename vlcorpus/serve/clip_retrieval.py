"""clip-retrieval's three addresses, as its own client and page ask them and understand the answers.

    GET  /indices-list                                                    ["birds"]
    POST /knn-service {"text": "a red circle", "modality": "image", "num_images": 40, "indice_name": "birds", ...}
        [{"url": "https://...", "caption": "...", "image": "/9j/...", "id": 17, "similarity": 0.31}, ...]
    POST /metadata {"indice_name": "birds", "ids": [17]}                  [{"id": 17, "metadata": {"caption": ...}}]

As there: an id is the number of a row; the first `num_images` of `num_result_ids` hits come with their metadata and
picture (base64 of a JPEG), the others with id and similarity; `deduplicate` folds what is nearer than 0.94. Unlike
there, `similarity` is the exact cosine, pictures are those of the corpus (never of a path in the metadata), and a
wrong question is answered 400 with words. What asks for a model that is not here (mclip, safety, violence,
aesthetics) is taken and changes nothing: nothing is claimed about hits that it would have left out.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..errors import nearest
from ..views.searching import near
from .answers import Refusal, answer
from .limits import NUMBERS, QUERY, as_json, read_body
from .pictures import drawn
from .terms import AskedTerm, asked_for, unit
from .uploads import fetched, large_body, vector_of_picture

if TYPE_CHECKING:
    from ..views.collection import Pair
    from .state import Query, State

Many = Annotated[int, msgspec.Meta(ge=0)]
NEARNESS = 0.94
PICTURES = 100
"""Pictures that one answer holds; further ones are asked for with a page of their own."""
_SIDE = 256


class Knn(msgspec.Struct, frozen=True):
    """Fields that are not named here are taken and ignored."""

    indice_name: str | None
    modality: Literal["image", "text"]
    num_images: Many
    text: Annotated[str, msgspec.Meta(max_length=QUERY)] | None = None
    image: str | None = None
    image_url: Annotated[str, msgspec.Meta(max_length=QUERY)] | None = None
    embedding_input: Annotated[list[float], msgspec.Meta(max_length=NUMBERS)] | None = None
    num_result_ids: Many | None = None
    deduplicate: bool = False


class Ids(msgspec.Struct, frozen=True):
    ids: list[int]
    indice_name: str | None = None


def routes(state: State) -> list[Route]:
    async def indices(request: Request) -> Response:
        return answer([state.name])

    async def knn(request: Request) -> Response:
        # A picture comes in base64, and the client calls the whole no JSON.
        body = await large_body(state, request, state.limits.upload_bytes // 3 * 4 + state.limits.json_bytes)
        asked = as_json(body, Knn)
        del body
        _named(state, asked.indice_name)
        most = asked.num_result_ids if asked.num_result_ids is not None else asked.num_images
        if max(most, asked.num_images) > state.limits.max_k:
            raise Refusal(400, f"at most {state.limits.max_k} hits are told", "ask for fewer")
        state.sided(asked.modality)
        model = asked.text or (asked.embedding_input is None)
        seconds = state.model_seconds if model else None
        return answer(await state.do(lambda: _hits(state, asked, most), seconds=seconds))

    async def metadata(request: Request) -> Response:
        asked = as_json(await read_body(request, state.limits.json_bytes, state.limits), Ids)
        _named(state, asked.indice_name)
        if len(asked.ids) > state.limits.max_k:
            raise Refusal(400, f"at most {state.limits.max_k} rows are told", "ask for fewer")
        if any(not 0 <= row < state.collection.rows for row in asked.ids):
            raise Refusal(400, "no such id", f"ids are 0 to {state.collection.rows - 1}")
        return answer(await state.do(lambda: _metadata(state, asked.ids)))

    return [
        Route("/indices-list", indices, methods=["GET"]),
        Route("/knn-service", knn, methods=["POST"]),
        Route("/metadata", metadata, methods=["POST"]),
    ]


def _named(state: State, name: str | None) -> None:
    if name is not None and name != state.name:
        raise Refusal(404, f"there is no index {name[:100]!r} here", nearest(name[:100], [state.name]))


def _query(state: State, asked: Knn) -> Query:
    """As there: text before image before image_url before embedding_input, empty text being none."""
    if asked.text:
        return asked_for(state, None, (AskedTerm("text", asked.text),))
    if asked.image is not None:
        try:
            body = base64.b64decode(asked.image, validate=True)
        except (binascii.Error, ValueError):
            raise Refusal(400, "the image is not base64") from None
        return state.remember(vector_of_picture(state, body).vector_D)
    if asked.image_url is not None:
        return state.remember(vector_of_picture(state, fetched(state, asked.image_url)).vector_D)
    if asked.embedding_input is not None:
        return state.remember(unit(state, asked.embedding_input))
    raise Refusal(400, "nothing is asked for", "fill one of text, image, image_url and embedding_input")


def _hits(state: State, asked: Knn, most: int) -> list[dict[str, Any]]:
    query = _query(state, asked)
    if not most:
        return []
    found = near(
        state.collection, query.vector_D, side=asked.modality, k=most, folded=asked.deduplicate, nearness=NEARNESS
    )
    told = _told(state, [hit.row for hit in found.hits[: asked.num_images]])
    return [told.get(hit.row, {}) | {"id": hit.row, "similarity": hit.similarity} for hit in found.hits]


def _metadata(state: State, ids: Sequence[int]) -> list[dict[str, Any]]:
    told = _told(state, ids)
    return [{"id": row, "metadata": told[row]} for row in ids if row in told]


def _told(state: State, rows: Sequence[int]) -> dict[int, dict[str, Any]]:
    """The metadata of rows, but of those that were taken down, with the pictures of the first ones."""
    wanted = [row for row in dict.fromkeys(rows) if not state.taken_down(row)]
    told = {pair.row: _as_there(pair) for pair in state.collection.pairs(wanted)}
    if state.collection.has_pictures:
        for row in wanted[:PICTURES]:
            body = drawn(state, row, _SIDE)
            if body is not None:
                told[row]["image"] = base64.b64encode(body).decode()
    return told


def _as_there(pair: Pair) -> dict[str, Any]:
    """Under clip-retrieval's names; image_path is a key there too, where shards were read."""
    found: dict[str, Any] = {"image_path": pair.key, "caption": pair.caption, "url": pair.url, "uid": pair.uid}
    found |= {"width": pair.width, "height": pair.height}
    return {name: value for name, value in found.items() if value is not None}
