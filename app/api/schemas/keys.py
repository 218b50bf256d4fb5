"""The wire contract of API keys."""

from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, Field, field_validator

from app.api.schemas.base import Instant, Name, Page, WireId
from app.api.schemas.members import MemberOut
from app.domain.keys import IngestMode
from app.domain.models import ApiKey
from app.domain.wire import Wire

KeyId = Annotated[UUID, WireId("key")]
WorkspaceId = Annotated[UUID, WireId("wsp")]
ScopeName = Literal["ingest", "read", "admin"]
SCOPES: Final[tuple[ScopeName, ...]] = ("ingest", "read", "admin")
Scopes = Annotated[
    list[ScopeName],
    Field(min_length=1, max_length=3, description="`ingest` sends data, `read` reads it, `admin` does everything."),
]


PerMinute = Annotated[int, Field(ge=1, le=100_000_000)]
RATE: Final = "How many requests a minute this key may send; null: as many as the installation allows any key."
MODE: Final = (
    "`direct`: what is sent is processed before it is acknowledged. `inbox`: it is read, stored and acknowledged, "
    "and processed within seconds; for bursts that must not wait. `GET /api/v1/ingestion` shows the lag."
)


class KeyIn(Wire):
    """What a new key is called and may do."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Backend", "scopes": ["ingest"]}]})

    name: Name
    scopes: Scopes
    expires_at: Instant | None = Field(None, description="When it stops working by itself; null: never.")
    requests_per_minute: PerMinute | None = Field(None, description=RATE)
    ingest_mode: IngestMode = Field("direct", description=MODE)

    @field_validator("scopes")
    @classmethod
    def _once_each(cls, scopes: list[ScopeName]) -> list[ScopeName]:
        if len(set(scopes)) != len(scopes):
            raise ValueError("must not name a scope twice")
        return scopes


class KeyPatch(Wire):
    """What to change; what is left out stays. Every process knows within five seconds."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"requestsPerMinute": 600}]})

    name: Name | None = None
    requests_per_minute: PerMinute | None = Field(None, description=RATE)
    ingest_mode: IngestMode | None = Field(None, description=MODE)

    def changes(self) -> dict[str, Any]:
        """What was named: null takes a rate away, and means nothing elsewhere."""
        named = self.model_dump(exclude_unset=True)
        return {name: value for name, value in named.items() if value is not None or name == "requests_per_minute"}


class KeyOut(Wire):
    """A key as it can be shown: without its secret."""

    id: KeyId
    name: str
    hint: str = Field(description="How the newest secret begins, to recognise it by.")
    scopes: list[ScopeName]
    created_at: Instant
    rotated_at: Instant | None
    expires_at: Instant | None
    revoked_at: Instant | None = Field(description="Since when no secret of this key works.")
    last_used_at: Instant | None = Field(description="To the minute.")
    requests_per_minute: int | None = Field(description=RATE)
    ingest_mode: IngestMode = Field(description=MODE)


class KeyIssued(KeyOut):
    """A key with its secret. The secret is shown here and never again."""

    secret: str = Field(description="Send it as `Authorization: Bearer …`. Keep it: it cannot be shown again.")

    @classmethod
    def of(cls, key: ApiKey, secret: str) -> Self:
        """The answer to making or rotating a key."""
        shown = KeyOut.model_validate(key)
        return cls(**{name: getattr(shown, name) for name in KeyOut.model_fields}, secret=secret)


class RotationIn(Wire):
    """How to replace a key's secret."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"overlapHours": 24}]})

    overlap_hours: int = Field(24, ge=0, le=720, description="How long the secrets it has now keep working.")


class WorkspaceRef(Wire):
    """A workspace, in short."""

    id: WorkspaceId
    slug: str
    name: str


class KeyRef(Wire):
    """A key, in short."""

    id: KeyId
    name: str
    hint: str


class MeOut(Wire):
    """Who you are to Steward."""

    workspace: WorkspaceRef
    key: KeyRef | None = Field(description="The key that asks; null for a member.")
    member: MemberOut | None = Field(description="The member who asks; null for a key.")
    scopes: list[ScopeName] = Field(description="Those of the key.")
    permissions: list[str] = Field(description="What you may do.")
    server_time: Instant = Field(description="Our clock; timestamps more than a day ahead of it are refused.")


KeyPage = Page[KeyOut]
