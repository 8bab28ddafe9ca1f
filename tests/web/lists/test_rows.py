"""Lists as they come: every line is a row, and each nasty one has its reason."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vlcorpus.errors import SourceError, UsageError, VlcorpusError
from vlcorpus.web.lists.lines import MAX_LINE, MAX_ROW_LINES
from vlcorpus.web.lists.rows import ListRow, check, list_files, rows

A, B = "https://a.example/1.jpg", "https://b.example/2.jpg"


def brief(found: list[ListRow]) -> list[tuple[str, str | None, str | None]]:
    return [(row.url, row.text, row.reason) for row in found]


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def parquet(path: Path, **columns: object) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


@pytest.mark.parametrize(
    "names",
    [
        ("URL", "TEXT"),
        ("url", "text"),
        ("url", "caption"),
        ("image_url", "alt_text"),
        ("Image_URL", "Alt"),
        (" url", "TEXT "),
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "tsv", "csv.gz", "jsonl", "parquet"])
def test_columns_are_found_by_name(tmp_path: Path, names: tuple[str, str], suffix: str) -> None:
    path = tmp_path / f"list.{suffix}"
    url, text = names
    if suffix == "parquet":
        parquet(path, width=[1, 2], **{text.strip(): ["a", "b"], url.strip(): [A, B]})
    elif suffix == "jsonl":
        lines = [{"width": 1, text.strip(): "a", url.strip(): A}, {url.strip(): B, text.strip(): "b"}]
        write(path, "\n".join(map(json.dumps, lines)))
    else:
        mark = "\t" if suffix == "tsv" else ","
        content = f"width{mark}{text}{mark}{url}\n1{mark}a{mark}{A}\r\n2{mark}b{mark}{B}"
        write(path, gzip.compress(content.encode()) if suffix.endswith("gz") else content)
    assert brief(list(rows(path))) == [(A, "a", None), (B, "b", None)]
    assert [row.offset for row in rows(path)] == [0, 1]


def test_datacomp_uids_come_along(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", uid=["00ff" * 8, None], url=[A, B], text=["a", "b"])
    assert [row.uid for row in rows(path)] == ["00ff" * 8, None]
    numbers = parquet(tmp_path / "b.parquet", UID=[7, 2**60], url=[A, B], text=["a", "b"])
    assert [row.uid for row in rows(numbers)] == ["7", str(2**60)]


def test_laion_columns_can_be_kept(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", SAMPLE_ID=[1], URL=[A], TEXT=["a"], similarity=[0.31], LICENSE=["?"])
    (row,) = rows(path, keep=("similarity", "license"))
    assert row.extra == {"similarity": 0.31, "license": "?"}


def test_txt_is_one_url_a_line(tmp_path: Path) -> None:
    lines = [
        "https://a.example/1,2.jpg?x=1,2",
        "https://bücher.example/é ü.png",
        "",
        "  ",
        "file:///etc/passwd",
        "data:x,y",
    ]
    lines += ["ftp://a.example/x.jpg", "javascript:alert(1)", "http://user:secret@a.example/x.jpg", "no url at all", A]
    path = write(tmp_path / "a.txt", "\n".join(lines) + "\n")
    found = list(rows(path))
    assert [row.url for row in found] == lines
    assert [row.reason for row in found] == [
        None, None, "empty_url", "empty_url", "bad_scheme", "bad_scheme", "bad_scheme", "bad_scheme", "bad_url",
        "bad_url", None,
    ]  # fmt: skip


def test_every_csv_line_is_a_row(tmp_path: Path) -> None:
    lines = [
        b"url,caption",
        b'%s,"a, quoted ""text"""' % A.encode(),
        b"",
        b"only-one-field",
        b"%s,caf\xe9" % A.encode(),
        b'%s,"two' % A.encode(),
        b'lines"',
        b",no url",
        b"%s,%s" % (A.encode(), b"x" * 10_001),
        b"%s,%s" % (A.encode(), b"x" * (MAX_LINE + 5)),
        b"%s,last" % B.encode(),
    ]
    found = list(rows(write(tmp_path / "a.csv", b"\n".join(lines) + b"\n")))
    assert brief(found) == [
        (A, 'a, quoted "text"', None),
        ("", None, "empty_url"),
        ("", None, "bad_row"),
        (A, "caf�", "bad_encoding"),
        (A, "two\nlines", None),
        ("", "no url", "empty_url"),
        (A, "x" * 10_000, "text_too_long"),
        ("", None, "bad_row"),
        (B, "last", None),
    ]


@pytest.mark.parametrize("after", [3, MAX_ROW_LINES + 50])
def test_an_open_quote_costs_one_line(tmp_path: Path, after: int) -> None:
    lines = ["url,text", f"{A},good", f'{A},"never closed', *(f"{B},{number}" for number in range(after))]
    found = list(rows(write(tmp_path / "a.csv", "\n".join(lines) + "\n")))
    assert [row.reason for row in found] == [None, "bad_row", *[None] * after]
    assert [row.text for row in found[2:]] == [str(number) for number in range(after)]


