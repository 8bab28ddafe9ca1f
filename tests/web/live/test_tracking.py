from __future__ import annotations

import pytest

from vlcorpus.web.live.tracking import PARAMETERS, untracked


@pytest.mark.parametrize(
    ("found", "left"),
    [
        ("https://a.example/", "https://a.example/"),
        ("https://a.example/?", "https://a.example/?"),
        ("https://a.example/x?id=3&utm_source=x&fbclid=y", "https://a.example/x?id=3"),
        ("https://a.example/x?UTM_Medium=mail&b=&a", "https://a.example/x?b=&a"),
        ("https://a.example/x?gclid=1", "https://a.example/x"),
        ("https://a.example/x?a=gclid&sid=4&ref=home", "https://a.example/x?a=gclid&sid=4&ref=home"),
        ("https://a.example/x;jsessionid=1F.n2?x=1", "https://a.example/x?x=1"),
        ("https://a.example/x;JSESSIONID=1F", "https://a.example/x"),
        ("https://a.example/x;v=1/y;jsessionid=2/z", "https://a.example/x;v=1/y/z"),
        ("https://a.example/x?PHPSESSID=9&ASPSESSIONIDABC=4&&", "https://a.example/x?&"),
    ],
)
def test_only_what_tracks_is_taken_out(found: str, left: str) -> None:
    assert untracked(found) == left
    assert untracked(left) == left


def test_the_list_is_in_lower_case() -> None:
    assert {name.lower() for name in PARAMETERS} == PARAMETERS
