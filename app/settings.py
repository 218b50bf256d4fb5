"""Every environment variable Steward reads, in one frozen class."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Read from `STEWARD_*`; refuses to run with a default secret outside the embedded mode."""

    model_config = SettingsConfigDict(env_prefix="STEWARD_", frozen=True, extra="ignore")

    database_url: str = Field("", description="PostgreSQL 15-18, `postgresql://…`; empty: the embedded server.")
    redis_url: str = Field(
        "", description="Redis 6.2+ or Valkey, `redis://…` or `unix://…`; empty: no bell, the pump alone."
    )
    database_pool: int = Field(16, ge=2, le=200, description="Connections per process.")
    secret_key: SecretStr = Field(
        SecretStr(""), description="Master key for secrets at rest, 32+ characters; `steward start` makes its own."
    )
    bell: Literal["arq", "none"] = Field(
        "arq", description="What shortens the wait for background work; the pump alone suffices."
    )
    host: str = Field("127.0.0.1", description="Address the API listens on.")
    port: int = Field(8080, ge=0, le=65535, description="Port the API listens on; 0 lets the system choose.")
    data_dir: Path = Field(Path(".steward"), description="Where `steward start` keeps PostgreSQL, Valkey and its keys.")
    public_url: str = Field("", description="The URL integrators see in OpenAPI; empty: relative.")
    max_body_bytes: int = Field(1024 * 1024, ge=1024, description="Largest request body; larger answers 413.")
    max_decompressed_bytes: int = Field(8 * 1024 * 1024, ge=1024, description="Largest body after gzip.")
    tracking_body_bytes: int = Field(
        4 * 1024 * 1024 + 512 * 1024,
        ge=1024,
        description="Largest body on `/v1`, `/rudderstack` and `/analytics`, as sent and after gzip.",
    )
    event_bytes: int = Field(
        32 * 1024,
        ge=1024,
        le=4 * 1024 * 1024,
        description="Largest single event on `/v1`, `/rudderstack` and `/analytics`.",
    )
    batch_events: int = Field(5_000, ge=1, le=20_000, description="Most events in one `/v1/batch`.")
    body_timeout_seconds: float = Field(
        30.0, gt=0, description="How long a client may take to send its body; then 408."
    )
    cors_origins: tuple[str, ...] = Field(
        ("*",), description="Sites whose pages may post to `/v1` (JSON list of origins); `*`: any."
    )
    requests_per_minute: int = Field(
        60_000, ge=1, le=100_000_000, description="Requests a minute per key, unless the key has a limit of its own."
    )
    request_burst: int = Field(
        0, ge=0, description="Requests a key may send at once; 0: a sixth of its minute, or 60 if that is more."
    )
    bodies_per_workspace: int = Field(
        256, ge=1, description="Requests with bodies in flight per workspace and process; then 429."
    )
    body_bytes_per_workspace: int = Field(
        64 * 1024 * 1024, ge=1024, description="Bytes of bodies held per workspace and process; then 429."
    )
    body_bytes: int = Field(256 * 1024 * 1024, ge=1024, description="Bytes of bodies held per process; then 503.")
    shed_after_seconds: float = Field(
        1.0, gt=0, description="How late a process may run before it refuses reads (503); four times it: everything."
    )
    audit_days: int = Field(400, ge=1, le=4000, description="How long the audit log is kept.")
    session_days: int = Field(30, ge=1, le=400, description="How long members stay signed in, at most.")
    session_idle_hours: int = Field(
        168, ge=1, le=9600, description="How long members stay signed in without doing anything."
    )
    rejected_days: int = Field(30, ge=1, le=400, description="How long refused messages are kept to be replayed.")
    rejected_rows: int = Field(
        10_000, ge=100, description="Refused messages kept per workspace; the oldest go first, and are counted."
    )
    rejected_bytes: int = Field(
        64 * 1024 * 1024, ge=1024 * 1024, description="Bytes of refused messages kept per workspace."
    )
    import_bytes: int = Field(1024**3, ge=1024, description="Largest file of one bulk import.")
    export_rows: int = Field(
        200_000, ge=1, le=1_048_575, description="Rows one exported report has at most; Excel's own limit is 1,048,575."
    )
    outbound_allow: tuple[str, ...] = Field(
        (), description="CIDRs or host names outbound calls may reach although private (JSON list)."
    )
    outbound_timeout_seconds: float = Field(20.0, gt=0, description="Total deadline of one outbound call.")
    inbox_messages: int = Field(
        1_000_000, ge=1, description="Messages one workspace's inbox holds before it takes no more (503)."
    )
    inbox_seconds: float = Field(
        300.0, gt=0, description="How long the oldest message of an inbox may wait before it takes no more (503)."
    )
    event_retention_months: int = Field(
        0, ge=0, le=1200, description="Whole months of events kept besides the current one, for all workspaces; 0: all."
    )
    receipt_days: int = Field(
        90, ge=7, le=36500, description="Days in which a message sent again under its id is known to be a repeat."
    )
    trait_history_days: int = Field(
        400, ge=0, le=36500, description="How long it can be asked what a trait was; 0: no history of traits is kept."
    )
    columns_from: int = Field(
        5_000, ge=1, description="Accounts from which on a workspace's reports are answered from columns in memory."
    )
    columns_bytes: int = Field(
        2 * 1024**3, ge=0, description="Memory the columns of all workspaces take in one web process; 0: none are kept."
    )
    columns_threads: int = Field(2, ge=1, le=64, description="Threads one question to the columns is answered with.")
    worker_concurrency: int = Field(32, ge=1, description="Jobs one worker process runs at a time.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe level written.")
    environment: Literal["live", "test"] = Field("live", description="Marks keys: `stw_live_…` or `stw_test_…`.")

    @model_validator(mode="after")
    def _secrets_are_real(self) -> Self:
        key = self.secret_key.get_secret_value()
        if self.database_url and not key:
            raise ValueError(
                "STEWARD_SECRET_KEY is required with STEWARD_DATABASE_URL: any 32+ random characters, kept safe"
            )
        if key and (len(key) < 32 or len(set(key)) < 8):
            raise ValueError("STEWARD_SECRET_KEY is too short or too regular: use 32+ random characters")
        return self
