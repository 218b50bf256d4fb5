"""Promised work: one row per promise, kept until it is done or given up in the open."""

from sqlalchemy import BigInteger, CheckConstraint, Identity, Index, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Text

from app.domain.models.base import At, Base, Json, Key, Made, Ref, Str, owned_by_workspace


class Job(Base):
    __tablename__ = "jobs"
    __table_args__ = (
        owned_by_workspace(),
        CheckConstraint("state in ('ready', 'leased', 'held', 'done', 'dead', 'cancelled')", name="state"),
        CheckConstraint("(state = 'leased') = (lease_until is not null)", name="lease"),
        # A promise waiting to run absorbs its twins; a running one does not, so that no change is missed.
        Index(
            "uq_jobs_waiting",
            "workspace_id",
            "kind",
            "dedupe_key",
            unique=True,
            postgresql_where=text("state in ('ready', 'held')"),
        ),
        Index("ix_jobs_ready", "lane", "workspace_id", "run_at", "id", postgresql_where=text("state = 'ready'")),
        Index("ix_jobs_leased", "lease_until", postgresql_where=text("state = 'leased'")),
        Index("ix_jobs_finished", "finished_at", postgresql_where=text("state in ('done', 'cancelled')")),
        Index("ix_jobs_dead", "workspace_id", "id", postgresql_where=text("state = 'dead'")),
        {
            "postgresql_with": {
                "fillfactor": "70",
                "autovacuum_vacuum_scale_factor": "0.01",
                "autovacuum_vacuum_cost_delay": "0",
            }
        },
    )

    workspace_id: Mapped[Key]
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    kind: Mapped[Str]
    dedupe_key: Mapped[Str]
    lane: Mapped[int] = mapped_column(SmallInteger)
    state: Mapped[Str] = mapped_column(server_default="ready")
    run_at: Mapped[Made]
    attempt: Mapped[int] = mapped_column(server_default=text("0"))
    max_attempts: Mapped[int]
    crashes: Mapped[int] = mapped_column(server_default=text("0"))
    fence: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    worker: Mapped[str | None] = mapped_column(Text)
    lease_until: Mapped[At | None]
    payload: Mapped[Json]
    last_error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[Made]
    finished_at: Mapped[At | None]


class Reprocessing(Base):
    """A changed definition being applied to the whole workspace, slice by slice, with progress anyone can read."""

    __tablename__ = "reprocessings"
    __table_args__ = (
        owned_by_workspace(),
        CheckConstraint("state in ('waiting', 'running', 'done', 'superseded')", name="state"),
    )

    workspace_id: Mapped[Key]
    id: Mapped[Key]
    cause: Mapped[Str]  # such as `trait_map`, `owner_policy`, `indicator`
    subject: Mapped[Str] = mapped_column(server_default="accounts")
    state: Mapped[Str] = mapped_column(server_default="waiting")
    total: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    done: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    owners_changed: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    cursor: Mapped[Ref | None]
    created_at: Mapped[Made]
    finished_at: Mapped[At | None]
