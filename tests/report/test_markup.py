"""Nothing gets out of a string."""

from __future__ import annotations

from vlcorpus.report.markup import MAX_TEXT, Html, element, join, shorten, shown


def test_children_and_values_are_escaped() -> None:
    assert element("td", "<b>&'\"", class_="n\" onclick='x") == (
        '<td class="n&quot; onclick=&#x27;x">&lt;b&gt;&amp;&#x27;&quot;</td>'
    )
    assert element("p", element("b", "a"), "<") == "<p><b>a</b>&lt;</p>"
    assert join("<", Html("<br>")) == "&lt;<br>"


def test_attributes() -> None:
    assert element("td", aria_label="x", a=None, b=False, hidden=True, x=1.50, y=2) == (
        '<td aria-label="x" hidden x="1.5" y="2"></td>'
    )
    assert element("meta", charset="utf-8", name="n") == '<meta charset="utf-8" name="n">'


def test_what_hides_or_reorders_is_written_out() -> None:
    assert shown("a\u202eb\u2066c\u200fd\ufeff") == "a\\u202eb\\u2066c\\u200fd\\ufeff"
    assert shown("a\x1b[31m\x00\n\t\x9b") == "a\\x1b[31m\\x00\\n\\t\\x9b"
    assert shown("a\u2028b\ud800c\U000e0041") == "a\\u2028b\\ud800c\\U000e0041"


def test_words_in_any_script_stay_as_they_are() -> None:
    for text in ("grün", "赤い円", "شكل أحمر", "می\u200cخواهم", "👩\u200d👧", "e\u0301", "5 \u00d7 3"):
        assert shown(text) == text


def test_long_text_is_cut() -> None:
    assert len(shown("x" * 10**6)) == MAX_TEXT and shown("é" * 10**6).endswith("…")
    assert shorten("abcdef", 4) == "abc…" and shorten("abcd", 4) == "abcd"
