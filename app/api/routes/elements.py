"""Elements: what counts as one, how many an account or an organization has, and which."""

from collections.abc import Collection, Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query

from app.api.deps import Now, Paged, Reader, Ref, RuleMaker, Tx
from app.api.paging import Paging
from app.api.problems import problems
from app.api.routing import Router
from app.api.schemas.base import page
from app.api.schemas.elements import (
    ElementIn,
    ElementInstanceOut,
    ElementInstancePage,
    ElementOut,
    ElementPage,
    ElementPatch,
    RecordElementOut,
    RecordElementsOut,
    written,
)
from app.db.base import Session
from app.domain.cursors import InvalidCursor
from app.domain.elements import ElementArchived, ElementExists, TooManyElements, UnknownElement, UnusableElement
from app.domain.fields import Subject
from app.domain.keys import Caller
from app.domain.matching import UnusablePropertyFilter
from app.services import elements
from app.services.accounts import UnknownAccount
from app.services.elements import PATHS, Asked, Wanted
from app.services.measuring import TooManyMeasures
from app.services.organizations import UnknownOrganization

router = Router("elements")

LINKS = {
    name: {"operationId": name, "parameters": {"element": "$response.body#/id"}}
    for name in ("getElement", "updateElement", "archiveElement")
}
UNUSABLE = (UnusableElement, UnusablePropertyFilter, TooManyMeasures)
EnabledIn = Annotated[bool | None, Query(description="Only those that are there, or only those that are not.")]


def _shown(row: Mapping[str, Any], counting: Collection[UUID]) -> ElementOut:
    said = row["definition"]
    roles = {name: said.get(name) for name in ("create", "update", "disable")}
    facts = [prefix + row["slug"] for prefix in PATHS]
    fields = {**row, **roles, "instance_property": said.get("instanceProperty"), "facts": facts}
    fields["counting"] = row["counted_as"] in counting
    return ElementOut.model_validate(fields, extra="ignore")


async def _current(tx: Tx, caller: Caller, row: Mapping[str, Any]) -> ElementOut:
    return _shown(row, await elements.being_counted(tx, caller.workspace_id))


@router.post(
    "/elements",
    status_code=201,
    operation_id="createElement",
    responses={
        **problems(*UNUSABLE, ElementExists, TooManyElements),
        201: {"description": "The element.", "links": LINKS},
    },
)
async def create_element(body: ElementIn, caller: RuleMaker, tx: Tx, now: Now) -> ElementOut:
    """Define an element. It is counted from the events that are stored, in the background, and then as events come."""
    definition = {key: said for key, said in written(body, set(ElementIn.model_fields)).items() if said is not None}
    new = Wanted(body.name, body.slug, body.description, definition)
    return await _current(tx, caller, await elements.create(tx, caller.workspace_id, new, now=now))


@router.get("/elements", operation_id="listElements", responses=problems(InvalidCursor))
async def list_elements(
    caller: Reader,
    tx: Tx,
    paging: Paged,
    archived: Annotated[bool, Query(description="Also list archived ones.")] = False,  # noqa: FBT002 - a query parameter
) -> ElementPage:
    """Elements in the order they were made."""
    scope = f"elements:{archived}"
    after = paging.after(scope)
    start = after[0] if after else None
    found = await elements.page(tx, caller.workspace_id, after=start, limit=paging.fetch, archived=archived)
    rows, cursor = paging.cut(found, scope, lambda row: [row["id"]])
    counting = await elements.being_counted(tx, caller.workspace_id)
    return page([_shown(row, counting) for row in rows], cursor, ElementPage)


@router.get("/elements/{element}", operation_id="getElement", responses=problems(UnknownElement))
async def get_element(element: Ref, caller: Reader, tx: Tx) -> ElementOut:
    """One element by its id, archived or not; or a live one by its slug."""
    return await _current(tx, caller, await elements.find(tx, caller.workspace_id, element))


