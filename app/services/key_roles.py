"""Who of the staff looks after an account: asking, giving a role to somebody, and taking it back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.db import evaluation, key_roles, role_traits
from app.db.base import Session
from app.domain.roles import Cause, Problem, Standing, decide
from app.services import accounts, members, roles, staffing
from app.services.evaluation import evaluate

assign_many = staffing.assign_many


@dataclass(frozen=True, slots=True)
class Shown:
    """The roles held at an account; what mapped traits ask for in vain; what each role is called."""

    held: Sequence[Mapping[str, Any]]
    pending: Sequence[tuple[Standing, Problem]]
    labels: Mapping[str, str]


async def show(db: Session, workspace_id: UUID, ref: str) -> Shown:
    """The roles held at an account. Raises `UnknownAccount`."""
    return await _show(db, workspace_id, await accounts.find(db, workspace_id, ref))


async def _show(db: Session, workspace_id: UUID, account_id: UUID) -> Shown:
    held = await key_roles.of_account(db, workspace_id, account_id)
    mapped = await staffing.mapped(db, workspace_id)
    said = await role_traits.standings(db, workspace_id, [account_id], mapped) if mapped else []
    pending = [(one, problem) for one in said if (problem := decide(one).problem) is not None]
    return Shown(held, pending, await roles.labels(db, workspace_id))


async def assign(
    db: Session,
    workspace_id: UUID,
    ref: str,
    role: str,
    member: str,
    cause: Cause,
    *,
    do_not_replace: bool = False,
) -> Shown:
    """Give a role to a member; whoever held it before does no longer, unless that is to be left alone.

    Raises `UnknownAccount`, `UnknownRole`, `UnknownMember`, `MemberDeactivated`.
    """
    account_id = await accounts.find(db, workspace_id, ref)
    slug = await roles.hold(db, workspace_id, role)
    holder = await members.find_active(db, workspace_id, member)
    await evaluation.lock_facts(db, workspace_id, [account_id])
    if do_not_replace and await key_roles.holders(db, workspace_id, slug, [account_id]):
        return await _show(db, workspace_id, account_id)
    await _settle(db, workspace_id, slug, {account_id: holder["id"]}, cause)
    return await _show(db, workspace_id, account_id)


async def release(db: Session, workspace_id: UUID, ref: str, role: str, cause: Cause) -> None:
    """Leave a role without a holder. Harmless when nobody holds it. Raises `UnknownAccount`, `UnknownRole`."""
    account_id = await accounts.find(db, workspace_id, ref)
    slug = await roles.hold(db, workspace_id, role)
    await _settle(db, workspace_id, slug, {account_id: None}, cause)


async def _settle(db: Session, workspace_id: UUID, role: str, wanted: Mapping[UUID, UUID | None], cause: Cause) -> None:
    await assign_many(db, workspace_id, role, wanted, source=cause.source, by=cause.by, now=cause.now)
    await evaluate(db, workspace_id, sorted(wanted), now=cause.now)


async def history(
    db: Session, workspace_id: UUID, account_id: UUID, *, before: int | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """Changes of the roles at an account, the newest first."""
    return await key_roles.history(db, workspace_id, account_id, before=before, limit=limit)
