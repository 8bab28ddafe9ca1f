"""Expressions against a row-by-row reading of the same words, their errors, and the page that documents them."""

from __future__ import annotations

import math
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import pytest

from vlcorpus import schema
from vlcorpus.errors import UsageError
from vlcorpus.expression import compile, compile_value, conjuncts, is_column, names, written
from vlcorpus.expression.kinds import Kind
from vlcorpus.expression.parse import DEEPEST, parse
from vlcorpus.expression.tokens import LONGEST

Row = dict[str, Any]
Reading = Callable[[Row], Any]

SCHEMA = pa.schema(
    [
        ("width", pa.int32()),
        ("offset", pa.int64()),
        ("similarity", pa.float32()),
        ("ratio", pa.float64()),
        ("language", pa.string()),
        ("alt_text", pa.string()),
        ("url", pa.string()),
        ("reliable", pa.bool_()),
        ("optout", pa.list_(pa.string())),
        ("found_at", pa.timestamp("us", tz="UTC")),
        ("uid", pa.binary(16)),
    ]
)
NUMBERS = ["width", "offset", "similarity", "ratio"]
TEXTS = ["language", "alt_text", "url"]
MOMENTS = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=6 * hours) for hours in range(8)]
WORDS = ["en", "de", "", "a cat", " A Cat\u3000on  it ", "é 猫\n", 'say "x\\y"', "cat.cat"]
URLS = [
    "https://a.example/cat.JPG?x=1.png",
    "http://u@B.example:80",
    "//c.example/a.b/c",
    "x.gif",
    "",
    "https://[::1]/a.tar.gz#b",
]


def made(chance: random.Random, rows: int) -> pa.Table:
    def some(draw: Callable[[], Any]) -> list[Any]:
        return [None if chance.random() < 0.25 else draw() for _ in range(rows)]

    return pa.table(
        {
            "width": some(lambda: chance.randint(-3, 3)),
            "offset": some(lambda: chance.choice([0, 1, -1, 2**53 + 1, 2**53, -(2**63), 2**63 - 1])),
            "similarity": some(lambda: chance.choice([0.7, 0.25, 0.0, -0.0, 1e30, math.nan, math.inf])),
            "ratio": some(lambda: chance.choice([0.7, 1.5, -0.0, 0.0, -2.0, math.nan, -math.inf])),
            "language": some(lambda: chance.choice(["en", "de", ""])),
            "alt_text": some(lambda: chance.choice(WORDS)),
            "url": some(lambda: chance.choice(URLS)),
            "reliable": some(lambda: chance.random() < 0.5),
            "optout": some(lambda: chance.choices([None, "tdm|noai", "noai", "", "x"], k=chance.randint(0, 3))),
            "found_at": some(lambda: chance.choice(MOMENTS)),
            "uid": some(lambda: chance.randbytes(16)),
        },
        schema=SCHEMA,
    )


def rows_of(table: pa.Table) -> list[Row]:
    """As Python values, NaN as None."""
    found: list[Row] = table.to_pylist()
    for row in found:
        for name in ("similarity", "ratio"):
            if row[name] is not None and math.isnan(row[name]):
                row[name] = None
    return found


# The reading of each word, one value at a time.


def on(function: Callable[..., Any], *parts: Reading) -> Reading:
    """Missing where any of its parts is."""

    def read(row: Row) -> Any:
        values = [part(row) for part in parts]
        return None if None in [None if value is None else 0 for value in values] else function(*values)

    return read


def finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def calculated(operator: str, left: float, right: float) -> float | None:
    left, right = float(left), float(right)
    if operator == "/":
        return finite(left / right) if right else None
    return finite(left + right if operator == "+" else left - right if operator == "-" else left * right)


def alike(left: Any, right: Any) -> tuple[Any, Any]:
    """A whole number beside another becomes one."""
    mixed = isinstance(left, float) or isinstance(right, float)
    return (float(left), float(right)) if mixed else (left, right)


def compared(operator: str, left: Any, right: Any) -> bool:
    left, right = alike(left, right)
    return bool(
        {
            "==": left == right,
            "!=": left != right,
            "<": left < right,
            "<=": left <= right,
            ">": left > right,
            ">=": left >= right,
        }[operator]
    )


