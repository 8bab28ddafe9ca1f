from __future__ import annotations

import random

from vlcorpus.net.headers import first, listed, parsed


def test_lines_become_pairs_in_their_order() -> None:
    lines = [b"X-B: 1\r\n", b"x-a:  caf\xc3\xa9 \r\n", b"\tfolded\r\n", b"no colon\r\n", b"X-b:\xe9:2\n", b": \r\n"]
    found = (("x-b", "1"), ("x-a", "café folded"), ("x-b", "é:2"), ("", ""))
    assert parsed(lines) == found
    assert (first(found, "x-b"), first(found, "x-c")) == ("1", None)
    assert parsed([b" folded at first\r\n"]) == ()


def test_lists_may_be_spread_over_headers() -> None:
    headers = (("a", "x, Y ,,"), ("b", "q"), ("a", " z"))
    assert (listed(headers, "a"), listed(headers, "c")) == (["x", "y", "z"], [])


def test_anything_is_parsed() -> None:
    source = random.Random(0)
    for _ in range(2000):
        lines = [source.randbytes(source.randrange(12)) for _ in range(source.randrange(6))]
        assert len(parsed(lines)) <= len(lines)
