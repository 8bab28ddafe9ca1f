from __future__ import annotations

import gzip
import random
import zlib

import pytest

from vlcorpus.net.inflate import ENCODINGS, Inflater

PLAIN = random.Random(0).randbytes(5000) + b"a" * 50_000


def raw(plain: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(plain) + packer.flush()


PACKED = {
    "one": ("gzip", gzip.compress(PLAIN)),
    "x-gzip": ("x-gzip", gzip.compress(PLAIN)),
    "two members": ("gzip", gzip.compress(PLAIN[:7]) + gzip.compress(PLAIN[7:])),
    "junk after": ("gzip", gzip.compress(PLAIN) + b"\0" * 1000),
    "zlib": ("deflate", zlib.compress(PLAIN)),
    "bare": ("deflate", raw(PLAIN)),
}


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("step", [7, 1000, 10**6])
def test_any_cut_into_chunks_gives_the_same(name: str, step: int) -> None:
    encoding, packed = PACKED[name]
    inflater = Inflater(encoding)
    plain = b"".join(inflater.feed(packed[at : at + step], 10**6) for at in range(0, len(packed), step))
    assert (plain, inflater.whole) == (PLAIN, True)


@pytest.mark.parametrize("encoding", sorted(ENCODINGS))
def test_a_stream_that_stops_is_not_whole(encoding: str) -> None:
    packed = zlib.compress(PLAIN) if encoding == "deflate" else gzip.compress(PLAIN)
    inflater = Inflater(encoding)
    assert inflater.whole
    inflater.feed(packed[:-1], 10**6)
    assert not inflater.whole


def test_no_more_than_the_room_and_one_is_made() -> None:
    bomb = gzip.compress(bytes(10**7))
    assert len(Inflater("gzip").feed(bomb, 1000)) == 1001
    many = gzip.compress(b"x" * 100) * 1000
    assert len(Inflater("gzip").feed(many, 1000)) == 1001
    empty = gzip.compress(b"") * 20_000
    assert Inflater("gzip").feed(empty, 1000) == b""


@pytest.mark.parametrize("encoding", sorted(ENCODINGS))
def test_what_is_not_encoded_is_an_error(encoding: str) -> None:
    with pytest.raises(zlib.error):
        Inflater(encoding).feed(b"\xff\xd8\xff\xe0 a picture", 1000)
