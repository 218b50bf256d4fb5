"""Imports from outside: begin one, bring its file in parts, check it, start it, look at it, stop it, remove it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from app.db import imports, jobs
from app.db.base import Session
from app.domain import ids
from app.domain.imports import (
    ABANDONED_AFTER,
    AT_WORK,
    MOST_OPEN,
    MOST_PARTS,
    OPEN,
    PART_BYTES,
    Format,
    ImportClosed,
    ImportIncomplete,
    ImportTooLarge,
    Kind,
    State,
    TooManyImports,
    UnknownImport,
    check_mapping,
)
from app.domain.jobs import DiscardImport, ExpireImport, RunImport

FRESH: Mapping[str, Any] = {
    "layout": None,
    "bytes_done": 0,
    "last_row": 0,
    "broken": 0,
    "skipping": False,
    "rows_read": 0,
    "accepted": 0,
    "duplicates": 0,
    "suppressed": 0,
    "rejected": 0,
    "errors_kept": 0,
    "error_code": None,
    "error_detail": None,
    "finished_at": None,
}
"""An import of which nothing has been read."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be imported, and how its columns are to be read."""

    kind: Kind
    format: Format
    filename: str = ""
    sha256: str | None = None
    mapping: Mapping[str, str] = field(default_factory=dict)
    null_text: str | None = None


async def create(db: Session, workspace_id: UUID, wanted: Wanted, *, now: datetime) -> Mapping[str, Any]:
    """A new import, or the open one of the same file. Raises `UnknownTarget`, `TooManyImports`, `ImportClosed`."""
    check_mapping(wanted.kind, wanted.mapping)
    options = {"format": wanted.format, "mapping": dict(wanted.mapping), "null_text": wanted.null_text}
    same = wanted.sha256 and await imports.lock_same(db, workspace_id, wanted.kind, wanted.sha256)
    if same:
        return await _with_options(db, workspace_id, same, options)
    if await imports.count_open(db, workspace_id) >= MOST_OPEN:
        raise TooManyImports(f"A workspace has at most {MOST_OPEN} unfinished imports: cancel or delete one.")
    import_id = ids.new_id()
    about = {"id": import_id, "kind": wanted.kind, "filename": wanted.filename, "sha256": wanted.sha256}
    if not await imports.insert_new(db, workspace_id, {**about, **options, "created_at": now}):
        raise ImportClosed("The same file is being sent by someone else just now; ask again.")
    await jobs.put(db, workspace_id, [ExpireImport(import_id)], run_at=now + ABANDONED_AFTER)
    return await show(db, workspace_id, import_id)


