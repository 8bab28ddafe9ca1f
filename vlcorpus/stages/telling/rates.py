"""The share that is kept, by language, by the image's domain, and by source."""

from __future__ import annotations

from collections.abc import Sequence

from ...report import model
from ...scores.rates import Counts, Rate
from .shown import Shown
from .survey import Survey

MOST = 20
DOMAIN = "domain(url)"
SOURCE = "source"
LANGUAGES = ("detected_language", "language")


def texts(shown: Shown) -> tuple[str, ...]:
    """What rows are counted by: detected languages where they were scored, else the candidates'."""
    if shown.decision is None:
        return ()
    language = next(name for name in LANGUAGES if name in shown.known)
    return (language, DOMAIN, SOURCE)


def sections(shown: Shown, found: Survey) -> list[model.Section]:
    """Rates of every text that has values; of sources where there are several."""
    told: list[model.Section] = []
    language = next((name for name in LANGUAGES if name in found.counts), None)
    if language is not None and found.counts[language].most(1):
        counts = found.counts[language]
        told.append(_rates("Kept by language", language, counts, counts.most(MOST), found, "no language"))
    if DOMAIN in found.counts and found.counts[DOMAIN].most(1):
        counts = found.counts[DOMAIN]
        told.append(_rates("Kept by domain of the image", "domain", counts, counts.most(MOST), found, "no address"))
        losers = counts.losing(MOST, found.share)
        if losers:
            note = (
                f"Of all rows {100 * found.share:.1f} % are kept; of these domains surely less: in the order of the "
                "upper end of their interval."
            )
            told.append(model.Rates("Domains that lose the most", "domain", _lines(losers), found.share, note))
    if SOURCE in found.counts and len(found.counts[SOURCE].most(2)) > 1:
        counts = found.counts[SOURCE]
        told.append(_rates("Kept by source", "source", counts, counts.most(MOST), found, "no source"))
    return told


def _rates(title: str, head: str, counts: Counts, listed: Sequence[Rate], found: Survey, without: str) -> model.Rates:
    lines = list(_lines(listed))
    rows = found.rows - counts.missing.rows - sum(rate.rows for rate in listed)
    kept = found.kept - counts.missing.kept - sum(rate.kept for rate in listed)
    if rows:
        lines.append(_line(Rate("all others", rows, kept), faint=True))
    if counts.missing.rows:
        missing = counts.missing
        lines.append(_line(Rate(without, missing.rows, missing.kept), faint=True))
    note = f"Dashed: the kept share of all {found.rows:,} rows, {100 * found.share:.1f} %. Whiskers: 95 % intervals."
    if counts.exact_above:
        note += f" Exact for those with more than {counts.exact_above:,} rows."
    return model.Rates(title, head, tuple(lines), found.share, note)


def _lines(rates: Sequence[Rate]) -> tuple[model.Rate, ...]:
    return tuple(_line(rate) for rate in rates)


def _line(rate: Rate, *, faint: bool = False) -> model.Rate:
    return model.Rate(rate.name or "(empty)", rate.rows, rate.kept, *rate.interval(), faint=faint)
