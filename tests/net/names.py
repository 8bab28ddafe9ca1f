"""A name server and a network of its own, so that tests count real look-ups and choose what names lead to.

    unshare --user --map-root-user --mount --net python -m tests.net.names SCENARIO      prints JSON

`isolate` runs that command, or skips where a user may not make namespaces. Inside, loopback is all there is, and
/etc/resolv.conf names 127.0.0.1, where `NameServer` answers. The scenarios are the functions in SCENARIOS.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.net.server import LoopbackServer
from vlcorpus.net.fetch import Fetcher, Limits, Manners

ROOT = Path(__file__).resolve().parents[2]
LIMITS = Limits(max_bytes=1_000_000, total_seconds=10, connect_seconds=10)
PUBLIC = "93.184.216.34"
IPV4 = 1
IPV6 = 28

# Addresses of a name, given how often its IPv4 ones were asked for before; None is NXDOMAIN, () is silence.
Answers = Callable[[str, int], Sequence[str] | None]


def isolate(scenario: str) -> Any:
    """What the scenario printed."""
    command = ["unshare", "--user", "--map-root-user", "--mount", "--net", sys.executable, "-m", "tests.net.names"]
    try:
        done = subprocess.run([*command, scenario], cwd=ROOT, capture_output=True, text=True, timeout=120)
    except FileNotFoundError:
        pytest.skip("no unshare command to make a network with")
    if done.returncode and not done.stdout:
        if "unshare" in done.stderr or "no network of its own" in done.stderr:
            pytest.skip(f"no network of its own: {done.stderr.strip()[-200:]}")
        raise AssertionError(done.stderr)
    return json.loads(done.stdout)


class NameServer:
    """Answers on 127.0.0.1:53. asked: how often each name's IPv4 addresses were asked for."""

    def __init__(self, answers: Answers) -> None:
        self.asked: Counter[str] = Counter()
        self._answers = answers
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 53))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            query, who = self._socket.recvfrom(4096)
            at, labels = 12, []
            while query[at]:
                labels.append(query[at + 1 : at + 1 + query[at]].decode())
                at += 1 + query[at]
            name, kind = ".".join(labels).lower(), struct.unpack("!H", query[at + 1 : at + 3])[0]
            addresses = self._answers(name, self.asked[name])
            if kind == IPV4:
                self.asked[name] += 1
            if addresses == ():
                continue
            family = {IPV4: socket.AF_INET, IPV6: socket.AF_INET6}.get(kind)
            ours = [one for one in addresses or () if (":" in one) == (kind == IPV6)]
            flags = 0x8180 if addresses is not None else 0x8183
            answer = query[:2] + struct.pack("!HHHHH", flags, 1, len(ours), 0, 0) + query[12 : at + 5]
            for one in ours:
                assert family is not None
                packed = socket.inet_pton(family, one)
                answer += b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 0, len(packed)) + packed
            self._socket.sendto(answer, who)


def _enter() -> None:
    """Switch loopback on, give it a public address too, and have names asked of 127.0.0.1 alone."""
    set_flags, up_and_running, set_address = 0x8914, 0x1 | 0x40, 0x8916
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, set_flags, struct.pack("16sH14x", b"lo", up_and_running))
        address = struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(PUBLIC))
        fcntl.ioctl(control, set_address, struct.pack("16s16s", b"lo:1", address))
    files = {
        "/etc/resolv.conf": "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
        "/etc/nsswitch.conf": "hosts: files dns\n",
        "/etc/hosts": "127.0.0.1 localhost\n",
    }
    libc = ctypes.CDLL(None, use_errno=True)
    for path, text in files.items():
        with tempfile.NamedTemporaryFile("w", delete=False) as written:
            written.write(text)
        bind = 4096
        if libc.mount(written.name.encode(), path.encode(), None, bind, None):
            sys.exit(f"no network of its own: {path} cannot be replaced, error {ctypes.get_errno()}")


