"""The state of evaluation: whether owners and indicators keep up with the data."""

from collections.abc import Mapping
from typing import Any

from app.api.deps import Reader, Tx
from app.api.routing import Router
from app.api.schemas.evaluation import EvaluationOut
from app.domain import ids
from app.services import evaluation

router = Router("operations")


@router.get("/evaluation", operation_id="getEvaluation")
async def get_evaluation(caller: Reader, tx: Tx) -> EvaluationOut:
    """How many accounts, users and organizations wait for evaluation, for how long, and which ones keep failing."""
    found = await evaluation.overview(tx, caller.workspace_id)
    failing = [{**row, "next_attempt_at": row["due_at"]} for row in found["failing"]]
    records = {**found["records"], "failing": [_record(row) for row in found["records"]["failing"]]}
    return EvaluationOut.model_validate({**found, "failing": failing, "records": records}, extra="ignore")


def _record(row: Mapping[str, Any]) -> dict[str, Any]:
    shown = ids.show("usr" if row["subject"] == "users" else "org", row["record_id"])
    return {**row, "id": shown, "next_attempt_at": row["due_at"]}
