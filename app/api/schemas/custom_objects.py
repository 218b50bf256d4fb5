"""The wire contract of custom objects."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from app.api.schemas.accounts import AccountBrief, OrganizationBrief
from app.api.schemas.base import Instant, Page, WireId
from app.domain.wire import Wire

InstanceId = Annotated[UUID, WireId("ins")]


class CustomObjectOut(Wire):
    """A custom object: it exists by having instances."""

    custom_object: str = Field(description="Its name, as the instances give it.")
    instances: int


class InstanceOut(Wire):
    """An instance of a custom object."""

    id: InstanceId
    custom_object: str
    external_id: str
    name: str | None
    account: AccountBrief | None
    organization: OrganizationBrief | None
    traits: dict[str, Any]
    created_at: Instant
    updated_at: Instant


CustomObjectPage = Page[CustomObjectOut]
InstancePage = Page[InstanceOut]
