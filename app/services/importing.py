"""Carrying an import out: each slice of rows is stored and counted in one transaction, so nothing is done twice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db import imports, jobs, workspaces
from app.db.base import Session
from app.domain.errors import DomainError
from app.domain.folding import Fold
from app.domain.imports import (
    ABANDONED_AFTER,
    AT_WORK,
    FORGOTTEN_AFTER,
    MOST_ERRORS,
    OPEN,
    ChecksumMismatch,
    Counts,
    Cursor,
    RowFault,
    excerpt,
)
from app.domain.jobs import DiscardImport, ExpireImport, RunImport
from app.domain.memory import Memory
from app.domain.messages import ACCEPTED, Envelope, Verdict
from app.services import ingest, nps

DROP_BATCH = 32
HUSHED = "What it says is not kept: the row might be about somebody who was deleted."


@dataclass(frozen=True, slots=True)
class Slice:
    """Rows of a file: where they begin and end, what can be recorded of them, and what is wrong with the others."""

    before: Cursor
    after: Cursor
    numbers: Sequence[int]
    envelopes: Sequence[Envelope]
    texts: Sequence[bytes]
    faults: Sequence[RowFault]


@dataclass(frozen=True, slots=True)
class Done:
    """The import after a slice, and what was written of it; it counts once the transaction has committed."""

    row: Mapping[str, Any]
    batch: Fold | None  # a check writes none


async def look(db: Session, workspace_id: UUID, import_id: UUID) -> Mapping[str, Any] | None:
    """The import, if it is at work."""
    row = await imports.one(db, workspace_id, import_id)
    return row if row is not None and row["state"] in AT_WORK else None


async def window(db: Session, workspace_id: UUID, import_id: UUID, *, start: int, size: int) -> bytes:
    """The bytes of the file from `start` on, at most `size` of them."""
    return await imports.window(db, workspace_id, import_id, start=start, size=size)


async def note_digest(db: Session, workspace_id: UUID, begun: Mapping[str, Any], digest: str) -> None:
    """Keep the hash of what is stored. Raises `ChecksumMismatch` when something else was announced."""
    if begun["sha256"] not in {None, digest}:
        raise ChecksumMismatch(f"The file that arrived has the SHA-256 {digest}.")
    if await _still(db, workspace_id, begun) is not None:
        await imports.change(db, workspace_id, begun["id"], {"digest": digest})


async def note_layout(
    db: Session, workspace_id: UUID, begun: Mapping[str, Any], layout: Mapping[str, Any], start: Cursor
) -> None:
    """Keep how the file is read, and where its rows begin."""
    if await _still(db, workspace_id, begun) is not None:
        await imports.change(db, workspace_id, begun["id"], {"layout": dict(layout), **_place(start)})


async def apply(
    db: Session, workspace_id: UUID, begun: Mapping[str, Any], part: Slice, memory: Memory, *, now: datetime
) -> Done | None:
    """Record a slice and count it. None: the import is elsewhere by now, and nothing was written.

    The row is locked before anything is written, so that of two workers on one import only one is where the slice
    begins. Where anybody was ever deleted, nothing that faulty rows say is kept: they might name them.
    """
    erasures = await workspaces.join_senders(db, workspace_id)
    row = await _still(db, workspace_id, begun)
    if row is None or cursor_of(row) != part.before:
        return None
    batch, verdicts = None, [ACCEPTED] * len(part.envelopes)
    if row["state"] == "running" and part.envelopes:
        take_in = nps.record_many if row["kind"] == "nps_responses" else ingest.record
        recorded = await take_in(db, workspace_id, part.envelopes, memory, now=now)
        batch, verdicts = recorded.batch, recorded.verdicts
    counts, faults = _judged(part, verdicts)
    counts = replace(counts, rows_read=len(part.numbers) + len(part.faults), rejected=len(faults))
    kept = sorted(faults, key=lambda one: one.number)[: MOST_ERRORS - row["errors_kept"]]
    if erasures:
        kept = [replace(one, detail=HUSHED, excerpt="") for one in kept]
    await imports.add_faults(db, workspace_id, row["id"], kept)
    values = {name: row[name] + getattr(counts, name) for name in Counts.__dataclass_fields__}
    values["errors_kept"] = row["errors_kept"] + len(kept)
    return Done(await imports.change(db, workspace_id, row["id"], {**values, **_place(part.after)}), batch)


def _judged(part: Slice, verdicts: Sequence[Verdict]) -> tuple[Counts, list[RowFault]]:
    """What became of the rows. The same id with another body is an error of the file."""
    faults = list(part.faults)
    found = dict.fromkeys(("accepted", "duplicate", "suppressed"), 0)
    for number, raw, verdict in zip(part.numbers, part.texts, verdicts, strict=True):
        if verdict.status in found:
            found[verdict.status] += 1
        else:
            faults.append(RowFault(number, verdict.code or verdict.status, verdict.detail or "", excerpt(raw)))
    return Counts(accepted=found["accepted"], duplicates=found["duplicate"], suppressed=found["suppressed"]), faults


async def finish(db: Session, workspace_id: UUID, begun: Mapping[str, Any], *, now: datetime) -> None:
    """The file is read to its end. After the real thing it is let go of; after a check it waits to be started."""
    row = await _still(db, workspace_id, begun)
    if row is None:
        return
    state = "checked" if row["state"] == "checking" else "done"
    await imports.change(db, workspace_id, row["id"], {"state": state, "finished_at": now})
    if state == "done":
        await jobs.put(db, workspace_id, [DiscardImport(row["id"])])


async def go_on(db: Session, workspace_id: UUID, import_id: UUID) -> None:
    """Promise the next stretch."""
    await jobs.put(db, workspace_id, [RunImport(import_id)])


async def fail(db: Session, workspace_id: UUID, import_id: UUID, error: DomainError, *, now: datetime) -> None:
    """End an import that cannot go on, with the reason; its file stays, and it may be started again."""
    row = await imports.one(db, workspace_id, import_id, lock=True)
    if row is not None and row["state"] in AT_WORK:
        values = {"state": "failed", "error_code": error.code, "error_detail": error.detail, "finished_at": now}
        await imports.change(db, workspace_id, import_id, values)


async def discard(db: Session, workspace_id: UUID, import_id: UUID) -> bool:
    """Delete some of the parts of an import that is over; whether there are more."""
    row = await imports.one(db, workspace_id, import_id)
    if row is not None and row["state"] in OPEN:
        return False
    return await imports.drop_parts(db, workspace_id, import_id, limit=DROP_BATCH) == DROP_BATCH


async def expire(db: Session, workspace_id: UUID, import_id: UUID, *, now: datetime) -> None:
    """Cancel an import that was left lying, and later forget it altogether."""
    row = await imports.one(db, workspace_id, import_id, lock=True)
    if row is None:
        return
    if now >= row["created_at"] + FORGOTTEN_AFTER and row["state"] not in AT_WORK:
        await imports.remove(db, workspace_id, import_id)
        await jobs.put(db, workspace_id, [DiscardImport(import_id)])
        return
    if row["state"] in OPEN and row["state"] not in AT_WORK:
        await imports.change(db, workspace_id, import_id, {"state": "cancelled", "finished_at": now})
        await jobs.put(db, workspace_id, [DiscardImport(import_id)])
    later = max(row["created_at"] + FORGOTTEN_AFTER, now + ABANDONED_AFTER)
    await jobs.put(db, workspace_id, [ExpireImport(import_id)], run_at=later)


def cursor_of(row: Mapping[str, Any]) -> Cursor:
    """How far an import has come."""
    return Cursor(row["bytes_done"], row["last_row"], row["broken"], row["skipping"])


def _place(cursor: Cursor) -> dict[str, Any]:
    return {"bytes_done": cursor.at, "last_row": cursor.row, "broken": cursor.broken, "skipping": cursor.skipping}


async def _still(db: Session, workspace_id: UUID, begun: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The import, locked, unless it was stopped or begun anew since it was looked at."""
    row = await imports.one(db, workspace_id, begun["id"], lock=True)
    same = row is not None and (row["state"], row["started_at"]) == (begun["state"], begun["started_at"])
    return row if same else None
