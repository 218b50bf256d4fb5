"""The wire contract of the operators' routes."""

from typing import Literal

from pydantic import Field

from app.domain.wire import Wire


class Health(Wire):
    """The process answers."""

    status: Literal["ok"]


class Readiness(Wire):
    """Whether requests can be served, and what stands in the way."""

    status: Literal["ready", "degraded", "unready"]
    database: Literal["ok", "unreachable"]
    schema_revision: str | None = Field(description="The migration the database is at.")
    schema_wanted: str = Field(description="The migration this release was written for.")
    bell: Literal["ok", "unreachable", "none"] = Field(description="Redis; `none`: this deployment has no bell.")
