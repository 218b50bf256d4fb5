"""Who of the staff looks after an account or organization: asking, giving a role, and taking it back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.db import key_roles, role_traits
from app.db.base import Session
from app.domain.fields import Subject
from app.domain.roles import Cause, Problem, Standing, decide
from app.services import accounts, evaluation, members, organizations, records, roles, staffing, subjects

assign_many = staffing.assign_many


@dataclass(frozen=True, slots=True)
class Shown:
    """The roles held at a record; what mapped traits ask for in vain; what each role is called."""

    held: Sequence[Mapping[str, Any]]
    pending: Sequence[tuple[Standing, Problem]]
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a role is held: at an account or at an organization, named by id or external id."""

    subject: Subject
    ref: str

    async def find(self, db: Session, workspace_id: UUID) -> UUID:
        """The id of ours. Raises `UnknownAccount`, `UnknownOrganization`."""
        if self.subject is Subject.ACCOUNTS:
            return await accounts.find(db, workspace_id, self.ref)
        return await organizations.find(db, workspace_id, self.ref)


async def show(db: Session, workspace_id: UUID, place: Place) -> Shown:
    """The roles held there. Raises `UnknownAccount`, `UnknownOrganization`."""
    return await _show(db, workspace_id, place.subject, await place.find(db, workspace_id))


async def _show(db: Session, workspace_id: UUID, subject: Subject, record_id: UUID) -> Shown:
    held = await key_roles.held_at(db, workspace_id, record_id, subject=subject)
    mapped = await staffing.mapped(db, workspace_id, subject)
    said = await role_traits.standings(db, workspace_id, [record_id], mapped, subject=subject) if mapped else []
    pending = [(one, problem) for one in said if (problem := decide(one).problem) is not None]
    return Shown(held, pending, await roles.labels(db, workspace_id))


async def assign(
    db: Session,
    workspace_id: UUID,
    place: Place,
    role: str,
    member: str,
    cause: Cause,
    *,
    do_not_replace: bool = False,
) -> Shown:
    """Give a role to a member; whoever held it before does no longer, unless that is to be left alone.

    Raises `UnknownAccount`, `UnknownOrganization`, `UnknownRole`, `UnknownMember`, `MemberDeactivated`.
    """
    record_id = await place.find(db, workspace_id)
    slug = await roles.hold(db, workspace_id, role)
    holder = await members.find_active(db, workspace_id, member)
    await subjects.lock_facts(db, workspace_id, place.subject, [record_id])
    held = await key_roles.holders(db, workspace_id, slug, [record_id], subject=place.subject)
    if not (do_not_replace and held):
        await _settle(db, workspace_id, place.subject, slug, {record_id: holder["id"]}, cause)
    return await _show(db, workspace_id, place.subject, record_id)


async def release(db: Session, workspace_id: UUID, place: Place, role: str, cause: Cause) -> None:
    """Leave a role without a holder. Harmless when nobody holds it.

    Raises `UnknownAccount`, `UnknownOrganization`, `UnknownRole`.
    """
    record_id = await place.find(db, workspace_id)
    slug = await roles.hold(db, workspace_id, role)
    await _settle(db, workspace_id, place.subject, slug, {record_id: None}, cause)


async def _settle(
    db: Session, workspace_id: UUID, subject: Subject, role: str, wanted: Mapping[UUID, UUID | None], cause: Cause
) -> None:
    await assign_many(db, workspace_id, role, wanted, cause, subject=subject)
    if subject is Subject.ACCOUNTS:
        await evaluation.evaluate(db, workspace_id, sorted(wanted), now=cause.now)
    else:
        await records.evaluate(db, workspace_id, subject, sorted(wanted), now=cause.now)


async def history(
    db: Session, workspace_id: UUID, subject: Subject, record_id: UUID, *, before: int | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """Changes of the roles at a record, the newest first."""
    return await key_roles.history(db, workspace_id, record_id, before=before, limit=limit, subject=subject)
