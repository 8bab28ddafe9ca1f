"""Identifiers against captions whose language is known, and against what they must survive."""

from __future__ import annotations

import random
import sys

import pyarrow as pa
import pytest

from vlcorpus.errors import UsageError
from vlcorpus.web.words import language
from vlcorpus.web.words.language import LONGEST, NAMES, Identifier

CAPTIONS = [
    ("en", "A grey cat sleeping on a wooden bench in the sun"),
    ("en", "Two children are building a sandcastle on the beach"),
    ("en", "The old lighthouse at sunset, seen from the harbour"),
    ("de", "Ein kleiner Hund läuft über die verschneite Wiese"),
    ("de", "Blick auf die alte Brücke und den Fluss am Abend"),
    ("de", "Frau mit rotem Regenschirm wartet an der Haltestelle"),
    ("fr", "Un chat noir dort sur le rebord de la fenêtre"),
    ("fr", "Vue de la vallée depuis le sommet de la montagne"),
    ("fr", "Des enfants jouent au ballon dans la cour de l'école"),
    ("es", "Una mujer lee un libro en el banco del parque"),
    ("es", "Los barcos de pesca vuelven al puerto por la mañana"),
    ("es", "El perro corre detrás de la pelota en la playa"),
    ("it", "Una tazza di caffè sul tavolo della cucina"),
    ("it", "Le barche colorate nel porto del piccolo villaggio"),
    ("pt", "O menino está brincando com o cachorro no jardim"),
    ("pt", "Uma rua estreita com casas antigas e flores nas janelas"),
    ("nl", "Een oude molen langs het water met koeien in de wei"),
    ("nl", "De kinderen fietsen samen naar school in de regen"),
    ("pl", "Dziewczynka karmi gołębie na rynku starego miasta"),
    ("pl", "Zimowy krajobraz z zamarzniętym jeziorem i lasem"),
    ("sv", "En röd stuga vid sjön med en liten båt vid bryggan"),
    ("da", "Børnene leger i sneen foran det gamle hus på bakken"),
    ("fi", "Vanha punainen talo järven rannalla syksyllä"),
    ("cs", "Stará žena prodává květiny na náměstí před kostelem"),
    ("tr", "Küçük kız bahçede kedisiyle oynuyor ve gülümsüyor"),
    ("ru", "Рыжая кошка спит на подоконнике у окна"),
    ("ru", "Дети катаются на санках со снежной горки"),
    ("uk", "Дівчинка годує голубів на площі біля церкви"),
    ("el", "Ένα μικρό καράβι στο λιμάνι του νησιού το πρωί"),
    ("ar", "قطة صغيرة تنام على الكرسي بجانب النافذة"),
    ("ja", "窓のそばで眠っている黒い猫"),
    ("ja", "桜の木の下でお弁当を食べる家族"),
    ("ko", "창가에 앉아 있는 작은 고양이 한 마리"),
    ("zh", "一只小猫在窗台上睡觉"),
    ("zh", "孩子们在公园里放风筝"),
]
NO_LANGUAGE = [
    "IMG_2034.jpg",
    "DSC00871",
    "4:3",
    "1920x1080",
    "logo-v2-final@2x",
    "Canon EOS R5",
    "Miriam Kowalczyk",
    "J. Okafor",
    "Nokia 3310",
    "€ 24.99",
    "#000000",
    "www.example.org",
    "ISBN 978-0-00-000000-2",
    "★★★★☆",
    "©2019",
]

# Of CAPTIONS right and called reliable; wrong and called reliable; of NO_LANGUAGE called reliable.
BOUNDS = {"pycld2": (32, 1, 3), "cld3": (30, 3, 7), "fasttext": (31, 1, 5)}


@pytest.fixture(scope="module", params=NAMES)
def identifier(request: pytest.FixtureRequest) -> Identifier:
    return Identifier(request.param)


def test_the_set_is_what_its_counts_are_of() -> None:
    assert len(CAPTIONS) == 35
    assert len({code for code, _ in CAPTIONS}) == 20
    assert len(NO_LANGUAGE) == 15


def test_most_captions_are_right_and_few_are_wrong(identifier: Identifier) -> None:
    found = identifier.identify([text for _, text in CAPTIONS])
    rows = list(zip(CAPTIONS, found.language.to_pylist(), found.reliable.to_pylist(), strict=True))
    right, wrong, invented = BOUNDS[identifier.name]
    assert sum(code == said for (code, _), said, reliable in rows if reliable) >= right
    assert sum(code != said for (code, _), said, reliable in rows if reliable) <= wrong
    assert sum(identifier.identify(NO_LANGUAGE).reliable.to_pylist()) <= invented


def test_the_split_follows_from_language_and_reliability(identifier: Identifier) -> None:
    found = identifier.identify([text for _, text in CAPTIONS] + NO_LANGUAGE)
    for code, score, reliable, split in zip(
        *(each.to_pylist() for each in (found.language, found.score, found.reliable, found.split)), strict=True
    ):
        assert split == ("nolang" if not reliable else "en" if code == "en" else "multi")
        assert 0 <= score <= 1
        assert code or (not reliable and score == 0)
    assert set(found.split.to_pylist()) == set(language.SPLITS)
    assert (found.language.type, found.score.type, found.split.type) == (pa.string(), pa.float32(), pa.string())


