"""metaclip: how often the entries of MetaCLIP's metadata stand in the corpus, and what balancing leaves of each pair.

Two passes over all candidates: the first counts the texts of each entry, the second says each pair's probability.
Workers share both; what is counted in one place is a number for each entry. A worker keeps matches of the first pass
for the second as far as KEPT bytes go, and finds the others again; the result is the same.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...corpus import Corpus
from ...errors import CorpusError, SourceError
from .. import places
from ..base import Tell
from .base import Ask, Gathered, Parted, Parts, Stretch
from .text_languages import ANY, detected_in, languages_of, list_for, source_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ...scores.automaton import Ints
    from ...scores.metaclip import Entries, Matches
    from ..relay import Relay
    from ..score import Score

ENGLISH = "en"
KEPT = 256 << 20  # bytes


class MetaCLIP(Parted):
    """Entries of the metadata in the alternative text, and the probability to keep the pair: scores/metaclip.py."""

    of = "candidates"
    follows = "candidates"
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

    def parts(self, stage: Score, corpus: Corpus, files: Relay) -> _Parts:
        return _Parts(corpus, _path(stage), files)

    def gathered(
        self, stage: Score, corpus: Corpus, stretches: Sequence[Stretch], files: Relay, ask: Ask, tell: Tell
    ) -> Gathered:
        import numpy as np

        from ...scores import metaclip

        found = _Counts(stage.limit or metaclip.LIMIT)
        for number, told in enumerate(ask([(number, some) for number, (_, some) in enumerate(stretches)])):
            found.add(told, dict(zip(told.rows, files.take(("counts", number)), strict=True)))
        source = _source(corpus, _files(_path(stage)))
        if source is not None and stretches and not found.known:
            raise CorpusError(
                f"{corpus.place} does not say what language its texts are in",
                f"detect it: `vlcorpus score {corpus.place} language`",
            )
        found.balance()
        codes = list(found.counts)
        limits = np.array([found.limits[code] for code in codes], np.int64)
        files.put(("balance",), limits, *(found.counts[code] for code in codes))
        names = np.frombuffer(json.dumps(codes).encode(), np.uint8)
        files.put(("codes",), names)
        return Gathered(found.about(source))


def _path(stage: Score) -> Path:
    return places.fetched(str(stage.terms), "--terms", "a file or a folder")


def _files(path: Path) -> dict[str, Path]:
    """The lists by language."""
    from .term_files import lists_in

    return lists_in(path) if path.is_dir() else {ANY: path}


def _source(corpus: Corpus, files: Mapping[str, Path]) -> str | None:
    """Whose word is taken for a text's language; None where one list is for all."""
    return None if list(files) == [ANY] else source_of(corpus)


@dataclass(frozen=True)
class _Part:
    """The texts of a shard that one list is for. rows: their places in the shard; texts: the different ones, and
    which of them each row has."""

    rows: Ints
    texts: list[str]
    which: npt.NDArray[np.int32]


@dataclass(frozen=True)
class _Told:
    """What a part has counted, beside the texts of each entry. rows: texts, by list; entries: of each list; matched:
    texts with an entry; known: whether any text's language is."""

    rows: dict[str, int]
    entries: dict[str, int]
    matched: int
    known: bool


