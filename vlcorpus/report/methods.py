"""How a comparison was made, as paragraphs for a paper, and its numbers as sentences that can be cited.

    paragraphs(contest)     -> ["We trained the same model on each of 3 corpora ...", "Every arm was compared ..."]
    methods(contest)        -> the same as Markdown, for methods.md

Only what the comparison knows is said: no version and no loss is made up. Names come from strangers; in Markdown they
are escaped so that they stay words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from vlcorpus.report.axes import number
from vlcorpus.report.contest_rows import Arm, Contest, Row
from vlcorpus.report.markup import shorten, shown

Name = Callable[[str], str]

NAMED = 12
"""Arms or tasks that are named one by one"""

CONTROLS = {
    "random": "a random subset of equal size",
    "mismatched": "captions that belong to other images",
}


def methods(contest: Contest) -> bytes:
    """methods.md: the paragraphs, and how to cite the numbers."""
    lines = ["## Methods", "", *_apart(paragraphs(contest, markdown)), "## Numbers", ""]
    lines += [f"- {sentence}" for sentence in citations(contest, markdown)]
    return ("\n".join(lines).rstrip() + "\n").encode("utf-8")


def _apart(paragraphs: Iterable[str]) -> list[str]:
    return [line for paragraph in paragraphs for line in (paragraph, "")]


def markdown(text: str) -> str:
    """The text as words of Markdown: no markup, no link, no HTML."""
    plain = re.sub(r"([\\`*_{}\[\]()#+.!|~>-])", r"\\\1", shorten(shown(text), 200))
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace("://", ":&#47;&#47;").replace("@", "&#64;")


def paragraphs(contest: Contest, name: Name = str) -> list[str]:
    """What was trained, how it was measured, what the intervals are, and on what software."""
    made = [_training(contest, name), _statistics(contest, name), _average(contest, name)]
    if contest.software:
        versions = (f"{name(software)} {name(version)}" for software, version in contest.software)
        made.append(f"Software: {_listed(list(versions))}.")
    return [paragraph for paragraph in made if paragraph]


def _training(contest: Contest, name: Name) -> str:
    arms = contest.about
    recipes = list(dict.fromkeys(arm.recipe for arm in arms if arm.recipe))
    by = f" by the recipe {_listed([name(recipe) for recipe in recipes])}" if recipes else ""
    suite = name(contest.suite) + (f" (version {name(contest.suite_version)})" if contest.suite_version else "")
    measured = f" and measured it on the suite {suite}" if contest.suite else " and measured it"
    engine = f" with evaluator {name(contest.evaluator_version)}" if contest.evaluator_version else ""
    said = [f"We trained the same model on each of {len(contest.every_arm)} corpora{by}{measured}{engine}."]
    said += [_seeds(arms), _parts(contest), _samples(arms)]
    said += [_arms(arms, name), _controls(arms, name), _shared(arms, name)]
    return " ".join(words for words in said if words)


def _seeds(arms: Sequence[Arm]) -> str:
    seeds = list(dict.fromkeys(arm.seeds for arm in arms if arm.seeds))
    if not seeds:
        return ""
    if len(seeds) > 1:
        return f"Each arm was trained with {_range([len(own) for own in seeds])} seeds."
    return f"Each arm was trained with {_count(len(seeds[0]), 'seed')} ({', '.join(seeds[0][:NAMED])})."


def _parts(contest: Contest) -> str:
    if contest.parts < 2:
        return ""
    return (
        f"Each seed trained on one of {contest.parts} shares of its arm's pairs, dealt by the pairs' ids, so that the "
        "spread of the seeds tells also what other pairs of the same kind would have given."
    )


def _samples(arms: Sequence[Arm]) -> str:
    seen = [arm.samples_seen for arm in arms if arm.samples_seen is not None]
    if not seen:
        return ""
    if len(set(seen)) > 1:
        return f"Between {min(seen):,} and {max(seen):,} samples were seen, not the same for every arm."
    return f"Every arm saw the same {seen[0]:,} samples, whatever its size, so that a smaller corpus was repeated more."


def _arms(arms: Sequence[Arm], name: Name) -> str:
    known = [arm for arm in arms if arm.pairs is not None]
    told = [
        f"{name(arm.name)} {arm.pairs:,}"
        + (f" (each seen {number(arm.repetitions, 1)} times)" if arm.repetitions is not None else "")
        for arm in known[:NAMED]
    ]
    if len(known) > NAMED:
        told.append(f"{len(known) - NAMED} more arms")
    return f"Pairs: {_listed(told)}." if told else ""


def _controls(arms: Sequence[Arm], name: Name) -> str:
    told = [f"{name(arm.name)} has {CONTROLS[arm.control]}" for arm in arms if arm.control in CONTROLS][:NAMED]
    return f"As a control, {_listed(told)}." if told else ""


def _shared(arms: Sequence[Arm], name: Name) -> str:
    """What else is known, where it is the same for every arm."""
    if not arms:
        return ""
    same = [pair for pair in arms[0].more if all(pair in arm.more for arm in arms)]
    told = [f"{name(key)} {name(value)}" for key, value in same if value]
    return f"The same for every arm: {_listed(told)}." if told else ""


def _statistics(contest: Contest, name: Name) -> str:
    rows = contest.rows
    crossed = sum("pictures" in row.over for row in rows)
    said = [
        f"Every arm was compared with {name(contest.baseline)}, seed by seed: the same start, the same order of draws "
        "and the same test pictures, so that what differs is the corpus."
    ]
    how = "take the seeds as the only random factor"
    if crossed == len(rows) and rows:
        how = "take seeds and pictures as two crossed random factors"
    elif crossed:
        how = (
            f"take seeds and pictures as two crossed random factors for {crossed} of {len(rows)} comparisons, whose "
            "answers are known picture by picture, and the seeds alone for the others"
        )
    said.append(f"Differences are of means over seeds; their {contest.percent} intervals {how}.")
    if any(row.p_holm is not None for row in rows):
        said.append(f"P values are corrected for {_count(len(rows), 'comparison')} after Holm (1979).")
    if contest.ranking:
        said.append(f"The arms are ranked on {name(contest.headline)}; arms that are not told apart share a place.")
    if any(row.smallest is not None for row in rows):
        said.append("The smallest detectable effect is what these seeds would show four times out of five.")
    return " ".join(said)


def _average(contest: Contest, name: Name) -> str:
    if not contest.tasks:
        return ""
    told = f"The average is the mean of the main metrics of {_count(len(contest.tasks), 'task')}"
    if len(contest.tasks) <= NAMED:
        told += f": {_listed([name(task) for task in contest.tasks])}"
    left = f"; {_count(len(contest.left_out), 'task')} had no result and stayed out" if contest.left_out else ""
    return told + left + "."


def citations(contest: Contest, name: Name = str, most: int = 20) -> list[str]:
    """The headline of every arm in one sentence each, with all that a reader needs to weigh it."""
    rows = contest.heads()
    told = [citation(contest, row, name) for row in rows[:most]]
    if len(rows) > most:
        told.append(f"{len(rows) - most} more arms: see comparison.csv.")
    return told


def citation(contest: Contest, row: Row, name: Name = str) -> str:
    unit = " %" if row.share else ""
    values = f"{row.said(row.mean)}{unit} against {row.said(row.baseline_mean)}{unit}"
    size = f"a difference of {row.said(row.difference, signed=True)} {row.unit}"
    if row.lower is None or row.upper is None:
        size += " without an interval"
    else:
        size += f" ({contest.percent} interval {row.said(row.lower)} to {row.said(row.upper)}"
        size += f", Holm-corrected p {probability(row.p_holm)}" if row.p_holm is not None else ""
        size += f", paired over {name(row.over)}" if row.over else ""
        size += ")"
    where = f"suite {name(contest.suite)} {name(contest.suite_version)}".strip()
    on = f"{name(row.arm)} reaches {values} of {name(contest.baseline)} in {name(row.metric)}"
    return f"{on}, {size}; {_count(row.seeds, 'seed')}, {where}."


def probability(value: float | None) -> str:
    """= 0.032, < 0.001, – where there is none"""
    if value is None:
        return "–"
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _range(counts: Sequence[int]) -> str:
    return str(counts[0]) if len(set(counts)) == 1 else f"{min(counts)} to {max(counts)}"


def _listed(words: Sequence[str]) -> str:
    """a, b and c"""
    return " and ".join(part for part in (", ".join(words[:-1]), words[-1]) if part) if words else ""
