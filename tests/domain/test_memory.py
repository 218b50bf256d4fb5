"""What is stored already is not written again, and what is remembered has an end."""

from datetime import UTC, datetime
from uuid import uuid4

from app.domain import memory
from app.domain.folding import fold
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