def both(left: Any, right: Any) -> Any:
    return False if left is False or right is False else None if left is None or right is None else True


def either(left: Any, right: Any) -> Any:
    return True if left is True or right is True else None if left is None or right is None else False


def host(url: str) -> str:
    netloc = urlsplit(url).netloc.rpartition("@")[2]
    return (netloc[: netloc.find("]") + 1] if netloc.startswith("[") else netloc.partition(":")[0]).lower()


def ending(url: str) -> str:
    name = urlsplit(url).path.rpartition("/")[2]
    return name.rpartition(".")[2].lower() if "." in name else ""


def quoted(text: str, chance: random.Random) -> str:
    quote = chance.choice("\"'")
    return quote + text.replace("\\", "\\\\").replace(quote, "\\" + quote) + quote


class Words:
    """Random expressions, each with its reading."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance

    def space(self, text: str) -> str:
        """The same, otherwise spaced and in needless parentheses."""
        return text if self.chance.random() < 0.7 else f"( {text}\n)"

    def number(self, depth: int) -> tuple[str, Reading]:
        kind = self.chance.randint(0, 9 if depth else 1)
        if kind == 0:
            value = self.chance.choice([0, 1, 3, -2, 0.7, 0.25, -1.5, 2**53 + 1])
            return str(value), lambda row: value
        if kind <= 4:
            name = self.chance.choice(NUMBERS)
            return name, lambda row: row[name]
        if kind == 5:
            text, read = self.text(depth - 1)
            return f"length({text})", on(len, read)
        if kind == 6:
            text, read = self.text(depth - 1)
            return f"words({text})", on(lambda value: len(value.split()), read)
        if kind == 7:
            operand, read = self.number(depth - 1)
            if self.chance.random() < 0.5:
                return f"abs({operand})", on(lambda value: abs(float(value)), read)
            literal = re.fullmatch(r"-?[\d.]+", operand)
            return f"-({operand})", on(lambda value: -value if literal else -float(value), read)
        left, first = self.number(depth - 1)
        right, second = self.number(depth - 1)
        if kind == 8:
            name, function = self.chance.choice([("min", min), ("max", max)])
            return f"{name}({left}, {right})", on(lambda a, b: function(*alike(a, b)), first, second)
        operator = self.chance.choice("+-*/")
        return f"(({left}) {operator} ({right}))", on(lambda a, b: calculated(operator, a, b), first, second)

    def text(self, depth: int) -> tuple[str, Reading]:
        kind = self.chance.randint(0, 5 if depth > 0 else 2)
        if kind == 0:
            value = self.chance.choice(WORDS)
            return quoted(value, self.chance), lambda row: value
        if kind <= 2:
            name = self.chance.choice(TEXTS)
            return name, lambda row: row[name]
        if kind == 3:
            text, read = self.text(depth - 1)
            return f"lower({text})", on(str.lower, read)
        name, function = self.chance.choice([("domain", host), ("extension", ending)])
        return f"{name}(url)", on(function, lambda row: row["url"])

    def truth(self, depth: int) -> tuple[str, Reading]:
        kind = self.chance.randint(0, 11) if depth else self.chance.choice([0, 3])
        if kind == 0:
            return self.chance.choice([("reliable", lambda row: row["reliable"]), ("TRUE", lambda row: True)])
        if kind <= 3:
            return self.comparison(depth)
        if kind == 4:
            text, read = self.truth(depth - 1)
            return f"not ({text})", on(lambda value: not value, read)
        if kind == 5:
            name = self.chance.choice(SCHEMA.names)
            form, negated = self.chance.choice(
                [(f"missing({name})", False), (f"{name} is null", False), (f"{name} IS NOT null", True)]
            )
            return form, lambda row: (row[name] is None) != negated
        if kind == 6:
            text, read = self.text(depth - 1)
            part = self.chance.choice(["cat", "A", "", "é", '"', "\\", "."])
            name, function = self.chance.choice(
                [
                    ("contains", lambda value: part in value),
                    ("starts_with", lambda value: value.startswith(part)),
                    ("ends_with", lambda value: value.endswith(part)),
                ]
            )
            return f"{name}({text}, {quoted(part, self.chance)})", on(function, read)
        if kind == 7:
            text, read = self.text(depth - 1)
            pattern = self.chance.choice([r"^a", r"cat$", r"\.", r"(?i)CAT", r"^$", "[é猫]"])
            return f"matches({text}, '{pattern}')", on(
                lambda value: bool(re.search(pattern.replace("$", r"\Z"), value)), read
            )
        if kind == 8:
            part = self.chance.choice(["noai", "tdm|", ""])
            return f"has(optout, '{part}')", on(
                lambda value: any(part in each for each in value if each is not None), lambda row: row["optout"]
            )
        word, joined = self.chance.choice([("and", both), ("or", either), ("AND", both)])
        left, first = self.truth(depth - 1)
        right, second = self.truth(depth - 1)
        return f"({left}) {word} ({right})", lambda row: joined(first(row), second(row))

    def comparison(self, depth: int) -> tuple[str, Reading]:
        operator = self.chance.choice(["==", "!=", "<", "<=", ">", ">="])
        kind = self.chance.randint(0, 6)
        if kind == 0:
            moment = self.chance.choice(MOMENTS)
            written = self.chance.choice([moment.isoformat(), moment.isoformat().replace("+00:00", "Z")])
            return f'found_at {operator} "{written}"', on(
                lambda value: compared(operator, value, moment), lambda row: row["found_at"]
            )
        if kind == 1:
            value = self.chance.choice([0.7, 0.25, 1, 1e30])
            return f"similarity {operator} {value}", on(
                lambda stored: compared(operator, stored, float(np.float32(value))), lambda row: row["similarity"]
            )
        if kind == 2:
            left, first = self.text(depth - 1)
            right, second = self.text(depth - 1)
            return f"{left} {operator} {right}", on(
                lambda a, b: compared(operator, a.encode(), b.encode()), first, second
            )
        if kind == 3:
            text, read = self.text(depth - 1)
            chosen = self.chance.sample(WORDS, 3)
            listed = ", ".join(quoted(each, self.chance) for each in chosen)
            return f"{text} in ({listed})", on(lambda value: value in chosen, read)
        if kind == 4:
            text, read = self.number(depth - 1 if depth else 0)
            if text == "similarity":
                text, read = "ratio", lambda row: row["ratio"]
            numbers: list[Any] = self.chance.choice([[1, 2], [0, -2, 0.7], [2**53 + 1], [0.0]])
            floats = any(isinstance(each, float) for each in numbers)

            def among(value: Any) -> bool:
                return any(float(value) == float(each) if floats else compared("==", value, each) for each in numbers)

            return f"{text} not in ({', '.join(map(str, numbers))},)", on(lambda value: not among(value), read)
        left, first = self.compared_number(depth)
        right, second = self.compared_number(depth)
        if kind == 5:
            high, third = self.compared_number(depth)
            return f"{left} between {right} and {high}", lambda row: both(
                on(lambda a, b: compared(">=", a, b), first, second)(row),
                on(lambda a, b: compared("<=", a, b), first, third)(row),
            )
        return f"{left} {operator} {right}", on(lambda a, b: compared(operator, a, b), first, second)

    def compared_number(self, depth: int) -> tuple[str, Reading]:
        """Not a column of float32, beside which a literal is another number."""
        while True:
            text, read = self.number(max(depth - 1, 0))
            if text != "similarity":
                return text, read


def test_random_expressions_row_by_row() -> None:
    kept = 0
    for seed in range(1500):
        chance = random.Random(seed)
        table = made(chance, chance.choice([1, 7, 40]))
        text, read = Words(chance).truth(4)
        predicate = compile(text, SCHEMA)
        wanted = [read(row) is True for row in rows_of(table)]
        found = predicate.mask(table)
        assert found.to_pylist() == wanted, (seed, text)
        assert found.type == pa.bool_()
        assert found.null_count == 0
        kept += sum(wanted)
        # Written back, it is the same expression.
        assert str(compile(str(predicate), SCHEMA)) == str(predicate)
        assert parse(str(predicate)) == parse(text)
        assert predicate.columns == tuple(
            dict.fromkeys(name for name in re.findall(r"[a-z_]+", strip(text)) if name in SCHEMA.names)
        )
    assert kept > 1000


def strip(text: str) -> str:
    """Without its texts."""
    return re.sub(r"""\"(?:[^"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'""", "", text, flags=re.DOTALL)


