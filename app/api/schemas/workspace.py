"""The wire contract of the workspace's settings."""

from typing import Literal

from pydantic import ConfigDict, Field

from app.api.schemas.base import Instant, Name
from app.api.schemas.keys import WorkspaceId
from app.domain.wire import Wire

Policy = Literal["none", "first_user"]


class WorkspaceOut(Wire):
    """The workspace and the settings that shape its rules."""

    id: WorkspaceId
    slug: str
    name: str
    owner_default_policy: Policy = Field(
        description="Who owns an account whose traits name nobody: nobody, or the first user linked to it."
    )
    conversation_tracking: bool = Field(
        description="Whether `$message.received` and `$message.sent` events show in the facts about owners."
    )
    event_retention_days: int | None = Field(
        description="Events older than this are deleted, whatever comes of them stays; null: none are for their age."
    )
    seats: int | None = Field(description="How many members besides observers may sign in; null: any number.")
    created_at: Instant


class WorkspacePatch(Wire):
    """What to change; what is left out stays. Changed rules are applied to all accounts in the background."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"ownerDefaultPolicy": "first_user"}]})

    name: Name | None = None
    owner_default_policy: Policy | None = None
    conversation_tracking: bool | None = None
    event_retention_days: int | None = Field(
        None, ge=1, le=36_500, description="Delete events older than this, from now on; null: none for their age."
    )
    seats: int | None = Field(
        None, ge=1, le=1_000_000, description="How many members besides observers may sign in; null: any number."
    )


class WorkspaceDeletion(Wire):
    """The confirmation that this workspace is meant."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"slug": "demo"}]})

    slug: str = Field(max_length=63, description="The short name of the key's own workspace.")
