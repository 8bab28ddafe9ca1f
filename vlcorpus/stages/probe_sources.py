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
from ..corpus import FILE, Corpus, Layer
from ..errors import CorpusError, SourceError, UsageError
from . import models, probe_captions, takedowns
from .base import ALL
from .choice import Choice
from .export import Export
from .packs import Packs, Rows, Wanted, key
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
    path: Path
    digest: str
    """sha256 of its bytes"""
    size: int | None
    """Pictures at most; None where nobody has counted"""
    pairs: Callable[[Packs], TarPairs]


@dataclass(frozen=True)
class Folder:
    """Tars that somebody wrote; an export that we did has to be whole."""

    name: str
    path: Path

    def layer(self) -> Layer:
        return Layer(f"out:{self.path}", self.path)

    def digest(self, captions: Captions) -> dict[str, str]:
        if _is_export(self.layer()):
            return {"pairs": self.layer().digest_all()}
        state = hashlib.blake2b(digest_size=16)
        for path in tars_of(self.path):
            state.update(bytes.fromhex(_sha256(path)))
        return {"pairs": state.hexdigest()}

    def tars(self, captions: Captions) -> Iterator[Tar]:
        ours = _is_export(self.layer())
        for path in tars_of(self.path):
            stats = self.layer().stats(path.stem) if ours else None
            said = (stats or {}).get("outputs", {}).get(path.name)
            digest = _sha256(path) if said is None else str(said["sha256"])
            size = None if stats is None else int(stats["kept"])
            yield Tar(path, digest, size, _reader(path, digest, captions))


@dataclass(frozen=True)
class Part:
    """What a decision, a grouping and a split take of a corpus."""

    name: str
    corpus: Corpus
    choice: Choice

    def check(self) -> None:
        """UsageError for a decision that is not there."""
        if self.choice.decision is not None:
            make = f"vlcorpus filter {self.corpus.path}"
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
                yield Tar(shards.path(f"{shard}.tar"), str(about["sha256"]), int(stats["kept"]), reader)


Place = Folder | Part


def places(on: Sequence[str]) -> tuple[Place, ...]:
    """What `--on` names: a folder of tars, a corpus, or CORPUS#DECISION. UsageError for a corpus without a name."""
    found = [_place(each) for each in on]
    names = _told_apart([Path(os.path.normpath(each)).parts for each in on])
    return tuple(
        Folder(name, place) if isinstance(place, Path) else Part(name, *place)
        for name, place in zip(names, found, strict=True)
    )


def own(corpus: Corpus, choice: Choice) -> Part:
    return Part(OWN, corpus, choice)


def is_folder(on: str) -> bool:
    """Whether this is (to become) a folder of tars, and not a corpus."""
    return not (_is_corpus(Path(on)) or _decided(on))


def _place(on: str) -> Path | tuple[Corpus, Choice]:
    if is_folder(on):
        return Path(on)
    folder, _, decision = on.rpartition("#") if _decided(on) else (on, "", "")
    return Corpus.open(Path(folder)), Choice(decision=decision or None)


def _decided(on: str) -> bool:
    """Whether this is CORPUS#DECISION; a folder may have the sign in its own name."""
    folder, mark, decision = on.rpartition("#")
    return bool(mark and decision) and not Path(on).exists() and _is_corpus(Path(folder))


def _is_corpus(path: Path) -> bool:
    return (path / FILE).is_file()


def _told_apart(paths: Sequence[tuple[str, ...]]) -> list[str]:
    """The last part of each path, and as many before it as it takes to tell them apart."""
    if len(set(paths)) < len(paths):
        twice = next(path for path in paths if paths.count(path) > 1)
        raise UsageError(f"{os.path.join(*twice)} is named twice (train-probe: on)", "weigh it with --weights")
    length = 1
    while len({path[-length:] for path in paths}) < len(paths):
        length += 1
    return ["/".join(part.strip("/") or "root" for part in path[-length:]) for path in paths]


def tars_of(folder: Path) -> list[Path]:
    """The tars of a folder, in order. SourceError where there are none."""
    found = sorted(folder.glob("[!.]*.tar"))  # a killed export's temporary names begin with a dot
    if not found:
        inside = sorted({path.parent.name for path in folder.glob("*/[!.]*.tar")})
        hint = f"its splits have some: {', '.join(inside)}" if inside else "did the export find any pair to write?"
        if not inside and any(folder.glob("*.parquet")):
            hint = "export it with --output-format webdataset"
        raise SourceError(f"no tars in {folder}", hint)
    return found


def _is_export(folder: Layer) -> bool:
    """Whether `vlcorpus export` wrote these tars; CorpusError where it did not come to its end."""
    units = folder.units()
    if not units or (folder.stats(units[0]) or {}).get("stage") != Export.name:
        return False
    if Layer("out:", folder.folder.parent).stats(ALL) is None:
        raise CorpusError(f"the export {folder.folder.parent} is not whole", "run the same `vlcorpus export` again")
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
                f"shards/{shard} is not of the candidates of {shard}", f"run `vlcorpus verify {corpus.path}`"
            )
        texts = [probe_captions.of_rows(corpus, shard, name, rows) for name in captions.names]
        return TarPairs([row["image_key"] for row in rows], texts, uids_N16, taken_N, weights_N)

    return pairs


def _reader(path: Path, digest: str, captions: Captions) -> Callable[[Packs], TarPairs]:
    """Reads the words of a tar; what it finds is packed, too, for the next probe."""

    def words(rows: Rows) -> dict[str, Any]:
        from ..io import tar

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
        uids_N16 = named(f"{path.name}/{each}" for each, *_ in samples).copy()
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
