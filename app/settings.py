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
    body_timeout_seconds: float = Field(
        30.0, gt=0, description="How long a client may take to send its body; then 408."
    )
    outbound_allow: tuple[str, ...] = Field(
        (), description="CIDRs or host names outbound calls may reach although private (JSON list)."
    )
    outbound_timeout_seconds: float = Field(20.0, gt=0, description="Total deadline of one outbound call.")
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
