"""Accounts with awkward values, as rows of the database and as the facts the Python engine reads."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from app.db.base import raw
from app.domain.ids import new_id

NOW = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
TICK = timedelta(microseconds=1)
DAYS = (0, 1, 2, 7, 30)
INSTANTS = [
    None,
    *(
        NOW + timedelta(days=sign * days) + tick
        for days in DAYS
        for sign in (-1, 1)
        for tick in (-TICK, 0 * TICK, TICK)
    ),
    datetime(2026, 3, 22, tzinfo=UTC),
    datetime(2026, 3, 23, tzinfo=UTC) - TICK,
    datetime(1999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
]
WORDS = [
    "Acme",
    "ACME",
    "acme corp",
    "100%",
    "a_b",
    "a\\b",
    "É",
    "é",
    "İstanbul",
    "istanbul",
    "ΟΔΟΣ",
    "οδος",
    "ß",
    "",
    "7",
]
NUMBERS = [
    Decimal(0),
    Decimal(7),
    Decimal("7.00"),
    Decimal("99.99"),
    Decimal(100),
    Decimal(-5),
    Decimal(10) ** 20,
]
TRAITS = [
    *WORDS,
    *(7, 7.0, 1.5, -0.0, 1e-7, 1e22, 12345678901234567890, True, False, None, [], ["Acme"], {"a": 1}),
    *(["ACME", "é", 7], [7.0, 1e-7, True, None], [[1], {"a": 1}, None], [""], ["7", "acme corp", "Acme"], [1e22]),
    *("7", " 7 ", "7.0", "+7", "1e5", "0x7", "٣", "\u20037", "true", "TRUE", "False", "null"),
    *(
        "2026-03-22",
        "2026-03-22T01:30:00Z",
        "2026-03-22 01:30",
        "2026-03-22T03:30:00+02:00",
        "2026-03-22T01:30:00.0000005Z",
    ),
    *(
        "2026-03-22T24:00:00Z",
        "2026-03-22T23:59:60Z",
        "2026-03-22T23:59:60.5Z",
        "2026-02-30",
        "2026-13-01",
        "0000-01-01",
    ),
    *("9999-12-31T23:59:59-15:00", "0001-01-01T00:00+15:59", "2026-03-22T01:30:00.9999999", "2026-03-22T01:30+16:00"),
    *("9999-12-31T23:59:59-10:00", "9999-12-31T24:00:00Z", "9999-12-31T23:59:59.9999999Z", "0001-01-01T00:00:00+10:00"),
    *("20260322", "2026-03-22T01", "2026-03-22Z", "\u0661999-01-01", "2026-03-22\n"),
]
KEYS = ["plan", "seats", "renewsAt", "vitally.custom.nextSteps"]
MEMBERS = [new_id() for _ in range(3)]
COLUMNS = {
    "status": ["subscribed", "trial", "churned", "ignored"],
    "mrr": [None, *NUMBERS],
    "users": [0, 1, 7],
    "events": [0, 7, 2**40],
    "first_seen_at": INSTANTS,
    "last_seen_at": INSTANTS,
    "csm_id": [None, *MEMBERS],
    "account_executive_id": [None, *MEMBERS],
    "organization_external_id": [None, *WORDS],
    "owner_external_id": [None, *WORDS],
    "owner_name": [None, *WORDS],
    "owner_email": [None, "Ann@Example.com", "bob@example.com"],
    "owner_joined_at": INSTANTS,
    "owner_last_seen_at": INSTANTS,
    "owner_sessions": [None, 0, 7, 8],
    "owner_last_received_at": INSTANTS,
    "owner_last_sent_at": INSTANTS,
    "owner_state": ["none", "resolved", "pending"],
    "owner_source": [None, "auto_first_user", "trait", "manual", "api"],
    "owner_pending": [None, *WORDS],
    "owner_since": INSTANTS,
}


def draw(random, count):
    """Accounts as (id, external id, created at, traits, facts columns)."""
    accounts = []
    for ix in range(count):
        traits = {key: random.choice(TRAITS) for key in KEYS if random.random() < 0.8}
        if name := random.choice([None, *WORDS]):
            traits["name"] = name
        columns = {column: random.choice(values) for column, values in COLUMNS.items()}
        created_at = random.choice([at for at in INSTANTS if at])
        accounts.append((new_id(), f"{random.choice(WORDS)}-{ix}", created_at, traits, columns))
    return accounts


async def store(db, workspace_id: UUID, accounts):
    """Write the accounts as ingestion and evaluation would have left them."""
    connection = await raw(db)
    await connection.executemany(
        "insert into accounts (workspace_id, id, external_id, traits, created_at) values ($1, $2, $3, $4, $5)",
        [(workspace_id, id_, external, json.dumps(traits), at) for id_, external, at, traits, _ in accounts],
    )
    names = list(COLUMNS)
    places = ", ".join(f"${ix + 3}" for ix in range(len(names)))
    await connection.executemany(
        f"insert into account_facts (workspace_id, account_id, {', '.join(names)}) values ($1, $2, {places})",
        [(workspace_id, id_, *(columns[name] for name in names)) for id_, _, _, _, columns in accounts],
    )
