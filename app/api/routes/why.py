"""Why a fact of an account is what it is."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query

from app.api.deps import Now, Reader, Ref, Tx
from app.api.problems import problems
from app.api.routing import Router
from app.api.schemas.why import WhyOut
from app.domain import ids
from app.domain.fields import UnknownFact
from app.services import accounts, why
from app.services.accounts import UnknownAccount

router = Router("fields")


@router.get(
    "/accounts/{account}/why", operation_id="explainAccountFact", responses=problems(UnknownAccount, UnknownFact)
)
async def explain_account_fact(
    account: Ref,
    caller: Reader,
    tx: Tx,
    now: Now,
    fact: Annotated[str | None, Query(max_length=300, description="The fact's path, such as `mrr`.")] = None,
) -> WhyOut:
    """Why a fact of an account is what it is: the rule in words, what it looked at, since when, and what decided."""
    found, reason = await why.explain(tx, caller.workspace_id, account, fact, now=now)
    account_id = await accounts.find(tx, caller.workspace_id, account)
    return WhyOut(
        account_id=account_id,
        fact=found.path,
        value=_plain(reason.value, found.prefix),
        rule=reason.rule,
        inputs=[{name: _plain(value) for name, value in one.items()} for one in reason.inputs],
        since=reason.since,
        source=reason.source,
    )


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
