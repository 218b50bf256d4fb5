"""Requests that wait together are stored together; what fails together is tried apart."""

import asyncio
from datetime import UTC, datetime

import pytest

from app.api import group_commit
from app.api.group_commit import FLUSHERS, GroupCommit, Overloaded
from app.db import base
from app.domain.memory import Memory
from app.domain.messages import ACCEPTED, Envelope, EventMessage

NOW = datetime(2026, 6, 1, tzinfo=UTC)
REQUESTS = 40


def event(number):
    return Envelope((EventMessage(NOW, "Signed In", f"account-{number}", None, b"{}"),), f"e-{number}", number)


async def test_requests_that_wait_share_a_transaction_and_each_gets_its_own_answer(database, workspace, monkeypatch):
    real, sizes = group_commit.ingest.record, []

    async def counted(db, workspace_id, envelopes, memory, *, now):
        sizes.append(len(envelopes))
        return await real(db, workspace_id, envelopes, memory, now=now)

    monkeypatch.setattr(group_commit.ingest, "record", counted)
    commits = GroupCommit(database, Memory(), now=lambda: NOW, wake=lambda: None)
    answers = await asyncio.gather(*(commits.record(workspace, [event(n), event(n)]) for n in range(REQUESTS)))

    assert [[verdict.status for verdict in answer] for answer in answers] == [["accepted", "duplicate"]] * REQUESTS
    assert sum(sizes) == 2 * REQUESTS
    assert len(sizes) <= FLUSHERS + 2


async def test_the_poison_of_one_request_is_that_requests_alone(database, workspace, monkeypatch):
    real = group_commit.ingest.record

    async def choosy(db, workspace_id, envelopes, memory, *, now):
        if any(envelope.message_id == "e-7" for envelope in envelopes):
            raise ValueError("poison")
        return await real(db, workspace_id, envelopes, memory, now=now)

    monkeypatch.setattr(group_commit.ingest, "record", choosy)
    commits = GroupCommit(database, Memory(), now=lambda: NOW, wake=lambda: None)
    answers = await asyncio.gather(
        *(commits.record(workspace, [event(n)]) for n in range(REQUESTS)), return_exceptions=True
    )

    assert isinstance(answers[7], ValueError)
    assert [answer for n, answer in enumerate(answers) if n != 7] == [[ACCEPTED]] * (REQUESTS - 1)


async def test_a_race_lost_again_and_again_is_the_senders_to_repeat(database, workspace, monkeypatch):
    class Deadlock(Exception):
        sqlstate = "40P01"

    async def loses(*_args, **_kwargs):
        raise Deadlock

    assert base.may_run_again(Deadlock())
    monkeypatch.setattr(group_commit.ingest, "record", loses)
    commits = GroupCommit(database, Memory(), now=lambda: NOW, wake=lambda: None)
    with pytest.raises(Overloaded):
        await commits.record(workspace, [event(1)])
