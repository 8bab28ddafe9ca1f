"""A server as a person starts it, and requests as anybody may make them.

with Live(path, "--token", "0123456789abcdef") as live:
    live.ask("GET", "/api/about")                           Answer(status=200, headers={...}, body=b"...")
    live.post("/api/search", {"query": "a red circle"})     the same, of JSON
"""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from tests.cli.shell import COMMAND, environment


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Live:
    """corpus: its path, or its address. url: without a slash at the end, and without the token; shown: as the server
    printed it."""

    def __init__(self, corpus: Path | str, *flags: str, env: Mapping[str, str] | None = None) -> None:
        self.corpus = corpus
        self._env = environment(env)
        self._command = [*COMMAND, "serve", str(corpus), "--port", "0", *flags]
        self.shown = self.url = self.host = ""
        self.port = 0

    def __enter__(self) -> Self:
        self.child = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self._env
        )
        assert self.child.stdout is not None
        self.shown = self.child.stdout.readline().strip()
        if not self.shown:
            _, said = self.child.communicate()
            raise RuntimeError(f"the server did not start: {said}")
        parts = urlsplit(self.shown)
        self.host, self.port = parts.hostname or "", parts.port or 0
        self.url = f"{parts.scheme}://{parts.netloc}"
        return self

    def __exit__(self, *exception: object) -> None:
        self.end()

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Exit code, and what it said on stderr."""
        if self.child.returncode is None:
            self.child.send_signal(number)
        _, said = self.child.communicate(timeout=30)
        return self.child.returncode, said

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        given = {"Host": f"{self.host}:{self.port}"} | dict(headers or {})
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in given.items():
                connection.putheader(name, value)
            if body is not None and "Content-Length" not in given:
                connection.putheader("Content-Length", str(len(body)))
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # refused before it had read all
                connection.endheaders(body)
            response = connection.getresponse()
            return Answer(
                response.status, {name.lower(): text for name, text in response.getheaders()}, response.read()
            )
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        """What an address tells; it must tell it."""
        found = self.ask("GET", path)
        assert found.status == 200, found.body
        return found.json

    def post(self, path: str, value: Any, **headers: str) -> Answer:
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return self.ask("POST", path, json.dumps(value).encode(), {"Content-Type": "application/json"} | named)

    def search(self, **asked: Any) -> Any:
        found = self.post("/api/search", asked)
        assert found.status == 200, found.body
        return found.json


def run(live: Live, said: bytes, *, most: int = 65_536) -> bytes:
    """What it answers to bytes that are no request, or an odd one, until it has no more to say or `most` bytes."""
    found = b""
    with socket.create_connection((live.host, live.port), timeout=60) as connection:
        with contextlib.suppress(OSError):  # it may have closed before it read all
            connection.sendall(said)
            connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(OSError):
            while len(found) < most and (chunk := connection.recv(4096)):
                found += chunk
    return found