def test_needless_parentheses_and_white_space_make_no_difference() -> None:
    for seed in range(300):
        chance = random.Random(seed)
        text, _ = Words(chance).truth(4)
        canonical = str(compile(text, SCHEMA))
        assert str(compile(f"(( {text} ) )\n", SCHEMA)) == canonical
        spaced = re.sub(r"[(),]", r" \g<0>\t", text) if strip(text) == text else text
        assert str(compile(spaced, SCHEMA)) == canonical


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("width>=256", "width >= 256"),
        ("((width)) >= (256)", "width >= 256"),
        ("reliable AND (reliable and (reliable))", "reliable and reliable and reliable"),
        ("(reliable or reliable) and reliable", "(reliable or reliable) and reliable"),
        ("reliable or reliable and not not reliable", "reliable or reliable and not not reliable"),
        ("not (reliable and reliable)", "not (reliable and reliable)"),
        ("not (width == 1)", "not width == 1"),
        ("not width in (1)", "width not in (1)"),
        ("width not between 1 and (2)", "width not between 1 and 2"),
        ("width is not null", "not missing(width)"),
        ("(width - 1) - 2 == width - (1 - 2)", "width - 1 - 2 == width - (1 - 2)"),
        ("(width + 1) * 2 / 3 == -(-width)", "(width + 1) * 2 / 3 == --width"),
        ("width == - 3", "width == -3"),
        ("width == 1e3", "width == 1000.0"),
        ("(width == 1) == true", "(width == 1) == true"),
        ("language == 'it''s'", None),
        ("language == 'it\\'s \"x\" \\d'", 'language == "it\'s \\"x\\" \\\\d"'),
        ("`width` > 1", "width > 1"),
        ("MIN(width, 1) > 1", "min(width, 1) > 1"),
        ("width in (1, 2,)", "width in (1, 2)"),
    ],
)
def test_canonical_text(text: str, canonical: str | None) -> None:
    if canonical is None:
        with pytest.raises(UsageError):
            compile(text, SCHEMA)
    else:
        assert str(compile(text, SCHEMA)) == canonical
        assert str(compile(canonical, SCHEMA)) == canonical


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("", "empty (character 1", ""),
        ("  ", "empty (character 1", ""),
        ("widht > 1", "no column 'widht' (character 1", "'width'"),
        ("width > 1 and heigth > 1", "no column 'heigth' (character 15", "known: "),
        ("lenght(url) > 1", "no function 'lenght' (character 1", "'length'"),
        ("width = 1", "= is not understood (character 7", "=="),
        ("width <> 1", "(character 7", "!="),
        ("reliable && reliable", "&& is not understood (character 10", "and"),
        ("!reliable", "(character 1", "not"),
        ("width >", "the expression ends where a column, a value or ( was expected (character 8", ""),
        ("width > 1 width", "'width' stands where the end was expected (character 11", ""),
        ("(width > 1", "ends where ) was expected", ""),
        ("1 < width < 3", "comparisons do not chain (character 11", "between"),
        ("width == not reliable", "not stands inside a comparison", "parentheses"),
        ("width", "width is a whole number, but an expression is yes or no", "width >= 256"),
        ("width + 1", "width + 1 is a number, but", ""),
        ("language and reliable", "language is text, but and is of yes or no (character 1", ""),
        ("not similarity", "similarity is a number, but not is of yes or no (character 5", ""),
        ("width > 'x'", 'width is a whole number, "x" is text: they cannot be compared', ""),
        ("language > 3", "language is text, 3 is a whole number", ""),
        ("reliable > true", "no order", "=="),
        ("optout == 'noai'", "optout is a list of texts", "has(optout"),
        ("'noai' in (optout)", "'optout' stands where a value was expected", ""),
        ("optout in ('noai')", "optout is a list of texts", "has(optout"),
        ("uid == 'x'", "uid is of a type that can only be asked whether it is missing", ""),
        ("uid in ('x')", "uid is of a type", ""),
        ("width in ()", "in has no values", "language in"),
        ("width in (1, 'x')", '"x" is text', ""),
        ("width in (-'x')", "has no sign", ""),
        ("found_at > '2026-13-01'", '"2026-13-01" is no time, and found_at is a time', "2026-01-31"),
        ("found_at > 3", "found_at is a time, 3 is a whole number", ""),
        ("found_at + 1 > 3", "found_at is a time, but + is of a number", ""),
        ("-language == 1", "language is text, but a sign is of a number", ""),
        ("length(width) > 1", "width is a whole number, but length takes a list of texts or text", ""),
        ("abs(language) > 1", "language is text, but abs takes a number", ""),
        ("contains(url) ", "contains takes 2 arguments, not 1", ""),
        ("min(width) > 1", "min takes 2 arguments or more, not 1", ""),
        ("missing() ", "missing takes 1 argument, not 0", ""),
        ("length() > 1", "length takes 1 argument, not 0", ""),
        ("contains(url, language)", "the second argument of contains is a text in quotes (character 15", ""),
        ("matches(url, '(')", "no regular expression: missing ): ( (character 14", ""),
        ("matches(url, 'a{1000}{1000}{1000}')", "no regular expression", ""),
        ("matches(url, '(?=a)')", "no regular expression", ""),
        ("url == 'abc", "is not understood (character 8", "ends with the quote"),
        ("width == 1.2.3", "is not understood (character 10", ""),
        ("width == 12px", "'12px' is not understood (character 10", ""),
        ("width == 1e999", "too large", ""),
        ("width == 9223372036854775808", "too large", ""),
        ("width == " + "9" * 401, "too many digits", ""),
        ("width is 3", "null was expected after is", ""),
        ("width not 3", "in or between was expected after not", ""),
        ("width between 1 or 2", "and was expected after between", ""),
        ("url == '\ud800'", "not a character of Unicode (character 9", ""),
        ("__import__('os')", "no function '__import__'", "known: "),
        ("coalesce(width) > 1", "coalesce takes 2 arguments or more", ""),
        ("coalesce(width, url) > 1", "coalesce takes values of one kind", ""),
        ("coalesce(optout, url) == url", "is a list of texts, but coalesce takes", ""),
        ("width.real > 1", "there is no column 'width.real'", ""),
        ("width[0] > 1", "is not understood (character 6", "parentheses"),
        ("(" * (DEEPEST + 1) + "reliable" + ")" * (DEEPEST + 1), "nested deeper than", ""),
        ("not " * 5000 + "x", "10,000", "divide"),
        ("not " * 2000 + "reliable", "nested deeper than", ""),
        ("-" * 5000 + "1 > 1", "nested deeper than", ""),
        ("abs(" * 2000, "nested deeper than", ""),
    ],
)
def test_errors_say_where_and_what(text: str, said: str, hint: str) -> None:
    with pytest.raises(UsageError) as raised:
        compile(text, SCHEMA)
    assert said in raised.value.message
    assert hint in raised.value.hint
    assert "\n" not in raised.value.message


