"""Lists as columns give the rows that the careful reader gives, whatever is in them."""

from __future__ import annotations

import csv
import gzip
import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from vlcorpus import schema
from vlcorpus.net.url import requestable
from vlcorpus.web.lists import parts as list_parts
from vlcorpus.web.lists.parts import PLAIN, Part, parts, spans
from vlcorpus.web.lists.rows import opened, rows

A, B = "https://a.example/1.jpg", "http://b.example/2.jpg?x=1,2&y=%20#z"

URLS = [
    A,
    B,
    "HTTPS://A.Example/Ünï/é ü.png",
    "http://bücher.example/x.jpg",
    "http://a.example:8080/x.jpg",
    "http://a.example:22/x.jpg",
    "http://user:pw@a.example/x.jpg",
    "http://a.example\\x.jpg",
    "http://a..example/x.jpg",
    "http://-/x",
    "http://localhost/x",
    "http://127.0.0.1/x",
    "http://[::1]/x",
    "http://a.example/../x.jpg",
    "http://a.example/%2e%2e/x.jpg",
    "http://a.example/a b\\c|d^e`f{g}",
    "http://a.example/x\x7fy",
    "http://a.example/" + "x" * 2_100,
    "http://a.example/" + "é" * 3_000,
    "http://a.example/" + "é" * 1_400,
    "http://" + "a" * 70 + ".example/",
    "http://" + ".".join(["abcdefghij" * 4] * 8) + "/",
    " http://a.example/lead.jpg",
    "http://a.example/trail.jpg ",
    "//a.example/x.jpg",
    "/x.jpg",
    "data:image/png;base64,AAAA",
    "ftp://a.example/x",
    "",
    "   ",
    "\u00a0",
    "a.example/x.jpg",
    "http://a.example?x",
    "http://a.example#x",
    "http:///x",
    "http://a_b.example/x",
    "http://a.example./x",
    "http://%61.example/x",
]
TEXTS = ["a cat", "", "  ", "é" * 4_000, "x" * 10_000, "x" * 10_001, "é" * 10_001, "日本", "1984", "a\u2028b", "'"]


def brief(path: Path, size: int = 7, **more: Any) -> list[tuple[Any, ...]]:
    """Rows by the careful reader."""
    return [(row.url, row.text or "", row.uid, row.reason, row.offset) for row in rows(path, **more)]


def made(path: Path, size: int = 7, **more: Any) -> list[Part]:
    format, columns = opened(path, more.get("format"), more.get("url_column"), more.get("text_column"), ())
    found = list(parts(path, format, columns, name=path.name, rows=size))
    assert [len(each.pairs) for each in found[:-1]] == [size] * (len(found) - 1)
    for each in found:
        each.pairs.validate(full=True)
        assert each.pairs.schema.equals(schema.table("extracted").arrow())
        if each.scores is not None:
            assert each.scores.schema.equals(schema.table("extracted-scores").arrow())
            assert len(each.scores) == len(each.pairs)
    return found


def columnar(path: Path, **more: Any) -> list[tuple[Any, ...]]:
    listed = [row for part in made(path, **more) for row in part.pairs.to_pylist()]
    assert {(row["source_kind"], row["source_file"]) for row in listed} <= {("list", path.name)}
    names = ("url", "alt_text", "given_uid", "reason", "record_offset")
    return [tuple(row[name] for name in names) for row in listed]


def same(path: Path, **more: Any) -> None:
    assert columnar(path, **more) == brief(path, **more)


def pairs(seed: int, count: int) -> list[tuple[str, str]]:
    chance = random.Random(seed)
    return [
        (chance.choice(URLS) if chance.random() < 0.5 else f"http://a.example/{n}.jpg", chance.choice(TEXTS))
        for n in range(count)
    ]


