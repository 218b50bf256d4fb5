"""Setting the same traits of many records at once."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db import bulk_edits
from app.db import ingest as writing
from app.db import organizations as organization_rows
from app.db.base import Session
from app.db.ingest import Receipts
from app.domain import relations
from app.domain.bulk_edits import CHANGED, UNCHANGED, Difference, Differences, Outcomes
from app.domain.fields import Subject
from app.domain.folding import fold
from app.domain.messages import Message, OrganizationMessage
from app.services import trait_records
from app.services.trait_records import Editor


async def check(db: Session, workspace_id: UUID, subject: Subject, traits: Mapping[str, Any], editor: Editor) -> None:
    """Whether this may be said of these traits. Raises `UnusableValue`, `TraitNotEditable`."""
    await trait_records.check_edit(db, workspace_id, subject, traits, editor)


async def apply(
    db: Session,
    workspace_id: UUID,
    subject: Subject,
    records: Sequence[UUID],
    traits: Mapping[str, Any],
    *,
    editor: Editor,
    now: datetime,
) -> Outcomes:
    """Say it of every record of which something else is stored; they are marked for evaluation.

    Raises `UnusableValue`, `TraitNotEditable`, `Suppressed`.
    """
    receipts = await writing.receive(db, workspace_id, {}, now)
    await trait_records.check_edit(db, workspace_id, subject, traits, editor)
    found = await bulk_edits.traits(db, workspace_id, subject, records)
    differing = [row for row in found if _after(row["traits"], traits) != row["traits"]]
    messages = [one for row in differing for one in trait_records.messages_of(subject, row, traits, now)]
    if messages and receipts.erasures:
        await trait_records.check_owner(db, workspace_id, messages, receipts.owner_trait, editor.memory)
    if messages:
        await _store(db, workspace_id, messages, receipts, editor, now)
    changed = {row["id"] for row in differing}
    return {row["id"]: CHANGED if row["id"] in changed else UNCHANGED for row in found}


async def _store(
    db: Session, workspace_id: UUID, messages: Sequence[Message], receipts: Receipts, editor: Editor, now: datetime
) -> None:
    keeps = editor.memory.keeps_history
    if isinstance(messages[0], OrganizationMessage):
        told = relations.fold(messages)
        await organization_rows.apply(db, workspace_id, told, {}, {}, now, source=editor.actor if keeps else None)
        return
    batch = fold(messages, owner_trait=receipts.owner_trait, erasures=receipts.erasures)
    batch.source, batch.keeps_history = editor.actor, keeps
    await writing.apply(db, workspace_id, batch, now)


def _after(stored: Mapping[str, Any], traits: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**stored, **traits}
    return {key: value for key, value in merged.items() if value is not None}


async def compare(
    db: Session, workspace_id: UUID, subject: Subject, records: Sequence[UUID], traits: Mapping[str, Any]
) -> Differences:
    """The named traits as they are, and as they would be."""
    found = await bulk_edits.traits(db, workspace_id, subject, records)
    return {row["id"]: Difference({key: row["traits"].get(key) for key in traits}, dict(traits)) for row in found}