def test_any_text_is_an_expression_or_a_usage_error() -> None:
    chance = random.Random(11)
    pieces = [
        "width",
        "optout",
        "(",
        ")",
        "and",
        "not",
        "in",
        "is",
        "null",
        "==",
        "<",
        "-",
        "*",
        ",",
        "1",
        ".5",
        "'a'",
        '"',
    ]
    pieces += [
        "has(",
        "matches(url,",
        "between",
        "`",
        "\\",
        "é",
        "\0",
        "1e9",
        "true",
        "found_at",
        "uid",
        "missing(",
        "#",
    ]
    compiled = 0
    for _ in range(20_000):
        text = chance.choice(["", " "]).join(chance.choices(pieces, k=chance.randint(1, 9)))
        try:
            predicate = compile(text, SCHEMA)
        except UsageError:
            continue
        compiled += 1
        assert str(compile(str(predicate), SCHEMA)) == str(predicate)
        assert len(predicate.mask(made(chance, 3))) == 3
    assert compiled > 20


def test_what_makes_a_column_can_be_told() -> None:
    def how(name: str) -> str | None:
        return "run: score language" if name == "language" else None

    with pytest.raises(UsageError) as raised:
        compile("language == 'en'", {"width": "int32"}, how)
    assert raised.value.hint == "run: score language"
    with pytest.raises(UsageError) as raised:
        compile("widht > 1", {"width": "int32"}, how)
    assert "'width'" in raised.value.hint


