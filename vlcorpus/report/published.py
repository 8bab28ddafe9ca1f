"""Published rates of LAION's and DataComp's corpora, to stand beside one's own: each with where it was published.

    for figure in FIGURES: figure.corpus, figure.what, figure.said, figure.source, figure.rules

A figure with `rules` can be taken of any corpus that has the columns: the share of the rows for which the first rule
holds whose columns are there (`of`: all rows, or those that are kept). "{b32}" in a rule stands for a column with the
similarity by OpenAI's ViT-B/32. Figures without rules have no counterpart in columns and are listed.

Sources: LAION-400M and LAION-5B, their announcements on laion.ai (2021, 2022); LAION-5B, Schuhmann et al., NeurIPS 2022
(arXiv 2210.08402); DataComp, Gadre et al., NeurIPS 2023 (arXiv 2304.14108), section 3.2 and appendices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LAION_400M = "laion.ai, LAION-400M (2021)"
LAION_5B = "laion.ai, LAION-5B (2022); arXiv 2210.08402"
AESTHETICS = "laion.ai, LAION-Aesthetics (2022)"
DATACOMP = "DataComp, arXiv 2304.14108"

B32 = "ViT-B-32/openai"
"""The model whose similarity {b32} stands for."""

_BASIC = "words({text}) > 2 and length({text}) > 5 and short_side >= 200 and aspect <= 3"


@dataclass(frozen=True)
class Figure:
    """said: as it was published. rules: expressions of the same condition, the first with all its columns counts;
    "fetched": the share of attempted downloads that gave an image."""

    corpus: str
    what: str
    said: str
    source: str
    rules: tuple[str, ...] = ()
    of: Literal["rows", "kept"] = "rows"


FIGURES: tuple[Figure, ...] = (
    Figure("CommonPool", "fetched, of those attempted", "42 % (16.8 of 40 B)", DATACOMP, ("fetched",)),
    Figure(
        "LAION-5B", "pass its similarity cut, 0.28 by ViT-B/32 (English)", "about 10 %", LAION_5B, ("{b32} >= 0.28",)
    ),
    Figure(
        "DataComp small",
        "pass LAION-2B's rule: English, 0.28 by ViT-B/32",
        "10.2 % (1.3 of 12.8 M)",
        DATACOMP,
        ('{language} == "en" and {b32} >= 0.28',),
    ),
    Figure(
        "DataComp small",
        "pass basic filtering: English, over 2 words and 5 characters, short side 200, aspect 3",
        "23.4 %",
        DATACOMP,
        ('{language} == "en" and ' + _BASIC,),
    ),
    Figure(
        "LAION-5B", "unsafe: punsafe above 0.5", "2.9 % en, 3.3 % multi, 3.0 % nolang", LAION_5B, ("punsafe > 0.5",)
    ),
    Figure(
        "LAION-5B",
        "watermarked: pwatermark above 0.8",
        "6.1 % en, 5.6 % multi, 4.0 % nolang",
        LAION_5B,
        ("pwatermark > 0.8",),
    ),
    Figure(
        "LAION-5B",
        "English, of those kept",
        "2.3 of 5.85 B",
        LAION_5B,
        ('language_split == "en"', 'detected_split == "en"', '{language} == "en"'),
        "kept",
    ),
    Figure(
        "LAION-5B",
        "no language found, of those kept",
        "1.2 of 5.85 B",
        LAION_5B,
        ('language_split == "nolang"', 'detected_split == "nolang"'),
        "kept",
    ),
    Figure(
        "LAION-Aesthetics",
        "rated 5 or more by its second predictor",
        "25 % (600 M of 2.37 B)",
        AESTHETICS,
        ("aesthetic_score_laion_v2 >= 5",),
    ),
    Figure(
        "LAION-Aesthetics",
        "rated 6 or more by its second predictor",
        "0.5 % (12 M of 2.37 B)",
        AESTHETICS,
        ("aesthetic_score_laion_v2 >= 6",),
    ),
    Figure(
        "LAION-400M",
        "both sides 256 px or more, of those kept",
        "211 of 413 M",
        LAION_400M,
        ("short_side >= 256",),
        "kept",
    ),
    Figure(
        "LAION-400M",
        "both sides 512 px or more, of those kept",
        "67 of 413 M",
        LAION_400M,
        ("short_side >= 512",),
        "kept",
    ),
    Figure(
        "LAION-400M",
        "a side of 1024 px or more, of those kept",
        "26 of 413 M",
        LAION_400M,
        ("long_side >= 1024",),
        "kept",
    ),
    Figure("LAION-5B", "kept in the end, of all candidates", "just below 6 of over 50 B", LAION_5B),
    Figure(
        "CommonPool", "removed as unsafe: Detoxify or its own image model above 0.1", "19 % (16.8 to 13.6 B)", DATACOMP
    ),
    Figure("CommonPool", "removed as near-duplicates of evaluation images (ISC, 0.604169)", "2.8 to 3 %", DATACOMP),
    Figure("DataComp small", "pass image-based filtering", "23.4 %", DATACOMP),
    Figure("DataComp small", "pass image-based filtering and the top 30 % by ViT-L/14", "10.9 %", DATACOMP),
    Figure("DataComp small", "the top 30 % by ViT-L/14, by its making", "30 %", DATACOMP),
)