@router.patch(
    "/elements/{element}",
    operation_id="updateElement",
    responses=problems(UnknownElement, *UNUSABLE, ElementArchived),
)
async def update_element(element: Ref, body: ElementPatch, caller: RuleMaker, tx: Tx, now: Now) -> ElementOut:
    """Change an element. Where it counts other events from now on, everything is counted anew."""
    values: dict[str, Any] = {
        name: getattr(body, name) for name in ("name", "description") if name in body.model_fields_set
    }
    said = written(body, body.model_fields_set)
    return await _current(tx, caller, await elements.change(tx, caller.workspace_id, element, values, said, now=now))


@router.delete(
    "/elements/{element}", status_code=204, operation_id="archiveElement", responses=problems(UnknownElement)
)
async def archive_element(element: Ref, caller: RuleMaker, tx: Tx, now: Now) -> None:
    """Retire an element: its facts are gone, and its slug is free. Repeating it is harmless."""
    await elements.archive(tx, caller.workspace_id, element, now=now)


async def _of_record(db: Session, caller: Caller, subject: Subject, ref: str) -> RecordElementsOut:
    found = await elements.of_record(db, caller.workspace_id, subject, ref)
    data = [RecordElementOut.model_validate(row) for row in found]
    return RecordElementsOut(data=data, elements_used=sum(row.used for row in data))


async def _instances(
    db: Session, caller: Caller, at: tuple[Subject, str], element: str, paging: Paging, *, enabled: bool | None
) -> ElementInstancePage:
    record_id = await elements.record(db, caller.workspace_id, *at)
    one = await elements.find(db, caller.workspace_id, element)
    scope = f"element_instances:{record_id}:{one['id']}:{enabled}"
    asked = Asked(at[0], record_id, one["counted_as"], enabled)
    found = await elements.instances(db, caller.workspace_id, asked, after=paging.after(scope), limit=paging.fetch)
    rows, cursor = paging.cut(found, scope, lambda row: [row["record_id"], row["instance"]])
    data = [ElementInstanceOut.model_validate(row, extra="ignore") for row in rows]
    return page(data, cursor, ElementInstancePage)


@router.get("/accounts/{account}/elements", operation_id="listAccountElements", responses=problems(UnknownAccount))
async def list_account_elements(account: Ref, caller: Reader, tx: Tx) -> RecordElementsOut:
    """What the account has of each element."""
    return await _of_record(tx, caller, Subject.ACCOUNTS, account)


@router.get(
    "/accounts/{account}/elements/{element}/instances",
    operation_id="listAccountInstances",
    responses=problems(UnknownAccount, UnknownElement, InvalidCursor),
)
async def list_account_element_instances(
    account: Ref, element: Ref, caller: Reader, tx: Tx, paging: Paged, enabled: EnabledIn = None
) -> ElementInstancePage:
    """The instances of an element at the account, by name. An element without an instance property has none."""
    return await _instances(tx, caller, (Subject.ACCOUNTS, account), element, paging, enabled=enabled)


@router.get(
    "/organizations/{organization}/elements",
    operation_id="listOrganizationElements",
    responses=problems(UnknownOrganization),
)
async def list_organization_elements(organization: Ref, caller: Reader, tx: Tx) -> RecordElementsOut:
    """What the organization has of each element, its accounts included."""
    return await _of_record(tx, caller, Subject.ORGANIZATIONS, organization)


@router.get(
    "/organizations/{organization}/elements/{element}/instances",
    operation_id="listOrganizationInstances",
    responses=problems(UnknownOrganization, UnknownElement, InvalidCursor),
)
async def list_organization_element_instances(
    organization: Ref, element: Ref, caller: Reader, tx: Tx, paging: Paged, enabled: EnabledIn = None
) -> ElementInstancePage:
    """The instances of an element at the organization and its accounts, one of these after the other."""
    return await _instances(tx, caller, (Subject.ORGANIZATIONS, organization), element, paging, enabled=enabled)
