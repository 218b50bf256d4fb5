"""The wire contract of traits: what they are declared to be, and those of one record."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from app.api.schemas.base import Instant, Name, Page
from app.domain.fields import Subject
from app.domain.trait_types import MOST_OPTIONS, EditableBy, TraitType
from app.domain.wire import Wire

Text = Annotated[str, Field(min_length=1, max_length=200)]


class OptionIn(Wire):
    """One value of a select, with what people see."""

    value: Text
    label: Text


class TraitIn(Wire):
    """What a trait is. Values that come from outside need not agree."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "label": "Plan",
                    "type": "select",
                    "options": [{"value": "pro", "label": "Pro"}, {"value": "free", "label": "Free"}],
                    "editableBy": "admins_and_leaders",
                }
            ]
        }
    )

    label: Name
    type: Annotated[TraitType, Field(strict=False)]
    options: list[OptionIn] = Field([], max_length=MOST_OPTIONS, description="Of a select or multiSelect: its values.")
    editable_by: Annotated[EditableBy, Field(strict=False)] = EditableBy.ADMINS_AND_LEADERS
    description: Annotated[str, Field(max_length=1000)] | None = None


class CustomTraitIn(TraitIn):
    """A trait that is managed in Steward alone. Its key follows from its label."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"label": "Next steps", "type": "longText"}]})

    editable_by: Annotated[EditableBy, Field(strict=False)] = EditableBy.ALL_BUT_OBSERVERS


class DeclaredTrait(Wire):
    """What a trait was declared to be."""

    label: str
    type: TraitType
    options: list[OptionIn]
    editable_by: EditableBy
    description: str | None


class SeenTrait(Wire):
    """What the latest thousand records say under a trait."""

    type: TraitType | None = Field(description="The type the values suggest; null where they suggest none.")
    kinds: dict[str, int] = Field(description="Kinds of values, and how often each was seen.")
    records: int = Field(description="How many of these records have a value.")
    conflicts: int = Field(description="How many of the values cannot be read as the declared type.")


class TraitOut(Wire):
    """A trait: as it is declared, as it is seen, or both."""

    subject: Subject
    key: str
    label: str
    custom: bool
    declared: DeclaredTrait | None
    seen: SeenTrait


class Agreement(Wire):
    """How far records agree with the declared type."""

    looked_at: int = Field(description="How many records were looked at: the latest 100,000.")
    records: int = Field(description="Those of them that have a value.")
    conflicts: int = Field(description="Those whose value cannot be read as the declared type.")


class TraitDetail(TraitOut):
    """A trait, and how far records agree with it."""

    agreement: Agreement | None = Field(description="Null for a trait that is not declared.")


TraitPage = Page[TraitOut]


class ConflictOut(Wire):
    """A record whose value cannot be read as the declared type."""

    id: str
    external_id: str
    name: str | None
    value: Any
    said_at: Instant | None = Field(description="When that was said.")


class ConflictPage(Page[ConflictOut]):
    """Records that disagree with a trait's declared type, the latest first."""

    agreement: Agreement


class TraitsPatch(Wire):
    """Traits to set; null clears one, and what is left out stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"traits": {"plan": "pro", "seats": 25}}]})

    traits: dict[str, Any] = Field(min_length=1, max_length=200)


class RecordTraits(Wire):
    """The traits of one record."""

    id: str
    external_id: str
    as_of: Instant | None = Field(description="The instant asked for; null: as they are now.")
    traits: dict[str, Any]


class TraitLine(Wire):
    """What one message said of a trait."""

    at: Instant
    value: Any = Field(description="Null: it was cleared.")
    source: str | None = Field(description="`data`, or who edited it; null: from before history was kept.")


TraitLinePage = Page[TraitLine]