def test_the_types_of_our_schemas_and_of_arrow_are_the_same() -> None:
    for name in ("candidates", "extracted"):
        table = schema.table(name)
        text = " and ".join(f"missing({column.name})" for column in table.columns)
        text += " and width > 1 and language_score > 0.5 and not language_reliable and has(optout, 'x')"
        text += " and found_at > '2026-01-01' and language == 'en' and record_offset > 1"
        by_name = compile(text, {column.name: column.type for column in table.columns})
        by_arrow = compile(text, table.arrow())
        assert str(by_name) == str(by_arrow)
        empty = table.arrow().empty_table()
        assert by_name.mask(empty).to_pylist() == by_arrow.mask(empty).to_pylist() == []


def test_a_long_chain_is_no_deep_tree() -> None:
    rows = pa.table({"width": pa.array([1, 2, None], pa.int32())})
    for word, part, wanted in (
        ("and", "width > 1", [False, True, False]),
        ("or", "width > 1", [False, True, False]),
        ("+", "width", [False, True, False]),
    ):
        text = f" {word} ".join([part] * 700) + (" > 701" if word == "+" else "")
        assert len(text) <= LONGEST
        predicate = compile(text, rows.schema)
        assert predicate.mask(rows).to_pylist() == wanted
        assert str(predicate) == text


