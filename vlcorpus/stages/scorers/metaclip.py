"""metaclip: how often the entries of MetaCLIP's metadata stand in the corpus, and what balancing leaves of each pair.

Two passes over all candidates: the first counts the texts of each entry, the second says each pair's probability.
Matches of the first are kept for the second as far as KEPT bytes go, and found again beyond; the result is the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...corpus import Corpus
from ...errors import CorpusError, SourceError
from ..base import Tell
from .base import AllShards, Scored, Scorer
from .text_languages import ANY, detected_in, languages_of, list_for, source_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ...scores.automaton import Ints
    from ...scores.metaclip import Entries, Matches
    from ..score import Score

ENGLISH = "en"
KEPT = 256 << 20  # bytes


class MetaCLIP(Scorer):
    """Entries of the metadata in the alternative text, and the probability to keep the pair: scores/metaclip.py."""

    of = "candidates"
    follows = "candidates"
    whole = True
    reads = ("terms", "limit")
    needed = ("terms",)
    libraries = ("pyahocorasick",)

    def uses(self, stage: Score) -> tuple[str, ...]:
        return ("scores",) if _path(stage).is_dir() else ()  # that of languages may bear any name

    def inputs(self, stage: Score, corpus: Corpus) -> dict[str, str]:
        from .term_files import digest

        path = _path(stage)
        if "terms" not in stage.looked:
            stage.looked["terms"] = digest(path)
        found = {"file:terms": stage.looked["terms"]}
        detected = detected_in(corpus) if path.is_dir() else None
        if detected is not None:
            found[detected] = corpus.layer(detected).digest_all()
        return found

    def check(self, stage: Score, corpus: Corpus) -> None:
        from .term_files import lists_in

        path = _path(stage)
        if path.is_dir():
            lists_in(path)
        elif not path.is_file():
            raise SourceError(f"there is no {path}", "give --terms a file of entries, one a line, or a folder of them")

    def open(self, stage: Score, corpus: Corpus) -> AllShards:
        from ...scores.metaclip import LIMIT

        balance = _Balance(corpus, _path(stage), stage.limit or LIMIT)

        def columns(shards: Sequence[str], tell: Tell) -> Iterator[tuple[str, Scored]]:
            balance.count(shards)
            about = balance.about()
            for shard in shards:
                yield shard, Scored(balance.columns(shard), about)

        return columns


def _path(stage: Score) -> Path:
    return Path(str(stage.terms))


@dataclass(frozen=True)
class _Part:
    """The texts of a shard that one list is for. rows: their places in the shard; texts: the different ones, and
    which of them each row has."""

    rows: Ints
    texts: list[str]
    which: npt.NDArray[np.int32]


class _Balance:
    """Counts of the whole corpus, and the columns that follow from them."""

    def __init__(self, corpus: Corpus, path: Path, limit: int) -> None:
        from .term_files import lists_in

        self._corpus, self._limit = corpus, limit
        self._worldwide = path.is_dir()
        self._files = lists_in(path) if self._worldwide else {ANY: path}
        # whose word is taken for a text's language; None where one list is for all
        self._source = None if list(self._files) == [ANY] else source_of(corpus)
        self._entries: dict[str, Entries] = {}
        self._counts: dict[str, Ints] = {}
        self._kept: dict[tuple[str, str], Matches] = {}
        self._left = KEPT
        self._rows: Counter[str] = Counter()
        self._matched = 0
        self._known = False  # whether any text's language is
        self._limits: dict[str, int] = {}
        self._share: float | None = None

    def count(self, shards: Sequence[str]) -> None:
        """The first pass."""
        import numpy as np

        from ...scores import metaclip

        for shard in shards:
            for code, part in self._parts(shard).items():
                entries = self._list(code)
                matches = self._match(shard, code, part, keep=True)
                copies = np.bincount(part.which, minlength=len(part.texts)).astype(np.int64)
                self._counts[code] += entries.counts(matches, copies)
                self._rows[code] += len(part.rows)
                self._matched += int(copies[matches.counts > 0].sum())
        if self._source is not None and shards and not self._known:
            raise CorpusError(
                f"{self._corpus.path} does not say what language its texts are in",
                f"detect it: `vlcorpus score {self._corpus.path} language`",
            )
        english = self._counts.get(ENGLISH)
        if english is not None and english.sum():
            self._share = metaclip.tail_share(english, self._limit)
        for code, counts in self._counts.items():
            same = self._share is None or code == ENGLISH
            self._limits[code] = self._limit if same else metaclip.limit_of_share(counts, self._share or 0.0)

    def about(self) -> dict[str, Any]:
        """What the stats say: whose word on languages; of each list its limit, texts, and entries with more than the
        limit."""
        lists = {
            code: {
                "limit": self._limits[code],
                "entries": len(self._entries[code]),
                "texts": self._rows[code],
                "matches": int(counts.sum()),
                "over_limit": int((counts > self._limits[code]).sum()),
            }
            for code, counts in sorted(self._counts.items())
        }
        return {
            "language_source": self._source,
            "limit": self._limit,
            "tail_share": self._share,
            "lists": lists,
            "matched": self._matched,
        }

    def columns(self, shard: str) -> dict[str, Any]:
        """The second pass."""
        import numpy as np
        import pyarrow as pa

        from ...scores import metaclip
        from .alt_texts import alt_texts

        uids, _ = alt_texts(self._corpus, shard)
        matches, probability = np.zeros(len(uids), np.int32), np.zeros(len(uids), np.float32)
        language, rarest = np.full(len(uids), None, object), np.full(len(uids), None, object)
        for code, part in self._parts(shard).items():
            entries, counts = self._entries[code], self._counts[code]
            found = self._match(shard, code, part, keep=False)
            each = metaclip.entry_probability(counts, self._limits[code])
            language[part.rows] = code
            matches[part.rows] = found.counts[part.which]
            probability[part.rows] = metaclip.probability(found, each)[part.which]
            names = [
                entries.entries[number] if number >= 0 else None for number in metaclip.rarest(found, counts).tolist()
            ]
            rarest[part.rows] = np.array([*names, None], object)[part.which]
        return {
            "uid": uids,
            "metaclip_matches": matches,
            "metaclip_probability": probability,
            "metaclip_language": pa.array(language, pa.string()),
            "metaclip_rarest": pa.array(rarest, pa.string()),
        }

    def _list(self, code: str) -> Entries:
        """A list, read when the first text needs it."""
        import numpy as np

        from ...scores.metaclip import Entries
        from .term_files import read_entries

        if code not in self._entries:
            self._entries[code] = Entries(read_entries(self._files[code]), worldwide=self._worldwide)
            self._counts[code] = np.zeros(len(self._entries[code]), np.int64)
        return self._entries[code]

    def _match(self, shard: str, code: str, part: _Part, *, keep: bool) -> Matches:
        found = self._kept.pop((shard, code), None)
        if found is None:
            found = self._list(code).match(part.texts)
        size = found.numbers.nbytes + found.ends.nbytes
        if keep and size <= self._left:
            self._kept[shard, code] = found
            self._left -= size
        return found

    def _parts(self, shard: str) -> dict[str, _Part]:
        """A shard's texts by the list that is for them."""
        import numpy as np
        import pyarrow as pa

        from ...web.words.distinct import distinct
        from .alt_texts import alt_texts

        uids, texts = alt_texts(self._corpus, shard)
        codes = self._codes(shard, uids)
        found = {}
        for code in sorted({each for each in codes if each is not None}):
            rows = np.flatnonzero(codes == code)
            different, which = distinct(texts.take(pa.array(rows)))
            found[code] = _Part(rows, different, which.to_numpy())
        return found

    def _codes(self, shard: str, uids: Any) -> npt.NDArray[np.object_]:
        """The list for each text of a shard."""
        import numpy as np

        if self._source is None:
            return np.full(len(uids), ANY, object)
        languages = languages_of(self._corpus, self._source, shard, uids).dictionary_encode()
        lists = [list_for(language, list(self._files)) for language in languages.dictionary.to_pylist()]
        lists.append(list_for(None, list(self._files)))
        which = languages.indices.fill_null(len(lists) - 1).to_numpy(zero_copy_only=False)
        self._known |= len(lists) > 1
        codes: npt.NDArray[np.object_] = np.array([*lists, None], object)[which]
        return codes
