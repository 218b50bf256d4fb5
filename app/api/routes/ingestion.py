"""The state of ingestion: whether what was acknowledged has been applied."""

from app.api.deps import Reader, Tx
from app.api.routing import Router
from app.api.schemas.ingestion import IngestionOut
from app.services import inbox, measuring

router = Router("operations")


@router.get("/ingestion", operation_id="getIngestion")
async def get_ingestion(caller: Reader, tx: Tx) -> IngestionOut:
    """How many messages of keys in inbox mode wait to be applied, for how long, and which of them fail.

    Once `pending` is 0, whatever was acknowledged before is applied, and can be read.
    """
    found = await inbox.overview(tx, caller.workspace_id)
    failing = [{**row, "next_attempt_at": row["due_at"]} for row in found["failing"]]
    return IngestionOut.model_validate(
        {**found, "failing": failing, "event_names": await measuring.names_counted(tx, caller.workspace_id)},
        extra="ignore",
    )
