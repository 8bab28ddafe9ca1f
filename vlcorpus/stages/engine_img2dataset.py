"""The other engine of `download`: img2dataset fetches and resizes a shard, and what it left is held against the order.

    settings = Img2DatasetSettings(image_size=256, resize_mode="center_crop")
    for number, outcome in fetch_with_img2dataset({0: "https://example.com/a.jpg", 7: ...}, settings, scratch):
        outcome.row          {"status": "success", "width": 256, "height": 256, "sha256": ...}
        outcome.members      {"jpg": b"..."}

Each row carries its number through the tool, and each number asked for gives one outcome: an image, an error, or
"lost_by_engine". What robots.txt forbids must have been taken out before.

What this engine does not have: an address check at the connection (hosts are resolved and judged before; redirects, and
names that change their address in between, are not), a bound on bytes, a total time of a fetch, Retry-After, a limit
for each host, opt-outs but X-Robots-Tag, EXIF orientation. Prefer the own engine; this one is for corpora that must be
fetched just as img2dataset fetches.

Cost: 5 to 10 CPU seconds of starting, each shard; then 6.5 CPU ms an image over http, 30 over https (Python 3.11).
Nothing is yielded before the whole shard is done, except for refused hosts.
"""

from __future__ import annotations

import importlib.util
import socket
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..net.address import Network
    from .download import Download
    from .outcome import Outcome

DIRECTIVES = ("noai", "noimageai", "noindex", "noimageindex", "noml", "none")

_RESOLVERS = 64
# Settings of `download` that mean nothing here, so that to set one is a mistake.
_NOT_HERE = frozenset(
    (
        "contact", "max_bytes", "connect_timeout", "min_speed", "max_redirects", "per_host", "adaptive", "delay",
        "connect_to", "max_pixels", "blocklist", "blocklist_pdq", "verify_hash", "blur_column",
    )
)  # fmt: skip
_SAME_NAME = (
    "image_size", "resize_mode", "encode_format", "encode_quality", "skip_reencode", "disable_all_reencoding",
    "min_image_size", "max_image_area", "max_aspect_ratio", "timeout", "retries", "allow_private",
)  # fmt: skip
_LEAST_PATIENCE = 600.0
_INSTALL = "pip install 'vlcorpus[img2dataset]' (Python 3.11 or 3.12), or leave --engine out"


@dataclass(frozen=True, kw_only=True)
class Img2DatasetSettings:
    """Options of `img2dataset.download`, with its names and meanings."""

    image_size: int | None = 512
    """Pixels; None keeps the bytes as fetched, as `disable_all_reencoding` does."""
    resize_mode: str = "keep_ratio_largest"
    resize_only_if_bigger: bool = True
    encode_format: str = "jpg"
    encode_quality: int = 95
    """As for `images.encode`: 0-9 for png, where it is the level of compression."""
    skip_reencode: bool = False
    disable_all_reencoding: bool = False
    min_image_size: int = 0
    max_image_area: float = float("inf")
    max_aspect_ratio: float = float("inf")
    timeout: float = 30.0
    """Seconds to wait for the next bytes, not for the whole."""
    retries: int = 1
    """At once, and for every failure."""
    thread_count: int = 64
    extract_exif: bool = True
    user_agent_token: str | None = "vlcorpus"
    """Stands in the user agent beside a browser's name and img2dataset's address; None leaves the browser's alone."""
    disallowed_header_directives: tuple[str, ...] = DIRECTIVES
    """Of X-Robots-Tag; () asks for none."""
    allow_private: tuple[str, ...] = ()
    """Networks that may be fetched from though they are not public; 0.0.0.0/0 with ::/0 turns the check off."""
    patience: float | None = None
    """Seconds without new output after which img2dataset is ended; None: 600, or ten times what one URL may take."""

    @property
    def keeps_bytes(self) -> bool:
        return self.image_size is None or self.disable_all_reencoding

    def silence(self) -> float:
        """`patience`, with its default worked out."""
        if self.patience is not None:
            return self.patience
        return max(_LEAST_PATIENCE, 10 * self.timeout * (1 + self.retries))


