"""The wire contract of accounts."""

from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, PlainSerializer

from app.api.schemas.base import Instant, Page, WireId
from app.domain.wire import Wire
from app.intake.items import AccountFields, ExternalId

AccountId = Annotated[UUID, WireId("acc")]
UserId = Annotated[UUID, WireId("usr")]
MemberId = Annotated[UUID, WireId("mem")]
OrganizationId = Annotated[UUID, WireId("org")]

Money = Annotated[Decimal, PlainSerializer(float, return_type=float)]


class AccountIn(AccountFields):
    """What you know of an account. It is created when it is new."""

    external_id: ExternalId = Field(description="Your own id of the account.")

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"externalId": "acme", "traits": {"name": "Acme", "mrr": 250, "ownerId": "user-1"}}]
        }
    )


class UserRef(Wire):
    """A user, in short."""

    id: UserId
    external_id: str
    name: str | None
    email: str | None


class MemberRef(Wire):
    """Someone of your team, in short."""

    id: MemberId
    name: str
    email: str


class OrganizationBrief(Wire):
    """An organization, in short."""

    id: OrganizationId
    external_id: str
    name: str | None


class AccountOut(Wire):
    """An account with what Steward derived about it. `evaluatedAt` says how fresh the derived part is."""

    id: AccountId
    external_id: str
    name: str | None
    status: Literal["subscribed", "trial", "churned", "ignored"]
    mrr: Money | None
    traits: dict[str, Any]
    users: int = Field(description="Users linked to the account now.")
    events: int = Field(description="Product events ever received for the account.")
    first_seen_at: Instant | None
    last_seen_at: Instant | None
    owner: UserRef | None = Field(description="The customer-side user who pays; `GET …/owner` explains the choice.")
    owner_state: Literal["none", "resolved", "pending"]
    csm: MemberRef | None
    account_executive: MemberRef | None
    organization: OrganizationBrief | None = Field(description="The organization it belongs to now.")
    created_at: Instant
    updated_at: Instant
    evaluated_at: Instant | None


class AccountRecorded(Wire):
    """What became of the message, and the account as it is now."""

    status: Literal["accepted", "duplicate"]
    message_id: str
    account: AccountOut


class AccountBrief(Wire):
    """An account, in short."""

    id: AccountId
    external_id: str
    name: str | None


AccountPage = Page[AccountOut]
