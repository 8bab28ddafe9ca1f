"""download: candidates become WebDataset shards, in img2dataset's layout and columns.

    vlcorpus download CORPUS --image-size 512

Every candidate is a row of shards/NNNNN.parquet, fetched or not; images and alt texts stand in shards/NNNNN.tar.
Robots.txt of the image's host is asked and opt-out headers end a transfer before its body.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..corpus import Corpus
from ..errors import CorpusError
from ..spec import setting
from .base import Tell, Work
from .network import TOKEN, Network, written

if TYPE_CHECKING:
    from ..images.prepare import ImageSettings

ACCEPT = "image/avif,image/webp,image/png,image/jpeg,image/*;q=0.8,*/*;q=0.5"
MAX_CONTENT_TYPE = 200  # characters that are kept


@dataclass(frozen=True, kw_only=True)
class Download(Network):
    """Fetch images and write them with their alt texts into shards."""

    name = "download"
    makes = "shards"
    follows = "candidates"
    libraries = ("pillow", "opencv-python-headless", "pycurl")

    image_size: int | None = setting(
        512, help="Side that resize_mode fixes; none keeps the bytes.", unit="px", least=1, most=16_383,
        panel="Images",
    )  # fmt: skip
    resize_mode: str = setting(
        "keep_ratio_largest",
        help="How image_size is meant, as in img2dataset.",
        choices=("no", "border", "keep_ratio", "keep_ratio_largest", "center_crop"),
        panel="Images",
    )
    only_if_bigger: bool = setting(True, help="Never enlarge.", panel="Images")
    encode_format: str = setting("jpg", help="Format of stored images.", choices=("jpg", "png", "webp"), panel="Images")
    encode_quality: int = setting(95, help="Quality of stored images.", least=0, most=100, panel="Images")
    min_image_size: int = setting(0, help="Least shorter side.", unit="px", least=0, panel="Images")
    max_aspect_ratio: float = setting(math.inf, help="Greatest longer side over shorter side.", least=1, panel="Images")
    max_image_area: float = setting(math.inf, help="Greatest area.", unit="px", least=1, panel="Images")
    max_pixels: int = setting(
        89_478_485, help="Images above this are refused by their header, before decoding.", unit="px", least=1,
        panel="Images",
    )  # fmt: skip

    def settled(self, corpus: Corpus, unit: str) -> bool:
        stats = corpus.layer("shards").stats(unit)
        return stats is not None and stats["stage"] == "import"

    def check(self, corpus: Corpus) -> None:
        self.check_network()
        self._image_settings()

    def _image_settings(self) -> ImageSettings:
        from ..images.prepare import ImageSettings

        return ImageSettings(
            image_size=self.image_size,
            resize_mode=self.resize_mode,  # type: ignore[arg-type]
            only_if_bigger=self.only_if_bigger,
            encode_format=self.encode_format,  # type: ignore[arg-type]
            encode_quality=self.encode_quality,
            min_image_size=self.min_image_size,
            max_aspect_ratio=self.max_aspect_ratio,
            max_image_area=self.max_image_area,
            max_pixels=self.max_pixels,
        )

    def open(self, corpus: Corpus) -> Work:
        import cv2

        from ..io import table
        from ..net.optout import evidence
        from ..net.url import origin, requestable
        from . import shards

        cv2.setNumThreads(1)
        fetcher = self.fetcher(accept=ACCEPT, encodings="identity")
        asked = self.robots()
        settings = self._image_settings()
        candidates = self.followed(corpus)

        def allowed(urls: dict[int, str]) -> Iterator[tuple[int, str | None]]:
            """Row numbers with the reason why robots.txt forbids them, or None."""
            if asked is None:
                yield from ((number, None) for number in urls)
                return
            robots, robots_fetcher = asked
            robots.prefetch({origin(url) for url in urls.values()}, robots_fetcher)
            yield from ((number, robots.verdict(url)) for number, url in urls.items())

        def fetch(rows: list[dict[str, Any]], wanted: list[int]) -> Iterator[tuple[int, shards.Fetched]]:
            urls: dict[int, str] = {}
            for number in wanted:
                urls[number], reason = requestable(rows[number]["url"])
                if reason is not None:
                    del urls[number]
                    yield number, shards.Fetched(reason=reason)
            free = []
            for number, reason in allowed(urls):
                if reason is None:
                    free.append(number)
                else:
                    yield number, shards.Fetched(reason=reason)
            for place, answer in fetcher.fetch_all(urls[number] for number in free):
                number = free[place]
                reason = answer.reason
                if reason is None and answer.final_url != urls[number]:
                    reason = next(allowed({number: answer.final_url}))[1]
                content_type = answer.header("content-type")[-1:]
                yield (
                    number,
                    shards.Fetched(
                        body=answer.body if reason is None else b"",
                        reason=reason,
                        message=answer.message,
                        final_url=answer.final_url or None,
                        http_status=answer.status,
                        content_type=content_type[0][:MAX_CONTENT_TYPE] if content_type else None,
                        optout=written(evidence(answer.headers, TOKEN)),
                    ),
                )

        def download(unit: str, tell: Tell) -> None:
            stats = candidates.stats(unit)
            if stats is not None and stats["source_kind"] == "folder":
                raise CorpusError(
                    f"shard {unit} comes from a folder of images that was not read to its end",
                    "run the same `vlcorpus import` again",
                )
            rows = table.read(candidates.path(f"{unit}.parquet"), "candidates").to_pylist()
            commit = self.commit(corpus, unit)
            shards.write(commit, corpus, unit, rows, lambda wanted: fetch(rows, wanted), settings, tell)

        return download
