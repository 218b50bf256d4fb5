"""What an account's MRR was, as SQL: for conditions that look back."""

from datetime import timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Interval, bindparam, case, func, select
from sqlalchemy.sql.selectable import NamedFromClause

from app.db.grounds import Ground
from app.domain.models import MrrChange

_CHANGES: Final = MrrChange.__table__


def was(here: Ground, start: ColumnElement[Any]) -> ColumnElement[Any]:
    """The value at `start`: that of the last change up to then, or else of the first one at all."""
    change = _CHANGES.alias()
    before = change.c.changed_at <= start
    return (
        select(change.c.mrr)
        .where(*_own(here, change))
        .order_by(before.desc(), case((before, change.c.changed_at)).desc().nulls_last(), change.c.changed_at)
        .limit(1)
        .correlate_except(change)
        .scalar_subquery()
    )


def leaves(here: Ground, days: int, now: ColumnElement[Any], far: ColumnElement[Any]) -> ColumnElement[Any]:
    """The next instant at which a change becomes older than that many days."""
    change = _CHANGES.alias()
    at = change.c.changed_at + bindparam(None, timedelta(days=days), type_=Interval)
    found = select(func.min(at)).where(*_own(here, change), at > now, at < far)
    return found.correlate_except(change).scalar_subquery()


def _own(here: Ground, change: NamedFromClause) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return change.c.workspace_id == here.workspace, change.c.account_id == here.id
