"""Bulk edits: one change to many records, looked at beforehand, watched on its way, stopped if need be."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Query

from app.api.deps import Now, Paged, Reader, Ref, Services, State, TraitEditor, Tx
from app.api.problems import problems
from app.api.routing import Router
from app.api.schemas.base import page
from app.api.schemas.bulk_edits import (
    BulkEditIn,
    BulkEditOut,
    BulkEditPage,
    BulkEditPreview,
    BulkEditRowOut,
    BulkEditRowPage,
    PreviewedRecord,
)
from app.domain import ids, suppression
from app.domain.assignment import NoCandidate
from app.domain.bulk_edits import (
    MOST_RECORDS,
    Difference,
    Result,
    TooManyBulkEdits,
    TooManyRecords,
    UnknownBulkEdit,
    UnsuitableAction,
)
from app.domain.cursors import InvalidCursor
from app.domain.fields import Subject
from app.domain.filters import InvalidFilter, NeedsMember
from app.domain.keys import Caller
from app.domain.lifecycle import UnusableStatus
from app.domain.memory import Memory
from app.domain.roles import MemberDeactivated, UnknownRole
from app.domain.segments import SegmentArchived, UnknownSegment
from app.domain.team import NotPermitted
from app.domain.trait_types import TraitNotEditable, UnusableValue
from app.services import bulk_edits
from app.services.accounts import UnknownAccount
from app.services.bulk_edits import Wanted
from app.services.members import UnknownMember
from app.services.organizations import UnknownOrganization
from app.services.selections import PREFIXES
from app.services.trait_records import Editor
from app.services.users import UnknownUser

router = Router("bulk edits")

LINKS = {
    name: {"operationId": name, "parameters": {"bulk_edit": "$response.body#/id"}}
    for name in ("getBulkEdit", "listBulkEditRows", "cancelBulkEdit")
}
REFUSALS = (
    InvalidFilter, NeedsMember, NotPermitted, UnsuitableAction, TooManyRecords,
    UnknownAccount, UnknownUser, UnknownOrganization, UnusableValue, TraitNotEditable,
    UnknownRole, UnknownMember, MemberDeactivated, NoCandidate, UnknownSegment, SegmentArchived, UnusableStatus,
)  # fmt: skip
OutcomeIn = Annotated[Result | None, Query(description="Only records of which this became.")]


def _shown(row: Mapping[str, Any]) -> BulkEditOut:
    share = row["done"] / row["total"] if row["total"] else float(row["state"] == "done")
    error = None if row["error_code"] is None else {"code": row["error_code"], "detail": row["error_detail"]}
    return BulkEditOut.model_validate({**row, "progress": share, "error": error}, extra="ignore")


def _wanted(body: BulkEditIn) -> Wanted:
    action = body.action.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return Wanted(Subject(body.subject), action, body.ids, body.filter)


def _editor(caller: Caller, state: State) -> Editor:
    settings = state.settings
    key = suppression.key(settings.secret_key.get_secret_value())
    return Editor(caller.actor, caller.role, Memory(key, keeps_history=settings.trait_history_days > 0))


@router.post(
    "/bulk-edits",
    status_code=202,
    operation_id="beginBulkEdit",
    responses={**problems(*REFUSALS, TooManyBulkEdits), 202: {"description": "Begun.", "links": LINKS}},
)
async def begin_bulk_edit(body: BulkEditIn, caller: TraitEditor, tx: Tx, now: Now, state: Services) -> BulkEditOut:
    """Change many records alike, in the background; one bulk edit of a workspace runs at a time.

    Each action needs the permission that changing a single record needs.
    """
    wanted = _wanted(body)
    bulk_edits.needs(caller, wanted.action)
    return _shown(await bulk_edits.create(tx, caller, wanted, editor=_editor(caller, state), now=now))


@router.post("/bulk-edits/preview", operation_id="previewBulkEdit", responses=problems(*REFUSALS))
async def preview_bulk_edit(body: BulkEditIn, caller: Reader, tx: Tx, now: Now, state: Services) -> BulkEditPreview:
    """How many records a bulk edit would be about, and what it would make of the first of them. Changes nothing."""
    wanted = _wanted(body)
    found = await bulk_edits.preview(tx, caller, wanted, editor=_editor(caller, state), now=now)
    sample = [_previewed(wanted.subject, row, one) for row, one in found.sample]
    return BulkEditPreview(count=min(found.count, MOST_RECORDS), count_capped=found.count > MOST_RECORDS, sample=sample)


def _previewed(subject: Subject, row: Mapping[str, Any], one: Difference) -> PreviewedRecord:
    return PreviewedRecord(
        id=ids.show(PREFIXES[subject], row["id"]),
        external_id=row["external_id"],
        name=row["name"],
        before=one.before,
        after=one.after,
        changes=one.before != one.after,
    )


@router.get("/bulk-edits", operation_id="listBulkEdits", responses=problems(InvalidCursor))
async def list_bulk_edits(caller: Reader, tx: Tx, paging: Paged) -> BulkEditPage:
    """Bulk edits of the last thirty days, the newest first."""
    after = paging.after("bulk-edits")
    found = await bulk_edits.page(tx, caller, before=after[0] if after else None, limit=paging.fetch)
    rows, cursor = paging.cut(found, "bulk-edits", lambda row: [row["id"]])
    return page([_shown(row) for row in rows], cursor, BulkEditPage)


@router.get("/bulk-edits/{bulk_edit}", operation_id="getBulkEdit", responses=problems(UnknownBulkEdit))
async def get_bulk_edit(bulk_edit: Ref, caller: Reader, tx: Tx) -> BulkEditOut:
    """One bulk edit and its progress."""
    return _shown(await bulk_edits.show(tx, caller, ids.read("bed", bulk_edit)))


@router.get(
    "/bulk-edits/{bulk_edit}/rows",
    operation_id="listBulkEditRows",
    responses=problems(UnknownBulkEdit, InvalidCursor),
)
async def list_bulk_edit_rows(
    bulk_edit: Ref, caller: Reader, tx: Tx, paging: Paged, outcome: OutcomeIn = None
) -> BulkEditRowPage:
    """What became of each record so far, in the order they are gone through."""
    edit = await bulk_edits.show(tx, caller, ids.read("bed", bulk_edit))
    scope = f"bulk-edits/{edit['id']}:{outcome}"
    after = paging.after(scope)
    found = await bulk_edits.results(
        tx, caller.workspace_id, edit, outcome=outcome, after=after[0] if after else 0, limit=paging.fetch
    )
    rows, cursor = paging.cut(found, scope, lambda row: [row["position"]])
    prefix = PREFIXES[Subject(edit["subject"])]
    shown = [{**row, "id": ids.show(prefix, row["record_id"])} for row in rows]
    return page([BulkEditRowOut.model_validate(row, extra="ignore") for row in shown], cursor, BulkEditRowPage)


@router.post("/bulk-edits/{bulk_edit}/cancel", operation_id="cancelBulkEdit", responses=problems(UnknownBulkEdit))
async def cancel_bulk_edit(bulk_edit: Ref, caller: TraitEditor, tx: Tx, now: Now) -> BulkEditOut:
    """Stop a bulk edit; what it has changed stays so. Harmless when it is over."""
    return _shown(await bulk_edits.cancel(tx, caller, ids.read("bed", bulk_edit), now=now))
