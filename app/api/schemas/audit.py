"""The wire contract of the audit log."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field

from app.api.schemas.base import Instant, Page, WireId
from app.domain.wire import Wire

AuditId = Annotated[UUID, WireId("aud")]


class AuditEntryOut(Wire):
    """One change of configuration or data, made by a person or a key."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "aud_0190f3c2a1b27c3d8e4f5a6b7c8d9e0f",
                    "at": "2026-01-31T09:30:00Z",
                    "actor": "key_0190f3c2a1b27c3d8e4f5a6b7c8d9e0f",
                    "action": "setAccountOwner",
                    "target": "acme",
                    "path": "/api/v1/accounts/acme/owner",
                    "request": {"user": "user-1"},
                    "details": None,
                    "requestId": "0190f3c2a1b27c3d8e4f5a6b7c8d9e0f",
                }
            ]
        }
    )

    id: AuditId
    at: Instant
    actor: str = Field(description="Who did it: the id of a key (`key_…`) or of a member (`mem_…`).")
    action: str = Field(description="The operation, by its id in this document.")
    target: str | None = Field(description="What it was done to: the id in the answer, else the one in the path.")
    path: str | None = Field(description="The address that was called; null where it named somebody deleted since.")
    request: Any | None = Field(description="The body that was sent, without its secrets; long ones are not kept.")
    details: dict[str, Any] | None = Field(description="What else is known, such as what there was before.")
    request_id: str | None = Field(description="The `X-Request-Id` of the request.")


AuditEntryPage = Page[AuditEntryOut]
