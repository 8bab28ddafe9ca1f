"""What an expression means, before its types are known, and how it is written back.

    str(Compare(">=", Column("width"), Literal(256)))        'width >= 256'

Two texts that differ in white space and needless parentheses have equal trees, and what str() writes is read as the
same tree. `at` is where a part stands (its first character, from 1) and makes no difference.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import ClassVar

from vlcorpus.expression.tokens import KEYWORDS

# How tightly parts bind; a part stands in parentheses where a tighter one is wanted.
OR, AND, NOT, COMPARE, SUM, PRODUCT, SIGN, WHOLE = range(1, 9)


@dataclass(frozen=True)
class Node:
    at: int = field(default=0, compare=False, kw_only=True)
    level: ClassVar[int] = WHOLE

    def within(self, level: int) -> str:
        """As written where something as tight as `level` is wanted."""
        return str(self) if self.level >= level else f"({self})"


@dataclass(frozen=True)
class Literal(Node):
    value: bool | int | float | str

    def __str__(self) -> str:
        if isinstance(self.value, bool):
            return "true" if self.value else "false"
        return quoted(self.value) if isinstance(self.value, str) else repr(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Literal) and (type(self.value), self.value) == (type(other.value), other.value)

    def __hash__(self) -> int:
        return hash((type(self.value), self.value))


@dataclass(frozen=True)
class Column(Node):
    name: str

    def __str__(self) -> str:
        plain = re.fullmatch(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*", self.name) and self.name.lower() not in KEYWORDS
        return self.name if plain else f"`{self.name}`"


@dataclass(frozen=True)
class Call(Node):
    name: str
    arguments: tuple[Node, ...]

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(str, self.arguments))})"


@dataclass(frozen=True)
class Negative(Node):
    operand: Node
    level: ClassVar[int] = SIGN

    def __str__(self) -> str:
        return f"-{self.operand.within(SIGN)}"


@dataclass(frozen=True)
class Arithmetic(Node):
    """From left to right; rest: operator and operand each, all of + and -, or all of * and /."""

    first: Node
    rest: tuple[tuple[str, Node], ...]

    @property
    def level(self) -> int:  # type: ignore[override]
        return SUM if self.rest[0][0] in "+-" else PRODUCT

    def __str__(self) -> str:
        rest = "".join(f" {operator} {operand.within(self.level + 1)}" for operator, operand in self.rest)
        return self.first.within(self.level) + rest


@dataclass(frozen=True)
class Compare(Node):
    operator: str
    left: Node
    right: Node
    level: ClassVar[int] = COMPARE

    def __str__(self) -> str:
        return f"{self.left.within(SUM)} {self.operator} {self.right.within(SUM)}"


@dataclass(frozen=True)
class In(Node):
    operand: Node
    values: tuple[Literal, ...]
    level: ClassVar[int] = COMPARE

    def __str__(self) -> str:
        return self.written("in")

    def written(self, how: str) -> str:
        return f"{self.operand.within(SUM)} {how} ({', '.join(map(str, self.values))})"


@dataclass(frozen=True)
class Between(Node):
    operand: Node
    low: Node
    high: Node
    level: ClassVar[int] = COMPARE

    def __str__(self) -> str:
        return self.written("between")

    def written(self, how: str) -> str:
        return f"{self.operand.within(SUM)} {how} {self.low.within(SUM)} and {self.high.within(SUM)}"


@dataclass(frozen=True)
class Not(Node):
    operand: Node

    @property
    def level(self) -> int:  # type: ignore[override]
        return COMPARE if isinstance(self.operand, In | Between) else NOT

    def __str__(self) -> str:
        if isinstance(self.operand, In):
            return self.operand.written("not in")
        if isinstance(self.operand, Between):
            return self.operand.written("not between")
        return f"not {self.operand.within(NOT)}"


@dataclass(frozen=True)
class Junction(Node):
    """word: and, or. operands: none of them a junction of the same word."""

    word: str
    operands: tuple[Node, ...]

    @property
    def level(self) -> int:  # type: ignore[override]
        return AND if self.word == "and" else OR

    def __str__(self) -> str:
        return f" {self.word} ".join(operand.within(self.level + 1) for operand in self.operands)


def quoted(text: str) -> str:
    """As a text of the language."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def columns_of(node: Node) -> tuple[str, ...]:
    """The names of all columns below a node, each once, in the order they stand."""
    found: dict[str, None] = {}
    left = [node]
    while left:
        each = left.pop(0)
        if isinstance(each, Column):
            found[each.name] = None
        left[:0] = _parts(each)
    return tuple(found)


def _parts(node: Node) -> tuple[Node, ...]:
    match node:
        case Call():
            return node.arguments
        case Negative() | Not():
            return (node.operand,)
        case Arithmetic():
            return (node.first, *(operand for _, operand in node.rest))
        case Compare():
            return (node.left, node.right)
        case In():
            return (node.operand, *node.values)
        case Between():
            return (node.operand, node.low, node.high)
        case Junction():
            return node.operands
    return ()
