"""Makes the pairs of a place ready for a model: packs of pixels and tokens, or of a frozen encoder's features.

    ready = pack(place, Maker.of(built), captions, packs, tell)
    ready.pack                     every pair that can be trained on
    ready.refused, ready.fell_back Counter({"not_an_image": 3}), Counter({"recaption": 12})
    ready.of_seed(0, parts=1)      Share: the pack of one seed, and what it leaves out by reason

A tar is packed whole, once for all probes that see pixels of one preparation; its tokens, and features of one frozen
encoder, likewise. From pictures of 64 pixels to packs of 32: 0.2 CPU ms and 3 KB a pair once, 4 µs from then on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import spec
from ..errors import CorpusError, UsageError
from .packs import Packed, Packs, Rows, Wanted, key
from .probe_captions import Captions
from .probe_sources import Place, Tar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..probe.pack import Pack

NO_CAPTION, NOT_DRAWN, OTHER_PART, BAD_VECTOR = "no_caption", "not_drawn", "other_part", "bad_vector"
GB = 1e9
_CHUNK = 256
_LEAST_SAMPLE = 512  # bytes of a sample in a tar


@dataclass(frozen=True)
class Maker:
    """What a model wants of pictures and texts."""

    side: int
    preprocess: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
    preprocessing_key: str
    tokenize: Callable[[Sequence[str]], NDArray[Any]]
    tokenizer_key: str
    frozen: Any = None

    @classmethod
    def of(cls, built: Any) -> Maker:
        """built: vlcorpus.clip.trainable.Built"""
        return cls(
            built.image_size,
            built.preprocess,
            built.preprocessing_key,
            built.tokenize,
            built.tokenizer_key,
            built.frozen,
        )

    @property
    def key(self) -> str:
        """Equal for models that see the same arrays."""
        return f"{self.preprocessing_key} {self.tokenizer_key} {getattr(self.frozen, 'key', '')}"

    def pixels(self, tar: Tar) -> Wanted:
        """(M, 3, S, S) uint8, and under `samples` the row of each key, or why it has none."""

        def make(rows: Rows) -> Mapping[str, Any]:
            import numpy as np

            from ..images.hush import c_libraries_silenced

            samples: dict[str, int | str] = {}
            waiting: list[NDArray[np.uint8]] = []
            with c_libraries_silenced():
                for name, found in _pictures(tar):
                    if isinstance(found, str):
                        samples[name] = found
                        continue
                    if found is not None:
                        waiting.append(self.preprocess(found))
                        if len(waiting) == _CHUNK:
                            rows.write(np.stack(waiting))
                            waiting.clear()
                    samples[name] = rows.count + len(waiting) - 1
            if waiting:
                rows.write(np.stack(waiting))
            return {"tar": tar.digest, "preprocessing": self.preprocessing_key, "samples": samples}

        return Wanted(self.pixels_key(tar), make)

    def pixels_key(self, tar: Tar) -> str:
        return key("pixels", tar.digest, self.preprocessing_key)

    def seen_key(self, tar: Tar) -> str:
        """Of what is trained on: pixels, or what a frozen encoder makes of them."""
        pixels = self.pixels_key(tar)
        return pixels if self.frozen is None else key("image features", pixels, self.frozen.key)

    def seen(self, tar: Tar, packs: Packs) -> Wanted:
        """(M, F) float16: features of a pack's pictures."""

        def make(rows: Rows) -> Mapping[str, Any]:
            import numpy as np

            pixels, failed = packs.open(self.pixels_key(tar)), set[int]()
            for start in range(0, len(pixels.rows), _CHUNK):
                found = np.asarray(
                    self.frozen.image_features(np.array(pixels.rows[start : start + _CHUNK])), np.float16
                )
                failed |= set((start + np.flatnonzero(~np.isfinite(found).all(axis=1))).tolist())
                rows.write(found)
            samples = {
                name: BAD_VECTOR if where in failed else where for name, where in pixels.about["samples"].items()
            }
            return {"tar": tar.digest, "encoder": self.frozen.key, "samples": samples}

        return Wanted(self.seen_key(tar), make)

    def words(self, texts: Sequence[str]) -> Wanted:
        """(T, L) integers, or (T, G) float16 features: a row a text."""
        how = self.tokenizer_key if self.frozen is None else self.frozen.key

        def make(rows: Rows) -> Mapping[str, Any]:
            import numpy as np

            for start in range(0, len(texts), _CHUNK):
                chunk = texts[start : start + _CHUNK]
                if self.frozen is not None:
                    rows.write(np.asarray(self.frozen.text_features(list(chunk)), np.float16))
                else:
                    tokens = np.asarray(self.tokenize(chunk))
                    rows.write(tokens.astype(np.int32) if tokens.dtype.itemsize > 4 else tokens)
            return {"texts": spec.digest(list(texts)), "how": how}

        kind = "tokens" if self.frozen is None else "text features"
        return Wanted(key(kind, spec.digest(list(texts)), how), make)


