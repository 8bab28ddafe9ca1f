from __future__ import annotations

import random

import pyarrow as pa
import pytest

from vlcorpus import schema
from vlcorpus.scores import pii
from vlcorpus.scores.pii import COLUMNS, KINDS, PERSONAL, find, redact, redacted, spans

HAS = {
    "email": """
write to jo@mail.example.org now¦<jo.doe+tag@example.co.uk>¦JO@EXAMPLE.COM¦(mailto:a_b-c@x.museum)
почта иван@пример.рф
連絡先：info@example.jp¦a@b.de,c@d.fr¦contact: jo@example.com.¦bild@2x.studio¦"o'hara@example.ie"
""",
    "phone": """
call +49 30 1234567 today¦+1 212 555 0142¦+1 (212) 555-0142¦+12125550142¦(212) 555-0142¦212-555-0142¦212.555.0142
1-800-555-0142¦Bike Repair 402-555-0166¦030 1234567¦0171-1234567¦01 23 45 67 89¦020 7946 0958¦03-1234-5678 東京
(030) 123456 Berlin¦8 (495) 123-45-67¦+7 495 123-45-67¦Tel: 5551234¦电话：13800138000¦WhatsApp 98765 43210
tel. 555 123 4567
هاتف 0551234567¦โทร 081-234-5678¦📞+91 98765-43210¦+30 690 555 0179 📍¦Fax (0221) 12 34 56¦+44 (0)20 7946 0958
010-1234-5678
+٤٩٣٠١٢٣٤٥٦٧¦call me on +5511912345678.¦(11) 91234-5678¦+33.1.23.45.67.89
""",
    "ip": """
server at 192.0.2.7 is down¦10.0.0.1¦ping 8.8.8.8.¦(203.0.113.5)¦192.168.0.0/24¦http 127.0.0.1:8080¦fe80::1
2001:db8::8a2e:370:7334
2001:0db8:85a3:0000:0000:8a2e:0370:7334¦[2001:db8::1]:443¦прокси 198.51.100.23
""",
    "iban": """
IBAN DE89 3704 0044 0532 0130 00¦GB29NWBK60161331926819 please¦FR14 2004 1010 0505 0001 3M02 606
DE89370400440532013000
pay DE89 3704 0044 0532 0130 00 BIC COBADEFF¦NL91ABNA0417164300.
""",
    "handle": "photo by @paper_folder¦@LakeOffice's photo¦(@jo.doe)¦follow @ユーザー名¦via @a1, @b2",
    "url": """
see https://t.co/abcDEF123x¦HTTP://EXAMPLE.COM¦www.example.de¦Buy shoes at shoe-shop.com¦(example.co.uk)
Photo: example.org.
""",
    "coordinates": """
48.8584, 2.2945¦-33.8568,151.2153¦48.8584° N, 2.2945° E¦48°51'30"N 2°17'40"E¦40° 26' N, 79° 58' W
lat 48.858222 / 2.294500
""",
}
HAS_NOT = {
    "email": """
icon@2x.png¦meet @ the bar¦jo@localhost¦@handle¦a cat @home.¦jo@¦@@@@¦5 apples @ $2.50¦logo@3x.webp¦jo@.com
jo.@x.de is odd¦user@host
""",
    "phone": """
2019-04-05¦05.04.2019¦04/05/2019 12:30¦2019-04-05 12-30-45¦1920x1080¦1920 x 1080 px¦2015-2016-2017
ISBN 978-3-16-148410-0
ISBN 0-306-40615-2¦0-306-40615-2¦9780340829752¦$1,234,567.00¦€ 1.234.567¦1 000 000 people¦3.14159265358979
Stock Photo #10203040
MLS #20304050¦iPhone 12 2020-2021¦100/100-18 and 80/100-21¦DSC_0123456789¦12345678901¦Code: 400-01234567
195/65R15 205/55R16
1950/1950 - 2019/2020¦5 10 15 20 25 30 35¦Model 022-028 33¦404-¦100-200-300¦(2009) 2010-2011¦lot 0123-4567-8901
+100¦+3 years
Fits 99 00 01 02 03 04 models¦10.0.0.1¦192.168.100.200¦8 x 10 x 12 x 14¦1:23:45.678901¦+1 000 000¦0.123456789 m
200 300 4000
""",
    "ip": """
999.1.1.1¦1.2.3¦version 1.2.3.4¦v1.2.3.4¦Editor APK 4.1.2.9¦1.2.3.4.5¦01.02.03.04¦256.1.1.1¦12:34:56
00:1A:2B:3C:4D:5E¦std::vector
Genesis 1:2:3¦0.0.0.0¦face::add::bed¦a::b¦1.1.1.1a¦3.14.15.926
""",
    "iban": """
DE88 3704 0044 0532 0130 00¦GB29NWBK6016133192681¦XX12 3456 7890 1234 56¦MODEL AB12 CD34 EF56 GH78
DE89370400440532013000123
""",
    "handle": "jo@example.org¦@2x¦@ home¦3 @ 5¦https://example.org/@jo¦a@b¦@_",
    "url": "the end.It was late¦e.g. this¦John.Smith¦.NET Core¦1.5 m¦jo@gmail.com¦dot com¦www¦St.Moritz",
    "coordinates": "1.5, 2.5¦95.1234, 200.1234¦3.1415¦20° C¦F/2.800, 1/3.000s¦99.1234, 10.1234¦12° 30",
}


