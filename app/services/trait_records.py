"""The traits of one record: as they are, as they were, what was said of each, and editing them in Steward."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from app.db import ingest as writing
from app.db import organizations as organization_rows
from app.db import suppressions, trait_definitions, trait_history
from app.db.base import Session, unveiled
from app.domain import relations
from app.domain.erasures import Suppressed
from app.domain.fields import Subject
from app.domain.folding import fold
from app.domain.memory import Memory
from app.domain.messages import EPOCH, AccountMessage, Message, OrganizationMessage, UserMessage
from app.domain.suppression import disguise, owner_named
from app.domain.team import MemberRole
from app.domain.trait_types import UnusableValue, check_custom, check_editor
from app.services import accounts, audit, organizations, users

_OF: Final = {Subject.ACCOUNTS: accounts, Subject.USERS: users, Subject.ORGANIZATIONS: organizations}
TICK: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Editor:
    """Who edits: on record as `actor`; `role` is None for keys. `memory` is what their process knows."""

    actor: str
    role: MemberRole | None
    memory: Memory


def instant(stamp: Decimal | int) -> datetime:
    """When the message behind a stamp happened."""
    return EPOCH + timedelta(microseconds=int(stamp) >> 32)


def stamp_of(text: str) -> Decimal:
    """A stamp as a cursor holds it."""
    return Decimal(text)


async def show(db: Session, workspace_id: UUID, subject: Subject, ref: str, at: datetime | None) -> Mapping[str, Any]:
    """A record's names and traits, as they are or were at an instant. Raises `UnknownAccount` and the like."""
    record_id = await _OF[subject].find(db, workspace_id, ref)
    if at is not None:
        found = await trait_history.then(db, workspace_id, subject, record_id, at)
    else:
        found = await trait_history.record(db, workspace_id, subject, record_id)
    return found or {"id": record_id, "external_id": ref, "traits": {}}


async def history(
    db: Session,
    workspace_id: UUID,
    subject: Subject,
    record_id: UUID,
    key: str,
    *,
    below: Decimal | None,
    limit: int,
) -> Sequence[Mapping[str, Any]]:
    """What was said of a trait, the latest first. The present value is always among it, however old."""
    found = list(await trait_history.lines(db, workspace_id, record_id, key, below=below, limit=limit))
    if below is None:
        present = await trait_history.record(db, workspace_id, subject, record_id)
        stamp = present["trait_stamps"].get(key) if present else None
        if present and stamp is not None and (not found or int(found[0]["stamp"]) >> 32 < int(stamp) >> 32):
            line = {"stamp": Decimal(stamp), "value": present["traits"].get(key), "source": None}
            found = [line, *found][:limit]
    return found


async def find(db: Session, workspace_id: UUID, subject: Subject, ref: str) -> UUID:
    """The record behind an id of ours or of its sender's."""
    found: UUID = await _OF[subject].find(db, workspace_id, ref)
    return found


async def edit(
    db: Session,
    workspace_id: UUID,
    subject: Subject,
    ref: str,
    changes: Mapping[str, Any],
    *,
    editor: Editor,
    now: datetime,
) -> Mapping[str, Any]:
    """Set traits, or clear those that are null; the record with its traits, which is marked for evaluation.

    It is a message like any other, said now: whoever says something later wins. Where senders' clocks run ahead it
    counts as said just after them. Raises `UnknownAccount` and the like, `UnusableValue`, `TraitNotEditable`,
    `Suppressed`.
    """
    receipts = await writing.receive(db, workspace_id, {}, now)
    record_id = await _OF[subject].find(db, workspace_id, ref)
    row = await trait_history.record(db, workspace_id, subject, record_id)
    assert row is not None  # noqa: S101 - found in this transaction, and no deletion is under way
    await check_edit(db, workspace_id, subject, changes, editor)
    audit.add(db, before={"traits": {key: row["traits"].get(key) for key in changes}})
    messages = messages_of(subject, row, changes, now)
    if receipts.erasures:
        await check_owner(db, workspace_id, messages, receipts.owner_trait, editor.memory)
    async with unveiled(db):  # what follows of it may be more than who edits may see
        await _store(db, workspace_id, subject, messages, receipts, editor=editor, now=now)
    return await show(db, workspace_id, subject, ref, None)


async def _store(
    db: Session,
    workspace_id: UUID,
    subject: Subject,
    messages: Sequence[Message],
    receipts: writing.Receipts,
    *,
    editor: Editor,
    now: datetime,
) -> None:
    if subject is Subject.ORGANIZATIONS:
        told = relations.fold(messages)
        source = editor.actor if editor.memory.keeps_history else None
        await organization_rows.apply(db, workspace_id, told, {}, {}, now, source=source)
        return
    batch = fold(messages, owner_trait=receipts.owner_trait, erasures=receipts.erasures)
    batch.source, batch.keeps_history = editor.actor, editor.memory.keeps_history
    await writing.apply(db, workspace_id, batch, now)


async def check_edit(
    db: Session, workspace_id: UUID, subject: Subject, changes: Mapping[str, Any], editor: Editor
) -> None:
    """Whether this editor may say this of these traits. Raises `UnusableValue`, `TraitNotEditable`."""
    declared = await trait_definitions.declared(db, workspace_id, subject, list(changes))
    check_custom(list(changes), declared)
    for key in changes:
        check_editor(key, declared.get(key), editor.role)
    edits = [(declared[key], value) for key, value in changes.items() if key in declared]
    wrong = await trait_definitions.unreadable(db, workspace_id, edits)
    if wrong is not None:
        kind = declared[wrong].type
        raise UnusableValue(f"The value of {wrong!r} is not of its type, {kind}.", key=wrong, type=kind.value)


def messages_of(subject: Subject, row: Mapping[str, Any], changes: Mapping[str, Any], now: datetime) -> list[Message]:
    """One said now, and one for each trait that was said later than now."""
    stamps, ahead = row["trait_stamps"], {}
    for key in changes:
        after = instant(stamps[key]) + TICK if key in stamps else now
        if after > now:
            ahead[key] = after
    at_once = {key: value for key, value in changes.items() if key not in ahead}
    parts = [(now, at_once)] if at_once else []
    parts += [(at, {key: changes[key]}) for key, at in ahead.items()]
    return [_message(subject, row["external_id"], at, traits) for at, traits in parts]


def _message(subject: Subject, name: str, at: datetime, traits: Mapping[str, Any]) -> Message:
    """An edit as the message that it is."""
    match subject:
        case Subject.ACCOUNTS:
            return AccountMessage(at, name, traits)
        case Subject.USERS:
            return UserMessage(at, name, (), traits)
        case _:
            return OrganizationMessage(at, name, traits)


async def check_owner(
    db: Session, workspace_id: UUID, messages: Sequence[Message], owner_trait: str | None, memory: Memory
) -> None:
    """Who was deleted does not come back by an edit either."""
    owners = {owner for one in messages if (owner := owner_named(one, owner_trait)) is not None}
    hidden = {disguise(memory.suppression_key, workspace_id, "user", owner) for owner in owners}
    if hidden and await suppressions.find(db, workspace_id, hidden):
        raise Suppressed(f"The user whom {owner_trait!r} would name was deleted.")
