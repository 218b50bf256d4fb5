"""The letters themselves: one envelope, the same keys every time, and bytes that are made once."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from app.domain import ids

LARGEST_LETTER: Final = 20_000
"""Bytes. Receivers are promised less than 20 KB; an account's largest traits make way."""


@dataclass(frozen=True, slots=True)
class Person:
    """A member of the workspace's staff, as letters show them."""

    id: UUID
    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Owner:
    """The customer-side owner, as letters show them."""

    id: UUID
    external_id: str
    name: str | None
    email: str | None
    joined_at: datetime | None
    last_seen_at: datetime | None
    sessions: int
    last_received_at: datetime | None
    last_sent_at: datetime | None


@dataclass(frozen=True, slots=True)
class Subject:
    """The account a letter is about. `mrr` is in the workspace's own currency; `roles` maps a role to who holds it."""

    id: UUID
    external_id: str
    name: str | None
    status: str
    mrr: Decimal | None
    traits: Mapping[str, Any]
    owner: Owner | None
    roles: Mapping[str, Person]


def letter(event_id: UUID, event_type: str, at: datetime, subject: Subject, data: Mapping[str, Any]) -> bytes:
    """The body that is signed and sent, the same for every attempt. All letters of a type have the same keys.

    What is absent is null, never missing. Too large a letter loses the account's largest traits and says so in
    `traitsTruncated`.
    """
    traits, truncated = dict(subject.traits), False
    while (
        len(body := _written(event_id, event_type, at, _about(subject, traits, truncated=truncated), data))
        > LARGEST_LETTER
    ):
        if not traits:
            break
        truncated = True
        excess = len(body) - LARGEST_LETTER
        while traits and excess > 0:
            largest = max(traits, key=lambda name: _size(traits[name]))
            excess -= _size(traits.pop(largest))
    return body


def _about(subject: Subject, traits: Mapping[str, Any], *, truncated: bool) -> dict[str, Any]:
    return {
        "account": {
            "id": ids.show("acc", subject.id),
            "externalId": subject.external_id,
            "name": subject.name,
            "status": subject.status,
            "mrr": None if subject.mrr is None else float(subject.mrr),
            "traits": traits,
            "traitsTruncated": truncated,
        },
        "owner": _owner(subject.owner),
        "csm": _person(subject.roles.get("csm")),
        "accountExecutive": _person(subject.roles.get("account_executive")),
        "keyRoles": [{"role": role, **(_person(who) or {})} for role, who in sorted(subject.roles.items())],
    }


def _owner(owner: Owner | None) -> dict[str, Any] | None:
    if owner is None:
        return None
    return {
        "id": ids.show("usr", owner.id),
        "externalId": owner.external_id,
        "name": owner.name,
        "email": owner.email,
        "joinedAt": owner.joined_at,
        "lastSeenAt": owner.last_seen_at,
        "sessions": owner.sessions,
        "lastReceivedMessageAt": owner.last_received_at,
        "lastSentMessageAt": owner.last_sent_at,
    }


def _person(who: Person | None) -> dict[str, Any] | None:
    return None if who is None else {"id": ids.show("mem", who.id), "name": who.name, "email": who.email}


def _written(event_id: UUID, event_type: str, at: datetime, about: Mapping[str, Any], data: Mapping[str, Any]) -> bytes:
    envelope = {"id": ids.show("evt", event_id), "type": event_type, "timestamp": at, "data": {**about, **data}}
    return json.dumps(envelope, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain).encode()


def _size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode())


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no place in a letter")


EXAMPLE_AT: Final = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
_EXAMPLE_ID: Final = UUID("0190f3c2-a1b2-7c3d-8e4f-5a6b7c8d9e0f")
_CSM: Final = Person(_EXAMPLE_ID, "Carla Miles", "carla@your-company.example")
_OWNER: Final = Owner(
    id=_EXAMPLE_ID,
    external_id="user-1",
    name="Olive Owner",
    email="olive@acme.example",
    joined_at=EXAMPLE_AT - timedelta(days=200),
    last_seen_at=EXAMPLE_AT - timedelta(hours=3),
    sessions=41,
    last_received_at=None,
    last_sent_at=None,
)
_ACCOUNT: Final = Subject(
    id=_EXAMPLE_ID,
    external_id="acme",
    name="Acme",
    status="subscribed",
    mrr=Decimal(250),
    traits={"name": "Acme", "plan": "pro", "mrr": 250, "ownerId": "user-1"},
    owner=_OWNER,
    roles={"csm": _CSM},
)
_INDICATOR: Final = {
    "indicator": {
        "id": ids.show("ind", _EXAMPLE_ID),
        "name": "Owner is quiet",
        "kind": "risk",
        "alertId": ids.show("alr", _EXAMPLE_ID),
        "activatedAt": EXAMPLE_AT,
        "assignee": {"id": ids.show("mem", _CSM.id), "name": _CSM.name, "email": _CSM.email},
    },
    "why": [
        {
            "field": "owner.lastSeenAt",
            "label": "Account Owner: Last Seen",
            "op": "moreThanDaysAgo",
            "value": 7,
            "saw": EXAMPLE_AT - timedelta(days=8),
            "holds": True,
        }
    ],
}
_DATA: Final[Mapping[str, Mapping[str, Any]]] = {
    "account.owner_changed": {
        "previousOwner": None,
        "newOwner": {"id": ids.show("usr", _OWNER.id), "externalId": _OWNER.external_id},
        "source": "trait",
        "reason": 'Trait "ownerId" names user "user-1".',
    },
    "indicator.activated": _INDICATOR,
    "indicator.resolved": _INDICATOR,
}


def example(event_type: str, *, event_id: UUID = _EXAMPLE_ID, at: datetime = EXAMPLE_AT) -> bytes:
    """A letter of this type about an invented account."""
    return letter(event_id, event_type, at, _ACCOUNT, _DATA.get(event_type, {}))
