"""Deleting one user or account: gone and kept away from the first commit on, cleared away everywhere soon after."""

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from app.db import (
    accounts,
    audit,
    bulk_edits,
    deliveries,
    erasures,
    evaluation,
    inbox,
    jobs,
    marks,
    record_marks,
    rejections,
    suppressions,
    uncounting,
    users,
    watching,
    workspaces,
)
from app.db.base import Session, unveiled
from app.domain import ids, parcels
from app.domain.erasures import (
    STAGES,
    ErasureUnderWay,
    Subject,
    UnknownErasure,
    UnknownSuppression,
    needles,
    redact,
    without,
)
from app.domain.errors import NotFound, Unavailable
from app.domain.jobs import Erase
from app.domain.messages import EPOCH
from app.domain.suppression import Kind, disguise
from app.services.accounts import UnknownAccount
from app.services.deliveries import post
from app.services.users import UnknownUser

log = logging.getLogger(__name__)

ACCOUNTS_A_STEP: Final = 5_000
LETTERS_A_STEP: Final = 2_000
EVENTS_A_STEP: Final = 50_000
DAYS_A_STEP: Final = 50_000
SHARING: Final = {("refused",), ("counts",)}  # with what senders send, but not with who counts it anew
PARCELS_A_STEP: Final = 20
MOST_ATTEMPTS: Final = 20
"""To read a parcel, about three hours: until then a later release, which is just being rolled out, may read it."""
VACANT: Final = "The owner was deleted."
_FIRST: Final = UUID(int=0)
_OF_US: Final = {"user": ("usr", users.id_of, UnknownUser), "account": ("acc", accounts.id_of, UnknownAccount)}


async def start(
    db: Session, workspace_id: UUID, kind: Kind, ref: str, *, key: bytes, now: datetime
) -> Mapping[str, Any]:
    """Delete a user or an account, suppress it, and promise to clear away the rest; the deletion as a row.

    No flush is under way meanwhile, and those that wait see the suppression: nothing comes back. Repeating it with
    your own id answers with the deletion there was. Raises `UnknownUser`, `UnknownAccount`.
    """
    await workspaces.hold_senders(db, workspace_id)
    prefix, id_of, unknown = _OF_US[kind]
    found = await id_of(db, workspace_id, by_id=ids.read(prefix, ref), external_id=ref)
    if found is None:
        return await _again(db, workspace_id, disguise(key, workspace_id, kind, ref), unknown)
    await erasures.take_time(db, workspace_id)
    owned = await _hold_evaluators(db, workspace_id, kind, found)
    row = await erasures.lock_subject(db, workspace_id, kind, found)
    if row is None:
        raise unknown(f"No {kind} has this id or external id.")
    subject = Subject(kind, found, row["external_id"])
    hidden = disguise(key, workspace_id, kind, subject.external_id)
    await suppressions.add(db, workspace_id, hidden, kind, now=now)
    await erasures.count_up(db, workspace_id)
    counts = await _delete(db, workspace_id, subject, owned, now=now)
    erasure_id = ids.new_id()
    values = {
        "id": erasure_id,
        "kind": kind,
        "disguise": hidden,
        "subject_id": subject.id,
        "external_id": subject.external_id,
        "known_since": row["created_at"] - timedelta(days=1),  # by the clock of another process
        "counts": dict(counts),
    }
    await erasures.insert_new(db, workspace_id, values)
    await jobs.put(db, workspace_id, [Erase(erasure_id)])
    return await show(db, workspace_id, erasure_id)


async def _again(db: Session, workspace_id: UUID, hidden: bytes, unknown: type[NotFound]) -> Mapping[str, Any]:
    found = await erasures.latest(db, workspace_id, hidden)
    if found is None:
        raise unknown("Nobody has this id or external id.")
    if found["finished_at"] is None:
        await jobs.put(db, workspace_id, [Erase(found["id"])])
    return found


