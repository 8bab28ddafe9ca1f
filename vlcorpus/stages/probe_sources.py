"""Where a probe's pairs come from: the corpus itself, folders of tars, other corpora, what a decision keeps.

    for place in places(("OUT/train", "laion#similarity-0.28")):
        place.name, place.digest(captions)                      # its name in the accounting, and what it is now
    for tar in place.tars(captions): tar.path, tar.digest, tar.pairs()

A place knows tars, and of each tar all its pairs: names of their pictures, uids, texts, and which of them are taken and
how often. So tars are packed whole, once, and every decision, split or seed is a list of rows.

Of foreign tars (img2dataset's, anybody's WebDataset) a pair is a sample: its picture, KEY.txt, and the uid in KEY.json
where there is one. A tar that webdataset would lose samples of is an error that names the place.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import spec
from ..corpus import Corpus, Layer
from ..errors import CorpusError, SourceError, UsageError
from . import models, probe_captions, takedowns
from .base import ALL
from .choice import Choice
from .export import Export
from .packs import Packs, Rows, Wanted, key
from .places import export, is_corpus, is_url, normal, opened, parent, parts, place_of
from .probe_captions import Captions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TRAIN = "train"
OWN = "corpus"
_MOST_BYTES = 1 << 20  # of a sample's JSON; more is not looked at
_WEIGHTS = (".safetensors", ".bin", ".pt", ".json", ".txt", ".model")
_HEX_UID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class TarPairs:
    """The N pairs of one tar, in order."""

    pictures: Sequence[str]
    """Key of each pair's picture in the tar"""
    texts: Sequence[Sequence[str | None]]
    """Of each caption layer, a text a pair; None where there is none"""
    uids_N16: NDArray[np.uint8]
    taken_N: NDArray[np.bool_]
    weights_N: NDArray[np.float32]


@dataclass(frozen=True)
class Tar:
    layer: Layer
    name: str
    digest: str
    """sha256 of its bytes"""
    size: int | None
    """Pictures at most; None where nobody has counted"""
    pairs: Callable[[Packs], TarPairs]

    @property
    def path(self) -> Path:
        """Where it lies on this machine; fetched where it did not. Not asked for where packs have it all."""
        return self.layer.path(self.name)

    @property
    def bytes(self) -> int:
        return self.layer.size(self.name) or 0


@dataclass(frozen=True)
class Folder:
    """Tars that somebody wrote; an export that we did has to be whole."""

    name: str
    place: str

    def layer(self) -> Layer:
        return export(self.place)

    def digest(self, captions: Captions) -> dict[str, str]:
        layer = self.layer()
        if _is_export(layer):
            return {"pairs": layer.digest_all()}
        state = hashlib.blake2b(digest_size=16)
        for name in tars_of(layer):
            state.update(bytes.fromhex(_sha256(layer.path(name))))
        return {"pairs": state.hexdigest()}

    def tars(self, captions: Captions) -> Iterator[Tar]:
        layer = self.layer()
        ours = _is_export(layer)
        for name in tars_of(layer):
            stats = layer.stats(name.removesuffix(".tar")) if ours else None
            said = (stats or {}).get("outputs", {}).get(name)
            digest = _sha256(layer.path(name)) if said is None else str(said["sha256"])
            size = None if stats is None else int(stats["kept"])
            yield Tar(layer, name, digest, size, _reader(layer, name, digest, captions))


@dataclass(frozen=True)
class Part:
    """What a decision, a grouping and a split take of a corpus."""

    name: str
    corpus: Corpus
    choice: Choice

    def check(self) -> None:
        """UsageError for a decision that is not there."""
        if self.choice.decision is not None:
            make = f"vlcorpus filter {self.corpus.place}"
            self.corpus.find("decisions", self.choice.decision, flag="--on", make=make)

    def layers(self) -> tuple[str, ...]:
        """The layers that are read."""
        named = (("decisions", self.choice.decision), ("duplicates", self.choice.duplicates),
                 ("splits", self.choice.split))  # fmt: skip
        return ("shards", *(f"{below}/{name}" for below, name in named if name is not None))

    def digest(self, captions: Captions) -> dict[str, str]:
        own = {name: self.corpus.layer(name).digest_all() for name in self.layers()}
        return own | takedowns.inputs(self.corpus) | probe_captions.digests(self.corpus, captions)

    def tars(self, captions: Captions) -> Iterator[Tar]:
        from .subsets import Chosen

        for layer in captions.layers():
            probe_captions.files_of(self.corpus, layer)
        chosen = Chosen(self.corpus, self.choice)
        shards = self.corpus.layer("shards")
        for shard in chosen.shards():
            found = chosen.verdicts(shard)
            taken = found.taken_N if self.choice.split is None else found.of(TRAIN)
            stats = shards.stats(shard)
            if taken.any() and stats is not None:
                about = stats["outputs"][f"{shard}.tar"]
                reader = _of_shard(self.corpus, shard, captions, found.uids_N16, taken, found.weights_N)
                yield Tar(shards, f"{shard}.tar", str(about["sha256"]), int(stats["kept"]), reader)


Place = Folder | Part


def places(on: Sequence[str]) -> tuple[Place, ...]:
    """What `--on` names: a folder of tars, a corpus, or CORPUS#DECISION. UsageError for a corpus without a name."""
    found = [_place(each) for each in on]
    names = _told_apart(on)
    return tuple(
        Folder(name, place) if isinstance(place, str) else Part(name, *place)
        for name, place in zip(names, found, strict=True)
    )


def own(corpus: Corpus, choice: Choice) -> Part:
    return Part(OWN, corpus, choice)


def is_folder(on: str) -> bool:
    """Whether this is (to become) a folder of tars, and not a corpus."""
    return not (is_corpus(on) or _decided(on))


