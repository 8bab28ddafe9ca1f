"""Folders of captioned images: text files, tables, and what may not be read."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from vlcorpus.errors import SourceError, VlcorpusError
from vlcorpus.web.folders.folder import folder_pairs


def fill(root: Path, **files: str | bytes) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def brief(root: Path) -> list[tuple[str, str | None, str | None]]:
    found = list(folder_pairs(root))
    assert [pair.offset for pair in found] == list(range(len(found)))
    return [(pair.name, pair.text, pair.reason) for pair in found]


def test_text_files_beside_images(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {f"{name}": b"image" for name in ("b.JPG", "a.png", "sub/c.webp", "sub/d.avif")}
    fill(tmp_path, **files, **{"a.txt": " a star\n", "b.txt": b"caf\xe9", "sub/c.txt": "x" * 10_001, "notes.txt": "no"})
    assert brief(tmp_path) == [
        ("a.png", "a star", None),
        ("b.JPG", "caf�", "bad_encoding"),
        ("sub/c.webp", "x" * 10_000, "text_too_long"),
        ("sub/d.avif", None, "no_caption"),
    ]
    assert [pair.path for pair in folder_pairs(tmp_path)][2] == tmp_path / "sub" / "c.webp"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("metadata.csv", "file_name,text\na.png,a star\nsub/b.png,\"a moon, full\"\na.png,one more\n"),
        ("metadata.jsonl", '{"file_name": "a.png", "text": "a star"}\n{"file_name": "sub/b.png", '
                           '"text": "a moon, full"}\n'
                           '{"file_name": "a.png", "caption": "one more"}\n'),
        ("captions.tsv", "file\tcaption\na.png\ta star\nb.png\ta moon, full\na.png\tone more\n"),
    ],
)  # fmt: skip
def test_tables(tmp_path: Path, name: str, content: str) -> None:
    fill(tmp_path, **{"a.png": "i", "sub/b.png": "i", "a.txt": "not this", name: content})
    assert brief(tmp_path) == [
        ("a.png", "a star", None),
        ("a.png", "one more", None),
        ("sub/b.png", "a moon, full", None),
    ]


def test_rows_that_name_no_image_there(tmp_path: Path) -> None:
    lines = [
        "file_name,text",
        "../secret.png,x",
        "/etc/passwd,x",
        "sub/../../secret.png,x",
        "C:\\x.png,x",
        "gone.png,x",
    ]
    lines += [",x", "just-one-field", "sub/../a.png,a star"]
    fill(tmp_path, **{"secret.png": "i"})
    root = fill(tmp_path / "in", **{"a.png": "i", "metadata.csv": "\n".join(lines)})
    assert brief(root) == [
        ("a.png", "a star", None),
        ("../secret.png", "x", "outside_folder"),
        ("/etc/passwd", "x", "outside_folder"),
        ("sub/../../secret.png", "x", "outside_folder"),
        ("C:/x.png", "x", "outside_folder"),
        ("", None, "bad_row"),
        ("", None, "bad_row"),
        ("gone.png", "x", "unreadable"),
    ]


def test_links_do_not_lead_out(tmp_path: Path) -> None:
    outside = fill(tmp_path / "out", **{"x.png": "i", "secret.txt": "secret", "deep/y.png": "i"})
    root = fill(tmp_path / "in", **{"a.png": "i", "b.png": "i", "b.txt": "inside"})
    os.symlink(outside / "x.png", root / "link.png")
    os.symlink(outside / "secret.txt", root / "a.txt")
    os.symlink(outside / "deep", root / "folder")
    os.symlink(root / "b.png", root / "c.png")
    (root / "c.txt").write_text("again")
    assert brief(root) == [
        ("a.png", None, "no_caption"),
        ("b.png", "inside", None),
        ("c.png", "again", None),
        ("link.png", None, "outside_folder"),
    ]
    os.symlink(outside / "secret.txt", root / "metadata.csv")
    with pytest.raises(SourceError, match="leads out"):
        folder_pairs(root)


def test_unreadable_images(tmp_path: Path) -> None:
    fill(tmp_path, **{"a.png": "", "a.txt": "empty", "c.png": "i", "c.txt": "fine"})
    (tmp_path / "b.png").mkdir()
    os.symlink(tmp_path / "nowhere.png", tmp_path / "d.png")
    os.mkfifo(tmp_path / "e.png")
    assert [(name, reason) for name, _, reason in brief(tmp_path)] == [
        ("a.png", "unreadable"),
        ("c.png", None),
        ("d.png", "unreadable"),
        ("e.png", "unreadable"),
    ]


def test_names_that_are_not_unicode(tmp_path: Path) -> None:
    fill(tmp_path, **{"b.png": "i", "b.txt": "fine"})
    with open(os.fsencode(tmp_path) + b"/a\xff.png", "wb") as file:
        file.write(b"i")
    assert brief(tmp_path) == [("a�.png", None, "bad_encoding"), ("b.png", "fine", None)]


def test_what_is_no_captioned_folder_is_refused_at_once(tmp_path: Path) -> None:
    fill(tmp_path, **{"empty/readme.md": "x", "table/a.png": "i", "table/metadata.csv": "a,b\n1,2\n", "file.png": "i"})
    for path in ("missing", "empty", "table", "file.png", "https://a.example/pictures"):
        with pytest.raises(VlcorpusError) as caught:
            folder_pairs(Path(path) if "://" in path else tmp_path / path)
        assert caught.value.hint


def coco(*captions: tuple[str, str]) -> str:
    names = {name: number for number, name in enumerate(dict.fromkeys(name for name, _ in captions))}
    images = [{"id": number, "file_name": name, "license": 1} for name, number in names.items()]
    annotations = [{"image_id": names[name], "caption": text} for name, text in captions]
    licences = [{"id": 1, "url": "http://l.test/"}]
    return json.dumps({"images": images, "annotations": annotations, "licenses": licences})


def test_coco(tmp_path: Path) -> None:
    files = {f"{split}/{name}.jpg": "i" for split in ("train2017", "val2017") for name in ("1", "2")}
    train = coco(("1.jpg", "one "), ("1.jpg", "eins"), ("../../x.jpg", "out"), ("gone.jpg", "gone"))
    fill(tmp_path, **files, **{"annotations/captions_train2017.json": train,
         "annotations/captions_val2017.json": coco(("2.jpg", "two")), "annotations/other.json": "{}"})  # fmt: skip
    assert brief(tmp_path) == [
        ("train2017/1.jpg", "one", None),
        ("train2017/1.jpg", "eins", None),
        ("train2017/2.jpg", None, "no_caption"),
        ("val2017/1.jpg", None, "no_caption"),
        ("val2017/2.jpg", "two", None),
        ("../../x.jpg", "out", "outside_folder"),
        ("gone.jpg", "gone", "unreadable"),
    ]
    assert [pair.licence for pair in folder_pairs(tmp_path)][:3] == ["http://l.test/"] * 2 + [None]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("Flickr8k_text/Flickr8k.token.txt", "1.jpg#0\tone\n1.jpg#1\teins\nx\n/etc/passwd#0\tout\n"),
        ("results.csv", "image_name| comment_number| comment\n1.jpg| 0| one\n1.jpg| 1| eins\nx\n/etc/passwd| 0| out\n"),
        ("captions.txt", "image,caption\n1.jpg,one\n1.jpg,eins\nx\n/etc/passwd,out\n"),
    ],
)
def test_flickr(tmp_path: Path, name: str, content: str) -> None:
    fill(tmp_path, **{"Images/1.jpg": "i", "Images/2.jpg": "i", name: content, "Images/2.txt": "zwei"})
    assert brief(tmp_path) == [
        ("Images/1.jpg", "one", None),
        ("Images/1.jpg", "eins", None),
        ("Images/2.jpg", "zwei", None),
        ("", None, "bad_row"),
        ("/etc/passwd", "out", "outside_folder"),
    ]


def test_a_table_that_was_named_is_the_only_one(tmp_path: Path) -> None:
    root = fill(tmp_path / "in", **{"a.png": "i", "sub/b.png": "i", "metadata.csv": "file_name,text\na.png,not this\n"})
    tables = {"c.json": coco(("a.png", "a star"), ("b.png", "a moon")),
              "c.tsv": "file\ttext\na.png\ta star\nb.png\ta moon\n",
              "c.token": "a.png#0\ta star\nb.png#0\ta moon\n"}  # fmt: skip
    fill(tmp_path, **tables)
    for name in tables:
        found = list(folder_pairs(root, captions=tmp_path / name))
        assert [(pair.name, pair.text, pair.reason) for pair in found] == [
            ("a.png", "a star", None),
            ("sub/b.png", "a moon", None),
        ]
    with pytest.raises(SourceError, match="is no file of captions"):
        folder_pairs(root, captions=tmp_path / "gone.json")


def test_class_folders(tmp_path: Path) -> None:
    fill(
        tmp_path,
        **{"train/big_dog-breed/1.jpg": "i", "train/cat/2.jpg": "i", "train/cat/2.txt": "this very cat", "3.jpg": "i"},
    )
    found = [(pair.name, pair.text, pair.reason) for pair in folder_pairs(tmp_path, template="a photo of a {}.")]
    assert found == [
        ("3.jpg", None, "no_caption"),
        ("train/big_dog-breed/1.jpg", "a photo of a big dog breed.", None),
        ("train/cat/2.jpg", "this very cat", None),
    ]


def test_a_token_file_of_links_is_not_followed(tmp_path: Path) -> None:
    outside = fill(tmp_path / "out", **{"captions_x.json": coco(("a.png", "secret"))})
    root = fill(tmp_path / "in", **{"a.png": "i"})
    os.symlink(outside / "captions_x.json", root / "captions_x.json")
    with pytest.raises(SourceError, match="leads out"):
        folder_pairs(root)
