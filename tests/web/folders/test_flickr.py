"""The caption files of Flickr8k and Flickr30k, by name and first line."""

from __future__ import annotations

from pathlib import Path

import pytest

from vlcorpus.web.folders.flickr import captions, kind

FILES = {
    "Flickr8k.token.txt": 'a_1.jpg#0\tA "child" , pink .\na_1.jpg#1\tA girl .\n\nbroken\nb#2.jpg#0\tA dog\there\n',
    "results.csv": 'image_name| comment_number| comment\na_1.jpg| 0| A "child" , pink .\na_1.jpg| 1| A girl | .\n\n'
    "broken| 4   no bar\n",
    "captions.txt": 'image,caption\na_1.jpg,A child\na_1.jpg,"A ""girl"" , pink"\n\nbroken\nb.jpg,A dog , here\n',
}
FOUND = {
    "Flickr8k.token.txt": [
        ("a_1.jpg", 'A "child" , pink .'),
        ("a_1.jpg", "A girl ."),
        (None, None),
        ("b#2.jpg", "A dog\there"),
    ],
    "results.csv": [("a_1.jpg", ' A "child" , pink .'), ("a_1.jpg", " A girl | ."), (None, None)],
    "captions.txt": [("a_1.jpg", "A child"), ("a_1.jpg", 'A "girl" , pink'), (None, None), ("b.jpg", "A dog , here")],
}


@pytest.mark.parametrize("name", FILES)
def test_captions(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(FILES[name], "utf-8")
    found = kind(path)
    assert found is not None
    listed = [(file, None if text is None else text.rstrip("\n")) for file, text in captions(path, found)]
    assert listed == FOUND[name]
    other = tmp_path / "given.txt"
    path.rename(other)
    assert kind(other) is None and kind(other, named=False) == found


def test_a_name_alone_tells_nothing(tmp_path: Path) -> None:
    for name in FILES:
        (tmp_path / name).write_text("a text beside a picture called captions.jpg\n")
        assert kind(tmp_path / name) is None
    assert kind(tmp_path / "captions.csv") is None
    assert kind(tmp_path / "gone" / "captions.txt") is None
