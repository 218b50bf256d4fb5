"""Facts: what can be filtered, sorted and shown."""

from app.api.deps import Reader, Tx
from app.api.routing import Router
from app.api.schemas.filters import FactOut, FactsOut
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
        nullable=fact.nullable,
        sortable=fact.sortable,
        observed=list(known.observed),
    )


@router.get("/facts", operation_id="listFacts")
async def list_facts(caller: Reader, tx: Tx) -> FactsOut:
    """Every fact about accounts: the built-in ones, and the traits your accounts carry."""
    return FactsOut(data=[_shown(known) for known in await facts.known(tx, caller.workspace_id)])
