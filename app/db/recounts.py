"""Stored events read back, a part of them at a time, to be counted; and how far that has come."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import Table, func, insert, select, text, update

from app.db.base import Session, rows
from app.domain.models import Recount, Workspace

_TABLE: Final = cast("Table", Recount.__table__)
FIRST: Final = (UUID(int=0), datetime(1, 1, 2, tzinfo=UTC))
LAST: Final = (UUID(int=2**128 - 1), datetime(9999, 12, 30, tzinfo=UTC))
STREAMED: Final = 500
"""Events held in memory at a time: a day is read as a whole, however many it has."""
Place = tuple[UUID, datetime]

# Whole days of an account are read at once, so that what is counted of a day is never too little. Records and users
# that are being deleted are passed over, and events of an organization count for the account where they name one.
_FROM: Final = {
    False: "e.account_id is not null and (e.account_id, e.occurred_at) >= (cast(:account as uuid), :at)",
    True: "e.account_id is null and e.occurred_at >= :at",
}
_UNTIL: Final = {
    False: "(e.account_id, e.occurred_at) < (cast(:last as uuid), :until)",
    True: "e.organization_id is not null and e.occurred_at < :until",
}
_ORDER: Final = {False: "e.account_id, e.occurred_at", True: "e.occurred_at"}
_RECORDS: Final = {
    False: "join accounts r on r.workspace_id = :workspace and r.id = e.account_id",
    True: "join organizations r on r.workspace_id = :workspace and r.id = e.organization_id",
}
_CUT: Final = {
    past: text(
        f"select coalesce(e.account_id, cast(:account as uuid)) as account_id, e.occurred_at from events e "  # noqa: S608 - constants
        f"where e.workspace_id = :workspace and {_FROM[past]} order by {_ORDER[past]} offset :limit limit 1"
    )
    for past in (False, True)
}
_EVENTS: Final = {
    past: text(
        f"""
select r.id::text as record, e.user_id::text as usr, e.name, e.occurred_at,
    case when e.name = any(cast(:looked_at as text[])) then e.properties::text end as properties
from events e
{_RECORDS[past]}
left join users u on u.workspace_id = :workspace and u.id = e.user_id
where e.workspace_id = :workspace and {_FROM[past]} and {_UNTIL[past]}
    and (e.user_id is null or u.id is not null)
    and (cast(:names as text[]) is null or e.name = any(cast(:names as text[])))
"""  # noqa: S608 - constants
    )
    for past in (False, True)
}


@dataclass(frozen=True, slots=True)
class Part:
    """Where a part of the events begins and where it ends; no end: there are no more."""

    first: Place
    end: Place | None


async def insert_new(
    db: Session,
    workspace_id: UUID,
    recount_id: UUID,
    *,
    is_whole: bool,
    measures: Sequence[int],
    elements: Sequence[UUID],
) -> None:
    """Store a recount that is to begin."""
    values = {"is_whole": is_whole, "measures": list(measures), "elements": list(elements)}
    await db.execute(insert(_TABLE).values(workspace_id=workspace_id, id=recount_id, **values))


async def find_open(db: Session, workspace_id: UUID, recount_id: UUID) -> Mapping[str, Any] | None:
    """The row, unless it is over. Only who holds the lock that flushes share writes it."""
    query = select(*_TABLE.c).where(
        _TABLE.c.workspace_id == workspace_id, _TABLE.c.id == recount_id, _TABLE.c.finished_at.is_(None)
    )
    return next(iter(rows(await db.execute(query))), None)


async def save(db: Session, workspace_id: UUID, recount_id: UUID, values: Mapping[str, Any]) -> None:
    """Write how far it has come."""
    await db.execute(
        update(_TABLE).where(_TABLE.c.workspace_id == workspace_id, _TABLE.c.id == recount_id).values(**values)
    )


async def waiting(db: Session, workspace_id: UUID) -> tuple[set[int], set[UUID]]:
    """The measures and elements of recounts that are not over."""
    query = select(_TABLE.c.measures, _TABLE.c.elements).where(
        _TABLE.c.workspace_id == workspace_id, _TABLE.c.finished_at.is_(None)
    )
    found = (await db.execute(query)).all()
    return {one for row in found for one in row.measures}, {one for row in found for one in row.elements}


async def cut(db: Session, workspace_id: UUID, first: Place, *, past: bool, limit: int) -> Part:
    """About the next `limit` events from a place on: whole days, and at least one."""
    asked = {"workspace": workspace_id, "account": first[0], "at": first[1], "limit": limit}
    found = next(iter(rows(await db.execute(_CUT[past], asked))), None)
    if found is None:
        return Part(first, None)
    day = datetime.combine(found["occurred_at"].astimezone(UTC).date(), time(), UTC)
    end = found["account_id"], day
    return Part(first, end if end > first else (end[0], day + timedelta(days=1)))


async def events(
    db: Session,
    workspace_id: UUID,
    part: Part,
    *,
    past: bool,
    names: Collection[str] | None,
    looked_at: Collection[str],
) -> AsyncIterator[Mapping[str, Any]]:
    """The events of a part, with properties where they are looked at; of these names only, where any are given."""
    account, at = part.first
    last, until = part.end or LAST
    asked = {"workspace": workspace_id, "account": account, "at": at, "last": last, "until": until}
    asked |= {"names": None if names is None else sorted(names), "looked_at": sorted(looked_at)}
    found = await db.stream(_EVENTS[past].execution_options(yield_per=STREAMED), asked)
    async for row in found.mappings():
        yield dict(row)


async def version(db: Session, workspace_id: UUID) -> int:
    """The version of what is looked for in events."""
    return await db.scalar(select(Workspace.matchers).where(Workspace.id == workspace_id)) or 0


async def uncounted(db: Session) -> list[UUID]:
    """Workspaces with events that no process may have counted; in a transaction that sees all of them."""
    return list(await db.scalars(select(Workspace.id).where(Workspace.is_counted.is_(False))))


async def wholes(db: Session, workspace_id: UUID) -> Mapping[str, Any]:
    """Whether every event is counted; and when a whole recount was first and last asked for.

    The row is locked, but not for those who write what belongs to the workspace: they may wait for our other locks.
    """
    whole = (_TABLE.c.workspace_id == workspace_id, _TABLE.c.is_whole)
    query = select(
        Workspace.is_counted,
        func.now().label("now"),
        select(func.min(_TABLE.c.requested_at)).where(*whole).scalar_subquery().label("first_at"),
        select(func.max(_TABLE.c.requested_at)).where(*whole).scalar_subquery().label("last_at"),
    ).where(Workspace.id == workspace_id)
    return next(iter(rows(await db.execute(query.with_for_update(of=Workspace, key_share=True)))))


async def note_counted(db: Session, workspace_id: UUID) -> None:
    """Every event of the workspace is counted."""
    await db.execute(update(Workspace).where(Workspace.id == workspace_id).values(is_counted=True))
