"""The wire contract of members: the workspace's own staff."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from app.api.schemas.accounts import MemberId
from app.api.schemas.base import Instant, Name, Page
from app.domain.wire import Wire


def _email(value: str) -> str:
    local, at, host = value.strip().rpartition("@")
    if not (local and at and host) or any(ord(character) <= 32 or ord(character) == 127 for character in value.strip()):
        raise ValueError("must be an e-mail address")
    return value.strip()


Email = Annotated[str, AfterValidator(_email), Field(min_length=3, max_length=320, examples=["dana@example.com"])]


RoleName = Literal["admin", "leader", "team_member", "observer"]
ROLE = "What they may do once they sign in; see the table in the documentation of the team."


class MemberIn(Wire):
    """Someone of your team."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"email": "dana@example.com", "name": "Dana Reyes"}]})

    email: Email
    name: Name
    role: RoleName = Field("team_member", description=ROLE)


class MemberPatch(Wire):
    """What to correct; what is left out stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Dana Reyes-Okafor"}]})

    email: Email | None = None
    name: Name | None = None
    role: RoleName | None = Field(None, description=ROLE)

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.email is None and self.name is None and self.role is None:
            raise ValueError("must change something")
        return self


class MemberOut(Wire):
    """Someone of your team."""

    id: MemberId
    email: str
    name: str
    role: RoleName
    status: Literal["active", "invited", "deactivated"] = Field(
        description="`invited`: asked to sign in, and did not yet. Somebody who was never asked is `active`."
    )
    signs_in: bool = Field(description="Whether they have a password.")
    created_at: Instant
    deactivated_at: Instant | None = Field(description="Since when this person is no longer part of the team.")


MemberPage = Page[MemberOut]
