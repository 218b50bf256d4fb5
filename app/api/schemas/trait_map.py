"""The wire contract of the traits maps of accounts and of organizations."""

from dataclasses import fields
from typing import Annotated, Self

from pydantic import AfterValidator, ConfigDict, Field

from app.api.schemas.accounts import AccountBrief, UserId
from app.api.schemas.base import Instant
from app.api.schemas.owners import StateName
from app.api.schemas.reprocessings import ReprocessingOut
from app.api.schemas.workspace import Policy
from app.domain.traits import TraitMap
from app.domain.wire import Wire
from app.services.trait_map import Edit

FIELDS = tuple(field.name for field in fields(TraitMap))


def _key(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be blank")
    return value


TraitKey = Annotated[str, AfterValidator(_key), Field(min_length=1, max_length=200)]
TraitKeys = Annotated[list[TraitKey], Field(max_length=10)]


class OrganizationTraitMapIn(Wire):
    """Which traits of organizations feed which field; what is left out stays as it is."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"mrr": ["contractValue"], "roles": {"csm": "csmEmail"}}]}
    )

    name: TraitKeys = Field(["name"], description="The first of these that is text or a number is its name.")
    mrr: TraitKeys = Field(
        ["mrr"],
        description="The first of these with a number is its MRR; without one, that is the sum of its accounts'.",
    )
    status: TraitKeys = Field(
        ["status"], description="The first of these that says subscribed, trial, churned or ignored is the status."
    )
    renewal: TraitKeys = Field([], description="The first of these that is a date: when it renews next.")
    trial_end: TraitKeys = Field([], description="The first of these that is a date: when its trial ends.")
    churn: TraitKeys = Field([], description="The first of these that is a date: when it churned.")
    joined: TraitKeys = Field(
        ["createdAt"], description="The first of these that is a date: when it joined; else its first activity."
    )
    roles: dict[Annotated[str, Field(min_length=1, max_length=50)], TraitKey] = Field(
        {},
        max_length=50,
        description="The trait of each key role, which holds a member's e-mail address or id. Replaced as a whole.",
    )

    def edit(self) -> Edit:
        """What was sent, as a change of the map in force."""
        sent = {name: getattr(self, name) for name in FIELDS if name in self.model_fields_set}
        return Edit({name: tuple(value) if isinstance(value, list) else value for name, value in sent.items()})


class TraitMapIn(OrganizationTraitMapIn):
    """Which traits of accounts feed which field; what is left out stays as it is."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "owner": "ownerId",
                    "mrr": ["mrr", "stripe.mrr"],
                    "renewal": ["contract.renewsOn"],
                    "roles": {"csm": "csmEmail"},
                }
            ]
        }
    )

    owner: TraitKey | None = Field(None, description="The trait that holds the owner's external id; null: none.")
    mrr: TraitKeys = Field(["mrr"], description="The first of these with a number is the account's MRR.")


class OrganizationTraitMapOut(Wire):
    """The traits map of organizations in force."""

    name: list[str]
    mrr: list[str]
    status: list[str]
    renewal: list[str]
    trial_end: list[str]
    churn: list[str]
    joined: list[str]
    roles: dict[str, str] = Field(description="Key role -> trait key.")
    updated_at: Instant | None = Field(description="Null while it is the default.")
    reprocessing: ReprocessingOut | None = Field(description="The work that applies this change to every record.")


class TraitMapOut(OrganizationTraitMapOut):
    """The traits map of accounts in force."""

    owner: str | None


class PreviewIn(TraitMapIn):
    """A traits map, and a default owner policy, to try out."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"owner": "ownerId", "ownerDefaultPolicy": "first_user"}]}
    )

    owner_default_policy: Policy | None = Field(None, description="Left out: the one in force.")


class PreviewedUser(Wire):
    """A user, by both ids."""

    id: UserId
    external_id: str


class PreviewedOwner(Wire):
    """An account's owner, before or after."""

    owner: PreviewedUser | None
    state: StateName


class PreviewedChange(Wire):
    """One account whose owner would change."""

    account: AccountBrief
    before: PreviewedOwner
    after: PreviewedOwner
    because: str


class Coverage(Wire):
    """How many accounts have a value under a mapped trait."""

    field: str
    key: str
    accounts: int


class PreviewOut(Wire):
    """What would happen to owners. Nothing has been changed."""

    accounts: int = Field(description="How many accounts were looked at.")
    total: int = Field(description="How many there are.")
    partial: bool = Field(description="Only the accounts known longest were looked at.")
    owners_changed: int = Field(description="Accounts that would get another owner, or lose theirs.")
    cleared: int = Field(description="Those of them that would be left without an owner.")
    resolved: int = Field(description="Accounts that would have an owner nobody disputes.")
    pending: int = Field(description="Accounts whose trait would name someone who is not linked.")
    coverage: list[Coverage] = Field(description="Of the accounts looked at, how many have a value under each trait.")
    sample: list[PreviewedChange] = Field(description="The first ten changes.")

    @classmethod
    def of(cls, fields: dict[str, object]) -> Self:
        """The preview from its parts."""
        return cls.model_validate(fields)
