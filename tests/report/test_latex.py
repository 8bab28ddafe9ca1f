"""LaTeX: whatever a name holds, it is words; a line has the cells that its head has; bold is told apart."""

from __future__ import annotations

import re

import pytest

from tests.report.drawn_contest import comparison, sweep
from tests.report.hostile import HOSTILE
from vlcorpus.report import latex, swept
from vlcorpus.report.contest_rows import read

TOKEN = re.compile(
    r"""[A-Za-z0-9 .,:;()/+=@!?'-]
      | --- | -- | ~ | \{\}
      | \\[{}$&#%_] | \\allowbreak\{\}
      | \\(?:textbackslash|textasciicircum|textasciitilde|textless|textgreater|textbar|ldots)\{\}
      | \\(?:ss|ae|AE|o|O|oe|OE|l|L|i)\{\}
      | \\char\d+\{\} | \{[][*]\}
      | \\ensuremath\{(?:-|\\(?:times|approx|leq|geq|rightarrow|cdot))\}
      | \\corpuschar\{[0-9A-F]{4,6}\}\{\d+\}
      | \\[`'^~=u.Hrvc"]\{(?:[A-Za-z]|\\[ij]\{\})\}
    """,
    re.VERBOSE,
)
NASTY = (
    *HOSTILE,
    r"\input{/etc/passwd}",
    r"\immediate\write18{rm -rf ~}",
    r"\end{table}\csname end\endcsname",
    "100 % of A_B & C #1 $x^2$ ~ {a} \\\\ [1ex] * star",
    "^^41 ^^5cinput",
    "[1ex] begins a cell",
    "* begins a cell",
    "--- ?` !` '' `` ,, << >> \"quoted\"",
    "naïve café Ångström Łódź Žižek Çeşme ñ ij ĳ ß",
    "日本語 العربية עברית हिन्दी 👩‍👩‍👧",
    "a\u0301\u0323 combining",
    "%comment swallows the line",
    "\\",
    "{",
    "}",
    "",
)


def assert_words(text: str) -> None:
    place = 0
    while place < len(text):
        found = TOKEN.match(text, place)
        assert found, f"{text[place : place + 20]!r} is not a word of LaTeX"
        place = found.end()


@pytest.mark.parametrize("text", NASTY, ids=range(len(NASTY)))
def test_any_string_is_words_and_nothing_else(text: str) -> None:
    made = latex.escaped(text)
    assert_words(made)
    assert made.isascii()
    assert not re.search(r"(?<!\{\})--(?!-)|''|,,|``|[?!]`", made.replace("{}", "\0")) or "–" in text or "—" in text
    assert_words(latex.escaped(text, 12))


def test_letters_are_spelt_as_tex_spells_them() -> None:
    assert latex.escaped("50% of A_B") == r"50\% of A\_\allowbreak{}B"
    assert latex.escaped("é ß ı í 中 −1") == r"\'{e} \ss{} \i{} \'{\i{}} \corpuschar{4E2D}{20013} \ensuremath{-}1"
    assert latex.escaped("a--b,,c") == "a-{}-b,{},c"


def cells(line: str) -> int:
    """Of a line of a table; a head over two counts as two."""
    parts = re.split(r"(?<!\\)&", line)
    return sum(2 if r"\multicolumn{2}" in part else 1 for part in parts)


@pytest.mark.parametrize("text", ["", *NASTY[-14:]], ids=range(15))
def test_every_line_has_as_many_cells_as_columns(text: str) -> None:
    for table in (latex.table(read(comparison(text))), swept.render(sweep(text))["sweep.tex"].decode()):
        assert table.isascii()
        for part in table.split(r"\begin{table}")[1:]:
            columns = re.search(r"\\begin\{tabular\}\{(?:p\{[^}]*\})?([^}]*)\}", part)
            assert columns
            width = len(columns[1].split()) + ("p{" in columns[0])
            body = part[columns.end() : part.index(r"\bottomrule")]
            lines = [line for line in body.splitlines() if line.endswith(r" \\")]
            assert len(lines) > 3 and {cells(line) for line in lines} == {width}
            depth = re.sub(r"\\[{}]", "", part)
            assert depth.count("{") == depth.count("}")


def test_the_table_is_cut_into_parts_that_fit() -> None:
    contest = read(comparison(arms={f"arm {place}": 0.1 for place in range(5)}, tasks=20))
    table = latex.table(contest)
    metrics = len({row.metric for row in contest.rows})
    parts = -(-metrics // latex.LINES) * 3
    assert table.count(r"\begin{table}") == table.count(r"\end{table}") == parts
    assert f"(part {parts} of {parts})" in table and r"\label{tab:comparison-1}" in table


def bold(table: str) -> list[str]:
    return re.findall(r"\\textbf\{((?:[^{}]|\{[^{}]*\})*)\}", table)


def test_bold_is_the_best_only_where_it_is_told_apart() -> None:
    told = comparison(arms={"better": 0.2, "same": 0.0})
    contest = read(told)
    for metric in ("things.top5", "things.nll"):
        rows = [row for row in contest.rows if row.metric == metric]
        assert latex.best_of(contest, metric, rows) == "better"
    assert latex.best_of(contest, contest.headline, contest.heads()) == "better"
    shared = read(told | {"ranking": [one | {"better_than": []} for one in told["ranking"]]})
    assert latex.best_of(shared, shared.headline, shared.heads()) is None
    close = read(comparison(arms={"one": 0.2, "other": 0.201}))
    assert latex.best_of(close, "things.top1x", [row for row in close.rows if row.metric == "things.top5"]) is None
    assert len(bold(latex.table(contest))) > 5


def test_the_baseline_is_bold_where_every_arm_is_worse() -> None:
    contest = read(comparison(arms={"bad": -0.2, "worse": -0.21}))
    rows = [row for row in contest.rows if row.metric == "things.top5"]
    assert latex.best_of(contest, "things.top5", rows) == "raw"
    one = read(comparison(arms={"bad": -0.2}) | {"ranking": []})
    assert latex.best_of(one, one.headline, one.heads()) == "raw"


def test_it_asks_for_no_package() -> None:
    table = latex.table(read(comparison()))
    assert r"\usepackage" not in table and r"\providecommand{\toprule}{\hline}" in table
