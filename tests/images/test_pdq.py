"""PDQ hashes, bit for bit those of its authors' code, and near for what shows the same."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tests.images import drawn
from vlcorpus.images.pdq import pdq

# Of drawn.photo(seed, width, height), by pdqhash 0.2.8, which binds the authors' C++.
THEIRS = [
    (0, 400, 300, "62ce5f98f4b12ae48f1f03b7725c931b8b53444e607179b32347e42c9331db4b"),
    (1, 64, 64, "5ce16794891b23871ddb2fc0ae1e674957c49c5a0ae4547bb3a4c969574e62d3"),
    (2, 100, 37, "eaba08214772bc61a0b5652354936bfbc3c962554132dc95efba4174375af78a"),
    (3, 1000, 801, "0345c94f9075f43a4b041663f035290e8ec796fb69743fc35ee0a2fc359ef984"),
    (4, 127, 129, "bbaefc8204185f134b68e0b3af8ea9af3e7195b806d6129b5e71ea300d61b96c"),
    (5, 512, 512, "8be5c14a4d5f29a0e82be7f8f2808424f69558d62165b258e2853fbd73da1d79"),
    (6, 30, 20, "6df7fb8123efd93d02a8aac7b8e9ac2b5853bd00162497197c05a2d38c9b7266"),
    (7, 640, 480, "ceba4d24323c44915ae47fb12a3bb92d817b83dbdf4adfb7949849c96312a105"),
]


def apart(a: np.ndarray, b: np.ndarray) -> int:
    return int(np.bitwise_count(a ^ b).sum())


@pytest.mark.parametrize("seed, width, height, theirs", THEIRS)
def test_the_hash_is_that_of_its_authors(seed: int, width: int, height: int, theirs: str) -> None:
    own = pdq(drawn.photo(seed, width, height))
    assert apart(own, np.frombuffer(bytes.fromhex(theirs), np.uint8)) <= 2  # sums of floats differ in their last bits


def test_the_same_picture_is_near_and_others_are_not() -> None:
    photos = [drawn.photo(seed, 400, 300) for seed in range(8)]
    hashes = [pdq(photo) for photo in photos]
    for photo, own in zip(photos, hashes, strict=True):
        small = np.asarray(Image.fromarray(photo).resize((256, 192), Image.Resampling.LANCZOS))
        assert apart(own, pdq(small)) <= 31
        assert sum(apart(own, other) <= 31 for other in hashes) == 1
