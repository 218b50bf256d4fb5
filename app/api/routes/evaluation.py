"""The state of evaluation: whether owners and indicators keep up with the data."""

from app.api.deps import Reader, Tx
from app.api.routing import Router
from app.api.schemas.evaluation import EvaluationOut
from app.services import evaluation

router = Router("operations")


@router.get("/evaluation", operation_id="getEvaluation")
async def get_evaluation(caller: Reader, tx: Tx) -> EvaluationOut:
    """How many accounts wait for evaluation, for how long, and which ones keep failing."""
    found = await evaluation.overview(tx, caller.workspace_id)
    failing = [{**row, "next_attempt_at": row["due_at"]} for row in found["failing"]]
    return EvaluationOut.model_validate({**found, "failing": failing}, extra="ignore")
