"""Facts: what can be filtered, sorted and shown."""

from typing import Annotated

from fastapi import Query

from app.api.deps import Reader, Tx
from app.api.routing import Router
from app.api.schemas.filters import FactOut, FactsOut, RelationOut
from app.domain.fields import RELATIONS, Subject
from app.services import facts
from app.services.facts import Known

router = Router("fields")


def _shown(known: Known) -> FactOut:
    fact = known.fact
    return FactOut(
        path=fact.path,
        label=fact.label,
        type=fact.type,
        operators=list(fact.operators),
        options=list(fact.options),
        prefix=fact.prefix or None,
        nullable=fact.nullable,
        sortable=fact.sortable,
        observed=list(known.observed),
    )


@router.get("/facts", operation_id="listFacts")
async def list_facts(
    caller: Reader, tx: Tx, subject: Annotated[Subject, Query(description="Whose facts.")] = Subject.ACCOUNTS
) -> FactsOut:
    """Every fact about accounts, users or organizations: the built-in ones, key roles, and the traits yours carry."""
    return FactsOut(
        data=[_shown(known) for known in await facts.known(tx, caller.workspace_id, subject)],
        related=[RelationOut(name=one.name, label=one.label) for one in RELATIONS[subject].values()],
    )
