"""Conditions on the rows of a table, as people write them.

    wanted = compile('width >= 256 and not contains(url, "thumb")', table.schema)
    wanted.columns                       ("width", "url")
    wanted.mask(table)                   bool a row, without nulls
    str(wanted)                          'width >= 256 and not contains(url, "thumb")', however it was spaced

docs/expressions.md is the language's page. Everything is checked before a row is read: words, names, types, patterns.
An expression can only read columns: it has no loops, no names but columns and functions, and is bounded in length and
depth. Where a value is missing (null or NaN) so is what is computed of it (SQL's three values); rows whose answer is
missing are not kept.

    tokens  ->  parse  ->  tree (what str() writes)  ->  build (types; kernels of pyarrow)  ->  Predicate

Cost: one pass of vectorised kernels over the columns named. pyarrow loads when something is compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from vlcorpus.expression.parse import parse
from vlcorpus.expression.tree import Column, Junction, columns_of

if TYPE_CHECKING:
    import pyarrow as pa

    from vlcorpus.expression.build import Predicate, Value

How = Callable[[str], str | None]


def compile(text: str, columns: Mapping[str, str] | pa.Schema, how: How | None = None) -> Predicate:
    """A condition on tables that have these columns.

    columns: names and types, as vlcorpus.schema or Arrow names types ("int32", "list<string>"). how: for a column that
    is not there, what makes it (a hint), or None. Raises UsageError, which names the character and the nearest name.
    """
    from vlcorpus.expression.build import build

    return build(parse(text), _types(columns), how)


def compile_value(text: str, columns: Mapping[str, str] | pa.Schema, how: How | None = None) -> Value:
    """Any value of a row, as `width * height` or `domain(url)`: its `kind` says what comes out."""
    from vlcorpus.expression.build import build_value

    return build_value(parse(text), _types(columns), how)


def conjuncts(text: str) -> tuple[str, ...]:
    """The conditions that `and` joins at the top, each as its own text: ("a > 1", "b or c") of "a > 1 and (b or c)"."""
    tree = parse(text)
    parts = tree.operands if isinstance(tree, Junction) and tree.word == "and" else (tree,)
    return tuple(str(part) for part in parts)


def written(text: str) -> str:
    """An expression as str() writes it: however it was spaced."""
    return str(parse(text))


def names(text: str) -> tuple[str, ...]:
    """The columns that an expression names, whether or not they are there."""
    return columns_of(parse(text))


def is_column(text: str) -> bool:
    """Whether an expression is nothing but a column's name."""
    return isinstance(parse(text), Column)


def _types(columns: Mapping[str, str] | pa.Schema) -> dict[str, str]:
    return dict(columns) if isinstance(columns, Mapping) else {field.name: str(field.type) for field in columns}
