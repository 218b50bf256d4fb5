"""Saved views: reports kept for oneself or shared with everyone."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import Query

from app.api.deps import Now, Paged, Reader, Ref, Services, Tx, ViewSaver
from app.api.problems import problems
from app.api.queries import Counted
from app.api.routes.reports import RUN, answer
from app.api.routing import Router
from app.api.schemas.base import page
from app.api.schemas.reports import ReportIn, ReportOut
from app.api.schemas.views import BrokenOut, Subject, ViewIn, ViewOut, ViewPage, ViewPatch
from app.domain import fields, ids
from app.domain.cursors import InvalidCursor
from app.domain.filters import InvalidFilter
from app.domain.keys import InsufficientScope
from app.domain.reports import Asked, InvalidReport
from app.domain.team import NotPermitted
from app.domain.views import TooManyViews, UnknownView, broken
from app.services import views

router = Router("views")

LINKS: Final = {
    name: {"operationId": name, "parameters": {"view": "$response.body#/id"}}
    for name in ("getView", "updateView", "deleteView", "listViewRows")
}
SHARING: Final = (InsufficientScope, NotPermitted)


def _shown(row: Mapping[str, Any]) -> ViewOut:
    wrong = broken(row)
    said = None if wrong is None else BrokenOut(code=wrong.code, detail=wrong.detail, errors=_texts(wrong.errors))
    return ViewOut.model_validate({**row, "broken": said}, extra="ignore")


def _texts(errors: list[Mapping[str, str]]) -> list[dict[str, str]]:
    return [dict(error) for error in errors]


@router.post(
    "/views",
    status_code=201,
    operation_id="createView",
    responses={
        **problems(InvalidFilter, InvalidReport, TooManyViews, *SHARING),
        201: {"description": "The view.", "links": LINKS},
    },
)
async def create_view(body: ViewIn, caller: ViewSaver, tx: Tx, now: Now) -> ViewOut:
    """Keep a report. Only those who may publish views can share one."""
    return _shown(await views.create(tx, caller, body.stored(), now=now))


@router.get("/views", operation_id="listViews", responses=problems(InvalidCursor))
async def list_views(
    caller: Reader,
    tx: Tx,
    paging: Paged,
    subject: Annotated[Subject | None, Query(description="Only views on this.")] = None,
) -> ViewPage:
    """Your own views and those shared with everyone: pinned ones in their order, then the others as they were made."""
    scope = f"views:{subject}"
    only = None if subject is None else fields.Subject(subject)
    found = await views.page(tx, caller, subject=only, after=paging.after(scope), limit=paging.fetch)
    rows, cursor = paging.cut(found, scope, views.place)
    return page([_shown(row) for row in rows], cursor, ViewPage)


@router.get("/views/{view}", operation_id="getView", responses=problems(UnknownView))
async def get_view(view: Ref, caller: Reader, tx: Tx) -> ViewOut:
    """One view. What it names and is no longer there is told in `broken`."""
    return _shown(await views.show(tx, caller, ids.read("vie", view)))


@router.patch(
    "/views/{view}", operation_id="updateView", responses=problems(UnknownView, InvalidFilter, InvalidReport, *SHARING)
)
async def update_view(view: Ref, body: ViewPatch, caller: ViewSaver, tx: Tx, now: Now) -> ViewOut:
    """Change a view. A shared one is changed by those who may publish; taken back, it belongs to whoever did."""
    return _shown(await views.change(tx, caller, ids.read("vie", view), body.stored(), now=now))


@router.delete("/views/{view}", status_code=204, operation_id="deleteView", responses=problems(UnknownView, *SHARING))
async def delete_view(view: Ref, caller: ViewSaver, tx: Tx) -> None:
    """Delete a view."""
    await views.remove(tx, caller, ids.read("vie", view))


@router.get("/views/{view}/rows", operation_id="listViewRows", responses=problems(*RUN))
async def list_view_rows(view: Ref, caller: Reader, tx: Tx, now: Now, state: Services, wanted: Counted) -> ReportOut:
    """A page of the report a view keeps."""
    kept = await views.show(tx, caller, ids.read("vie", view))
    found = await views.report(tx, caller, fields.Subject(kept["subject"]), kept["id"], Asked(), ())
    body = ReportIn(limit=wanted.limit, cursor=wanted.cursor, count=wanted.count)
    return await answer(tx, caller, state, found, body, now)
