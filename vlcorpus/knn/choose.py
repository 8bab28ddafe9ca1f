"""Choosing a kind of index from counts alone: the same rows give the same kind on every machine and on every run.

    choose(50_000, 512, memory=4 << 30, latency=10)       exact    2.8 ms
    choose(500_000, 512, memory=4 << 30, latency=10)      rabitq   5.2 ms, 37 MB
    choose(5_000_000, 512, memory=4 << 30, latency=10)    ivf      419 MB

The first that is quick enough and fits is taken: reading every stored row, which needs no index, no building and finds
all, as long as the rows fit in memory too; reading a code of every row; lists of codes, of which a search reads some. A
graph (hnsw) is quicker still, but costs fifty times as much to build and as much memory as the rows: it is made only
where asked for. Where no kind keeps within the latency, lists are taken; where memory is too small for codes, every row
is read from disk.

The constants were measured on one core of an AVX-512 server, and other machines are slower or quicker by a factor of
two or so. That is why they are constants: an index that hangs on how busy a machine was is another one each time.
"""

from __future__ import annotations

from dataclasses import dataclass

from .quantised import Kind

EXACT_NS = 0.11
"""Nanoseconds to read one stored fp16 number: 56 ns a row of 512."""
CODE_NS = 0.0166
"""Nanoseconds to compare one number's bit: 8.5 ns a row of 512."""
SHORTLIST_MS = 0.9
"""To score a shortlist of 400 stored rows."""
FACTOR_BYTES = 8
"""Of each row's code, beside a bit a number."""
ID_BYTES = 8
"""Of each row in a list, beside its code."""
LIST_NUMBERS = 4 * 4
"""Bytes of lists' middles for each number and square root of the rows: fp32, at most four lists a square root."""


@dataclass(frozen=True)
class Choice:
    kind: Kind
    why: str
    bytes: int
    """Memory that searching one side keeps busy: the index, or with `exact` the stored rows, memory-mapped."""


def choose(rows: int, dimension: int, *, memory: int, latency: float, cores: int = 1) -> Choice:
    """The kind for `rows` vectors: `memory` in bytes, `latency` in milliseconds of one query, on `cores` cores."""
    stored = 2 * rows * dimension
    exact_ms = rows * dimension * EXACT_NS / 1e6 / cores
    if exact_ms <= latency and stored <= memory:
        return Choice("exact", f"as reading {rows:,} rows takes about {exact_ms:.1f} ms of {latency:g}", stored)
    code_ms = rows * dimension * CODE_NS / 1e6 / cores + SHORTLIST_MS
    codes = rows * (dimension // 8 + FACTOR_BYTES) + 4 * dimension * dimension
    lists = codes + rows * ID_BYTES + int(LIST_NUMBERS * dimension * rows**0.5)
    if codes > memory:
        why = f"as even codes of {rows:,} rows take {_mb(codes)} of memory and {_mb(memory)} are there"
        return Choice("exact", why, stored)
    if code_ms <= latency:
        return Choice("rabitq", f"as reading a code of each of {rows:,} rows takes about {code_ms:.1f} ms", codes)
    if lists > memory:
        return Choice("rabitq", f"as lists take {_mb(lists)} of memory and {_mb(memory)} are there", codes)
    why = f"as reading a code of each of {rows:,} rows takes about {code_ms:.1f} ms and {latency:g} are asked for"
    return Choice("ivf", why, lists)


def _mb(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
