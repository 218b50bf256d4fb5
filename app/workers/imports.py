"""Carries imports through: a stretch of slices per job, each stored and counted in one transaction."""

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from app.db.base import Session, is_away, is_held, may_run_again
from app.domain import suppression
from app.domain.errors import DomainError
from app.domain.imports import BadFile, RowFault, excerpt
from app.domain.jobs import DiscardImport, ExpireImport, Lease, RunImport
from app.domain.memory import Memory
from app.intake import layouts, rows
from app.intake.layouts import Layout
from app.intake.records import SCAN_BYTES
from app.services import importing
from app.services.importing import Slice
from app.workers.faults import fault
from app.workers.runtime import Runtime, handles

log = logging.getLogger(__name__)

SLICE_ROWS: Final = 1_000
SLICE_BYTES: Final = 1024 * 1024
WINDOW_BYTES: Final = 4 * 1024 * 1024
STRETCH_SECONDS: Final = 10.0
"""How long one job goes on before others of its lane have their turn."""


class ImportStopped(DomainError):
    """The import stopped because of a fault of ours."""

    code = "import_stopped"


async def _give_up(db: Session, job: RunImport, lease: Lease, now: datetime) -> None:
    """A job that fails again and again leaves an import that says so, and that can be started again."""
    error = ImportStopped("It failed several times. Start it again to go on; what was taken in is not doubled.")
    await importing.fail(db, lease.workspace_id, job.import_id, error, now=now)


@handles(RunImport, timeout=300, bury=_give_up)
async def run_import(job: RunImport, rt: Runtime, lease: Lease) -> None:
    """Go on with an import for a while."""
    try:
        over = await _Stretch(rt, lease.workspace_id, job.import_id).go()
    except BadFile as error:
        async with rt.transaction(lease.workspace_id) as db:
            await importing.fail(db, lease.workspace_id, job.import_id, error, now=rt.now())
        return
    if not over:
        async with rt.transaction(lease.workspace_id) as db:
            await importing.go_on(db, lease.workspace_id, job.import_id)


@handles(DiscardImport, timeout=60)
async def discard_import(job: DiscardImport, rt: Runtime, lease: Lease) -> None:
    """Delete the file, a few parts at a time."""
    more = True
    while more:
        async with rt.transaction(lease.workspace_id) as db:
            more = await importing.discard(db, lease.workspace_id, job.import_id)


@handles(ExpireImport, timeout=30)
async def expire_import(job: ExpireImport, rt: Runtime, lease: Lease) -> None:
    """See whether the import is still wanted."""
    async with rt.transaction(lease.workspace_id) as db:
        await importing.expire(db, lease.workspace_id, job.import_id, now=rt.now())


