from __future__ import annotations

import itertools
import random
import unicodedata
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from vlcorpus.scores import text_rules
from vlcorpus.scores.text_rules import COLUMNS, measure, pieces

SPACES = [chr(code) for code in range(0x110000) if chr(code).isspace()]
SCRIPTS = [
    "A black cat on a chair",
    "  leading and trailing  ",
    "ЧЁРНЫЙ кот на стуле",
    "黒い猫が椅子の上で寝ている",
    "قطة سوداء على كرسي",
    "แมวดำนอนบนเก้าอี้",
    "काली बिल्ली कुर्सी पर सो रही है",
    "검은 고양이가 의자에서 잔다",
    "naïve cafe\u0301 ☕☕☕ 12½ Ⅷ",
    "😀😀 emoji 👩‍👩‍👧",
    "",
    " ",
    "\u200b\ufeff",
    "aaaaaaaab",
    "New new NEW york",
    "a,b|c;d - e – f",
    "\x00\x1c\x85nul",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝟙𝟚𝟛",
    "! ! ! !!",
]


def flag(text: str, name: str) -> bool:
    return bool(measure(pa.array([text]))[name][0].as_py())


def slow(text: str) -> dict[str, float]:
    """The counted columns, character by character."""
    visible = [each for each in text if not each.isspace()]
    category = [unicodedata.category(each) for each in visible]
    letters = sum(each[0] in "LM" for each in category)
    digits = sum(each[0] == "N" for each in category)
    words = [word.lower() for word in text.split()]
    top = Counter(words).most_common(1)
    runs = [len(list(group)) for each, group in itertools.groupby(text) if not each.isspace()]
    return {
        "text_length": len(text),
        "text_words": len(text.split()),
        "alnum_share": (letters + digits) / max(1, len(visible)),
        "letter_share": letters / max(1, len(visible)),
        "digit_share": digits / max(1, len(visible)),
        "upper_share": sum(each in ("Lu", "Lt") for each in category) / max(1, letters),
        "longest_word": max(map(len, text.split()), default=0),
        "longest_run": max(runs, default=0),
        "distinct_words_share": len(set(words)) / max(1, len(words)),
        "top_word_share": (top[0][1] if top else 0) / max(1, len(words)),
    }


def assert_like_slow(texts: list[str]) -> None:
    found = measure(pa.array(texts, pa.string()))
    for row, text in enumerate(texts):
        for name, want in slow(text).items():
            got = found[name][row].as_py()
            assert got == (want if isinstance(want, int) else float(np.float32(want))), (name, text)


def test_counts_are_those_of_a_slow_count() -> None:
    assert_like_slow(SCRIPTS)


def test_random_texts_and_their_neighbours_are_counted_alike() -> None:
    rng = random.Random(5)
    letters = [*"aAbB,|;-–.!0٣½é漢คिस가😀", *SPACES, " ", " "]
    texts = ["".join(rng.choices(letters, k=rng.randrange(30))) for _ in range(3000)]
    assert_like_slow(texts)


@pytest.mark.parametrize("space", SPACES, ids=lambda space: f"{ord(space):04x}")
def test_words_and_length_are_pythons_at_every_white_space(space: str) -> None:
    texts = [f"a{space}b", f"{space}a{space}{space}b{space}", space, f"é{space}猫", f"a{space}\n{space}b c"]
    found = measure(pa.array(texts))
    assert found["text_words"].to_pylist() == [len(text.split()) for text in texts]
    assert found["text_length"].to_pylist() == [len(text) for text in texts]


def test_characters_that_only_look_like_space_divide_no_words() -> None:
    texts = [f"a{each}b" for each in "\u200b\u2060\ufeff\u180e\u200d"]
    assert measure(pa.array(texts))["text_words"].to_pylist() == [1] * 5


def test_datacomps_basic_rule_can_be_asked() -> None:
    texts = ["a b c", "ab cd", "a b c d", "abc def ghi", "  a   b  ", "猫 が 寝る 猫", "a\u3000b\u3000c x"]
    found = measure(pa.array(texts))
    kept = [
        words > 2 and length > 5
        for words, length in zip(found["text_words"].to_pylist(), found["text_length"].to_pylist(), strict=True)
    ]
    assert kept == [len(text.split()) > 2 and len(text) > 5 for text in texts]


