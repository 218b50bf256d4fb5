"""Reading accounts: one by any of its names, or a page of them."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import aliased

from app.db import named
from app.db.base import Session, rows
from app.db.holding import held
from app.domain.models import Account, AccountActivity, AccountFacts, AccountParent, Member, Organization

_CSM, _EXECUTIVE = aliased(Member, name="csm"), aliased(Member, name="executive")


async def id_of(db: Session, workspace_id: UUID, *, by_id: UUID | None, external_id: str) -> UUID | None:
    """The account with this id, else the one its sender calls `external_id`."""
    return await named.id_of(db, workspace_id, Account, by_id=by_id, external_id=external_id)


def _profiles(workspace_id: UUID) -> Select[*tuple[Any, ...]]:
    facts, activity = AccountFacts, AccountActivity
    return (
        select(
            Account.id,
            Account.external_id,
            Account.name,
            Account.traits,
            Account.created_at,
            Account.updated_at,
            facts.status,
            facts.mrr,
            facts.users,
            facts.owner_state,
            facts.owner_id,
            facts.owner_external_id,
            facts.owner_name,
            facts.owner_email,
            facts.evaluated_at,
            activity.first_seen_at,
            activity.last_seen_at,
            activity.events,
            _CSM.id.label("csm_id"),
            _CSM.name.label("csm_name"),
            _CSM.email.label("csm_email"),
            _EXECUTIVE.id.label("account_executive_id"),
            _EXECUTIVE.name.label("account_executive_name"),
            _EXECUTIVE.email.label("account_executive_email"),
            Organization.id.label("organization_id"),
            Organization.external_id.label("organization_external_id"),
            Organization.name.label("organization_name"),
        )
        .join(facts, (facts.workspace_id == Account.workspace_id) & (facts.account_id == Account.id))
        .outerjoin(activity, (activity.workspace_id == Account.workspace_id) & (activity.account_id == Account.id))
        .outerjoin(_CSM, (_CSM.workspace_id == Account.workspace_id) & (_CSM.id == facts.csm_id))
        .outerjoin(
            _EXECUTIVE,
            (_EXECUTIVE.workspace_id == Account.workspace_id) & (_EXECUTIVE.id == facts.account_executive_id),
        )
        .outerjoin(
            AccountParent,
            (AccountParent.workspace_id == Account.workspace_id) & (AccountParent.account_id == Account.id),
        )
        .outerjoin(
            Organization,
            (Organization.workspace_id == Account.workspace_id) & (Organization.id == AccountParent.organization_id),
        )
        .where(Account.workspace_id == workspace_id)
    )


async def profile(db: Session, workspace_id: UUID, account_id: UUID) -> Mapping[str, Any] | None:
    """Everything shown of one account."""
    return next(iter(rows(await db.execute(_profiles(workspace_id).where(Account.id == account_id)))), None)


async def page(
    db: Session,
    workspace_id: UUID,
    *,
    after: UUID | None,
    limit: int,
    organization_id: UUID | None = None,
    holder: UUID | None = None,
) -> Sequence[Mapping[str, Any]]:
    """Accounts in the order they were made: those of one organization, or where a member holds a key role."""
    query = _profiles(workspace_id).order_by(Account.id).limit(limit)
    if organization_id is not None:
        query = query.where(AccountParent.organization_id == organization_id)
    if holder is not None:
        query = query.where(held(workspace_id, Account.id, holder))
    if after is not None:
        query = query.where(Account.id > after)
    return rows(await db.execute(query))


async def by_external_id(
    db: Session, workspace_id: UUID, external_id: str, *, holder: UUID | None = None
) -> Sequence[Mapping[str, Any]]:
    """The account its sender calls `external_id`, as a list of one or none."""
    query = _profiles(workspace_id).where(Account.external_id == external_id)
    return rows(await db.execute(query if holder is None else query.where(held(workspace_id, Account.id, holder))))