async def _hold_evaluators(db: Session, workspace_id: UUID, kind: Kind, subject_id: UUID) -> Sequence[UUID]:
    """Wait for evaluations that are under way, and keep new ones waiting, before anything else is locked."""
    if kind == "user":
        return await erasures.lock_owned(db, workspace_id, subject_id)
    return await evaluation.lock_facts(db, workspace_id, [subject_id])


async def _delete(
    db: Session, workspace_id: UUID, subject: Subject, owned: Sequence[UUID], *, now: datetime
) -> Counter[str]:
    """The row and what hangs on it; and what accounts of a user say of them, so that nobody evaluates it again."""
    await _tell(db, workspace_id, subject)
    if subject.kind == "account":
        return await erasures.delete_subject(db, workspace_id, subject)
    theirs = await erasures.accounts_of(db, workspace_id, subject.id)
    gone = await erasures.delete_subject(db, workspace_id, subject)
    touched = sorted({*theirs, *owned})
    keys = await _owner_keys(db, workspace_id, touched)
    gone += await erasures.scrub_present(db, workspace_id, subject, touched, keys, now=now)
    await erasures.note_vacancies(db, workspace_id, owned, VACANT, now=now)
    await marks.mark(db, workspace_id, touched)
    return gone


async def _tell(db: Session, workspace_id: UUID, subject: Subject) -> None:
    """Promise to evaluate users and organizations that lose the deleted, while it is still known which they are."""
    async with unveiled(db):  # they may be more than who deletes may see
        if subject.kind == "account":
            await record_marks.mark_parents(db, workspace_id, [subject.id])
            await watching.tell_members(db, workspace_id, subject.id)
        else:
            await record_marks.mark_affiliations(db, workspace_id, [subject.id])


async def _owner_keys(db: Session, workspace_id: UUID, touched: Sequence[UUID]) -> set[str]:
    now_mapped = await erasures.owner_keys(db, workspace_id)
    return now_mapped | await erasures.claimed_keys(db, workspace_id, touched)


@dataclass(frozen=True, slots=True)
class Step:
    """A bounded piece of a stage: what it did, and where the stage goes on; None: the stage is over."""

    counts: Counter[str]
    cursor: Mapping[str, Any] | None


async def step(db: Session, workspace_id: UUID, erasure_id: UUID, *, now: datetime) -> bool:
    """Do the next piece of a deletion and note it; whether there is more to do. Safe to repeat."""
    await erasures.take_time(db, workspace_id)
    seen = await erasures.one(db, workspace_id, erasure_id)
    if seen is None:
        return False
    stages = STAGES[seen["kind"]]
    if stages[seen["stage"] : seen["stage"] + 1] in SHARING:  # a lock, which has to come first
        await workspaces.join_senders(db, workspace_id)
    row = await erasures.lock_open(db, workspace_id, erasure_id)
    if row is None:
        return False
    if row["stage"] != seen["stage"]:
        return True
    subject = Subject(row["kind"], row["subject_id"], row["external_id"])
    done = await _STEPS[stages[row["stage"]]](db, workspace_id, subject, row, now)
    stage = row["stage"] + (done.cursor is None)
    values: dict[str, Any] = {
        "state": "running",
        "stage": stage,
        "cursor": done.cursor,
        "counts": dict(Counter(row["counts"]) + done.counts),
    }
    over = stage == len(stages)
    if over:
        forgotten = dict.fromkeys(("subject_id", "external_id", "known_since", "cursor"))
        values |= {"state": "done", "finished_at": now, **forgotten}
    await erasures.save(db, workspace_id, erasure_id, values)
    return not over


async def go_on(db: Session, workspace_id: UUID, erasure_id: UUID, *, after: timedelta | None, now: datetime) -> None:
    """Promise the rest of a deletion, at once or after a while."""
    await jobs.put(db, workspace_id, [Erase(erasure_id)], run_at=None if after is None else now + after)


