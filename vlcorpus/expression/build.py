"""From a tree to what is computed: every name found, every type checked, before a row is read.

    build(parse("width >= 256"), {"width": "int32"}, None).mask(table)

Each part becomes a Built: its kind, and a function from a Frame (some rows) to its values. Literals take the type of
what they stand beside: a text beside a time is a time, a number beside a float32 column is a float32, so that a stored
0.7 is at least 0.7.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pyarrow as pa

from vlcorpus.errors import nearest
from vlcorpus.expression import kernels
from vlcorpus.expression.frame import Frame
from vlcorpus.expression.functions import FUNCTIONS, Argument
from vlcorpus.expression.kinds import NUMERIC, Kind, bits_of, kind_of
from vlcorpus.expression.tokens import wrong
from vlcorpus.expression.tree import (
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

_MOST = 2**63


@dataclass(frozen=True, slots=True)
class Built:
    """bits: of a column of short floats."""

    kind: Kind
    run: Callable[[Frame], kernels.Values]
    node: Node
    bits: int | None = None

    @property
    def literal(self) -> Literal | None:
        return self.node if isinstance(self.node, Literal) else None

    def __str__(self) -> str:
        return f"{shown(self.node)} is {self.kind.value}"


class Value:
    """What is computed of each row. columns: the names it reads, in the order they stand; kind: what comes out. str()
    is its text for fingerprints."""

    def __init__(
        self, text: str, columns: Mapping[str, Kind], kind: Kind, run: Callable[[Frame], kernels.Values]
    ) -> None:
        self._text = text
        self._kinds = dict(columns)
        self.kind = kind
        self._run = run

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._text}>"

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self._kinds)

    def values(self, table: pa.Table | pa.RecordBatch) -> pa.Array:
        """One value a row, null where it is missing: bool, int64, float64 (never NaN), string, or int64 microseconds.
        Raises UsageError if a column is missing or of another kind."""
        if isinstance(table, pa.RecordBatch):
            return self._of(table)
        found = [self._of(batch) for batch in table.to_batches()] if table.num_columns else []
        if not found:
            return self._of_rows(Frame({}, {}, table.num_rows))
        return found[0] if len(found) == 1 else pa.concat_arrays(found)

    def _of(self, batch: pa.RecordBatch) -> pa.Array:
        return self._of_rows(Frame.of(batch, self._kinds))

    def _of_rows(self, frame: Frame) -> pa.Array:
        if not frame.rows:
            return pa.array([], kernels.TYPES[self.kind])
        return kernels.array(self._run(frame), frame.rows)


class Predicate(Value):
    """A condition."""

    def answers(self, table: pa.Table | pa.RecordBatch) -> pa.BooleanArray:
        """Whether it holds of each row; null where it cannot be said, because a value is missing."""
        return self.values(table)

    def mask(self, table: pa.Table | pa.RecordBatch) -> pa.BooleanArray:
        """Whether each row is kept, without nulls."""
        return self.values(table).fill_null(False)


def build(tree: Node, types: Mapping[str, str], how: Callable[[str], str | None] | None) -> Predicate:
    """Raises UsageError for unknown names and for types that do not go together."""
    builder = _Builder(types, how)
    built = builder.truth(tree, "an expression is")
    return Predicate(str(tree), builder.columns, built.kind, built.run)


def build_value(tree: Node, types: Mapping[str, str], how: Callable[[str], str | None] | None) -> Value:
    """The same of any kind of value."""
    builder = _Builder(types, how)
    built = builder.build(tree)
    return Value(str(tree), builder.columns, built.kind, built.run)


class _Builder:
    def __init__(self, types: Mapping[str, str], how: Callable[[str], str | None] | None) -> None:
        self._types = types
        self._how = how
        self.columns: dict[str, Kind] = {}

    def truth(self, node: Node, who: str) -> Built:
        built = self.build(node)
        if built.kind is not Kind.TRUTH:
            raise wrong(f"{built}, but {who} yes or no", node.at, "compare it with something: width >= 256")
        return built

    def build(self, node: Node) -> Built:
        match node:
            case Literal():
                return self._literal(node)
            case Column():
                return self._column(node)
            case Call():
                return self._call(node)
            case Negative():
                operand = self._number(node.operand, "a sign")
                return Built(Kind.NUMBER, lambda frame: kernels.negative(operand.run(frame)), node)
            case Arithmetic():
                return self._arithmetic(node)
            case Compare():
                return self._compare(node, node.operator, self.build(node.left), self.build(node.right))
            case In():
                return self._in(node)
            case Between():
                operand = self.build(node.operand)
                low = self._compare(node, ">=", operand, self.build(node.low)).run
                high = self._compare(node, "<=", operand, self.build(node.high)).run
                return Built(Kind.TRUTH, lambda frame: kernels.every((low(frame), high(frame))), node)
            case Not():
                negated = self.truth(node.operand, "not is of").run
                return Built(Kind.TRUTH, lambda frame: kernels.invert(negated(frame)), node)
            case Junction():
                return self._junction(node)
        raise TypeError(node)

    def _literal(self, node: Literal) -> Built:
        value = node.value
        if isinstance(value, int) and not isinstance(value, bool) and not -_MOST <= value < _MOST:
            raise wrong(f"the number {value} is too large", node.at)
        kinds = {bool: Kind.TRUTH, int: Kind.INTEGER, float: Kind.NUMBER, str: Kind.TEXT}
        kind = kinds[type(value)]
        constant = kernels.constant(value, kind)
        return Built(kind, lambda frame: constant, node)

    def _column(self, node: Column) -> Built:
        name = node.name
        if name not in self._types:
            made = self._how(name) if self._how else None
            raise wrong(f"there is no column {name!r}", node.at, made or nearest(name, self._types))
        kind = self.columns.setdefault(name, kind_of(self._types[name]))
        return Built(kind, lambda frame: frame.column(name), node, bits_of(self._types[name]))

    def _number(self, node: Node, who: str) -> Built:
        built = self.build(node)
        if built.kind not in NUMERIC:
            raise wrong(f"{built}, but {who} is of a number", node.at)
        return _as_number(built)

    def _arithmetic(self, node: Arithmetic) -> Built:
        first = self._number(node.first, node.rest[0][0]).run
        rest = [(operator, self._number(operand, operator).run) for operator, operand in node.rest]

        def run(frame: Frame) -> kernels.Values:
            found = first(frame)
            for operator, operand in rest:
                found = kernels.arithmetic(operator, found, operand(frame))
            return found

        return Built(Kind.NUMBER, run, node)

    def _junction(self, node: Junction) -> Built:
        runs = [self.truth(operand, f"{node.word} is of").run for operand in node.operands]
        joined = kernels.every if node.word == "and" else kernels.some
        return Built(Kind.TRUTH, lambda frame: joined([run(frame) for run in runs]), node)

    def _compare(self, node: Node, operator: str, left: Built, right: Built) -> Built:
        left, right = self._beside(left, right), self._beside(right, left)
        kinds = {left.kind, right.kind}
        if Kind.TEXTS in kinds:
            name = left if left.kind is Kind.TEXTS else right
            raise wrong(f"{name}", node.at, f'ask for a text in it: has({shown(name.node)}, "...")')
        if Kind.OTHER in kinds:
            raise wrong(f"{left if left.kind is Kind.OTHER else right}", node.at)
        if left.kind is not right.kind:
            if not kinds <= set(NUMERIC):
                raise wrong(f"{left}, {right}: they cannot be compared", node.at)
            left, right = _as_number(left), _as_number(right)
        if left.kind is Kind.TRUTH and operator not in ("==", "!="):
            raise wrong(f"{left}, which has no order", node.at, "use == or !=, or nothing: not language_reliable")
        return Built(Kind.TRUTH, lambda frame: kernels.compare(operator, left.run(frame), right.run(frame)), node)

    def _in(self, node: In) -> Built:
        operand = self.build(node.operand)
        values = [self._beside(self.build(each), operand) for each in node.values]
        if operand.kind is Kind.INTEGER and any(each.kind is Kind.NUMBER for each in values):
            operand, values = _as_number(operand), [_as_number(each) for each in values]
        if operand.kind is Kind.NUMBER:
            values = [_as_number(each) if each.kind is Kind.INTEGER else each for each in values]
        if operand.kind in (Kind.TEXTS, Kind.OTHER):
            hint = f'ask for a text in it: has({shown(node.operand)}, "...")' if operand.kind is Kind.TEXTS else ""
            raise wrong(f"{operand}", node.at, hint)
        for each in values:
            if each.kind is not operand.kind:
                raise wrong(f"{operand}, {each}: they cannot be compared", each.node.at)
        nothing = Frame({}, {}, 0)
        chosen = [each.run(nothing) for each in values]
        return Built(Kind.TRUTH, lambda frame: kernels.among(operand.run(frame), chosen), node)

    def _beside(self, built: Built, other: Built) -> Built:
        """A literal as what it is compared with."""
        literal = built.literal
        if literal is None:
            return built
        if other.kind is Kind.TIME and isinstance(literal.value, str):
            try:
                moment = kernels.constant(kernels.microseconds(literal.value), Kind.TIME)
            except (ValueError, OverflowError):
                hint = 'write "2026-01-31" or "2026-01-31T12:00:00Z"'
                raise wrong(f"{literal} is no time, and {other}", literal.at, hint) from None
            return Built(Kind.TIME, lambda frame: moment, literal)
        if other.bits is not None and built.kind in NUMERIC:
            rounded = kernels.constant(literal.value, Kind.NUMBER, other.bits)
            return Built(Kind.NUMBER, lambda frame: rounded, literal)
        return built

    def _call(self, node: Call) -> Built:
        if node.name not in FUNCTIONS:
            raise wrong(f"there is no function {node.name!r}", node.at, nearest(node.name, FUNCTIONS))
        function = FUNCTIONS[node.name]
        arguments = [
            Argument(built.kind, built.run, built.literal, each.at, str(built))
            for each, built in ((each, self.build(each)) for each in node.arguments)
        ]
        kind, run = function.build(node.name, arguments, node.at)
        return Built(kind, run, node)


def _as_number(built: Built) -> Built:
    if built.kind is Kind.NUMBER:
        return built
    return Built(Kind.NUMBER, lambda frame: kernels.number(built.run(frame)), built.node, built.bits)


def shown(node: Node) -> str:
    """A part, cut for a message."""
    text = str(node)
    return text if len(text) <= 60 else text[:57] + "..."
