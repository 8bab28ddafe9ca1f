"""A real S3 server on loopback (moto), and a proxy before it that fails on demand.

with server() as endpoint, Proxy(endpoint) as proxy:
    environment(proxy.url)                              what the store's library is told
    proxy.fault = at(7, "500")                          the seventh request from now fails so
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BUCKET = "crops"
# A client that waits a second, not a minute, for an answer that never comes.
IMPATIENT = '{"config_kwargs": {"read_timeout": 1, "connect_timeout": 5, "retries": {"total_max_attempts": 1}}}'
FAULTS = ("500", "503", "drop", "lost", "silence", "cut", "damage")

Fault = Callable[[int, str, str], str | None]  # (number of the request, method, path) -> what goes wrong


@contextlib.contextmanager
def server() -> Iterator[str]:
    import s3fs
    from moto.server import ThreadedMotoServer

    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    s3fs.S3FileSystem.clear_instance_cache()  # it remembers where the last server was
    try:
        yield f"http://{host}:{port}"
    finally:
        running.stop()
        s3fs.S3FileSystem.clear_instance_cache()


def environment(endpoint: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "FSSPEC_S3": IMPATIENT,
    }


def impatient() -> None:
    """In a process that has loaded the libraries already: what is tried again, is tried by us."""
    import fsspec.config
    import s3fs

    from vlcorpus.io import store

    fsspec.config.conf["s3"] = json.loads(IMPATIENT)
    s3fs.S3FileSystem.retries = 1
    s3fs.S3FileSystem.clear_instance_cache()
    store.FIRST_PAUSE = 0.001


class Bucket:
    """A bucket, empty at first, and what lies in it, asked of the server itself. All servers of a process share what
    they hold."""

    def __init__(self, endpoint: str, name: str = BUCKET) -> None:
        import boto3

        self.name = name
        keys: dict[str, Any] = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
        self._client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **keys)
        self._client.create_bucket(Bucket=name)
        self.clear()

    def names(self, prefix: str = "") -> list[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        return [each["Key"] for page in pages for each in page.get("Contents", ())]

    def objects(self, prefix: str = "") -> dict[str, bytes]:
        found = self.names(prefix)
        return {name: self._client.get_object(Bucket=self.name, Key=name)["Body"].read() for name in found}

    def put(self, name: str, body: bytes) -> None:
        self._client.put_object(Bucket=self.name, Key=name, Body=body)

    def clear(self) -> None:
        for name in self.names():
            self._client.delete_object(Bucket=self.name, Key=name)

    def unfinished(self) -> int:
        """Multipart uploads that were begun and neither completed nor aborted."""
        return len(self._client.list_multipart_uploads(Bucket=self.name).get("Uploads", ()))


class Proxy:
    """Passes requests on, but for the fault. kill: the process that a `kill` ends, before the request is passed on
    (`kill`) or after (`kill-after`). asked: (method, path) of every request."""

    def __init__(self, target: str) -> None:
        self._target = target.removeprefix("http://")
        self._lock = threading.Lock()
        self.fault: Fault | None = None
        self.kill: int | None = None
        self.asked: list[tuple[str, str]] = []
        self.released = threading.Event()
        own = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass(self) -> None:
                own._pass(self)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass

            def log_message(self, *words: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: object, client: object) -> None:
                pass  # a client that was killed

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Proxy:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()

    def _pass(self, asked: BaseHTTPRequestHandler) -> None:
        body = asked.rfile.read(int(asked.headers.get("Content-Length") or 0))
        with self._lock:
            number = len(self.asked)
            self.asked.append((asked.command, asked.path))
            wrong = self.fault(number, asked.command, asked.path) if self.fault is not None else None
        if wrong == "kill":
            self._kill(asked)
            return
        if wrong in ("500", "503"):
            self._answer(asked, int(wrong), {}, b"<Error><Code>SlowDown</Code></Error>")
            return
        if wrong == "drop":
            self._drop(asked)
            return
        if wrong == "silence":
            self.released.wait(30)
            self._drop(asked)
            return
        if wrong == "damage" and body:
            body = bytes([body[0] ^ 1]) + body[1:]
        status, headers, answer = self._ask(asked, body)
        if wrong == "kill-after":
            self._kill(asked)
        elif wrong == "lost":
            self._drop(asked)
        elif wrong == "cut" and asked.command == "GET" and answer:
            self._answer(asked, status, headers, answer, most=len(answer) // 2)
            self._drop(asked)
        else:
            self._answer(asked, status, headers, answer)

    def _ask(self, asked: BaseHTTPRequestHandler, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self._target, timeout=60)
        try:
            connection.request(asked.command, asked.path, body=body or None, headers=dict(asked.headers))
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def _answer(
        self, asked: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes, most: int | None = None
    ) -> None:
        asked.send_response_only(status)
        length = headers.get("Content-Length") if asked.command == "HEAD" else str(len(body))
        for name, value in headers.items():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                asked.send_header(name, value)
        asked.send_header("Content-Length", length or "0")
        asked.end_headers()
        if asked.command != "HEAD":
            asked.wfile.write(body[:most])
        asked.wfile.flush()

    def _drop(self, asked: BaseHTTPRequestHandler) -> None:
        asked.close_connection = True
        with contextlib.suppress(OSError):
            asked.connection.shutdown(socket.SHUT_RDWR)

    def _kill(self, asked: BaseHTTPRequestHandler) -> None:
        if self.kill is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.kill, signal.SIGKILL)
        self._drop(asked)


def at(number: int, wrong: str, *, first: int = 0) -> Fault:
    """The request with this number, counted from `first`, goes wrong."""
    return lambda asked, method, path: wrong if asked == first + number else None


def every(wrong: str, method: str, path: str, times: int) -> Fault:
    """The first `times` requests of a method whose path matches go wrong."""
    left = [times]

    def fault(number: int, asked: str, where: str) -> str | None:
        if asked == method and re.search(path, where) and left[0]:
            left[0] -= 1
            return wrong
        return None

    return fault
