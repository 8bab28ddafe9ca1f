"""The functions of expressions: what each takes, what it gives, and the kernel that computes it.

length(text)  words(text)  lower(text)  contains(text, "part")  starts_with  ends_with  matches(text, "RE2 pattern")
domain(url)  extension(url)  abs(number)  min(number, ...)  max(number, ...)  has(list, "part")  missing(anything)
coalesce(value, otherwise, ...)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from vlcorpus.errors import UsageError
from vlcorpus.expression import kernels
from vlcorpus.expression.frame import Frame
from vlcorpus.expression.kinds import NUMERIC, Kind
from vlcorpus.expression.tokens import wrong
from vlcorpus.expression.tree import Literal

Run = Callable[[Frame], kernels.Values]


class Argument(NamedTuple):
    """said: what it is, for messages."""

    kind: Kind
    run: Run
    literal: Literal | None
    at: int
    said: str


@dataclass(frozen=True, slots=True)
class OfText:
    """Takes a text, and gives `kind`. part: takes a text in quotes besides, which `check` looks at."""

    kind: Kind
    kernel: Callable[..., kernels.Values]
    part: bool = False
    check: Callable[[str], None] | None = None
    of: tuple[Kind, ...] = (Kind.TEXT,)

    def build(self, name: str, arguments: list[Argument], at: int) -> tuple[Kind, Run]:
        _count(name, arguments, at, 1 + self.part, 1 + self.part)
        text, kernel = arguments[0], self.kernel
        _kind(name, text, self.of)
        if not self.part:
            return self.kind, lambda frame: kernel(kernels.array(text.run(frame), frame.rows))
        given = arguments[1].literal
        if given is None or not isinstance(given.value, str):
            raise wrong(f"the second argument of {name} is a text in quotes", arguments[1].at)
        part = given.value
        if self.check is not None:
            try:
                self.check(part)
            except UsageError as error:
                raise wrong(error.message, arguments[1].at, error.hint) from None
        return self.kind, lambda frame: kernel(kernels.array(text.run(frame), frame.rows), part)


@dataclass(frozen=True, slots=True)
class Length:
    """Of a text its characters, of a list its texts."""

    def build(self, name: str, arguments: list[Argument], at: int) -> tuple[Kind, Run]:
        counted = bool(arguments) and arguments[0].kind is Kind.TEXTS
        kernel = kernels.count if counted else kernels.length
        return OfText(Kind.INTEGER, kernel, of=(Kind.TEXT, Kind.TEXTS)).build(name, arguments, at)


@dataclass(frozen=True, slots=True)
class OfNumbers:
    """Takes numbers, `least` to `most` of them; whole ones give a whole one if `whole`."""

    kernel: Callable[..., kernels.Values]
    least: int
    most: int | None
    whole: bool

    def build(self, name: str, arguments: list[Argument], at: int) -> tuple[Kind, Run]:
        _count(name, arguments, at, self.least, self.most)
        for each in arguments:
            _kind(name, each, NUMERIC)
        whole = self.whole and all(each.kind is Kind.INTEGER for each in arguments)
        runs, kernel = [each.run for each in arguments], self.kernel

        def run(frame: Frame) -> kernels.Values:
            values = [each(frame) for each in runs]
            return kernel(*(values if whole else map(kernels.number, values)))

        return (Kind.INTEGER if whole else Kind.NUMBER), run


@dataclass(frozen=True, slots=True)
class Missing:
    """Takes anything."""

    def build(self, name: str, arguments: list[Argument], at: int) -> tuple[Kind, Run]:
        _count(name, arguments, at, 1, 1)
        run = arguments[0].run
        return Kind.TRUTH, lambda frame: kernels.missing(run(frame))


@dataclass(frozen=True, slots=True)
class Coalesce:
    """Takes values of one kind, or numbers of both; gives the first that is there."""

    def build(self, name: str, arguments: list[Argument], at: int) -> tuple[Kind, Run]:
        _count(name, arguments, at, 2, None)
        kind = arguments[0].kind
        if kind in (Kind.TEXTS, Kind.OTHER):
            raise wrong(f"{arguments[0].said}, but {name} takes texts, numbers, times, or yes and no", arguments[0].at)
        for each in arguments[1:]:
            if each.kind is not kind and not {each.kind, kind} <= set(NUMERIC):
                raise wrong(f"{arguments[0].said}, {each.said}: {name} takes values of one kind", each.at)
        mixed = any(each.kind is not kind for each in arguments)
        runs = [each.run for each in arguments]

        def run(frame: Frame) -> kernels.Values:
            values = [each(frame) for each in runs]
            return kernels.first(*(map(kernels.number, values) if mixed else values))

        return (Kind.NUMBER if mixed else kind), run


FUNCTIONS: dict[str, OfText | OfNumbers | Length | Missing | Coalesce] = {
    "length": Length(),
    "words": OfText(Kind.INTEGER, kernels.words),
    "lower": OfText(Kind.TEXT, kernels.lower),
    "contains": OfText(Kind.TRUTH, kernels.contains, part=True),
    "starts_with": OfText(Kind.TRUTH, kernels.starts_with, part=True),
    "ends_with": OfText(Kind.TRUTH, kernels.ends_with, part=True),
    "matches": OfText(Kind.TRUTH, kernels.matches, part=True, check=kernels.check_pattern),
    "domain": OfText(Kind.TEXT, kernels.domain),
    "extension": OfText(Kind.TEXT, kernels.extension),
    "has": OfText(Kind.TRUTH, kernels.has, part=True, of=(Kind.TEXTS,)),
    "abs": OfNumbers(kernels.absolute, 1, 1, whole=False),
    "min": OfNumbers(kernels.least, 2, None, whole=True),
    "max": OfNumbers(kernels.greatest, 2, None, whole=True),
    "missing": Missing(),
    "coalesce": Coalesce(),
}


def _count(name: str, arguments: list[Argument], at: int, least: int, most: int | None) -> None:
    if len(arguments) < least or (most is not None and len(arguments) > most):
        wanted = f"{least} argument{'s' * (least > 1)}" + (" or more" if most is None else "")
        raise wrong(f"{name} takes {wanted}, not {len(arguments)}", at)


def _kind(name: str, given: Argument, wanted: tuple[Kind, ...]) -> None:
    if given.kind not in wanted:
        names = " or ".join(sorted({Kind.NUMBER.value if each in NUMERIC else each.value for each in wanted}))
        raise wrong(f"{given.said}, but {name} takes {names}", given.at)
