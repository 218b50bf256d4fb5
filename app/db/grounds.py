"""Where the records of each subject live, and the value of any fact there as SQL."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVarTuple
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    DateTime,
    FromClause,
    Numeric,
    Select,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    select,
    true,
)
from sqlalchemy import false as no
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

from app.domain.fields import Fact, Subject, Type
from app.domain.matching import digest
from app.domain.models import (
    Account,
    AccountFacts,
    AccountParent,
    Alert,
    Measure,
    MeasureTotal,
    Membership,
    Organization,
    OrganizationFacts,
    User,
    UserActivity,
    UserFacts,
)

Row = TypeVarTuple("Row")
Tables = Mapping[str, FromClause]

NOTHING: Final[ColumnElement[Any]] = literal_column("'null'::jsonb")
PLAIN: Final[ColumnElement[Any]] = literal_column(
    "('string', 'number', 'boolean')"
)  # kinds of JSON with a text of their own
NO_IDS: Final[ColumnElement[Any]] = literal_column("'{}'::uuid[]", ARRAY(Uuid))
SLOTS: Final[Mapping[Type, TypeEngine[Any]]] = {
    Type.PERSON: Uuid(),
    Type.NUMBER: Numeric(),
    Type.DATETIME: DateTime(timezone=True),
    Type.SELECT: Text(),
    Type.TEXT: Text(),
}
"""What stands in a JSON column under a slot."""
TABLES: Final[Tables] = {
    model.__tablename__: model.__table__
    for model in (Account, AccountFacts, Alert, User, UserFacts, UserActivity, Organization, OrganizationFacts)
}


@dataclass(frozen=True, slots=True)
class Ground:
    """Where the records of a subject live: the table every query starts from, and those that stand beside it, each
    with how it is linked and whether a record may have no row there."""

    subject: Subject
    start: FromClause
    id: ColumnElement[UUID]
    workspace: ColumnElement[UUID]
    beside: Mapping[str, tuple[FromClause, ColumnElement[bool], bool]]
    tables: Tables

    def value(self, fact: Fact, reading: Type | None = None) -> ColumnElement[Any]:
        """A fact's value here: the column, or the trait read as `reading` (as raw JSON when that is `Type.TRAIT`)."""
        return value(fact, reading, self.tables)


STARTS: Final = {
    Subject.ACCOUNTS: ("account_facts", "account_id"),
    Subject.USERS: ("users", "id"),
    Subject.ORGANIZATIONS: ("organizations", "id"),
}
# Beside each start: the table, its id, the start's column that names it, and whether there may be no row.
BESIDE: Final = {
    Subject.ACCOUNTS: (
        ("accounts", "id", "account_id", False),
        ("organizations", "id", "organization_id", True),
        ("organization_facts", "organization_id", "organization_id", True),
    ),
    Subject.USERS: (("user_facts", "user_id", "id", True), ("user_activity", "user_id", "id", True)),
    Subject.ORGANIZATIONS: (("organization_facts", "organization_id", "id", True),),
}
RECORDS: Final = {"account_totals": STARTS[Subject.ACCOUNTS], "organization_totals": STARTS[Subject.ORGANIZATIONS]}
MAY_LACK: Final = {"user_facts", "user_activity", "organization_facts"}


def ground(subject: Subject, tables: Tables = TABLES) -> Ground:
    """The ground of a subject over these tables."""
    name, id_ = STARTS[subject]
    start = tables[name]
    beside = {
        other: (tables[other], _linked(tables[other], own, start, column), optional)
        for other, own, column, optional in BESIDE[subject]
    }
    return Ground(subject, start, start.c[id_], start.c.workspace_id, beside, tables)


def fresh(subject: Subject) -> Ground:
    """The ground of a subject under names of its own, for a query inside another."""
    names = [STARTS[subject][0], *(other for other, *_ in BESIDE[subject])]
    return ground(subject, {**TABLES, **{name: TABLES[name].alias() for name in names}})


def _linked(other: FromClause, own: str, start: FromClause, column: str) -> ColumnElement[bool]:
    return and_(other.c.workspace_id == start.c.workspace_id, other.c[own] == start.c[column])


GROUNDS: Final[Mapping[Subject, Ground]] = {subject: ground(subject) for subject in Subject}


def joined(query: Select[*Row], subject: Subject, facts: Iterable[Fact]) -> Select[*Row]:
    """The query on the subject's records, with the tables beside them that these facts live in."""
    return join(query, GROUNDS[subject], facts)


def join(query: Select[*Row], where: Ground, facts: Iterable[Fact]) -> Select[*Row]:
    """The same on any ground."""
    for table in sorted({fact.table for fact in facts} & where.beside.keys()):
        other, link, optional = where.beside[table]
        query = query.outerjoin(other, link) if optional else query.join(other, link)
    return query