def _pictures(tar: Tar) -> Iterator[tuple[str, NDArray[np.uint8] | str | None]]:
    """Key and pixels of each sample of a tar; or why there are none; None for the same picture as the one before."""
    from ..images.decode import Refused, decode
    from ..io.tar import read_samples
    from .samples import IMAGES

    last = b""
    for sample in read_samples(tar.path):
        body = next((sample.members[each] for each in IMAGES if each in sample.members), b"")
        if body and body == last:
            yield sample.key, None
            continue
        picture = decode(body)
        if isinstance(picture, Refused):
            yield sample.key, picture.reason
        else:
            last = body
            yield sample.key, picture.rgb


@dataclass(frozen=True)
class Ready:
    """The pairs of one place that can be trained on, and how often their decision wants each."""

    pack: Pack
    weights_N: NDArray[np.float32]
    refused: Counter[str]
    fell_back: Counter[str]

    def of_seed(self, seed: int, parts: int) -> Share:
        """What a seed trains on: a pair as often as its weight wants it, of the share that is this seed's."""
        import numpy as np

        from ..probe.parts import taken
        from .subsets import copies

        times = copies(self.weights_N, self.pack.uids_N16, seed)
        own = taken(self.pack.uids_N16, seed, parts)
        left = self.refused + Counter({OTHER_PART: int((~own).sum()), NOT_DRAWN: int((own & (times == 0)).sum())})
        times = np.where(own, times, 0)
        whole = bool((times == 1).all())
        found = self.pack if whole else self.pack.take(np.repeat(np.arange(len(times)), times))
        return Share(found, int((times > 0).sum()), left)


@dataclass(frozen=True)
class Share:
    """pairs: how many different ones. left: those of the place that are not in it, by reason."""

    pack: Pack
    pairs: int
    left: Counter[str]


