"""What is asked for, as one unit vector: texts, uids, uploads and vectors with their weights, summed up.

    asked_for(state, query='+"red car" -toy', terms=())                            Query
    asked_for(state, query=None, terms=(AskedTerm(kind="upload", value="9f3a..."),))    the same, of an upload

A term that names a file of this machine is never followed; one that names an address only where the server was started
with --allow-urls, and then through the guarded fetcher of `download`. Vectors of texts, uids and addresses are kept for
the next question.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from ..errors import VlcorpusError
from .answers import Refusal
from .limits import NUMBERS, QUERY, TERMS
from .uploads import fetched, vector_of_picture

if TYPE_CHECKING:
    from ..knn.query import Term
    from .state import Query, State

Float32s = npt.NDArray[np.float32]
HTTP = ("http://", "https://")
LEAST_LENGTH = 1e-12


class AskedTerm(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """value: words, a uid, the id of an upload, the numbers of a vector, or an address (kind url)."""

    kind: Literal["text", "uid", "upload", "vector", "url"]
    value: Annotated[str, msgspec.Meta(max_length=QUERY)] | Annotated[list[float], msgspec.Meta(max_length=NUMBERS)]
    weight: float = 1.0


def needs_model(query: str | None, terms: Sequence[AskedTerm]) -> bool:
    """Whether a model may have to be loaded for it; an upload brings its vector along."""
    return bool(query) or any(each.kind in ("text", "url") for each in terms)


def asked_for(state: State, query: str | None, terms: Sequence[AskedTerm]) -> Query:
    """The query. UsageError or Refusal for terms that cannot be, VlcorpusError where they cancel out."""
    from ..knn.query import combine, parse

    wanted = [*map(_of_algebra, parse(query) if query and query.strip() else ()), *terms]
    if not wanted:
        raise Refusal(400, "nothing is asked for", "give a query or terms")
    if len(wanted) > TERMS:
        raise Refusal(400, f"there are {len(wanted)} terms", f"give at most {TERMS}")
    weights = [each.weight for each in wanted]
    if not all(np.isfinite(weight) and abs(weight) <= 1e6 for weight in weights):
        raise Refusal(400, "a weight is no such number", "give weights from -1000000 to 1000000")
    vectors_TD = np.stack([vector_of(state, each) for each in wanted])
    alone = len(wanted) == 1 and wanted[0].kind == "uid"
    own = [state.row_of(str(wanted[0].value))] if alone else []
    try:
        return state.remember(combine(weights, vectors_TD), without=own)
    except VlcorpusError as error:
        raise Refusal(400, error.message, error.hint) from None


def _of_algebra(term: Term) -> AskedTerm:
    """A term of a typed query: in it, too, an image may be an address, but is never a file of this machine."""
    if term.kind == "image" and term.value.startswith(HTTP):
        return AskedTerm("url", term.value, term.weight)
    if term.kind == "image" or term.kind == "vector":
        raise Refusal(400, f"{term.kind}: names a file of the machine that serves", "upload the picture instead")
    return AskedTerm(term.kind, term.value, term.weight)


def vector_of(state: State, term: AskedTerm) -> Float32s:
    """The unit vector of one term: float32 (D,)."""
    if term.kind == "vector":
        return unit(state, term.value)
    if not isinstance(term.value, str):
        raise Refusal(400, f"the value of a {term.kind} is text")
    if term.kind == "upload":
        upload = state.uploads.held(term.value)
        if upload is None:
            raise Refusal(404, "that upload is not remembered", "upload the picture again")
        return upload.vector_D
    return state.vectors.get((term.kind, term.value), lambda: _computed(state, term.kind, str(term.value)))


def _computed(state: State, kind: str, value: str) -> Float32s:
    if kind == "url":
        return vector_of_picture(state, fetched(state, value)).vector_D
    return state.of_words(value) if kind == "text" else state.of_pair(value)


def unit(state: State, numbers: Any) -> Float32s:
    """Numbers as a unit vector of the collection's dimension. Refusal 400 where they are none."""
    wanted = state.collection.dimension
    if not isinstance(numbers, list) or len(numbers) != wanted:
        found = len(numbers) if isinstance(numbers, list) else "no"
        raise Refusal(400, f"the vector has {found} numbers, not {wanted}", f"use a vector of {state.collection.model}")
    try:
        given_D = np.array(numbers, np.float64)
    except (ValueError, TypeError, OverflowError):
        raise Refusal(400, "the vector holds what is no number") from None
    length = float(np.linalg.norm(given_D))
    if given_D.ndim != 1 or not np.isfinite(length) or length < LEAST_LENGTH:
        raise Refusal(400, "the vector is zero or not finite, so nothing is near it")
    return (given_D / length).astype(np.float32)
