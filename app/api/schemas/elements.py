"""The wire contract of elements: what counts as one, how many a record has, and which."""

from typing import Annotated, Any, Final, Self
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from app.api.schemas.accounts import AccountId
from app.api.schemas.base import Instant, Name, Page, WireId
from app.api.schemas.reprocessings import ReprocessingId
from app.domain.elements import LONGEST_NAME, MOST_COUNTED, Role
from app.domain.wire import Wire

ElementId = Annotated[UUID, WireId("elm")]
Slug = Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,39}$", description="Small letters, digits and `_`.")]
Description = Annotated[str, Field(max_length=2000)]
PropertyName = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
PropertyFilter = Annotated[
    dict[str, Any],
    Field(
        description="Only events with such properties: a condition, or several under `all`, `any` and `not`.",
        examples=[{"property": "kind", "op": "is", "value": "crm"}],
    ),
]

_STEPS: Final[JsonDict] = {
    "create": {"event": "Integration Connected"},
    "update": {"event": "Integration Synced"},
    "disable": {"event": "Integration Removed"},
    "instanceProperty": "integrationId",
}
_EXAMPLE: Final[JsonDict] = {"name": "Integrations", "description": "Connections to other tools.", **_STEPS}


class ElementEvent(Wire):
    """The events that play a role."""

    event: Annotated[str, Field(min_length=1, max_length=LONGEST_NAME, description="Their name, exactly.")]
    where: PropertyFilter | None = None


class ElementIn(Wire):
    """Something your customers set up, to be counted from its events."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    name: Name
    slug: Slug | None = Field(None, description="Names it in facts, for good; left out, it is made of the name.")
    description: Description | None = None
    create: ElementEvent = Field(description="Events that set one up, or enable one.")
    update: ElementEvent | None = Field(None, description="Events that show it is in use; they move its last date.")
    disable: ElementEvent | None = Field(None, description="Events that take one away, or disable one.")
    instance_property: PropertyName | None = Field(
        None,
        description="The property that tells one instance from another. Without it, events are merely counted.",
    )


class ElementPatch(Wire):
    """What to change; what is left out stays. `null` takes update, disable or the property away."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"disable": {"event": "Integration Disconnected"}}]})

    name: Name | None = None
    description: Description | None = None
    create: ElementEvent | None = None
    update: ElementEvent | None = None
    disable: ElementEvent | None = None
    instance_property: PropertyName | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("must change something")
        for name in ("name", "create"):
            if name in self.model_fields_set and getattr(self, name) is None:
                raise ValueError(f"an element needs `{name}`")
        return self


def written(body: ElementIn | ElementPatch, names: set[str]) -> dict[str, Any]:
    """What is said of events and instances, as a definition is stored."""
    said: dict[str, Any] = {}
    for role in Role:
        if role.value in names:
            step: ElementEvent | None = getattr(body, role.value)
            said[role.value] = None if step is None else step.model_dump(exclude_none=True)
    if "instance_property" in names:
        said["instanceProperty"] = body.instance_property
    return said


class ElementOut(Wire):
    """An element. After a change of what it counts, `reprocessing` names its being counted anew."""

    id: ElementId
    slug: str
    name: str
    description: str | None
    create: ElementEvent
    update: ElementEvent | None
    disable: ElementEvent | None
    instance_property: str | None
    facts: list[str] = Field(description="The paths of what it says of accounts and organizations.")
    counting: bool = Field(description="Whether stored events are still being counted: until then it may show too few.")
    version: int = Field(description="Goes up with every change.")
    created_at: Instant
    updated_at: Instant
    archived_at: Instant | None
    reprocessing: ReprocessingId | None = None


class RecordElementOut(Wire):
    """What a record has of an element, as evaluated last."""

    element: ElementId
    slug: str
    name: str
    used: bool
    count: int = Field(description=f"How many there are now, of the first {MOST_COUNTED:,} instances.")
    first_at: Instant | None = Field(description="When the first one was created.")
    last_at: Instant | None = Field(description="When one was created or updated last.")


class RecordElementsOut(Wire):
    """What a record has of each element."""

    data: list[RecordElementOut]
    elements_used: int


class ElementInstanceOut(Wire):
    """One instance of an element."""

    instance: str = Field(description="What the property said; `sha256:…` stands for more than 200 characters.")
    enabled: bool = Field(description="Whether it is there now.")
    enabled_at: Instant | None = Field(description="When it was created last.")
    disabled_at: Instant | None = Field(description="When it was disabled last.")
    first_at: Instant | None = Field(description="When it was created first.")
    last_at: Instant | None = Field(description="When it was created or updated last.")
    account: AccountId | None = Field(description="The account it is at; null: its events named an organization only.")


ElementPage = Page[ElementOut]
ElementInstancePage = Page[ElementInstanceOut]
