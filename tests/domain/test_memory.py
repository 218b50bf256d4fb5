"""What is stored already is not written again, and what is remembered has an end."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from app.domain import memory
from app.domain.folding import fold
from app.domain.matching import Matchers
from app.domain.memory import Memory
from app.domain.messages import EventMessage

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def visit(number=1):
    return fold([EventMessage(NOW, "Signed In", "acme", f"user-{number}", b"{}")], owner_trait=None)


def left(known, workspace, batch):
    known.reduce(workspace, batch)
    return len(batch.links), len(batch.days)


def test_a_link_and_a_day_are_written_once_per_workspace():
    known, workspace = Memory(), uuid4()
    known.learn(workspace, visit())

    assert left(known, workspace, visit()) == (0, 0)
    assert left(known, workspace, visit(2)) == (1, 1)
    assert left(known, uuid4(), visit()) == (1, 1)


def test_many_small_workspaces_fill_no_more_than_one_process_has(monkeypatch):
    monkeypatch.setattr(memory, "MOST_IN_ALL", 10)
    known, workspaces = Memory(), [uuid4() for _ in range(20)]
    for workspace in workspaces:
        known.learn(workspace, visit())

    kept = [workspace for workspace in workspaces if left(known, workspace, visit()) == (0, 0)]
    assert workspaces[-1] in kept
    assert len(kept) <= 5


def test_ids_are_known_until_somebody_is_deleted():
    known, workspace = Memory(), uuid4()
    stored = visit()
    stored.account_ids, stored.user_ids = {"acme": "a-id"}, {"user-1": "u-id"}
    known.learn(workspace, stored)
    again = visit()
    known.reduce(workspace, again)
    assert (again.account_ids, again.user_ids) == ({"acme": "a-id"}, {"user-1": "u-id"})

    known.trust(workspace, erasures=1)
    after = visit()
    known.reduce(workspace, after)
    assert (after.account_ids, after.user_ids, len(after.links)) == ({}, {}, 1)


def test_a_commit_that_is_noted_after_a_deletion_teaches_nothing():
    known, workspace = Memory(), uuid4()
    known.trust(workspace, erasures=1)
    late = visit()
    late.user_ids = {"user-1": "gone"}
    known.learn(workspace, late)

    fresh = visit()
    known.reduce(workspace, fresh)
    assert fresh.user_ids == {}


def test_the_measure_of_a_name_is_known_until_somebody_is_deleted_and_a_later_day_is_news():
    known, workspace = Memory(), uuid4()
    stored = visit()
    stored.measure_ids = {"Signed In": "7", "Beyond the most": ""}
    known.learn(workspace, stored)
    again = visit()
    again.links["acme", "user-1"].active_on = NOW.date() + timedelta(days=1)
    known.reduce(workspace, again)
    assert (again.measure_ids, len(again.links)) == ({"Signed In": "7"}, 1)

    known.trust(workspace, erasures=1)
    after = visit()
    known.reduce(workspace, after)
    assert after.measure_ids == {}


def test_what_is_looked_for_is_remembered_as_of_a_version():
    known, workspace = Memory(), uuid4()
    known.attend(workspace, Matchers(3))
    assert known.matchers(workspace, 3) == Matchers(3)
    assert known.matchers(workspace, 4) is None
    assert known.matchers(uuid4(), 3) is None
