"""A server that takes every connection, reads nothing, and sends a byte every 20 ms: what it is in the middle of, it
never ends.

    with DrippingServer(b"\\x16\\x03\\x03\\x40\\x00") as server:      the beginning of a TLS record
        server.port
"""

from __future__ import annotations

import socket
import threading
from types import TracebackType


class DrippingServer:
    """begin: sent at once, before the drops."""

    def __init__(self, begin: bytes) -> None:
        self._begin = begin
        self._closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> DrippingServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._thread.join(5)
        self._listener.close()

    def _run(self) -> None:
        clients: list[socket.socket] = []
        while not self._closing.wait(0.02):
            try:
                while True:
                    client, _ = self._listener.accept()
                    client.setblocking(False)
                    client.send(self._begin)
                    clients.append(client)
                    self.connections += 1
            except BlockingIOError:
                pass
            for client in list(clients):
                try:
                    client.send(b"\0")
                except OSError:  # it left
                    clients.remove(client)
                    client.close()
        for client in clients:
            client.close()