def _place(on: str) -> str | tuple[Corpus, Choice]:
    if is_folder(on):
        return normal(on)
    folder, _, decision = on.rpartition("#") if _decided(on) else (on, "", "")
    return opened(folder), Choice(decision=decision or None)


def _decided(on: str) -> bool:
    """Whether this is CORPUS#DECISION; a folder may have the sign in its own name."""
    folder, mark, decision = on.rpartition("#")
    return bool(mark and decision) and not Path(on).exists() and is_corpus(folder)


def _told_apart(on: Sequence[str]) -> list[str]:
    """The last part of each path, and as many before it as it takes to tell them apart."""
    paths = [parts(each) for each in on]
    if len(set(paths)) < len(paths):
        twice = next(each for each, path in zip(on, paths, strict=True) if paths.count(path) > 1)
        twice = normal(twice) if is_url(twice) else os.path.normpath(twice)
        raise UsageError(f"{twice} is named twice (train-probe: on)", "weigh it with --weights")
    length = 1
    while len({path[-length:] for path in paths}) < len(paths):
        length += 1
    return ["/".join(part.strip("/") or "root" for part in path[-length:]) for path in paths]


def tars_of(folder: Layer) -> tuple[str, ...]:
    """Names of the tars of a folder, in order. SourceError where there are none."""
    found = folder.names("*.tar")
    if not found:
        inside = sorted({name.partition("/")[0] for name in folder.names("*/*.tar")})
        hint = f"its splits have some: {', '.join(inside)}" if inside else "did the export find any pair to write?"
        if not inside and folder.names("*.parquet"):
            hint = "export it with --output-format webdataset"
        raise SourceError(f"no tars in {place_of(folder)}", hint)
    return found


def _is_export(folder: Layer) -> bool:
    """Whether `vlcorpus export` wrote these tars; CorpusError where it did not come to its end."""
    units = folder.units()
    if not units or (folder.stats(units[0]) or {}).get("stage") != Export.name:
        return False
    above = parent(place_of(folder))
    if export(above).stats(ALL) is None:
        raise CorpusError(f"the export {above} is not whole", "run the same `vlcorpus export` again")
    return True


def encoder(corpus: Corpus, reference: str) -> str:
    """What stands for a frozen encoder among the inputs: its reference; of one on this machine, what its files hold."""
    place = Path(models.reference(corpus, reference).removeprefix("hf:"))
    if not place.exists():
        return reference
    files = [place] if place.is_file() else sorted(each for each in place.iterdir() if each.is_file())
    return spec.digest([[each.name, _sha256(each)] for each in files if each.suffix in _WEIGHTS or place == each])


def _sha256(path: Path) -> str:
    about = path.stat()
    return _hashed(path, about.st_size, about.st_mtime_ns)


@lru_cache(maxsize=65_536)
def _hashed(path: Path, size: int, touched: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _of_shard(
    corpus: Corpus,
    shard: str,
    captions: Captions,
    uids_N16: NDArray[np.uint8],
    taken_N: NDArray[np.bool_],
    weights_N: NDArray[np.float32],
) -> Callable[[Packs], TarPairs]:
    def pairs(_: Packs) -> TarPairs:
        from .samples import with_image

        columns = ["uid", "image_key", "caption"]
        if any(name.startswith("json:") for name in captions.names):
            columns.append("additional")
        rows = with_image(corpus, shard, tuple(columns))
        if bytes.fromhex("".join(row["uid"] for row in rows)) != uids_N16.tobytes():
            raise CorpusError(
                f"shards/{shard} is not of the candidates of {shard}", f"run `vlcorpus verify {corpus.place}`"
            )
        texts = [probe_captions.of_rows(corpus, shard, name, rows) for name in captions.names]
        return TarPairs([row["image_key"] for row in rows], texts, uids_N16, taken_N, weights_N)

    return pairs


def _reader(layer: Layer, name: str, digest: str, captions: Captions) -> Callable[[Packs], TarPairs]:
    """Reads the words of a tar; what it finds is packed, too, for the next probe."""

    def words(rows: Rows) -> dict[str, Any]:
        from ..io import tar

        path = layer.path(name)
        samples: dict[str, dict[str, bytes]] = {}
        wanted = {"json", *probe_captions.extensions(captions)}
        for entry in tar.scan(path):
            samples.setdefault(entry.key, {})
        for entry, body in tar.read_members(path, extensions=wanted):
            if entry.extension != "json":
                body = body[: 4 * probe_captions.LONGEST]
            samples[entry.key][entry.extension] = body if len(body) <= _MOST_BYTES else b""
        return {
            "samples": [
                [each, _uid(members), [probe_captions.of_members(members, name) for name in captions.names]]
                for each, members in samples.items()
            ]
        }

    def pairs(packs: Packs) -> TarPairs:
        import numpy as np

        from ..probe.parts import named

        [found] = packs.have([Wanted(key("captions", digest, list(captions.names)), words)])
        samples = found.about["samples"]
        uids_N16 = named(f"{name}/{each}" for each, *_ in samples).copy()
        for row, (_, uid, _) in enumerate(samples):
            if uid is not None:
                uids_N16[row] = np.frombuffer(bytes.fromhex(uid), np.uint8)
        texts = [[each[2][layer] for each in samples] for layer in range(len(captions.names))]
        every = np.ones(len(samples), bool)
        return TarPairs([each[0] for each in samples], texts, uids_N16, every, every.astype(np.float32))

    return pairs


def _uid(members: dict[str, bytes]) -> str | None:
    """The uid that an export of ours wrote."""
    found = probe_captions.of_members(members, "json:uid")
    return found if found is not None and _HEX_UID.fullmatch(found) else None