def pack(
    place: Place,
    maker: Maker,
    captions: Captions,
    packs: Packs,
    tell: Callable[[int], None] = lambda done: None,
    *,
    most_gb: float = float("inf"),
) -> Ready:
    """Packs what is missing. UsageError before more than `most_gb` are written; CorpusError where a table names a
    picture that its tar does not have. tell: called with the number of tars that are packed."""
    import numpy as np

    from ..probe.pack import Pack, Stack

    tars = list(place.tars(captions))
    _room(tars, maker, packs, most_gb)
    packs.make([maker.pixels(tar) for tar in tars], tell)
    if maker.frozen is not None:
        packs.make([maker.seen(tar, packs) for tar in tars], tell)
    pixels, words = _Growing(), _Growing()
    refused: Counter[str] = Counter()
    fell_back: Counter[str] = Counter()
    images, texts, uids, weights = [], [], [], []
    for tar in tars:
        pairs, packed = tar.pairs(packs), packs.open(maker.seen_key(tar))
        start = pixels.add(packed.rows)
        where_N = _where(tar, packed, pairs.pictures, pairs.taken_N, refused)
        layers = [packs.have([maker.words([text or "" for text in layer])])[0].rows for layer in pairs.texts]
        starts = [words.add(rows) for rows in layers]
        there_KN = np.array([[text is not None for text in layer] for layer in pairs.texts], bool)
        there_KN = there_KN.reshape(len(pairs.texts), len(pairs.pictures))
        if maker.frozen is not None and len(pairs.pictures):
            there_KN &= np.array([np.isfinite(rows).all(axis=1) for rows in layers])
        use_N = pairs.taken_N & (where_N >= 0)
        refused[NO_CAPTION] += int((use_N & ~there_KN.any(axis=0)).sum())
        use = np.flatnonzero(use_N & there_KN.any(axis=0))
        # A layer without a text has that of the first that has one.
        first = there_KN[:, use].argmax(axis=0) if len(use) else use
        layer_KN = np.where(there_KN[:, use], np.arange(len(starts))[:, None], first)
        for number, name in enumerate(captions.names):
            fell_back[name] += int((~there_KN[number, use]).sum())
        images.append(start + where_N[use])
        texts.append(np.array(starts, np.int64)[layer_KN] + use)
        uids.append(pairs.uids_N16[use])
        weights.append(pairs.weights_N[use])
    packs.sweep()
    nothing = np.zeros((len(captions.names), 0), np.int64)
    whole = Pack(
        name=place.name,
        pixels=Stack(tuple(pixels.parts)),
        words=Stack(tuple(words.parts)),
        image_N=np.concatenate([nothing[0], *images]),
        text_KN=np.concatenate([nothing, *texts], axis=1),
        uids_N16=np.concatenate([np.zeros((0, 16), np.uint8), *uids]),
        shares=captions.shares,
    )
    return Ready(whole, np.concatenate([np.zeros(0, np.float32), *weights]), +refused, +fell_back)


class _Growing:
    """Arrays of a stack, those without rows left out."""

    def __init__(self) -> None:
        self.parts: list[NDArray[Any]] = []
        self._count = 0

    def add(self, rows: NDArray[Any]) -> int:
        """The number of the first row."""
        start = self._count
        if len(rows):
            self.parts.append(rows)
            self._count += len(rows)
        return start


def _where(
    tar: Tar, packed: Packed, pictures: Sequence[str], taken_N: NDArray[np.bool_], refused: Counter[str]
) -> NDArray[np.int64]:
    """(N,): row of each pair's picture in its pack, -1 where it has none; those that are taken are counted."""
    import numpy as np

    samples = packed.about["samples"]
    places = []
    for name, is_taken in zip(pictures, taken_N.tolist(), strict=True):
        found = samples.get(name)
        if found is None:
            raise CorpusError(f"{tar.path} has no image {name}", "run `vlcorpus verify` on its corpus")
        if isinstance(found, str) and is_taken:
            refused[found] += 1
        places.append(found if isinstance(found, int) else -1)
    return np.array(places, np.int64)


def _room(tars: Sequence[Tar], maker: Maker, packs: Packs, most_gb: float) -> None:
    """UsageError where more would be written than the person allowed."""
    from ..io.tar import scan

    keys = [maker.pixels_key(tar) for tar in tars]
    missing = set(packs.missing(keys))
    coming = [tar for tar, name in zip(tars, keys, strict=True) if name in missing]
    bytes_each = 3 * maker.side**2
    if sum(tar.bytes for tar in coming) * bytes_each <= most_gb * GB * _LEAST_SAMPLE:
        return  # however small the samples are
    count = sum(len({entry.key for entry in scan(tar.path)}) if tar.size is None else tar.size for tar in coming)
    gigabytes = count * bytes_each / GB
    if gigabytes > most_gb:
        raise UsageError(
            f"packing {count:,} pictures of {maker.side} pixels takes {gigabytes:.1f} GB in {packs.folder}, "
            f"and {most_gb:g} GB are allowed (train-probe: most_pack_gb)",
            f"see that there is room, and add --most-pack-gb {int(gigabytes) + 1}",
        )