def test_the_deepest_is_computed() -> None:
    rows = pa.table({"width": pa.array([1], pa.int32())})
    deep = DEEPEST - 2
    assert compile("abs(" * deep + "width" + ")" * deep + " == 1", rows.schema).mask(rows).to_pylist() == [True]
    mixed = "(reliable and not " * (deep // 3) + "reliable" + ")" * (deep // 3)
    assert str(compile(mixed, SCHEMA)) == mixed[1:-1]


def test_tables_batches_and_chunks_give_the_same() -> None:
    table = made(random.Random(2), 50)
    predicate = compile("width > 0 or has(optout, 'noai') or similarity > 0.5 or length(alt_text) > 4", SCHEMA)
    whole = predicate.mask(table)
    assert 0 < whole.true_count < 50
    cut = pa.concat_tables([table.slice(start, 7) for start in range(0, 50, 7)])
    assert predicate.mask(cut) == whole
    (batch,) = table.combine_chunks().to_batches()
    assert predicate.mask(batch) == whole
    assert predicate.mask(batch.slice(13, 20)) == whole.slice(13, 20)
    assert predicate.mask(table.slice(0, 0)).to_pylist() == []
    assert predicate.mask(SCHEMA.empty_table()).type == pa.bool_()
    assert compile("true and 1 + 1 == 2", SCHEMA).mask(table).to_pylist() == [True] * 50
    assert compile("length('abc') == 3 and words('') == 0", {}).mask(table.select([])).to_pylist() == [True] * 50


def test_other_arrow_types_of_the_same_kind() -> None:
    table = pa.table(
        {
            "a": pa.array(["en", None, "de"]).dictionary_encode(),
            "b": pa.array(["en", None, "de"], pa.large_string()),
            "c": pa.array(["en", None, "de"], pa.string_view()),
            "d": pa.array([1, None, 2], pa.uint8()),
            "e": pa.array([1, None, 2**64 - 1], pa.uint64()),
            "f": pa.array(np.array([0.7, np.nan, 0.1], np.float16)),
            "g": pa.array([["x"], None, []], pa.large_list(pa.string())),
            "h": pa.array([1, None, 2], pa.timestamp("s")),
            "i": pa.array([0, None, 1], pa.date32()),
            "j": pa.array([1, None, 2], pa.timestamp("ns", tz="Europe/Berlin")),
            "k": pa.nulls(3),
        }
    )
    for text, wanted in {
        "a == 'en' and a in ('en')": [True, False, False],
        "b == 'en' and b in ('en') and length(b) == 2 and extension(b) == '' and a == b": [True, False, False],
        "c != 'en' and words(c) == 1 and contains(c, 'd')": [False, False, True],
        "d between 2 and 9": [False, False, True],
        "e > 9000000000000000000": [False, False, True],
        "f >= 0.7 and f in (0.7)": [True, False, False],
        "has(g, 'x') and length(g) == 1": [True, False, False],
        "h == '1970-01-01T00:00:01'": [True, False, False],
        "i >= '1970-01-02'": [False, False, True],
        "j < '1970-01-01T00:00:01Z' and j in ('1970-01-01')": [True, False, True],
        "missing(k)": [True, True, True],
    }.items():
        assert compile(text, table.schema).mask(table).to_pylist() == wanted, text


def test_a_column_of_nulls_is_of_any_kind_and_another_kind_is_an_error() -> None:
    predicate = compile("width > 1 or language == 'en' or has(optout, 'x')", SCHEMA)
    nothing = pa.table({"width": pa.nulls(2), "language": pa.nulls(2), "optout": pa.nulls(2)})
    assert predicate.mask(nothing).to_pylist() == [False, False]
    with pytest.raises(UsageError, match="'width' is string"):
        predicate.mask(pa.table({"width": ["1"], "language": ["en"], "optout": [["x"]]}))
    with pytest.raises(UsageError, match="not one column 'language'"):
        predicate.mask(pa.table({"width": [1]}))
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([1])], names=["width", "width"])
    with pytest.raises(UsageError, match="not one column 'width'"):
        compile("width > 1", twice.schema).mask(twice)


