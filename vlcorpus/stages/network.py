"""The settings of every stage that fetches, and the fetcher they describe."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import __version__
from ..errors import UsageError
from ..spec import setting
from .base import Stage

if TYPE_CHECKING:
    from ..net.fetch import Fetcher, Manners
    from ..net.names import Names
    from ..net.optout import Evidence
    from ..web.sources.resolve import Reach

TOKEN = "vlcorpus"  # what robots.txt and scoped opt-outs call us


@dataclass(frozen=True, kw_only=True)
class Network(Stage):
    contact: str | None = setting(
        None, help="Web or mail address put into the user agent, so that site owners can reach you.", panel="Network"
    )
    obey_robots: bool = setting(True, help="Ask robots.txt first and request nothing that it denies.", panel="Network")
    optout: str = setting(
        "drop",
        help="What to do with pages and images that opt out (robots directives, TDM reservation, AI preferences …).",
        choices=("drop", "tag"),
        panel="Network",
    )
    max_bytes: int = setting(20_000_000, help="Largest body.", unit="bytes", least=1, panel="Network")
    timeout: float = setting(30.0, help="Total time of one fetch.", unit="s", least=0.1, most=86_400, panel="Network")
    connect_timeout: float = setting(
        10.0, help="Time to find and reach a host.", unit="s", least=0.1, most=3_600, panel="Network"
    )
    min_speed: int = setting(512, help="Least speed of a body, over 10 s.", unit="bytes/s", least=0, panel="Network")
    max_redirects: int = setting(5, help="Redirects that are followed.", least=0, most=50, panel="Network")
    retries: int = setting(1, help="Tries after a failure that may pass.", least=0, most=10, panel="Network")
    concurrency: int = setting(
        64, help="Fetches at once in a worker.", least=1, most=1024, result=False, panel="Network"
    )
    per_host: int = setting(8, help="Fetches at once from one host.", least=1, most=256, result=False, panel="Network")
    adaptive: bool = setting(
        True,
        help="Ask a host for fewer at once while it answers 429 or 503 or not in time.",
        result=False,
        panel="Network",
    )
    allow_private: tuple[str, ...] = setting(
        (), help="Networks that may be fetched from though they are not public, as 127.0.0.0/8.", panel="Network"
    )
    connect_to: tuple[str, ...] = setting(
        (), help="HOST:PORT:ADDRESS:PORT: fetch HOST from ADDRESS (a mirror).", result=False, panel="Network"
    )

    def user_agent(self) -> str:
        return f"{TOKEN}/{__version__}" + (f" (+{self.contact})" if self.contact else "")

    def check_network(self) -> None:
        """Refuse settings that no fetcher can have, before any work."""
        from ..net.fetch import Fetcher

        if self.contact is not None and (not self.contact.isascii() or not self.contact.isprintable()):
            raise UsageError(f"contact {self.contact!r} cannot stand in a header", "use printable ASCII characters")
        Fetcher(self.manners()).close()

    def fetcher(self, *, accept: str, encodings: str, delay: float = 0.0, names: Names | None = None) -> Fetcher:
        """A fetcher with these manners; a transfer whose headers opt out ends before its body.

        delay: seconds between two requests to a host. names: look-ups, shared with another fetcher.
        """
        from ..net.fetch import Fetcher, Limits
        from ..net.optout import refuse_opted_out

        limits = Limits(
            max_bytes=self.max_bytes,
            total_seconds=self.timeout,
            connect_seconds=self.connect_timeout,
            min_bytes_per_second=self.min_speed,
            max_redirects=self.max_redirects,
        )
        refuse = refuse_opted_out(TOKEN) if self.optout == "drop" else None
        gap = (lambda origin: delay) if delay else None
        return Fetcher(self.manners(), limits, accept, refuse, encodings=encodings, delay=gap, names=names)

    def reach(self) -> Reach:
        """With these manners, to files named by URL."""
        from ..web.sources.resolve import Reach

        return Reach(self.manners())

    def manners(self) -> Manners:
        from ..net.fetch import Manners

        return Manners(
            user_agent=self.user_agent(),
            concurrency=self.concurrency,
            per_host=self.per_host,
            adaptive=self.adaptive,
            retries=self.retries,
            allow_private=self.allow_private,
            connect_to=self.connect_to,
        )


def written(evidence: Iterable[Evidence]) -> list[str] | None:
    """Opt-out evidence as tables hold it: signal|source|value each; None where there is none."""
    return [f"{each.signal}|{each.source}|{each.value}" for each in evidence] or None
