"""Looks at accounts whose facts may have moved: opens and resolves their alerts, and says when to look again."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from app.db import alerts, facts, indicators, verdicts
from app.db.base import Session
from app.domain import ids
from app.domain.deliveries import Announcement
from app.domain.fields import Subject, find
from app.domain.filters import InvalidFilter, Tree, explain, parse
from app.domain.indicators import (
    WITHDRAWN,
    Assignee,
    Changes,
    Indicator,
    OpenAlert,
    compare,
    event_id,
    news,
    record,
    told,
)
from app.services import deliveries

ROLES = (find("csm"), find("accountExecutive"))
NOTHING_KNOWN: Mapping[str, Any] = {"traits": {}}

Why = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Judged:
    """What a look changed. `next_check_at` has the accounts the clock alone can change, each with the instant."""

    next_check_at: Mapping[UUID, datetime] = field(default_factory=dict)
    fired: int = 0
    resolved: int = 0


async def judge(db: Session, workspace_id: UUID, account_ids: Sequence[UUID], *, now: datetime) -> Judged:
    """Bring the alerts of these accounts up to date. The caller holds their facts locked. Safe to repeat."""
    if not account_ids:
        return Judged()
    stored = [(row["id"], ready(row)) for row in await indicators.live(db, workspace_id)]
    live = [indicator for _, indicator in stored if indicator is not None]
    unreadable = {id_ for id_, indicator in stored if indicator is None}
    judged = await verdicts.ask(db, workspace_id, Subject.ACCOUNTS, account_ids, [one.tree for one in live], now)
    holding = {one.record_id: [live[ix].id for ix in one.holding] for one in judged}
    known = await alerts.open_at(db, workspace_id, account_ids)
    changes = compare(live, holding, [alert for alert in known if alert.indicator_id not in unreadable])
    fired = await _apply(db, workspace_id, changes, now) if changes.fire or changes.resolve else 0
    soon = {one.record_id: one.next_change for one in judged if one.next_change is not None}
    return Judged(soon, fired, len(changes.resolve))


def ready(row: Mapping[str, Any]) -> Indicator | None:
    """A stored indicator as it is judged; None when its filter uses words this release does not know: left alone."""
    tree = _tree(json.dumps(row["filter"]))
    if tree is None:
        return None
    assignee = Assignee(row["assignee"], row["assignee_member_id"])
    return Indicator(row["id"], row["name"], row["kind"], row["version"], tree, assignee)


@lru_cache(maxsize=1024)
def _tree(source: str) -> Tree | None:
    """Read once: the same indicators are judged for every slice of accounts."""
    try:
        return parse(json.loads(source))
    except InvalidFilter:
        return None


async def _apply(db: Session, workspace_id: UUID, changes: Changes, now: datetime) -> int:
    known = await _facts(db, workspace_id, changes, now)
    opened = [_opening(account_id, one, known.get(account_id, NOTHING_KNOWN), now) for account_id, one in changes.fire]
    rows = [row for _, row in opened]
    made = await alerts.insert_new(db, workspace_id, rows)
    whys = {alert.id: _resolution(alert, one, known, now) for alert, one in changes.resolve}
    await alerts.resolve(db, workspace_id, whys, now)
    fired = [(alert, row["why"]) for alert, row in opened if alert.id in made]
    resolved = [(alert, whys[alert.id]) for alert, _ in changes.resolve]
    await _announce(db, workspace_id, fired, resolved, now)
    return len(made)


async def _facts(db: Session, workspace_id: UUID, changes: Changes, now: datetime) -> Mapping[UUID, Mapping[str, Any]]:
    moved: list[tuple[UUID, Indicator | None]] = [*changes.fire]
    moved += [(alert.account_id, one) for alert, one in changes.resolve]
    wanted = [need for _, one in moved if one is not None for need in facts.needs(one.tree)]
    accounts = sorted({account_id for account_id, _ in moved})
    return await facts.load(db, workspace_id, accounts, [*wanted, *ROLES], now=now)


def _opening(
    account_id: UUID, indicator: Indicator, known: Mapping[str, Any], now: datetime
) -> tuple[OpenAlert, dict[str, Any]]:
    assignee = indicator.assignee.resolve(known)
    alert = OpenAlert(ids.new_id(), indicator.id, account_id, indicator.name, indicator.kind, assignee, now)
    return alert, {
        "id": alert.id,
        "indicator_id": indicator.id,
        "indicator_version": indicator.version,
        "account_id": account_id,
        "state": "active",
        "assignee_member_id": assignee,
        "why": record(explain(indicator.tree, known, now)),
        "fired_at": now,
    }


def _resolution(
    alert: OpenAlert, indicator: Indicator | None, known: Mapping[UUID, Mapping[str, Any]], now: datetime
) -> Why:
    if indicator is None:
        return WITHDRAWN
    return record(explain(indicator.tree, known.get(alert.account_id, NOTHING_KNOWN), now))


async def _announce(
    db: Session,
    workspace_id: UUID,
    fired: Iterable[tuple[OpenAlert, Why]],
    resolved: Iterable[tuple[OpenAlert, Why]],
    now: datetime,
) -> None:
    transitions = [("indicator.activated", alert, why) for alert, why in fired]
    transitions += [("indicator.resolved", alert, why) for alert, why in resolved]
    assignees = {alert.assignee_id for _, alert, _ in transitions if alert.assignee_id is not None}
    people = {id_: _person(one) for id_, one in (await facts.members(db, workspace_id, assignees)).items()}
    announcements = [
        Announcement(
            type=type_,
            account_id=alert.account_id,
            event_id=event_id(alert.id, type_),
            occurred_at=now,
            data={
                "indicator": news(alert, people.get(alert.assignee_id) if alert.assignee_id else None),
                "why": told(why),
            },
        )
        for type_, alert, why in transitions
    ]
    await deliveries.announce(db, workspace_id, announcements, now=now)


def _person(member: Any) -> dict[str, Any]:
    return {"id": ids.show("mem", member.id), "name": member.name, "email": member.email}
