"""Where telephone numbers stand in a text, and which numbers are none.

    list(phones("call +49 30 1234567 or (212) 555-0142"))       [(5, 19), (23, 37)]
    list(phones("2019-04-05, 1920x1080, ISBN 0-306-40615-2, $1,234,567"))       []

A run of digits with single signs between them is a telephone number if it is written
    internationally        + and 8 to 15 digits (10 behind +1, 10 behind +7)
    as in North America    212-555-0142, (212) 555-0142, 1-800-555-0142, 212.555.0142; with spaces alone behind a word
    with a leading zero    030 1234567, 0171-1234567, 01 23 45 67 89, 03-1234-5678: 9 to 12 digits in groups
    with its area apart    (030) 123456, 8 (495) 123-45-67
    behind a word          Tel: 5551234, 电话 13800138000, WhatsApp 98765 43210: 7 to 15 digits
and is no date, no range of years, no ISBN, stands in no word, number, price or path. Article numbers that are written
like telephone numbers are found, too, and numbers without signs only behind a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .pii_patterns import Span

_SIGNS = r".\-/ \xa0\u2010-\u2015"
_RUN = re.compile(rf"(?<![\w.,+])(?:\+? ?\(?\d|\+)(?:[)(]{{0,2}}[{_SIGNS}]?[)(]{{0,2}}\d){{6,19}}(?![\w%\xb0])")
_BEFORE = "$€£¥₹₽₩#№=_/@&*×:"  # what makes it a price, a number of something, a path; a colon is a word's
_WORD = re.compile(
    r"(?i)(?:(?<![^\W\d_])(?:tel|telefon|telephone|phone|telefone|teléfono|telefono|téléphone|telefoon|telp?|ph|call|"
    r"mobile|mobil|móvil|cell|celular|handy|fax|hotline|whats ?app|viber|wechat|sms|text|contact|kontakt|тел|телефон|"
    r"звоните|هاتف|تلفن|جوال|โทร|फोन|hp|no hp)|电话|電話|手机|手機|携帯|연락처|전화)"
    r"(?: ?(?:no|nr|number|nummer|us|at|:))?[.:：\s]{0,3}\Z"
)
_YEARS = re.compile(r"(?:19|20)\d\d[-–/ ](?:19|20)?\d\d(?!\d)")
_DATE = re.compile(
    rf"(?:19|20)\d\d[{_SIGNS}](?:0?[1-9]|1[0-2])[{_SIGNS}](?:0?[1-9]|[12]\d|3[01])(?!\d)"
    rf"|(?:0?[1-9]|[12]\d|3[01])[{_SIGNS}](?:0?[1-9]|[12]\d|3[01])[{_SIGNS}](?:19|20)\d\d(?!\d)"
)
_BOOK = re.compile(
    r"(?i)\b(?:isbn|issn|ean|upc|gtin|asin|sku|doi|art|item|ref|model|part|lot|nr|no)(?:[-. ]?1[03])?[ .:#-]{0,3}\Z"
)
_NORTH_AMERICA = re.compile(r"(?:1[-. ]?)?(?:\([2-9]\d\d\)[-. ]?|[2-9]\d\d([-.]))[2-9]\d\d(?(1)\1|[-. ])\d{4}")
_AREA = re.compile(r"(?:[78][- ]?)?\((?!(?:19|20)\d\d\))0?\d{2,4}\)[- ]?\d[\d\- ]{4,10}\d")


def phones(text: str) -> Iterator[Span]:
    """(start, end) of each telephone number, in order."""
    for found in _RUN.finditer(text):
        start, end = found.start(), found.end()
        before = text[max(0, start - 24) : start]
        if text[start] == "(" and ")" not in found[0]:  # a bracket of the sentence
            start += 1
        if _is_phone(text[start:end], before):
            yield start, end


def _is_phone(written: str, before: str) -> bool:
    digits = [each for each in written if each.isdigit()]
    groups = re.findall(r"\d+", written)
    told = _WORD.search(before) is not None
    if before[-1:] and before[-1] in _BEFORE and not told:
        return False
    if written[0] == "+":
        return _international(digits, groups)
    if _DATE.match(written) or _YEARS.match(written) or _BOOK.search(before) or len(groups[-1]) == 1:
        return False
    if told:
        return 7 <= len(digits) <= 15
    if _NORTH_AMERICA.fullmatch(written):
        return True
    if _AREA.fullmatch(written):
        return 8 <= len(digits) <= 12
    return _with_zero(written, digits, groups)


def _international(digits: list[str], groups: list[str]) -> bool:
    if digits[0] in "17" and len(digits) > 1:  # North America and Russia, whose numbers have ten digits
        return len(digits) == 11
    return digits[0] != "0" and 8 <= len(digits) <= 15 and len(groups) <= 8


def _with_zero(written: str, digits: list[str], groups: list[str]) -> bool:
    """A national number behind its trunk zero: grouped, the first group a prefix, no group of one digit."""
    if written[0] != "0" or not 9 <= len(digits) <= 12 or not 2 <= len(groups) <= 6:
        return False
    if written.count("-") + written.count(" ") + written.count("/") + written.count("\xa0") == 0:
        return False
    return 2 <= len(groups[0]) <= 5 and digits[1] != "0" and all(len(each) > 1 for each in groups)