def value(fact: Fact, reading: Type | None = None, tables: Tables = TABLES) -> ColumnElement[Any]:
    """A fact's value in these tables."""
    if fact.table == "alerts":
        return _active(tables)
    if fact.table == "memberships":
        return _belonging(tables)
    if fact.table in RECORDS:
        return _total(fact, tables)
    column: ColumnElement[Any] = tables[fact.table].c[fact.column]
    if fact.slot is not None:
        return cast(column.op("->>", return_type=Text())(bindparam(None, fact.slot, type_=Text)), SLOTS[fact.type])
    if fact.key is not None:
        return _trait(column, fact.key, reading)
    if fact.fallback is None or fact.table not in MAY_LACK:
        return column
    filled = func.coalesce(column, _fallback(fact), type_=column.type)
    if fact.via is None:
        return filled
    return case((tables["account_facts"].c.organization_id.is_not(None), filled))


def _fallback(fact: Fact) -> ColumnElement[Any]:
    """What a record has that was never evaluated."""
    match fact.type:
        case Type.MULTI:
            return NO_IDS
        case Type.BOOLEAN:
            return no()
        case Type.NUMBER:
            return literal_column("0")
        case _:
            return literal_column(f"'{fact.fallback}'", Text)


def _active(tables: Tables) -> ColumnElement[Any]:
    """The indicators of an account with an alert that is not resolved."""
    account, alert = tables["account_facts"], TABLES["alerts"].alias()
    found = select(func.coalesce(func.array_agg(alert.c.indicator_id, type_=ARRAY(Uuid)), NO_IDS, type_=ARRAY(Uuid)))
    return (
        found.where(
            alert.c.workspace_id == account.c.workspace_id,
            alert.c.account_id == account.c.account_id,
            alert.c.resolved_at.is_(None),
        )
        .correlate_except(alert)
        .scalar_subquery()
    )


def _belonging(tables: Tables) -> ColumnElement[Any]:
    """How many accounts a user belongs to."""
    user, link = tables["users"], Membership.__table__.alias()
    found = select(func.count()).select_from(link)
    return (
        found.where(link.c.workspace_id == user.c.workspace_id, link.c.user_id == user.c.id, link.c.linked)
        .correlate_except(link)
        .scalar_subquery()
    )


def _total(fact: Fact, tables: Tables) -> ColumnElement[Any]:
    """What was counted of the events of a name: of an account; of an organization and its accounts."""
    start, id_ = RECORDS[fact.table]
    record, total = tables[start], MeasureTotal.__table__.alias()
    measure, parent = Measure.__table__.alias(), AccountParent.__table__.alias()
    named = select(measure.c.id).where(
        measure.c.workspace_id == record.c.workspace_id, measure.c.digest == digest(fact.slot or "")
    )
    mine = total.c.record_id == record.c[id_]
    if start == "organizations":
        theirs = select(parent.c.account_id).where(
            parent.c.workspace_id == record.c.workspace_id, parent.c.organization_id == record.c[id_]
        )
        ids = func.array(theirs.correlate(record).scalar_subquery(), type_=ARRAY(Uuid))
        mine = total.c.record_id == any_(func.array_append(ids, record.c[id_], type_=ARRAY(Uuid)))
    found = select(_EVENTS[fact.column](total.c[fact.column])).where(
        total.c.workspace_id == record.c.workspace_id,
        total.c.measure_id == named.correlate(record).scalar_subquery(),
        mine,
    )
    return found.correlate_except(total).scalar_subquery()


def _sum(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.coalesce(func.sum(column), literal_column("0"), type_=Numeric)


_EVENTS: Final[Mapping[str, Callable[[ColumnElement[Any]], ColumnElement[Any]]]] = {
    "count": _sum,
    "first_at": lambda column: func.min(column, type_=column.type),
    "last_at": lambda column: func.max(column, type_=column.type),
}


def _trait(column: ColumnElement[Any], key: str, reading: Type | None) -> ColumnElement[Any]:
    stored: ColumnElement[Any] = column[key]
    match reading:
        case Type.NUMBER:
            return func.steward_number(stored, type_=Numeric)
        case Type.DATETIME:
            return func.steward_instant(stored, type_=DateTime(timezone=True))
        case Type.TEXT | Type.BOOLEAN:
            return _word(column, key, reading)
        case Type.LIST:
            return func.steward_list(stored, type_=ARRAY(Text))
        case _:
            return func.nullif(stored, NOTHING, type_=JSONB)


def _word(column: ColumnElement[Any], key: str, reading: Type) -> ColumnElement[Any]:
    """A trait that is text, a number or a boolean, as its text; or as true or false where it says so."""
    plain = func.jsonb_typeof(column[key]).op("in", is_comparison=True)(PLAIN)
    text = column.op("->>", return_type=Text())(bindparam(None, key, type_=Text))
    if reading is Type.TEXT:
        return case((plain, text))
    word = func.lower(text)
    return case((and_(plain, word == "true"), true()), (and_(plain, word == "false"), no()))
