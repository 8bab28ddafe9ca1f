"""Where e-mail addresses, IP addresses, IBANs, handles, web addresses and coordinates stand in a text.

    list(emails("write to jo@mail.example.org."))       [(9, 28)]
    list(ips("see 192.0.2.7, not v1.2.3.4"))            [(4, 13)]

Each gives (start, end) of what it finds, in order. Their patterns have only bounded repetitions, so that a text of a
million characters costs no more than a million short looks. Telephone numbers are in pii_phones.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

Span = tuple[int, int]

# --- e-mail

_LOCAL_SIGNS = ".!#$%&'*+/=?^`{|}~-"
_LOCAL = re.compile(rf"[\w{re.escape(_LOCAL_SIGNS)}]{{1,64}}\Z")
_DOMAIN = re.compile(r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}([^\W\d_]{2,24})(?![\w-])")
_FILES = frozenset("png jpg jpeg gif webp svg bmp tif tiff ico avif css js pdf".split())


def emails(text: str) -> Iterator[Span]:
    """local@domain.tld, in any script; not icon@2x.png."""
    done, at = 0, text.find("@")
    while at >= 0:
        local = _LOCAL.search(text[max(done, at - 64) : at])
        if local and text[at - 1] != ".":
            start = at - len(local[0].lstrip(_LOCAL_SIGNS))  # punctuation before an address is not its own
            domain = _DOMAIN.match(text, at + 1, at + 255) if start < at else None
            if domain and domain[1].lower() not in _FILES:
                yield start, domain.end()
                done = domain.end()
        at = text.find("@", max(at + 1, done))


# --- IP addresses

_FOUR = re.compile(r"(?<![\w.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?!\w|\.[0-9])")
_VERSION = re.compile(
    r"(?i)\b(?:v|ver|version|versión|versione|firmware|build|release|rev|android|ios|chrome|sdk|apk|app|update|patch)"
    r"[ .:=]{0,2}\Z"
)
_SIX = re.compile(r"(?<![\w:.])[0-9A-Fa-f]{3,4}:[0-9A-Fa-f:]{1,36}(?!\w)")


def ips(text: str) -> Iterator[Span]:
    """IPv4: four numbers up to 255 without leading zeros, not behind "version". IPv6: its first group has three
    digits or more, as in all routed and link-local ones, so that times and MAC addresses are none."""
    for found in _FOUR.finditer(text):
        parts = found[0].split(".")
        written = all(int(part) <= 255 and (part[0] != "0" or len(part) == 1) for part in parts)
        if written and parts[0] != "0" and not _VERSION.search(text[max(0, found.start() - 12) : found.start()]):
            yield found.span()
    for found in _SIX.finditer(text):
        address = found[0] if found[0].endswith("::") else found[0].rstrip(":")
        try:
            ipaddress.IPv6Address(address)
        except ValueError:
            continue
        if any(each.isdigit() for each in address):
            yield found.start(), found.start() + len(address)


# --- IBAN

# Characters of each country's IBANs (SWIFT's registry).
_COUNTRIES = {
    15: "NO", 16: "BE", 18: "DK FI FO GL NL SD FK", 19: "MK SI", 20: "AT BA EE KZ LT LU XK MN", 21: "CH HR LI LV",
    22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ OM SO TL", 24: "AD CZ ES MD PK RO SA SE SK TN VG",
    25: "LY PT ST", 26: "IS TR", 27: "BI DJ FR GR IT MC MR SM", 28: "AL AZ BY CY DO GT HN HU LB NI PL SV",
    29: "BR EG PS QA UA", 30: "JO KW MU YE", 31: "MT SC", 32: "LC", 33: "RU",
}  # fmt: skip
_LENGTHS = {code: length for length, codes in _COUNTRIES.items() for code in codes.split()}
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,29}")


def ibans(text: str) -> Iterator[Span]:
    """Of a country's own length, and with the check digits right."""
    for found in _IBAN.finditer(text):
        length = _LENGTHS.get(found[0][:2], 0)
        places = [place for place, each in enumerate(found[0]) if each != " "][:length]
        if not length or len(places) < length:
            continue
        end = found.start() + places[-1] + 1
        if end < len(text) and text[end].isalnum():
            continue
        written = found[0][: places[-1] + 1].replace(" ", "")
        if int("".join(str(int(each, 36)) for each in written[4:] + written[:4])) % 97 == 1:
            yield found.start(), end


# --- handles, web addresses, coordinates

_HANDLE = re.compile(r"(?<![\w@./])@[^\W\d](?:[\w.]{0,28}\w)(?![\w@])")
_URL = re.compile(
    r"(?i)\bhttps?://[^\s]{3}|\bwww\.[\w-]{1,63}\.[^\W\d_]{2}"
    r"|(?<![\w@.-])(?:[a-z0-9][a-z0-9-]{0,62}\.){1,6}(?:com|net|org|edu|gov|info|biz|co\.[a-z]{2})(?![\w-]|\.\w)"
)
_DECIMAL = re.compile(
    r"(?<![\w.])([-+]?[0-9]{1,2}\.[0-9]{3,15})\xb0? ?[NSns]?[,;/ ]{1,3}([-+]?[0-9]{1,3}\.[0-9]{3,15})\xb0?"
    r"(?!\w\w|[0-9.]\w)"
)
_MINUTES = r" ?[0-9]{1,2}(?:\.[0-9]{1,6})? ?['′’](?: ?[0-9]{1,2}(?:\.[0-9]{1,6})? ?(?:[\"″”]|''))? ?"
_SEXAGESIMAL = re.compile(
    rf"(?<!\w)([0-9]{{1,2}})\xb0{_MINUTES}[NSns][,;/ ]{{0,3}}([0-9]{{1,3}})\xb0{_MINUTES}[EWOewo]"
)


def handles(text: str) -> Iterator[Span]:
    """@name, as social networks write it: two characters or more, no digit first, nothing of a word before it."""
    return (found.span() for found in _HANDLE.finditer(text))


def urls(text: str) -> Iterator[Span]:
    """http://…, www.…, and bare names below the common domains."""
    return (found.span() for found in _URL.finditer(text))


def coordinates(text: str) -> Iterator[Span]:
    """A pair of decimal degrees of three places or more, or degrees and minutes with N or S and E or W."""
    for pattern in (_DECIMAL, _SEXAGESIMAL):
        for found in pattern.finditer(text):
            if abs(float(found[1])) <= 90 and abs(float(found[2])) <= 180:
                yield found.span()