async def change(
    db: Session, workspace_id: UUID, import_id: UUID | None, options: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Read the columns another way. Raises `UnknownImport`, `UnknownTarget`, `ImportClosed`."""
    row = await _lock(db, workspace_id, import_id)
    check_mapping(row["kind"], options.get("mapping") or {})
    return await _with_options(db, workspace_id, row, options)


async def _with_options(
    db: Session, workspace_id: UUID, row: Mapping[str, Any], options: Mapping[str, Any]
) -> Mapping[str, Any]:
    if all(row[name] == value for name, value in options.items()):
        return row
    _refuse_unless(row, ("uploading", "checked", "failed"), "its columns cannot be read another way any more")
    await imports.clear_faults(db, workspace_id, row["id"])
    return await imports.change(db, workspace_id, row["id"], {**FRESH, **options, "state": "uploading"})


async def put_part(
    db: Session, workspace_id: UUID, import_id: UUID | None, number: int, data: bytes, *, most_bytes: int
) -> Mapping[str, Any]:
    """Store one part of the file; the same part again changes nothing.

    Raises `UnknownImport`, `ImportClosed`, `ImportTooLarge`.
    """
    row = await _lock(db, workspace_id, import_id)
    digest = sha256(data).digest()
    old = await imports.part(db, workspace_id, row["id"], number)
    if old is not None and old["sha256"] == digest:
        return row
    _refuse_unless(row, ("uploading", "checked", "failed"), "its file cannot change any more")
    if not 0 < len(data) <= PART_BYTES:
        raise ImportTooLarge(f"A part has 1 to {PART_BYTES} bytes.", limit="part", allowed=PART_BYTES)
    size = row["bytes_total"] + len(data) - (old["size"] if old else 0)
    if size > most_bytes or number > MOST_PARTS:
        raise ImportTooLarge(
            f"A file has at most {most_bytes} bytes in {MOST_PARTS} parts: split it.", limit="file", allowed=most_bytes
        )
    await imports.put_part(db, workspace_id, row["id"], number, data=data, sha256=digest)
    await imports.clear_faults(db, workspace_id, row["id"])
    held = {"parts": row["parts"] + (old is None), "bytes_total": size, "digest": None, "state": "uploading"}
    return await imports.change(db, workspace_id, row["id"], {**FRESH, **held})


async def check(db: Session, workspace_id: UUID, import_id: UUID | None, *, now: datetime) -> Mapping[str, Any]:
    """Promise to read the whole file and tell what is wrong with it, storing nothing of it. Raises as `start` does."""
    return await _begin(db, workspace_id, import_id, "checking", ("uploading", "checked", "failed"), now)


async def start(db: Session, workspace_id: UUID, import_id: UUID | None, *, now: datetime) -> Mapping[str, Any]:
    """Promise to take in the file. Raises `UnknownImport`, `ImportClosed`, `ImportIncomplete`."""
    return await _begin(db, workspace_id, import_id, "running", ("uploading", "checking", "checked", "failed"), now)


async def _begin(
    db: Session, workspace_id: UUID, import_id: UUID | None, to: State, out_of: Sequence[State], now: datetime
) -> Mapping[str, Any]:
    row = await _lock(db, workspace_id, import_id)
    if row["state"] == to:
        return row
    _refuse_unless(row, out_of, "it cannot be started")
    if missing := await imports.missing_parts(db, workspace_id, row["id"], limit=20):
        raise ImportIncomplete(f"Parts are missing, the first is {missing[0]}.", missing=list(missing))
    if not row["parts"]:
        raise ImportIncomplete("No part of the file is here yet.", missing=[1])
    await imports.clear_faults(db, workspace_id, row["id"])
    await jobs.put(db, workspace_id, [RunImport(row["id"])])
    return await imports.change(db, workspace_id, row["id"], {**FRESH, "state": to, "started_at": now})


async def cancel(db: Session, workspace_id: UUID, import_id: UUID | None, *, now: datetime) -> Mapping[str, Any]:
    """Stop an import for good, and let go of its file; what it has taken in stays. Raises `UnknownImport`."""
    row = await _lock(db, workspace_id, import_id)
    if row["state"] not in OPEN:
        return row
    await jobs.put(db, workspace_id, [DiscardImport(row["id"])])
    return await imports.change(db, workspace_id, row["id"], {"state": "cancelled", "finished_at": now})


async def remove(db: Session, workspace_id: UUID, import_id: UUID | None) -> None:
    """Delete an import, its file and its row errors; what it has taken in stays. Raises `UnknownImport`."""
    row = await _lock(db, workspace_id, import_id)
    await imports.remove(db, workspace_id, row["id"])
    await jobs.put(db, workspace_id, [DiscardImport(row["id"])])


async def show(db: Session, workspace_id: UUID, import_id: UUID | None) -> Mapping[str, Any]:
    """One import. Raises `UnknownImport`."""
    found = None if import_id is None else await imports.one(db, workspace_id, import_id)
    if found is None:
        raise UnknownImport("No import has this id.")
    return found


async def page(db: Session, workspace_id: UUID, *, before: UUID | None, limit: int) -> Sequence[Mapping[str, Any]]:
    """Imports, newest first."""
    return await imports.page(db, workspace_id, before=before, limit=limit)


async def faults(
    db: Session, workspace_id: UUID, import_id: UUID | None, *, after: int, limit: int
) -> Sequence[Mapping[str, Any]]:
    """The rows that were not taken, in the order of the file. Raises `UnknownImport`."""
    row = await show(db, workspace_id, import_id)
    return await imports.faults(db, workspace_id, row["id"], after=after, limit=limit)


async def _lock(db: Session, workspace_id: UUID, import_id: UUID | None) -> Mapping[str, Any]:
    found = None if import_id is None else await imports.one(db, workspace_id, import_id, lock=True)
    if found is None:
        raise UnknownImport("No import has this id.")
    return found


def _refuse_unless(row: Mapping[str, Any], states: Sequence[State], what: str) -> None:
    if row["state"] not in states:
        under_way = " Cancel it first." if row["state"] in AT_WORK else ""
        raise ImportClosed(f"The import is {row['state']}: {what}.{under_way}", state=row["state"])
