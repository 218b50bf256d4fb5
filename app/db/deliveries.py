"""Letters, their endpoints and their attempts in PostgreSQL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Uuid, any_, bindparam, insert, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as upsert

from app.db.base import Session, rows
from app.domain.letters import Owner, Person, Subject
from app.domain.models import (
    Account,
    AccountFacts,
    Delivery,
    DeliveryAttempt,
    KeyRole,
    Member,
    WebhookEndpoint,
)

MOST_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Letter:
    """One letter to be stored for one endpoint."""

    id: UUID
    endpoint_id: UUID
    event_id: UUID
    type: str
    body: bytes


async def enabled_endpoints(db: Session, workspace_id: UUID) -> list[tuple[UUID, list[str]]]:
    """The endpoints that want to hear from us, with the event types they want (none: all)."""
    found = await db.execute(
        select(WebhookEndpoint.id, WebhookEndpoint.types)
        .where(WebhookEndpoint.workspace_id == workspace_id, WebhookEndpoint.enabled)
        .order_by(WebhookEndpoint.id)
    )
    return [(row.id, row.types) for row in found]


async def subjects(db: Session, workspace_id: UUID, account_ids: Sequence[UUID]) -> dict[UUID, Subject]:
    """The accounts with owner and key roles, as this transaction sees them."""
    roles = await _roles(db, workspace_id, account_ids)
    facts = AccountFacts
    found = await db.execute(
        select(
            Account.id,
            Account.external_id,
            Account.name,
            Account.traits,
            facts.status,
            facts.mrr,
            facts.owner_id,
            facts.owner_external_id,
            facts.owner_name,
            facts.owner_email,
            facts.owner_joined_at,
            facts.owner_last_seen_at,
            facts.owner_sessions,
            facts.owner_last_received_at,
            facts.owner_last_sent_at,
        )
        .join(facts, (facts.workspace_id == Account.workspace_id) & (facts.account_id == Account.id))
        .where(Account.workspace_id == workspace_id, Account.id.in_(account_ids))
    )
    return {
        row.id: Subject(
            row.id, row.external_id, row.name, row.status, row.mrr, row.traits, _owner(row), roles.get(row.id, {})
        )
        for row in found
    }


def _owner(row: Any) -> Owner | None:
    if row.owner_id is None:
        return None
    return Owner(
        id=row.owner_id,
        external_id=row.owner_external_id,
        name=row.owner_name,
        email=row.owner_email,
        joined_at=row.owner_joined_at,
        last_seen_at=row.owner_last_seen_at,
        sessions=row.owner_sessions or 0,
        last_received_at=row.owner_last_received_at,
        last_sent_at=row.owner_last_sent_at,
    )


async def _roles(db: Session, workspace_id: UUID, account_ids: Sequence[UUID]) -> dict[UUID, dict[str, Person]]:
    found = await db.execute(
        select(KeyRole.account_id, KeyRole.role, Member.id, Member.name, Member.email)
        .join(Member, (Member.workspace_id == KeyRole.workspace_id) & (Member.id == KeyRole.member_id))
        .where(KeyRole.workspace_id == workspace_id, KeyRole.account_id.in_(account_ids))
    )
    roles: dict[UUID, dict[str, Person]] = {}
    for row in found:
        roles.setdefault(row.account_id, {})[row.role] = Person(row.id, row.name, row.email)
    return roles


async def insert_letters(db: Session, workspace_id: UUID, letters: Sequence[Letter], *, now: datetime) -> set[UUID]:
    """Store letters and return the ids of the new ones; one that the endpoint has already is passed over."""
    made: set[UUID] = set()
    ordered = sorted(letters, key=lambda letter: (letter.endpoint_id, letter.event_id))
    for start in range(0, len(ordered), MOST_AT_ONCE):
        values = [
            {
                "workspace_id": workspace_id,
                "id": letter.id,
                "endpoint_id": letter.endpoint_id,
                "event_id": letter.event_id,
                "type": letter.type,
                "body": letter.body,
                "created_at": now,
                "next_attempt_at": now,
            }
            for letter in ordered[start : start + MOST_AT_ONCE]
        ]
        made.update(await db.scalars(upsert(Delivery).values(values).on_conflict_do_nothing().returning(Delivery.id)))
    return made


_WITH_ENDPOINT = (
    select(
        Delivery.id,
        Delivery.state,
        Delivery.event_id,
        Delivery.body,
        WebhookEndpoint.url,
        WebhookEndpoint.secret,
        WebhookEndpoint.previous_secret,
        WebhookEndpoint.previous_secret_until,
        WebhookEndpoint.enabled,
        WebhookEndpoint.failing_since,
    )
    .join(
        WebhookEndpoint,
        (WebhookEndpoint.workspace_id == Delivery.workspace_id) & (WebhookEndpoint.id == Delivery.endpoint_id),
    )
    .where(Delivery.workspace_id == bindparam("workspace"), Delivery.id == any_(bindparam("ids", type_=ARRAY(Uuid))))
)


async def with_endpoints(db: Session, workspace_id: UUID, ids: Sequence[UUID]) -> dict[UUID, Any]:
    """Letters and what is needed to send them, by id."""
    found = await db.execute(_WITH_ENDPOINT, {"workspace": workspace_id, "ids": list(ids)})
    return {row.id: row for row in found}


_DELIVERED = text(
    """
    with noted as (
        select * from unnest(cast(:ids as uuid[]), cast(:started_at as timestamptz[]), cast(:duration_ms as int[]),
                             cast(:status as int[]), cast(:excerpt as text[]))
                      as n(id, started_at, duration_ms, status, excerpt)),
    done as (
        update deliveries d
        set state = 'delivered', attempts = d.attempts + 1, next_attempt_at = null, finished_at = :now
        from noted where d.workspace_id = :workspace_id and d.id = noted.id
        returning d.id, d.attempts)
    insert into delivery_attempts (workspace_id, delivery_id, number, started_at, duration_ms, status, excerpt)
    select :workspace_id, done.id, done.attempts, noted.started_at, noted.duration_ms, noted.status, noted.excerpt
    from done join noted on noted.id = done.id
    """
)


async def mark_delivered(
    db: Session, workspace_id: UUID, attempts: Mapping[UUID, Mapping[str, Any]], *, now: datetime
) -> None:
    """Write successful attempts and that their letters have arrived; those deleted meanwhile are passed over."""
    ordered = sorted(attempts.items())
    columns = {name: [row[name] for _, row in ordered] for name in ("started_at", "duration_ms", "status", "excerpt")}
    values = {"workspace_id": workspace_id, "now": now, "ids": [delivery_id for delivery_id, _ in ordered]}
    await db.execute(_DELIVERED, {**values, **columns})


async def endpoint_is_off(db: Session, workspace_id: UUID, endpoint_id: UUID) -> bool:
    """Whether the endpoint is switched off, and stays so until we commit."""
    enabled = await db.scalar(
        select(WebhookEndpoint.enabled)
        .where(WebhookEndpoint.workspace_id == workspace_id, WebhookEndpoint.id == endpoint_id)
        .with_for_update(read=True)
    )
    return enabled is False


async def finish_attempt(
    db: Session, workspace_id: UUID, delivery_id: UUID, *, state: str, next_attempt_at: datetime | None, now: datetime
) -> int | None:
    """Write what became of a letter; returns the number of the attempt just made, or None when it is gone."""
    number: int | None = await db.scalar(
        update(Delivery)
        .where(Delivery.workspace_id == workspace_id, Delivery.id == delivery_id)
        .values(
            state=state,
            attempts=Delivery.attempts + 1,
            next_attempt_at=next_attempt_at,
            finished_at=None if state == "pending" else now,
        )
        .returning(Delivery.attempts)
    )
    return number


async def insert_attempt(db: Session, workspace_id: UUID, delivery_id: UUID, values: Mapping[str, Any]) -> None:
    """Keep one attempt for everyone to see."""
    await db.execute(insert(DeliveryAttempt).values(workspace_id=workspace_id, delivery_id=delivery_id, **values))


async def bury(db: Session, workspace_id: UUID, delivery_id: UUID, *, now: datetime) -> None:
    """The promise to send this letter was given up; the letter says so."""
    await db.execute(
        update(Delivery)
        .where(Delivery.workspace_id == workspace_id, Delivery.id == delivery_id, Delivery.state == "pending")
        .values(state="failed", next_attempt_at=None, finished_at=now)
    )


async def reopen(db: Session, workspace_id: UUID, *, now: datetime, ids: Sequence[UUID]) -> list[tuple[UUID, UUID]]:
    """Make letters pending again; returns them with their endpoints."""
    found = await db.execute(
        update(Delivery)
        .where(Delivery.workspace_id == workspace_id, Delivery.id.in_(ids))
        .values(state="pending", next_attempt_at=now, finished_at=None)
        .returning(Delivery.id, Delivery.endpoint_id)
    )
    return [(row.id, row.endpoint_id) for row in found]


async def not_delivered_since(
    db: Session, workspace_id: UUID, endpoint_id: UUID, since: datetime, *, limit: int
) -> list[UUID]:
    """An endpoint's failed and cancelled letters since then, oldest first."""
    return list(
        await db.scalars(
            select(Delivery.id)
            .where(
                Delivery.workspace_id == workspace_id,
                Delivery.endpoint_id == endpoint_id,
                Delivery.created_at >= since,
                Delivery.state.in_(("failed", "cancelled")),
            )
            .order_by(Delivery.id)
            .limit(limit)
        )
    )


