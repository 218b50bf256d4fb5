"""Reprocessings: how far a changed definition has come."""

from collections.abc import Mapping
from typing import Any

from app.api.deps import Paged, Reader, Ref, Tx
from app.api.problems import problems
from app.api.routing import Router
from app.api.schemas.base import page
from app.api.schemas.reprocessings import ReprocessingOut, ReprocessingPage
from app.domain import ids
from app.domain.cursors import InvalidCursor
from app.services import reprocessing
from app.services.reprocessing import UnknownReprocessing

router = Router("reprocessings")


def shown(row: Mapping[str, Any]) -> ReprocessingOut:
    """A reprocessing as the wire shows it."""
    share = row["done"] / row["total"] if row["total"] else float(row["state"] == "done")
    return ReprocessingOut.model_validate({**row, "progress": share}, extra="ignore")


@router.get("/reprocessings", operation_id="listReprocessings", responses=problems(InvalidCursor))
async def list_reprocessings(caller: Reader, tx: Tx, paging: Paged) -> ReprocessingPage:
    """Reprocessings, the newest first."""
    after = paging.after("reprocessings")
    found = await reprocessing.page(tx, caller.workspace_id, before=after[0] if after else None, limit=paging.fetch)
    rows, cursor = paging.cut(found, "reprocessings", lambda row: [row["id"]])
    return page([shown(row) for row in rows], cursor, ReprocessingPage)


@router.get("/reprocessings/{reprocessing_id}", operation_id="getReprocessing", responses=problems(UnknownReprocessing))
async def get_reprocessing(reprocessing_id: Ref, caller: Reader, tx: Tx) -> ReprocessingOut:
    """One reprocessing and its progress."""
    return shown(await reprocessing.show(tx, caller.workspace_id, ids.read("rep", reprocessing_id)))
