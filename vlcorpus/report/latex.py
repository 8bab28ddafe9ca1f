"""A comparison as LaTeX tables for a paper, and any string as LaTeX that compiles.

    escaped("50% of A_B")            -> 50\\% of A\\_\\allowbreak{}B
    table(contest)                   -> \\begin{table} ... \\end{table}, for \\input{comparison}

It needs no package: booktabs' rules are used where it is loaded, and \\hline stands in for them where it is not.
Accented Latin letters are spelt with accents; other letters are given to XeTeX and LuaTeX as they are, and named by
their code under pdfTeX, whose fonts lack them. Cost: nothing to speak of; a table of many metrics is cut into parts of
30 lines.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from typing import TypeVar

from vlcorpus.report.contest_rows import Contest, Row
from vlcorpus.report.drawing import fit
from vlcorpus.report.markup import shown

T = TypeVar("T")

LINES = 30
ARMS = 2
"""Lines, and arms beside the baseline, of one table."""

LONGEST = 40
"""Columns of text of a name"""

PREAMBLE = r"""% Made by vlcorpus. \input this file; booktabs is used where it is loaded, and not needed.
\providecommand{\toprule}{\hline}
\providecommand{\midrule}{\hline}
\providecommand{\bottomrule}{\hline}
\ifdefined\Umathcode
  \providecommand{\corpuschar}[2]{\char#2\relax}
\else
  \providecommand{\corpuschar}[2]{\texttt{U+#1}}
\fi
"""

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_\allowbreak{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\char34{}",
    "`": r"\char96{}",
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",  # behind \\ these two would be its arguments
    "−": r"\ensuremath{-}",
    "–": "--",
    "—": "---",
    "’": "'",
    "‘": r"\char96{}",
    "“": r"\char34{}",
    "”": r"\char34{}",
    "…": r"\ldots{}",
    "×": r"\ensuremath{\times}",
    "≈": r"\ensuremath{\approx}",
    "≤": r"\ensuremath{\leq}",
    "≥": r"\ensuremath{\geq}",
    "→": r"\ensuremath{\rightarrow}",
    "·": r"\ensuremath{\cdot}",
    "\u00a0": "~",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "ı": r"\i{}",
}
_LIGATURES = "-,'"  # two of them in a row would become a dash or a quote
_ACCENTS = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r",
    "\u030b": "H",
    "\u030c": "v",
    "\u0327": "c",
}


def escaped(text: str, longest: int | None = None) -> str:
    """The text and nothing else, whatever it holds. longest: cut it there."""
    text = unicodedata.normalize("NFC", shown(text) if longest is None else fit(text, longest))
    return "".join(
        "{}" + letter if letter in _LIGATURES and text[place - 1 : place] == letter else _letter(letter)
        for place, letter in enumerate(text)
    )


def _letter(letter: str) -> str:
    if letter in _SPECIAL:
        return _SPECIAL[letter]
    if letter.isascii():
        return letter
    parts = unicodedata.normalize("NFD", letter)
    if len(parts) == 2 and parts[0].isascii() and parts[0].isalpha() and parts[1] in _ACCENTS:
        base = rf"\{parts[0]}{{}}" if parts[0] in "ij" and parts[1] != "\u0327" else parts[0]
        return rf"\{_ACCENTS[parts[1]]}{{{base}}}"
    return rf"\corpuschar{{{ord(letter):04X}}}{{{ord(letter)}}}"


def table(contest: Contest) -> str:
    """Every metric, a line each: the baseline, and each arm with its difference and interval."""
    metrics = list(dict.fromkeys(row.metric for row in contest.rows))
    metrics.sort(key=lambda metric: metric != contest.headline)
    by_place = {(row.metric, row.arm): row for row in contest.rows}
    parts = [(arms, lines) for arms in cut(contest.arms, ARMS) for lines in cut(metrics, LINES)]
    made = [
        _part(contest, arms, lines, by_place, f" (part {place} of {len(parts)})" if len(parts) > 1 else "", place)
        for place, (arms, lines) in enumerate(parts, 1)
    ]
    return PREAMBLE + "\n".join(made)


def cut(names: Sequence[T], size: int) -> list[Sequence[T]]:
    return [names[place : place + size] for place in range(0, len(names), size)]


def _part(
    contest: Contest,
    arms: Sequence[str],
    metrics: Iterable[str],
    by_place: dict[tuple[str, str], Row],
    part: str,
    place: int,
) -> str:
    heads = ["Metric", escaped(contest.baseline, LONGEST)]
    heads += [rf"\multicolumn{{2}}{{c}}{{{escaped(arm, LONGEST)}}}" for arm in arms]
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption[Corpora compared]{{{caption(contest)}{part}}}",
        rf"\label{{tab:comparison{f'-{place}' if part else ''}}}",
        r"\par\medskip",
        r"\footnotesize",
        r"\setlength{\tabcolsep}{3pt}",
        rf"\begin{{tabular}}{{p{{0.24\linewidth}} r{' r l' * len(arms)}}}",
        r"\toprule",
        " & ".join(heads) + r" \\",
        r"\midrule",
    ]
    for metric in metrics:
        every = [by_place[metric, arm] for arm in contest.arms if (metric, arm) in by_place]
        best = best_of(contest, metric, every)
        first = every[0]
        cells = [rf"\raggedright {escaped(metric, LONGEST)}" + ("" if first.share else f" ({escaped(first.unit)})")]
        cells.append(bold(escaped(first.said(first.baseline_mean)), best == contest.baseline))
        for arm in arms:
            row = by_place.get((metric, arm))
            if row is None:
                cells += ["--", ""]
                continue
            cells += [bold(escaped(row.said(row.mean)), best == arm), rf"\scriptsize {escaped(row.told)}"]
        lines.append(" & ".join(cells) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}", r"\end{table}", ""]
    return "\n".join(lines)


def caption(contest: Contest) -> str:
    """What the numbers are; already LaTeX."""
    suite = escaped(" ".join(part for part in (contest.suite, contest.suite_version) if part))
    percent = contest.percent.removesuffix(" %")
    return (
        rf"Means over seeds on {suite}, shares in \%, and differences to {escaped(contest.baseline)} "
        rf"with {percent}\,\% intervals, shares in points. "
        r"Bold: best, where it is told apart from all others."
    )


def best_of(contest: Contest, metric: str, rows: Sequence[Row]) -> str | None:
    """The arm that is told apart from all others on a metric, None where none is.

    On the headline by the ranking, which tests all pairs; elsewhere by the differences to the baseline: an arm that is
    better than it, and whose interval lies beyond that of every other arm. That is stricter than a test of the two.
    """
    if metric == contest.headline and contest.ranking:
        others = set(contest.every_arm)
        return next((one.arm for one in contest.ranking if set(one.better_than) >= others - {one.arm}), None)
    if rows and len(rows) == len(contest.arms) and all(row.tone == "bad" for row in rows):
        return contest.baseline
    better = [row for row in rows if row.tone == "good" and row.lower is not None and row.upper is not None]
    for row in better:
        if len(rows) == len(contest.arms) and all(_beyond(row, other) for other in rows if other is not row):
            return row.arm
    return None


def _beyond(row: Row, other: Row) -> bool:
    if row.lower is None or row.upper is None or other.lower is None or other.upper is None:
        return False
    return row.upper < other.lower if row.lower_is_better else row.lower > other.upper


def bold(words: str, best: bool) -> str:
    return rf"\textbf{{{words}}}" if best else words