class _Stretch:
    """Slices of one import, one after the other. Rows are read between transactions, in a thread of their own."""

    def __init__(self, rt: Runtime, workspace_id: UUID, import_id: UUID) -> None:
        self._rt, self._workspace_id, self._import_id = rt, workspace_id, import_id
        key = suppression.key(rt.settings.secret_key.get_secret_value())
        self._memory = Memory(key, keeps_history=rt.settings.trait_history_days > 0)
        self._most = SLICE_ROWS
        self._at, self._data = 0, b""

    async def go(self) -> bool:
        """Work for a while; whether the import is over."""
        until = time.monotonic() + STRETCH_SECONDS
        row: Mapping[str, Any] | None = None
        while time.monotonic() < until:
            row = row or await self._look()
            if row is None:
                return True
            if row["digest"] is None or row["layout"] is None:
                row = await self._prepare(row)
            elif row["bytes_done"] < row["bytes_total"]:
                row = await self._slice(row)
            else:
                return await self._finish(row)
        return False

    async def _prepare(self, row: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """What must be known of the file before its rows are read."""
        await (self._hash(row) if row["digest"] is None else self._recognise(row))
        return await self._look()

    async def _look(self) -> Mapping[str, Any] | None:
        async with self._rt.transaction(self._workspace_id) as db:
            return await importing.look(db, self._workspace_id, self._import_id)

    async def _read(self, start: int, size: int) -> bytes:
        async with self._rt.transaction(self._workspace_id) as db:
            found = await importing.window(db, self._workspace_id, self._import_id, start=start, size=size)
        if not found:
            raise BadFile("Parts of the file are gone.")
        return found

    async def _hash(self, row: Mapping[str, Any]) -> None:
        digest, at = sha256(), 0
        while at < row["bytes_total"]:
            data = await self._read(at, WINDOW_BYTES)
            await asyncio.to_thread(digest.update, data)
            at += len(data)
        async with self._rt.transaction(self._workspace_id) as db:
            await importing.note_digest(db, self._workspace_id, row, digest.hexdigest())

    async def _recognise(self, row: Mapping[str, Any]) -> None:
        head = await self._read(0, layouts.HEAD_BYTES)
        whole = len(head) == row["bytes_total"]
        layout = layouts.recognise(head, row["kind"], row["format"], row["mapping"], whole=whole)
        async with self._rt.transaction(self._workspace_id) as db:
            await importing.note_layout(db, self._workspace_id, row, layout.stored(), layout.start)

    async def _ahead(self, row: Mapping[str, Any]) -> tuple[bytes, bool]:
        """The bytes from where the import is, enough for a slice, and whether the file ends with them."""
        at, skip = row["bytes_done"], row["bytes_done"] - self._at
        data = self._data[skip:] if skip >= 0 else b""
        if at + len(data) < row["bytes_total"] and len(data) < SLICE_BYTES + SCAN_BYTES:
            data = await self._read(at, WINDOW_BYTES)
        self._at, self._data = at, data
        return data, at + len(data) >= row["bytes_total"]

    async def _slice(self, row: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Read and store the next rows; the import afterwards, or None to look anew."""
        data, last = await self._ahead(row)
        plan = rows.Plan(row["kind"], Layout.of(row["layout"]), row["digest"], row["null_text"], row["started_at"])
        before = importing.cursor_of(row)
        found = await asyncio.to_thread(partial(rows.read, plan, data, before, last=last, most=self._most))
        part = Slice(before, found.after, found.numbers, found.envelopes, found.texts, found.faults)
        fault("import.read")
        try:
            after = await self._store(row, part)
        except Exception as error:
            if is_away(error) or is_held(error) or may_run_again(error):
                raise  # nothing is wrong with the rows: the job is run again
            log.exception("a slice of an import failed")
            return await self._narrow(row, part)
        self._most = min(SLICE_ROWS, self._most * 2)
        return after

    async def _store(self, row: Mapping[str, Any], part: Slice) -> Mapping[str, Any] | None:
        async with self._rt.transaction(self._workspace_id) as db:
            done = await importing.apply(db, self._workspace_id, row, part, self._memory, now=self._rt.now())
            fault("import.before_commit")
        fault("import.after_commit")
        if done is None:
            return None
        if done.batch is not None:
            self._memory.learn(self._workspace_id, done.batch)
        return done.row

    async def _narrow(self, row: Mapping[str, Any], part: Slice) -> Mapping[str, Any] | None:
        """What cannot be stored is tried in smaller slices, until the row to blame stands alone and is left out."""
        if len(part.envelopes) > 1:
            self._most = max(1, len(part.envelopes) // 4)
            return None
        wrong = [
            RowFault(number, "not_stored", "The row could not be stored.", excerpt(raw))
            for number, raw in zip(part.numbers, part.texts, strict=True)
        ]
        alone = replace(part, numbers=[], envelopes=[], texts=[], faults=[*part.faults, *wrong])
        return await self._store(row, alone)

    async def _finish(self, row: Mapping[str, Any]) -> bool:
        fault("import.before_finish")
        async with self._rt.transaction(self._workspace_id) as db:
            await importing.finish(db, self._workspace_id, row, now=self._rt.now())
        return True
