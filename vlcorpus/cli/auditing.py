"""`vlcorpus audit`: draw pairs for a person to look at, and say what the labels mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UsageError
from . import output, shape

if TYPE_CHECKING:
    from ..audit.design import Stratum
    from ..audit.estimate import Estimate
    from ..audit.verdict import Figure
    from ..views.audited import Said, Threshold
    from ..views.auditing import DrawnAudit

PAIRS = 400
MOST_DIFFERING = 20
ROWS_OF_CURVE = 16


class Format(StrEnum):
    page = "page"
    csv = "csv"


def audit(
    corpus: Annotated[
        str,
        typer.Argument(
            metavar="CORPUS", help="Folder of the corpus; with --labels that of the audit.", show_default=False
        ),
    ],
    decision: Annotated[
        str | None, typer.Option("--decision", metavar="NAME", help="Decision to audit; the only one if not given.")
    ] = None,
    n: Annotated[int | None, typer.Option("-n", help=f"How many pairs to look at; {PAIRS} if not given.")] = None,
    out: Annotated[
        str | None, typer.Option("--out", metavar="FOLDER", help="Folder to write page or sheet and audit.json into.")
    ] = None,
    form: Annotated[
        Format | None, typer.Option("--format", help="A page to label by keyboard, or a sheet with pictures.")
    ] = None,
    score: Annotated[
        str | None,
        typer.Option("--score", metavar="COLUMN", help="Column that strata and thresholds go by; the decision's own."),
    ] = None,
    strata: Annotated[
        int | None, typer.Option("--strata", min=2, max=100, help="Strata of pairs with a score; 10 if not given.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Seed of the draw; 0 if not given.")] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option(
            "--labels", metavar="FILE", help="Read these labels of the audit in CORPUS; twice for two people."
        ),
    ] = None,
    precision: Annotated[
        float | None,
        typer.Option("--precision", min=0, max=1, help="With --labels: find the threshold with this precision."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Have a person look at a sample without knowing the verdicts, and say how right a decision is.

    With --out it draws: pairs from each stratum of kept and of dropped ones, for a page to label offline. With --labels
    it reads the labels back: precision, recall and a threshold curve with 95 % intervals, and how far two people agree.
    """
    drawing = {
        "--decision": decision, "-n": n, "--out": out, "--format": form, "--score": score, "--strata": strata,
        "--seed": seed,
    }  # fmt: skip
    from ..stages import places

    if labels:
        given = [name for name, value in drawing.items() if value is not None]
        if given:
            raise UsageError(f"{given[0]} draws, --labels reads", "give the audit's folder and --labels alone")
        folder = places.here(corpus, "an audit")
        _say(folder, [places.here(name, "--labels", places.A_FILE) for name in labels], precision, as_json=json)
        return
    if precision is not None:
        raise UsageError("--precision belongs to --labels", "label the drawn pairs first")
    if out is None:
        raise UsageError(
            "neither --out nor --labels is given",
            "draw with --out FOLDER; then `vlcorpus audit FOLDER --labels FILE`",
        )
    from ..views import auditing

    drawn = auditing.draw(
        places.opened(corpus),
        places.here(out, "--out"),
        decision=decision,
        n=PAIRS if n is None else n,
        seed=seed or 0,
        form=(form or Format.page).value,
        score=score,
        **({} if strata is None else {"strata": strata}),
    )
    if json:
        output.say_json(shape.plain(drawn))
    else:
        _print_drawn(drawn)


def _print_drawn(drawn: DrawnAudit) -> None:
    score = drawn.score or "none"
    output.say(
        f"{output.count(drawn.pairs)} pairs of {output.count(drawn.rows)}, of which {drawn.decision} keeps "
        f"{output.count(drawn.kept)}; score: {output.clean(score)}"
    )
    output.say()
    rows = [
        (_verdict(each), _range(each), output.count(each.rows), output.count(each.drawn), f"{each.probability:.3g}")
        for each in drawn.strata
    ]
    output.table(("", drawn.score or "", "pairs", "drawn", "probability"), rows, numbers=(2, 3, 4))
    output.say()
    if drawn.unreadable:
        output.note(f"note: {output.count(drawn.unreadable)} pictures cannot be shown")
    output.say(f"label: {drawn.file}   (audit.json, beside it, tells the verdicts: keep it from who labels)")
    output.say(f"then: vlcorpus audit {drawn.folder} --labels FILE")


def _verdict(stratum: Stratum) -> str:
    return "kept" if stratum.kept else "dropped"


def _range(stratum: Stratum) -> str:
    if not stratum.scored:
        return "no score"
    if stratum.least is None or stratum.most is None:
        if stratum.least is not None:
            return f"from {stratum.least:g}"
        return "any" if stratum.most is None else f"to {stratum.most:g}"
    return f"{stratum.least:g} to {stratum.most:g}"


def _say(folder: Path, files: Sequence[Path], precision: float | None, *, as_json: bool) -> None:
    from ..views import audited

    said = audited.read(folder, files, precision=precision)
    if as_json:
        output.say_json(shape.plain(said))
        return
    _print_head(said)
    _print_figures(said)
    if said.agreement is not None:
        _print_agreement(said)
    if said.curve:
        _print_curve(said)
    if precision is not None:
        _print_reached(said)
    output.say()
    rows = [
        (
            _verdict(each.stratum),
            _range(each.stratum),
            output.count(each.stratum.rows),
            each.labels.good,
            each.labels.bad,
            each.labels.unsure,
            each.labels.unlabelled,
        )
        for each in said.strata
    ]
    heads = ("", said.score or "", "pairs", "good", "bad", "unsure", "no label")
    output.table(heads, rows, numbers=(2, 3, 4, 5, 6))