def split(block: str) -> list[str]:
    return [text for line in block.strip("\n").split("\n") for text in line.split("¦") if text]


def cases(block: dict[str, str]) -> list[tuple[str, str]]:
    return [(kind, text) for kind, texts in block.items() for text in split(texts)]


@pytest.mark.parametrize(("kind", "text"), cases(HAS))
def test_has(kind: str, text: str) -> None:
    found = find(pa.array([text]))
    assert found[f"has_{kind}"][0].as_py()
    assert found["pii"][0].as_py() or kind not in PERSONAL


@pytest.mark.parametrize(("kind", "text"), cases(HAS_NOT))
def test_has_not(kind: str, text: str) -> None:
    assert not find(pa.array([text]))[f"has_{kind}"][0].as_py(), spans(text, KINDS)


def test_the_columns_say_what_the_spans_say() -> None:
    rng = random.Random(3)
    known = [text for block in (HAS, HAS_NOT) for _, text in cases(block)]
    texts = known + [" ".join(rng.sample(known, 3)) for _ in range(2000)]
    texts += ["".join(rng.choices("01259.-+() @:aA/é٣#", k=25)) for _ in range(20_000)]
    found = find(pa.array(texts))
    for row, text in enumerate(texts):
        for kind in KINDS:
            assert found[f"has_{kind}"][row].as_py() == bool(spans(text, (kind,))), (kind, text)
        assert found["pii"][row].as_py() == bool(spans(text)), text


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("call +49 30 1234567 or jo@mail.example.org", "call <PHONE> or <EMAIL>"),
        ("a@b.de,c@d.fr", "<EMAIL>,<EMAIL>"),
        ("ask (212) 555-0142.", "ask <PHONE>."),
        ("ask (at 212-555-0142)", "ask (at <PHONE>)"),
        ("us (212-555-0142) or (+49 30 1234567)", "us (<PHONE>) or (<PHONE>)"),
        ("192.0.2.7 and 2001:db8::1", "<IP> and <IP>"),
        ("IBAN DE89 3704 0044 0532 0130 00, thanks", "IBAN <IBAN>, thanks"),
        ("a cat on a chair in 2019-04-05", "a cat on a chair in 2019-04-05"),
        ("", ""),
        ("黒猫 info@example.jp 03-1234-5678", "黒猫 <EMAIL> <PHONE>"),
        ("@jo at https://example.org", "@jo at https://example.org"),
    ],
)
def test_redact(text: str, want: str) -> None:
    assert redact(text) == want
    assert not spans(want), "what is redacted has nothing more"


def test_a_redacted_column_keeps_all_other_texts() -> None:
    texts = pa.array(["a cat", "jo@example.org", None, "call 212-555-0142", ""])
    want = ["a cat", "<EMAIL>", None, "call <PHONE>", ""]
    assert redacted(texts).to_pylist() == want
    assert redacted(texts.slice(1, 3)).to_pylist() == want[1:4]
    assert redacted(texts.slice(0, 1)).to_pylist() == ["a cat"]


@pytest.mark.parametrize(
    "part",
    ["1", "a", "@", "a@", "1.", "1-", "1 ", "+1", "(1) ", "a.", ":", "1:", "AB12", "a@a.", "48.1234, ", "°", "12° ",
     "0", "f:", "www.", "http", "-", "@a", "猫", "\u0301", "1.1.1.1 ", "DE89 ", "12-34-", "01 23 45 67 89 "],
)  # fmt: skip
def test_a_text_of_a_million_characters_costs_no_more_than_many_short_ones(part: str) -> None:
    text = part * (1_000_000 // len(part))
    found = find(pa.array([text, "a cat"]))
    assert not any(found[name][1].as_py() for name in COLUMNS)
    assert isinstance(redact(text), str)


def test_no_nulls_and_the_declared_columns() -> None:
    for texts in (pa.array([], pa.string()), pa.array([None, "a"], pa.string())):
        found = find(texts)
        assert tuple(found) == COLUMNS
        assert all(len(column) == len(texts) and not column.null_count for column in found.values())
    assert schema.table("score-pii").names == ("uid", *COLUMNS)
    assert pii.KINDS[:4] == PERSONAL
