"""Custom objects: which there are, and their instances."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Query

from app.api.deps import Paged, Reader, Ref, Tx
from app.api.problems import problems
from app.api.routes.accounts import part
from app.api.routing import Router
from app.api.schemas.base import page
from app.api.schemas.custom_objects import CustomObjectOut, CustomObjectPage, InstanceOut, InstancePage
from app.domain.cursors import InvalidCursor
from app.services import accounts, custom_objects
from app.services.accounts import UnknownAccount
from app.services.custom_objects import UnknownInstance

router = Router("custom objects")


def _shown(row: Mapping[str, Any]) -> InstanceOut:
    fields = {**row, "account": part(row, "account"), "organization": part(row, "organization")}
    return InstanceOut.model_validate(fields, extra="ignore")


@router.get("/custom-objects", operation_id="listCustomObjects", responses=problems(InvalidCursor))
async def list_custom_objects(caller: Reader, tx: Tx, paging: Paged) -> CustomObjectPage:
    """The custom objects that have instances, by name, with the number of these."""
    after = paging.after("custom-objects")
    found = await custom_objects.objects(tx, caller.workspace_id, after=after[0] if after else None, limit=paging.fetch)
    rows, cursor = paging.cut(found, "custom-objects", lambda row: [row["custom_object"]])
    return page([CustomObjectOut.model_validate(row) for row in rows], cursor, CustomObjectPage)


@router.get(
    "/custom-objects/{object}/instances",
    operation_id="listInstances",
    responses=problems(UnknownAccount, InvalidCursor),
)
async def list_instances(
    object: Ref,  # noqa: A002 - the name in the path
    caller: Reader,
    tx: Tx,
    paging: Paged,
    account: Annotated[
        str | None,
        Query(min_length=1, max_length=800, description="Only those of this account: `acc_…` or your own id."),
    ] = None,
) -> InstancePage:
    """Instances of a custom object in the order they were first heard of; of one nobody has named, none."""
    account_id = None if account is None else await accounts.find(tx, caller.workspace_id, account)
    scope = f"custom-objects/{object}/{account_id}"
    after = paging.after(scope)
    found = await custom_objects.page(
        tx, caller.workspace_id, object, account_id=account_id, after=after[0] if after else None, limit=paging.fetch
    )
    rows, cursor = paging.cut(found, scope, lambda row: [row["id"]])
    return page([_shown(row) for row in rows], cursor, InstancePage)


@router.get(
    "/custom-objects/{object}/instances/{instance}",
    operation_id="getInstance",
    responses=problems(UnknownInstance),
)
async def get_instance(
    object: Ref,  # noqa: A002 - the name in the path
    instance: Ref,
    caller: Reader,
    tx: Tx,
) -> InstanceOut:
    """One instance, by `ins_…` or by your own id."""
    return _shown(await custom_objects.show(tx, caller.workspace_id, object, instance))
