"""Labels that are right, missing and wrong; the text is what counts."""

from __future__ import annotations

import random

import pytest

from vlcorpus.web.pages.charset import _is_whole_utf8, decode, utf8

GERMAN = "Über die Brücke fährt täglich der Zug; die Fähre läuft später aus. Schöne Grüße aus Köln! " * 3
RUSSIAN = "Съешь же ещё этих мягких французских булок, да выпей чаю. Сегодня хорошая погода. " * 3
JAPANESE = "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。" * 3
POLISH = "Zażółć gęślą jaźń. Dziś jest piękny dzień, więc pójdziemy na spacer do ogrodu. " * 3
CHINESE = "今天天气很好，我们一起去公园散步吧。学习使人进步。" * 5


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        (GERMAN, "utf-8"),
        (GERMAN, "cp1252"),
        (POLISH, "cp1250"),
        (POLISH, "iso8859-2"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8-r"),
        (JAPANESE, "cp932"),
        (JAPANESE, "euc_jp"),
        (CHINESE, "gb18030"),
        (CHINESE, "big5hkscs"),
    ],
)
@pytest.mark.parametrize("label", [None, "text/html; charset=utf-8", "text/html; charset=nonsense"])
def test_without_a_label_and_with_one_that_lies(text: str, codec: str, label: str | None) -> None:
    if codec == "big5hkscs":
        text = "今天天氣很好，我們一起去公園散步吧。學習使人進步。" * 5
    body = f"<p>{text}</p>".encode(codec)
    assert decode(body, label) == f"<p>{text}</p>"
    # Also where all that is seen first is ASCII.
    long = b"<script>" + b"x = 1;\n" * 10_000 + b"</script>" + body
    assert decode(long, label).endswith(f"<p>{text}</p>")


@pytest.mark.parametrize("label", ["iso-8859-1", "windows-1251", "shift_jis", "gbk"])
def test_utf8_under_another_label_is_utf8(label: str) -> None:
    assert decode(RUSSIAN.encode(), f"text/html; charset={label}") == RUSSIAN


def test_a_label_that_nearly_fits_holds() -> None:
    text = GERMAN * 3
    body = text.encode() + b"\xe4" + text.encode()
    assert decode(body, "text/html; charset=utf-8") == f"{text}\ufffd{text}"
    # A character that was cut off is no lie.
    assert utf8("é".encode()[:1], "text/html; charset=utf-8") == b"\xc3"
    assert decode(b"caf\xe9 \x8d", "text/html; charset=windows-1252") != "caf\xe9 \ufffd\ufffd"


def test_ascii_of_other_characters() -> None:
    assert decode(JAPANESE.encode("iso2022_jp"), "text/html; charset=iso-2022-jp") == JAPANESE
    assert decode("abc".encode("utf-16-le"), "text/html; charset=utf-16") == "abc"
    assert decode(b"+AGE-", "text/html; charset=utf-7") == "+AGE-"


@pytest.mark.parametrize("body", [b"", b"\xff", b"\x80" * 1_000_000, bytes(range(256)) * 100, b"\xfe\xff\xd8"])
@pytest.mark.parametrize("label", [None, "charset=utf-8", "charset=gbk", "charset=iso-2022-jp", "charset=utf-16be"])
def test_anything_can_be_read(body: bytes, label: str | None) -> None:
    decode(body, label)


@pytest.mark.parametrize("seed", range(5))
def test_utf8_is_what_can_be_decoded(seed: int) -> None:
    rng = random.Random(seed)
    parts = [
        b"a",
        "é".encode(),
        "漢".encode(),
        "😀".encode(),
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xc0\xaf",
        b"\xe6\xbc",
        b"\xff",
    ]
    for _ in range(5_000):
        body = b"".join(rng.choice(parts[: rng.choice((4, 9))]) for _ in range(rng.randrange(12)))
        try:
            body.decode()
            whole = True
        except UnicodeDecodeError:
            whole = False
        assert _is_whole_utf8(body) == whole, body
