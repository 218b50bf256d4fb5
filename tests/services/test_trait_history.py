"""What a trait was at any moment is what a plain reading of all messages says, thinned or not, in whatever order."""

from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.db import trait_history
from app.domain.fields import Subject
from app.domain.memory import Memory
from app.domain.messages import AccountMessage, Envelope
from app.services import ingest, trait_records
from tests.conftest import open_workspace

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
STEP = timedelta(hours=1)
values = st.sampled_from([None, "a", "b", 1])
traits = st.fixed_dictionaries({}, optional={"plan": values, "seats": values}).filter(bool)


def reference(messages, at):
    """The latest word on each trait that is not after `at`."""
    said = {}
    for message in sorted(messages, key=lambda one: one.at):
        if message.at <= at:
            said |= message.traits
    return {key: value for key, value in said.items() if value is not None}


async def as_told(database, workspace_id, moments):
    async with database.transaction(workspace_id) as db:
        shown = [await trait_records.show(db, workspace_id, Subject.ACCOUNTS, "acme", at) for at in moments]
    return [one["traits"] for one in shown]


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(told=st.lists(traits, min_size=1, max_size=12), data=st.data())
async def test_as_of_is_what_a_plain_reading_says(database, told, data):
    workspace_id = await open_workspace(database)
    messages = [AccountMessage(NOW - STEP * n, "acme", one) for n, one in enumerate(told)]
    for message in data.draw(st.permutations(messages)):
        async with database.transaction(workspace_id) as db:
            await ingest.record(db, workspace_id, [Envelope((message,), None, 0)], Memory(), now=NOW)
    moments = [NOW - STEP * n / 2 for n in range(-1, 2 * len(told) + 2)]
    expected = [reference(messages, at) for at in moments]

    whole = await as_told(database, workspace_id, moments)
    keep = data.draw(st.integers(0, len(told)))
    oldest = NOW - STEP * keep
    async with database.pump_transaction() as db:
        beyond = await trait_history.pages(db)
        await trait_history.thin(db, first=0, beyond=beyond, oldest=oldest, now=NOW + timedelta(days=2))
    thinned = await as_told(database, workspace_id, moments)

    assert whole == expected
    assert [one for at, one in zip(moments, thinned, strict=True) if at >= oldest] == [
        one for at, one in zip(moments, expected, strict=True) if at >= oldest
    ]
    async with database.transaction(workspace_id) as db:
        kept = await db.scalar(text("select count(*) from trait_history"))
    assert kept <= len(told)
