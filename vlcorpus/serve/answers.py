"""What the server answers with: JSON of plain values, and errors that say what to do.

    answer({"rows": 3, "uid": b"\\x01"})             200 {"rows": 3, "uid": "01"}
    raise Refusal(413, "too much", "send less")     413 {"error": "too much", "hint": "send less"}

A value is made plain as `--json` makes it (bytes as hex, what is not finite as null); whole numbers that a browser's
numbers cannot hold become text. Everything is ASCII: no character of a stranger's text has a meaning on its way.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from ..errors import CorpusError, SourceError, UsageError, VlcorpusError
from ..views.plain import plain

_EXACT = 2**53
"""From here on, a browser's numbers leave some out."""


class Refusal(Exception):
    """An answer that is an error. headers: further ones, as Retry-After."""

    def __init__(self, status: int, message: str, hint: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.hint = hint
        self.headers = dict(headers or {})


def answer(value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """`value` as JSON."""
    body = json.dumps(_exact(plain(value)), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return Response(body, status, dict(headers or {}), media_type="application/json")


def refused(error: Refusal) -> Response:
    return answer({"error": error.message, "hint": error.hint}, status=error.status, headers=error.headers)


def explained(error: VlcorpusError, told: Callable[[str], str]) -> Refusal:
    """The answer to an error of the corpus or of a question; `told` keeps from its words what is not to be known."""
    status = 400 if isinstance(error, UsageError | SourceError) else 503 if isinstance(error, CorpusError) else 404
    return Refusal(status, told(error.message), told(error.hint))


def by_status(status: int, detail: str) -> Refusal:
    """The answer to what no route takes."""
    return Refusal(status, detail or HTTPStatus(status).phrase)


def _exact(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _exact(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_exact(each) for each in value]
    if type(value) is int and abs(value) >= _EXACT:
        return str(value)
    return value
