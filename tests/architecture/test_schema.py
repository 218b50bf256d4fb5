"""Every table keeps the rules that hold workspaces apart and let the schema be spread over machines one day."""

import pytest
from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from app.domain.models import Base
from app.domain.models.base import NAMING

GLOBAL = {
    "workspaces": "is the workspace",
    "key_secrets": "finds the workspace behind a key, before it is known",
    "member_lookups": "finds the workspace behind a session, an invitation or an address, before it is known",
}
NOT_LED_BY_WORKSPACE = {
    "ix_jobs_ready": "the pump claims a lane's due work, workspace by workspace",
    "ix_jobs_leased": "the sweeper finds lapsed leases, whoever's they are",
    "ix_jobs_finished": "housekeeping deletes what ended long ago, whoever's it was",
    "ix_events_received_at": "a block range index for operators and retention, never for a customer's query",
}
LONGEST_NAME = 63  # PostgreSQL cuts off what is longer, silently

TABLES = Base.metadata.sorted_tables
OWNED = [table for table in TABLES if table.name not in GLOBAL]


def unled(table):
    """Keys, references and indexes of a workspace's table that do not begin with the workspace."""
    found = []
    for part in [table.primary_key, *table.constraints, *table.indexes]:
        if isinstance(part, CheckConstraint):
            continue
        first = next(iter(part.expressions if isinstance(part, Index) else part.columns), None)
        if getattr(first, "name", None) != "workspace_id":
            found.append(part.name)
    return sorted(set(found))


def strays(table):
    """References that could lead into another workspace."""
    return [
        reference.name
        for reference in table.foreign_key_constraints
        if reference.elements[0].target_fullname
        != ("workspaces.id" if len(reference.elements) == 1 else f"{reference.referred_table.name}.workspace_id")
    ]


def forgetful(table):
    """References that set columns to null, which a key that leads with the workspace cannot survive."""
    return [
        reference.name
        for reference in table.foreign_key_constraints
        if (reference.ondelete or "").lower() == "set null"
    ]


def misnamed(table):
    """Constraints and indexes whose name is cut off, or does not begin as the convention says."""
    begins = {CheckConstraint: f"ck_{table.name}_", UniqueConstraint: f"uq_{table.name}_"}
    names = [(part.name, begins.get(type(part))) for part in table.constraints]
    names += [(index.name, f"{'uq' if index.unique else 'ix'}_{table.name}_") for index in table.indexes]
    for reference in table.foreign_key_constraints:
        columns = "_".join(reference.column_keys)
        names.append((reference.name, f"fk_{table.name}_{columns}_{reference.referred_table.name}"[:LONGEST_NAME]))
    names.append((table.primary_key.name, f"pk_{table.name}"))
    return [name for name, begin in names if len(name) > LONGEST_NAME or not name.startswith(begin or "")]


def lax(table):
    """Columns without a time zone, and text with a length that is expensive to change."""
    return [
        column.name
        for column in table.columns
        if (isinstance(column.type, DateTime) and not column.type.timezone)
        or (isinstance(column.type, String) and column.type.length)
    ]


def test_the_exceptions_exist():
    indexes = {index.name for table in TABLES for index in table.indexes}
    assert {table.name for table in TABLES} >= GLOBAL.keys()
    assert indexes >= NOT_LED_BY_WORKSPACE.keys()


@pytest.mark.parametrize("table", OWNED, ids=lambda table: table.name)
def test_a_workspaces_table_leads_with_the_workspace(table):
    assert [name for name in unled(table) if name not in NOT_LED_BY_WORKSPACE] == []


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_references_stay_in_the_workspace(table):
    assert strays(table) == []
    assert forgetful(table) == []


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_names_follow_the_convention(table):
    assert misnamed(table) == []


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_times_have_a_zone_and_text_has_no_length(table):
    assert lax(table) == []


class TestTheRulesAreSeenToFail:
    @pytest.fixture
    def bad(self):
        metadata = MetaData(naming_convention=NAMING)
        Table("others", metadata, Column("id", Uuid, primary_key=True))
        return Table(
            "bads",
            metadata,
            Column("id", Uuid, primary_key=True),
            Column("workspace_id", Uuid),
            Column("other_id", Uuid),
            Column("name", String(20)),
            Column("at", DateTime()),
            Column("note", Text),
            ForeignKeyConstraint(["other_id"], ["others.id"], ondelete="SET NULL", name="others"),
            UniqueConstraint("name"),
            Index("by_note", "note"),
        )

    def test_keys_without_a_workspace(self, bad):
        assert unled(bad) == ["by_note", "others", "pk_bads", "uq_bads_name"]

    def test_a_reference_that_may_leave(self, bad):
        assert strays(bad) == ["others"]
        assert forgetful(bad) == ["others"]

    def test_names_of_ones_own(self, bad):
        assert sorted(misnamed(bad)) == ["by_note", "others"]

    def test_times_without_a_zone(self, bad):
        assert lax(bad) == ["name", "at"]
