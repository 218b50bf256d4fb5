"""The wire contract of signing in, of invitations and of sessions."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from app.api.schemas.accounts import MemberId
from app.api.schemas.base import Instant, Name, Page, WireId
from app.api.schemas.keys import WorkspaceRef
from app.api.schemas.members import Email, MemberOut, RoleName
from app.domain.passwords import LONGEST, SHORTEST
from app.domain.wire import Wire

SessionId = Annotated[UUID, WireId("ses")]
InvitationId = Annotated[UUID, WireId("inv")]
Password = Annotated[str, Field(min_length=1, max_length=LONGEST)]
NewPassword = Annotated[
    str,
    Field(
        min_length=1,
        max_length=LONGEST,
        description=f"{SHORTEST} characters or more, and none of those that everybody tries first.",
    ),
]
InCookie = Annotated[
    bool,
    Field(
        description="For browsers: keep the secret in a cookie that no script can read, instead of showing it. Writes "
        "then carry the header `Steward-Client`, whatever it says."
    ),
]


class SessionIn(Wire):
    """Who you are."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"email": "dana@example.com", "password": "seven green umbrellas"}]}
    )

    email: Email
    password: Password
    workspace: str | None = Field(None, max_length=63, description="Its short name; needed by who is in several.")
    cookie: InCookie = False


class SessionOut(Wire):
    """Where you are signed in."""

    id: SessionId
    client: str | None = Field(description="What the browser or program called itself.")
    created_at: Instant
    last_used_at: Instant = Field(description="To the minute.")
    expires_at: Instant
    current: bool = Field(description="Whether this is the session you are asking with.")


class SessionOpened(Wire):
    """A session with its secret, which is shown here and never again."""

    id: SessionId
    token: str | None = Field(description="Send it as `Authorization: Bearer …`. Null when it is in the cookie.")
    expires_at: Instant = Field(description="It ends sooner when it is not used.")
    workspace: WorkspaceRef
    member: MemberOut


class PasswordIn(Wire):
    """Your present password and the next one."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"current": "seven green umbrellas", "new": "eight blue umbrellas"}]}
    )

    current: Password
    new: NewPassword


class InvitationIn(Wire):
    """Whom to invite."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"email": "eli@example.com", "role": "team_member"}]})

    email: Email
    role: RoleName = "team_member"


class InvitationOut(Wire):
    """Someone who was asked to sign in."""

    id: InvitationId
    member: MemberId = Field(validation_alias="member_id")
    email: str
    role: RoleName
    status: Literal["pending", "accepted", "revoked", "expired"]
    invited_by: str = Field(description="`mem_…`, `key_…`, or `command line`.")
    created_at: Instant
    expires_at: Instant


class InvitationIssued(InvitationOut):
    """An invitation with its secret, which is shown here and never again."""

    token: str = Field(description="Give it to the person invited: POST /api/v1/invitations/accept takes it.")


class AcceptIn(Wire):
    """Taking up an invitation."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "token": "stw_inv_" + "0" * 36,
                    "name": "Eli Noor",
                    "password": "nine yellow umbrellas",
                }
            ]
        }
    )

    token: str = Field(max_length=200)
    name: Name
    password: NewPassword
    cookie: InCookie = False


SessionPage = Page[SessionOut]
InvitationPage = Page[InvitationOut]
