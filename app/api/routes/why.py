"""Why a fact of an account or organization is what it is."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query

from app.api.deps import Now, Reader, Ref, Tx
from app.api.problems import problems
from app.api.routing import Router
from app.api.schemas.why import OrganizationWhyOut, WhyOut
from app.domain import ids
from app.domain.fields import Fact, Subject, UnknownFact
from app.domain.why import Why
from app.services import accounts, organizations, why
from app.services.accounts import UnknownAccount
from app.services.organizations import UnknownOrganization

router = Router("fields")

FactPath = Annotated[str | None, Query(max_length=300, description="The fact's path, such as `mrr`.")]


@router.get(
    "/accounts/{account}/why", operation_id="explainAccountFact", responses=problems(UnknownAccount, UnknownFact)
)
async def explain_account_fact(
    account: Ref,
    caller: Reader,
    tx: Tx,
    now: Now,
    fact: FactPath = None,
) -> WhyOut:
    """Why a fact of an account is what it is: the rule in words, what it looked at, since when, and what decided."""
    account_id = await accounts.find(tx, caller.workspace_id, account)
    found, reason = await why.explain(tx, caller.workspace_id, account_id, fact, now=now)
    return WhyOut.model_validate({"account_id": account_id, **_told(found, reason)})


@router.get(
    "/organizations/{organization}/why",
    operation_id="explainOrganizationFact",
    responses=problems(UnknownOrganization, UnknownFact),
)
async def explain_organization_fact(
    organization: Ref, caller: Reader, tx: Tx, now: Now, fact: FactPath = None
) -> OrganizationWhyOut:
    """Why a fact of an organization is what it is; of its MRR, whether its own trait says it or its accounts do."""
    organization_id = await organizations.find(tx, caller.workspace_id, organization)
    found, reason = await why.explain(
        tx, caller.workspace_id, organization_id, fact, now=now, subject=Subject.ORGANIZATIONS
    )
    return OrganizationWhyOut.model_validate({"organization_id": organization_id, **_told(found, reason)})


def _told(found: Fact, reason: Why) -> dict[str, Any]:
    return {
        "fact": found.path,
        "value": _plain(reason.value, found.prefix),
        "rule": reason.rule,
        "inputs": [{name: _plain(value) for name, value in one.items()} for one in reason.inputs],
        "since": reason.since,
        "source": reason.source,
    }


def _plain(value: Any, prefix: str = "") -> Any:
    """A value as JSON shows it; ids of ours with what they begin with."""
    match value:
        case UUID():
            return ids.show(prefix, value) if prefix else str(value)
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case Mapping():
            return {name: _plain(one, prefix) for name, one in value.items()}
        case list() | tuple():
            return [_plain(one, prefix) for one in value]
        case _:
            return value
