from __future__ import annotations

import pytest

from vlcorpus.net.optout import DIRECTIVES, MAX_EVIDENCE, Evidence, denied, evidence, refuse_opted_out


def signals(*values: str, name: str = "X-Robots-Tag") -> list[str]:
    return [one.signal for one in evidence([(name, value) for value in values], "vlcorpus")]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("noai", ["noai"]),
        ("NoAI, NOIMAGEAI", ["noai", "noimageai"]),
        ("noindex,nofollow", ["noindex", "nofollow"]),
        ("noindex nofollow", ["noindex", "nofollow"]),
        ("otherbot: noai", []),
        ("otherbot: noai, noindex", []),
        ("vlcorpus: noai", ["noai"]),
        ("VLCorpus/1.0 : noai", ["noai"]),
        ("*: noai", ["noai"]),
        ("otherbot: noarchive, vlcorpus: noai, noimageai", ["noai", "noimageai"]),
        ("noindex, otherbot: noai", ["noindex"]),
        ("360spider: noai", []),
        ("unavailable_after: 25 Jun 2027 15:00:00 PST, noai", ["unavailable_after", "noai"]),
        ("unavailable_after: Friday, 25-Jun-27 15:00:00 PST, noai", ["unavailable_after", "noai"]),
        ("unavailable_after: Friday, 25-Jun-27T15:00, noai", ["unavailable_after", "noai"]),
        ("unavailable_after: 2027-06-25T15:00:00+00:00, noml", ["unavailable_after", "noml"]),
        ("vlcorpus: unavailable_after: 25 Jun 2027 15:00:00 PST, noai", ["unavailable_after", "noai"]),
        ("otherbot: unavailable_after: 25 Jun 2027 15:00:00 PST, noai", []),
        (
            "max-image-preview: large, max-snippet:-1, noimageindex",
            ["max-image-preview", "max-snippet", "noimageindex"],
        ),
        ("tdm-reservation: 1", ["tdm-reservation"]),
        ("tdm-reservation: 0, all", ["all"]),
        ("", []),
        (",,,: ,:noai", []),
        ("no artificial intelligence please", []),
    ],
)
def test_one_list(value: str, expected: list[str]) -> None:
    assert signals(value) == expected
    assert signals(value, name="robots") == expected


def test_several_headers_are_read_each_on_its_own() -> None:
    assert signals("otherbot: noai", "noimageai") == ["noimageai"]


def test_a_meta_tag_may_name_us_and_others_do_not_count() -> None:
    pairs = [("VLCORPUS", "noai"), ("googlebot", "noindex"), ("description", "noai"), ("robots", "noml")]
    assert [(one.signal, one.source) for one in evidence(pairs, "vlcorpus")] == [
        ("noai", "vlcorpus"),
        ("noml", "robots"),
    ]


@pytest.mark.parametrize(
    ("value", "reason"), [("1", "optout"), (" 1 ", "optout"), ("0", None), ("", None), ("yes", None)]
)
def test_tdm_reservation(value: str, reason: str | None) -> None:
    assert denied(evidence([("TDM-Reservation", value)], "vlcorpus")) == reason


def test_every_default_directive_denies_and_others_do_not() -> None:
    for directive in DIRECTIVES:
        assert denied([Evidence(directive, "robots", directive)]) == "optout"
    assert denied(evidence([("robots", "all, nofollow, noarchive")], "vlcorpus")) is None


def test_the_directives_can_be_chosen() -> None:
    found = evidence([("robots", "noindex, nofollow")], "vlcorpus")
    assert denied(found, ("noai",)) is None
    assert denied(found, ("NoFollow",)) == "optout"
    assert denied(found, ()) is None
    assert refuse_opted_out("vlcorpus")([("x-robots-tag", "noai")]) == "optout"
    assert refuse_opted_out("vlcorpus", ("noml",))([("x-robots-tag", "noai")]) is None


def test_floods_are_bounded() -> None:
    found = evidence([("robots", ",".join(f"a{n}" for n in range(100_000)))] * 3, "vlcorpus")
    assert len(found) == MAX_EVIDENCE
    assert max(len(one.value) for one in found) <= 500
    assert signals("noai, " * 1000) == ["noai"]
