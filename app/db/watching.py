"""Which changes of one kind of record must be heard by rules about another, and who hears of them.

Most workspaces have no rule of the kind, and are spared the marks.
"""

from collections.abc import Collection, Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import select, text

from app.db.base import Session
from app.domain.filters.watching import Watch
from app.domain.models import Workspace

_WATCH: Final = text(
    """
update workspaces set
    watches = array(select distinct w from unnest(watches || cast(:more as text[])) as t (w) order by w)
where id = :workspace and not watches @> cast(:more as text[])
"""
)

# What accounts can ask about their organization, in a few bytes; those whose digest is a new one are told on.
_TELL: Final = text(
    """
with told as (
    update organization_facts f set told = d.digest
    from (
        select x.organization_id as id, md5(
            o.external_id || coalesce(o.name, '') || o.updated_at::text
            || (to_jsonb(x) - cast('{told, evaluated_at, next_check_at}' as text[]))::text
        ) as digest
        from organization_facts x
        join organizations o on o.workspace_id = :workspace and o.id = x.organization_id
        where x.workspace_id = :workspace and x.organization_id = any(cast(:records as uuid[]))
    ) d
    where f.workspace_id = :workspace and f.organization_id = d.id and f.told is distinct from d.digest
    returning f.organization_id as id
)
insert into dirty_accounts (workspace_id, account_id)
select :workspace, p.account_id from told
join account_parents p on p.workspace_id = :workspace and p.organization_id = told.id
"""
)

_MARK_USERS: Final = text(
    """
insert into dirty_records (workspace_id, subject, record_id)
select distinct cast(:workspace as uuid), 'users', user_id from memberships
where workspace_id = :workspace and account_id = any(cast(:accounts as uuid[])) and linked
"""
)


async def watch(db: Session, workspace_id: UUID, more: Collection[Watch]) -> None:
    """From now on mark what these changes concern. Whoever defines the rule has every record looked at after this."""
    if more:
        await db.execute(_WATCH, {"workspace": workspace_id, "more": sorted(more)})


async def watched(db: Session, workspace_id: UUID) -> frozenset[str]:
    """Which changes are to be heard."""
    return frozenset(await db.scalar(select(Workspace.watches).where(Workspace.id == workspace_id)) or ())


async def tell_accounts(db: Session, workspace_id: UUID, organizations: Sequence[UUID]) -> None:
    """Promise to evaluate the accounts of those organizations that are not as they were when their accounts were told.

    The caller holds their facts locked.
    """
    if Watch.ORGANIZATIONS in await watched(db, workspace_id):
        await db.execute(_TELL, {"workspace": workspace_id, "records": list(organizations)})


async def tell_members(db: Session, workspace_id: UUID, account_id: UUID) -> None:
    """Promise to evaluate the users of an account that is about to go, if anybody asks about users at all."""
    if await db.scalar(select(Workspace.watches_users).where(Workspace.id == workspace_id)):
        await db.execute(_MARK_USERS, {"workspace": workspace_id, "accounts": [account_id]})


async def tell_users(db: Session, workspace_id: UUID, accounts: Sequence[UUID]) -> None:
    """Promise to evaluate the users of these accounts."""
    if Watch.ACCOUNTS in await watched(db, workspace_id):
        await db.execute(_MARK_USERS, {"workspace": workspace_id, "accounts": list(accounts)})