def test_each_text_is_answered_as_if_it_came_alone(identifier: Identifier) -> None:
    texts = [text for _, text in CAPTIONS] * 2 + NO_LANGUAGE
    random.Random(3).shuffle(texts)
    together = identifier.identify(texts)
    for number, text in enumerate(texts):
        alone = Identifier(identifier.name).identify([text]) if number < 5 else identifier.identify([text])
        assert alone.language[0] == together.language[number]
        assert alone.score[0] == together.score[number]
        assert alone.reliable[0] == together.reliable[number]


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language, "REMEMBERED", 10)
    found = Identifier("pycld2")
    texts = [text for _, text in CAPTIONS]
    first = found.identify(texts)
    assert len(found._seen) <= 10
    assert found.identify(texts) == first
    found.identify([texts[0] * 20])
    assert all(len(text) <= language.SHORT for text in found._seen)


def test_no_text_has_no_language(identifier: Identifier) -> None:
    found = identifier.identify([None, "", " \n\t", None])
    assert found.language.null_count == 4
    assert found.score.to_pylist() == [0.0] * 4
    assert found.reliable.to_pylist() == [False] * 4
    assert found.split.to_pylist() == ["nolang"] * 4
    assert len(identifier.identify([]).split) == 0


def test_every_kind_of_text_column_is_read(identifier: Identifier) -> None:
    text = CAPTIONS[0][1]
    for column in (
        pa.array([text, None], pa.large_string()),
        pa.array([text, None]).dictionary_encode(),
        pa.array([text, None], pa.string_view()),
        pa.chunked_array([[text], [None]], pa.string()),
        pa.array(["x", text, None])[1:],
    ):
        assert identifier.identify(column).split.to_pylist() == ["en", "nolang"]
    assert identifier.identify(pa.nulls(2)).split.to_pylist() == ["nolang"] * 2


def test_control_characters_do_not_cost_the_language(identifier: Identifier) -> None:
    for stray in ("\x00", "\x01", "\x0b", "\x1b", "\x7f", "\x85", "\ufdd0", "\ufffe", "\U0010ffff", "\ud800", "\n"):
        found = identifier.identify([f"Two children are building{stray} a sandcastle on the sunny beach"])
        assert found.language.to_pylist() == ["en"], ascii(stray)


def test_bytes_that_are_no_text_are_survived(identifier: Identifier) -> None:
    raw = b"A grey cat \xff\xfe sleeping on a bench in the warm sun\xed\xa0\x80"
    offsets = pa.py_buffer(b"".join(number.to_bytes(4, "little") for number in (0, len(raw))))
    column = pa.Array.from_buffers(pa.string(), 1, [None, offsets, pa.py_buffer(raw)])
    assert identifier.identify(column).split.to_pylist() == ["en"]


def test_anything_is_survived(identifier: Identifier) -> None:
    chance = random.Random(7)
    ranges = [(0, 0x7F), (0, 0x2FF), (0x600, 0x1200), (0x3000, 0x9FFF), (0xD000, 0xFFFF), (0, 0x10FFFF)]
    for _ in range(30):
        texts = [
            "".join(chr(chance.randint(*chance.choice(ranges))) for _ in range(chance.choice([1, 5, 40, 3000])))
            for _ in range(20)
        ]
        assert len(identifier.identify(texts).split) == 20


def test_a_long_text_counts_by_its_start(identifier: Identifier) -> None:
    text = "Two children are building a sandcastle on the beach. " * 100
    assert len(text) > LONGEST
    found = identifier.identify([text, text[:LONGEST], text[:LONGEST] + "Ein Hund. " * 10_000])
    assert found.split.to_pylist() == ["en"] * 3
    assert len(set(found.score.to_pylist())) == 1


def test_cld3_counts_transliterations_as_the_language_and_the_shortest_texts_as_none() -> None:
    found = Identifier("cld3").identify(["Kore wa watashi no neko desu. Mado no soba de nemutte imasu", "ab"])
    assert found.language.to_pylist() == ["ja", None]


def test_hebrew_has_its_present_code() -> None:
    text = "חתול שחור ישן על הכיסא ליד החלון"
    assert Identifier("pycld2").identify([text]).language.to_pylist() == ["he"]
    assert Identifier("cld3").identify([text]).language.to_pylist() == ["iw"]


def test_another_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="'cld2'") as raised:
        Identifier("cld2")
    assert "cld" in raised.value.hint


@pytest.mark.parametrize(
    ("name", "library", "hint"),
    [("pycld2", "pycld2", "pycld2"), ("cld3", "gcld3", "'vlcorpus[cld3]'"), ("fasttext", "fasttext", "[fasttext]")],
)
def test_a_missing_library_names_its_extra(monkeypatch: pytest.MonkeyPatch, name: str, library: str, hint: str) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(UsageError, match="not installed") as raised:
        Identifier(name)
    assert "pip install " in raised.value.hint
    assert hint in raised.value.hint