def _manners(**changes: Any) -> Manners:
    return Manners(**{"user_agent": "t", "allow_private": ("127.0.0.0/8",), "retries": 1, **changes})


def _dead() -> Any:
    """1,000 URLs of each of three names that do not exist."""
    names = NameServer(lambda name, _: None)
    urls = [f"http://dead{n % 3}.example/{n}" for n in range(3000)]
    with Fetcher(_manners(host_breaker=0), LIMITS) as fetcher:
        reasons = Counter(response.reason for _, response in fetcher.fetch_all(urls))
    return {"reasons": reasons, "asked": names.asked}


def _alive() -> Any:
    """200 URLs of each of five names that exist."""
    names = NameServer(lambda name, _: ["127.0.0.1"])
    with LoopbackServer() as server:
        urls = [server.url(f"/ok/{n}", f"alive{n % 5}.example") for n in range(1000)]
        with Fetcher(_manners(), LIMITS) as fetcher:
            reasons = Counter(str(response.reason) for _, response in fetcher.fetch_all(urls))
    return {"reasons": reasons, "asked": names.asked}


class Canary:
    """Counts who connects to 127.0.0.1 at a port."""

    def __init__(self, port: int) -> None:
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", port), backlog=512)
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            client, _ = self._listener.accept()
            self.connections += 1
            client.close()


def _rebinding() -> Any:
    """Names that lead to a public server when first looked up, and then to loopback; names that lead to both."""

    def answers(name: str, before: int) -> Sequence[str] | None:
        if name.startswith("public"):
            return [PUBLIC]
        if name.startswith("both"):
            return ["127.0.0.1", "::1", PUBLIC]
        return [PUBLIC] if before == 0 else ["127.0.0.1", "::1"]

    NameServer(answers)
    manners = Manners(user_agent="t", retries=0, host_breaker=0)
    with LoopbackServer(PUBLIC) as server:
        canary = Canary(server.port)
        flipping = [server.url("/ok/1", f"flip{n}.example") for n in range(100)]
        with Fetcher(manners, LIMITS) as first:
            checked = Counter(str(response.reason) for _, response in first.fetch_all(flipping))
            again = Counter(str(response.reason) for _, response in first.fetch_all(flipping))
        with Fetcher(manners, LIMITS) as second:
            rebound = Counter(str(response.reason) for _, response in second.fetch_all(flipping))
            both = [server.url("/ok/1", f"both{n}.example") for n in range(20)]
            mixed = Counter(response.address for _, response in second.fetch_all(both))
            led = [
                server.url(f"/redirect-to/{code}?{server.url('/', f'flip{n}.example')}", "public.example")
                for code in (301, 302, 303, 307, 308)
                for n in range(20)
            ]
            redirected = Counter(str(response.reason) for _, response in second.fetch_all(led))
    return {
        "checked": checked,
        "again": again,
        "rebound": rebound,
        "both": mixed,
        "redirected": redirected,
        "canary": canary.connections,
    }


def _silent() -> Any:
    """A name server that does not answer for some names, beside one that does for others."""
    NameServer(lambda name, _: () if name.startswith("silent") else ["127.0.0.1"])
    with LoopbackServer() as server:
        silent = [server.url("/ok/1", f"silent{n % 20}.example") for n in range(200)]
        good = [server.url(f"/ok/{n}", f"good{n % 20}.example") for n in range(400)]
        with Fetcher(_manners(), LIMITS) as fetcher:
            order = [(index, str(response.reason)) for index, response in fetcher.fetch_all(silent + good)]
    return {
        "silent": Counter(reason for index, reason in order if index < 200),
        "good": Counter(reason for index, reason in order if index >= 200),
        "good come first": all(index >= 200 for index, _ in order[:400]),
    }


SCENARIOS = {"dead": _dead, "alive": _alive, "rebinding": _rebinding, "silent": _silent}

if __name__ == "__main__":
    _enter()
    sys.stdout.write(json.dumps(SCENARIOS[sys.argv[1]]()))
