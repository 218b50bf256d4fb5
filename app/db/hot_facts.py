"""Which facts beyond the usual ones are hot: asked for twice within a day, or named by a rule or a view."""

from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text

from app.db.base import Session, rows
from app.domain.fields import Subject

MOST: Final = 100
"""Hot facts a workspace has at most: those asked for last."""
ROOM: Final = 1000
"""Facts a workspace is remembered to have asked for, hot or not: anybody may ask for any trait."""

_NOTE: Final = text(
    """
insert into hot_facts (workspace_id, subject, path, reading, asked, last_asked_at)
select :workspace, :subject, t.path, t.reading, t.asked, clock_timestamp()
from unnest(cast(:paths as text[]), cast(:readings as text[]), cast(:asked as bigint[])) as t (path, reading, asked)
where (select count(*) from hot_facts where workspace_id = :workspace) < :room
    or exists (
        select from hot_facts h where h.workspace_id = :workspace and h.subject = :subject
            and h.path = t.path and h.reading = t.reading
    )
order by t.path, t.reading
on conflict (workspace_id, subject, path, reading) do update set
    asked = case
        when hot_facts.asked > 1 or hot_facts.last_asked_at > excluded.last_asked_at - interval '1 day'
        then hot_facts.asked + excluded.asked else excluded.asked end,
    last_asked_at = excluded.last_asked_at
"""
)
_HOT: Final = text(
    """
select path, reading from hot_facts
where workspace_id = :workspace and subject = :subject and asked > 1
order by last_asked_at desc, path, reading
limit :most
"""
)
_RULES: Final = text(
    """
select filter, cast('[]' as jsonb) as sort from indicators
where workspace_id = :workspace and enabled and archived_at is null and :subject = 'accounts'
union all
select filter, '[]' from segments
where workspace_id = :workspace and subject = :subject and filter is not null and archived_at is null
union all
select filter, sort from views where workspace_id = :workspace and subject = :subject
limit :most
"""
)
_FORGET: Final = text("delete from hot_facts where last_asked_at < clock_timestamp() - interval '30 days'")


async def note(db: Session, workspace_id: UUID, subject: Subject, asked: Mapping[tuple[str, str], int]) -> None:
    """Count reports that asked for these (path and reading)."""
    if not asked:
        return
    ordered = sorted(asked)
    await db.execute(
        _NOTE,
        {
            "workspace": workspace_id,
            "subject": subject,
            "paths": [path for path, _ in ordered],
            "readings": [reading for _, reading in ordered],
            "asked": [asked[one] for one in ordered],
            "room": ROOM,
        },
    )


async def hot(db: Session, workspace_id: UUID, subject: Subject) -> list[tuple[str, str]]:
    """Paths and readings that deserve a column, those asked for last first."""
    asked = {"workspace": workspace_id, "subject": subject, "most": MOST}
    return [(row["path"], row["reading"]) for row in rows(await db.execute(_HOT, asked))]


async def named(db: Session, workspace_id: UUID, subject: Subject) -> Iterable[Mapping[str, Any]]:
    """Filters and sort keys, as JSON, of indicators, segments and saved views."""
    return rows(await db.execute(_RULES, {"workspace": workspace_id, "subject": subject, "most": 1000}))


async def forget(db: Session) -> None:
    """Drop what nobody asked for in thirty days. For a pump transaction: it looks across workspaces."""
    await db.execute(_FORGET)
