"""The wire contract of key roles."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from app.api.schemas.accounts import MemberRef
from app.api.schemas.base import Instant
from app.domain.wire import Wire

RoleName = Literal["csm", "accountExecutive"]


class KeyRoleIn(Wire):
    """Who shall hold the role."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"member": "dana@example.com"}]})

    member: Annotated[str, Field(min_length=1, max_length=320)] = Field(description="`mem_…` or an e-mail address.")


class KeyRoleOut(Wire):
    """Who holds a role at an account."""

    role: RoleName
    member: MemberRef
    source: str
    assigned_at: Instant


class KeyRolesOut(Wire):
    """The roles held at an account."""

    data: list[KeyRoleOut]
