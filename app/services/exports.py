"""Everything known of one user or account, record by record, in an order that only the data decides."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import orjson
from pydantic.alias_generators import to_camel

from app.db import erasures, exports
from app.db.base import Session
from app.domain import ids
from app.domain.erasures import Subject
from app.domain.messages import EPOCH
from app.domain.suppression import Kind

Record = Mapping[str, Any]

PREFIXES: Final[Mapping[str, str]] = {
    "account_id": "acc",
    "user_id": "usr",
    "owner_id": "usr",
    "from_user_id": "usr",
    "to_user_id": "usr",
    "member_id": "mem",
    "csm_id": "mem",
    "account_executive_id": "mem",
    "assignee_member_id": "mem",
    "indicator_id": "ind",
    "organization_id": "org",
    "segment_id": "seg",
    "survey_id": "srv",
    "endpoint_id": "whk",
    "event_id": "evt",
}
OWN: Final[Mapping[str, str]] = {
    "users": "usr",
    "accounts": "acc",
    "alerts": "alr",
    "custom_instances": "ins",
    "deliveries": "dlv",
    "survey_responses": "rsp",
}
RENAMED: Final[Mapping[str, str]] = {"type": "event_type", "trait_stamps": "trait_times", "stamp": "at"}
HIDDEN: Final = frozenset({"workspace_id", "delivery_id", "measure_id", "record_id", "subject"})
AT_ONCE: Final = 500


async def everything(db: Session, workspace_id: UUID, kind: Kind, subject_id: UUID) -> AsyncIterator[bytes]:
    """JSON lines: the user or account, what hangs on it, and `end` with the number of records before it.

    The last line is missing when the export was cut short. For a frozen transaction: it takes many statements.
    """
    count = 0
    async for name, row in _records(db, workspace_id, kind, subject_id):
        count += 1
        yield line(name, row)
    yield line("end", {"records": count})


async def _records(db: Session, workspace_id: UUID, kind: Kind, subject_id: UUID) -> AsyncIterator[tuple[str, Record]]:
    found = await exports.subject(db, workspace_id, kind, subject_id)
    if found is None:
        return
    subject = Subject(kind, subject_id, found["external_id"])
    yield erasures.PARENTS[kind].name, found
    for table, column in exports.tables_of(kind):
        async for row in exports.rows_of(db, workspace_id, table, column, subject_id):
            yield table.name, row
    more = _of_user if kind == "user" else _of_account
    async for name, row in more(db, workspace_id, subject, found["created_at"]):
        yield name, row


async def _of_account(
    db: Session, workspace_id: UUID, subject: Subject, born: datetime
) -> AsyncIterator[tuple[str, Record]]:
    async for row in exports.events_of_account(db, workspace_id, subject.id):
        yield "events", row
    async for row in exports.totals_of_account(db, workspace_id, subject.id):
        yield "event_totals", row
    async for row in exports.letters_about(db, workspace_id, subject, after=_before(born)):
        yield "deliveries", row


async def _of_user(
    db: Session, workspace_id: UUID, subject: Subject, born: datetime
) -> AsyncIterator[tuple[str, Record]]:
    async for row in exports.owned_by(db, workspace_id, subject.id):
        yield "owned_accounts", row
    accounts = await erasures.accounts_of(db, workspace_id, subject.id)
    for some in (accounts[start : start + AT_ONCE] for start in range(0, len(accounts), AT_ONCE)):
        async for name, row in exports.ownership_of(db, workspace_id, subject, some):
            yield name, row
    async for name, row in _done_by(db, workspace_id, subject, accounts):
        yield name, row
    async for row in exports.letters_about(db, workspace_id, subject, after=_before(born)):
        yield "deliveries", row


async def _done_by(
    db: Session, workspace_id: UUID, subject: Subject, accounts: Sequence[UUID]
) -> AsyncIterator[tuple[str, Record]]:
    """What a user did, and what was counted of it: that is kept for longer."""
    for account in (None, *accounts):
        async for row in exports.events_of_user(db, workspace_id, subject.id, account, since=EPOCH):
            yield "events", row
    for account in accounts:
        async for row in exports.days_of_user(db, workspace_id, subject.id, account):
            yield "event_days", row


def _before(born: datetime) -> UUID:
    return ids.least_at(born - timedelta(days=1))


def line(name: str, row: Record) -> bytes:
    """One record, its fields by name."""
    record = {**_record(name, row), "type": name}
    return json.dumps(record, sort_keys=True, ensure_ascii=False, default=str).encode() + b"\n"  # numbers of any size


def _record(name: str, row: Record) -> dict[str, Any]:
    return {
        to_camel(RENAMED.get(key, key)): _shown(name, key, value) for key, value in row.items() if key not in HIDDEN
    }


def _shown(table: str, key: str, value: Any) -> Any:
    if key == "trait_stamps":
        return {trait: _moment(stamp) for trait, stamp in value.items()}
    if key == "attempts" and isinstance(value, list):
        return [_record("delivery_attempts", one) for one in value]
    if key == "stamp":
        return _moment(value)
    if isinstance(value, UUID):
        prefix = OWN.get(table) if key == "id" else PREFIXES.get(key)
        return ids.show(prefix, value) if prefix else str(value)
    return _plain(value)


def _moment(stamp: Any) -> str:
    """Stamps order what was said; what they say to people is when."""
    return str(_plain(EPOCH + timedelta(microseconds=int(stamp) >> 32)))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, bytes):
        return orjson.loads(value)
    return value
