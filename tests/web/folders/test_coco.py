"""COCO's captions: several a picture, bad ones at the cost of one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vlcorpus.errors import SourceError
from vlcorpus.web.folders import coco
from vlcorpus.web.folders.coco import captions, is_coco


def write(path: Path, **whole: object) -> Path:
    path.write_text(json.dumps(whole), "utf-8")
    return path


def test_captions_with_their_images(tmp_path: Path) -> None:
    path = write(
        tmp_path / "captions_val.json",
        info={"year": 2014},
        licenses=[{"id": 3, "url": "http://l.test/3"}, {"id": 4, "url": 7}],
        images=[
            {"id": 9, "file_name": "9.jpg", "license": 3},
            {"id": "x", "file_name": "x.jpg", "license": 4},
            {"id": 5},
            "no image",
        ],
        annotations=[
            {"id": 1, "image_id": 9, "caption": "a cat"},
            {"id": 2, "image_id": "x", "caption": "a dog"},
            {"id": 3, "image_id": 9, "caption": "the cat, é"},
            {"id": 4, "image_id": 77, "caption": "nobody's"},
            {"id": 5, "image_id": 5, "caption": "no file"},
            {"id": 6, "image_id": [9], "caption": "no id"},
            {"id": 7, "image_id": True, "caption": "no id either"},
            {"id": 8, "image_id": 9, "caption": ["a", "list"]},
            {"id": 9, "image_id": 9},
            "no annotation",
        ],
    )
    assert is_coco(path)
    assert [tuple(row) for row in captions(path)] == [
        ("9.jpg", "a cat", "http://l.test/3"),
        ("x.jpg", "a dog", None),
        ("9.jpg", "the cat, é", "http://l.test/3"),
        (None, "nobody's", None),
        (None, "no file", None),
        (None, "no id", None),
        (None, "no id either", None),
        ("9.jpg", None, "http://l.test/3"),
        ("9.jpg", None, "http://l.test/3"),
        (None, None, None),
    ]


def test_one_bad_annotation_costs_one(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    body = b'{"images": [{"id": 1, "file_name": "1.jpg"}], "annotations": [{"image_id": 1, "caption": "caf\xe9"}, '
    body += b'{"image_id": 1, "caption": "\\ud800"}, {"image_id": 1, "caption": "good"}]}'
    path.write_bytes(b"\xef\xbb\xbf" + body)
    assert [row.text for row in captions(path)] == ["caf\udce9", "\ud800", "good"]
    path.write_bytes(body.replace(b"\\ud800", b"fine"))
    assert [row.text for row in captions(path)] == [None, "fine", "good"]


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b"{}", b"[" * 1_000_000, b'{"images": ' + b"[" * 1_000_000, b'{"images": {}, "annotations": []}',
     b'{"images": [], "annotations": [' + b'{"a":' * 100_000],
)  # fmt: skip
def test_what_is_no_coco(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "a.json").write_bytes(body)
    with pytest.raises(SourceError, match="COCO") as raised:
        captions(tmp_path / "a.json")
    assert raised.value.hint


def test_files_that_are_too_large_or_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coco, "MAX_BYTES", 10)
    with pytest.raises(SourceError, match="over"):
        captions(write(tmp_path / "a.json", images=[], annotations=[]))
    with pytest.raises(SourceError, match="cannot be read"):
        captions(tmp_path / "b.json")
