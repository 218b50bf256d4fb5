"""Facts as they were at an instant, as SQL beside the tables of their subject; None for what has no history.

Histories hold changes, and a record may be older than its history. So a fact is what the first change *after* the
instant came from, and what it is now where nothing has changed since.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    DateTime,
    Numeric,
    Text,
    Uuid,
    all_,
    bindparam,
    case,
    column,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB, distinct_on

from app.db import grounds, happenings, health_history, metrics, nps_history, trait_history
from app.db.grounds import NO_IDS, TABLES
from app.db.role_tables import CHANGES, ID
from app.domain.fields import Fact, Subject
from app.domain.models import MrrChange, OwnerChange, SegmentChange, StatusChange, User

Value = ColumnElement[Any]
INSTANT: Final = DateTime(timezone=True)
ROLES: Final = {"csm": "csm", "accountExecutive": "account_executive"}
TRAITS_OF_USERS: Final = ("name", "email")


def as_of(fact: Fact, at: datetime, subject: Subject) -> Value | None:
    """What a fact was at an instant; a trait as raw JSON. None: it has no history."""
    if fact.via is not None:
        return None
    if fact.key is not None:
        return _trait(subject, fact.key, at)
    computed = _BY_COLUMN.get(fact.column)
    if computed is not None:
        return computed(fact, at, subject)
    if fact.column == "key_roles" and fact.slot is not None:
        return _role(fact, fact.slot, at, subject)
    if fact.column == "traits" and fact.slot is not None:
        return _text(_trait(subject, fact.slot, at))
    if subject is Subject.USERS and fact.path in TRAITS_OF_USERS:
        return _text(_trait(subject, fact.path, at))
    if subject is Subject.ORGANIZATIONS and fact.path == "name":
        return _name_of_organization(at)
    found = _BY_PATH.get(fact.path)
    return None if found is None else found(fact, at, subject)


def _instant(at: datetime) -> Value:
    return bindparam(None, at, type_=INSTANT)


def _text(found: Value) -> Value:
    return found.op("#>>", return_type=Text())(literal_column("'{}'"))


def _trait_of(row: Any, key: Value, at: datetime) -> Value:
    stamp = bindparam(None, trait_history.before(at), type_=Numeric)
    return func.steward_trait_before(
        row.c.workspace_id, row.c.id, row.c.traits, row.c.trait_stamps, key, stamp, type_=JSONB
    )


def _trait(subject: Subject, key: str, at: datetime) -> Value:
    return _trait_of(TABLES[subject.value], bindparam(None, key, type_=Text), at)


def _name_of_organization(at: datetime) -> Value:
    row = TABLES["organizations"]
    stamp = bindparam(None, trait_history.before(at), type_=Numeric)
    parts = (row.c.workspace_id, row.c.id, row.c.traits, row.c.trait_stamps)
    return func.steward_organization_name_before(*parts, stamp, type_=Text)


def _was(column: Any, changes: Any, record: Any, about: Value, at: datetime, *conditions: Value) -> Value:
    """As an array of one or none: what the first change after the instant says in a column."""
    workspace = about.table.c.workspace_id
    moment = changes.at if hasattr(changes, "at") else changes.changed_at
    first = (
        select(column)
        .where(changes.workspace_id == workspace, record == about, moment > _instant(at), *conditions)
        .order_by(moment, changes.id)
        .limit(1)
        .correlate_except(changes)
    )
    return func.array(first.scalar_subquery(), type_=ARRAY(column.type))


def _or_now(was: Value, now: Value) -> Value:
    return case((func.cardinality(was) > 0, was[1]), else_=now)


_ACCOUNT: Final = TABLES["account_facts"].c.account_id
_ABOUT: Final[Mapping[Subject, Value]] = {
    Subject.ACCOUNTS: _ACCOUNT,
    Subject.USERS: TABLES["users"].c.id,
    Subject.ORGANIZATIONS: TABLES["organizations"].c.id,
}


def _role(fact: Fact, slug: str, at: datetime, subject: Subject) -> Value:
    changes = CHANGES[subject]
    record = getattr(changes, ID[subject])
    was = _was(changes.from_member_id, changes, record, _ABOUT[subject], at, changes.role == slug)
    return _or_now(was, grounds.value(fact))


def _named_role(fact: Fact, at: datetime, subject: Subject) -> Value:
    return _role(fact, ROLES[fact.path], at, subject)


def _owner_id(at: datetime) -> Value:
    was = _was(OwnerChange.from_user_id, OwnerChange, OwnerChange.account_id, _ACCOUNT, at)
    return _or_now(was, TABLES["account_facts"].c.owner_id)


def _owner(fact: Fact, at: datetime, subject: Subject) -> Value | None:
    """The owner's id, and what is known of that user: name and e-mail address as they were then."""
    del subject
    if fact.path == "owner.id":
        return _owner_id(at)
    user: Any = User.__table__.alias()
    part = user.c.external_id
    if fact.path != "owner":
        key = bindparam(None, fact.path.removeprefix("owner."), type_=Text)
        part = _text(_trait_of(user, key, at))
    return (
        select(part)
        .where(user.c.workspace_id == TABLES["account_facts"].c.workspace_id, user.c.id == _owner_id(at))
        .correlate_except(user)
        .scalar_subquery()
    )