def _print_head(said: Said) -> None:
    rule = " and ".join(said.rule) or "everything"
    output.say(
        f"{output.clean(said.corpus)}, decision {output.clean(said.decision)} ({output.clean(rule)}): keeps "
        f"{output.count(said.kept)} of {output.count(said.rows)} pairs"
    )
    notes = [f"{output.count(said.labelled)} of {output.count(said.pairs)} drawn pairs labelled"]
    notes += [f"{output.count(said.unsure)} unsure"] if said.unsure else []
    notes += [f"{output.count(said.differ)} labelled differently by the two"] if said.differ else []
    output.say(", ".join(notes) + (": left out below" if len(notes) > 1 else ""))
    missing = said.pairs - said.labelled
    if missing:
        output.note(f"note: {output.count(missing)} drawn pairs have no label{' of both' if said.agreement else ''}")
    if said.agreement is not None:
        output.note("note: the figures are of the labels that both gave")
    output.say()


def _print_figures(said: Said) -> None:
    figures = said.figures
    doubt = bool(said.unsure or said.differ)
    rows = [
        _figure("precision", "good among kept", figures.precision, doubt),
        _figure("recall", "kept among good", figures.recall, doubt),
        _figure("prevalence", "good among all", figures.prevalence, doubt),
        _figure("bad dropped", "dropped among bad", figures.bad_dropped, doubt),
        _figure("good pairs kept", "", figures.good_kept, doubt, counts=True),
        _figure("good pairs lost", "", figures.good_lost, doubt, counts=True),
    ]
    heads = ("", "", "estimate", "95 % interval") + (("were unsure ones good or bad",) if doubt else ())
    output.table(heads, rows, numbers=(2,))


def _figure(name: str, meaning: str, found: Figure, doubt: bool, *, counts: bool = False) -> tuple[str, ...]:
    write = _count if counts else _share
    value = "not known" if found.value is None else write(found.value)
    ends = "" if found.least is None or found.most is None else f"{write(found.least)} to {write(found.most)}"
    interval = f"{write(found.low)} to {write(found.high)}"
    return (name, meaning, value, interval, *((ends,) if doubt else ()))


def _share(value: float) -> str:
    return f"{100 * value:.1f} %"


def _count(value: float) -> str:
    return output.count(round(value))


def _interval(found: Estimate) -> str:
    if found.value is None:
        return ""
    return f"{100 * found.low:.1f} to {100 * found.high:.1f}"


def _print_agreement(said: Said) -> None:
    found = said.agreement
    assert found is not None
    output.say()
    output.say(f"two people, {output.count(found.both)} pairs that both labelled, {output.count(found.sure)} for sure")
    names = ("good", "bad", "unsure")
    rows = [(f"first {name}", *counts) for name, counts in zip(names, found.counts, strict=True)]
    output.table(("", *(f"second {name}" for name in names)), rows, numbers=(1, 2, 3))
    if found.raw.value is not None:
        output.say(f"agreement {_share(found.raw.value)} ({_interval(found.raw)}), of the pairs shown")
    if found.kappa.value is None:
        output.say("Cohen's kappa: none, as all labels are of one kind")
    else:
        output.say(f"Cohen's kappa {found.kappa.value:.2f} ({found.kappa.low:.2f} to {found.kappa.high:.2f})")
    for each in said.differing[:MOST_DIFFERING]:
        output.say(f"    {each.uid}  {each.first}, {each.second}")
    if len(said.differing) > MOST_DIFFERING:
        output.note(f"note: {len(said.differing) - MOST_DIFFERING} more differ; --json lists them")


def _print_curve(said: Said) -> None:
    output.say()
    sign = ">=" if said.keeps == "high" else "<="
    output.say(f"if it kept {output.clean(said.score)} {sign} …")
    rows = [(f"{each.threshold:.4g}", "  cut" if _at_cut(said, each) else "", *_point(each)) for each in _some(said)]
    heads = ("threshold", "", "pairs", "labels", "precision", "95 %", "recall", "95 %")
    output.table(heads, rows, numbers=(0, 2, 3, 4, 6))


def _point(each: Threshold) -> tuple[str, ...]:
    precision, recall = (
        ("not known" if found.value is None else _share(found.value), _interval(found))
        for found in (each.precision, each.recall)
    )
    return output.count(each.rows), output.count(each.labelled), *precision, *recall


def _at_cut(said: Said, each: Threshold) -> bool:
    return said.cut is not None and each.threshold == said.cut


def _some(said: Said) -> Iterator[Threshold]:
    """Every so many thresholds, and the cut."""
    step = max(1, -(-len(said.curve) // ROWS_OF_CURVE))
    for number, each in enumerate(said.curve):
        if number % step == 0 or _at_cut(said, each):
            yield each


def _print_reached(said: Said) -> None:
    output.say()
    if said.reached is None:
        output.say("no score, so no threshold: draw with --score")
        return
    sign = ">=" if said.keeps == "high" else "<="
    wanted = _share(said.reached.precision)
    for words, found in (
        (f"precision {wanted} by estimate", said.reached.estimated),
        (f"precision {wanted} with 97.5 % confidence", said.reached.assured),
    ):
        if found is None or found.precision.value is None or found.recall.value is None:
            output.say(f"{words}: at no threshold")
        else:
            output.say(
                f"{words}: {output.clean(said.score)} {sign} {found.threshold:g}  "
                f"(precision {_share(found.precision.value)}, {_interval(found.precision)}; "
                f"recall {_share(found.recall.value)}, {_interval(found.recall)}; {output.count(found.rows)} pairs)"
            )
