from __future__ import annotations

import pytest

from vlcorpus.net import optout
from vlcorpus.net.optout import (
    DIRECTIVES,
    MAX_EVIDENCE,
    MAX_VALUE,
    Evidence,
    denied,
    evidence,
    read,
    refuse_opted_out,
    settled,
)


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
        ("gptbot: noindex, nofollow", ["ai-token"]),
        ("GPTBot/1.0: noai, noindex", ["ai-token"]),
        ("CCBot: nofollow", []),
        ("ChatGPT-User: noindex", []),
        ("noarchive, CCBot: noai noimageai, vlcorpus: noml", ["noarchive", "ai-token", "noml"]),
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
    ("value", "reason"),
    [
        ("1", "optout"),
        (" 1 ", "optout"),
        ('"1"', "optout"),
        ("1, 1", "optout"),
        ("0, 1", "optout"),
        ("0", None),
        ("", None),
        ("yes", None),
        ("10", None),
        ("0, x", None),
    ],
)
def test_tdm_reservation(value: str, reason: str | None) -> None:
    assert denied(evidence([("TDM-Reservation", value)], "vlcorpus")) == reason


@pytest.mark.parametrize(
    ("name", "value", "expected", "reason"),
    [
        ("TDM-Reservation", "0", ["tdm-reservation=0"], None),
        ("TDM-Policy", "https://a.example/policy", ["tdm-policy"], None),
        ("TDM-Policy", " ", [], None),
        ("Content-Usage", "train-ai=n", ["train-ai=n"], "optout"),
        ("Content-Usage", "train-ai=y, search=n", ["train-ai=y", "search=n"], None),
        ("Content-Usage", "train-genai=n, train-ai=y", ["train-genai=n", "train-ai=y"], "optout"),
        ("Content-Usage", "bots=n", ["bots=n"], "optout"),
        ("Content-Usage", "ai=n", ["ai=n"], "optout"),
        ("Content-Usage", "genai=n", ["genai=n"], "optout"),
        ("Content-Usage", "bots=n, train-ai=y", ["bots=n", "train-ai=y"], None),
        ("Content-Usage", "ai-output=n, inference=n", ["ai-output=n", "inference=n"], None),
        ("Content-Usage", "ai-train=no", ["ai-train=n"], "optout"),
        ("Content-Usage", "no training", [], None),
        ("Content-Signal", "search=yes, ai-train=no", ["search=yes", "ai-train=no"], "optout"),
        ("Content-Signal", "ai-input=no, ai-train=yes", ["ai-input=no", "ai-train=yes"], None),
        ("Content-Signal", "use=reference", ["use=reference"], None),
        ("Content-Signal", "train-ai=n", ["train-ai=no"], "optout"),
        ("GPTBot", "noindex", ["ai-token"], "optout"),
        ("GPTBot", "nofollow", [], None),
        ("ChatGPT-User", "noindex", [], None),
        ("Content-Type", "train-ai=n", [], None),
    ],
)
@pytest.mark.parametrize("meta", [False, True])
def test_other_headers_and_metas(name: str, value: str, expected: list[str], reason: str | None, meta: bool) -> None:
    found = evidence([(name, value)], "vlcorpus", meta=meta)
    assert [one.signal for one in found] == expected
    assert denied(found) == reason
    place = "meta:" if meta and name != "GPTBot" else ""
    assert all(one.source == place + name.lower() and one.value == value for one in found)


@pytest.mark.parametrize(
    ("headers", "metas", "reason", "left"),
    [
        (["1"], ["0"], None, ["meta:tdm-reservation"]),
        (["0"], ["1"], "optout", ["meta:tdm-reservation"]),
        (["1"], ["maybe"], "optout", ["tdm-reservation"]),
        (["1"], [], "optout", ["tdm-reservation"]),
        (["0", "1"], [], "optout", ["tdm-reservation"]),
        (["1", "0"], [], "optout", ["tdm-reservation"]),
        ([], ["0", "1"], "optout", ["meta:tdm-reservation"]),
        (["0"], [], None, ["tdm-reservation"]),
    ],
)
def test_a_meta_overrides_a_header(headers: list[str], metas: list[str], reason: str | None, left: list[str]) -> None:
    found = (
        *evidence([("tdm-reservation", value) for value in headers], "vlcorpus"),
        *evidence([("tdm-reservation", value) for value in metas], "vlcorpus", meta=True),
    )
    assert denied(found) == denied(reversed(found)) == reason
    assert [one.source for one in settled(found)] == left


def test_policies_override_each_other_and_reservations_do_not_touch_them() -> None:
    found = (
        Evidence("tdm-policy", "tdmrep.json", "file"),
        Evidence("tdm-policy", "tdm-policy", "header"),
        Evidence("tdm-reservation", "meta:tdm-reservation", "1"),
    )
    assert settled(found) == found[1:]


def test_tdm_overrides_nothing_else() -> None:
    others = evidence([("x-robots-tag", "noai"), ("content-usage", "train-ai=n")], "vlcorpus")
    permission = evidence([("tdm-reservation", "0")], "vlcorpus", meta=True)
    assert settled((*others, *permission)) == (*others, *permission)
    assert denied((*others, *permission)) == "optout"


def test_of_two_statements_the_one_that_refuses_counts() -> None:
    permitting = [("Content-Usage", "bots=n, train-ai=y")]
    for refusing in (("Content-Usage", "bots=n"), ("Content-Usage", "train-ai=n")):
        for pairs in ([refusing, *permitting], [*permitting, refusing]):
            assert denied(evidence(pairs, "vlcorpus")) == "optout", pairs


def test_evidence_is_read_back_as_it_was_written() -> None:
    pairs = [("x-robots-tag", "noai, max-snippet: 1|2"), ("content-usage", "train-ai=n"), ("tdm-policy", "a|b||")]
    for meta in (False, True):
        for one in evidence(pairs, "vlcorpus", meta=meta):
            assert read(f"{one.signal}|{one.source}|{one.value}") == one
    assert read("noai") == Evidence("noai", "", "")
    assert read("") == Evidence("", "", "")


def test_values_can_be_written() -> None:
    (found,) = evidence([("x-robots-tag", "noai, é\ud800")], "vlcorpus")
    assert found.value == "noai, é?"


def test_the_table_of_the_header_names_what_denies() -> None:
    table = (optout.__doc__ or "").split("by default\n")[1].split("\n\n")[0]
    rows = [line for line in table.splitlines() if "denies" in line]
    named = {word for row in rows for word in row[:42].split()}
    # Each of the two labels of training is heard in both fields.
    assert named == set(DIRECTIVES) - {"ai-train=n", "train-ai=no"}


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
    many = evidence([("content-usage", f"a{n}=n, train-ai=n") for n in range(1000)], "vlcorpus")
    assert len(many) == MAX_EVIDENCE
    assert len(evidence([("tdm-policy", "x" * 100_000)], "vlcorpus")[0].value) == MAX_VALUE


@pytest.mark.parametrize(
    "value", ["\x00", "\x00noai\x00", "1\x00", "\ud800", ":" * 10_000, "=" * 10_000, "a=" * 10_000]
)
def test_odd_values_are_no_directive(value: str) -> None:
    for name in ("x-robots-tag", "tdm-reservation", "content-usage", "content-signal", "gptbot"):
        assert evidence([(name, value)], "vlcorpus") == ()
