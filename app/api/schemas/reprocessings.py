"""The wire contract of reprocessings: changed definitions on their way through all records of a kind."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from app.api.schemas.base import Instant, Page, WireId
from app.domain.wire import Wire

ReprocessingId = Annotated[UUID, WireId("rep")]


class ReprocessingOut(Wire):
    """A changed definition being applied to every account, user or organization."""

    id: ReprocessingId
    cause: str = Field(description="What changed, such as `trait_map` or `owner_policy`.", examples=["trait_map"])
    subject: Literal["accounts", "users", "organizations"] = Field("accounts", description="What it goes through.")
    state: Literal["waiting", "running", "done", "superseded"] = Field(
        description="`superseded`: a newer one with the same cause does its work too."
    )
    total: int = Field(description="Records to go through.")
    done: int = Field(description="Records gone through so far.")
    progress: float = Field(description="`done` as a share of `total`, from 0 to 1.", ge=0, le=1)
    owners_changed: int = Field(description="Accounts that got another owner by it so far.")
    created_at: Instant
    finished_at: Instant | None


ReprocessingPage = Page[ReprocessingOut]