def test_every_json_line_is_a_row(tmp_path: Path) -> None:
    lines = [
        json.dumps({"url": A, "text": "a", "uid": "x1"}),
        "{broken",
        "[" * 100_000,
        "[1, 2]",
        json.dumps({"url": ["a"], "text": "b"}),
        json.dumps({"text": "b"}),
        json.dumps({"url": B, "text": 1984}),
        json.dumps({"url": B, "text": {"en": "b"}}),
        '{"url": "https://a.example/\\ud800", "text": "b"}',
        "",
        json.dumps({"url": B, "text": None}),
    ]
    found = list(rows(write(tmp_path / "a.jsonl", "\n".join(lines) + "\n")))
    assert [row.reason for row in found] == [
        None, "bad_row", "bad_row", "bad_row", "bad_row", "empty_url", None, "bad_row", "bad_encoding", "empty_url",
        None,
    ]  # fmt: skip
    assert found[0].uid == "x1"
    assert found[6].text == "1984"


def test_parquet_nulls_bytes_and_dictionaries(tmp_path: Path) -> None:
    texts = pa.array([b"a", b"caf\xe9", None], pa.binary())
    urls = pa.array([A, None, B]).dictionary_encode()
    path = parquet(tmp_path / "a.parquet", url=urls, text=texts)
    assert brief(list(rows(path))) == [(A, "a", None), ("", "caf�", "bad_encoding"), (B, None, None)]


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    assert brief(list(rows(write(tmp_path / "a.csv", f"\ufeffurl,text\n{A},a\n")))) == [(A, "a", None)]


def test_a_list_without_texts(tmp_path: Path) -> None:
    assert brief(list(rows(write(tmp_path / "a.csv", f"url\n{A}\n")))) == [(A, None, None)]
    path = write(tmp_path / "b.csv", f"url,width\n{A},3\n")
    with pytest.raises(UsageError, match="'url', 'width'"):
        rows(path)
    assert brief(list(rows(path, text_column=""))) == [(A, None, None)]


def test_named_columns_and_formats(tmp_path: Path) -> None:
    path = write(tmp_path / "list.dat", f"where|what\n{A}|a\n".replace("|", "\t"))
    found = list(rows(path, format="tsv", url_column="WHERE", text_column="what"))
    assert brief(found) == [(A, "a", None)]


def nasty_files(tmp_path: Path) -> dict[str, Path | str]:
    (tmp_path / "folder.csv").mkdir()
    packed = gzip.compress(f"url,text\n{A},a\n".encode() * 1000)
    good = parquet(tmp_path / "good.parquet", url=[A], text=["a"]).read_bytes()
    return {
        "missing": tmp_path / "no.csv",
        "empty": write(tmp_path / "empty.csv", ""),
        "a folder": tmp_path / "folder.csv",
        "unknown suffix": write(tmp_path / "a.xlsx", "x"),
        "no suffix": write(tmp_path / "list", "x"),
        "a URL": Path("https://a.example/list.csv"),
        "garbage parquet": write(tmp_path / "a.parquet", b"garbage" * 100),
        "parquet without its end": write(tmp_path / "b.parquet", good[:-20]),
        "parquet called csv": write(tmp_path / "c.csv", good),
        "an image called txt": write(tmp_path / "d.txt", b"\x89PNG\r\n\x1a\n\0\0\0"),
        "UTF-16": write(tmp_path / "e.csv", "url,text\n".encode("utf-16")),
        "no URL column": write(tmp_path / "f.csv", "a,b\n1,2\n"),
        "no header": write(tmp_path / "g.csv", f"{A},a\n{B},b\n"),
        "no objects": write(tmp_path / "h.jsonl", "1\n2\n"),
        "gzip cut at once": write(tmp_path / "i.csv.gz", packed[:15]),
        "a struct": parquet(tmp_path / "j.parquet", url=[{"a": 1}], text=["a"]),
    }


def test_what_is_no_list_is_refused_before_any_row(tmp_path: Path) -> None:
    for name, path in nasty_files(tmp_path).items():
        for ask in (rows, check):
            with pytest.raises(VlcorpusError) as caught:
                ask(Path(path))
            assert caught.value.hint or "cannot be read" in caught.value.message, name
            assert isinstance(caught.value, SourceError | UsageError), name


def test_a_gzip_that_breaks_off_keeps_what_came_before(tmp_path: Path) -> None:
    content = "url,text\n" + "".join(f"{A}?{number},{number}\n" for number in range(50_000))
    path = write(tmp_path / "a.csv.gz", gzip.compress(content.encode())[:-2000])
    found = rows(path)
    count = 0
    with pytest.raises(SourceError, match="damaged"):
        for row in found:
            assert row.reason is None
            count += 1
    assert count > 1000


def test_lists_of_a_folder(tmp_path: Path) -> None:
    for name in ("b.parquet", "a.csv", "sub/c.jsonl", "_SUCCESS", "notes.md", ".hidden.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write(tmp_path / name, "x")
    assert [path.name for path in list_files(tmp_path)] == ["a.csv", "b.parquet", "c.jsonl"]
    write(tmp_path / "sub" / "picture.JPG", "x")
    assert list_files(tmp_path) == []
