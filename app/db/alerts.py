"""Stores alerts: opened once per indicator and account, addressed by a person, resolved when the condition clears."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import ARRAY, Select, Table, Uuid, and_, any_, bindparam, select, text, update
from sqlalchemy.dialects.postgresql import insert

from app.db.base import Session
from app.db.holding import held
from app.domain.indicators import OpenAlert, Wanted
from app.domain.models import Account, Alert, Indicator, Member

_ALERTS: Final = cast("Table", Alert.__table__)


async def open_at(db: Session, workspace_id: UUID, account_ids: Sequence[UUID]) -> list[OpenAlert]:
    """The alerts of these accounts that are not resolved."""
    query = (
        select(
            Alert.id,
            Alert.indicator_id,
            Alert.account_id,
            Indicator.name,
            Indicator.kind,
            Alert.assignee_member_id,
            Alert.fired_at,
        )
        .join(Indicator, and_(Indicator.workspace_id == Alert.workspace_id, Indicator.id == Alert.indicator_id))
        .where(
            Alert.workspace_id == workspace_id,
            Alert.account_id == any_(bindparam(None, list(account_ids), type_=ARRAY(Uuid))),
            Alert.resolved_at.is_(None),
        )
    )
    return [OpenAlert(*row) for row in await db.execute(query)]


async def insert_new(db: Session, workspace_id: UUID, rows: Sequence[Mapping[str, Any]]) -> set[UUID]:
    """Open alerts, in the order of their unique key; returns the ids of those that were not open already."""
    if not rows:
        return set()
    statement = (
        insert(_ALERTS)
        .on_conflict_do_nothing(
            index_elements=["workspace_id", "indicator_id", "account_id"], index_where=text("resolved_at is null")
        )
        .returning(_ALERTS.c.id)
    )
    return set(await db.scalars(statement, [{"workspace_id": workspace_id, **row} for row in rows]))


async def resolve(
    db: Session, workspace_id: UUID, whys: Mapping[UUID, Sequence[Mapping[str, Any]]], now: datetime
) -> None:
    """Close alerts, each with the conditions as they are now."""
    if not whys:
        return
    statement = (
        update(_ALERTS)
        .where(_ALERTS.c.workspace_id == workspace_id, _ALERTS.c.id == bindparam("alert_id"))
        .values(state="resolved", resolved_at=now, resolved_why=bindparam("reasons"))
    )
    await db.execute(statement, [{"alert_id": id_, "reasons": list(whys[id_])} for id_ in sorted(whys)])


async def address(db: Session, workspace_id: UUID, alert_id: UUID, *, note: str | None, now: datetime) -> bool:
    """Mark an open alert as addressed; the first time counts, the last note stands. False: it is not open."""
    statement = (
        update(_ALERTS)
        .where(_ALERTS.c.workspace_id == workspace_id, _ALERTS.c.id == alert_id, _ALERTS.c.resolved_at.is_(None))
        .values(
            state="addressed",
            addressed_at=text("coalesce(addressed_at, :now)").bindparams(now=now),
            addressed_note=note,
        )
        .returning(_ALERTS.c.id)
    )
    return (await db.execute(statement)).first() is not None


async def one(db: Session, workspace_id: UUID, alert_id: UUID) -> Mapping[str, Any] | None:
    """An alert with its indicator, account and assignee."""
    query = (
        _shown(workspace_id).add_columns(Alert.why, Alert.resolved_why, Indicator.filter).where(Alert.id == alert_id)
    )
    found = (await db.execute(query)).mappings().one_or_none()
    return None if found is None else dict(found)


async def page(
    db: Session, workspace_id: UUID, wanted: Wanted, *, before: UUID | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """Alerts, the newest first."""
    query = _shown(workspace_id).order_by(Alert.id.desc()).limit(limit)
    for column, value in (
        (Alert.indicator_id, wanted.indicator_id),
        (Alert.account_id, wanted.account_id),
        (Alert.assignee_member_id, wanted.assignee_id),
    ):
        if value is not None:
            query = query.where(column == value)
    if wanted.holder_id is not None:
        query = query.where(held(workspace_id, Alert.account_id, wanted.holder_id))
    if wanted.states is not None:
        query = query.where(Alert.state.in_(wanted.states))
    if before is not None:
        query = query.where(Alert.id < before)
    return [dict(row) for row in (await db.execute(query)).mappings()]


def _shown(workspace_id: UUID) -> Select[*tuple[Any, ...]]:
    return (
        select(
            Alert.id,
            Alert.indicator_id,
            Indicator.name.label("indicator_name"),
            Indicator.kind.label("indicator_kind"),
            Alert.indicator_version,
            Alert.account_id,
            Account.external_id,
            Account.name.label("account_name"),
            Alert.state,
            Member.id.label("assignee_id"),
            Member.name.label("assignee_name"),
            Member.email.label("assignee_email"),
            Alert.fired_at,
            Alert.addressed_at,
            Alert.addressed_note,
            Alert.resolved_at,
        )
        .join(Indicator, and_(Indicator.workspace_id == Alert.workspace_id, Indicator.id == Alert.indicator_id))
        .join(Account, and_(Account.workspace_id == Alert.workspace_id, Account.id == Alert.account_id))
        .outerjoin(Member, and_(Member.workspace_id == Alert.workspace_id, Member.id == Alert.assignee_member_id))
        .where(Alert.workspace_id == workspace_id)
    )
