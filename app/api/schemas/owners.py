"""The wire contract of account owners: who, why, and since when."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from app.api.schemas.accounts import AccountId, UserId, UserRef
from app.api.schemas.base import Instant, Name, Page, WireId
from app.domain.wire import Wire
from app.intake.items import ExternalId

OwnerChangeId = Annotated[UUID, WireId("och")]
SourceName = Literal["auto_first_user", "trait", "manual", "api"]
StateName = Literal["none", "resolved", "pending"]
VerdictName = Literal["decides", "pending", "cleared", "left", "void", "ended"]


class OwnerOut(Wire):
    """The user who owns an account, with what reports show of owners."""

    id: UserId
    external_id: str
    name: str | None
    email: str | None
    joined_at: Instant | None = Field(description="The user's `createdAt` trait, else the first activity.")
    last_seen_at: Instant | None
    sessions: int = Field(description="Days on which the user was active.")
    last_received_message_at: Instant | None = Field(description="Needs conversation tracking.")
    last_sent_message_at: Instant | None = Field(description="Needs conversation tracking.")


class OwnerTrait(Wire):
    """What the mapped trait says."""

    key: str
    value_seen: str | None = Field(description="Its newest value, as text; null when it is cleared or was never sent.")
    seen_at: Instant | None = Field(description="Since when it has said so; null when it was never sent.")


class OwnerStep(Wire):
    """One entry the rule looked at, newest first, and what it made of it."""

    kind: Literal["claim", "choice", "policy"]
    at: Instant | None
    value: str | None
    verdict: VerdictName
    because: str


class OwnerExplained(Wire):
    """An account's owner and the whole reasoning behind it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "accountId": "acc_0190f3c2a1b27c3d8e4f5a6b7c8d9e0f",
                    "owner": None,
                    "state": "pending",
                    "source": None,
                    "since": None,
                    "pendingValue": "user-9",
                    "trait": {"key": "ownerId", "valueSeen": "user-9", "seenAt": "2026-01-31T09:30:00Z"},
                    "rule": "Nothing decides, and by default an account has no owner.",
                    "settling": False,
                    "steps": [
                        {
                            "kind": "claim",
                            "at": "2026-01-31T09:30:00Z",
                            "value": "user-9",
                            "verdict": "pending",
                            "because": 'Trait "ownerId" names "user-9", a user not known yet: kept as pending.',
                        },
                        {
                            "kind": "policy",
                            "at": None,
                            "value": None,
                            "verdict": "decides",
                            "because": "Nothing decides, and by default an account has no owner.",
                        },
                    ],
                }
            ]
        }
    )

    account_id: AccountId
    owner: OwnerOut | None
    state: StateName = Field(description="`pending`: the trait names someone who is not linked to the account (yet).")
    source: SourceName | None = Field(description="What decided; with `owner` null: who decided that nobody owns it.")
    since: Instant | None
    pending_value: str | None = Field(description="The value of the trait that waits for its user.")
    trait: OwnerTrait | None = Field(description="Null while no trait is mapped as account owner.")
    rule: str = Field(description="What decided, in a sentence.")
    settling: bool = Field(description="Newer data is in: the rule says otherwise than `owner`, which follows shortly.")
    steps: list[OwnerStep]


class OwnerChoiceIn(Wire):
    """Who shall own the account."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"user": "user-1"}, {"user": None}]})

    user: ExternalId | None = Field(description="The user's id or external id; null: nobody, whatever the policy says.")
    source: Literal["api", "manual"] = Field("api", description="`manual`: a person decided, in a tool of yours.")
    by: Name | None = Field(None, description="Who decided, for the record. By default the key.")


class OwnerChangeOut(Wire):
    """One change of an account's owner."""

    id: OwnerChangeId
    changed_at: Instant
    from_: UserRef | None = Field(alias="from")
    to: UserRef | None
    source: SourceName | None
    reason: str
    trait_key: str | None
    trait_value: str | None


OwnerChangePage = Page[OwnerChangeOut]