def test_what_is_plain_can_be_requested() -> None:
    chance = random.Random(1)
    alphabet = "aZ0_-./:?#@%[]\\ é\u00a0\u2028😀\x01\x7f\t"
    hosts = ["", "a.b", "A.example", "a_b.c-d.e"]
    tried = pa.array(
        URLS
        + [
            f"http{chance.choice(['', 's'])}://{chance.choice(hosts)}{''.join(chance.choices(alphabet, k=9))}"
            for _ in range(50_000)
        ]
    )
    found = pc.and_(pc.match_substring_regex(tried, PLAIN), pc.less_equal(pc.binary_length(tried), 2_048))
    plain = tried.filter(found).to_pylist()
    assert len(plain) > 1000
    assert [url for url in plain if requestable(url)[1] is not None] == []


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["string", "large_string", "dictionary", "binary", "nulls", "bad bytes"])
def test_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, kind: str) -> None:
    monkeypatch.setattr(list_parts, "_BATCH", 5)
    listed = pairs(seed, 60)
    urls: list[Any] = [url for url, _ in listed]
    texts: list[Any] = [text for _, text in listed]
    if kind in {"nulls", "bad bytes"}:
        urls[::4], texts[::3] = [None] * len(urls[::4]), [None] * len(texts[::3])
    columns: list[Any] = [pa.array(urls, pa.string()), pa.array(texts, pa.string())]
    if kind == "large_string":
        columns = [each.cast(pa.large_string()) for each in columns]
    if kind == "dictionary":
        columns = [each.dictionary_encode() for each in columns]
    if kind == "binary":
        columns = [each.cast(pa.binary()) for each in columns]
    if kind == "bad bytes":
        columns[1] = pa.array(
            [(text or "").encode() + (b"\xe9" if n % 13 == 0 else b"") for n, text in enumerate(texts)]
        )
    numbers = pa.array([n if n % 5 else None for n in range(60)])
    table = pa.table({"URL": columns[0], "TEXT": columns[1], "SAMPLE_ID": numbers})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=11)
    same(tmp_path / "a.parquet")


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["csv", "tsv", "csv.gz", "jsonl", "txt"])
@pytest.mark.parametrize("block", [1 << 20, 300])
def test_text_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, kind: str, block: int) -> None:
    monkeypatch.setattr("vlcorpus.web.lists.csv_files.BLOCK", block)
    monkeypatch.setattr(list_parts, "_BATCH", 5)
    chance = random.Random(seed)
    # Most lines are plain, so that the fast way goes some way before it meets what it must leave.
    listed = [(url, text) for url, text in pairs(seed, 60) if not set(url + text) & set(",\t\n\r")]
    mark = "\t" if kind == "tsv" else ","
    if kind == "jsonl":
        lines = [json.dumps({"url": url, "text": text, "uid": n}) for n, (url, text) in enumerate(listed)]
        lines[7] = "{broken"
    elif kind == "txt":
        lines = [url for url, _ in listed]
    else:
        lines = [f"uid{mark}text{mark}url", *(f"{n}{mark}{text}{mark}{url}" for n, (url, text) in enumerate(listed))]
        fields = [
            "",
            '1|"quoted | text"|U',
            "short",
            "1|t|U|more",
            '1|"open|U',
            "1|\0|U",
            "1|a\rb|U",
            "1|t|U\r",
            "\ufeff|t|U",
        ]
        odd = [each.replace("|", mark).replace("U", A) for each in [*fields, "1|" + "x" * 140_000 + "|U"]]
        for _ in range(seed):
            lines.insert(chance.randrange(20, len(lines)), chance.choice(odd))
    body = "\n".join(lines).encode()
    if seed == 3:
        body = body.replace(b"text", b"caf\xe9 text", 3).replace(b"caf\xe9 ", b"", 1) + b"\n"
    path = tmp_path / f"a.{kind}"
    path.write_bytes(gzip.compress(body) if kind.endswith("gz") else body)
    same(path)


def test_a_block_that_is_plain_is_not_read_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.csv"
    path.write_text("url,text\r\n" + "".join(f"http://a.example/{n}.jpg,text {n}\r\n" for n in range(1000)), "utf-8")
    monkeypatch.setattr(list_parts, "_careful", None)
    assert len(columnar(path)) == 1000


def test_lists_of_captions_without_a_header(tmp_path: Path) -> None:
    lines = ['a "quoted cat', f"never closed\t{A}", "three\tfields\there", "", f'"b"\t{B}']
    (tmp_path / "cc3m.tsv").write_text(f"first caption\t{A}\n" + "\n".join(lines), "utf-8")
    (tmp_path / "cc12m.tsv").write_text(f'{A}\tfirst "caption\n{B}\tsecond\n', "utf-8")
    assert [row[:4] for row in brief(tmp_path / "cc3m.tsv")] == [
        (A, "first caption", None, None),
        ("", "", None, "bad_row"),
        (A, "never closed", None, None),
        ("", "", None, "bad_row"),
        ("", "", None, "empty_url"),
        (B, '"b"', None, None),
    ]
    assert [row[:2] for row in brief(tmp_path / "cc12m.tsv")] == [(A, 'first "caption'), (B, "second")]
    same(tmp_path / "cc3m.tsv")
    same(tmp_path / "cc12m.tsv")