async def _accounts(db: Session, workspace_id: UUID, subject: Subject, row: Mapping[str, Any], now: datetime) -> Step:
    """What accounts say of a user. Evaluators wait for us, or have ended: their letters are there to be seen."""
    after = UUID(row["cursor"]["after"]) if row["cursor"] else None
    part = await evaluation.slice_after(db, workspace_id, after, ACCOUNTS_A_STEP)
    keys = await _owner_keys(db, workspace_id, part)
    named = await erasures.naming(db, workspace_id, subject, part, keys)
    counts: Counter[str] = Counter()
    if named:
        await evaluation.lock_facts(db, workspace_id, named)
        counts += await erasures.scrub_present(db, workspace_id, subject, named, keys, now=now)
        counts += await erasures.scrub_past(db, workspace_id, subject, named)
        await marks.mark(db, workspace_id, named)
    return Step(counts, {"after": str(part[-1])} if len(part) == ACCOUNTS_A_STEP else None)


async def _letters(db: Session, workspace_id: UUID, subject: Subject, row: Mapping[str, Any], now: datetime) -> Step:
    """Letters about the account; or letters that show the user, who is taken out of them."""
    after = UUID(row["cursor"]["after"]) if row["cursor"] else ids.least_at(row["known_since"])
    keys = await erasures.owner_keys(db, workspace_id) if subject.kind == "user" else set()
    last, found = await erasures.letters(
        db, workspace_id, after=after, needles=needles(subject, keys), limit=LETTERS_A_STEP
    )
    if subject.kind == "account":
        counts = await erasures.delete_letters(db, workspace_id, [one["id"] for one in found])
    else:
        counts = await _redact(db, workspace_id, subject, keys, found, now)
    return Step(counts, None if last is None else {"after": str(last)})


async def _redact(
    db: Session, workspace_id: UUID, subject: Subject, keys: set[str], found: Sequence[Mapping[str, Any]], now: datetime
) -> Counter[str]:
    """A letter that may be on its way is replaced by a new one, so that no answer to the old one is noted."""
    bodies = {one["id"]: redact(one["body"], subject, keys) for one in found}
    pending = [one for one in found if one["state"] == "pending"]
    rest = {one["id"]: bodies[one["id"]] for one in found if one["state"] != "pending"}
    counts = await erasures.rewrite_letters(db, workspace_id, rest)
    await erasures.delete_letters(db, workspace_id, [one["id"] for one in pending])
    again = [
        deliveries.Letter(ids.new_id(), one["endpoint_id"], one["event_id"], one["type"], bodies[one["id"]])
        for one in pending
    ]
    await post(db, workspace_id, again, now=now)
    return counts + Counter(deliveries=len(pending))


async def _events(db: Session, workspace_id: UUID, subject: Subject, row: Mapping[str, Any], now: datetime) -> Step:
    """What the user did, or what happened at the account."""
    del now
    if subject.kind == "account":
        gone = await erasures.delete_account_events(db, workspace_id, subject.id, limit=EVENTS_A_STEP)
        return Step(Counter(events=gone), {} if gone == EVENTS_A_STEP else None)
    place = row["cursor"]
    after = (datetime.fromisoformat(place["at"]), UUID(place["id"])) if place else (EPOCH, _FIRST)
    last, gone = await erasures.delete_user_events(db, workspace_id, subject.id, after=after, limit=EVENTS_A_STEP)
    return Step(Counter(events=gone), None if last is None else {"at": last[0].isoformat(), "id": str(last[1])})


async def _counts(db: Session, workspace_id: UUID, subject: Subject, row: Mapping[str, Any], now: datetime) -> Step:
    """What was counted of the user; after their events, so that first and last are those of others."""
    del now
    after = row["cursor"] or uncounting.FIRST
    last, days, totals = await uncounting.forget(db, workspace_id, subject.id, after=after, limit=DAYS_A_STEP)
    return Step(+Counter(measure_days=days, measure_totals=totals), last)