def test_bytes_that_are_no_text_are_read() -> None:
    raw = b"a cat \xff"
    offsets = pa.py_buffer(b"".join(number.to_bytes(4, "little") for number in (0, len(raw))))
    column = pa.Array.from_buffers(pa.string(), 1, [None, offsets, pa.py_buffer(raw)])
    table = pa.table({"alt_text": column, "optout": pa.ListArray.from_arrays([0, 1], column)})
    text = (
        "contains(lower(alt_text), 'cat') and words(alt_text) == 3 and matches(alt_text, '.$') and has(optout, 'cat')"
    )
    assert compile(text, table.schema).mask(table).to_pylist() == [True]


def test_names_that_are_no_words() -> None:
    table = pa.table({"clip l/14": [0.5, 0.1], "Größe": [1, 2], "in": [1, 2], "length": [1, 1]})
    text = "`clip l/14` > 0.3 and Größe == 1 and `in` < 2 and length == 1"
    predicate = compile(text, table.schema)
    assert predicate.mask(table).to_pylist() == [True, False]
    assert str(predicate) == text
    assert predicate.columns == ("clip l/14", "Größe", "in", "length")


def test_the_language_is_imported_without_arrow() -> None:
    code = "import sys, vlcorpus.expression; sys.exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


PAGE = (Path(__file__).resolve().parents[1] / "docs" / "expressions.md").read_text("utf-8")


