"""download: candidates become WebDataset shards, in img2dataset's layout and columns.

    vlcorpus download CORPUS --image-size 512
    vlcorpus download CORPUS --decision similarity-0.28        only what a decision over the candidates keeps
    vlcorpus download CORPUS --retry-failed transient          what may have passed, once more

Every candidate is a row of shards/NNNNN.parquet, fetched or not; images and alt texts stand in shards/NNNNN.tar.
Robots.txt of the image's host is asked and opt-out headers end a transfer before its body. A run that is killed goes on
from the shard's journal; an image at which a worker died is decoded in a process of its own from then on.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import spec
from ..corpus import Corpus
from ..errors import CorpusError, UsageError, VlcorpusError
from ..spec import setting
from .base import Tell, UnitCommit, Work, calm
from .content import digest_of
from .network import Network

if TYPE_CHECKING:
    from ..images.prepare import ImageSettings
    from ..io.journal import Journal
    from .outcome import Outcome, Row
    from .retrying import Retried

OWN, IMG2DATASET = "vlcorpus", "img2dataset"
NOT_KEPT = "not_kept"
LOOK_AFTER = 256  # images, after which the size of shards/ is looked at again


@dataclass(frozen=True, kw_only=True)
class Download(Network):
    """Fetch images and write them with their alt texts into shards."""

    name = "download"
    makes = "shards"
    follows = "candidates"
    copies = False
    libraries = ("pillow", "opencv-python-headless", "pycurl", "img2dataset")
    version = 2

    decision: str | None = setting(
        None, help="Decision over the candidates; only what it keeps is fetched.", panel="Choosing"
    )
    blocklist: tuple[str, ...] = setting(
        (), help="File of MD5 or SHA-256 hashes of images that must not be kept.", path=True, panel="Choosing"
    )
    blocklist_pdq: tuple[str, ...] = setting(
        (), help="File of PDQ hashes: what resembles them must not be kept.", path=True, panel="Choosing"
    )
    verify_hash: tuple[str, ...] = setting(
        (), help="Additional column with a hash of the bytes, and its kind: COLUMN, then md5, sha256 or sha512.",
        panel="Choosing",
    )  # fmt: skip
    retry_failed: tuple[str, ...] = setting(
        (),
        help="Try failed rows of finished shards again: a reason, 'http_error 503', transient (what may pass), or any.",
        result=False,
        panel="Choosing",
    )
    image_size: int | None = setting(
        512, help="Side that resize_mode fixes; original keeps the bytes.", unit="px", least=1, most=16_383,
        panel="Images", none="original",
    )  # fmt: skip
    resize_mode: str = setting(
        "keep_ratio_largest",
        help="How image_size is meant, as in img2dataset.",
        choices=("no", "border", "keep_ratio", "keep_ratio_largest", "center_crop"),
        panel="Images",
    )
    only_if_bigger: bool = setting(True, help="Never enlarge.", panel="Images")
    pixels: str = setting(
        "good",
        help="good: upright, sRGB, near an ideal reduction; fast: a little cheaper; exact: img2dataset's bytes.",
        choices=("good", "fast", "exact"),
        panel="Images",
    )
    encode_format: str = setting("jpg", help="Format of stored images.", choices=("jpg", "png", "webp"), panel="Images")
    encode_quality: int = setting(95, help="Quality of stored images.", least=0, most=101, panel="Images")
    skip_reencode: bool = setting(
        False, help="Keep the bytes of what need not be resized (good and fast do it in any case).", panel="Images"
    )
    disable_all_reencoding: bool = setting(False, help="Keep all bytes as they came.", panel="Images")
    blur_column: str | None = setting(
        None, help="Additional column with boxes to blur, [[x0, y0, x1, y1], ...] in 0 to 1.", panel="Images"
    )
    min_image_size: int = setting(0, help="Least shorter side.", unit="px", least=0, panel="Images")
    max_aspect_ratio: float = setting(math.inf, help="Greatest longer side over shorter side.", least=1, panel="Images")
    max_image_area: float = setting(math.inf, help="Greatest area.", unit="px", least=1, panel="Images")
    max_pixels: int = setting(
        89_478_485, help="Images above this are refused by their header, before decoding.", unit="px", least=1,
        panel="Images",
    )  # fmt: skip
    engine: str = setting(
        OWN, help="What fetches: our own, or the package img2dataset.", choices=(OWN, IMG2DATASET), panel="Network"
    )
    site_files: bool = setting(
        True,
        help="Also ask each host what its tdmrep.json and ai.txt, and robots.txt by crawlers' names, say of AI.",
        panel="Network",
    )
    shards_at_once: int = setting(
        2, help="Shards that a worker fetches at the same time, so that slow hosts hold up none.", least=1, most=8,
        result=False, panel="Network",
    )  # fmt: skip
    delay: float = setting(
        0.0, help="Least time between two requests to a host.", unit="s", least=0, most=3_600, result=False,
        panel="Network",
    )  # fmt: skip
    max_disk: int | None = setting(
        None, help="Stop when shards/ has this size; the same command goes on.", unit="bytes", least=1, result=False
    )

    @property
    def at_once(self) -> int:  # type: ignore[override]
        return self.shards_at_once if self.engine == OWN else 1

    def wanted(self) -> tuple[str, ...]:
        return (f"decisions/{self.decision}",) if self.decision is not None else ()

    def inputs(self, corpus: Corpus, unit: str) -> dict[str, str]:
        found = super().inputs(corpus, unit)
        if self.decision is not None:
            found[f"decisions/{self.decision}"] = corpus.layer(f"decisions/{self.decision}").digest(unit)
        for name, paths in (("blocklist", self.blocklist), ("blocklist_pdq", self.blocklist_pdq)):
            if paths:
                found[name] = spec.digest([digest_of(Path(path)) for path in paths])
        return found

    def settled(self, corpus: Corpus, unit: str) -> bool:
        stats = corpus.layer("shards").stats(unit)
        return stats is not None and stats["stage"] == "import"

    def again(self, corpus: Corpus, unit: str) -> bool:
        stats = corpus.layer("shards").stats(unit) if self.retry_failed else None
        if stats is None or not (self.settled(corpus, unit) or stats["fingerprint"] == self.fingerprint(corpus, unit)):
            return False
        return self._retried().any_of(stats["status_dict"])

    def tidy(self, corpus: Corpus, unit: str) -> None:
        from .unfinished import discard

        discard(corpus.layer("shards"), unit)

    def check(self, corpus: Corpus) -> None:
        from ..images import blocklist

        self.check_network()
        self.image_settings()
        self._retried().check()
        blocklist.read(_paths(self.blocklist), _paths(self.blocklist_pdq))
        if self.verify_hash and (len(self.verify_hash) != 2 or self.verify_hash[1] not in ("md5", "sha256", "sha512")):
            raise UsageError(
                f"verify_hash {' '.join(self.verify_hash)!r} is no column and kind", "as: --verify-hash COLUMN md5"
            )
        if self.blur_column is not None and (self.image_size is None or self.disable_all_reencoding):
            raise UsageError("boxes cannot be blurred where bytes are kept", "give an image size, or no --blur-column")
        if self.engine == IMG2DATASET:
            from .engine_img2dataset import check

            check(self)

    def _retried(self) -> Retried:
        from .retrying import Retried

        return Retried(self.retry_failed)

    def image_settings(self) -> ImageSettings:
        from ..images.prepare import ImageSettings

        return ImageSettings(
            image_size=self.image_size,
            resize_mode=self.resize_mode,  # type: ignore[arg-type]
            only_if_bigger=self.only_if_bigger,
            pixels=self.pixels,  # type: ignore[arg-type]
            encode_format=self.encode_format,  # type: ignore[arg-type]
            encode_quality=self.encode_quality,
            skip_reencode=self.skip_reencode,
            disable_all_reencoding=self.disable_all_reencoding,
            min_image_size=self.min_image_size,
            max_aspect_ratio=self.max_aspect_ratio,
            max_image_area=self.max_image_area,
            max_pixels=self.max_pixels,
        )

    def open(self, corpus: Corpus) -> Work:
        from ..io import table
        from . import making, retrying, shards

        engine = making.engine(self, self.image_settings())
        candidates, made = self.followed(corpus), self.layer(corpus)

        def download(unit: str, tell: Tell) -> None:
            stats = candidates.stats(unit)
            if stats is not None and stats["source_kind"] == "folder":
                raise CorpusError(
                    f"shard {unit} comes from a folder of images that was not read to its end",
                    "run the same `vlcorpus import` again",
                )
            self._refuse_more(corpus)
            rows = table.read(candidates.path(f"{unit}.parquet"), "candidates").to_pylist()
            known: Iterator[tuple[int, Outcome]] = iter(())
            if self.again(corpus, unit):
                self.tidy(corpus, unit)
                known = retrying.kept(corpus, unit, rows, self._retried())
            elif made.stats(unit) is not None:
                self.tidy(corpus, unit)

            def make(wanted: list[int], journal: Journal) -> Iterator[tuple[int, Outcome]]:
                for count, each in enumerate(engine(rows, wanted, journal), 1):
                    yield each
                    if count % LOOK_AFTER == 0:
                        self._refuse_more(corpus)

            commit = UnitCommit(self, corpus, made, unit)
            refused = self.refused(corpus, unit, rows)
            # Not ended by what it tells: the fetcher ends it, when what it had asked for has come and is kept.
            shards.write(commit, corpus, unit, rows, make, calm(tell), refused=refused, known=known)

        return download

    def refused(self, corpus: Corpus, unit: str, rows: list[Row]) -> dict[int, tuple[str, str]]:
        """Rows that the decision does not keep."""
        from .samples import column

        if self.decision is None:
            return {}
        layer = f"decisions/{self.decision}"
        keeps = column(corpus, layer, unit, "decisions", "keep", [row["uid"] for row in rows])
        return {number: (NOT_KEPT, f"by decision {self.decision}") for number, keep in enumerate(keeps) if not keep}

    def _refuse_more(self, corpus: Corpus) -> None:
        """Raises where shards/ has become as large as it may."""
        if self.max_disk is None:
            return
        layer = self.layer(corpus)
        used = sum(layer.size(name) or 0 for name in layer.names())
        if used >= self.max_disk:
            raise VlcorpusError(
                f"paused: shards/ holds {used:,} bytes, and --max-disk is {self.max_disk:,}",
                "make room or allow more, and run the same command again: it goes on from here",
            )


def _paths(names: tuple[str, ...]) -> list[Path]:
    return [Path(name) for name in names]


def additional(row: Row, column: str | None) -> Any:
    """The value of an additional column of a candidate, or None."""
    if column is None or not row.get("additional"):
        return None
    return json.loads(row["additional"]).get(column)
