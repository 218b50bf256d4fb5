"""Statements of SQLAlchemy as DuckDB takes them: the same compiler of filters, another SQL at the end."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import BinaryExpression, ColumnElement, and_, bindparam, func, or_
from sqlalchemy.dialects.postgresql.base import PGCompiler, PGDialect
from sqlalchemy.sql import ClauseElement, operators
from sqlalchemy.sql.elements import AsBoolean, BooleanClauseList, CollectionAggregate, False_, Grouping
from sqlalchemy.sql.functions import FunctionElement, coalesce

from app.db.replica.values import Unanswerable, micros, plain


class _Compiler(PGCompiler):
    """DuckDB speaks PostgreSQL's SQL but for what is here."""

    def visit_lower_func(self, function: FunctionElement[Any], **options: Any) -> str:
        """Texts were folded by PostgreSQL on their way here, so that only one of the two decides what folding is."""
        return self.process(next(iter(function.clauses)), **options)

    def visit_strpos_func(self, function: FunctionElement[Any], **options: Any) -> str:
        """Whether a text is in another, as a number: nobody asks where, and finding out takes twice as long."""
        found, wanted = function.clauses
        return f"cast(contains({self.process(found, **options)}, {self.process(wanted, **options)}) as int)"

    def visit_array_length_func(self, function: FunctionElement[Any], **options: Any) -> str:
        """The length of a list; none of ours has a second dimension."""
        return f"len({self.process(next(iter(function.clauses)), **options)})"

    def visit_binary(self, binary: BinaryExpression[Any], *args: Any, **options: Any) -> str:
        """One of several values, said value by value: a list as a whole would be a table to join with."""
        if not isinstance(binary.right, CollectionAggregate) or binary.operator is not operators.eq:
            return str(super().visit_binary(binary, *args, **options))  # type: ignore[no-untyped-call]
        wanted: Any = binary.right.element.element  # in brackets
        if not wanted.value:
            return "false"
        those = (self.process(bindparam(None, one, wanted.type.item_type), **options) for one in wanted.value)
        return f"{self.process(binary.left, **options)} in ({', '.join(those)})"

    def visit_custom_op_binary(self, element: BinaryExpression[Any], operator: Any, **options: Any) -> str:
        """What a list has of others, asked one by one: six times as fast as DuckDB's operators on whole lists."""
        joined = {"&&": or_, "@>": and_}.get(operator.opstring)
        if joined is None:
            raise Unanswerable
        wanted: Any = element.right
        has = (func.list_contains(element.left, bindparam(None, one, wanted.type.item_type)) for one in wanted.value)
        return f"({self.process(joined(*has), **options)})"


class _Dialect(PGDialect):
    statement_compiler = _Compiler
    supports_statement_cache = False


_DIALECT: Final = _Dialect(paramstyle="qmark")  # type: ignore[no-untyped-call]


def compiled(statement: ClauseElement) -> tuple[str, list[Any]]:
    """A statement's text and its values in order. Raises `Unanswerable` for a value a copy cannot hold exactly."""
    made = statement.compile(dialect=_DIALECT)
    values: Mapping[str, Any] = made.params
    names: Sequence[str] = getattr(made, "positiontup", None) or ()
    return str(made), [_value(values[name]) for name in names]


def loosely(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """A condition that keeps the same rows, but may be null where it was false: plain comparisons are answered from
    dictionaries and ranges of blocks, what stands inside of `coalesce` value by value."""
    match condition:
        case BooleanClauseList():
            join = and_ if condition.operator is operators.and_ else or_
            return join(*(loosely(one) for one in condition.clauses))
        case Grouping():
            inner: Any = condition.element
            return loosely(inner)
        case AsBoolean() if condition.operator is operators.is_true:
            return loosely(condition.element)
        case coalesce():
            first, *rest = condition.clauses
            return first if len(rest) == 1 and isinstance(rest[0], False_) else condition
        case _:
            return condition


def _value(value: Any) -> Any:
    match value:
        case Decimal():
            return plain(value)
        case datetime():
            return micros(value)
        case list() | tuple():
            return [_value(one) for one in value]
        case _:
            return value
