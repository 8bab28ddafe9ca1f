"""From words to a tree, by precedence climbing.

    parse("a and (b and c)") == parse("a and b and c")        True
    parse("1 < width < 9")                                    UsageError: comparisons do not chain ...

Raises UsageError for everything that is no expression, at any depth: nothing nests deeper than DEEPEST.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from vlcorpus.expression.tokens import Token, tokens, wrong
from vlcorpus.expression.tree import (
    AND,
    COMPARE,
    NOT,
    OR,
    PRODUCT,
    SIGN,
    SUM,
    Arithmetic,
    Between,
    Call,
    Column,
    Compare,
    In,
    Junction,
    Literal,
    Negative,
    Node,
    Not,
)

DEEPEST = 100

_LEVELS: dict[object, int] = {"or": OR, "and": AND, "in": COMPARE, "is": COMPARE, "between": COMPARE, "not": COMPARE}
_LEVELS |= dict.fromkeys(("==", "!=", "<", "<=", ">", ">="), COMPARE)
_LEVELS |= {"+": SUM, "-": SUM, "*": PRODUCT, "/": PRODUCT}

_Part = TypeVar("_Part")


def parse(text: str) -> Node:
    """The tree of an expression. Raises UsageError."""
    return _Parser(tokens(text)).whole()


class _Parser:
    def __init__(self, words: list[Token]) -> None:
        self._words = words
        self._place = 0
        self._depth = 0

    def whole(self) -> Node:
        if self._next.kind == "end":
            raise wrong("the expression is empty", 1)
        found = self._expression(OR)
        if self._next.kind != "end":
            raise self._unexpected("the end was expected")
        return found

    @property
    def _next(self) -> Token:
        return self._words[self._place]

    def _take(self) -> Token:
        self._place += 1
        return self._words[self._place - 1]

    def _is(self, *values: str) -> bool:
        return self._next.kind in ("keyword", "operator") and self._next.value in values

    def _expect(self, value: str, why: str) -> None:
        if not self._is(value):
            raise self._unexpected(f"{value} was expected {why}")
        self._take()

    def _unexpected(self, instead: str) -> Exception:
        token = self._next
        said = "the expression ends" if token.kind == "end" else f"{token.value!r} stands"
        return wrong(f"{said} where {instead}", token.at)

    def _expression(self, level: int) -> Node:
        """All that binds as tightly as `level`."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise wrong(f"nested deeper than {DEEPEST}", self._next.at)
        left = self._prefix(level)
        while self._next.kind in ("keyword", "operator") and _LEVELS.get(self._next.value, 0) >= level:
            left = self._infix(left)
        self._depth -= 1
        return left

    def _prefix(self, level: int) -> Node:
        at = self._next.at
        if self._is("not"):
            if level > NOT:
                raise wrong("not stands inside a comparison", at, "put parentheses around what it negates")
            self._take()
            return Not(self._expression(NOT), at=at)
        if self._is("-"):
            self._take()
            operand = self._expression(SIGN)
            if isinstance(operand, Literal) and type(operand.value) in (int, float):
                return Literal(-operand.value, at=at)  # type: ignore[operator]
            return Negative(operand, at=at)
        if self._is("("):
            self._take()
            found = self._expression(OR)
            self._expect(")", "to close the parenthesis")
            return found
        if self._next.kind == "name":
            name = str(self._take().value)
            if not self._is("("):
                return Column(name, at=at)
            return Call(name.lower(), self._listed(lambda: self._expression(OR)), at=at)
        return self._literal("a column, a value or ( was expected")

    def _literal(self, otherwise: str) -> Literal:
        token = self._next
        if token.kind in ("text", "number"):
            self._take()
            return Literal(token.value, at=token.at)
        if self._is("true", "false"):
            self._take()
            return Literal(token.value == "true", at=token.at)
        raise self._unexpected(otherwise)

    def _infix(self, left: Node) -> Node:
        token = self._take()
        word = str(token.value)
        if word in ("and", "or"):
            return self._junction(word, left, token.at)
        if word in ("+", "-", "*", "/"):
            level = _LEVELS[word]
            step = (word, self._expression(level + 1))
            if isinstance(left, Arithmetic) and left.level == level:
                return Arithmetic(left.first, (*left.rest, step), at=left.at)
            return Arithmetic(left, (step,), at=left.at)
        found = self._comparison(left, word, token.at)
        if self._next.kind in ("keyword", "operator") and _LEVELS.get(self._next.value) == COMPARE:
            raise wrong("comparisons do not chain", self._next.at, "write a < b and b < c, or b between a and c")
        return found

    def _junction(self, word: str, left: Node, at: int) -> Node:
        """All operands at once: a long chain is no deep tree, and takes no more than its length."""
        parts = [left]
        while True:
            parts.append(self._expression(_LEVELS[word] + 1))
            if not self._is(word):
                break
            self._take()
        flat: list[Node] = []
        for part in parts:
            flat += part.operands if isinstance(part, Junction) and part.word == word else [part]
        return Junction(word, tuple(flat), at=at)

    def _comparison(self, left: Node, word: str, at: int) -> Node:
        if word == "is":
            negated = self._is("not") and bool(self._take())
            self._expect("null", "after is")
            found: Node = Call("missing", (left,), at=left.at)
            return Not(found, at=at) if negated else found
        if word == "not":
            if not self._is("in", "between"):
                raise self._unexpected("in or between was expected after not")
            return Not(self._comparison(left, str(self._take().value), at), at=at)
        if word == "in":
            values = self._listed(lambda: self._constant())
            if not values:
                raise wrong("in has no values", at, 'write them in parentheses: language in ("en", "de")')
            return In(left, values, at=at)
        if word == "between":
            low = self._expression(SUM)
            self._expect("and", "after between and its lower bound")
            return Between(left, low, self._expression(SUM), at=at)
        return Compare(word, left, self._expression(SUM), at=at)

    def _constant(self) -> Literal:
        """A value of `in`."""
        at = self._next.at
        negative = self._is("-") and bool(self._take())
        found = self._literal("a value was expected")
        if not negative:
            return found
        if type(found.value) not in (int, float):
            raise wrong(f"{found} has no sign", at)
        return Literal(-found.value, at=at)  # type: ignore[operator]

    def _listed(self, part: Callable[[], _Part]) -> tuple[_Part, ...]:
        self._expect("(", "before the list")
        found: list[_Part] = []
        while not self._is(")"):
            found.append(part())
            if not self._is(","):
                break
            self._take()
        self._expect(")", "after the list")
        return tuple(found)
