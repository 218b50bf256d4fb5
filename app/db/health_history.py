"""What health was at an instant, as SQL: that of the last day kept up to then; nothing before the first one."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, DateTime, Text, bindparam, cast, select

from app.db.grounds import SLOTS, TABLES
from app.domain.fields import Fact, Subject
from app.domain.models import HealthDay

COLUMNS: Final = frozenset({"health", "health_label", "health_scores", "health_labels"})
_KEYS: Final = {"health_scores": "score", "health_labels": "label"}
_ABOUT: Final = {
    Subject.ACCOUNTS: TABLES["account_facts"].c.account_id,
    Subject.ORGANIZATIONS: TABLES["organizations"].c.id,
}


def as_of(fact: Fact, at: datetime, subject: Subject) -> ColumnElement[Any]:
    """The overall health, a score or a label of a record."""
    day = HealthDay.__table__.alias()
    about = _ABOUT[subject]
    value: ColumnElement[Any] = day.c.scores if fact.slot is not None else day.c[fact.column]
    last = (
        select(value)
        .where(
            day.c.workspace_id == about.table.c.workspace_id,
            day.c.record_id == about,
            day.c.at <= bindparam(None, at, type_=DateTime(timezone=True)),
        )
        .order_by(day.c.day.desc())
        .limit(1)
        .correlate_except(day)
        .scalar_subquery()
    )
    if fact.slot is None:
        return last
    said = last.op("->")(bindparam(None, fact.slot, type_=Text))
    return cast(said.op("->>", return_type=Text())(bindparam(None, _KEYS[fact.column], type_=Text)), SLOTS[fact.type])
