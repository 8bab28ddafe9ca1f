"""A small web server on the loopback for a folder: what the demo and the tests crawl.

    with Served(site.root) as served:
        served.port                                         # 40123
        served.connect_to                                   # ('world.test:80:127.0.0.1:40123',)

    python -m vlcorpus.world.server FOLDER --port 0         # the port is its first line; ends when its stdin ends

HTTP/1.1 with keep-alive, GET and HEAD, one thread a connection, 127.0.0.1 only. A child process, so that it costs the
measured process nothing, and one that cannot outlive its parent: it ends when its stdin closes or its parent is gone.
`headers.json` in the folder may add to answers, path by path:

    {"/images/ab.jpg": {"headers": {"X-Robots-Tag": "noai"}}, "/gone": {"status": 410}, "/slow.jpg": {"delay_s": 0.5}}

It is read at the start and never served. No directory listings, nothing outside the folder, no name lookups, no
dates. `--log FILE` appends one line `METHOD PATH STATUS` per answer. About 40 µs of CPU a request. Answers leave in
one write with TCP_NODELAY: without, each would wait 40 ms for the client's acknowledgement. Not for the open network.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import unquote

from vlcorpus.errors import SourceError
from vlcorpus.world.planted import HOST

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".json": "application/json",
    ".xml": "application/xml",
    ".pdf": "application/pdf",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".gif": "image/gif",
    ".webp": "image/webp",
}
_MAX_LINE = 16_384
_MAX_HEADERS = 100
_IDLE_S = 60.0


class Served:
    """A server of `folder` in a child process, as a context manager.

    delay_s: every answer waits so long. log: file that gets a line per answer. host: the name that `connect_to` maps
    to the server, in curl's form (CURLOPT_CONNECT_TO). Raises SourceError if the child does not come up.
    """

    def __init__(self, folder: Path, *, delay_s: float = 0.0, log: Path | None = None, host: str = HOST) -> None:
        self._command = [sys.executable, "-m", "vlcorpus.world.server", os.fspath(folder), "--port", "0"]
        self._command += ["--delay", repr(delay_s)]
        if log is not None:
            self._command += ["--log", os.fspath(log)]
        self._host = host
        self._child: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def pid(self) -> int:
        """The child's process id; 0 when it does not run."""
        return self._child.pid if self._child else 0

    @property
    def connect_to(self) -> tuple[str, ...]:
        return (f"{self._host}:80:127.0.0.1:{self.port}",)

    def __enter__(self) -> Served:
        # The child must find this very package, installed or not. A session of its own: Ctrl-C is the parent's to
        # handle, and what it still fetches on its way out must be answered.
        paths = [os.fspath(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]
        child = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in paths if path)},
            start_new_session=True,
        )
        self._child = child
        assert child.stdout is not None
        first = child.stdout.readline()
        if not first.strip().isdigit():
            child.communicate()
            self._child = None
            raise SourceError(f"the web server did not start: {first.decode(errors='replace').strip() or 'no word'}")
        self.port = int(first)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._child is not None:
            try:
                self._child.communicate(timeout=5)  # closes its stdin
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.communicate()
            self._child = None


