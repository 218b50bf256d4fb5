"""Reports as files: all rows of a report, as of one moment."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import Query
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from app.api import sheets
from app.api.deps import Reader, Services, State, Tx
from app.api.problems import problems
from app.api.queries import SubjectName
from app.api.routes.exports import TooManyExports
from app.api.routes.reports import ASK
from app.api.routing import Router
from app.api.schemas.reports import ExportIn
from app.api.turns import Turns
from app.domain.cursors import InvalidCursor
from app.domain.downloads import Cell, Format, TooManyRows
from app.domain.keys import Caller
from app.domain.reports import Report, subject_of
from app.services import downloads, views

router = Router("reports")

MEDIA_TYPES: Final[dict[Format, str]] = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
FILES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The file. A file that is cut short ends with a broken connection, never as if it were whole.",
        "content": {
            "text/csv": {"schema": {"type": "string"}},
            MEDIA_TYPES["xlsx"]: {"schema": {"type": "string", "format": "binary"}},
        },
    }
}
REFUSALS: Final = (*(kind for kind in ASK if kind is not InvalidCursor), TooManyRows, TooManyExports)
TURNS: Final = Turns(2, TooManyExports)


class Download(StreamingResponse):
    """Streams a file. Whatever becomes of the reader, the transaction ends and the turn is given back."""

    def __init__(self, chunks: AsyncGenerator[bytes], name: str, format_: Format) -> None:
        headers = {
            "content-disposition": f'attachment; filename="{name}.{format_}"',
            "cache-control": "no-store",
            "x-content-type-options": "nosniff",
        }
        super().__init__(chunks, headers=headers, media_type=MEDIA_TYPES[format_])
        self._chunks = chunks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with TURNS.take():
            async with aclosing(self._chunks):
                self.body_iterator = await sheets.primed(self._chunks)
                await super().__call__(scope, receive, send)


async def _rows(
    state: State, caller: Caller, report: Report, now: datetime
) -> AsyncGenerator[Sequence[Sequence[Cell]]]:
    most = state.settings.export_rows
    async with state.frozen_transaction(caller) as db:
        async for part in downloads.rows(db, caller.workspace_id, report, now=now, most=most):
            yield part


@router.post(
    "/reports/{subject}/export",
    operation_id="exportReport",
    status_code=200,
    response_class=Download,
    responses={**FILES, **problems(*REFUSALS)},
)
async def export_report(
    subject: SubjectName,
    body: ExportIn,
    caller: Reader,
    tx: Tx,
    state: Services,
    format_: Annotated[Format, Query(alias="format", description="CSV, or a workbook for Excel.")] = "csv",
) -> Download:
    """Every row of a report as a file, as of one moment: its columns, filter, order and scope.

    In CSV, text that a spreadsheet would run as a formula has an apostrophe before it.
    """
    TURNS.ask()
    now = state.now()
    report = await views.report(tx, caller, subject_of(subject), body.view, body.asked(), body.given())
    heads = [fact.path if body.heads == "path" else fact.label for fact in report.columns]
    rows = _rows(state, caller, report, now)
    chunks = sheets.lines(heads, rows, bom=body.bom) if format_ == "csv" else sheets.workbook(heads, rows)
    return Download(chunks, f"{report.subject}-{now:%Y-%m-%d}", format_)
