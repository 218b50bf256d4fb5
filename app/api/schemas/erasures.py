"""The wire contract of deletions of users and accounts, and of the list of those who are kept away."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from app.api.schemas.base import Instant, Page, WireId
from app.domain.wire import Wire
from app.intake.items import ExternalId

ErasureId = Annotated[UUID, WireId("ers")]
Kind = Literal["user", "account"]


class ErasureOut(Wire):
    """A deletion. From its answer on nothing is shown or taken in; when it is `done`, nothing is left."""

    id: ErasureId
    kind: Kind
    state: Literal["waiting", "running", "done"]
    counts: dict[str, int] = Field(
        description="Rows deleted or cleared so far, by table.", examples=[{"users": 1, "memberships": 2, "events": 41}]
    )
    requested_at: Instant
    finished_at: Instant | None


ErasurePage = Page[ErasureOut]


class SuppressionOut(Wire):
    """Somebody who was deleted and does not come back. Who it is, is not known here any more."""

    kind: Kind
    created_at: Instant


SuppressionPage = Page[SuppressionOut]


class SuppressionRelease(Wire):
    """Who may come back."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"kind": "user", "externalId": "user-1"}]})

    kind: Kind
    external_id: ExternalId = Field(description="Your own id of the user or account.")