class _Counts:
    """Counts of the whole corpus, and the limits that follow from them."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.counts: dict[str, Ints] = {}
        self.limits: dict[str, int] = {}
        self.known = False
        self._rows: Counter[str] = Counter()
        self._entries: dict[str, int] = {}
        self._matched = 0
        self._share: float | None = None

    def add(self, told: _Told, counts: Mapping[str, Ints]) -> None:
        for code, own in counts.items():
            self.counts[code] = self.counts[code] + own if code in self.counts else own
        self._rows.update(told.rows)
        self._entries |= told.entries
        self._matched += told.matched
        self.known |= told.known

    def balance(self) -> None:
        """All is counted."""
        from ...scores import metaclip

        english = self.counts.get(ENGLISH)
        if english is not None and english.sum():
            self._share = metaclip.tail_share(english, self.limit)
        for code, counts in self.counts.items():
            same = self._share is None or code == ENGLISH
            self.limits[code] = self.limit if same else metaclip.limit_of_share(counts, self._share or 0.0)

    def about(self, source: str | None) -> dict[str, Any]:
        """What the stats say: whose word on languages; of each list its limit, texts, and entries with more than the
        limit."""
        lists = {
            code: {
                "limit": self.limits[code],
                "entries": self._entries[code],
                "texts": self._rows[code],
                "matches": int(counts.sum()),
                "over_limit": int((counts > self.limits[code]).sum()),
            }
            for code, counts in sorted(self.counts.items())
        }
        return {
            "language_source": source,
            "limit": self.limit,
            "tail_share": self._share,
            "lists": lists,
            "matched": self._matched,
        }


class _Parts(Parts):
    """Counts of some shards, and the columns of any when all are counted."""

    def __init__(self, corpus: Corpus, path: Path, files: Relay) -> None:
        self._corpus, self._relay = corpus, files
        self._worldwide = path.is_dir()
        self._files = _files(path)
        self._source = _source(corpus, self._files)
        self._entries: dict[str, Entries] = {}
        self._kept: dict[tuple[str, str], Matches] = {}
        self._left = KEPT
        self._known = False
        self._balance: tuple[dict[str, Ints], dict[str, int]] | None = None

    def gather(self, asked: tuple[int, tuple[str, ...]]) -> _Told:
        """The first pass."""
        import numpy as np

        number, shards = asked
        counts: dict[str, Ints] = {}
        rows: Counter[str] = Counter()
        matched, self._known = 0, False
        for shard in shards:
            for code, part in self._parts(shard).items():
                entries = self._list(code)
                matches = self._match(shard, code, part, keep=True)
                copies = np.bincount(part.which, minlength=len(part.texts)).astype(np.int64)
                own = entries.counts(matches, copies)
                counts[code] = counts[code] + own if code in counts else own
                rows[code] += len(part.rows)
                matched += int(copies[matches.counts > 0].sum())
        self._relay.put(("counts", number), *counts.values())
        return _Told(
            {code: rows[code] for code in counts},
            {code: len(self._list(code)) for code in counts},
            matched,
            self._known,
        )

    def columns(self, shard: str) -> dict[str, Any]:
        """The second pass."""
        import numpy as np
        import pyarrow as pa

        from ...scores import metaclip
        from .alt_texts import alt_texts

        every, limits = self._balanced()
        uids, _ = alt_texts(self._corpus, shard)
        matches, probability = np.zeros(len(uids), np.int32), np.zeros(len(uids), np.float32)
        language, rarest = np.full(len(uids), None, object), np.full(len(uids), None, object)
        for code, part in self._parts(shard).items():
            entries, counts = self._list(code), every[code]
            found = self._match(shard, code, part, keep=False)
            each = metaclip.entry_probability(counts, limits[code])
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

    def _balanced(self) -> tuple[dict[str, Ints], dict[str, int]]:
        """Counts and limit of each list."""
        if self._balance is None:
            codes = json.loads(self._relay.take(("codes",), again=True)[0].tobytes())
            limits, *counts = self._relay.take(("balance",), again=True)
            self._balance = (
                dict(zip(codes, counts, strict=True)),
                dict(zip(codes, limits.tolist(), strict=True)),
            )
        return self._balance

    def _list(self, code: str) -> Entries:
        """A list, read when the first text needs it."""
        from ...scores.metaclip import Entries
        from .term_files import read_entries

        if code not in self._entries:
            self._entries[code] = Entries(read_entries(self._files[code]), worldwide=self._worldwide)
        return self._entries[code]

    def _match(self, shard: str, code: str, part: _Part, *, keep: bool) -> Matches:
        found = self._kept.pop((shard, code), None)
        known = found is not None
        if found is None:
            found = self._list(code).match(part.texts)
        size = found.numbers.nbytes + found.ends.nbytes
        self._left += size if known else 0
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
