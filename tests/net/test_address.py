from __future__ import annotations

import pytest

from vlcorpus.errors import UsageError
from vlcorpus.net.address import networks, refusal

PUBLIC = ["8.8.8.8", "93.184.216.34", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]
PRIVATE = [
    *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
    *("192.0.0.8", "192.0.0.9", "192.0.0.192", "192.0.2.1", "192.88.99.1", "198.18.0.1", "203.0.113.9", "224.0.0.1"),
    *("240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "fec0::1"),
    *("ff02::1", "2001:db8::1", "3fff::1", "100::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:0:127.0.0.1"),
    *("64:ff9b::7f00:1", "64:ff9b:1::7f00:1", "2002:7f00:1::", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "5f00::1"),
    *("2001:0:7f00:1:0:0:f7f7:f7f7", "2001:0:808:808:0:0:80ff:fffe"),
    *("", "localhost", "127.1", "256.1.1.1"),
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_let_through(address: str) -> None:
    assert refusal(address, ()) is None


@pytest.mark.parametrize("address", PRIVATE)
def test_other_addresses_are_refused(address: str) -> None:
    assert refusal(address, ()) == "private_address"


def test_an_allowed_network_is_let_through_and_no_other() -> None:
    allow = networks(["127.0.0.0/8", "::1", " 10.0.0.7/24 "])
    assert [refusal(one, allow) for one in ("127.9.9.9", "::1", "10.0.0.200", "::ffff:127.0.0.1")] == [None] * 4
    assert [refusal(one, allow) for one in ("10.0.1.1", "::2", "192.168.0.1")] == ["private_address"] * 3


@pytest.mark.parametrize("text", ["localhost", "127.0.0.0/33", "", "10.*", "::1/129"])
def test_nonsense_is_named(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        networks([text])
    assert repr(text) in caught.value.message
    assert caught.value.hint
