"""Published figures: each has a source, and its rules are conditions that can be asked."""

from __future__ import annotations

import re

from vlcorpus import expression, schema
from vlcorpus.report.published import FIGURES

STANDS = {"b32": "similarity", "language": "language", "text": "caption"}
DERIVED = {"short_side": "int64", "long_side": "int64", "aspect": "float64", "area": "float64"}


def test_every_figure_says_where_it_was_published() -> None:
    for figure in FIGURES:
        assert re.search(r"arXiv \d{4}\.\d{5}|laion\.ai", figure.source), figure
        assert re.search(r"\d", figure.said) and figure.what and figure.corpus
    assert len({(figure.corpus, figure.what) for figure in FIGURES}) == len(FIGURES)


def test_every_rule_is_a_condition_on_columns_that_there_are() -> None:
    types = dict(DERIVED)
    for name in ("candidates", "shards", "score-list", "score-similarity", "score-language"):
        types |= {column.name: column.type for column in schema.table(name).columns}
    rules = [rule for figure in FIGURES for rule in figure.rules if rule != "fetched"]
    assert len(rules) > 10
    for rule in rules:
        expression.compile(rule.format(**STANDS), types)
