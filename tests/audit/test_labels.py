from __future__ import annotations

from pathlib import Path

import pytest

from vlcorpus.audit.labels import read_labels
from vlcorpus.audit.verdict import BAD, GOOD, NONE, UNSURE
from vlcorpus.errors import SourceError

UIDS = [f"{number:032x}" for number in range(5)]


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "labels.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    "text",
    [
        f"uid,label\n{UIDS[1]},good\n{UIDS[0]},bad\n{UIDS[4]},unsure\n{UIDS[2]},\n",
        f"\ufeffUID;Label\r\n{UIDS[1]};g\r\n{UIDS[0]};B\r\n{UIDS[4]};u\r\n",
        f"label\tuid\n1\t{UIDS[1].upper()}\n2\t{UIDS[0]}\n3\t{UIDS[4]}\n\n",
        f'number,uid,words,label\n1,{UIDS[1]},"a, ""b""\u2028\n c",good\n2,{UIDS[0]},,bad\n3,{UIDS[4]},x,unsure',
    ],
)
def test_labels_are_read_however_a_spreadsheet_saved_them(tmp_path: Path, text: str) -> None:
    assert read_labels(write(tmp_path, text), UIDS).tolist() == [BAD, GOOD, NONE, NONE, UNSURE]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("uid,verdict\n", "no column 'label'"),
        ("uid,label,label\n", "no column 'label'"),
        ("uid,label\n", "no labels yet"),
        (f"uid,label\n{UIDS[0]},\n", "no labels yet"),
        (f"uid,label\n{UIDS[0]},good\n{'f' * 32},good\n", "line 3: 'f"),
        (f"uid,label\n{UIDS[0]},good\n{UIDS[1]},bad\n{UIDS[0]},good\n", "lines 2 and 4 are of the same pair"),
        (f"uid,label\n{UIDS[0]},goood\n", "line 2: 'goood' is no label"),
        (f"uid,label\n{UIDS[0]},good,1\n", "line 2: 3 cells"),
        (f'uid,label\n{UIDS[0]},"good\n', "line 2"),
        (b"uid,label\n\xff\xfe", "no text in UTF-8"),
        ("uid,label\n\x1b[2Jx,good\n", "no pair of this audit"),
    ],
)
def test_what_cannot_be_meant_names_its_line(tmp_path: Path, text: str | bytes, words: str) -> None:
    with pytest.raises(SourceError, match=words) as caught:
        read_labels(write(tmp_path, text), UIDS)
    assert "\x1b" not in caught.value.message and caught.value.hint


def test_no_file_and_a_folder_are_told(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(SourceError, match="cannot read"):
            read_labels(path, UIDS)
