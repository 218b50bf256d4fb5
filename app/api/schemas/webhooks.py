"""The wire contract of webhooks."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from app.api.schemas.base import Instant, Page, WireId
from app.domain.wire import Wire

WebhookId = Annotated[UUID, WireId("whk")]

Url = Annotated[
    str,
    Field(
        min_length=1,
        max_length=2048,
        description="Where to post: https on port 443 of a public host.",
        examples=["https://hooks.example.com/steward"],
    ),
]
Description = Annotated[str, Field(max_length=500, description="For your own orientation.")]
Types = Annotated[
    list[str],
    Field(max_length=50, description="Event types to send, see `GET /api/v1/event-types`. Empty: all of them."),
]


class WebhookIn(Wire):
    """A new webhook."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"url": "https://hooks.example.com/steward", "types": ["account.owner_changed"]}]
        }
    )

    url: Url
    description: Description = ""
    types: Types = Field(default_factory=list)


class WebhookPatch(Wire):
    """What to change; what is left out stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"enabled": False}, {"types": []}]})

    url: Url | None = None
    description: Description | None = None
    types: Types | None = None
    enabled: bool | None = Field(
        None, description="Switched off, waiting deliveries are held; switched on, they go out over the next minute."
    )

    @model_validator(mode="after")
    def _nothing_is_null(self) -> "WebhookPatch":
        if any(getattr(self, name) is None for name in self.model_fields_set):
            raise ValueError("leave out what is to stay; nothing here can be null")
        return self

    def changes(self) -> dict[str, Any]:
        """The fields that were given."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class WebhookOut(Wire):
    """A webhook as it can be shown: without its secret."""

    id: WebhookId
    url: str
    description: str
    types: list[str] = Field(description="Event types it gets; empty: all of them.")
    enabled: bool
    disabled_reason: str | None = Field(
        description="`by_hand`, `gone` (it answered 410) or `failing` (nothing got through for five days)."
    )
    failing_since: Instant | None = Field(description="The first failure since it last took a delivery.")
    previous_secret_until: Instant | None = Field(description="Until when a rotated secret signs as well.")
    created_at: Instant


class WebhookCreated(WebhookOut):
    """A new webhook with its secret. The secret is shown here and never again."""

    secret: str = Field(
        description="Verify `webhook-signature` with it, using any Standard Webhooks library.",
        examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )


class SecretOut(Wire):
    """A fresh secret. It is shown here and never again."""

    secret: str
    previous_until: Instant | None = Field(description="Until then every delivery carries both signatures.")


class ReplayIn(Wire):
    """Which deliveries to send again."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"since": "2026-01-31T00:00:00Z"}]})

    since: Instant = Field(description="Everything that failed or was cancelled and was written since then.")


class Replayed(Wire):
    """How many deliveries are on their way again."""

    replayed: int = Field(description="At most 10,000 at a time: repeat while it is that many.")


class EventTypeOut(Wire):
    """One type of event, with a whole example of what is posted."""

    type: str
    description: str
    example: dict[str, Any]


class EventTypes(Wire):
    """Every type of event there is."""

    data: list[EventTypeOut]


WebhookPage = Page[WebhookOut]
