"""CSV: numbers in full and as numbers, texts never as formulae."""

from __future__ import annotations

import csv
import io
import math

import pytest

from vlcorpus.report.sheet import sheet


def cell(value: object) -> str:
    return next(csv.reader(io.StringIO(sheet((), [(value, 1)]).decode().split("\r\n", 1)[1], newline="")))[0]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (-0.1, "-0.1"),
        (0.1 + 0.2, "0.30000000000000004"),
        (-3, "-3"),
        (True, "true"),
        (None, ""),
        (math.nan, ""),
        (-math.inf, ""),
        ("plain, with a comma", "plain, with a comma"),
        ('a "quote"', 'a "quote"'),
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("  =1+1", "'  =1+1"),
        ("\uff1d1+1", "'\uff1d1+1"),
        ("\t=1", "\\t=1"),
        ("a\r\n=1", "a\\r\\n=1"),
        ("\u202egpj", "\\u202egpj"),
    ],
)
def test_a_cell(value: object, told: str) -> None:
    assert cell(value) == told


def test_the_file_is_rfc_4180() -> None:
    assert sheet(("arm", "mean"), [("a,b", 0.5), ("=1+1", None)]) == b'arm,mean\r\n"a,b",0.5\r\n\'=1+1,\r\n'