def check(stage: Download) -> None:
    """Raises UsageError where this engine cannot do what the stage asks for."""
    from .. import spec
    from ..errors import UsageError

    for each in spec.settings_of(type(stage)):
        if each.name in _NOT_HERE and getattr(stage, each.name) != each.default:
            raise UsageError(f"img2dataset knows nothing of {each.option}", f"leave {each.option} or --engine out")
    if stage.pixels == "fast":
        raise UsageError("the pixels of img2dataset are its own, and not fast", "leave --pixels or --engine out")
    check_settings(settings_of(stage))


def settings_of(stage: Download) -> Img2DatasetSettings:
    """What the stage asks for, in img2dataset's words."""
    return Img2DatasetSettings(
        resize_only_if_bigger=stage.only_if_bigger,
        thread_count=stage.concurrency,
        disallowed_header_directives=DIRECTIVES if stage.optout == "drop" else (),
        **{name: getattr(stage, name) for name in _SAME_NAME},
    )


def check_settings(settings: Img2DatasetSettings) -> None:
    """Raises UsageError where the package cannot be had or a setting cannot be."""
    from ..errors import UsageError
    from ..images.encode import check_format
    from ..net.address import networks

    if importlib.util.find_spec("img2dataset") is None:
        raise UsageError("the package img2dataset is not installed", _INSTALL)
    if importlib.util.find_spec("imghdr") is None:  # a module that Python 3.13 has no more, and img2dataset imports
        version = ".".join(map(str, sys.version_info[:2]))
        raise UsageError(f"img2dataset cannot be imported by Python {version}", _INSTALL)
    check_format(settings.encode_format, settings.encode_quality)
    networks(settings.allow_private)
    token = settings.user_agent_token
    if token is not None and not (token.isascii() and token.isprintable()):
        raise UsageError(f"user_agent_token {token!r} cannot stand in a header", "use printable ASCII characters")


def fetch_with_img2dataset(
    urls: dict[int, str], settings: Img2DatasetSettings, scratch: Path
) -> Iterator[tuple[int, Outcome]]:
    """(row number, outcome) of each URL, once each: those refused for their host's address, then what img2dataset left.

    urls: as `requestable` gives them. scratch: an empty folder, the caller's to remove. Raises UsageError as
    `check_settings` does, VlcorpusError where the package fails as a whole.
    """
    from .engine_img2dataset_left import outcomes_of, without
    from .engine_img2dataset_run import run_img2dataset
    from .outcome import DOWNLOAD

    check_settings(settings)
    free = dict(urls)
    for number, reason, message in refused_hosts(urls, settings.allow_private):
        del free[number]
        yield number, without(DOWNLOAD, reason, message)
    if free:
        yield from outcomes_of(free, settings, run_img2dataset(free, settings, scratch))


def refused_hosts(urls: dict[int, str], allow_private: Iterable[str]) -> Iterator[tuple[int, str, str]]:
    """(row number, reason, message) of URLs whose host has no address, or one that is neither public nor allowed."""
    from concurrent.futures import ThreadPoolExecutor

    from ..net.address import networks
    from ..net.url import host

    allow = networks(allow_private)
    if {each.version for each in allow if each.prefixlen == 0} == {4, 6}:
        return
    hosts = {number: host(url) for number, url in urls.items()}
    names = sorted(set(hosts.values()))
    with ThreadPoolExecutor(_RESOLVERS) as pool:
        verdicts = dict(zip(names, pool.map(lambda name: _verdict(name, allow), names), strict=True))
    for number, name in hosts.items():
        if (verdict := verdicts[name]) is not None:
            yield number, *verdict


def _verdict(name: str, allow: Sequence[Network]) -> tuple[str, str] | None:
    from ..net.address import refusal

    try:
        found = sorted({str(where[0]) for *_, where in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)})
    except (OSError, UnicodeError) as error:
        return "dns_failure", str(error)
    for address in found:
        if (reason := refusal(address, allow)) is not None:
            return reason, f"{address} is not a public address"
    return None
