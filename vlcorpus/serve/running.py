"""Opens a corpus and serves it until it is told to end.

    run("birds", Serving(port=0), ready=print)      ready is told the URL, once requests are taken

Cost to be ready: what opening the corpus costs; 1M rows take under a second. The server ends at once at SIGINT or
SIGTERM, whatever is under way: nothing of the corpus is ever written.
"""

from __future__ import annotations

import ipaddress
import re
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError, VlcorpusError
from .guard import Door
from .limits import Limits

if TYPE_CHECKING:
    import uvicorn
    from starlette.types import ASGIApp

    from .state import State

LEAST_TOKEN = 16
LOCAL = frozenset(("127.0.0.1", "localhost", "[::1]"))
_TOKEN = re.compile(rf"[A-Za-z0-9_.~-]{{{LEAST_TOKEN},200}}")
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_HEAD_BYTES = 32_768
_BACKLOG = 128
_ITSELF = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""By what address this machine reaches itself, where it listens at all of them."""


@dataclass(frozen=True, kw_only=True)
class Serving:
    """token: made up where none is given and others than this machine may connect. allow_hosts: names by which the
    server is asked, beside its own. Raises UsageError for what cannot be."""

    host: str = "127.0.0.1"
    port: int = 1717
    token: str | None = None
    model: str | None = None
    allow_hosts: tuple[str, ...] = ()
    allow_urls: bool = False
    allow_private: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if self.token is not None and not _TOKEN.fullmatch(self.token):
            raise UsageError(
                "that token will not do", f"give {LEAST_TOKEN} to 200 letters, digits and - _ . ~, hard to guess"
            )
        for name in self.allow_hosts:
            _bracketed(name)

    @property
    def loopback(self) -> bool:
        """Whether only this machine can connect."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return False

    def door(self, port: int) -> Door:
        token = self.token if self.token is not None or self.loopback else secrets.token_urlsafe(32)
        own = (self.host, *self.allow_hosts)
        return Door(LOCAL | {_bracketed(name) for name in own}, port, token)


def run(place: str | Path, serving: Serving, *, ready: Callable[[str, State], None]) -> None:
    """Serves until a signal. ready: told the URL, with the token where there is one. CorpusError and UsageError for
    what cannot be served, VlcorpusError where the port is taken."""
    import uvicorn

    from ..views.collection import open_collection
    from .app import application
    from .state import State

    collection = open_collection(place, model=serving.model)
    listening = _listen(serving.host, serving.port)
    with listening:
        port = listening.getsockname()[1]
        door = serving.door(port)
        state = State(
            collection,
            serving.limits,
            place,
            allow_urls=serving.allow_urls,
            allow_private=serving.allow_private,
            model=serving.model,
        )
        asked = f"/?token={door.token}" if door.token is not None else "/"
        shown = _ITSELF.get(serving.host.strip("[]"), serving.host)
        ready(f"http://{_bracketed(shown)}:{port}{asked}", state)
        try:
            uvicorn.Server(config(application(state, door), serving.limits)).run(sockets=[listening])
        finally:
            state.close()


def config(app: ASGIApp, limits: Limits) -> uvicorn.Config:
    """How uvicorn serves `app`: HTTP alone, quietly, with bounds on connections, heads and what is slow."""
    import uvicorn

    from .patience import patient

    return uvicorn.Config(
        app,
        http=patient(limits.body_seconds),
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=limits.connections,
        h11_max_incomplete_event_size=_HEAD_BYTES,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=1,
    )


def _listen(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listening = socket.socket(family, kind, protocol)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(_BACKLOG)
        except OSError:
            listening.close()
            raise
        return listening
    except (OSError, UnicodeError) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise VlcorpusError(
            f"cannot listen at {host} port {port}: {said.lower()}",
            "name another port, or --port 0 for any that is free",
        ) from None


def _bracketed(name: str) -> str:
    """A host as URLs have it, in lower case. UsageError for what is none."""
    bare = name.strip("[]").lower()
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        if not _NAME.fullmatch(bare):
            raise UsageError(f"{name!r} is no name of a host", "give a name or an address, without a port") from None
        return bare
    return f"[{address.compressed}]" if address.version == 6 else address.compressed
