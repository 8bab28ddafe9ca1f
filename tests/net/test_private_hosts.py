"""No way to name a host of this machine or this network reaches it; tests/net/test_names.py has names that change."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.net.server import LoopbackServer
from vlcorpus.net.fetch import Fetcher, Limits, Manners

QUICK = Limits(max_bytes=1_000_000, total_seconds=4, slow_seconds=1, connect_seconds=5)


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer() as started:
        yield started


# Ways to write an address of this machine or this network.
HOSTS = [
    *("127.0.0.1", "127.1", "127.0.1", "127.255.255.254", "0", "0.0.0.0", "2130706433", "0x7f000001", "0x7f.1"),
    *(
        "017700000001",
        "0177.0.0.1",
        "0177.1",
        "127.0.0.1.",
        "127.000.000.001",
        "①②⑦.⓪.⓪.①",
        "127。0。0。1",
        "１２７.0.0.1",
    ),
    *("%31%32%37.0.0.1", "127%2e0.0.1", "localhost", "LOCALHOST", "localhost.", "a.localhost", "localhost.localdomain"),
    *("[::1]", "[0:0:0:0:0:0:0:1]", "[::]", "[::127.0.0.1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"),
    *("[::ffff:0:127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[fe80::1]", "[fc00::1]", "[ff02::1]"),
    *("10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "192.0.0.192", "224.0.0.1"),
    *("255.255.255.255", "metadata", "127.0.0.1@example.com", "example.com@127.0.0.1"),
]


def test_no_way_to_write_a_private_host_reaches_it(server: LoopbackServer) -> None:
    assert len(set(HOSTS)) >= 43
    with LoopbackServer("::1") as second:
        urls = [server.url("/canary", host) for host in HOSTS] + [second.url("/canary", host) for host in HOSTS]
        manners = Manners(user_agent="t", retries=0, host_breaker=0)
        with Fetcher(manners, QUICK) as fetcher:
            got = dict(fetcher.fetch_all(urls))
        assert len(got) == len(urls)
        assert (server.connections, second.connections) == (0, 0)
    # Some forms are no host at all, or do not resolve, depending on the machine.
    expected = {"private_address", "dns_failure", "bad_url"}
    assert {urls[n]: response.reason for n, response in got.items() if response.reason not in expected} == {}
    reasons = {host: got[n].reason for n, host in enumerate(HOSTS)}
    assert {reasons[host] for host in ("127.0.0.1", "127.1", "2130706433", "localhost", "[::1]")} == {"private_address"}


def test_a_public_name_that_leads_to_a_private_address_is_refused(server: LoopbackServer) -> None:
    rebound = Manners(user_agent="t", connect_to=(f"example.com:80:127.0.0.1:{server.port}",))
    with Fetcher(rebound, QUICK) as fetcher:
        response = fetcher.fetch("http://example.com/")
    assert (response.reason, server.connections) == ("private_address", 0)
    assert "127.0.0.1" in response.message


def test_no_redirect_reaches_a_private_host(server: LoopbackServer) -> None:
    with LoopbackServer("127.0.0.2") as canary:
        hosts = ("127.0.0.2", "2130706434", "0x7f000002", "[::ffff:127.0.0.2]", "127.2")
        targets = [canary.url("/", host) for host in hosts]
        urls = [
            server.url(f"/redirect-to/{code}?{quote(target, safe='')}")
            for code, target in itertools.product((301, 302, 303, 307, 308, 300), targets)
        ]
        manners = Manners(user_agent="t", allow_private=("127.0.0.1/32",), host_breaker=0)
        with Fetcher(manners, QUICK) as fetcher:
            got = dict(fetcher.fetch_all(urls))
        # 300 names choices, and none of them is followed.
        assert [got[n].reason for n in range(len(urls))] == ["private_address"] * 25 + ["http_error"] * 5
        assert canary.connections == 0