LAION = {
    "SAMPLE_ID": [2.0, 3.0, None],
    "URL": [A, B, A],
    "TEXT": ["a", "b", "c"],
    "HEIGHT": [480.0, float("nan"), -1.0],
    "WIDTH": pa.array([640, 2**40, None]),
    "LICENSE": ["?", "http://creativecommons.org/licenses/by/4.0/", None],
    "NSFW": ["UNLIKELY", None, "NSFW"],
    "similarity": [0.3, None, float("inf")],
    "LANGUAGE": ["en", "nl", None],
    "punsafe": ["0.5", "", "much"],
}


@pytest.mark.parametrize("kind", ["parquet", "jsonl", "csv"])
def test_what_lists_say_besides(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    table = pa.table(LAION)
    if kind == "parquet":
        pq.write_table(table, path)
    elif kind == "jsonl":
        path.write_text("\n".join(map(json.dumps, table.to_pylist())), "utf-8")
    else:
        listed = [[("" if value is None else str(value)) for value in row.values()] for row in table.to_pylist()]
        with open(path, "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([list(LAION), *listed])
    (part,) = made(path)
    found = part.pairs.to_pydict()
    assert found["given_uid"] == (["2.0", "3.0", None] if kind == "csv" else ["2", "3", None])
    assert (found["width"], found["height"]) == ([640, None, None], [480, None, None])
    assert found["licence"] == [None, "http://creativecommons.org/licenses/by/4.0/", None]
    assert found["licence_scope"] == [None, "list", None]
    assert (found["language"], found["language_split"]) == (["en", "nl", None], ["en", "multi", "nolang"])
    assert part.scores is not None
    assert part.scores.column("similarity").to_pylist() == [pytest.approx(0.3), None, None]
    assert part.scores.column("punsafe").to_pylist() == [0.5, None, None]
    assert part.scores.column("nsfw").to_pylist() == ["UNLIKELY", None, "NSFW"]


PUBLISHED = {
    "laion": "SAMPLE_ID URL TEXT HEIGHT WIDTH LICENSE NSFW similarity",
    "re-laion": "uid url caption similarity hash punsafe pwatermark key status error_message width height "
    "original_width original_height exif md5",
    "datacomp": "uid url text original_width original_height clip_b32_similarity_score clip_l14_similarity_score "
    "face_bboxes sha256",
    "coyo": "id url text width height image_phash text_length word_count num_tokens_bert num_tokens_gpt num_faces "
    "clip_similarity_vitb32 clip_similarity_vitl14 nsfw_score_opennsfw2 nsfw_score_gantman watermark_score "
    "aesthetic_score_laion_v2",
    "cc2dataset": "uid url alt cc_filename page_url",
    "img2dataset": "url caption key status error_message width height original_width original_height exif sha256",
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_columns_of_published_lists(tmp_path: Path, name: str) -> None:
    listed = PUBLISHED[name].split()
    columns = {each: [A if each.lower() == "url" else "7"] for each in listed}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    _, found = opened(tmp_path / "a.parquet", None, None, None, ())
    (part,) = made(tmp_path / "a.parquet")
    assert part.pairs.column("alt_text").to_pylist() == part.pairs.column("given_uid").to_pylist() == ["7"]
    wanted = {each for each in schema.table("extracted-scores").names if each in map(str.lower, listed)}
    assert found.scores.keys() == wanted
    assert (part.scores is not None) == bool(wanted)
    if "width" in " ".join(listed).lower():
        assert part.pairs.column("width").to_pylist() == [7]


def test_spans_of_a_parquet_file_are_the_file(tmp_path: Path) -> None:
    listed = pairs(0, 103)
    table = pa.table({"url": [url for url, _ in listed], "text": [text for _, text in listed]})
    path = tmp_path / "a.parquet"
    pq.write_table(table, path, row_group_size=10)
    format, columns = opened(path, None, None, None, ())
    whole = pa.concat_tables([part.pairs for part in parts(path, format, columns, name="a")])
    for size in (1, 25, 1000):
        ranges = spans(path, format, rows=size)
        assert len(ranges) == {1: 11, 25: 5, 1000: 1}[size]
        found = [part.pairs for span in ranges for part in parts(path, format, columns, name="a", span=span, rows=6)]
        assert pa.concat_tables(found).equals(whole)


def test_a_list_of_no_rows_is_one_empty_part(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"url": pa.array([], pa.string()), "text": pa.array([], pa.string())}), tmp_path / "a.parquet"
    )
    (tmp_path / "b.csv").write_text("url,text,punsafe\n")
    for name, scored in (("a.parquet", False), ("b.csv", True)):
        (part,) = made(tmp_path / name)
        assert len(part.pairs) == 0 and (part.scores is not None) == scored
