"""The only compiler of filters: trees to SQL over the tables of their subject, in two-valued logic.

`holds` and `next_change` say in SQL what `app/domain/filters` says in Python.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    DateTime,
    Interval,
    Numeric,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    case,
    false,
    func,
    literal_column,
    not_,
    or_,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB

from app.domain.fields import Fact, Op, Type
from app.domain.filters.tree import FAR, NEGATIVES, AllOf, AnyOf, Leaf, Not, Operand, Span, Tree, leaves, span, turns
from app.domain.models import (
    Account,
    AccountFacts,
    Organization,
    OrganizationFacts,
    User,
    UserActivity,
    UserFacts,
)

NOTHING: Final[ColumnElement[Any]] = literal_column("'null'::jsonb")
Condition = ColumnElement[bool]
Clock = datetime | ColumnElement[datetime]  # an instant, or the parameter it will be given as
ZERO: Final = datetime(2000, 1, 1, tzinfo=UTC)  # any instant: relative spans are measured from it
INSTANT: Final = DateTime(timezone=True)
TABLES: Final = {
    model.__tablename__: model.__table__
    for model in (Account, AccountFacts, User, UserFacts, UserActivity, Organization, OrganizationFacts)
}
OPTIONAL: Final = {"user_facts", "user_activity", "organization_facts"}  # tables in which a record may have no row
PLAIN: Final[ColumnElement[Any]] = literal_column(
    "('string', 'number', 'boolean')"
)  # kinds of JSON with a text of their own


def holds(tree: Tree, now: Clock) -> Condition:
    """Whether the filter holds for a row at `now`; never null."""
    match tree:
        case Leaf():
            return _leaf(tree, now)
        case Not(part):
            return not_(holds(part, now))
        case AllOf(parts):
            return and_(true(), *(holds(part, now) for part in parts))
        case AnyOf(parts):
            return or_(false(), *(holds(part, now) for part in parts))


def next_change(tree: Tree, now: Clock) -> ColumnElement[datetime] | None:
    """The earliest instant after `now` at which the clock alone may change a row's answer; None: it never does."""
    instants = [_later(leaf, turn, now) for leaf in leaves(tree) for turn in turns(leaf)]
    return func.least(*instants, type_=DateTime(timezone=True)) if instants else None


def value(fact: Fact, reading: Type | None = None) -> ColumnElement[Any]:
    """A fact's value: the column, or the trait read as `reading` (as raw JSON when that is `Type.TRAIT`)."""
    column: ColumnElement[Any] = TABLES[fact.table].c[fact.column]
    if fact.key is None:
        return column if fact.nullable or fact.table not in OPTIONAL else func.coalesce(column, _default(fact))
    stored: ColumnElement[Any] = column[fact.key]
    match reading:
        case Type.NUMBER:
            return func.steward_number(stored, type_=Numeric)
        case Type.DATETIME:
            return func.steward_instant(stored, type_=DateTime(timezone=True))
        case Type.TEXT | Type.BOOLEAN:
            return _word(column, fact.key, reading)
        case _:
            return func.nullif(stored, NOTHING, type_=JSONB)


def _default(fact: Fact) -> ColumnElement[Any]:
    """What a record has that was never evaluated: the first option of a select, none of anything counted."""
    return literal_column(f"'{fact.options[0]}'", Text) if fact.options else literal_column("0")


def _word(column: ColumnElement[Any], key: str, reading: Type) -> ColumnElement[Any]:
    """A trait that is text, a number or a boolean, as its text; or as true or false where it says so."""
    plain = func.jsonb_typeof(column[key]).op("in", is_comparison=True)(PLAIN)
    text = column.op("->>", return_type=Text())(bindparam(None, key, type_=Text))
    if reading is Type.TEXT:
        return case((plain, text))
    word = func.lower(text)
    return case((and_(plain, word == "true"), true()), (and_(plain, word == "false"), false()))