@pytest.mark.parametrize("size", [1, 100, 1 << 20])
def test_pieces_of_any_size_say_the_same(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = pa.array(SCRIPTS)
    want = measure(texts)
    assert pa.concat_arrays(list(pieces(texts, size))).equals(texts)
    monkeypatch.setattr(text_rules, "PIECE", size)
    monkeypatch.setattr(text_rules.pieces, "__defaults__", (size,))
    assert all(measure(texts)[name].equals(want[name]) for name in COLUMNS)
    sliced = measure(texts.slice(3, 9))
    assert all(sliced[name].equals(want[name].slice(3, 9)) for name in COLUMNS)


def test_types_and_an_empty_shard() -> None:
    for texts in (pa.array([], pa.string()), pa.array(["a", None])):
        found = measure(texts)
        assert {name: column.type for name, column in found.items()} == COLUMNS
        assert all(len(column) == len(texts) and not column.null_count for column in found.values())


FILE_NAMES = """
IMG_1234.jpg|IMG_1234|DSC00012|DSCN0042|P1010034|img-20190405-wa0003|PXL_20210304_123456789|photo 0042
Screenshot 2020-01-02 at 3.04.05 PM|Screenshot_20200102-030405|Bildschirmfoto 2020-01-02 um 12.00.00|截图20200102
2019-04-05 12.34.56|20190405_123456|12345678_10155_n|12345678
3f2504e0-4f89-11d3-9a0c-0305e82c3301|9e107d9d372bb6826bd81d3542a419d6|red-dress.png|My holiday.JPEG
garden-chair-rental-in-the-town|a_bakers_diary|Raincoat_F202_white_back|слайд.webp
  hero_2.png
"""
NO_FILE_NAMES = """
A black cat on a chair|IMG|state-of-the-art|Canon EOS R5|jpg or png?|iPhone 12|2017|1920x1080 wallpaper of a lake|png
The DSC conference 2019|Screenshot of the new menu|Photo 12 of the wedding at the lake|Mary-Jane Smith|猫が寝ている|
قطة سوداء|แมวดำ|Route 66|deadbeef|+49 30 1234567|Chapter 12: the end.|red dress front view|ВАЗ-2107|A.I.|e-mail
"""
SEO = """
Buy red running shoes online|Free shipping on all orders|Click here to see more|Heron Royalty Free Stock Photos
Car for sale|50% off|$19.99 dress|Nur 12 € im Angebot
red shoes, blue shoes, green shoes, cheap shoes, shoes men, shoes
home | shop | red | blue
платья купить в Москве|無印 送料無料 バッグ|comprar online zapatos|Sweater pas cher|EUR 200 sofa
"""
NO_SEO = """
A black cat on a chair|Paris, France|A dog, a cat and a bird on a lawn|Livestock photographed in a barn
2019 was a year
He clicked her picture, she smiled|The bride | The groom|猫、椅子、机
He bought flowers in the market|Portrait, oil on wood
A stocky photographer in the rain|Müller – Schmidt – Weber|the price of freedom|Coupon|100 people
"""
PLACEHOLDERS = """
image|IMAGE|photo 3|Photo (12)|img_01|logo|untitled|Null|undefined|default|placeholder.png|no image available|n/a|-
...
featured image|Product Image 1|the image|bild|kein Bild|sin título|imágenes|ima\u0301genes|sans titre|без названия
ФОТО 2
صورة|รูปภาพ|画像|写真1|图片|無題|暂无图片|이미지|hình ảnh|!!!|🙂
"""
NO_PLACEHOLDERS = """
image of a cat|Photo by Jane|a logo on a wall|Google logo|2017|Bild einer Katze|猫の画像|A|猫|صورة قطة|photosynthesis
imagine a cat
the default settings page|null hypothesis test|no image can show it|รูปภาพแมว|Picture Perfect Homes|logos of the clubs
"""


def split(block: str) -> list[str]:
    return [text for line in block.strip("\n").split("\n") for text in line.split("|") if text]


@pytest.mark.parametrize("text", split(FILE_NAMES))
def test_file_names(text: str) -> None:
    assert flag(text, "file_name_like")


@pytest.mark.parametrize("text", split(NO_FILE_NAMES))
def test_no_file_names(text: str) -> None:
    assert not flag(text, "file_name_like")


@pytest.mark.parametrize("text", [*split(SEO.replace(" | ", "¦")), "a|b|c|d"])
def test_seo(text: str) -> None:
    assert flag(text.replace("¦", " | "), "seo_like")


@pytest.mark.parametrize("text", split(NO_SEO.replace(" | ", "¦")))
def test_no_seo(text: str) -> None:
    assert flag(text.replace("¦", " | "), "seo_like") == (text == "Coupon")


@pytest.mark.parametrize("text", split(PLACEHOLDERS))
def test_placeholders(text: str) -> None:
    assert flag(text, "placeholder_like")


@pytest.mark.parametrize("text", split(NO_PLACEHOLDERS))
def test_no_placeholders(text: str) -> None:
    assert not flag(text, "placeholder_like")


@pytest.mark.parametrize("part", ["a", "a ", "-", "buy ", "0_", "猫", "\u0301", "1", "a-", "$"])
def test_a_text_of_a_million_characters_is_measured(part: str) -> None:
    text = part * (1_000_000 // len(part))
    found = measure(pa.array([text, "a cat"]))
    assert found["text_length"].to_pylist() == [len(text), 5]
    assert found["text_words"].to_pylist() == [len(text.split()), 2]
    assert found["placeholder_like"][0].as_py() == (part in "-$\u0301")


def test_the_columns_are_those_declared() -> None:
    from vlcorpus import schema

    declared = schema.table("score-text").arrow()
    assert declared.names == ["uid", *COLUMNS]
    assert [field.type for field in declared][1:] == list(COLUMNS.values())
