"""Keeps what the MRR of accounts was, for conditions that look back."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from app.db.base import Session

# An account's first row says what it began with. A clock that stands behind the last row writes just after that.
_NOTE = text(
    """
insert into mrr_changes (workspace_id, account_id, changed_at, mrr)
select :workspace, f.account_id,
    greatest(cast(:now as timestamptz), l.changed_at + interval '1 microsecond'), f.mrr
from account_facts f
left join lateral (
    select c.changed_at, c.mrr from mrr_changes c
    where c.workspace_id = :workspace and c.account_id = f.account_id
    order by c.changed_at desc limit 1
) l on true
where f.workspace_id = :workspace and f.account_id = any(cast(:accounts as uuid[])) and f.mrr is distinct from l.mrr
order by f.account_id
"""
)


async def note(db: Session, workspace_id: UUID, accounts: Sequence[UUID], *, now: datetime) -> None:
    """Remember the MRR of those accounts whose MRR is another than before. The caller holds their facts locked."""
    await db.execute(_NOTE, {"workspace": workspace_id, "accounts": list(accounts), "now": now})