def _owner_source(fact: Fact, at: datetime, subject: Subject) -> Value:
    del subject
    later = _was(OwnerChange.reason, OwnerChange, OwnerChange.account_id, _ACCOUNT, at)
    last = (
        select(OwnerChange.source)
        .where(
            OwnerChange.workspace_id == TABLES["account_facts"].c.workspace_id,
            OwnerChange.account_id == _ACCOUNT,
            OwnerChange.changed_at <= _instant(at),
        )
        .order_by(OwnerChange.changed_at.desc(), OwnerChange.id.desc())
        .limit(1)
        .correlate_except(OwnerChange)
        .scalar_subquery()
    )
    return case((func.cardinality(later) > 0, last), else_=grounds.value(fact))


def _status(fact: Fact, at: datetime, subject: Subject) -> Value:
    """Whoever has no line yet, or none before the first, had what everybody starts with."""
    was = _was(
        StatusChange.from_status,
        StatusChange,
        StatusChange.record_id,
        _ABOUT[subject],
        at,
        StatusChange.subject == subject.value,
    )
    return func.coalesce(_or_now(was, grounds.value(fact)), literal_column(f"'{fact.options[0]}'", Text), type_=Text)


def _segments(fact: Fact, at: datetime, subject: Subject) -> Value:
    """The present ones and those left since, without those entered since; the first change of each is what counts."""
    about = _ABOUT[subject]
    first = (
        select(SegmentChange.segment_id, SegmentChange.change)
        .ext(distinct_on(SegmentChange.segment_id))
        .where(
            SegmentChange.workspace_id == about.table.c.workspace_id,
            SegmentChange.record_id == about,
            SegmentChange.at > _instant(at),
        )
        .order_by(SegmentChange.segment_id, SegmentChange.at, SegmentChange.id)
        .correlate_except(SegmentChange)
    )

    def those(change: str) -> Value:
        found = first.subquery()
        ids = select(found.c.segment_id).where(found.c.change == change).correlate_except(found)
        return func.array(ids.scalar_subquery(), type_=ARRAY(Uuid))

    present = func.coalesce(grounds.value(fact), NO_IDS, type_=ARRAY(Uuid))
    ids = (
        func.unnest(func.array_cat(present, those("left")))
        .table_valued(column("one", Uuid), name="ids")
        .render_derived()
    )
    one = ids.c.one
    kept = select(one).where(one != all_(those("entered"))).distinct().order_by(one).correlate_except(ids)
    return func.array(kept.scalar_subquery(), type_=ARRAY(Uuid))


def _mrr(fact: Fact, at: datetime, subject: Subject) -> Value | None:
    """That of the last change up to the instant, as what a churned account keeps is no trait; none before the first.

    An account without changes has what it has always had.
    """
    if subject is not Subject.ACCOUNTS:
        return None
    facts = TABLES["account_facts"]
    own = (MrrChange.workspace_id == facts.c.workspace_id, MrrChange.account_id == _ACCOUNT)
    last = (
        select(MrrChange.mrr)
        .where(*own, MrrChange.changed_at <= _instant(at))
        .order_by(MrrChange.changed_at.desc())
        .limit(1)
        .correlate_except(MrrChange)
        .scalar_subquery()
    )
    changed = select(MrrChange.mrr).where(*own).correlate_except(MrrChange).exists()
    return case((changed, last), else_=grounds.value(fact))


_BY_COLUMN: Final[Mapping[str, Callable[[Fact, datetime, Subject], Value | None]]] = {
    "metrics": metrics.was,
    **dict.fromkeys(("count", "first_at"), happenings.as_of),
    **dict.fromkeys(health_history.COLUMNS, health_history.as_of),
}
_BY_PATH: Final[Mapping[str, Callable[[Fact, datetime, Subject], Value | None]]] = {
    "csm": _named_role,
    "accountExecutive": _named_role,
    "mrr": _mrr,
    "status": _status,
    "segments": _segments,
    **dict.fromkeys(("owner", "owner.id", "owner.name", "owner.email"), _owner),
    "owner.source": _owner_source,
    **dict.fromkeys((*nps_history.OF_OTHERS, *nps_history.OF_USERS), nps_history.as_of),
}
