"""Where a report's values come from: the facts as they are, or as they were at an instant."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, DateTime, Numeric, Text, and_, case, false, func, literal_column, true
from sqlalchemy.dialects.postgresql import JSONB

from app.db import filters, history
from app.db.filters import Of
from app.db.grounds import NOTHING, PLAIN
from app.domain.fields import CATALOGUES, Fact, Subject, Type, find, trait
from app.domain.filters import leaves, relations
from app.domain.reports import DEFAULT_COLUMNS, NEVER_CHANGE, NoHistory, Report


def reader(report: Report) -> Of:
    """How to read a fact for this report: from the tables, or for one `as_of` an instant from the history."""
    if report.as_of is None:
        return filters.value
    at = report.as_of

    def value(fact: Fact, reading: Type | None = None) -> ColumnElement[Any]:
        found = _then(fact, at, report.subject)
        return filters.value(fact, reading) if found is None else _read(found, fact, reading)

    return value


def check(report: Report) -> None:
    """Refuse a report as of an instant that asks for facts only known as they are. Raises `NoHistory`."""
    if report.as_of is None:
        return
    if next(relations(report.filter), None) is not None:
        raise NoHistory("Conditions on related records have no history; leave them out together with `asOf`.")
    asked = [*report.columns, *(key.fact for key in report.order), *(leaf.fact for leaf in leaves(report.filter))]
    refuse(asked, report)


def refuse(asked: list[Fact], report: Report) -> None:
    """Raises `NoHistory` for the facts of these that have none, and says which have."""
    if report.as_of is None:
        return
    without = lacking(asked, report.as_of, report.subject)
    if without:
        known = having(report.subject, report.as_of)
        raise NoHistory(
            f"These have no history, so `asOf` cannot show them: {', '.join(without)}. What has: {', '.join(known)}.",
            lacking=without,
            known=known,
        )


def lacking(asked: Iterable[Fact], at: datetime, subject: Subject) -> list[str]:
    """Those of these facts that are only known as they are."""
    return sorted({fact.path for fact in asked if not _known(fact, at, subject)})


def columns(subject: Subject, at: datetime) -> list[str]:
    """What a report as of an instant shows when nothing is said: of what is shown else, what has a history."""
    return [path for path in DEFAULT_COLUMNS[subject] if _known(find(path, subject), at, subject)]


def having(subject: Subject, at: datetime) -> list[str]:
    """The facts that can be read as of an instant; traits as `traits.*`."""
    named = [path for path, fact in CATALOGUES[subject].items() if _known(fact, at, subject)]
    return [*named, "traits.*"] if _known(trait("any", subject), at, subject) else named


def _known(fact: Fact, at: datetime, subject: Subject) -> bool:
    return fact.path in NEVER_CHANGE or _then(fact, at, subject) is not None


def _then(fact: Fact, at: datetime, subject: Subject) -> ColumnElement[Any] | None:
    return None if fact.path in NEVER_CHANGE or history is None else history.as_of(fact, at, subject)


def _read(found: ColumnElement[Any], fact: Fact, reading: Type | None) -> ColumnElement[Any]:
    """A trait as it was, read as the condition wants it, as `grounds` does with a trait as it is."""
    if fact.key is None:
        return found
    match reading:
        case Type.NUMBER:
            return func.steward_number(found, type_=Numeric)
        case Type.DATETIME:
            return func.steward_instant(found, type_=DateTime(timezone=True))
        case Type.LIST:
            return func.steward_list(found, type_=ARRAY(Text))
        case Type.TEXT | Type.BOOLEAN:
            return _word(found, reading)
        case _:
            return func.nullif(found, NOTHING, type_=JSONB)


def _word(found: ColumnElement[Any], reading: Type) -> ColumnElement[Any]:
    plain = func.jsonb_typeof(found).op("in", is_comparison=True)(PLAIN)
    text = found.op("#>>", return_type=Text())(literal_column("'{}'"))
    if reading is Type.TEXT:
        return case((plain, text))
    word = func.lower(text)
    return case((and_(plain, word == "true"), true()), (and_(plain, word == "false"), false()))
