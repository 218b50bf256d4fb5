"""The wire contract of organizations."""

from typing import Any, Literal

from pydantic import ConfigDict, Field

from app.api.schemas.accounts import Money, OrganizationId
from app.api.schemas.base import Instant, Page
from app.domain.wire import Wire
from app.intake.items import ExternalId, OrganizationFields, Timed


class OrganizationIn(OrganizationFields):
    """What you know of an organization. It is created when it is new."""

    external_id: ExternalId = Field(description="Your own id of the organization.")

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"externalId": "acme-group", "traits": {"name": "Acme Group"}}]}
    )


class OrganizationOut(Wire):
    """An organization, with figures over the accounts that belong to it now."""

    id: OrganizationId
    external_id: str
    name: str | None
    traits: dict[str, Any]
    accounts_count: int
    users_count: int = Field(description="Distinct users linked to it or to one of its accounts now.")
    mrr: Money | None = Field(description="The sum over its accounts; null when none of them has any.")
    first_seen_at: Instant | None = Field(description="The earliest event of its accounts, or that names it.")
    last_seen_at: Instant | None = Field(description="The latest event of its accounts, or that names it.")
    created_at: Instant
    updated_at: Instant


class OrganizationRecorded(Wire):
    """What became of the message, and the organization as it is now."""

    status: Literal["accepted", "duplicate"]
    message_id: str
    organization: OrganizationOut


class ParentIn(Timed):
    """The organization an account belongs to from now on; `null`: none."""

    organization_id: ExternalId | None = Field(description="Your own id of the organization. Created when it is new.")

    model_config = ConfigDict(json_schema_extra={"examples": [{"organizationId": "acme-group"}]})


OrganizationPage = Page[OrganizationOut]
