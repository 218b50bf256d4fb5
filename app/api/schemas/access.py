"""The wire contract of data-access groups."""

from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field

from app.api.schemas.base import Instant, Name, Page, WireId
from app.domain.wire import Wire

GroupId = Annotated[UUID, WireId("grp")]


class GroupIn(Wire):
    """What a group is called."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Public sector"}]})

    name: Name


class GroupOut(Wire):
    """Those who may see what is restricted to them."""

    id: GroupId
    name: str
    members: int
    accounts: int = Field(description="Accounts that are restricted themselves.")
    organizations: int = Field(description="Organizations that are restricted with all their accounts.")
    created_at: Instant


class GroupedOut(Wire):
    """A member, an account or an organization of a group."""

    id: str = Field(description="`mem_…`, `acc_…` or `org_…`.")
    name: str | None
    email: str | None = Field(None, description="Of a member.")
    external_id: str | None = Field(None, description="Of an account or an organization.")


GroupPage = Page[GroupOut]
GroupedPage = Page[GroupedOut]
