"""Users and organizations with awkward values; a part of them was never evaluated or never seen."""

import json
from decimal import Decimal

from app.db.base import raw
from app.domain.ids import new_id
from tests.db.populations import INSTANTS, NOW, WORDS

PEOPLE = 300


async def people_and_parents(db, workspace_id, rng):
    """Write as many users as organizations, as ingestion and evaluation would have left them."""
    connection = await raw(db)
    for table in ("users", "organizations"):
        ids = [new_id() for _ in range(PEOPLE)]
        await connection.executemany(
            f"insert into {table} (workspace_id, id, external_id, traits, created_at) values ($1, $2, $3, $4, $5)",
            [
                (workspace_id, id_, f"{rng.choice(WORDS)}-{ix}", _traits(rng), rng.choice(INSTANTS) or NOW)
                for ix, id_ in enumerate(ids)
            ],
        )
        await (_seen if table == "users" else _summed)(connection, workspace_id, ids, rng)


def _traits(rng):
    return json.dumps({key: rng.choice(WORDS) for key in ("name", "email") if rng.random() < 0.7})


async def _seen(connection, workspace_id, ids, rng):
    await connection.executemany(
        "insert into user_activity (workspace_id, user_id, first_seen_at, last_seen_at, sessions, last_sent_at)"
        " values ($1, $2, $3, $4, $5, $6)",
        [
            (workspace_id, id_, rng.choice(INSTANTS), rng.choice(INSTANTS), rng.choice([0, 1, 7]), rng.choice(INSTANTS))
            for id_ in ids
            if rng.random() < 0.7
        ],
    )
    await connection.executemany(
        "insert into user_facts (workspace_id, user_id, status, deactivated_at) values ($1, $2, $3, $4)",
        [
            (workspace_id, id_, rng.choice(["active", "deactivated"]), rng.choice(INSTANTS))
            for id_ in ids
            if rng.random() < 0.5
        ],
    )


async def _summed(connection, workspace_id, ids, rng):
    await connection.executemany(
        "insert into organization_facts (workspace_id, organization_id, status, mrr, accounts, users, last_seen_at)"
        " values ($1, $2, $3, $4, $5, $6, $7)",
        [
            (
                workspace_id,
                id_,
                rng.choice(["subscribed", "trial", "churned"]),
                rng.choice([None, Decimal(0), Decimal("7.50"), Decimal(100)]),
                rng.choice([0, 1, 9]),
                rng.choice([0, 3]),
                rng.choice(INSTANTS),
            )
            for id_ in ids
            if rng.random() < 0.6
        ],
    )