_SHOWN = (
    Delivery.id,
    Delivery.endpoint_id,
    Delivery.event_id,
    Delivery.type,
    Delivery.state,
    Delivery.attempts,
    Delivery.created_at,
    Delivery.next_attempt_at,
    Delivery.finished_at,
)


async def page(
    db: Session, workspace_id: UUID, endpoint_id: UUID, *, state: str | None, before: UUID | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """An endpoint's letters, the newest first."""
    query = select(*_SHOWN).where(Delivery.workspace_id == workspace_id, Delivery.endpoint_id == endpoint_id)
    if state is not None:
        query = query.where(Delivery.state == state)
    if before is not None:
        query = query.where(Delivery.id < before)
    return rows(await db.execute(query.order_by(Delivery.id.desc()).limit(limit)))


async def one(db: Session, workspace_id: UUID, delivery_id: UUID) -> Mapping[str, Any] | None:
    """One letter with its body."""
    query = select(*_SHOWN, Delivery.body).where(Delivery.workspace_id == workspace_id, Delivery.id == delivery_id)
    return next(iter(rows(await db.execute(query))), None)


async def attempts(db: Session, workspace_id: UUID, delivery_id: UUID) -> Sequence[Mapping[str, Any]]:
    """Every attempt at one letter, in order."""
    made = DeliveryAttempt
    query = (
        select(made.number, made.started_at, made.duration_ms, made.status, made.error, made.excerpt)
        .where(made.workspace_id == workspace_id, made.delivery_id == delivery_id)
        .order_by(made.number)
    )
    return rows(await db.execute(query))
