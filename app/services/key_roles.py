"""Who of the staff looks after an account: its customer success manager and its account executive."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from app.db import evaluation, key_roles
from app.db.base import Session
from app.services import accounts, members
from app.services.evaluation import evaluate

Role = Literal["csm", "account_executive"]


async def show(db: Session, workspace_id: UUID, ref: str) -> Sequence[Mapping[str, Any]]:
    """The roles held at an account. Raises `UnknownAccount`."""
    return await key_roles.of_account(db, workspace_id, await accounts.find(db, workspace_id, ref))


async def assign(
    db: Session, workspace_id: UUID, ref: str, role: Role, member: str, *, now: datetime
) -> Sequence[Mapping[str, Any]]:
    """Give a role to a member; whoever held it before does no longer.

    Raises `UnknownAccount`, `UnknownMember`, `MemberDeactivated`.
    """
    account_id = await accounts.find(db, workspace_id, ref)
    holder = await members.find_active(db, workspace_id, member)
    await evaluation.lock_facts(db, workspace_id, [account_id])
    await key_roles.assign(db, workspace_id, account_id, role, holder["id"], now=now)
    await evaluate(db, workspace_id, [account_id], now=now)
    return await key_roles.of_account(db, workspace_id, account_id)


async def release(db: Session, workspace_id: UUID, ref: str, role: Role, *, now: datetime) -> None:
    """Leave a role without a holder. Harmless when nobody holds it. Raises `UnknownAccount`."""
    account_id = await accounts.find(db, workspace_id, ref)
    await evaluation.lock_facts(db, workspace_id, [account_id])
    await key_roles.release(db, workspace_id, account_id, role)
    await evaluate(db, workspace_id, [account_id], now=now)