class _Handler(socketserver.StreamRequestHandler):
    server: _Server
    disable_nagle_algorithm = True
    timeout = _IDLE_S
    wbufsize = 0

    def handle(self) -> None:
        try:
            while self._answer_one():
                pass
        except OSError:
            pass  # the client went away or fell silent

    def _answer_one(self) -> bool:
        """Answer one request; whether the connection stays open."""
        line = self.rfile.readline(_MAX_LINE)
        words = line.split()
        if not words:
            return False
        keep = len(words) == 3 and words[2] == b"HTTP/1.1"
        for _ in range(_MAX_HEADERS):
            header = self.rfile.readline(_MAX_LINE)
            if header in (b"\r\n", b"\n", b""):
                break
            lower = header.lower()
            if lower.startswith(b"connection:"):
                keep = b"close" not in lower and (keep or b"keep-alive" in lower)
            elif lower.startswith((b"content-length:", b"transfer-encoding:")):
                keep = False  # a body is not read, so nothing after it can be
        else:
            return self._send("-", "-", 431, b"", {}, False)
        if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
            return self._send("-", "-", 400, b"", {}, False)
        method, target = words[0].decode("latin-1"), words[1].decode("latin-1")
        if method not in ("GET", "HEAD"):
            return self._send(method, target, 405, b"", {"Allow": "GET, HEAD"}, False)
        if "://" in target and not target.startswith("/"):
            # The absolute form, which a client sends to a proxy.
            target = "/" + target.partition("://")[2].partition("/")[2]
        path = unquote(target.partition("?")[0])
        special = self.server.special.get(path, {})
        payload = self.server.read(path)
        status = special.get("status", 404 if payload is None else 200)
        headers = {"Content-Type": _TYPES.get(os.path.splitext(path)[1].lower(), "application/octet-stream")}
        if payload is None or path.endswith("/"):
            headers["Content-Type"] = _TYPES[".html"]
        headers |= special.get("headers", {})
        wait = self.server.delay_s + special.get("delay_s", 0.0)
        if wait:
            time.sleep(wait)
        return self._send(method, target, status, payload or b"", headers, keep)

    def _send(self, method: str, target: str, status: int, payload: bytes, headers: dict[str, str], keep: bool) -> bool:
        if status >= 400 and not payload:
            payload = f"<!doctype html><title>{status}</title><h1>{status} {_phrase(status)}</h1>\n".encode()
        lines = [f"HTTP/1.1 {status} {_phrase(status)}", f"Content-Length: {len(payload)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += ["Connection: keep-alive" if keep else "Connection: close", "", ""]
        head = "\r\n".join(lines).encode("latin-1", "replace")
        # Logged before it is sent: who has the answer finds it in the log.
        self.server.note(f"{method} {target} {status}\n")
        self.request.sendall(head if method == "HEAD" else head + payload)
        return keep


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024
    allow_reuse_address = True

    def __init__(self, folder: Path, port: int, delay_s: float, log: Path | None) -> None:
        self.root = os.path.realpath(folder)
        self.delay_s = delay_s
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644) if log else -1
        rules = Path(self.root, "headers.json")
        self.special: dict[str, dict[str, Any]] = json.loads(rules.read_bytes()) if rules.exists() else {}
        super().__init__(("127.0.0.1", port), _Handler)

    def read(self, path: str) -> bytes | None:
        """The bytes of the file at an URL path, None if there is none to be served."""
        steps = path.split("/")
        if steps[0] or "\0" in path or path == "/headers.json" or any(step.startswith(".") for step in steps):
            return None
        if not steps[-1]:
            path += "index.html"
        place = os.path.realpath(self.root + path)
        if not place.startswith(self.root + os.sep):
            return None
        try:
            with open(place, "rb", buffering=0) as file:
                return file.read()
        except OSError:
            return None

    def note(self, line: str) -> None:
        if self._log >= 0:
            os.write(self._log, line.encode("utf-8", "replace"))

    def handle_error(self, request: socket.socket | tuple[bytes, socket.socket], client_address: Any) -> None:
        """A bug's traceback goes to stderr (the base class would print a banner around it)."""
        sys.excepthook(*sys.exc_info())


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def _wait_for_parent() -> None:
    """Returns when stdin ends or the parent is gone (a forked sibling may still hold the pipe open)."""
    parent = os.getppid()
    while os.getppid() == parent:
        ready, _, _ = select.select([0], [], [], 1.0)
        if ready and not os.read(0, 65_536):
            return


def main(arguments: Sequence[str] | None = None) -> int:
    """The child's program."""
    parser = argparse.ArgumentParser(prog="python -m vlcorpus.world.server", description="Serve a folder on 127.0.0.1.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds every answer waits")
    parser.add_argument("--log", type=Path, help="file that gets a line per answer")
    chosen = parser.parse_args(arguments)
    if not chosen.folder.is_dir():
        # On stdout, where the parent reads the port.
        sys.stdout.write(f"{chosen.folder} is not a folder\n")
        return 1
    try:
        server = _Server(chosen.folder, chosen.port, chosen.delay, chosen.log)
    except (OSError, ValueError) as error:
        sys.stdout.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 30.0}, daemon=True).start()
    try:
        _wait_for_parent()
    except KeyboardInterrupt:
        pass
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # connections may still be open; nothing here needs tidying


if __name__ == "__main__":
    sys.exit(main())
