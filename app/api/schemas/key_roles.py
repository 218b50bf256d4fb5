"""The wire contract of key roles: which there are, who holds them where, and how much each person carries."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from app.api.schemas.accounts import AccountId, MemberId, MemberRef, Money
from app.api.schemas.base import Instant, Name, Page
from app.api.schemas.filters import EXAMPLE, Filter
from app.domain.roles import SLUG, Source, slug_of
from app.domain.wire import Wire
from app.services.assignment import MOST_ACCOUNTS, MOST_CANDIDATES


def _role(value: str) -> str:
    if slug_of(value) is None:
        raise ValueError("must be the name of a role, such as csm or implementation_specialist")
    return value


RoleName = Annotated[
    str, AfterValidator(_role), Field(max_length=50, description="Such as `csm`; see `GET /roles`.", examples=["csm"])
]
MemberName = Annotated[str, Field(min_length=1, max_length=320, description="`mem_…` or an e-mail address.")]
AlgorithmName = Literal["fewestAccounts", "leastRevenue", "roundRobin"]
AccountName = Annotated[str, Field(min_length=1, max_length=800, description="`acc_…` or your own id.")]


class RoleIn(Wire):
    """A key role of your own."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"slug": "implementation_specialist", "label": "Implementation Specialist"}]}
    )

    slug: Annotated[str, Field(pattern=SLUG, description="Names the role for good: small letters, digits and `_`.")]
    label: Name
    description: Annotated[str, Field(max_length=1000)] | None = None


class RolePatch(Wire):
    """What to change; what is left out stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"label": "Onboarding Specialist"}]})

    label: Name | None = None
    description: Annotated[str, Field(max_length=1000)] | None = None

    def changes(self) -> dict[str, Any]:
        """What was named."""
        said = {name: getattr(self, name) for name in self.model_fields_set}
        return {name: value for name, value in said.items() if name != "label" or value is not None}


class RoleOut(Wire):
    """A key role."""

    slug: str = Field(description="How requests name it.")
    label: str
    description: str | None
    built_in: bool = Field(description="Whether every workspace has it.")
    created_at: Instant | None


class RolesOut(Wire):
    """The key roles there are: those that every workspace has, then your own by name."""

    data: list[RoleOut]


class KeyRoleIn(Wire):
    """Who shall hold the role."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"member": "dana@example.com"}]})

    member: MemberName
    do_not_replace: bool = Field(default=False, description="Leave it alone if somebody holds the role already.")


class KeyRoleOut(Wire):
    """Who holds a role at an account."""

    role: str
    label: str
    member: MemberRef
    source: Source
    assigned_at: Instant
    assigned_by: str | None = Field(description="The member (`mem_…`) or key (`key_…`) that did it.")


class PendingRole(Wire):
    """A trait is mapped to the role but names nobody who could hold it; whoever holds it keeps it."""

    role: str
    label: str
    value: str = Field(description="What the trait says.")
    reason: Literal["unknown_member", "member_deactivated"]


class KeyRolesOut(Wire):
    """The roles held at an account, and those that a trait asks for in vain."""

    data: list[KeyRoleOut]
    pending: list[PendingRole]


class KeyRoleChange(Wire):
    """A change of who holds a role."""

    role: str
    previous: MemberRef | None = Field(description="Who held the role before.")
    member: MemberRef | None = Field(description="Who holds it from then on; null: nobody.")
    source: Source
    changed_by: str | None = Field(description="The member (`mem_…`) or key (`key_…`) that did it.")
    changed_at: Instant


KeyRoleChangePage = Page[KeyRoleChange]


class AssignIn(Wire):
    """Accounts to be dealt out: named one by one, or all that a filter keeps."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "candidates": ["dana@example.com", "eli@example.com"],
                    "algorithm": "fewestAccounts",
                    "filter": EXAMPLE,
                    "doNotReplace": True,
                    "dryRun": True,
                }
            ]
        }
    )

    candidates: list[MemberName] = Field(
        min_length=1, max_length=MOST_CANDIDATES, description="Who may get the role; those who have left are skipped."
    )
    algorithm: AlgorithmName = Field(
        description=(
            "`fewestAccounts`: who has the fewest accounts in this role; `leastRevenue`: the least MRR; `roundRobin`: "
            "whose last assignment in this role is longest ago."
        )
    )
    accounts: list[AccountName] | None = Field(None, min_length=1, max_length=MOST_ACCOUNTS)
    filter: Filter | None = Field(None, description=f"Up to {MOST_ACCOUNTS:,} accounts; for more, use a bulk edit.")
    do_not_replace: bool = Field(default=False, description="Leave accounts alone where somebody holds the role.")
    dry_run: bool = Field(default=False, description="Only say who would be chosen.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.accounts is None) == (self.filter is None):
            raise ValueError("must name either `accounts` or a `filter`")
        return self


class Assigned(Wire):
    """Who was chosen for an account."""

    account: AccountId
    member: MemberId
    changed: bool = Field(description="Whether the holder changed; in a dry run nothing does.")


class AssignOut(Wire):
    """Who was chosen, account by account."""

    role: str
    dry_run: bool
    assigned: list[Assigned]
    kept: list[AccountId] = Field(description="Accounts left alone, since somebody holds the role there.")


class RoleLoad(Wire):
    """What somebody carries in one role."""

    role: str
    accounts: int
    active_accounts: int
    mrr: Money


class CapacityOut(Wire):
    """What somebody carries in all their roles; an account is counted once."""

    member: MemberRef
    accounts: int = Field(description="Accounts where this person holds any role.")
    active_accounts: int = Field(description="Those of them that are neither churned nor ignored.")
    mrr: Money = Field(description="MRR of the active ones.")
    open_alerts: int = Field(description="Alerts assigned to this person that are not resolved.")
    roles: list[RoleLoad]


CapacityPage = Page[CapacityOut]
