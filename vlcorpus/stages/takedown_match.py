"""Which pairs of a corpus the values of a takedown name.

    matching = Matching(corpus, asked)
    matching.add("00000")              rows that the shard has
    matching.table()                   uid, shard, by, value: a row a pair, in corpus order

A pair that several values name is listed once, with the first of them: uid, image_id, sha256, url, domain.
Cost: 1 microsecond a candidate, and the values once a shard.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..corpus import Corpus
from ..errors import CorpusError
from ..io import table
from .takedown_lists import URL_PATTERN

if TYPE_CHECKING:
    from .takedown_lists import Asked

Ints = npt.NDArray[np.int64]
_OWN = ["uid", "image_id", "url", "given_uid"]


class Matching:
    """Pairs named so far. pairs: how many; unmatched: values that name none."""

    def __init__(self, corpus: Corpus, asked: Asked) -> None:
        self._corpus = corpus
        self._values = asked.values
        self._named = np.zeros(len(asked.values), bool)
        self._found: list[pa.Table] = []
        self.pairs = 0
        starts: dict[str, list[int]] = {}
        for number, (kind, _) in enumerate(asked.values):
            starts.setdefault(kind, []).append(number)
        # Values stand by kind, so a kind's are one slice, and its first number makes them numbers of all.
        self._first = {kind: numbers[0] for kind, numbers in starts.items()}
        self._set = {kind: pa.array([asked.values[number][1] for number in numbers], pa.string())
                     for kind, numbers in starts.items()}  # fmt: skip
        self._domains = {asked.values[number][1]: number for number in starts.get("domain", ())}

    @property
    def unmatched(self) -> int:
        return int(np.count_nonzero(~self._named))

    def add(self, shard: str) -> int:
        """Look through one shard. Returns how many candidates it has."""
        path = self._corpus.layer("candidates").path(f"{shard}.parquet")
        rows = table.read(path, "candidates", only=_OWN)
        fetched = self._fetched(shard, len(rows))
        first = np.full(len(rows), -1, np.int64)
        for found in self._ways(rows, fetched):
            self._named[found[found >= 0]] = True
            new = (first < 0) & (found >= 0)
            first[new] = found[new]
        places = np.flatnonzero(first >= 0)
        if len(places):
            asked = [self._values[number] for number in first[places].tolist()]
            named = {
                "uid": rows.column("uid").combine_chunks().take(pa.array(places)),
                "shard": [shard] * len(places),
                "by": [by for by, _ in asked],
                "value": [value for _, value in asked],
            }
            self._found.append(table.from_columns(named, "takedowns"))
            self.pairs += len(places)
        return len(rows)

    def table(self) -> pa.Table:
        empty = table.from_columns({"uid": [], "shard": [], "by": [], "value": []}, "takedowns")
        return pa.concat_tables([empty, *self._found]).combine_chunks()

    def _fetched(self, shard: str, count: int) -> pa.Table | None:
        """sha256 and final_url of the same rows, where the shard has been fetched and anything asks for them."""
        layer = self._corpus.layer("shards")
        if not {"sha256", "url", "domain"} & self._set.keys() or layer.stats(shard) is None:
            return None
        found = table.read(layer.path(f"{shard}.parquet"), "shards", only=["sha256", "final_url"])
        if len(found) != count:
            raise CorpusError(
                f"shards/{shard} is not of the candidates of {shard}", f"run `vlcorpus verify {self._corpus.place}`"
            )
        return found

    def _ways(self, rows: pa.Table, fetched: pa.Table | None) -> list[Ints]:
        """For each way in which values name pairs: of each row the number of the value that names it, -1 for none."""
        ways: list[Ints] = []
        if "uid" in self._set:
            ways.append(self._of_hex("uid", rows.column("uid")))
            ways.append(self._of_text("uid", pc.ascii_lower(rows.column("given_uid"))))
        if "image_id" in self._set:
            ways.append(self._of_hex("image_id", rows.column("image_id")))
        if "sha256" in self._set and fetched is not None:
            ways.append(self._of_text("sha256", fetched.column("sha256")))
        addresses = [rows.column("url")] + ([fetched.column("final_url")] if fetched is not None else [])
        if "url" in self._set or self._domains:
            parted = [_parts(each) for each in addresses]
            if "url" in self._set:
                ways += [self._of_text("url", pc.binary_join_element_wise(host, rest, "")) for host, rest in parted]
            if self._domains:
                ways += [self._of_hosts(host) for host, _ in parted]
        return ways

    def _of_text(self, kind: str, values: pa.ChunkedArray) -> Ints:
        found = pc.index_in(values, value_set=self._set[kind])
        numbers = pc.add(pc.cast(found, pa.int64()), self._first[kind])
        filled: Ints = pc.fill_null(numbers, -1).to_numpy()
        return filled

    def _of_hex(self, kind: str, values: pa.ChunkedArray) -> Ints:
        raw = pa.array([bytes.fromhex(each) for each in self._set[kind].to_pylist()], pa.binary(16))
        found = pc.index_in(values, value_set=raw)
        numbers = pc.add(pc.cast(found, pa.int64()), self._first[kind])
        filled: Ints = pc.fill_null(numbers, -1).to_numpy()
        return filled

    def _of_hosts(self, hosts: pa.ChunkedArray) -> Ints:
        coded = hosts.combine_chunks().dictionary_encode()
        known = [self._domain_of(host) for host in coded.dictionary.to_pylist()]
        of_code = np.array([*known, -1], np.int64)  # the last one is of those that have no host
        found: Ints = of_code[coded.indices.fill_null(len(known)).to_numpy(zero_copy_only=False)]
        return found

    def _domain_of(self, host: str) -> int:
        """Number of the widest listed domain that a host is in, -1 for none."""
        parts = host.rstrip(".").rpartition(":")[0].split(".") if ":" in host else host.rstrip(".").split(".")
        for start in range(max(0, len(parts) - 1), -1, -1):
            number = self._domains.get(".".join(parts[start:]))
            if number is not None:
                return number
        return -1


def _parts(urls: pa.ChunkedArray) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """Host and rest of URLs as `takedown_lists.normal` has them; null where they are none."""
    found = pc.extract_regex(urls, pattern=URL_PATTERN)
    host = pc.ascii_lower(pc.struct_field(found, "host"))
    host = pc.replace_substring_regex(host, pattern=r":(?:80|443)?$", replacement="")
    rest = pc.utf8_rtrim_whitespace(pc.struct_field(found, "rest"))
    return host, pc.if_else(pc.equal(rest, ""), "/", rest)