def documented_rows() -> pa.Table:
    """The table of the page's examples."""
    lines = [line for line in PAGE.partition("## Examples")[2].splitlines() if line.startswith("|")]
    head, _, *body = [
        [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines
    ]
    found: dict[str, list[Any]] = {name: [] for name in head}
    for cells in body:
        for name, cell in zip(head, cells, strict=True):
            found[name].append(cell or None)
    types = {"row": pa.int32(), "width": pa.int32(), "height": pa.int32(), "similarity": pa.float32()}
    columns: dict[str, pa.Array] = {}
    for name, values in found.items():
        if name == "optout":
            columns[name] = pa.array([value and [value] for value in values], pa.list_(pa.string()))
        elif name == "found_at":
            moments = [value and datetime.fromisoformat(value).replace(tzinfo=UTC) for value in values]
            columns[name] = pa.array(moments, pa.timestamp("us", "UTC"))
        else:
            columns[name] = pa.array(values, pa.string()).cast(types.get(name, pa.string()))
    return pa.table(columns)


def examples() -> Iterator[tuple[str, list[int]]]:
    for line in PAGE.partition("these are kept:")[2].splitlines():
        found = re.fullmatch(r"    (.+?)\s{2,}([\d ]+|none)", line)
        if found:
            yield found[1], [int(number) for number in found[2].split() if number != "none"]


def test_the_page_has_examples_of_every_word_and_function() -> None:
    from vlcorpus.expression.functions import FUNCTIONS

    whole = " ".join(text for text, _ in examples())
    for name in FUNCTIONS:
        assert f"`{name}(" in PAGE or f" `{name}(" in PAGE, name
        assert name == "min" or f"{name}(" in whole, name
    assert len(list(examples())) > 20


@pytest.mark.parametrize(("text", "wanted"), list(examples()), ids=str)
def test_the_page_says_what_is_kept(text: str, wanted: list[int]) -> None:
    table = documented_rows()
    kept = table.filter(compile(text, table.schema).mask(table))
    assert kept["row"].to_pylist() == wanted


def test_the_first_example_is_an_expression() -> None:
    first = re.search(r"^    (.+)$", PAGE, re.MULTILINE)
    assert first
    table = documented_rows()
    assert compile(first[1], table.schema).mask(table).to_pylist() == [True, False, False, False]


def test_answers_tell_missing_from_no() -> None:
    rows = pa.table({"width": pa.array([1, None, 9], pa.int32())})
    found = compile("width > 5", rows.schema)
    assert found.answers(rows).to_pylist() == [False, None, True]
    assert found.mask(rows).to_pylist() == [False, False, True]
    assert compile("not width > 5", rows.schema).answers(rows.slice(1)).to_pylist() == [None, False]


@pytest.mark.parametrize(
    ("text", "kind", "values"),
    [
        ("width", Kind.INTEGER, [4, None]),
        ("width / 8", Kind.NUMBER, [0.5, None]),
        ('lower("A")', Kind.TEXT, ["a", "a"]),
        ("domain(url)", Kind.TEXT, ["a.example", ""]),
        ("width > 3", Kind.TRUTH, [True, None]),
        ("`a.b-c`", Kind.NUMBER, [0.5, None]),
        ("a.b", Kind.INTEGER, [1, 2]),
    ],
)
def test_any_value_can_be_asked_for(text: str, kind: Kind, values: list[object]) -> None:
    rows = pa.table(
        {
            "width": pa.array([4, None], pa.int32()),
            "url": ["https://A.example/1", "x"],
            "a.b-c": pa.array([0.5, float("nan")]),
            "a.b": [1, 2],
        }
    )
    found = compile_value(text, rows.schema)
    assert found.kind is kind and found.values(rows).to_pylist() == values
    assert found.values(rows.slice(0, 0)).to_pylist() == []
    assert str(compile_value(str(found), rows.schema)) == str(found)
    with pytest.raises(UsageError):
        compile_value("nothing", rows.schema)


def test_conditions_joined_by_and_come_apart() -> None:
    assert conjuncts("a > 1 and (b < 2 or c) and not (d and e)") == ("a > 1", "b < 2 or c", "not (d and e)")
    assert conjuncts("a or b and c") == ("a or b and c",)
    assert conjuncts("(a and (b and c))") == ("a", "b", "c")


def test_columns_are_named_before_they_are_known() -> None:
    text = 'min(a, b + `c d`) >= -e.f and not (g in (1, 2) or h between i and 3) and missing(j) and domain(k) == "a"'
    assert names(text) == ("a", "b", "c d", "e.f", "g", "h", "i", "j", "k")
    assert names("1 == 1") == () and names("a == a") == ("a",)
    assert is_column("a") and is_column("(a.b)") and not is_column("a + 0")
    assert written(" a>1   AND b ") == "a > 1 and b"
