"""What a takedown asks for: values read from lists that strangers may have written.

    asked = read(("removals.csv", "url:https://example.org/me.jpg", "domain:example.org"))
    asked.table                    by, value: each once, in order
    asked.unusable                 Counter({"unrecognised": 3}): what could not be read as anything, by reason
    asked.digest                   names the table

| given as | is |
|---|---|
| a line of a .txt file | a uid (32 hex), a sha256 (64 hex), a URL, or any behind its kind, as `domain:example.org` |
| on the command line | the same |
| a .csv or .tsv file, with a head | its columns `uid`, `url`, `image_id`, `sha256`, `domain` |
| a .parquet file | the same columns |

A URL is compared without its scheme, its fragment and a default port, its host in lower case. A domain stands for its
subdomains, too, and has two parts at least.

Cost: 3 microseconds and 200 bytes of memory a value. Lines are read in pieces, so no line's length matters.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SourceError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa

KINDS = ("uid", "image_id", "sha256", "url", "domain")
UNRECOGNISED, TOO_LONG, NOT_TEXT = REASONS = ("unrecognised", "too_long", "not_text")
LONGEST = 8192  # characters of a URL that candidates can have
MOST = 5_000_000
_DIGITS = {"uid": 32, "image_id": 32, "sha256": 64}
_HEX = re.compile(r"[0-9a-fA-F]+")
_URL = re.compile(r"https?://([^/?#\s]+)([^#\x00-\x1f]*)(?:#.*)?", re.IGNORECASE)
_PORT = re.compile(r":(?:80|443)?$")
_DOMAIN = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)+[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_NAMED = re.compile(rf"({'|'.join(KINDS)}):(?!//)(.*)", re.DOTALL)
_BYTES = LONGEST * 4 + 64

# The same in RE2, for columns: host and rest of a URL.
URL_PATTERN = r"^[ \t]*(?i:https?)://(?P<host>[^/?#]*)(?P<rest>[^#]*)"


@dataclass(frozen=True)
class Asked:
    """values: (kind, normalised value), each once, in order. unusable: lines and fields that are none, by reason."""

    values: tuple[tuple[str, str], ...]
    unusable: Counter[str]

    @cached_property
    def table(self) -> pa.Table:
        """by, value: schemas/takedowns-asked.json."""
        from ..io import table

        by, values = ([each[place] for each in self.values] for place in (0, 1))
        return table.from_columns({"by": by, "value": values}, "takedowns-asked")

    @cached_property
    def digest(self) -> str:
        from ..spec import digest

        return digest([list(each) for each in self.values])

    @property
    def kinds(self) -> frozenset[str]:
        return frozenset(kind for kind, _ in self.values)


def read(lists: Sequence[str]) -> Asked:
    """All values of some lists. UsageError where one is neither a file nor a value, SourceError where a file cannot be
    read or names nothing at all."""
    return _read(tuple(lists), tuple(_state(Path(each)) for each in lists))


def stored(path: Path) -> Asked:
    """The values that a takedown keeps beside its pairs. CorpusError as of any table."""
    from ..io import table

    found = table.read(path, "takedowns-asked")
    by, value = (found.column(name).to_pylist() for name in ("by", "value"))
    return Asked(tuple(zip(by, value, strict=True)), Counter())


def normal(kind: str, text: str) -> str | None:
    """A value as it is compared; None where it is none of its kind."""
    text = text.strip()
    if kind in _DIGITS:
        return text.lower() if len(text) == _DIGITS[kind] and _HEX.fullmatch(text) else None
    if kind == "url":
        found = _URL.fullmatch(text)
        if found is None:
            return None
        host = _PORT.sub("", found[1].lower())
        return host + (found[2].rstrip() or "/") if host else None
    domain = text.lower().removeprefix("*.").strip(".")
    if not domain.isascii():
        try:
            import idna

            domain = idna.encode(domain, uts46=True).decode()
        except (idna.IDNAError, UnicodeError):
            return None
    return domain if len(domain) <= 253 and _DOMAIN.fullmatch(domain) else None


def _state(path: Path) -> tuple[int, int] | None:
    try:
        about = path.stat()
    except (OSError, ValueError):
        return None
    return about.st_mtime_ns, about.st_size


@lru_cache(maxsize=4)
def _read(lists: tuple[str, ...], _states: tuple[tuple[int, int] | None, ...]) -> Asked:
    unusable: Counter[str] = Counter()
    found: set[tuple[str, str]] = set()
    for text in lists:
        own = 0
        for kind, value in _values(text, unusable):
            found.add((kind, value))
            own += 1
            if len(found) > MOST:
                raise SourceError(f"more than {MOST:,} values in {text}", "take them down in several lists")
        if not own:
            counts = ", ".join(f"{count} {reason}" for reason, count in unusable.items())
            raise SourceError(
                f"{text} names nothing to take down" + (f" ({counts})" if counts else ""),
                "a line is a uid, a URL, a sha256, or as `domain:example.org`",
            )
    ordered = sorted(found, key=lambda each: (KINDS.index(each[0]), each[1]))
    return Asked(tuple(ordered), unusable)


def _values(text: str, unusable: Counter[str]) -> Iterator[tuple[str, str]]:
    """(kind, value) of one list or value; what is none is counted."""
    path = Path(text)
    try:
        there = path.is_file()
    except (OSError, ValueError):
        there = False
    if not there:
        found = _of_line(text)
        if found is None:
            raise UsageError(
                f"{text[:200]!r} is no file and names no pair",
                "name a file, a uid, or as `url:https://…`, `sha256:…`, `domain:example.org`",
            )
        yield found
        return
    try:
        if path.suffix == ".parquet":
            yield from _of_parquet(path, unusable)
        elif path.suffix in {".csv", ".tsv"}:
            yield from _of_csv(path, unusable)
        else:
            yield from _of_lines(path, unusable)
    except OSError as error:
        raise SourceError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error


def _of_line(text: str) -> tuple[str, str] | None:
    text = text.strip()
    named = _NAMED.fullmatch(text)
    if named is not None:
        tries: Iterable[tuple[str, str]] = [(named[1], named[2])]
    else:
        tries = [(kind, text) for kind in ("uid", "sha256", "url")]
    for kind, said in tries:
        value = normal(kind, said)
        if value is not None:
            return kind, value
    return None


def _lines(path: Path, unusable: Counter[str]) -> Iterator[str]:
    """Lines of text; of one that is too long or no text only its reason."""
    with open(path, "rb") as file:
        first = True
        while line := file.readline(_BYTES):
            if first and line.startswith(b"\xef\xbb\xbf"):
                line = line[3:]
            first = False
            if not line.endswith(b"\n") and len(line) >= _BYTES - 3:
                while (rest := file.readline(1 << 20)) and not rest.endswith(b"\n"):
                    pass
                unusable[TOO_LONG] += 1
                continue
            try:
                yield line.decode()
            except UnicodeDecodeError:
                unusable[NOT_TEXT] += 1


def _of_lines(path: Path, unusable: Counter[str]) -> Iterator[tuple[str, str]]:
    for line in _lines(path, unusable):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        found = _of_line(text) if len(text) <= LONGEST else None
        if found is None:
            unusable[TOO_LONG if len(text) > LONGEST else UNRECOGNISED] += 1
        else:
            yield found


def _of_csv(path: Path, unusable: Counter[str]) -> Iterator[tuple[str, str]]:
    reader = csv.reader(_lines(path, unusable), delimiter="\t" if path.suffix == ".tsv" else ",")
    places: dict[str, int] | None = None
    while True:
        try:
            fields = next(reader, None)
        except csv.Error:  # a field of more than 128 KiB, a null byte
            unusable[TOO_LONG] += 1
            continue
        if fields is None:
            return
        if places is None:
            names = [name.strip().lower() for name in fields]
            places = {kind: names.index(kind) for kind in KINDS if kind in names}
            if not places:
                raise _no_column(path)
            continue
        for kind, place in places.items():
            if place < len(fields):
                yield from _of_field(kind, fields[place], unusable)


def _of_parquet(path: Path, unusable: Counter[str]) -> Iterator[tuple[str, str]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            kinds = [kind for kind in KINDS if kind in file.schema_arrow.names]
            if not kinds:
                raise _no_column(path)
            for batch in file.iter_batches(65_536, columns=kinds, use_threads=False):
                for kind in kinds:
                    for value in batch.column(kind).to_pylist():
                        yield from _of_field(kind, value, unusable)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"cannot read {path}: {str(error).partition(chr(10))[0][:200]}") from error


def _of_field(kind: str, value: Any, unusable: Counter[str]) -> Iterator[tuple[str, str]]:
    if value is None or value == "":
        return
    text = value.hex() if isinstance(value, bytes) else value if isinstance(value, str) else ""
    found = normal(kind, text) if len(text) <= LONGEST else None
    if found is None:
        unusable[TOO_LONG if len(text) > LONGEST else UNRECOGNISED] += 1
    else:
        yield kind, found


def _no_column(path: Path) -> SourceError:
    return SourceError(f"{path} has none of the columns {', '.join(KINDS)}", "name its column so, or give a .txt file")