async def _refused(db: Session, workspace_id: UUID, subject: Subject, row: Mapping[str, Any], now: datetime) -> Step:
    """Refused messages and rows of imports that may name the user or account.

    What was in the inbox when it was deleted names it too, until it is applied: the job is tried again after that. What
    cannot be applied is not waited for: it is looked through.
    """
    del now
    if await erasures.has_parcels(db, workspace_id, until=row["requested_at"]):
        raise Unavailable("Messages from before the deletion wait to be applied.")
    after = row["cursor"]["parcel"] if row["cursor"] else 0
    found = await erasures.failing_parcels(
        db, workspace_id, until=row["requested_at"], after=after, limit=PARCELS_A_STEP
    )
    dropped = await _look_through(db, workspace_id, subject, found)
    if len(found) == PARCELS_A_STEP:
        return Step(+Counter(inbox=dropped), {"parcel": found[-1]["id"]})
    gone = Counter(
        inbox=dropped,
        rejected_messages=await rejections.forget(db, workspace_id, subject.external_id),
        import_errors=await erasures.delete_import_errors(db, workspace_id, subject.external_id),
        audit_entries=await audit.forget(db, workspace_id, subject.names, ids.show("ers", row["id"])),
        bulk_edits=await bulk_edits.scrub(db, workspace_id, subject.id),
    )
    return Step(+gone, None)


async def _look_through(db: Session, workspace_id: UUID, subject: Subject, found: Sequence[Mapping[str, Any]]) -> int:
    """Take a user or account out of messages that could not be applied; how many messages are gone.

    A parcel that stays unreadable may name anybody, and goes as a whole. A changed one gets a new id, so that a worker
    that still holds what it was cannot put it back.
    """
    keys = await erasures.owner_keys(db, workspace_id) if found and subject.kind == "user" else set()
    dropped = 0
    for row in found:
        try:
            held = parcels.unpack(row["parcel"])
        except parcels.Unreadable:
            if row["attempts"] < MOST_ATTEMPTS:
                raise Unavailable("Messages from before the deletion cannot be read yet.") from None
            log.warning("an unreadable parcel of the inbox dropped for a deletion", extra={"messages": row["messages"]})
            await inbox.split(db, workspace_id, row["id"], [])
            dropped += row["messages"]
            continue
        kept = [left for one in held if (left := without(one, subject, keys)) is not None]
        if kept != held:
            await inbox.split(db, workspace_id, row["id"], [(len(kept), parcels.pack(kept))] if kept else [])
            dropped += len(held) - len(kept)
    return dropped


_STEPS: Final[Mapping[str, Callable[..., Awaitable[Step]]]] = {
    "accounts": _accounts,
    "letters": _letters,
    "events": _events,
    "refused": _refused,
    "counts": _counts,
}


async def show(db: Session, workspace_id: UUID, erasure_id: UUID | None) -> Mapping[str, Any]:
    """One deletion. Raises `UnknownErasure`."""
    found = None if erasure_id is None else await erasures.one(db, workspace_id, erasure_id)
    if found is None:
        raise UnknownErasure("No deletion has this id.")
    return found


async def page(db: Session, workspace_id: UUID, *, before: UUID | None, limit: int) -> Sequence[Mapping[str, Any]]:
    """Deletions, the newest first."""
    return await erasures.page(db, workspace_id, before=before, limit=limit)


async def suppressed(
    db: Session, workspace_id: UUID, *, before: tuple[datetime, bytes] | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """Who is kept away, the newest first: kinds and times, since the ids are not known any more."""
    return await suppressions.page(db, workspace_id, before=before, limit=limit)


async def release(db: Session, workspace_id: UUID, kind: Kind, external_id: str, *, key: bytes) -> None:
    """Let a deleted user or account come back with the messages of tomorrow. Raises `UnknownSuppression`.

    Not before the deletion is done (`ErasureUnderWay`): it could not tell what is new from what is to go.
    """
    await workspaces.hold_senders(db, workspace_id)
    hidden = disguise(key, workspace_id, kind, external_id)
    found = await erasures.latest(db, workspace_id, hidden)
    if found is not None and found["finished_at"] is None:
        raise ErasureUnderWay("Wait until the deletion is done.", erasure=ids.show("ers", found["id"]))
    if not await suppressions.remove(db, workspace_id, hidden):
        raise UnknownSuppression(f"No {kind} with this external id was deleted.")
    await erasures.count_up(db, workspace_id)
