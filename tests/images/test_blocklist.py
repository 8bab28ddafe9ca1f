"""Hashes of what must not be kept: found whatever the list looks like, refused where it is no list, never told."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from PIL import Image

from tests.images import drawn
from vlcorpus.errors import UsageError
from vlcorpus.images.blocklist import read
from vlcorpus.images.pdq import pdq

BODIES = [b"", b"one", b"two", b"three" * 1000]


def listed(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_hashes_of_both_kinds_are_found(tmp_path: Path) -> None:
    md5, sha256 = hashlib.md5(b"one").hexdigest(), hashlib.sha256(b"two").hexdigest()
    text = f"# known\n\n{md5.upper()}\r\n  {sha256} , why, when\n{hashlib.md5(b'four').hexdigest()}\tsource\n"
    found = read([listed(tmp_path / "a", "\ufeff" + text), listed(tmp_path / "b", "")])
    assert [found.holds(body) for body in BODIES] == [False, True, True, False] and len(found) == 3
    assert not read([]).holds(b"one")


@pytest.mark.parametrize("line", ["xyz", "ab", "g" * 32, "a" * 33, "a" * 128, "http://a.example/1.jpg"])
def test_what_is_no_hash_is_refused_by_its_line_and_not_repeated(tmp_path: Path, line: str) -> None:
    path = listed(tmp_path / "a", f"{'a' * 32}\n{line}\n")
    with pytest.raises(UsageError, match="line 2 of") as raised:
        read([path])
    assert line not in str(raised.value).replace(str(path), "")


def test_a_list_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        read([tmp_path / "none"])


def test_pictures_that_resemble_one_are_found(tmp_path: Path) -> None:
    photos = [drawn.photo(seed, 400, 300) for seed in range(6)]
    written = pdq(photos[2]).tobytes().hex()
    found = read([], [listed(tmp_path / "near", written + "\n")])
    assert len(found) == 1
    for number, photo in enumerate(photos):
        small = Image.fromarray(photo).resize((200, 150))
        for stored in (drawn.saved(photo, "JPEG"), drawn.saved(small, "PNG"), drawn.saved(small, "JPEG", quality=40)):
            assert found.resembles(stored) == (number == 2)
    assert not found.resembles(b"no image")
    assert not read([]).resembles(drawn.saved(photos[2], "JPEG"))
