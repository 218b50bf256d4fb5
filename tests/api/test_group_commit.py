"""Sharing a flush between two transactions never makes one message count twice."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from app.api import group_commit
from app.api.group_commit import WORTH_SHARING, GroupCommit, Overloaded
from app.db import base
from app.domain.memory import Memory
from app.domain.messages import ACCEPTED, AccountMessage, Envelope, EventMessage

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def events(*, named):
    return [
        Envelope((EventMessage(NOW, "Signed In", f"account-{n}", None, b"{}"),), f"e-{n}" if named else None, n)
        for n in range(WORTH_SHARING)
    ]


def accounts():
    return [Envelope((AccountMessage(NOW, f"account-{n}", {}),), None, n) for n in range(WORTH_SHARING)]


@pytest.mark.parametrize(
    ("envelopes", "transactions"), [(events(named=True), 2), (events(named=False), 1), (accounts(), 2)]
)
async def test_events_without_an_id_share_no_flush(database, monkeypatch, envelopes, transactions):
    written = []

    async def commit(_self, _workspace_id, some):
        written.append(len(some))
        return [ACCEPTED] * len(some)

    monkeypatch.setattr(GroupCommit, "_commit", commit)
    commits = GroupCommit(database, Memory(), now=lambda: NOW, wake=lambda: None)
    verdicts = await commits.record(uuid4(), envelopes)

    assert verdicts == [ACCEPTED] * WORTH_SHARING
    assert len(written) == transactions
    assert sum(written) == WORTH_SHARING


async def test_a_race_lost_again_and_again_is_the_senders_to_repeat(database, workspace, monkeypatch):
    class Deadlock(Exception):
        sqlstate = "40P01"

    async def loses(*_args, **_kwargs):
        raise Deadlock

    assert base.may_run_again(Deadlock())
    monkeypatch.setattr(group_commit.ingest, "record", loses)
    commits = GroupCommit(database, Memory(), now=lambda: NOW, wake=lambda: None)
    with pytest.raises(Overloaded):
        await commits.record(workspace, events(named=True)[:1])
