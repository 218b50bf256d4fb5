"""The wire contract of users."""

from typing import Any, Literal

from pydantic import ConfigDict, Field

from app.api.schemas.accounts import AccountBrief, OrganizationBrief, UserId
from app.api.schemas.base import Instant, Page
from app.domain.wire import Wire
from app.intake.items import MOST_ACCOUNTS, ExternalId, UserFields


class UserIn(UserFields):
    """What you know of a user. They are created when new, and so are the accounts and organizations named here."""

    external_id: ExternalId = Field(description="Your own id of the user.")
    accounts: list[ExternalId] = Field(
        default_factory=list, max_length=MOST_ACCOUNTS, description="Your ids of the accounts the user belongs to."
    )
    organizations: list[ExternalId] = Field(
        default_factory=list,
        max_length=MOST_ACCOUNTS,
        description="Your ids of the organizations the user belongs to itself.",
    )

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"externalId": "user-1", "accounts": ["acme"], "traits": {"email": "ada@acme.test"}}]
        }
    )


class UserOut(Wire):
    """A user at a customer."""

    id: UserId
    external_id: str
    name: str | None
    email: str | None
    traits: dict[str, Any]
    first_seen_at: Instant | None
    last_seen_at: Instant | None
    sessions: int = Field(description="Distinct UTC days on which the user was active.")
    last_received_message_at: Instant | None = Field(description="When the user last wrote to you.")
    last_sent_message_at: Instant | None = Field(description="When you last wrote to the user.")
    created_at: Instant
    updated_at: Instant


class UserDetail(UserOut):
    """A user with the accounts they belong to (the first 200), and the organizations they were linked to by name."""

    accounts: list[AccountBrief]
    organizations: list[OrganizationBrief]


class UserRecorded(Wire):
    """What became of the message, and the user as they are now."""

    status: Literal["accepted", "duplicate"]
    message_id: str
    user: UserDetail


UserPage = Page[UserOut]
