"""`GET /api/layers`, `/api/table`, `/api/decision/{name}`: what lies in the corpus, and what each filter did.

    /api/layers                          [{"layer": "shards", "kept": 80, "tables": [{"path": "shards", ...}], ...}]
    /api/table?path=shards&offset=50&limit=25&where=width%20%3E%3D%20512
    /api/decision/top?verdict=dropped&language=en&reason=0

What takes long is remembered for as long as the files are the same: layers, the figures of a table, the rows that a
condition keeps, a decision as arrays. A path names parquet files below the corpus, and nothing else.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..views import cells
from ..views.browsing import LONGEST_PATH, Shelf, Signature, brought, folder_tables, layers, located
from ..views.kept import Kept
from .answers import Refusal, answer
from .limits import WHERE

if TYPE_CHECKING:
    from ..corpus import Corpus
    from ..views.columns import Column
    from ..views.decided import Decided
    from ..views.facets import Counts, Facets, Wanted
    from ..views.rows import Figures, Matches, Opened
    from .state import State

VERDICTS = ("all", "kept", "dropped")
TABLE_ROWS, DECISION_ROWS = 50, 50
MOST_TABLE_ROWS, MOST_DECISION_ROWS = 500, 200
_LONGEST_FACET = 300
_LONGEST_NAME = 200
_CUT = 200  # characters of a figure


def routes(state: State) -> list[Route]:
    shelves = Shelves(state)

    async def every(request: Request) -> Response:
        return answer(await state.do(shelves.layers))

    async def table(request: Request) -> Response:
        asked = request.query_params
        path, where = asked.get("path", ""), asked.get("where", "").strip()
        if len(path) > LONGEST_PATH or len(where) > WHERE:
            raise Refusal(400, "the path or the condition is too long", "ask for less")
        offset = number(request, "offset", 0, 10**15)
        limit = number(request, "limit", TABLE_ROWS, MOST_TABLE_ROWS)
        return answer(await state.do(lambda: shelves.table(path, offset, limit, where)))

    async def decision(request: Request) -> Response:
        corpus, name = state.corpus, request.path_params["name"]
        if corpus is None or len(name) > _LONGEST_NAME:
            raise Refusal(404, "no such decision", "they stand in the list of layers")
        wanted = _wanted(request)
        offset = number(request, "offset", 0, 10**15)
        limit = number(request, "limit", DECISION_ROWS, MOST_DECISION_ROWS)
        return answer(await state.do(lambda: shelves.decision(corpus, name, wanted, offset, limit)))

    return [
        Route("/api/layers", every, methods=["GET"]),
        Route("/api/table", table, methods=["GET"]),
        Route("/api/decision/{name}", decision, methods=["GET"]),
    ]


def number(request: Request, name: str, default: int, most: int) -> int:
    """A count of the query string. Refusal 400 for what is none, or too large."""
    text = request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 17) or int(text) > most:
        raise Refusal(400, f"{name} is a whole number from 0 to {most}")
    return int(text)


def _wanted(request: Request) -> Wanted:
    from ..views.facets import Wanted

    asked = {name: request.query_params.get(name, "") for name in ("verdict", "reason", "language", "domain")}
    if any(len(text) > _LONGEST_FACET for text in asked.values()):
        raise Refusal(400, "a filter is too long", "choose one of the facets")
    verdict = asked["verdict"] or "all"
    if verdict not in VERDICTS:
        raise Refusal(400, f"verdict is one of {', '.join(VERDICTS)}")
    return Wanted(
        cast(Literal["all", "kept", "dropped"], verdict),
        asked["reason"] or None,
        asked["language"] or None,
        asked["domain"] or None,
    )


class Shelves:
    """What the routes answer with, remembered."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._listed: dict[str, tuple[Signature, Shelf]] = {}
        self._tables: Kept[Opened] = Kept(16)
        self._figures: Kept[Figures] = Kept(64)
        self._matches: Kept[Matches] = Kept(64_000_000, lambda found: found.rows.nbytes + 1_000_000)
        self._decided: Kept[Decided] = Kept(512_000_000, _size)
        self._facets: Kept[Facets] = Kept(256)
        self._reading = threading.Lock()

    def layers(self) -> list[dict[str, Any]]:
        corpus = self._state.corpus
        with self._reading:
            found = layers(corpus, self._listed) if corpus is not None else folder_tables(self._state.path)
        return [_shelf(each) for each in found]

    def table(self, path: str, offset: int, limit: int, where: str) -> dict[str, Any]:
        if self._state.corpus is not None:
            brought(self._state.corpus, path)
        files = located(self._state.path, path)
        key = (path, tuple(_mark(file) for file in files))  # differs once a file is another one
        table = self._tables.get(key, lambda: _opened(files))
        seconds = self._state.limits.seconds / 3
        figures = self._figures.get(key, lambda: table.figures(seconds=seconds))
        told: dict[str, Any] = {"matched": None, "scanned": None}
        if where:
            matches = self._matches.get((key, where), lambda: table.matches(where, seconds=seconds))
            rows = matches.rows[offset : offset + limit]
            told = {"matched": len(matches.rows), "scanned": matches.scanned}
        else:
            rows = np.arange(min(offset, table.rows), min(offset + limit, table.rows), dtype=np.int64)
        return told | {
            "path": path,
            "table": table.table,
            "meaning": table.meaning,
            "files": len(table.files),
            "rows": table.rows,
            "bytes": table.bytes,
            "columns": [_column(each) for each in figures.columns],
            "counted": figures.counted,
            "offset": offset,
            "numbers": rows.tolist(),
            "head": table.page(rows, seconds=seconds),
            "cut": table.cut(len(rows)),
        }

    def decision(self, corpus: Corpus, name: str, wanted: Wanted, offset: int, limit: int) -> dict[str, Any]:
        from ..views import facets

        told = self._decision(corpus, name)
        counted = self._facets.get((name, told.signature, wanted), lambda: facets.facets(told, wanted))
        chosen = facets.chosen(told, wanted)
        rows = facets.rows(corpus, told, chosen[offset : offset + limit], collection=self._collection())
        by_field = vars(counted)
        return {
            "name": name,
            "of": told.of,
            "seen": told.seen,
            "kept": told.kept,
            "predicates": [vars(rule) for rule in told.rules],
            "total": len(chosen),
            "offset": offset,
            "rows": [vars(row) for row in rows],
            "facets": {field: _counts(counts) for field, counts in by_field.items()},
            "others": {field: counts.others for field, counts in by_field.items()},
        }

    def _decision(self, corpus: Corpus, name: str) -> Decided:
        from ..views.decided import decided, signature_of

        if name not in corpus.layers("decisions"):
            raise Refusal(404, "no such decision", "they stand in the list of layers")
        return self._decided.get((name, signature_of(corpus, name)), lambda: decided(corpus, name))

    def _collection(self) -> Any:
        from ..views.corpus_collection import CorpusCollection

        found = self._state.collection
        return found if isinstance(found, CorpusCollection) else None


def _opened(files: list[Path]) -> Opened:
    from ..views.rows import opened

    return opened(files)


def _mark(file: Path) -> tuple[str, int, int]:
    about = file.stat()
    return file.name, about.st_mtime_ns, about.st_size


def _size(told: Decided) -> int:
    names = sum(80 * len(each.names) + each.codes_N.nbytes for each in (told.language, told.domain, told.status))
    return told.keep_N.nbytes + told.fails_N.nbytes + names


def _shelf(shelf: Shelf) -> dict[str, Any]:
    tables = [vars(each) | {"unreadable": len(each.unreadable)} for each in shelf.tables]
    return vars(shelf) | {"damaged": len(shelf.damaged), "tables": tables}


def _counts(counts: Counts) -> list[list[Any]]:
    return [[each.label, each.rows, each.value] for each in counts.top]


def _column(column: Column) -> dict[str, Any]:
    common = [[_short(value), number] for value, number in column.common]
    return vars(column) | {"least": _short(column.least), "most": _short(column.most), "common": common}


def _short(value: Any) -> Any:
    if isinstance(value, bytes):
        value = value[:_CUT].hex() + ("…" if len(value) > _CUT else "")
    return cells.shorten(value, _CUT) if isinstance(value, str) else value
