"""Imports as rows: their files in parts, and progress that is written in the transaction of the rows it counts."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from app.db.base import Session, rows
from app.domain.imports import OPEN, RowFault
from app.domain.models import Import, ImportFault, ImportPart
from app.domain.models.imports import KNOWN_AND_OPEN

_TABLE = Import.__table__
_PARTS = ImportPart.__table__
_FAULTS = ImportFault.__table__


def _one(workspace_id: UUID, import_id: UUID) -> Any:
    return (_TABLE.c.workspace_id == workspace_id) & (_TABLE.c.id == import_id)


async def insert_new(db: Session, workspace_id: UUID, values: Mapping[str, Any]) -> bool:
    """Store a new import; False when an open one is about the same file."""
    made = await db.scalar(
        upsert(Import)
        .values(workspace_id=workspace_id, **values)
        .on_conflict_do_nothing(
            index_elements=["workspace_id", "kind", "sha256"],
            index_where=text(KNOWN_AND_OPEN),  # as text: a plan for any parameters would not see that the index fits
        )
        .returning(_TABLE.c.id)
    )
    return made is not None


async def lock_same(db: Session, workspace_id: UUID, kind: str, sha256: str) -> Mapping[str, Any] | None:
    """The open import of this file, locked."""
    query = select(*_TABLE.columns).where(
        _TABLE.c.workspace_id == workspace_id,
        _TABLE.c.kind == kind,
        _TABLE.c.sha256 == sha256,
        _TABLE.c.state.in_(OPEN),
    )
    found = rows(await db.execute(query.with_for_update()))
    return found[0] if found else None


async def count_open(db: Session, workspace_id: UUID) -> int:
    """How many imports hold a file."""
    query = select(func.count()).where(_TABLE.c.workspace_id == workspace_id, _TABLE.c.state.in_(OPEN))
    return int(await db.scalar(query) or 0)


async def one(db: Session, workspace_id: UUID, import_id: UUID, *, lock: bool = False) -> Mapping[str, Any] | None:
    """One import; locked, it changes no more until the transaction ends."""
    query = select(*_TABLE.columns).where(_one(workspace_id, import_id))
    found = rows(await db.execute(query.with_for_update() if lock else query))
    return found[0] if found else None


async def page(db: Session, workspace_id: UUID, *, before: UUID | None, limit: int) -> Sequence[Mapping[str, Any]]:
    """Imports, newest first."""
    query = select(*_TABLE.columns).where(_TABLE.c.workspace_id == workspace_id)
    if before is not None:
        query = query.where(_TABLE.c.id < before)
    return rows(await db.execute(query.order_by(_TABLE.c.id.desc()).limit(limit)))


async def change(db: Session, workspace_id: UUID, import_id: UUID, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Write these columns and return the row as it is now."""
    statement = update(Import).where(_one(workspace_id, import_id)).values(**values).returning(*_TABLE.columns)
    return rows(await db.execute(statement))[0]


async def remove(db: Session, workspace_id: UUID, import_id: UUID) -> None:
    """Delete an import with its row errors; its file goes by `drop_parts`."""
    await db.execute(delete(Import).where(_one(workspace_id, import_id)))


def _part(workspace_id: UUID, import_id: UUID) -> Any:
    return (_PARTS.c.workspace_id == workspace_id) & (_PARTS.c.import_id == import_id)


async def part(db: Session, workspace_id: UUID, import_id: UUID, number: int) -> Mapping[str, Any] | None:
    """Size and hash of a part."""
    query = select(_PARTS.c.size, _PARTS.c.sha256).where(_part(workspace_id, import_id), _PARTS.c.number == number)
    found = rows(await db.execute(query))
    return found[0] if found else None


async def put_part(
    db: Session, workspace_id: UUID, import_id: UUID, number: int, *, data: bytes, sha256: bytes
) -> None:
    """Store a part, in the place of one with this number."""
    values = {"size": len(data), "sha256": sha256, "data": data}
    statement = upsert(ImportPart).values(workspace_id=workspace_id, import_id=import_id, number=number, **values)
    await db.execute(
        statement.on_conflict_do_update(index_elements=["workspace_id", "import_id", "number"], set_=values)
    )


async def missing_parts(db: Session, workspace_id: UUID, import_id: UUID, *, limit: int) -> Sequence[int]:
    """Numbers below the highest that no part has."""
    numbers = select(_PARTS.c.number).where(_part(workspace_id, import_id)).subquery()
    wanted = select(func.generate_series(1, select(func.max(numbers.c.number)).scalar_subquery()).label("n")).subquery()
    query = select(wanted.c.n).where(wanted.c.n.not_in(select(numbers.c.number))).order_by(wanted.c.n).limit(limit)
    return (await db.scalars(query)).all()


# Parts have whatever size their sender gave them; the sizes say where each begins.
_WINDOW = text(
    """
    select placed.before, placed.data
    from (
        select number, size, data, (sum(size) over (order by number) - size)::bigint as before
        from import_parts where workspace_id = :workspace_id and import_id = :import_id
    ) placed
    where placed.before < :until and placed.before + placed.size > :start
    order by placed.number
    """
)


async def window(db: Session, workspace_id: UUID, import_id: UUID, *, start: int, size: int) -> bytes:
    """The bytes of a file from `start` on, at most `size` of them."""
    values = {"workspace_id": workspace_id, "import_id": import_id, "start": start, "until": start + size}
    found = (await db.execute(_WINDOW, values)).all()
    if not found:
        return b""
    skip = start - found[0].before
    return b"".join(row.data for row in found)[skip : skip + size]


_DROP = text(
    """
    delete from import_parts where workspace_id = :workspace_id and import_id = :import_id and number in (
        select number from import_parts where workspace_id = :workspace_id and import_id = :import_id
        order by number limit :limit)
    """
)


async def drop_parts(db: Session, workspace_id: UUID, import_id: UUID, *, limit: int) -> int:
    """Delete up to `limit` parts of a file; returns how many."""
    result: Any = await db.execute(_DROP, {"workspace_id": workspace_id, "import_id": import_id, "limit": limit})
    return int(result.rowcount)


async def add_faults(db: Session, workspace_id: UUID, import_id: UUID, found: Sequence[RowFault]) -> None:
    """Keep what is wrong with these rows."""
    if found:
        await db.execute(
            insert(ImportFault),
            [
                {
                    "workspace_id": workspace_id,
                    "import_id": import_id,
                    "number": one.number,
                    "code": one.code,
                    "pointer": one.pointer,
                    "column_name": one.column,
                    "detail": one.detail,
                    "excerpt": one.excerpt,
                }
                for one in found
            ],
        )


async def clear_faults(db: Session, workspace_id: UUID, import_id: UUID) -> None:
    """Forget what was wrong: the file is read anew."""
    theirs = (_FAULTS.c.workspace_id == workspace_id) & (_FAULTS.c.import_id == import_id)
    await db.execute(delete(ImportFault).where(theirs))


async def faults(
    db: Session, workspace_id: UUID, import_id: UUID, *, after: int, limit: int
) -> Sequence[Mapping[str, Any]]:
    """What is wrong with rows, in the order of the file."""
    query = select(*_FAULTS.columns).where(
        _FAULTS.c.workspace_id == workspace_id, _FAULTS.c.import_id == import_id, _FAULTS.c.number > after
    )
    return rows(await db.execute(query.order_by(_FAULTS.c.number).limit(limit)))
