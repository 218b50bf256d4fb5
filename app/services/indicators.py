"""Defining indicators; a changed condition is applied to every account of the workspace, in the background."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db import indicators
from app.db.base import Session
from app.domain import ids
from app.domain.fields import Subject
from app.domain.indicators import (
    MOST_INDICATORS,
    NOBODY,
    Assignee,
    IndicatorArchived,
    Kind,
    TooManyIndicators,
    UnknownIndicator,
    condition,
)
from app.domain.reports import understand
from app.services import members, reports, reprocessing, watching
from app.services.judging import Judged, judge
from app.services.reports import Count

__all__ = ["Judged", "judge"]

CAUSE = "indicator"
SAMPLE = 10
JUDGED_BY = ("filter", "enabled")  # what decides which accounts hold


@dataclass(frozen=True, slots=True)
class Definition:
    """An indicator as someone writes it. `member` is set when the role is `member`: `mem_…` or an e-mail address."""

    name: str
    kind: Kind
    filter: Mapping[str, Any]
    assignee: Assignee = NOBODY
    member: str | None = None
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Preview:
    """What a filter would match now."""

    count: Count
    sample: Sequence[Mapping[str, Any]]


async def create(db: Session, workspace_id: UUID, new: Definition, *, now: datetime) -> Mapping[str, Any]:
    """Add an indicator and look at every account.

    Raises `InvalidFilter`, `EmptyFilter`, `NeedsMember`, `UnknownMember`, `MemberDeactivated`, `TooManyIndicators`.
    """
    await _check(db, workspace_id, new.filter)
    await indicators.lock_definitions(db, workspace_id)
    if await indicators.live_count(db, workspace_id) >= MOST_INDICATORS:
        raise TooManyIndicators(f"A workspace has at most {MOST_INDICATORS} indicators: archive one first.")
    indicator_id = ids.new_id()
    values = {
        "id": indicator_id,
        "name": new.name,
        "kind": new.kind,
        "filter": new.filter,
        **await _assignee(db, workspace_id, new.assignee, new.member),
        "enabled": new.enabled,
        "created_at": now,
        "updated_at": now,
    }
    await indicators.insert_new(db, workspace_id, values)
    started = await reprocessing.start(db, workspace_id, CAUSE, now=now) if new.enabled else None
    return {**await show(db, workspace_id, indicator_id), "reprocessing": started}


async def change(
    db: Session, workspace_id: UUID, indicator_id: UUID | None, wanted: Mapping[str, Any], *, now: datetime
) -> Mapping[str, Any]:
    """Change some of name, kind, filter, enabled and (assignee, member); accounts are looked at again where it matters.

    Raises `UnknownIndicator`, `IndicatorArchived` and what `create` raises.
    """
    known = await _locked(db, workspace_id, indicator_id)
    if known["archived_at"] is not None:
        raise IndicatorArchived("An archived indicator stays as it is; make a new one.")
    values = dict(wanted)
    if "filter" in values:
        await _check(db, workspace_id, values["filter"])
    if "assignee" in values:
        values |= await _assignee(db, workspace_id, values["assignee"], values.pop("member", None))
    values = {key: value for key, value in values.items() if known[key] != value}
    if not values:
        return {**known, "reprocessing": None}
    await indicators.change(db, workspace_id, known["id"], {**values, "updated_at": now})
    judged_anew = not values.keys().isdisjoint(JUDGED_BY)
    started = await reprocessing.start(db, workspace_id, CAUSE, now=now) if judged_anew else None
    return {**await show(db, workspace_id, known["id"]), "reprocessing": started}


async def _check(db: Session, workspace_id: UUID, source: Mapping[str, Any]) -> None:
    """Refuse a filter that is none; have it hear of everything it asks about."""
    await watching.attend(db, workspace_id, Subject.ACCOUNTS, [condition(source)])


async def archive(db: Session, workspace_id: UUID, indicator_id: UUID | None, *, now: datetime) -> None:
    """Retire an indicator; its open alerts are resolved. Safe to repeat. Raises `UnknownIndicator`."""
    known = await _locked(db, workspace_id, indicator_id)
    if known["archived_at"] is None:
        await indicators.change(db, workspace_id, known["id"], {"archived_at": now, "updated_at": now})
        await reprocessing.start(db, workspace_id, CAUSE, now=now)


async def show(db: Session, workspace_id: UUID, indicator_id: UUID | None) -> Mapping[str, Any]:
    """One indicator, archived or not. Raises `UnknownIndicator`."""
    found = await indicators.one(db, workspace_id, indicator_id) if indicator_id is not None else None
    if found is None:
        raise UnknownIndicator("No indicator has this id.")
    return found


async def page(
    db: Session, workspace_id: UUID, *, after: UUID | None, limit: int, archived: bool
) -> Sequence[Mapping[str, Any]]:
    """Indicators in the order they were made."""
    return await indicators.page(db, workspace_id, after=after, limit=limit, archived=archived)


async def preview(db: Session, workspace_id: UUID, source: Mapping[str, Any], *, now: datetime) -> Preview:
    """How many accounts a filter matches now, and the first few. Raises `InvalidFilter`, `EmptyFilter`."""
    condition(source)
    report = understand(("name",), source, ())
    found, _ = await reports.places(db, workspace_id, report, after=None, now=now, limit=SAMPLE)
    counted = await reports.count(db, workspace_id, report, now=now)
    return Preview(counted, await reports.rows(db, workspace_id, report, found))


async def _locked(db: Session, workspace_id: UUID, indicator_id: UUID | None) -> Mapping[str, Any]:
    found = await indicators.one(db, workspace_id, indicator_id, lock=True) if indicator_id is not None else None
    if found is None:
        raise UnknownIndicator("No indicator has this id.")
    return found


async def _assignee(db: Session, workspace_id: UUID, assignee: Assignee, member: str | None) -> Mapping[str, Any]:
    holder = await members.find_active(db, workspace_id, member) if member is not None else None
    return {"assignee": assignee.role, "assignee_member_id": holder and holder["id"]}
