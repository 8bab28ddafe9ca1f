from __future__ import annotations

from collections import Counter

from vlcorpus.net.hosts import Hosts


def test_the_worst_hosts_come_first_with_their_reasons() -> None:
    hosts = Hosts()
    for host, reason, status, times in [
        ("b.example", "timeout", None, 3),
        ("a.example", "http_error", 404, 2),
        ("a.example", "http_error", 429, 1),
        ("c.example", "dns_failure", None, 5),
    ]:
        for _ in range(times):
            hosts.count(host, reason, status)
    expected = [
        ("c.example", Counter({"dns_failure": 5})),
        ("a.example", Counter({"http_error 404": 2, "http_error 429": 1})),
        ("b.example", Counter({"timeout": 3})),
    ]
    assert hosts.worst(10) == expected
    assert hosts.worst(2) == expected[:2]
    hosts.worst(1)[0][1].clear()
    assert hosts.worst(1) == expected[:1], "what is given is a copy"


def test_the_last_failure_of_a_host_is_remembered() -> None:
    hosts = Hosts()
    hosts.failed("a.example", "timeout", None)
    hosts.failed("b.example", "http_error", 429)
    hosts.failed("b.example", "http_error", 503)
    assert (hosts.last("a.example"), hosts.last("b.example")) == (("timeout", None), ("http_error", 503))


def test_memory_is_bounded_and_the_worst_stay() -> None:
    hosts = Hosts(most=100)
    for n in range(5000):
        hosts.count(f"{n}.example", "timeout", None)
        hosts.count("worst.example", "timeout", None)
        hosts.failed(f"{n}.example", "timeout", None)
    found = hosts.worst(10_000)
    assert len(found) <= 100
    assert found[0] == ("worst.example", Counter({"timeout": 5000}))
    assert len(hosts._last) <= 100 and "4999.example" in hosts._last
