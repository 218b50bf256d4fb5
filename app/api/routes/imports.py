"""Imports: a file comes in parts, is checked if you like, and taken in while you watch."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Request, Response

from app.api.deps import Anyone, Integrator, Now, Paged, RawReader, Services, Tx
from app.api.problems import problems
from app.api.routing import Router
from app.api.schemas.base import page
from app.api.schemas.imports import (
    ImportErrorOut,
    ImportErrorPage,
    ImportIn,
    ImportOut,
    ImportPage,
    ImportPatch,
)
from app.domain import ids
from app.domain.cursors import InvalidCursor
from app.domain.errors import NotFound
from app.domain.imports import (
    AT_WORK,
    MOST_PARTS,
    SAMPLES,
    ImportClosed,
    ImportIncomplete,
    ImportTooLarge,
    TooManyImports,
    UnknownImport,
    UnknownTarget,
)
from app.services import imports
from app.services.imports import Wanted

router = Router("imports")

ImportPath = Annotated[str, Path(description="The import's id.", examples=["imp_0190f3c2a1b27c3d8e4f5a6b7c8d9e0f"])]
PartPath = Annotated[int, Path(ge=1, le=MOST_PARTS, description="Parts are numbered from 1.")]
SamplePath = Annotated[str, Path(description="One of " + ", ".join(f"`{name}`" for name in SAMPLES) + ".")]
MEDIA = {"csv": "text/csv", "jsonl": "application/x-ndjson"}
LINKS = {
    name: {"operationId": name, "parameters": {"import_id": "$response.body#/id"}}
    for name in ("getImport", "putImportPart", "checkImport", "startImport", "deleteImport")
}


class UnknownSample(NotFound):
    """There is no such sample file."""

    code = "unknown_sample"


def import_of(import_id: str) -> UUID | None:
    """The id behind `imp_…`, if it is one."""
    return ids.read("imp", import_id)


def shown(row: Mapping[str, Any], now: datetime) -> ImportOut:
    """An import as the wire shows it."""
    layout = row["layout"] or {}
    pairs = zip(layout.get("columns", ()), layout.get("targets", ()), strict=True)
    more = {
        "sha256": row["digest"] or row["sha256"],
        "progress": row["bytes_done"] / row["bytes_total"] if row["bytes_total"] else 0.0,
        "rows_per_second": _rate(row, now),
        "columns": [{"column": column, "field": target or None} for column, target in pairs] if layout else None,
        "error": {"code": row["error_code"], "detail": row["error_detail"]} if row["error_code"] else None,
    }
    return ImportOut.model_validate({**row, **more}, extra="ignore")


def _rate(row: Mapping[str, Any], now: datetime) -> float | None:
    until = now if row["state"] in AT_WORK else row["finished_at"]
    if row["started_at"] is None or until is None or until <= row["started_at"]:
        return None
    return float(round(row["rows_read"] / (until - row["started_at"]).total_seconds(), 1))


@router.post(
    "/imports",
    status_code=201,
    operation_id="createImport",
    responses={201: {"links": LINKS}, **problems(UnknownTarget, TooManyImports, ImportClosed)},
)
async def create_import(body: ImportIn, caller: Integrator, tx: Tx, now: Now) -> ImportOut:
    """Announce a file. With its `sha256`, announcing it again goes on with the import that is under way."""
    wanted = Wanted(body.kind, body.format, body.filename, body.sha256, body.mapping, body.null_text)
    return shown(await imports.create(tx, caller.workspace_id, wanted, now=now), now)


@router.get("/imports", operation_id="listImports", responses=problems(InvalidCursor))
async def list_imports(caller: RawReader, tx: Tx, paging: Paged, now: Now) -> ImportPage:
    """Imports, the newest first. They are kept for a month."""
    after = paging.after("imports")
    found = await imports.page(tx, caller.workspace_id, before=after[0] if after else None, limit=paging.fetch)
    rows, cursor = paging.cut(found, "imports", lambda row: [row["id"]])
    return page([shown(row, now) for row in rows], cursor, ImportPage)


@router.get(
    "/imports/samples/{sample}",
    operation_id="getImportSample",
    response_class=Response,
    responses={
        200: {
            "description": "The file.",
            "content": {media: {"schema": {"type": "string"}} for media in MEDIA.values()},
        },
        **problems(UnknownSample),
    },
)
async def get_import_sample(sample: SamplePath, caller: Anyone) -> Response:  # noqa: ARG001 - any key will do
    """A small file that imports as it is."""
    if sample not in SAMPLES:
        raise UnknownSample(f"There are {', '.join(SAMPLES)}.")
    headers = {"content-disposition": f'attachment; filename="{sample}"'}
    return Response(SAMPLES[sample], media_type=MEDIA[sample.rpartition(".")[2]], headers=headers)


@router.get("/imports/{import_id}", operation_id="getImport", responses=problems(UnknownImport))
async def get_import(import_id: ImportPath, caller: RawReader, tx: Tx, now: Now) -> ImportOut:
    """One import and its progress."""
    return shown(await imports.show(tx, caller.workspace_id, import_of(import_id)), now)


@router.patch(
    "/imports/{import_id}",
    operation_id="changeImport",
    responses=problems(UnknownImport, UnknownTarget, ImportClosed),
)
async def change_import(import_id: ImportPath, body: ImportPatch, caller: Integrator, tx: Tx, now: Now) -> ImportOut:
    """Read the columns another way, before the import is started."""
    return shown(await imports.change(tx, caller.workspace_id, import_of(import_id), body.changes()), now)


@router.put(
    "/imports/{import_id}/parts/{number}",
    operation_id="putImportPart",
    responses=problems(UnknownImport, ImportClosed, ImportTooLarge),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary", "minLength": 1}}},
        }
    },
)
async def put_import_part(
    *, import_id: ImportPath, number: PartPath, request: Request, caller: Integrator, tx: Tx, state: Services, now: Now
) -> ImportOut:
    """Bring a part of the file: its bytes as they are, at most 1 MiB, under any content type.

    Cut the file wherever you like. Bringing a part again is harmless.
    """
    data = await request.body()
    most = state.settings.import_bytes
    found = await imports.put_part(tx, caller.workspace_id, import_of(import_id), number, data, most_bytes=most)
    return shown(found, now)


STARTABLE = (UnknownImport, ImportClosed, ImportIncomplete)


@router.post("/imports/{import_id}/check", status_code=202, operation_id="checkImport", responses=problems(*STARTABLE))
async def check_import(import_id: ImportPath, caller: Integrator, tx: Tx, now: Now) -> ImportOut:
    """Dry run: read the whole file and list what is wrong with its rows. Nothing of it is stored."""
    return shown(await imports.check(tx, caller.workspace_id, import_of(import_id), now=now), now)


@router.post("/imports/{import_id}/start", status_code=202, operation_id="startImport", responses=problems(*STARTABLE))
async def start_import(import_id: ImportPath, caller: Integrator, tx: Tx, now: Now) -> ImportOut:
    """Take the file in. Rows with errors are left out and listed; whatever interrupts it, nothing is doubled."""
    return shown(await imports.start(tx, caller.workspace_id, import_of(import_id), now=now), now)


@router.post("/imports/{import_id}/cancel", operation_id="cancelImport", responses=problems(UnknownImport))
async def cancel_import(import_id: ImportPath, caller: Integrator, tx: Tx, now: Now) -> ImportOut:
    """Stop for good. The file is deleted; rows that were taken in stay."""
    return shown(await imports.cancel(tx, caller.workspace_id, import_of(import_id), now=now), now)


@router.delete("/imports/{import_id}", status_code=204, operation_id="deleteImport", responses=problems(UnknownImport))
async def delete_import(import_id: ImportPath, caller: Integrator, tx: Tx) -> None:
    """Delete an import with its file and its errors; rows that were taken in stay."""
    await imports.remove(tx, caller.workspace_id, import_of(import_id))


@router.get(
    "/imports/{import_id}/errors", operation_id="listImportErrors", responses=problems(UnknownImport, InvalidCursor)
)
async def list_import_errors(import_id: ImportPath, caller: RawReader, tx: Tx, paging: Paged) -> ImportErrorPage:
    """The rows that were not taken, in the order of the file; at most 10,000 of them are kept."""
    scope = f"imports:{import_id}"
    after = paging.after(scope)
    found = await imports.faults(
        tx, caller.workspace_id, import_of(import_id), after=after[0] if after else -1, limit=paging.fetch
    )
    rows, cursor = paging.cut(found, scope, lambda row: [row["number"]])
    return page([_fault(row) for row in rows], cursor, ImportErrorPage)


def _fault(row: Mapping[str, Any]) -> ImportErrorOut:
    names = {"row": row["number"], "column": row["column_name"]}
    return ImportErrorOut.model_validate({**row, **names}, extra="ignore")