def _leaf(leaf: Leaf, now: Clock) -> Condition:
    found = value(leaf.fact, leaf.reading)
    positive = NEGATIVES.get(leaf.op)
    answer = _positive(leaf, positive or leaf.op, found, now)
    return answer if positive is None else not_(answer)


def _positive(leaf: Leaf, op: Op, found: ColumnElement[Any], now: Clock) -> Condition:
    """`is not null and …` keeps plain columns usable by their indexes; computed values are computed once."""
    if op is Op.IS_SET:
        return found.is_not(None)
    compared = _compare(leaf, op, found, now)
    if not leaf.fact.nullable:
        return compared
    if leaf.fact.key is None:
        return and_(found.is_not(None), compared)
    return func.coalesce(compared, false())


def _compare(leaf: Leaf, op: Op, found: ColumnElement[Any], now: Clock) -> Condition:
    match leaf.reading:
        case Type.DATETIME:
            return _within(leaf, found, now)
        case Type.BOOLEAN:
            return found if op is Op.IS_TRUE else not_(found)
        case Type.TEXT:
            return COMPARISONS[op](func.lower(found, type_=Text), leaf.operand, Text())
        case Type.NUMBER:
            return COMPARISONS[op](found, leaf.operand, Numeric())
        case Type.SELECT:
            return COMPARISONS[op](found, leaf.operand, Text())
        case _:
            return COMPARISONS[op](found, leaf.operand, Uuid())


def _within(leaf: Leaf, found: ColumnElement[Any], now: Clock) -> Condition:
    bounds = []
    wanted = span(leaf, ZERO)
    if wanted.start is not None:
        bounds.append(found >= _bound(leaf, wanted.start, now))
    if wanted.end is not None:
        bounds.append(found < _bound(leaf, wanted.end, now))
    return and_(*bounds)


def _bound(leaf: Leaf, at: datetime, now: Clock) -> ColumnElement[datetime]:
    """An end of a span: an instant, or for a relative condition as far from now as it is from zero."""
    if isinstance(leaf.operand, Span):
        return bindparam(None, at, type_=INSTANT)
    if isinstance(now, datetime):
        return bindparam(None, now + (at - ZERO), type_=INSTANT)
    return now + bindparam(None, at - ZERO, type_=Interval)


def _later(leaf: Leaf, turn: timedelta, now: Clock) -> ColumnElement[datetime]:
    at = value(leaf.fact, leaf.reading) + bindparam(None, turn, type_=Interval)
    soonest = bindparam(None, now, type_=INSTANT) if isinstance(now, datetime) else now
    return case((and_(at > soonest, at < bindparam(None, FAR, type_=INSTANT)), at))


def _one(operand: Operand, type_: Any) -> ColumnElement[Any]:
    return bindparam(None, operand, type_=type_)


def _many(operand: Any, type_: Any) -> ColumnElement[Any]:
    return any_(bindparam(None, list(operand), type_=ARRAY(type_)))


def _ends(found: ColumnElement[Any], operand: Any, type_: Any) -> Condition:
    return func.right(found, len(operand)) == _one(operand, type_)


COMPARISONS: Final[Mapping[Op, Callable[[ColumnElement[Any], Any, Any], Condition]]] = {
    Op.IS: lambda found, operand, type_: found == _one(operand, type_),
    Op.IS_ANY_OF: lambda found, operand, type_: found == _many(operand, type_),
    Op.CONTAINS: lambda found, operand, type_: func.strpos(found, _one(operand, type_)) > 0,
    Op.STARTS_WITH: lambda found, operand, type_: func.starts_with(found, _one(operand, type_)),
    Op.ENDS_WITH: _ends,
    Op.GREATER_THAN: lambda found, operand, type_: found > _one(operand, type_),
    Op.AT_LEAST: lambda found, operand, type_: found >= _one(operand, type_),
    Op.LESS_THAN: lambda found, operand, type_: found < _one(operand, type_),
    Op.AT_MOST: lambda found, operand, type_: found <= _one(operand, type_),
    Op.BETWEEN: lambda found, operand, type_: and_(found >= _one(operand[0], type_), found <= _one(operand[1], type_)),
}
